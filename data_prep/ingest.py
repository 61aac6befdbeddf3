"""Build the data file from a folder of photos: list, develop in parallel, select, write.

Photos are developed one by one into a work file next to OUT.  Memory therefore grows only with names
and hashes (a few kilobytes per pair), and an interrupted run continues where it stopped.  OUT is
written atomically at the end.
"""

import collections
import concurrent.futures
import dataclasses
import itertools
import os

from tqdm import tqdm

from cagan_theano.io.text import printable
from data_prep.develop import Task, develop
from data_prep.layouts import LAYOUTS, PATHS, find_root
from data_prep.layouts.records import Fault, Pair
from data_prep.picture import quiet
from data_prep.plan import make_plan
from data_prep.report import Report
from data_prep.source import Source
from data_prep.store import Packed, PhotoWriter, check_target
from data_prep.work import DevelopedPhotos

VERSION = 2  # of the developed pixels: increased whenever the same file gives different ones
GROUP = 4  # photos per task of a thread: less contention for the GIL
WINDOW = 4  # groups per thread that may wait to be written


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of an ingestion.

    size: (height, width) [pixels]; fit: "pad" or "crop"; split, share, seed: see
    `plan.make_plan`; masks: store masks, and drop pairs without them; drop_doubts: drop garments
    whose photo appears to show a person; jobs: photos developed in parallel.
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
    """Records of a layout, by type: `Pair`s, `Unpaired` rows and `Fault`s."""

    pairs: list
    unpaired: list
    faults: list


def find(layout, source, options=None):
    """The `Found` of a layout (a module of `data_prep.layouts`) in a `Source`."""
    found, kinds = Found([], [], []), {Pair: "pairs", Fault: "faults"}
    for record in layout.records(source, **(options or {})):
        getattr(found, kinds.get(type(record), "unpaired")).append(record)
    found.pairs = list(dict.fromkeys(found.pairs))
    found.faults += [Fault(folder or ".", why) for folder, why in source.refused.items()]
    return found


def ingest(name, src, out, settings=None, options=None):
    """Build the data file OUT from the photos in SRC, with its report and contact sheet.

    name: a key of `data_prep.layouts.LAYOUTS`; options: keyword arguments of that layout.
    Returns the `Report`.  Raises ValueError or OSError, "FILE: problem; cure", if no pair can be
    used; if there were pairs, the message names the report with the reasons.
    """
    settings, layout, root = settings or Settings(), LAYOUTS[name], Source(src)
    check_target(out)
    source = find_root(root, layout) or root
    found = find(layout, source, options)
    told = {key: source.resolve(value) if value and key in PATHS else value
            for key, value in (options or {}).items()}  # fmt: skip
    report = Report(name, src, out, settings, told, source.base, VERSION)
    report.add_records(found)
    if not found.pairs:
        raise ValueError(
            f"{src}: contains no pairs of the layout {name} ({report.main_reasons()}); "
            "run `python -m data_prep detect` to find its layout"
        )
    with DevelopedPhotos(f"{out}.work", [VERSION, settings.size, settings.fit, source.root]) as work, quiet():
        tasks = tasks_of(found.pairs, settings.masks)
        develop_all(source, tasks, work, settings)
        metadata = {task[:2]: work.metadata(key_of(task)) for task in tasks}
        plan = make_plan(
            found.pairs,
            found.unpaired,
            metadata,
            split=settings.split,
            share=settings.share,
            seed=settings.seed,
            masks=settings.masks,
            drop_doubts=settings.drop_doubts,
        )
        report.add_plan(plan, metadata)
        if not plan.kept:
            known = os.path.exists(out)  # an earlier OUT stays, with its report
            if not known:
                report.write_json()
            raise ValueError(
                f"{src}: none of {len(found.pairs)} pairs can be used ({report.main_reasons()})"
                + ("" if known else f"; see {report.json_path}")
            )
        keys = {task[:2]: key_of(task) for task in tasks}
        report.render_sheet(plan, lambda photo: work.images(keys[photo]))
        write(out, plan, work, keys, report, settings)
        work.remove()
    return report


def tasks_of(pairs, masks):
    """The unique `Task`s of the photos of some pairs; masks: whether to develop their masks."""
    tasks = {}
    for pair in pairs:
        for task in (
            Task("x", pair.person, *((pair.parse, pair.labels) if masks else ())),
            Task("y", pair.garment, pair.garment_mask if masks else None),
        ):
            tasks.setdefault(task[:2], task)
    return list(tasks.values())


def key_of(task):
    """The key of a task in the work file."""
    return printable("|".join((task.role, task.photo, task.mask or "", ",".join(map(str, task.labels)))))


def develop_all(source, tasks, work, settings):
    """Develop the photos that are missing in the work file, in parallel, and store them in order."""
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
        raise KeyboardInterrupt(
            "interrupted; progress is saved, run the same command again to continue"
        ) from None


def stamp_of(source, task):
    """A fingerprint that changes when one of the task's files changes."""
    return f"{source.stamp(task.photo)} {source.stamp(task.mask) if task.mask else ''}"


def in_parallel(function, items, jobs):
    """Yield (item, function(item)) in order, from `jobs` threads, a bounded number of items ahead."""
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


def write(out, plan, work, keys, report, settings):
    """Write the data file, and just before it its report and sheet, which are reverted if it fails."""
    try:
        with PhotoWriter(out, *settings.size, report.provenance()) as writer:
            categories = sorted({kept.pair.category for kept in plan.kept})
            for kept in tqdm(plan.kept, unit="pair", desc="writing"):
                add_pair(writer, kept, work, keys, categories)
            for i, j in plan.triples:
                writer.add_triple(i, j)
            report.write()
    except BaseException:
        report.restore()
        raise


def add_pair(writer, kept, work, keys, categories):
    """Append one `plan.Kept` pair to the file.  categories: the words of all pairs, [""] for none."""
    pair = kept.pair
    x, mask = work.images(keys["x", pair.person])
    y, y_mask = work.images(keys["y", pair.garment])
    images = [image and Packed(image) for image in (x, y, mask, y_mask)]
    writer.add(
        kept.split,
        *images[:2],
        kept.person,
        kept.garment,
        mask=images[2],
        y_mask=images[3],
        files=(pair.person, pair.garment),
        attributes={"category": (categories.index(pair.category), categories)} if any(categories) else None,
    )
