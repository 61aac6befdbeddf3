"""DressCode: a folder per category, numbered photos, _0 for the person and _1 for the garment."""

import click

from data_prep.layouts.records import Fault, Pair, Unpaired, in_folder, list_rows, same_file
from data_prep.source import stem

NAME = "dresscode"
TITLE = "DressCode: {upper_body,lower_body,dresses}/images/048462_{0,1}.jpg"
LABELS = {"upper_body": (4,), "lower_body": (5, 6), "dresses": (7,)}  # as in ATR
OPTIONS = (
    click.option(
        "--category",
        type=click.Choice(list(LABELS)),
        multiple=True,
        default=("upper_body",),
        help="Category of garments; repeatable.",
    ),
)


def matches(source):
    """Whether a category folder contains images/."""
    return any(source.has(f"{category}/images") for category in LABELS)


def present(source):
    """The options for a copy without the default category: those that it has."""
    found = tuple(category for category in LABELS if source.has(f"{category}/images"))
    return {} if "upper_body" in found else {"category": found}


def records(source, category=("upper_body",)):
    """Yield the records of the selected categories."""
    for name in category:
        if source.has(f"{name}/images"):
            yield from category_records(source, name)
        else:
            yield Fault(name, "no such category")


def category_records(source, category):
    """Yield the records of a category, from its lists or, without lists, from all its photos."""
    lists = [name for name in source.entries(category)[1] if "pairs" in name and name.endswith(".txt")]
    if not lists:
        for name in source.images(f"{category}/images"):
            if stem(name).endswith("_0"):
                yield make_pair(source, category, f"{category}/images/{name}", "")
    for name in lists:
        yield from list_records(source, category, name)


def list_records(source, category, name):
    """Yield the records of a list: a row is a true pair if its two numbers agree."""
    folder, split = f"{category}/images", "train" if name.startswith("train") else "test"
    for row in list_rows(source, f"{category}/{name}"):
        if isinstance(row, Fault):
            yield row
            continue
        person, garment = (in_folder(source, folder, path) for path in row[1][:2])
        if number(person) == number(garment):
            yield make_pair(source, category, person, split)
        elif split == "test":
            yield Unpaired(person, garment)
        else:
            yield Fault(row[0], "not a true pair: names the garment of another photo")


def number(path):
    """The number in a file name: .../048462_0.jpg -> 048462."""
    return stem(path).partition("_")[0]


def make_pair(source, category, person, split):
    """The `Pair` of a person's photo and the files of the same number."""
    shared, ending = number(person), person[person.rfind(".") :]
    garment = same_file(source, f"{category}/images", f"{shared}_1{ending}")
    parse = None
    if source.has(f"{category}/label_maps"):
        parse = same_file(source, f"{category}/label_maps", f"{shared}_4.png")
    name = f"{category}/{shared}"
    labels = LABELS[category] if parse else ()
    return Pair(person, garment, name, name, split, parse, labels, category=category)
