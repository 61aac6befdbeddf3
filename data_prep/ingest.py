"""Build the data file from a folder of photos: list, examine in parallel, select, write.

Examined photos are appended to a work file next to OUT.  Memory therefore grows only with names and hashes
(a few kilobytes per pair), and an interrupted run continues where it stopped.  OUT is written atomically at
the end.
"""

import concurrent.futures
import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from tqdm import tqdm

from cagan_theano.io.files import atomic_file, write_atomically
from data_prep.examine import Examined, Task, examine
from data_prep.import_report import ImportReport
from data_prep.layouts import LAYOUTS, PATHS, find_roots
from data_prep.layouts.records import Fault, Layout, Pair, Unpaired
from data_prep.photo_folder import PhotoFolder
from data_prep.selection import Selection, Settings, select
from data_prep.store import FilePath, Packed, PhotoWriter, check_target
from data_prep.work_file import WorkFile

VERSION = 3  # of the examined pixels: increased whenever the same file gives different ones
COMPANIONS = (".txt", ".csv", ".tsv", ".json", ".md", ".pdf", ".h5")  # files that are expected beside photos
GROUP = 4  # photos per task of a thread: less contention for the GIL
AHEAD = 64  # groups per thread that may wait to be written

Options: TypeAlias = Mapping[str, Any] | None  # keyword arguments of a layout


@dataclasses.dataclass
class Found:
    """What a layout finds, by type."""

    pairs: list[Pair]
    unpaired: list[Unpaired]
    faults: list[Fault]


def find(layout: Layout, folder: PhotoFolder, options: Options = None) -> Found:
    """What a layout finds in a folder."""
    found = Found([], [], [])
    by_kind: dict[type, list[Any]] = {Pair: found.pairs, Unpaired: found.unpaired, Fault: found.faults}
    for record in dict.fromkeys(layout.records(folder, **(options or {}))):
        by_kind[type(record)].append(record)
    found.faults += [Fault(name or ".", why) for name, why in folder.refused.items()]
    odd = [name for name in folder.others if not name.lower().endswith(COMPANIONS)]
    found.faults += [Fault(name, "has not the ending of an image") for name in odd]
    return found


def ingest(
    name: str, src: FilePath, out: FilePath, settings: Settings | None = None, options: Options = None
) -> ImportReport:
    """Build the data file OUT from the photos in SRC, with its report and contact sheet.

    name: a key of `data_prep.layouts.LAYOUTS`; options: keyword arguments of that layout.
    Raises ValueError or OSError, "FILE: problem; cure", if no pair can be used; if there were pairs, the
    message names the report with the reasons.
    """
    settings, options = settings or Settings(), options or {}
    check_target(out)
    folder = find_root(src, name)
    found = find(LAYOUTS[name], folder, options)
    told = {key: folder.resolve(value) if value and key in PATHS else value for key, value in options.items()}
    arguments = dataclasses.asdict(settings) | told
    del arguments["jobs"]  # does not affect the file
    report = ImportReport(name, src, out, folder.base, arguments)
    report.add_records(len(found.pairs), len(found.unpaired), found.faults)
    if not found.pairs:
        no_pairs = f"contains no pairs of the layout {name} ({report.main_reasons()})"
        raise ValueError(f"{src}: {no_pairs}; run `cagan data detect` to find its layout")
    origin = [VERSION, settings.size, settings.fit, folder.root]
    with WorkFile(f"{out}.work", origin) as work:
        tasks = list_tasks(found.pairs, settings.masks)
        rows = examine_all(folder, tasks, work, settings)
        photos = {
            key: Examined(**{name: value for name, value in work.values[row].items() if name != "task"})
            for key, row in rows.items()
        }
        chosen = select(found.pairs, found.unpaired, photos, settings)
        report.add_selection(chosen, photos)
        if not chosen.kept:
            message = f"{src}: none of {len(found.pairs)} pairs can be used ({report.main_reasons()})"
            if not os.path.exists(out):  # an earlier OUT stays, with its report
                write_atomically(report.json_path, report.to_json())
                message += f"; see {report.json_path}"
            raise ValueError(message)

        def images(role: str, path: str) -> dict[str, Packed]:
            return work.images(rows[role, path])

        sheet = report.draw_sheet(chosen, settings.size, images)
        with (
            atomic_file(report.json_path) as json_file,
            atomic_file(report.sheet_path) as sheet_file,
            PhotoWriter(out, *settings.size, report.provenance(VERSION)) as writer,
        ):  # OUT is complete before its report and sheet appear
            write_pairs(writer, chosen, images)
            json_file.write_text(report.to_json())
            sheet_file.write_bytes(sheet)
        work.remove()
    return report


def find_root(src: FilePath, name: str) -> PhotoFolder:
    """The folder in SRC that has a layout, SRC itself if none has; ValueError if several have."""
    root = PhotoFolder(src)
    folder, *others = find_roots(root, LAYOUTS[name]) or [root]
    if others:
        bases = ", ".join(one.base.rstrip("/") for one in (folder, *others))
        several = f"several folders have the layout {name} ({bases})"
        raise ValueError(f"{src}: {several}; import one: {src}/{folder.base}")
    return folder


def list_tasks(pairs: Iterable[Pair], masks: bool) -> list[Task]:
    """The unique `Task`s of the photos of some pairs; masks: whether to examine their masks."""
    tasks: dict[tuple[str, str], Task] = {}
    for pair in pairs:
        worn = Task("x", pair.person, *((pair.parse, pair.labels) if masks else ()))
        article = Task("y", pair.garment, pair.garment_mask if masks else None)
        for task in (worn, article):
            tasks.setdefault(task[:2], task)
    return list(tasks.values())


def examine_all(
    folder: PhotoFolder, tasks: Sequence[Task], work: WorkFile, settings: Settings
) -> dict[tuple[str, str], int]:
    """Examine the photos that are missing in the work file, in parallel, and append them in order.

    Returns the row of each photo by its (role, path).
    """
    stamps = ([folder.stamp(task.photo), task.mask and folder.stamp(task.mask)] for task in tasks)
    keys = [json.dumps([*task, *stamp]) for task, stamp in zip(tasks, stamps)]
    done = {values["task"]: row for row, values in enumerate(work.values)}
    missing = [(key, task) for key, task in zip(keys, tasks) if key not in done]
    groups = [missing[n : n + GROUP] for n in range(0, len(missing), GROUP)]

    def examine_group(group: Sequence[tuple[str, Task]]) -> list[Examined]:
        return [examine(folder, task, settings.size, settings.fit) for _, task in group]

    with (
        work.resumable(),
        tqdm(total=len(tasks), initial=len(tasks) - len(missing), unit="photo", desc="reading") as bar,
        concurrent.futures.ThreadPoolExecutor(settings.jobs) as pool,
    ):
        for start in range(0, len(groups), at_once := AHEAD * settings.jobs):
            ahead = groups[start : start + at_once]
            for group, results in zip(ahead, pool.map(examine_group, ahead)):
                for (key, _), examined in zip(group, results):
                    done[key] = len(work)
                    work.put({"task": key, **examined._asdict()})
                bar.update(len(group))
    return {task[:2]: done[key] for key, task in zip(keys, tasks)}


def write_pairs(
    writer: PhotoWriter, selection: Selection, images: Callable[[str, str], Mapping[str, Packed]]
) -> None:
    """Write the selected pairs and swaps.  images(role, path): a photo's packed pixels and mask, by name."""
    categories = sorted({kept.pair.category for kept in selection.kept})
    for pair, split, person, garment in tqdm(selection.kept, unit="pair", desc="writing"):
        x, y = images("x", pair.person), images("y", pair.garment)
        attributes = {"category": (categories.index(pair.category), categories)} if any(categories) else None
        more: dict[str, Any] = dict(
            mask=x.get("mask"), y_mask=y.get("mask"), files=(pair.person, pair.garment)
        )
        writer.add(split, x["pixels"], y["pixels"], person, garment, attributes=attributes, **more)
    for i, j in selection.triples:
        writer.add_triple(i, j)
