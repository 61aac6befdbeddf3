"""MPV: several poses of a person in one garment, in lists of four columns."""

from data_prep.layouts.records import Fault, Pair, Unpaired, clean, file_name, list_rows, same_file
from data_prep.source import stem

NAME = "mpv"
TITLE = "MPV: all/X/X-Q11@8=person_half_front.jpg, ...@9=cloth_front.jpg, all_poseA_poseB_*.txt"
GARMENT = "=cloth_front"
LABELS = (5, 7)
COLUMNS = 4  # pose A, pose B, garment, split


def lists(source):
    """The lists of poses."""
    return [n for n in source.entries("")[1] if n.startswith("all_poseA") and n.endswith(".txt")]


def matches(source):
    """Whether there is a list of poses, or a folder whose names follow MPV's naming."""
    folders = source.folders("all")[:3]
    return bool(lists(source)) or any(
        "=person_" in name for folder in folders for name in source.images(f"all/{folder}")
    )


def records(source):
    """Yield a true pair for a pose and a garment of the same product; front views only."""
    seen = set()
    for path in lists(source):
        for row in list_rows(source, path):
            for record in [row] if isinstance(row, Fault) else row_records(source, *row):
                if record not in seen:
                    seen.add(record)
                    yield record
    if not lists(source):
        yield from folder_records(source)


def row_records(source, place, columns):
    """Yield the records of one row: both poses with its garment."""
    if len(columns) < COLUMNS:
        yield Fault(place, f"has {len(columns)} columns; {COLUMNS} are required")
        return
    *poses, garment, split = (clean(column) for column in columns[:COLUMNS])
    if split not in ("train", "test"):
        yield Fault(place, f"{split[:40]!r} is neither train nor test")
        return
    for person in poses:
        yield from pose_records(source, place, inside(person), inside(garment), split)


def pose_records(source, place, person, garment, split):
    """Yield the record of one pose of a row; a view from behind or from the side is a fault."""
    if "front" not in file_name(person):
        yield Fault(person, "not a front view")
    elif product(person) == product(garment):
        yield make_pair(source, person, garment, split)
    elif split == "test":
        yield Unpaired(person, garment)
    else:
        yield Fault(place, "not a true pair: names the garment of another product")


def folder_records(source):
    """Yield the records of a copy without lists, from the names alone."""
    for folder in source.folders("all"):
        names = source.images(f"all/{folder}")
        garments = {product(name): name for name in reversed(names) if stem(name).endswith(GARMENT)}
        for name in names:
            if "=person_" not in name or "front" not in name:
                continue
            person, garment = f"all/{folder}/{name}", garments.get(product(name))
            if garment is None:
                yield Fault(person, f"no garment of the product {product(name)}")
            else:
                yield make_pair(source, person, f"all/{folder}/{garment}", "")


def inside(path):
    """A path of a list as one that begins with all/."""
    return "all/" + "/".join(path.split("/")[-2:])


def product(path):
    """The product in a file name: .../RE321D05M-Q11@8=person_half_front.jpg -> RE321D05M-Q11."""
    return file_name(path).partition("@")[0]


def make_pair(source, person, garment, split):
    """The `Pair` of two photos; label maps are in all_parsing/, garment masks next to the garments."""
    parse = mask = None
    if source.has("all_parsing"):
        folder, _, name = person.replace("all/", "all_parsing/", 1).rpartition("/")
        parse = same_file(source, folder, name.rpartition(".")[0] + ".png")
    folder, _, name = garment.rpartition("/")
    mask = source.twin(folder, name.rpartition(".")[0] + "_mask.jpg")
    labels = LABELS if parse else ()
    return Pair(person, garment, product(person), product(garment), split, parse, labels, mask)
