"""The shoot: which person wears which garment, rendered in parallel, streamed to a file.

Finished rows are kept beside OUT, so that an interrupted shoot goes on; OUT appears whole at the end.

Every item has its own random state, ``SeedSequence(seed, spawn_key=(split, kind, index))``,
so that a picture depends neither on how many are made nor on how many processes make them.
"""

import contextlib
import dataclasses
import functools
import importlib.util
import itertools
import multiprocessing
import os
import signal
import threading

import numpy as np
from tqdm import tqdm

from data_prep.options import cpus
from data_prep.photoshoot import render
from data_prep.photoshoot.garment import ATTRIBUTES, sample_garment
from data_prep.photoshoot.person import sample_person, sample_sitter
from data_prep.store import PhotoWriter, check_size, check_target, pack
from data_prep.work import PICTURES, Renders

VERSION = 4  # of the pictures: raised whenever the same seed gives other pictures
SPLIT_KEYS = {"train": 0, "test": 1}
PERSON, GARMENT, SITTING, TRIPLE = range(4)  # kinds of random states
BLOCK_GARMENTS = (0, 1, 2, 2, 3, 4)  # six pairs: two persons sit three times each ...
GARMENTS_PER_BLOCK = 5  # ... and the third garment is worn by both of them
SITTINGS = 3
RECOLORED = 4  # every fourth garment is the one before it in other colors, as shops sell them
ALIKE = 0.3  # share of the true swaps that are of one style in two colors
TEST_IDS = 1_000_000_000  # ids of the test split start here: disjoint from those of train
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all pictures of a shoot have in common.  size: (height, width) [pixels]."""

    seed: int
    size: tuple[int, int]
    clutter: bool = False
    wardrobe: str = "paper"


def random_state(seed, split, kind, index):
    """The generator of one item; ``kind`` is PERSON, GARMENT, SITTING or TRIPLE."""
    key = (SPLIT_KEYS[split], kind, index)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def casting(index):
    """(person, garment) numbers of pair ``index`` within its split."""
    block, place = divmod(index, len(BLOCK_GARMENTS))
    return index // SITTINGS, GARMENTS_PER_BLOCK * block + BLOCK_GARMENTS[place]


def sitter_of(seed, split, index, clutter=False):
    """The sitter of pair ``index``: the person's own look, the sitting's pose and light."""
    person = sample_person(random_state(seed, split, PERSON, casting(index)[0]))
    return sample_sitter(random_state(seed, split, SITTING, index), person, clutter)


def garment_of(seed, split, index, wardrobe="paper"):
    """The garment of pair ``index``."""
    number = casting(index)[1]
    garment = sample_garment(random_state(seed, split, GARMENT, number), wardrobe)
    if not recolored(number):
        return garment
    style = sample_garment(random_state(seed, split, GARMENT, number - 1), wardrobe)
    return dataclasses.replace(style, colors=garment.colors, seed=garment.seed)


def recolored(number):
    """Whether garment ``number`` is the one before it in other colors."""
    return number % RECOLORED == RECOLORED - 1


def draw_partner(rng, i, count):
    """A row j of the first ``count`` whose garment differs from that of row ``i``.

    Where row i's style is there in other colors, that is taken with a chance of `ALIKE`.
    """
    worn = worn_by(count)
    twin = worn[i] - 1 if recolored(worn[i]) else worn[i] + 1 if recolored(worn[i] + 1) else -1
    alike = np.flatnonzero(worn == twin)
    take = rng.random() < ALIKE * RECOLORED / 2  # half of all garments have a twin
    if take and len(alike):
        return int(rng.choice(alike))
    return int(rng.choice(np.flatnonzero(worn != worn[i])))


@functools.cache
def worn_by(count):
    """The garment numbers of the first ``count`` rows of a split."""
    return np.array([casting(row)[1] for row in range(count)])


def swap_of(seed, split, index, count):
    """Rows (i, j) of true swap ``index`` among the first ``count`` pairs of a split.

    Each row serves as i in turn, with partners of its own each time.
    """
    i = index % count
    return i, draw_partner(random_state(seed, split, TRIPLE, index), i, count)


def make_pair(setting, split, index):
    """Render pair ``index`` of a `Setting`: a dict with the arguments of ``PhotoWriter.add``."""
    garment = garment_of(setting.seed, split, index, setting.wardrobe)
    sitter = sitter_of(setting.seed, split, index, setting.clutter)
    x, mask = render.render_worn(sitter, garment, setting.size)
    offset = TEST_IDS if split == "test" else 0
    person, product = (offset + number for number in casting(index))
    return dict(
        split=split,
        x=x,
        y=render.render_article(garment, setting.size),
        mask=mask,
        person=person,
        garment=product,
        attributes=attributes(garment),
    )


def make_triple(setting, split, count, index):
    """Render true swap ``index`` among the first ``count`` pairs of ``split``.

    Returns the arguments of ``PhotoWriter.add_triple``.
    """
    i, j = swap_of(setting.seed, split, index, count)
    x_ij, mask = render.render_worn(
        sitter_of(setting.seed, split, i, setting.clutter),
        garment_of(setting.seed, split, j, setting.wardrobe),
        setting.size,
    )
    return dict(i=i, j=j, x_ij=x_ij, mask=mask, split=split)


def attributes(garment):
    """name -> (code, names) of one garment, as the store keeps them."""
    return {name: (names.index(str(getattr(garment, name))), names) for name, names in ATTRIBUTES.items()}


def provenance(setting, pairs, held_out, true_swaps=0):
    """What a file says of itself: all that its pictures depend on."""
    arguments = dict(
        pairs=pairs,
        size=list(setting.size),
        held_out=held_out,
        clutter=setting.clutter,
        wardrobe=setting.wardrobe,
    )
    if true_swaps:  # a file without them is what it was before there were any
        arguments["true_swaps"] = true_swaps
    return dict(program="data_prep photoshoot", version=VERSION, seed=setting.seed, arguments=arguments)


def shoot(path, pairs, size, seed=0, held_out=512, clutter=False, jobs=None, true_swaps=0, wardrobe="paper"):
    """Render ``pairs`` train pairs and ``held_out`` test pairs with as many true swaps.

    true_swaps: how many of the train pairs to render, too, for trainings that learn from them.
    size: (height, width) [pixels]; jobs: processes, by default as many as there are CPUs.  The file is
    the same for any ``jobs``, and whether or not the shoot was interrupted and begun again.
    Raises ValueError for a bad count or size or without a renderer, OSError for a bad path.
    """
    jobs = cpus() if jobs is None else jobs
    _check_counts(pairs, held_out, jobs, true_swaps)
    check_size(*size, str(path))
    check_renderer()
    check_target(path)
    setting = Setting(seed, tuple(size), clutter, wardrobe)
    about = provenance(setting, pairs, held_out, true_swaps)
    tasks, total = _tasks(setting, pairs, held_out, true_swaps), pairs + 2 * held_out + true_swaps
    with Renders(f"{path}.work", about) as kept:
        try:
            _render_all(tasks, total, kept, jobs)
        except KeyboardInterrupt:
            kept.save()
            raise KeyboardInterrupt(
                "interrupted; what was rendered is kept, the same command goes on"
            ) from None
        with PhotoWriter(path, *size, about) as writer:
            for row in kept:
                (writer.add if "x" in row else writer.add_triple)(**row)
        kept.remove()


def check_renderer():
    """Raise ValueError, with the cure, where the package that casts the rays is missing."""
    if importlib.util.find_spec("embreex") is None:
        raise ValueError(
            "the photoshoot needs the package embreex, which is not installed: pip install embreex"
        )


def _render_all(tasks, total, kept, jobs):
    """Render, in order, those of ``total`` tasks whose rows are not kept yet."""
    done = len(kept)
    jobs = min(jobs, max(1, (total - done) // _mapper.CHUNK))  # a process takes longer to start than that
    with tqdm(total=total, initial=done, unit="picture", desc="photoshoot") as bar, _mapper(jobs) as run:
        for row in run(_call, itertools.islice(tasks, done, None)):
            kept.put(row)
            bar.update()
    kept.save()


def _check_counts(pairs, held_out, jobs, true_swaps):
    if pairs < 0 or held_out < 0 or pairs + held_out == 0:
        raise ValueError("the counts of pairs must be at least 0 and not both 0")
    if 0 < held_out < 4:
        raise ValueError("--held-out must be 0 or at least 4: a swap needs another garment")
    if true_swaps < 0 or true_swaps and pairs < 4:
        raise ValueError(
            "--true-swaps must be at least 0 and needs at least 4 --pairs: a swap needs another garment"
        )
    if jobs < 1:
        raise ValueError("--jobs must be at least 1")


def _tasks(setting, pairs, held_out, true_swaps):
    for split, count in (("train", pairs), ("test", held_out)):
        for index in range(count):
            yield functools.partial(make_pair, setting, split, index)
    for split, count, swaps in (("test", held_out, held_out), ("train", pairs, true_swaps)):
        for index in range(swaps):
            yield functools.partial(make_triple, setting, split, count, index)


def _call(task):
    """A task's row, its pictures packed: here, so that all processes do so."""
    return {name: pack(value) if name in PICTURES else value for name, value in task().items()}


def _serve():
    """Workers leave Ctrl-C to the parent, which ends them, and end when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)


@contextlib.contextmanager
def _interrupts_later():
    """Note a Ctrl-C instead of raising it: a process that is left half born prints a traceback."""
    noted = []
    if threading.current_thread() is not threading.main_thread():
        yield noted  # Python gives signals to its main thread alone
        return
    before = signal.signal(signal.SIGINT, lambda *_: noted.append(True))
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


class _mapper:  # noqa: N801 - used like a function
    """Context manager: an ordered map over ``jobs`` processes (in this one if jobs is 1)."""

    CHUNK = 8  # tasks sent to a process at once

    def __init__(self, jobs):
        self.jobs, self.pool = jobs, None

    def __enter__(self):
        if self.jobs == 1:
            return map
        os.environ.update({name: "1" for name in THREADS})  # read by the spawned children
        context = multiprocessing.get_context("spawn")
        with _interrupts_later() as interrupted:
            self.pool = context.Pool(self.jobs, _serve)
        if interrupted:
            self.__exit__()
            raise KeyboardInterrupt
        return functools.partial(self.pool.imap, chunksize=self.CHUNK)

    def __exit__(self, *_):
        if self.pool:
            self.pool.terminate()
            self.pool.join()
