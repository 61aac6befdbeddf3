"""Photos that their names or your own list pair: LookBook, Keras CAGAN, DeepFashion, two folders, a list."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import click

from data_prep.layouts.records import LIP, Fault, Layout, Pair, Record, list_rows, named_rows, same_file
from data_prep.photo_folder import ENDINGS, PhotoFolder, join, stem

MakePair = Callable[[str, str, str], Pair]  # of a person's photo, a garment's photo and their id


def match(
    paths: Iterable[str], patterns: Sequence[re.Pattern[str]], make_pair: MakePair, several: bool = False
) -> Iterator[Record]:
    """Yield the pairs of photos with one id.

    patterns: of the paths of persons and of garments, without their extension; their group "id" is the id.
    several: whether an id may have several photos of persons.  Photos without a counterpart are faults.
    """
    found: dict[str, tuple[list[str], list[str]]] = {}  # id -> persons, garments
    sides = sorted((0, 1), key=lambda side: -len(patterns[side].pattern))  # {id}_flat before {id}
    for path in paths:
        for side in sides:
            if matched := patterns[side].fullmatch(path.rpartition(".")[0]):
                found.setdefault(matched["id"], ([], []))[side].append(path)
                break
        else:
            yield Fault(path, "its name does not follow the naming of the layout")
    for name, (persons, garments) in sorted(found.items()):
        if len(garments) > 1 or len(persons) > 1 and not several:
            yield from (Fault(path, f"more than one file for the id {name}") for path in persons + garments)
        elif persons and garments:
            yield from (make_pair(path, garments[0], name) for path in persons)
        else:
            why = f"no photo of a {'garment' if persons else 'person'} has the id {name}"
            yield from (Fault(path, why) for path in persons + garments)


def list_photos(folder: PhotoFolder, *inners: str) -> list[str]:
    """The paths of the photos in some folders."""
    return [join(inner, name) for inner in inners for name in folder.images(inner)]


def layout_of_names(
    name: str, title: str, inners: Sequence[Sequence[str]], person: str, garment: str, several: bool = False
) -> Layout:
    """The layout of photos in the first of some groups of folders whose names match both patterns."""
    patterns = re.compile(person), re.compile(garment)

    def find(folder: PhotoFolder) -> list[str]:
        for group in inners:
            paths = list_photos(folder, *group)
            stems = [path.rpartition(".")[0] for path in paths]
            if all(any(map(pattern.fullmatch, stems)) for pattern in patterns):
                return paths
        return []

    def records(folder: PhotoFolder) -> Iterator[Record]:
        return match(find(folder), patterns, lambda x, y, key: Pair(x, y, x, key), several)

    return Layout(name, title, records, lambda folder: bool(find(folder)))


LOOKBOOK = layout_of_names(
    "lookbook",
    "LookBook: PID000292_CLEAN0_IID004176.jpg (person), PID000292_CLEAN1_... (product)",
    [[""], ["data"]],
    r"(data/)?PID(?P<id>\d{1,12})_CLEAN0_IID\d{1,12}",
    r"(data/)?PID(?P<id>\d{1,12})_CLEAN1_IID\d{1,12}",
    several=True,
)
KERAS_CAGAN = layout_of_names(
    "keras-cagan",
    "Keras CAGAN: imgs/1/ID_1.jpg (person) and imgs/5/ID_5.jpg (article)",
    [["imgs/1", "imgs/5"], ["1", "5"]],
    r"(imgs/)?1/(?P<id>.+)_1",
    r"(imgs/)?5/(?P<id>.+?)(_5)?",
)


# ---------------------------------------------------------------- DeepFashion In-shop

PARTITION = "list_eval_partition.txt"
SPLITS = {"train": "train", "query": "test", "gallery": "test"}
VIEWS = [re.compile(rf"(.*/)?\w+/\w+/(?P<id>id_\d{{1,12}}/\d+)_{view}") for view in ("1_front", "6_flat")]


def find_photos(folder: PhotoFolder) -> tuple[str, list[str]] | None:
    """(folder that contains img/, its folders of garments by category), or None if there is no img/."""
    for inner in ("", "Img", "Anno", "In-shop"):
        tops = [join(inner, f"img/{who}") for who in ("WOMEN", "MEN")]
        if tops := [top for top in tops if folder.has(top)]:
            return inner, [f"{top}/{kind}" for top in tops for kind in folder.folders(top)]
    return None


def deepfashion_records(folder: PhotoFolder, category: Sequence[str] = ()) -> Iterator[Record]:
    """Pairs of the front and the flat view of an item and color; query and gallery form the test split.

    person_id is the item, whose photos may show one person.
    """
    inner, kinds = find_photos(folder) or ("", [])
    splits: dict[str, str] = {}  # photo -> split
    lists = (join(place, PARTITION) for place in dict.fromkeys((inner, "", "Eval", "Anno")))
    if path := folder.first(lists):
        for number, row in enumerate(list_rows(folder, path)):  # the first two are a count and a header
            if isinstance(row, Fault):
                yield from [row] if number else []
            elif len(row[1]) == 3 and row[1][2] in SPLITS:
                splits[join(inner, row[1][0])] = SPLITS[row[1][2]]
            elif number > 1:
                yield Fault(row[0], "needs three columns, the last being train, query or gallery")
    else:
        items = [f"{kind}/{item}" for kind in kinds for item in folder.folders(kind)]
        splits = dict.fromkeys(list_photos(folder, *items), "")
    views = [path for path in splits if any(view.fullmatch(path.rpartition(".")[0]) for view in VIEWS)]
    chosen = [path for path in views if not category or path.split("/")[-3] in category]

    def make_pair(person: str, garment: str, key: str) -> Pair:
        return Pair(person, garment, key.partition("/")[0], key, splits[person])

    yield from match(chosen, VIEWS, make_pair)


CATEGORY_HELP = "Only this category, such as Sweaters; repeatable.  [default: all]"
DEEPFASHION = Layout(
    "deepfashion",
    "DeepFashion In-shop: img/WOMEN/Dresses/id_00000002/02_{1_front,6_flat}.jpg",
    deepfashion_records,
    lambda folder: find_photos(folder) is not None,
    (click.option("--category", multiple=True, help=CATEGORY_HELP),),
)


# ---------------------------------------------------------------- your own photos


def parse_of(folder: PhotoFolder, parse: str | None, person: str) -> dict[str, Any]:
    """The fields of a `Pair` that tell the label map of a person's photo, which is in the folder `parse`."""
    if not parse:
        return {}
    return {"parse": same_file(folder, folder.resolve(parse), stem(person) + ".png"), "labels": LIP}


def find_named(folder: PhotoFolder, text: str) -> tuple[list[str], re.Pattern[str]]:
    """(photos in the folders of a pattern, regular expression of the paths that it names).

    text: a folder, or a path in which {id} stands for what two photos share: "{id}_front", "{id}/flat.jpg".
    Raises ValueError if it names no photo.
    """
    path = folder.resolve(text)
    if "{id}" not in path:
        path += "/{id}"
    elif path.lower().endswith(ENDINGS):
        path = path.rpartition(".")[0]
    inners = [""]
    for part in path.split("/")[:-1]:
        names = {inner: folder.folders(inner) if "{id}" in part else (part,) for inner in inners}
        inners = [join(inner, name) for inner in inners for name in names[inner]]
    start, *rest = map(re.escape, path.split("{id}"))
    pattern = re.compile(f"{start}(?P<id>[^/]+){'(?P=id)'.join(rest)}")
    photos = list_photos(folder, *inners)
    if not any(pattern.fullmatch(photo.rpartition(".")[0]) for photo in photos):
        raise ValueError(f"{text}: contains no images; give a folder in SRC, or names such as {{id}}_front")
    return photos, pattern


def folder_records(
    folder: PhotoFolder, persons: str, garments: str, parse: str | None = None
) -> Iterator[Record]:
    """Yield a pair for every id that two folders or patterns share; ValueError for one without images."""
    found = [find_named(folder, text) for text in (persons, garments, *filter(None, [parse]))]
    patterns = [pattern for _, pattern in found[:2]]

    def make_pair(person: str, garment: str, key: str) -> Pair:
        return Pair(person, garment, person, key, **parse_of(folder, parse, person))

    yield from match(dict.fromkeys(found[0][0] + found[1][0]), patterns, make_pair)


def list_records(
    folder: PhotoFolder,
    listed: str,
    persons: str = "",
    garments: str = "",
    parse: str | None = None,
    person_column: str | None = None,
    garment_column: str | None = None,
) -> Iterator[Record]:
    """Yield a pair for every row; the garment's path identifies the product."""
    inners = [folder.resolve(inner) for inner in (persons, garments)]
    seen: dict[str, str] = {}

    def exists(column: int, name: str) -> bool:
        try:
            return folder.has(join(inners[column], folder.resolve(name, inners[column])))
        except ValueError:
            return False

    path, columns = folder.resolve(listed), [name for name in (person_column, garment_column) if name]
    if len(columns) == 1:
        raise ValueError(f"{listed}: one column is named; give --person-column and --garment-column")
    rows = named_rows(folder, path, columns, inners) if columns else list_rows(folder, path, exists, inners)
    for row in rows:
        if isinstance(row, Fault):
            yield row
            continue
        person, garment = (folder.actual(join(inner, name)) for inner, name in zip(inners, row[1]))
        if seen.setdefault(person, garment) == garment:
            yield Pair(person, garment, person, garment, **parse_of(folder, parse, person))
        else:
            yield Fault(row[0], f"a second garment for {person}")


PARSE_OPTION = click.option("--parse", help="Folder of label maps with the names of the persons' photos.")
FOLDERS = Layout(
    "folders",
    "Photos of your own, matched by name (--persons DIR --garments DIR, or names such as {id}_front)",
    folder_records,
    options=(
        click.option(
            "--persons", required=True, help="Folder of persons, within SRC, or names: '{id}_front'."
        ),
        click.option("--garments", required=True, help="The same of the garments' photos."),
        PARSE_OPTION,
    ),
)
LIST = Layout(
    "list",
    "Any list of two columns, person and garment (--list FILE)",
    list_records,
    options=(
        click.option("--list", "listed", required=True, help="The list, within SRC."),
        click.option("--persons", default="", help="Folder of the first column, within SRC."),
        click.option("--garments", default="", help="Folder of the second column."),
        click.option("--person-column", help="Name of the persons' column; the list is a CSV with a header."),
        click.option("--garment-column", help="Name of the garments' column."),
        PARSE_OPTION,
    ),
)
