"""Trees of image/, cloth/ and lists of pairs, as in VITON-HD, CP-VTON and MPV3D."""

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
# folder of the label maps -> labels of the upper-body garment
PARSES = {
    "image-parse-v3": LIP,
    "image-parse-new": LIP,
    "image-parse": LIP,
    "person-parse": LIP,
    "parse-bytedance": (5, 21, 22),
}
GARMENT_MASKS = ("cloth-mask", "cloth_mask", "cloth_mask-bytedance")


class Rules(NamedTuple):
    """Naming rules of a layout of this kind.

    worn_garment: the stem of a person's photo -> the key of the garment worn in it, or None if the name
    does not determine it.  key: the stem of a garment -> its key, by default the stem itself; None if it
    is not to be worn.  product: the stem of a garment -> its product.  lists_true: whether rows of
    train lists are true pairs; if not, column 2 is a garment to put on.  parse_ending, mask_ending:
    suffixes of the stems of label maps and garment masks.  labels: the garment's labels, if they differ
    from PARSES.
    """

    worn_garment: Callable
    key: Callable = str
    product: Callable = stem
    lists_true: bool = True
    parse_ending: str = ""
    mask_ending: str = ""
    labels: tuple[int, ...] = ()


class Part(NamedTuple):
    """Folders and lists of one split; parse and masks may be None."""

    split: str
    lists: tuple[str, ...]
    persons: str
    garments: str
    parse: str | None
    masks: str | None


def parts(source):
    """The `Part`s of a tree: train/ and test/, or one pair of folders shared by two lists."""
    found = [part_of(source, split, split) for split in ("train", "test") if source.has(split)]
    if not any(found):
        found = [part_of(source, "", split) for split in ("train", "test")]
        found = [part for part in found if part and part.lists] or [part_of(source, "", "")]
    return [part for part in found if part]


def part_of(source, folder, split):
    """The `Part` in a folder, or None if persons or garments are missing."""

    def first(names):
        return source.first(join(folder, name) for name in names)

    persons, garments = first(PERSONS), first(GARMENTS)
    if not persons or not garments:
        return None
    return Part(split, lists(source, folder, split), persons, garments, first(PARSES), first(GARMENT_MASKS))


def lists(source, folder, split):
    """The lists of pairs of a split, next to its folder or inside it."""
    return tuple(
        join(place, name)
        for place in dict.fromkeys(("", folder))
        for name in source.entries(place)[1]
        if name.endswith(".txt") and "pairs" in name and name.startswith(split)
    )


def follows(source, rules):
    """Whether some of the first photos of a tree have the garments that the rules name."""
    for part in parts(source):
        garments = garments_by_key(source, part, rules)
        keys = [rules.worn_garment(stem(name)) for name in source.images(part.persons)[:20]]
        if any(key in garments for key in keys if key is not None):
            return True
    return False


def garments_by_key(source, part, rules):
    """The stems of a part's garments: key -> the first stem with this key."""
    keys = {}
    for name in source.by_stem(part.garments):
        keys.setdefault(rules.key(name), name)
    return keys


def records(source, rules):
    """Yield the records of a whole tree."""
    found = [record for part in parts(source) for record in part_records(source, part, rules)]
    yield from found
    yield from leftovers(source, [record for record in found if isinstance(record, Pair)])


def part_records(source, part, rules):
    """Yield the records of one split: of the photos in its lists or, without lists, in its folder."""
    worn, unpaired = {}, {}  # person -> garment or None; rows to try on
    for path in part.lists:
        for row in list_rows(source, path, exists_in(source, part)):
            fault = row if isinstance(row, Fault) else take_row(source, part, rules, row, worn, unpaired)
            if fault:
                yield fault
    if not part.lists:
        worn = {f"{part.persons}/{name}": None for name in source.images(part.persons)}
    keys = garments_by_key(source, part, rules)
    yield from (make_pair(source, part, rules, keys, *row) for row in worn.items())
    yield from unpaired


def exists_in(source, part):
    """The `exists` of `list_rows`: whether a column names a photo of this part."""
    folders = part.persons, part.garments
    return lambda column, name: source.twin(folders[column], file_name(name)) is not None


def take_row(source, part, rules, row, worn, unpaired):
    """Add one row of a list to `worn` or `unpaired`; returns a `Fault` or None."""
    place, (person, garment, *_) = row
    person = in_folder(source, part.persons, person)
    garment = in_folder(source, part.garments, garment)
    expected = rules.worn_garment(stem(person))
    known = expected is not None
    if expected == rules.key(stem(garment)) if known else part.split != "test" and rules.lists_true:
        if worn.get(person) not in (None, garment):
            return Fault(place, f"a second garment for {person}")
        worn[person] = garment
        return None
    if known:
        worn.setdefault(person, None)
    if part.split == "test":
        unpaired[Unpaired(person, garment)] = None
    elif rules.lists_true:
        return Fault(place, "not a true pair: names the garment of another photo")
    return None


def make_pair(source, part, rules, keys, person, garment):
    """The `Pair` of a person's photo and a garment, by default the one that its name determines.

    keys: see `garments_by_key`.
    """
    if garment is None:
        key = rules.worn_garment(stem(person))
        if key is None:
            return Fault(person, "its name does not determine the garment")
        if key not in keys and rules.key is not str:
            return Fault(person, f"no garment of the product {key}")
        name = keys.get(key, key)
        garment = same_file(source, part.garments, f"{name}{person[person.rfind('.') :]}")
    parse, mask = None, None
    if part.parse:
        parse = same_file(source, part.parse, stem(person) + rules.parse_ending + ".png")
    if part.masks:
        mask = same_file(source, part.masks, stem(garment) + rules.mask_ending + ".png")
    labels = rules.labels or PARSES[file_name(part.parse)] if parse else ()
    product = rules.product(stem(garment))
    return Pair(person, garment, stem(person), product, part.split, parse, labels, mask)


def leftovers(source, pairs):
    """Yield a `Fault` for every photo that no pair uses."""
    used = {path for pair in pairs for path in (pair.person, pair.garment)}
    folders = {part.persons: "is in no list" for part in parts(source)}
    folders |= {part.garments: "no photo shows it worn" for part in parts(source)}
    for folder, why in folders.items():
        for name in source.images(folder):
            if f"{folder}/{name}" not in used:
                yield Fault(f"{folder}/{name}", why)
