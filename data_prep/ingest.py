"""From a folder of photos to the data file: list, develop in parallel, decide, write.

Photos are developed one by one into a work file beside OUT, so that memory does not grow with
their number (names and hashes do, a few kilobytes a pair) and an interrupted run goes on where
it stopped.  OUT appears whole at the end or not at all.
"""

import collections
import concurrent.futures
import dataclasses
import itertools

from tqdm import tqdm

from cagan_theano.io.text import printable
from data_prep.develop import Task, develop
from data_prep.layouts import LAYOUTS, begin
from data_prep.layouts.records import Fault, Pair
from data_prep.picture import quiet
from data_prep.plan import make_plan
from data_prep.report import Report
from data_prep.source import Source
from data_prep.store import Packed, PhotoWriter, check_target
from data_prep.work import Work

VERSION = 2  # of what is made of a photo: raised whenever the same file gives other pixels
GROUP = 4  # photos that a thread is given at once: fewer turns of Python's one lock
WINDOW = 4  # groups to a thread that may wait for the work file


@dataclasses.dataclass(frozen=True)
class Settings:
    """How photos become a data file.

    size: (height, width) [pixels]; fit: "pad" or "crop"; split, share, seed: see
    `plan.make_plan`; masks: keep masks, and drop pairs without; drop_doubts: drop garments that a
    check takes for photos of a person; jobs: photos developed at once.
    """

    size: tuple[int, int] = (128, 96)
    fit: str = "pad"
    split: str = "given"
    share: float = 0.1
    seed: int = 0
    masks: bool = True
    drop_doubts: bool = True
    jobs: int = 2


@dataclasses.dataclass
class Found:
    """What a layout found: true pairs, rows to try on, and what cannot be used."""

    pairs: list
    unpaired: list
    faults: list


def find(layout, source, options=None):
    """The `Found` of a layout (a module of `data_prep.layouts`) in a `Source`."""
    found, kinds = Found([], [], []), {Pair: "pairs", Fault: "faults"}
    for record in layout.records(source, **(options or {})):
        getattr(found, kinds.get(type(record), "unpaired")).append(record)
    found.pairs = list(dict.fromkeys(found.pairs))
    found.faults += [
        Fault(folder or ".", "is a link out of SRC: not followed") for folder in dict.fromkeys(source.refused)
    ]
    return found


def ingest(name, src, out, settings=None, options=None):
    """Make the data file OUT of the photos in SRC, with its report and contact sheet.

    name: a layout of `data_prep.layouts.LAYOUTS`; options: its own, as keyword arguments.
    Returns the `Report`.  Raises ValueError or OSError, "FILE: what is wrong; the cure", when not
    a single pair can be used; where there were pairs, the report says why and is named.
    """
    settings, layout, whole = settings or Settings(), LAYOUTS[name], Source(src)
    check_target(out)
    source = begin(whole, layout) or whole
    found = find(layout, source, options)
    report = Report(name, src, out, settings, options, source.base, VERSION)
    report.found(found)
    if not found.pairs:
        raise ValueError(
            f"{src}: holds no pairs of the layout {name} ({report.why_none()}); "
            "`python -m data_prep detect` tells which layout it has"
        )
    with Work(f"{out}.work", [VERSION, settings.size, settings.fit, source.root]) as work, quiet():
        tasks = tasks_of(found.pairs, settings.masks)
        develop_all(source, tasks, work, settings)
        facts = {task[:2]: work.facts(key_of(task)) for task in tasks}
        plan = make_plan(
            found.pairs,
            found.unpaired,
            facts,
            split=settings.split,
            share=settings.share,
            seed=settings.seed,
            masks=settings.masks,
            drop_doubts=settings.drop_doubts,
        )
        report.planned(plan, facts)
        if not plan.kept:
            report.write_facts()
            raise ValueError(
                f"{src}: none of {len(found.pairs)} pairs can be used "
                f"({report.why_none()}); see {report.facts_path}"
            )
        pictures = {task[:2]: key_of(task) for task in tasks}
        report.draw(plan, lambda photo: work.pictures(pictures[photo]))
        write(out, plan, work, pictures, report, settings)
        work.remove()
    return report


def tasks_of(pairs, masks):
    """The `Task`s of all photos of some pairs, each once; masks: whether theirs are wanted."""
    tasks = {}
    for pair in pairs:
        for task in (
            Task("x", pair.person, *((pair.parse, pair.labels) if masks else ())),
            Task("y", pair.garment, pair.garment_mask if masks else None),
        ):
            tasks.setdefault(task[:2], task)
    return list(tasks.values())


def key_of(task):
    """A task as the text that the work file knows it by."""
    return printable("|".join((task.role, task.photo, task.mask or "", ",".join(map(str, task.labels)))))


def develop_all(source, tasks, work, settings):
    """Develop every photo that the work file has not yet, in parallel, in order."""
    done = work.stamps()
    stamps = {key_of(task): stamp_of(source, task) for task in tasks}
    missing = [task for task in tasks if done.get(key_of(task)) != stamps[key_of(task)]]
    bar = tqdm(total=len(tasks), initial=len(tasks) - len(missing), unit="photo", desc="reading")
    try:
        with bar:
            groups = (missing[n : n + GROUP] for n in range(0, len(missing), GROUP))
            run = in_parallel(
                lambda group: [develop(source, task, settings.size, settings.fit) for task in group],
                groups,
                settings.jobs,
            )
            for group, results in run:
                for task, developed in zip(group, results):
                    work.put(key_of(task), stamps[key_of(task)], developed)
                bar.update(len(group))
        work.save()
    except KeyboardInterrupt:
        work.save()
        raise KeyboardInterrupt("interrupted; what was read is kept, the same command goes on") from None


def stamp_of(source, task):
    """What changes when a task's files change."""
    return f"{source.stamp(task.photo)} {source.stamp(task.mask) if task.mask else ''}"


def in_parallel(function, items, jobs):
    """(item, function(item)) of each item in order, `jobs` at once, a bounded number ahead."""
    items, pending = iter(items), collections.deque()
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        try:
            for item in itertools.islice(items, jobs * WINDOW):
                pending.append((item, pool.submit(function, item)))
            while pending:
                item, future = pending.popleft()
                yield item, future.result()
                for item in itertools.islice(items, 1):
                    pending.append((item, pool.submit(function, item)))
        finally:
            for _, future in pending:
                future.cancel()


def write(out, plan, work, pictures, report, settings):
    """Write the data file; its report and sheet are put in place just before it, and with it alone."""
    try:
        with PhotoWriter(out, *settings.size, report.provenance()) as writer:
            for kept in tqdm(plan.kept, unit="pair", desc="writing"):
                add(writer, kept, work, pictures)
            for i, j in plan.triples:
                writer.add_triple(i, j)
            report.write()
    except BaseException:
        report.take_back()
        raise


def add(writer, kept, work, pictures):
    """Write one pair that is kept."""
    pair = kept.pair
    x, mask = work.pictures(pictures["x", pair.person])
    y, y_mask = work.pictures(pictures["y", pair.garment])
    images = [image and Packed(image) for image in (x, y, mask, y_mask)]
    writer.add(
        kept.split,
        *images[:2],
        kept.person,
        kept.garment,
        mask=images[2],
        y_mask=images[3],
        files=(pair.person, pair.garment),
    )
