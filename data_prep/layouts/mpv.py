"""MPV: several poses of a person in one garment, told by lists of four columns."""

from data_prep.layouts.records import Fault, Pair, Unpaired, clean, file_name, list_rows, same_file

NAME = "mpv"
TITLE = "MPV: all/X/X-Q11@8=person_half_front.jpg, ...=cloth_front.jpg, all_poseA_poseB_*.txt"
LABELS = (5, 7)
COLUMNS = 4  # pose A, pose B, garment, split


def lists(source):
    """The lists of poses."""
    return [n for n in source.entries("")[1] if n.startswith("all_poseA") and n.endswith(".txt")]


def matches(source):
    """Whether there is a list of poses, or a folder of MPV's names."""
    folders = source.folders("all")[:3]
    return bool(lists(source)) or any(
        "=person_" in name for folder in folders for name in source.images(f"all/{folder}")
    )


def records(source):
    """A pose and a garment of the same product are a true pair; frontal views only."""
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
    """The records of one row, both poses with its garment."""
    if len(columns) < COLUMNS:
        yield Fault(place, f"has {len(columns)} columns; {COLUMNS} are needed")
        return
    *poses, garment, split = (clean(column) for column in columns[:COLUMNS])
    if split not in ("train", "test"):
        yield Fault(place, f"{split[:40]!r} is neither train nor test")
        return
    for person in poses:
        yield from pose_records(source, place, inside(person), inside(garment), split)


def pose_records(source, place, person, garment, split):
    """The record of one pose of a row, none for a view from behind or from the side."""
    if "front" not in file_name(person):
        yield Fault(person, "is no frontal view")
    elif product(person) == product(garment):
        yield make_pair(source, person, garment, split)
    elif split == "test":
        yield Unpaired(person, garment)
    else:
        yield Fault(place, "names the garment of another product: no true pair")


def folder_records(source):
    """The records of a copy without lists, by the names alone."""
    for folder in source.folders("all"):
        names = source.images(f"all/{folder}")
        for name in names:
            garment = f"{name.partition('=')[0]}=cloth_front.jpg"
            if "=person_" in name and "front" in name:
                yield make_pair(source, f"all/{folder}/{name}", f"all/{folder}/{garment}", "")


def inside(path):
    """A list's path, which may begin at all/ or at a folder around it, as one that does."""
    return "all/" + "/".join(path.split("/")[-2:])


def product(path):
    """RE321D05M-Q11 of .../RE321D05M-Q11@8=person_half_front.jpg."""
    return file_name(path).partition("@")[0]


def make_pair(source, person, garment, split):
    """The pair; label maps lie in all_parsing/ and garment masks beside the garments."""
    parse = mask = None
    if source.has("all_parsing"):
        folder, _, name = person.replace("all/", "all_parsing/", 1).rpartition("/")
        parse = same_file(source, folder, name.rpartition(".")[0] + ".png")
    folder, _, name = garment.rpartition("/")
    mask = source.twin(folder, name.rpartition(".")[0] + "_mask.jpg")
    labels = LABELS if parse else ()
    return Pair(person, garment, product(person), product(garment), split, parse, labels, mask)
