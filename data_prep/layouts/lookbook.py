"""LookBook: one flat folder; CLEAN0 marks a person, CLEAN1 the product, PID links the two."""

import re

from data_prep.layouts.records import Fault, Pair
from data_prep.source import join

NAME = "lookbook"
TITLE = "LookBook: PID000292_CLEAN0_IID004176.jpg (person), PID000292_CLEAN1_... (product)"
PATTERN = re.compile(r"PID(\d{1,12})_CLEAN([01])_IID\d{1,12}\.\w{3,4}")


def folder_of(source):
    """The folder with the photos, SRC itself or data/, or None."""
    for folder in ("", "data"):
        if any(PATTERN.fullmatch(name) for name in source.images(folder)[:50]):
            return folder
    return None


def matches(source):
    """Whether one of the first names follows LookBook's naming."""
    return folder_of(source) is not None


def records(source):
    """Yield a pair for every person of a PID with its one product."""
    folder = folder_of(source) or ""
    people, products = {}, {}
    for name in source.images(folder):
        found = PATTERN.fullmatch(name)
        if not found:
            yield Fault(join(folder, name), "its name does not follow LookBook's naming")
            continue
        table = products if found[2] == "1" else people
        table.setdefault(found[1], []).append(join(folder, name))
    for number in sorted(people.keys() | products.keys()):
        yield from product_records(number, people.get(number, []), products.get(number, []))


def product_records(number, people, products):
    """Yield the records of one PID."""
    if len(products) > 1:
        yield from (Fault(path, f"more than one product photo for PID {number}") for path in products)
    elif not products or not people:
        why = "no photo of the product" if people else "no photo shows it worn"
        yield from (Fault(path, why) for path in people + products)
    else:
        yield from (Pair(person, products[0], person, number) for person in people)
