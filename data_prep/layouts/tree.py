"""Trees of image/, cloth/ and lists of pairs: what VITON-HD, CP-VTON and MPV3D share."""

from collections.abc import Callable
from typing import NamedTuple

from data_prep.layouts.records import (
    LIP,
    Fault,
    Pair,
    Unpaired,
    file_name,
    in_folder,
    list_rows,
    same_file,
)
from data_prep.source import join, stem

PERSONS = ("image", "person")
GARMENTS = ("cloth", "clothes")
# The folder of the label maps -> the labels that are upper clothes.
PARSES = {
    "image-parse-v3": LIP,
    "image-parse-new": LIP,
    "image-parse": LIP,
    "person-parse": LIP,
    "parse-bytedance": (5, 21, 22),
}
GARMENT_MASKS = ("cloth-mask", "cloth_mask", "cloth_mask-bytedance")


class Rules(NamedTuple):
    """How a layout of this kind names things.

    own: the stem of a person's photo -> the stem of the garment worn in it, None where the name
    does not tell.  product: the stem of a garment -> its product.  lists_true: rows of train lists
    are true pairs; else column 2 is a garment to put on.  parse_ending, mask_ending: what label
    maps and garment masks add to the stem.  labels: the upper clothes, where not those of PARSES.
    """

    own: Callable
    product: Callable = stem
    lists_true: bool = True
    parse_ending: str = ""
    mask_ending: str = ""
    labels: tuple[int, ...] = ()


class Part(NamedTuple):
    """One split's folders and lists; parse and masks are None where it has none."""

    split: str
    lists: tuple[str, ...]
    persons: str
    garments: str
    parse: str | None
    masks: str | None


def parts(source):
    """The `Part`s of a tree: train/ and test/, or one pair of folders that two lists share."""
    found = [part_of(source, split, split) for split in ("train", "test") if source.has(split)]
    if not any(found):
        found = [part_of(source, "", split) for split in ("train", "test")]
        found = [part for part in found if part and part.lists] or [part_of(source, "", "")]
    return [part for part in found if part]


def part_of(source, folder, split):
    """The `Part` in a folder, None where persons or garments are missing."""

    def first(names):
        return source.first(join(folder, name) for name in names)

    persons, garments = first(PERSONS), first(GARMENTS)
    if not persons or not garments:
        return None
    return Part(split, lists(source, folder, split), persons, garments, first(PARSES), first(GARMENT_MASKS))


def lists(source, folder, split):
    """The lists of pairs of a split, beside its folder or inside of it."""
    return tuple(
        join(place, name)
        for place in dict.fromkeys(("", folder))
        for name in source.entries(place)[1]
        if name.endswith(".txt") and "pairs" in name and name.startswith(split)
    )


def follows(source, own):
    """Whether the first photos of a tree have garments called as `own` says."""
    for part in parts(source):
        garments = source.by_stem(part.garments)
        names = [own(stem(name)) for name in source.images(part.persons)[:20]]
        if any(name in garments for name in names if name):
            return True
    return False


def records(source, rules):
    """The records of a whole tree."""
    found = [record for part in parts(source) for record in part_records(source, part, rules)]
    yield from found
    yield from leftovers(source, [record for record in found if isinstance(record, Pair)])


def part_records(source, part, rules):
    """The records of one split.  Lists decide which photos are used; without one, the folder."""
    worn, unpaired = {}, {}  # person -> garment or None, and the rows to try on
    for path in part.lists:
        for row in list_rows(source, path, knows_in(source, part)):
            fault = row if isinstance(row, Fault) else take_row(source, part, rules, row, worn, unpaired)
            if fault:
                yield fault
    if not part.lists:
        worn = {f"{part.persons}/{name}": None for name in source.images(part.persons)}
    yield from (make_pair(source, part, rules, *row) for row in worn.items())
    yield from unpaired


def knows_in(source, part):
    """The `knows` of `list_rows`: whether a column names a photo of this part."""
    folders = part.persons, part.garments
    return lambda column, name: source.twin(folders[column], file_name(name)) is not None


def take_row(source, part, rules, row, worn, unpaired):
    """Sort one row of a list into `worn` or `unpaired`; returns a `Fault` or None."""
    place, (person, garment, *_) = row
    person = in_folder(source, part.persons, person)
    garment = in_folder(source, part.garments, garment)
    own = rules.own(stem(person))
    if own == stem(garment) or (own is None and part.split != "test" and rules.lists_true):
        if worn.get(person) not in (None, garment):
            return Fault(place, f"a second garment for {person}")
        worn[person] = garment
        return None
    if own is not None:
        worn.setdefault(person, None)
    if part.split == "test":
        unpaired[Unpaired(person, garment)] = None
    elif rules.lists_true:
        return Fault(place, "names the garment of another photo: no true pair")
    return None


def make_pair(source, part, rules, person, garment):
    """The `Pair` of a person's photo and a garment's, or of the garment that its name tells."""
    if garment is None:
        own = rules.own(stem(person))
        if own is None:
            return Fault(person, "its name does not tell which garment is worn")
        garment = same_file(source, part.garments, f"{own}{person[person.rfind('.') :]}")
    parse, mask = None, None
    if part.parse:
        parse = same_file(source, part.parse, stem(person) + rules.parse_ending + ".png")
    if part.masks:
        mask = same_file(source, part.masks, stem(garment) + rules.mask_ending + ".png")
    labels = rules.labels or PARSES[file_name(part.parse)] if parse else ()
    product = rules.product(stem(garment))
    return Pair(person, garment, stem(person), product, part.split, parse, labels, mask)


def leftovers(source, pairs):
    """A `Fault` for every photo that no pair uses."""
    used = {path for pair in pairs for path in (pair.person, pair.garment)}
    folders = {part.persons: "is in no list" for part in parts(source)}
    folders |= {part.garments: "no photo shows it worn" for part in parts(source)}
    for folder, why in folders.items():
        for name in source.images(folder):
            if f"{folder}/{name}" not in used:
                yield Fault(f"{folder}/{name}", why)
