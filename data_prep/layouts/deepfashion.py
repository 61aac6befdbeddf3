"""DeepFashion In-shop: the front view paired with the flat view of the same item and color."""

import re

import click

from data_prep.layouts.records import Fault, Pair
from data_prep.source import join

NAME = "deepfashion"
TITLE = "DeepFashion In-shop: img/WOMEN/Dresses/id_00000002/02_{1_front,6_flat}.jpg"
LIST = "list_eval_partition.txt"
SPLITS = {"train": "train", "query": "test", "gallery": "test"}
PATTERN = re.compile(r"(.*/)?(\w+)/(\w+)/(id_\d{1,12})/(\d+)_(1_front|6_flat)\.\w{3,4}")
OPTIONS = (
    click.option(
        "--category", multiple=True, help="Only this category, such as Sweaters; repeatable.  [default: all]"
    ),
)


def locate(source):
    """(folder that contains img/, path of the list or None), or None if there is no img/."""
    for folder in ("", "Img", "Anno", "In-shop"):
        if any(source.has(join(folder, f"img/{who}")) for who in ("WOMEN", "MEN")):
            lists = (join(other, LIST) for other in dict.fromkeys((folder, "", "Eval", "Anno")))
            return folder, source.first(lists)
    return None


def matches(source):
    """Whether there is img/WOMEN or img/MEN."""
    return locate(source) is not None


def records(source, category=()):
    """Pairs by item and color; query and gallery form the test split."""
    folder, listed = locate(source) or ("", None)
    views, groups = {}, {}
    for record in listed_photos(source, folder, listed) if listed else found_photos(source, folder):
        if isinstance(record, Fault):
            yield record
            continue
        path, split = record
        found = PATTERN.fullmatch(path)
        if found and (not category or found[3] in category):
            views.setdefault((found[4], found[5]), {})[found[6]] = path
            groups.setdefault(found[4], split)
    for (item, color), pair in sorted(views.items()):
        yield make_pair(item, color, pair, groups[item])


def make_pair(item, color, views, split):
    """The `Pair` of one item and color; person_id is the item, whose photos may show one person."""
    if len(views) < 2:
        ((view, path),) = views.items()
        return Fault(path, f"has no matching {'flat' if view == '1_front' else 'front'} view")
    return Pair(views["1_front"], views["6_flat"], item, f"{item}/{color}", split)


def listed_photos(source, folder, listed):
    """Yield (path, split) of each line of the partition list."""
    for number, line in source.lines(listed):
        columns = line.split()
        if len(columns) == 3 and columns[2] in SPLITS:
            try:
                path = source.resolve(columns[0])
            except ValueError as error:
                yield Fault(f"{listed}, line {number}", str(error))
                continue
            yield join(folder, path), SPLITS[columns[2]]
        elif number > 2:  # lines 1 and 2 are the count and the header
            yield Fault(
                f"{listed}, line {number}",
                "needs three columns, the last being train, query or gallery",
            )


def found_photos(source, folder):
    """Yield (path, "") of each photo, for a copy without the list."""
    for who in ("WOMEN", "MEN"):
        top = join(folder, f"img/{who}")
        for kind in source.folders(top):
            for item in source.folders(f"{top}/{kind}"):
                path = f"{top}/{kind}/{item}"
                yield from ((f"{path}/{name}", "") for name in source.images(path))
