"""DeepFashion In-shop: the front view paired with the flat view of the same item and color."""

import re
from collections.abc import Iterator, Sequence

import click

from data_prep.layouts.records import Fault, Layout, Pair, Record, list_rows
from data_prep.photo_folder import PhotoFolder, join

LIST = "list_eval_partition.txt"
SPLITS = {"train": "train", "query": "test", "gallery": "test"}
PATTERN = re.compile(r"(.*/)?(\w+)/(\w+)/(id_\d{1,12})/(\d+)_(1_front|6_flat)\.\w{3,4}")


def locate(folder: PhotoFolder) -> tuple[str, str | None] | None:
    """(folder that contains img/, path of the list or None), or None if there is no img/."""
    for inner in ("", "Img", "Anno", "In-shop"):
        if any(folder.has(join(inner, f"img/{who}")) for who in ("WOMEN", "MEN")):
            lists = (join(other, LIST) for other in dict.fromkeys((inner, "", "Eval", "Anno")))
            return inner, folder.first(lists)
    return None


def records(folder: PhotoFolder, category: Sequence[str] = ()) -> Iterator[Record]:
    """Pairs by item and color; query and gallery form the test split.

    person_id is the item, whose photos may show one person.
    """
    inner, path = locate(folder) or ("", None)
    views: dict[tuple[str, str], dict[str, str]] = {}
    splits: dict[str, str] = {}
    for record in listed_photos(folder, inner, path) if path else found_photos(folder, inner):
        if isinstance(record, Fault):
            yield record
            continue
        photo, split = record
        found = PATTERN.fullmatch(photo)
        if found and (not category or found[3] in category):
            views.setdefault((found[4], found[5]), {})[found[6]] = photo
            splits.setdefault(found[4], split)
    for (item, color), pair in sorted(views.items()):
        if len(pair) == 2:
            yield Pair(pair["1_front"], pair["6_flat"], item, f"{item}/{color}", splits[item])
        else:
            ((view, photo),) = pair.items()
            yield Fault(photo, f"has no matching {'flat' if view == '1_front' else 'front'} view")


def listed_photos(folder: PhotoFolder, inner: str, path: str) -> Iterator[tuple[str, str] | Fault]:
    """Yield (path, split) of each line of the partition list; its first two are a count and a header."""
    for number, row in enumerate(list_rows(folder, path)):
        if isinstance(row, Fault):
            if number:
                yield row
        elif len(row[1]) == 3 and row[1][2] in SPLITS:
            yield join(inner, row[1][0]), SPLITS[row[1][2]]
        elif number > 1:
            yield Fault(row[0], "needs three columns, the last being train, query or gallery")


def found_photos(folder: PhotoFolder, inner: str) -> Iterator[tuple[str, str]]:
    """Yield (path, "") of each photo, for a copy without the list."""
    for who in ("WOMEN", "MEN"):
        top = join(inner, f"img/{who}")
        for kind in folder.folders(top):
            for item in folder.folders(f"{top}/{kind}"):
                path = f"{top}/{kind}/{item}"
                yield from ((f"{path}/{name}", "") for name in folder.images(path))


DEEPFASHION = Layout(
    "deepfashion",
    "DeepFashion In-shop: img/WOMEN/Dresses/id_00000002/02_{1_front,6_flat}.jpg",
    records,
    lambda folder: locate(folder) is not None,
    options=(
        click.option(
            "--category",
            multiple=True,
            help="Only this category, such as Sweaters; repeatable.  [default: all]",
        ),
    ),
)
