"""LookBook: one flat folder; CLEAN0 marks a person, CLEAN1 the product, PID links the two."""

import re
from collections.abc import Iterator

from data_prep.layouts.records import Fault, Layout, Pair, Record
from data_prep.photo_folder import PhotoFolder, join

PATTERN = re.compile(r"PID(\d{1,12})_CLEAN([01])_IID\d{1,12}\.\w{3,4}")


def locate(folder: PhotoFolder) -> str | None:
    """The folder with the photos, SRC itself or data/, or None."""
    for inner in ("", "data"):
        if any(PATTERN.fullmatch(name) for name in folder.images(inner)[:50]):
            return inner
    return None


def records(folder: PhotoFolder) -> Iterator[Record]:
    """Yield a pair for every person of a PID with its one product."""
    inner = locate(folder) or ""
    found: dict[str, tuple[list[str], list[str]]] = {}  # PID -> people, products
    for name in folder.images(inner):
        parts = PATTERN.fullmatch(name)
        if parts:
            found.setdefault(parts[1], ([], []))[int(parts[2])].append(join(inner, name))
        else:
            yield Fault(join(inner, name), "its name does not follow LookBook's naming")
    for number, (people, products) in sorted(found.items()):
        if len(products) > 1:
            yield from (Fault(path, f"more than one product photo for PID {number}") for path in products)
        elif people and products:
            yield from (Pair(person, products[0], person, number) for person in people)
        else:
            why = "no photo of the product" if people else "no photo shows it worn"
            yield from (Fault(path, why) for path in people + products)


LOOKBOOK = Layout(
    "lookbook",
    "LookBook: PID000292_CLEAN0_IID004176.jpg (person), PID000292_CLEAN1_... (product)",
    records,
    lambda folder: locate(folder) is not None,
)
