"""Trees of persons, garments and lists of pairs: VITON-HD, CP-VTON, MPV3D, MPV and DressCode."""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import click

from data_prep.layouts.records import LIP, Fault, Layout, Pair, Record, Unpaired, list_rows, same_file
from data_prep.photo_folder import PhotoFolder, file_name, join, stem

SPLITS = ("train", "test")
LIP_FOLDERS = "image-parse-v3", "image-parse-new", "image-parse", "person-parse"
LABELS = dict.fromkeys(LIP_FOLDERS, LIP) | {"parse-bytedance": (5, 21, 22)}
FIRST = 60  # photos that tell whether a tree follows the rules
POSE_COLUMNS = 4  # pose A, pose B, garment, split


class Rules(NamedTuple):
    """Naming rules of a tree.  Functions take the stem of a file name.

    worn_garment: a person's photo -> the key of the garment worn in it, or None if the name does not
    determine it.  key: a garment's photo -> its key, by default the stem; None for other photos.
    person, product: a person's and a garment's photo -> its identity.  parse, mask: a person's photo -> its
    label map, a garment's photo -> its mask.  lists_true: whether rows of train lists are true pairs; if
    not, column 2 is a garment to put on.  persons, garments, masks: the possible names of these folders;
    labels: those of the label maps -> the garment's labels.  lists: part of the names of lists.  poses:
    whether photos are in subfolders, and a row of a list has two persons and a split.
    """

    worn_garment: Callable[[str], str | None]
    key: Callable[[str], str | None] = str
    person: Callable[[str], str] = str
    product: Callable[[str], str] = str
    parse: Callable[[str], str] = str
    mask: Callable[[str], str] = str
    lists_true: bool = True
    persons: Sequence[str] = ("image", "person")
    garments: Sequence[str] = ("cloth", "clothes")
    masks: Sequence[str] = ("cloth-mask", "cloth_mask", "cloth_mask-bytedance")
    labels: Mapping[str, tuple[int, ...]] = LABELS
    lists: str = "pairs"
    poses: bool = False


class Part(NamedTuple):
    """The folders and lists of a category and a split, each "" if the folders do not tell it."""

    category: str
    split: str
    lists: Sequence[str]
    persons: str
    garments: str
    parse: str | None
    masks: str | None


def find_parts(rules: Rules, folder: PhotoFolder, category: str) -> list[Part]:
    """The parts of a tree: train/ and test/, or one pair of folders that two lists share."""
    found = [find_part(rules, folder, split, "", split) for split in SPLITS]
    if not any(found):
        shared = [find_part(rules, folder, category, category, split) for split in SPLITS]
        found = [part for part in shared if part and part.lists]
        found = found or [find_part(rules, folder, category, category, "")]
    return [part for part in found if part]


def find_part(rules: Rules, folder: PhotoFolder, inner: str, category: str, split: str) -> Part | None:
    """The part in an inner folder, with lists in or next to it; None if persons or garments are missing."""
    persons, garments, parse, masks = (
        folder.first(join(inner, name) for name in names)
        for names in (rules.persons, rules.garments, rules.labels, rules.masks)
    )
    if not persons or not garments:
        return None
    lists = [
        join(place, name)
        for place in dict.fromkeys(("", inner))
        for name in folder.entries(place)[1]
        if name.endswith((".txt", ".csv")) and rules.lists in name and split in name
    ]
    return Part(category, split, lists, persons, garments, parse, masks)


def list_photos(rules: Rules, folder: PhotoFolder, inner: str) -> Iterator[str]:
    """Yield the paths of the photos in a folder of persons or garments."""
    for place in [join(inner, name) for name in folder.folders(inner)] if rules.poses else [inner]:
        yield from (join(place, name) for name in folder.images(place))


def find_photo(rules: Rules, folder: PhotoFolder, inner: str, path: str) -> str:
    """The path of a list's entry in a folder, whatever its file extension and leading folders."""
    place, name = inner, path.removeprefix(inner + "/")
    if rules.poses:
        place, name = join(inner, "/".join(path.split("/")[-2:-1])), file_name(path)
    return folder.twin(place, file_name(name)) or join(place, name)


def matches(rules: Rules, folder: PhotoFolder, category: str = "") -> bool:
    """Whether some of the first photos of a tree have the garments that the rules name."""
    for part in find_parts(rules, folder, category):
        persons = itertools.islice(list_photos(rules, folder, part.persons), FIRST)
        most = FIRST if part.persons == part.garments else None
        garments = itertools.islice(list_photos(rules, folder, part.garments), most)
        worn = {rules.worn_garment(stem(path)) for path in persons} - {None}
        if worn & {rules.key(stem(path)) for path in garments}:
            return True
    return False


def records(rules: Rules, folder: PhotoFolder, category: str = "") -> Iterator[Record]:
    """Yield the records of a tree, and a fault for every photo that none of them names."""
    parts = find_parts(rules, folder, category)
    found = dict.fromkeys(record for part in parts for record in part_records(rules, folder, part))
    yield from found
    used = {path for pair in found if isinstance(pair, Pair) for path in (*pair[:2], pair.garment_mask)}
    used |= {fault.what for fault in found if isinstance(fault, Fault)}
    for inner in dict.fromkeys(inner for part in parts for inner in (part.persons, part.garments)):
        paths = list_photos(rules, folder, inner)
        yield from (Fault(path, "belongs to no pair") for path in paths if path not in used)


def part_records(rules: Rules, folder: PhotoFolder, part: Part) -> Iterator[Record]:
    """Yield the records of one part: of the photos in its lists or, without lists, in its folder."""
    # person -> (garment, None for that which the name tells; split)
    worn: dict[str, tuple[str | None, str]] = {}
    unpaired: dict[Unpaired, None] = {}
    for path in part.lists:
        for row in read_rows(rules, folder, part, path):
            if isinstance(row, Fault):
                yield row
                continue
            place, person, garment, split = row
            expected = rules.worn_garment(stem(person))
            known = expected is not None
            if expected == rules.key(stem(garment)) if known else split != "test" and rules.lists_true:
                if worn.get(person, (None,))[0] not in (None, garment):
                    yield Fault(place, f"a second garment for {person}")
                else:
                    worn[person] = garment, split
                continue
            if known:
                worn.setdefault(person, (None, split))
            if split == "test" and (known or rules.lists_true):
                unpaired[Unpaired(person, garment)] = None
            elif rules.lists_true:
                yield Fault(place, "not a true pair: names the garment of another photo")
    if not part.lists:
        apart = part.persons != part.garments
        photos = list_photos(rules, folder, part.persons)
        persons = (path for path in photos if apart or rules.worn_garment(stem(path)) is not None)
        worn = dict.fromkeys(persons, (None, part.split))
    garments = reversed(list(list_photos(rules, folder, part.garments)))
    keys = {rules.key(stem(path)): path for path in garments}  # key -> the first photo with it
    yield from (make_pair(rules, folder, part, keys, person, *row) for person, row in worn.items())
    yield from unpaired


def read_rows(
    rules: Rules, folder: PhotoFolder, part: Part, path: str
) -> Iterator[tuple[str, str, str, str] | Fault]:
    """Yield (line, person, garment, split) of each person in the rows of a list."""

    inners = part.persons, part.garments

    def exists(column: int, name: str) -> bool:
        return not rules.poses and folder.twin(inners[column], file_name(name)) is not None

    for row in list_rows(folder, path, exists):
        if isinstance(row, Fault):
            yield row
            continue
        place, (*persons, garment), split = row[0], row[1][:2], part.split
        if rules.poses:
            if len(row[1]) < POSE_COLUMNS:
                yield Fault(place, f"has {len(row[1])} columns; {POSE_COLUMNS} are required")
                continue
            *persons, garment, split = row[1][:POSE_COLUMNS]
            if split not in SPLITS:
                yield Fault(place, f"{split[:40]!r} is neither train nor test")
                continue
        garment = find_photo(rules, folder, part.garments, garment)
        for name in persons:
            person = find_photo(rules, folder, part.persons, name)
            if rules.poses and rules.worn_garment(stem(person)) is None:
                yield Fault(person, "not a front view")
            elif not part.category or "/" in path or folder.has(person):  # else a list of all categories
                yield place, person, garment, split


def make_pair(
    rules: Rules,
    folder: PhotoFolder,
    part: Part,
    keys: Mapping[str | None, str],
    person: str,
    garment: str | None,
    split: str,
) -> Pair | Fault:
    """The pair of a person's photo and a garment, None for that which its name determines."""
    if garment is None:
        key = rules.worn_garment(stem(person))
        if key is None:
            return Fault(person, "its name does not determine the garment")
        if key not in keys and rules.key is not str:
            return Fault(person, f"no garment of the product {key}")
        ending = person[person.rfind(".") :]
        garment = same_file(folder, part.garments, key + ending) if rules.key is str else keys[key]
    parse = mask = None
    if part.parse:
        inner = part.parse + person.removeprefix(part.persons).rpartition("/")[0]
        parse = same_file(folder, inner, rules.parse(stem(person)) + ".png")
    if part.masks:
        inner = part.masks + garment.removeprefix(part.garments).rpartition("/")[0]
        mask = folder.twin(inner, rules.mask(stem(garment)) + ".png")
    person_id = join(part.category, rules.person(stem(person)))
    product = join(part.category, rules.product(stem(garment)))
    labels = rules.labels[file_name(part.parse)] if part.parse else ()
    return Pair(person, garment, person_id, product, split, parse, labels, mask, part.category)


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


def start(mark: str, name: str) -> str:
    """What of a name precedes a mark: "@" for X@8=person_whole_front, "_" for 048462_0."""
    return name.partition(mark)[0]


product, number = functools.partial(start, "@"), functools.partial(start, "_")

# Rows of test lists are true pairs if the products agree.
MPV3D = tree(
    "mpv3d",
    "MPV3D: image/X@8=person_whole_front.png, cloth/X@9=cloth_front.jpg, *_pairs.txt",
    Rules(
        worn_garment=lambda name: product(name) if name.endswith("=person_whole_front") else None,
        key=lambda name: product(name) if name.endswith("=cloth_front") else None,
        product=product,
        parse=lambda name: name + "_label",
        mask=lambda name: name + "_mask",
        labels=dict.fromkeys(LABELS, (5,)),
    ),
)

# Several poses of a person in one garment, of which the front views are used.
MPV = tree(
    "mpv",
    "MPV: all/X/X-Q11@8=person_half_front.jpg, ...@9=cloth_front.jpg, all_poseA_poseB_*.txt",
    Rules(
        worn_garment=lambda name: product(name) if "=person_" in name and "front" in name else None,
        key=lambda name: product(name) if name.endswith("=cloth_front") else None,
        person=product,
        product=product,
        mask=lambda name: name + "_mask",
        persons=("all",),
        garments=("all",),
        masks=("all",),
        labels={"all_parsing": (5, 7)},
        lists="all_poseA",
        poses=True,
    ),
)

CATEGORIES = {"upper_body": (4,), "lower_body": (5, 6), "dresses": (7,)}  # labels as in ATR


NUMBERED = Rules(
    worn_garment=lambda name: number(name) + "_1" if name.endswith("_0") else None,
    person=number,
    product=number,
    parse=lambda name: number(name) + "_4",
    persons=("images",),
    garments=("images",),
)


def present_categories(folder: PhotoFolder) -> list[str]:
    """The categories of DressCode that a folder has."""
    return [category for category in CATEGORIES if folder.has(f"{category}/images")]


def dresscode_records(folder: PhotoFolder, category: Sequence[str] = ()) -> Iterator[Record]:
    """Yield the records of the selected categories, by default of upper_body or, without it, of all."""
    present = present_categories(folder)
    for name in category or (["upper_body"] if "upper_body" in present else present):
        if name in present:
            yield from records(NUMBERED._replace(labels={"label_maps": CATEGORIES[name]}), folder, name)
        else:
            yield Fault(name, "no such category")


CATEGORY_HELP = "Category of garments; repeatable.  [default: upper_body, or all without it]"
DRESSCODE = Layout(
    "dresscode",
    "DressCode: {upper_body,lower_body,dresses}/images/048462_{0,1}.jpg",
    dresscode_records,
    lambda folder: any(matches(NUMBERED, folder, name) for name in present_categories(folder)),
    (click.option("--category", type=click.Choice(list(CATEGORIES)), multiple=True, help=CATEGORY_HELP),),
)
