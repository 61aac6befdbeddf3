"""Two folders, persons and garments, matched by file name."""

from collections.abc import Callable, Iterator

import click

from data_prep.layouts.records import LIP, Fault, Layout, Pair, Record, same_file
from data_prep.photo_folder import PhotoFolder, stem

PARSE_OPTION = click.option("--parse", help="Folder of label maps with the names of the persons' photos.")


def records(folder: PhotoFolder, persons: str, garments: str, parse: str | None = None) -> Iterator[Record]:
    """Yield a pair for every name that occurs in both folders.  Raises ValueError for one without images."""
    inners = [folder.resolve(inner) for inner in (persons, garments, *filter(None, [parse]))]
    for inner in inners:
        if not folder.images(inner):
            raise ValueError(f"{inner}: contains no images; give a folder within SRC")
    yield from match(folder, inners[0], inners[1], parse=inners[2] if parse else None)


def match(
    folder: PhotoFolder,
    persons: str,
    garments: str,
    person_id: Callable[[str], str] = str,
    garment_id: Callable[[str], str] = str,
    parse: str | None = None,
) -> Iterator[Record]:
    """Yield pairs of two folders by the ids that two functions extract from stems ("": the stem)."""
    left, right = ({}, {})  # type: tuple[dict[str, list[str]], dict[str, list[str]]]
    for table, inner, get_id in ((left, persons, person_id), (right, garments, garment_id)):
        for name in folder.images(inner):
            table.setdefault(get_id(stem(name)) or stem(name), []).append(f"{inner}/{name}")
    for name in sorted(left.keys() | right.keys()):
        people, clothes = left.get(name, []), right.get(name, [])
        if len(people) == len(clothes) == 1:
            found = same_file(folder, parse, stem(people[0]) + ".png") if parse else None
            yield Pair(people[0], clothes[0], people[0], name, "", found, LIP if found else ())
        elif max(len(people), len(clothes)) > 1:
            yield from (Fault(path, f"more than one file for the id {name}") for path in people + clothes)
        else:
            why = (
                f"no garment with that name in {garments}"
                if people
                else f"no person with that name in {persons}"
            )
            yield Fault((people + clothes)[0], why)


def keras_folders(folder: PhotoFolder) -> tuple[str, str] | None:
    """The folders (persons ID_1, articles ID_5) of Keras CAGAN, in imgs/ or in SRC itself, or None."""
    for base in ("imgs/", ""):
        persons, articles = folder.images(f"{base}1"), folder.images(f"{base}5")
        if persons and articles and stem(persons[0]).endswith("_1"):
            return f"{base}1", f"{base}5"
    return None


def keras_records(folder: PhotoFolder) -> Iterator[Record]:
    """Pairs matched by ID."""
    persons, articles = keras_folders(folder) or ("imgs/1", "imgs/5")
    return match(
        folder, persons, articles, lambda name: name.removesuffix("_1"), lambda name: name.removesuffix("_5")
    )


FOLDERS = Layout(
    "folders",
    "Two folders of your own, matched by name (--persons DIR --garments DIR)",
    records,
    options=(
        click.option("--persons", required=True, help="Folder of the persons' photos, within SRC."),
        click.option("--garments", required=True, help="Folder of the garments' photos, within SRC."),
        PARSE_OPTION,
    ),
)
KERAS_CAGAN = Layout(
    "keras-cagan",
    "Keras CAGAN: imgs/1/ID_1.jpg (person) and imgs/5/ID_5.jpg (article)",
    keras_records,
    lambda folder: keras_folders(folder) is not None,
)
