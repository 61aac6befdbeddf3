"""The shoot: assign garments to people, render in parallel, and stream the rows to a file.

Finished rows are stored next to OUT, so that an interrupted shoot can continue; OUT is written
atomically at the end.

Every item has its own random state, ``SeedSequence(seed, spawn_key=(split, kind, index))``, so that an
image depends neither on the number of images nor on the number of processes.
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import importlib.util
import multiprocessing
import os
import signal
import threading
from concurrent.futures.process import BrokenProcessPool

import numpy as np
from tqdm import tqdm

from data_prep.options import cpus
from data_prep.photoshoot.body.person import sample_person
from data_prep.photoshoot.camera import render
from data_prep.photoshoot.camera.sitter import sample_sitter, show_whole_figure
from data_prep.photoshoot.camera.studio import default_studio, house_of, place_sitter
from data_prep.photoshoot.clothes.garment import SHARES, TABLES, attributes_of, sample_garment
from data_prep.store import IMAGES, PhotoWriter, check_size, check_target, pack
from data_prep.work_file import WorkFile

VERSION = 6  # of the images: increased whenever the same seed gives different ones
SPLIT_KEYS = {"train": 0, "test": 1}
PERSON, GARMENT, SITTING, TRIPLE, RAILS = range(5)  # kinds of random states
BLOCK_GARMENTS = (0, 1, 2, 2, 3, 4)  # six pairs: two persons in three sittings each ...
GARMENTS_PER_BLOCK = 5  # ... and the third garment is worn by both of them
SITTINGS = 3
FIRST_RAIL = 3  # garments of a block on its first rail; the others are on its second
RAILS_PER_DRAW = 10  # every ten rails hold the categories in their exact shares
RECOLOR_EVERY = 4  # every fourth garment is the previous one in other colors, as shops sell a style
SAME_STYLE = 0.3  # share of the true swaps between two colors of one style
TEST_IDS = 1_000_000_000  # ids of the test split start here, disjoint from those of train
FEW = 8  # images from which another process is worth its start
AT_ONCE = 4  # images that a process renders before it returns them
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclasses.dataclass(frozen=True)
class Setting:
    """Settings common to all images of a shoot.  size: (height, width) [pixels]."""

    seed: int
    size: tuple[int, int]
    clutter: bool = False
    wardrobe: str = "paper"
    studio: str = "many"

    @property
    def house(self):
        """The `studio.House` whose style all photos have, or None if each has a style of its own."""
        return house_of(self.seed) if self.studio == "one" else None


def random_state(seed, split, kind, index):
    """The random generator of one item; ``kind`` is PERSON, GARMENT, SITTING or TRIPLE."""
    key = (SPLIT_KEYS[split], kind, index)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def casting(index):
    """(person, garment) numbers, within the split, of pair ``index``."""
    block, position = divmod(index, len(BLOCK_GARMENTS))
    return index // SITTINGS, GARMENTS_PER_BLOCK * block + BLOCK_GARMENTS[position]


def sitter_of(setting, split, index):
    """The sitter of pair ``index``: the person's appearance in the sitting's pose and light.

    With the wardrobe "all", the camera shows garments of the pair's category, and people who wear a
    skirt or a dress in one of their sittings are women.
    """
    number = casting(index)[0]
    sittings = range(number * SITTINGS, (number + 1) * SITTINGS)
    worn = [category_of(setting, split, casting(sitting)[1]) for sitting in sittings]
    category, woman = worn[index % SITTINGS], bool({"skirt", "dress"} & set(worn))
    person = sample_person(random_state(setting.seed, split, PERSON, number), woman)
    sitter = sample_sitter(random_state(setting.seed, split, SITTING, index), person, setting.clutter)
    sitter = show_whole_figure(sitter, category)
    return place_sitter(sitter, setting.house, category) if setting.house else sitter


def garment_of(setting, split, index):
    """The garment of pair ``index``."""
    number = casting(index)[1]
    category = category_of(setting, split, number) if setting.wardrobe == "all" else None
    patterns = TABLES["one_studio_patterns" if setting.studio == "one" else "patterns"]

    def sample(number):
        state = random_state(setting.seed, split, GARMENT, number)
        return sample_garment(state, setting.wardrobe, category, patterns)

    garment = sample(number)
    if not is_recolored(number):
        return garment
    return dataclasses.replace(sample(number - 1), colors=garment.colors, seed=garment.seed)


def category_of(setting, split, number):
    """The category of garment ``number``.

    In the wardrobe "all", the garments of a block hang on two rails, each of one category, so that most
    people wear several garments of a category; another color of a style hangs beside it.
    """
    if setting.wardrobe != "all":
        return "upper"
    block, position = divmod(number - is_recolored(number), GARMENTS_PER_BLOCK)
    draw, rail = divmod(2 * block + (position >= FIRST_RAIL), RAILS_PER_DRAW)
    return rails(setting.seed, split, draw)[rail]


@functools.lru_cache(4096)
def rails(seed, split, draw):
    """The categories of `RAILS_PER_DRAW` rails, in random order and by their `SHARES`."""
    full = [category for category, share in SHARES.items() for _ in range(round(share * RAILS_PER_DRAW))]
    return random_state(seed, split, RAILS, draw).permutation(full).tolist()


def is_recolored(number):
    """Whether garment ``number`` is the previous one in other colors."""
    return number % RECOLOR_EVERY == RECOLOR_EVERY - 1


def swap_of(setting, split, index, count):
    """Rows (i, j) of true swap ``index`` among the first ``count`` pairs of a split.

    Each row for which another garment has the same category serves as i in turn, each time with a new
    partner j, of which a share `SAME_STYLE` is the style of row i in other colors.
    """
    rng = random_state(setting.seed, split, TRIPLE, index)
    worn, categories, partnered = partners(setting, split, count)
    i = int(partnered[index % len(partnered)])
    other = worn[i] - 1 if is_recolored(worn[i]) else worn[i] + 1 if is_recolored(worn[i] + 1) else -1
    same_style = np.flatnonzero(worn == other)
    prefer = rng.random() < SAME_STYLE * RECOLOR_EVERY / 2  # half of all garments exist in other colors
    if prefer and len(same_style):
        return i, int(rng.choice(same_style))
    return i, int(rng.choice(np.flatnonzero((categories == categories[i]) & (worn != worn[i]))))


@functools.lru_cache(8)
def partners(setting, split, count):
    """Of the first ``count`` rows, (garments, categories [count], rows whose category has another garment).

    Four rows contain two garments of the first rail, so that some row has a partner.
    """
    worn = np.array([casting(row)[1] for row in range(count)])
    categories = np.array([category_of(setting, split, number) for number in worn])
    garments = {word: len(set(worn[categories == word])) for word in SHARES}
    return worn, categories, np.flatnonzero([garments[word] > 1 for word in categories])


def make_pair(setting, split, index):
    """Render pair ``index`` of a `Setting`: a dict of keyword arguments of ``PhotoWriter.add``."""
    worn = garment_of(setting, split, index)
    x, mask = render.render_worn(sitter_of(setting, split, index), worn, setting.size)
    y = render.render_article(worn, setting.size, setting.house)
    offset = TEST_IDS if split == "test" else 0
    person, garment = (offset + number for number in casting(index))
    row = dict(x=x, y=y, mask=mask, person=person, garment=garment)
    return dict(split=split, **row, attributes=attributes(worn, setting.wardrobe))


def make_triple(setting, split, count, index):
    """Render true swap ``index`` among the first ``count`` pairs of ``split``.

    Returns a dict of keyword arguments of ``PhotoWriter.add_triple``.
    """
    i, j = swap_of(setting, split, index, count)
    sitter, garment = sitter_of(setting, split, i), garment_of(setting, split, j)
    x_ij, mask = render.render_worn(sitter, garment, setting.size)
    return dict(i=i, j=j, x_ij=x_ij, mask=mask, split=split)


def attributes(garment, wardrobe):
    """name -> (code, names) of one garment, as in ``PhotoWriter.add``."""
    stored = attributes_of(wardrobe)
    return {name: (names.index(str(getattr(garment, name))), names) for name, names in stored.items()}


def provenance(setting, pairs, held_out, true_swaps=0):
    """The provenance of a file: everything that its images depend on."""
    given = dataclasses.asdict(setting)
    seed, arguments = given.pop("seed"), given | dict(size=list(setting.size), pairs=pairs, held_out=held_out)
    if true_swaps:  # files without true swaps keep their provenance from before the option existed
        arguments["true_swaps"] = true_swaps
    return dict(program="data_prep photoshoot", version=VERSION, seed=seed, arguments=arguments)


def shoot(out, pairs, size, seed=0, held_out=512, jobs=None, true_swaps=0, studio=None, **style):
    """Render ``pairs`` training pairs and ``held_out`` test pairs, each of the latter with a true swap.

    size: (height, width) [pixels]; true_swaps: number of true swaps of training pairs, for training
    with ground truth; jobs: processes, by default the number of available CPUs; studio: "one" or "many",
    by default the wardrobe's; style: the other fields of `Setting`, clutter and wardrobe.  The bytes of the
    file depend neither on ``jobs`` nor on interruptions.  Raises ValueError for an invalid count or size or
    a missing renderer, OSError for an invalid path.
    """
    jobs = cpus() if jobs is None else jobs
    _check_counts(pairs, held_out, jobs, true_swaps)
    check_size(*size, str(out))
    check_renderer()
    check_target(out)
    studio = studio or default_studio(style.get("wardrobe", "paper"))
    setting = Setting(seed, tuple(size), studio=studio, **style)
    origin = provenance(setting, pairs, held_out, true_swaps)
    with WorkFile(f"{out}.work", origin) as finished:
        with finished.resumable():
            _render_all(_tasks(setting, pairs, held_out, true_swaps), finished, jobs)
        with PhotoWriter(out, *size, origin) as writer:
            for row in finished:
                (writer.add if "x" in row else writer.add_triple)(**row)
        finished.remove()


def check_renderer():
    """Raise ValueError, naming the cure, if the ray tracing package is missing."""
    if importlib.util.find_spec("embreex") is None:
        cure = "pip install embreex"
        raise ValueError(f"the photoshoot needs the package embreex, which is not installed: {cure}")


def _render_all(tasks, finished, jobs):
    """Render the remaining tasks in order."""
    done, total, left = len(finished), len(tasks), tasks[len(finished) :]
    # a process costs more than a few images.  By the total, not by what is left: sums of one thread and of
    # several round differently
    few, jobs = total < 2 * FEW, min(jobs, max(1, (total - done) // FEW))
    rows = (_call(task) for task in left) if few else map_in_processes(jobs, _call, left)
    with contextlib.closing(rows):
        for row in tqdm(rows, total=total, initial=done, unit="image", desc="photoshoot"):
            finished.put(row)
    finished.save()


def _check_counts(pairs, held_out, jobs, true_swaps):
    if pairs < 0 or held_out < 0 or pairs + held_out == 0:
        raise ValueError("--pairs and --held-out must be at least 0 and not both 0")
    if 0 < held_out < 4:
        raise ValueError("--held-out must be 0 or at least 4: a swap needs another garment")
    if true_swaps < 0 or true_swaps and pairs < 4:
        needs = "needs at least 4 --pairs: a swap needs another garment"
        raise ValueError(f"--true-swaps must be at least 0 and {needs}")
    if jobs < 1:
        raise ValueError("--jobs must be at least 1")


def _tasks(setting, pairs, held_out, true_swaps):
    task, counts = functools.partial, {"train": pairs, "test": held_out}
    rows = [task(make_pair, setting, split, n) for split, count in counts.items() for n in range(count)]
    for split, swaps in (("test", held_out), ("train", true_swaps)):
        rows += [task(make_triple, setting, split, counts[split], n) for n in range(swaps)]
    return rows


def _call(task):
    """Run a task and pack its images, so that compression runs in the worker processes as well."""
    return {name: pack(value) if name in IMAGES else value for name, value in task().items()}


def _serve():
    """Initialize a worker, which exits when its parent is killed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)


@contextlib.contextmanager
def _without_interrupts():
    """Defer Ctrl-C, which processes that start here never receive: at first they would print a traceback."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def map_in_processes(jobs, function, tasks):
    """Yield the results of a function for tasks in order, computed by ``jobs`` processes of one thread each.

    Raises ValueError if a process is killed, for example for lack of memory.
    """
    os.environ.update({name: "1" for name in THREADS})  # read by the spawned children
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(jobs, context, _serve)
    try:
        with _without_interrupts():
            results = pool.map(function, tasks, chunksize=AT_ONCE)
        yield from results
    except BrokenProcessPool as error:
        killed = "a process was killed, perhaps for lack of memory; progress is saved"
        raise ValueError(f"{killed}, run the same command again, with fewer --jobs") from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()  # rather than wait for its images
            child.join()
