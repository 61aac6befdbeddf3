"""DressCode: a folder per category, numbered photos, _0 for the person and _1 for the garment."""

from collections.abc import Iterator, Sequence

import click

from data_prep.layouts.records import (
    Fault,
    Layout,
    Pair,
    Record,
    Unpaired,
    in_folder,
    list_rows,
    same_file,
)  # fmt: skip
from data_prep.photo_folder import PhotoFolder, join, stem

LABELS = {"upper_body": (4,), "lower_body": (5, 6), "dresses": (7,)}  # as in ATR


def categories(folder: PhotoFolder) -> list[str]:
    """The categories that a folder has."""
    return [category for category in LABELS if folder.has(f"{category}/images")]


def present(folder: PhotoFolder) -> dict[str, Sequence[str]]:
    """The options for a copy without the default category: those that it has."""
    found = categories(folder)
    return {} if "upper_body" in found else {"category": found}


def records(folder: PhotoFolder, category: Sequence[str] = ("upper_body",)) -> Iterator[Record]:
    """Yield the records of the selected categories, from their lists or, without lists, from all photos."""
    for name in category:
        if name not in categories(folder):
            yield Fault(name, "no such category")
            continue
        inner = f"{name}/images"
        # most copies keep the lists in the folders of the categories, some one list of all next to them
        lists = [join(place, file) for place in (name, "") for file in folder.entries(place)[1]
                 if "pairs" in file and file.endswith((".txt", ".csv"))]  # fmt: skip
        for path in lists:
            yield from list_records(folder, name, path)
        if not lists:
            photos = (f"{inner}/{photo}" for photo in folder.images(inner) if stem(photo).endswith("_0"))
            yield from (make_pair(folder, name, photo, "") for photo in photos)


def list_records(folder: PhotoFolder, category: str, path: str) -> Iterator[Record]:
    """Yield the records of a list: a row is a true pair if its two numbers agree.

    Of a list of all categories, rows that name no photo of this one are passed over.
    """
    inner, split = f"{category}/images", "train" if "train" in path.rpartition("/")[2] else "test"
    for row in list_rows(folder, path):
        if isinstance(row, Fault):
            yield row
            continue
        place, columns = row
        person, garment = (in_folder(folder, inner, column) for column in columns[:2])
        if "/" not in path and not folder.has(person):
            continue
        if number(person) == number(garment):
            yield make_pair(folder, category, person, split)
        elif split == "test":
            yield Unpaired(person, garment)
        else:
            yield Fault(place, "not a true pair: names the garment of another photo")


def number(path: str) -> str:
    """The number in a file name: .../048462_0.jpg -> 048462."""
    return stem(path).partition("_")[0]


def make_pair(folder: PhotoFolder, category: str, person: str, split: str) -> Pair:
    """The pair of a person's photo and the files of the same number."""
    shared, ending = number(person), person[person.rfind(".") :]
    garment = same_file(folder, f"{category}/images", f"{shared}_1{ending}")
    parse = None
    if folder.has(f"{category}/label_maps"):
        parse = same_file(folder, f"{category}/label_maps", f"{shared}_4.png")
    name, labels = f"{category}/{shared}", LABELS[category] if parse else ()
    return Pair(person, garment, name, name, split, parse, labels, category=category)


DRESSCODE = Layout(
    "dresscode",
    "DressCode: {upper_body,lower_body,dresses}/images/048462_{0,1}.jpg",
    records,
    lambda folder: bool(categories(folder)),
    options=(
        click.option(
            "--category",
            type=click.Choice(list(LABELS)),
            multiple=True,
            default=("upper_body",),
            help="Category of garments; repeatable.",
        ),
    ),
    present=present,
)
