"""Trees of image/, cloth/ and lists of pairs, as in VITON-HD, CP-VTON and MPV3D."""

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

from data_prep.layouts.records import (
    LIP,
    Fault,
    Layout,
    Pair,
    Record,
    Unpaired,
    file_name,
    in_folder,
    list_rows,
    same_file,
)
from data_prep.photo_folder import PhotoFolder, join, stem

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

    worn_garment: Callable[[str], str | None]
    key: Callable[[str], str | None] = str
    product: Callable[[str], str] = stem
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


def parts(folder: PhotoFolder) -> list[Part]:
    """The parts of a tree: train/ and test/, or one pair of folders shared by two lists."""
    found = [part_of(folder, split, split) for split in ("train", "test") if folder.has(split)]
    if not any(found):
        shared = [part_of(folder, "", split) for split in ("train", "test")]
        found = [part for part in shared if part and part.lists] or [part_of(folder, "", "")]
    return [part for part in found if part]


def part_of(folder: PhotoFolder, inner: str, split: str) -> Part | None:
    """The part in an inner folder, or None if persons or garments are missing.

    Its lists are next to the inner folder or inside it.
    """
    persons, garments, parse, masks = (
        folder.first(join(inner, name) for name in names)
        for names in (PERSONS, GARMENTS, PARSES, GARMENT_MASKS)
    )
    if not persons or not garments:
        return None
    lists = tuple(
        join(place, name)
        for place in dict.fromkeys(("", inner))
        for name in folder.entries(place)[1]
        if name.endswith(".txt") and "pairs" in name and name.startswith(split)
    )
    return Part(split, lists, persons, garments, parse, masks)


def matches(rules: Rules, folder: PhotoFolder) -> bool:
    """Whether some of the first photos of a tree have the garments that the rules name."""
    for part in parts(folder):
        garments = garments_by_key(folder, part, rules)
        keys = [rules.worn_garment(stem(name)) for name in folder.images(part.persons)[:20]]
        if any(key in garments for key in keys if key is not None):
            return True
    return False


def garments_by_key(folder: PhotoFolder, part: Part, rules: Rules) -> dict[str | None, str]:
    """The stems of a part's garments: key -> the first stem with this key."""
    return {rules.key(name): name for name in reversed(folder.by_stem(part.garments))}


def records(rules: Rules, folder: PhotoFolder) -> Iterator[Record]:
    """Yield the records of a whole tree, and a fault for every photo that no pair uses."""
    found = [record for part in parts(folder) for record in part_records(folder, part, rules)]
    yield from found
    used = {path for pair in found if isinstance(pair, Pair) for path in (pair.person, pair.garment)}
    inners = {part.persons: "is in no list" for part in parts(folder)}
    inners |= {part.garments: "no photo shows it worn" for part in parts(folder)}
    for inner, why in inners.items():
        paths = (f"{inner}/{name}" for name in folder.images(inner))
        yield from (Fault(path, why) for path in paths if path not in used)


def part_records(folder: PhotoFolder, part: Part, rules: Rules) -> Iterator[Record]:
    """Yield the records of one split: of the photos in its lists or, without lists, in its folder."""
    worn: dict[str, str | None] = {}  # person -> garment, None for that which the name determines
    inners = part.persons, part.garments

    def exists(column: int, name: str) -> bool:
        return folder.twin(inners[column], file_name(name)) is not None

    unpaired: dict[Unpaired, None] = {}
    for path in part.lists:
        for row in list_rows(folder, path, exists):
            if isinstance(row, Fault):
                yield row
                continue
            place, columns = row
            person, garment = (in_folder(folder, inner, name) for inner, name in zip(inners, columns))
            expected = rules.worn_garment(stem(person))
            known = expected is not None
            if expected == rules.key(stem(garment)) if known else part.split != "test" and rules.lists_true:
                if worn.get(person) not in (None, garment):
                    yield Fault(place, f"a second garment for {person}")
                else:
                    worn[person] = garment
                continue
            if known:
                worn.setdefault(person, None)
            if part.split == "test":
                unpaired[Unpaired(person, garment)] = None
            elif rules.lists_true:
                yield Fault(place, "not a true pair: names the garment of another photo")
    if not part.lists:
        worn = {f"{part.persons}/{name}": None for name in folder.images(part.persons)}
    keys = garments_by_key(folder, part, rules)
    yield from (make_pair(folder, part, rules, keys, *row) for row in worn.items())
    yield from unpaired


def make_pair(
    folder: PhotoFolder,
    part: Part,
    rules: Rules,
    keys: dict[str | None, str],
    person: str,
    garment: str | None,
) -> Pair | Fault:
    """The pair of a person's photo and a garment, None for the one that its name determines.

    keys: see `garments_by_key`.
    """
    if garment is None:
        key = rules.worn_garment(stem(person))
        if key is None:
            return Fault(person, "its name does not determine the garment")
        if key not in keys and rules.key is not str:
            return Fault(person, f"no garment of the product {key}")
        garment = same_file(folder, part.garments, keys.get(key, key) + person[person.rfind(".") :])
    parse = mask = None
    if part.parse:
        parse = same_file(folder, part.parse, stem(person) + rules.parse_ending + ".png")
    if part.masks:
        mask = same_file(folder, part.masks, stem(garment) + rules.mask_ending + ".png")
    labels = rules.labels or PARSES[file_name(part.parse)] if part.parse else ()
    product = rules.product(stem(garment))
    return Pair(person, garment, stem(person), product, part.split, parse, labels, mask)


def tree(name: str, title: str, rules: Rules) -> Layout:
    """The layout of a tree with these rules."""
    return Layout(name, title, functools.partial(records, rules), functools.partial(matches, rules))


# True pairs have the same name in both folders; the second column of the lists is a garment to put on.
VITON_HD = tree(
    "viton-hd",
    "VITON-HD: {train,test}/{image,cloth}/00006_00.jpg; also zalando-hd-resized, StableVITON, GP-VTON",
    Rules(worn_garment=lambda name: name, lists_true=False),
)

# A common way to pack other photos, too.  Rows of test lists are shuffled.
CP_VTON = tree(
    "cp-vton",
    "CP-VTON: {train,test}/{image,cloth}/000003_{0,1}.jpg, person 0 and garment 1",
    Rules(
        worn_garment=lambda name: f"{name[:-2]}_1" if name.endswith("_0") else None,
        product=lambda name: name.removesuffix("_1"),
    ),
)


def product(name: str) -> str:
    """X@8=person_whole_front, X@9=cloth_front -> X; the numbers count the photos of a product."""
    return name.partition("@")[0]


# Rows of test lists are true pairs if the products agree.
MPV3D = tree(
    "mpv3d",
    "MPV3D: image/X@8=person_whole_front.png, cloth/X@9=cloth_front.jpg, *_pairs.txt",
    Rules(
        worn_garment=lambda name: product(name) if name.endswith("=person_whole_front") else None,
        key=lambda name: product(name) if name.endswith("=cloth_front") else None,
        product=product,
        parse_ending="_label",
        mask_ending="_mask",
        labels=(5,),
    ),
)
