"""MPV: several poses of a person in one garment, in lists of four columns."""

from collections.abc import Iterator

from data_prep.layouts.records import (
    Fault,
    Layout,
    Pair,
    Record,
    Unpaired,
    clean,
    file_name,
    list_rows,
    same_file,
)  # fmt: skip
from data_prep.photo_folder import PhotoFolder, stem

GARMENT = "=cloth_front"
LABELS = (5, 7)
COLUMNS = 4  # pose A, pose B, garment, split


def lists(folder: PhotoFolder) -> list[str]:
    """The lists of poses."""
    return [name for name in folder.entries()[1] if name.startswith("all_poseA") and name.endswith(".txt")]


def matches(folder: PhotoFolder) -> bool:
    """Whether there is a list of poses, or a folder whose names follow MPV's naming."""
    inners = folder.folders("all")[:3]
    return bool(lists(folder)) or any("=person_" in n for one in inners for n in folder.images(f"all/{one}"))


def records(folder: PhotoFolder) -> Iterator[Record]:
    """Yield a true pair for a pose and a garment of the same product; front views only."""
    found: dict[Record, None] = {}
    for path in lists(folder):
        for row in list_rows(folder, path):
            found |= dict.fromkeys([row] if isinstance(row, Fault) else row_records(folder, *row))
    yield from found if lists(folder) else folder_records(folder)


def row_records(folder: PhotoFolder, place: str, columns: list[str]) -> Iterator[Record]:
    """Yield the records of one row: both poses with its garment."""
    if len(columns) < COLUMNS:
        yield Fault(place, f"has {len(columns)} columns; {COLUMNS} are required")
        return
    *poses, garment, split = (clean(column) for column in columns[:COLUMNS])
    if split not in ("train", "test"):
        yield Fault(place, f"{split[:40]!r} is neither train nor test")
        return
    for path in poses:
        person, worn = ("all/" + "/".join(name.split("/")[-2:]) for name in (path, garment))
        if "front" not in file_name(person):
            yield Fault(person, "not a front view")
        elif product(person) == product(worn):
            yield make_pair(folder, person, worn, split)
        elif split == "test":
            yield Unpaired(person, worn)
        else:
            yield Fault(place, "not a true pair: names the garment of another product")


def folder_records(folder: PhotoFolder) -> Iterator[Record]:
    """Yield the records of a copy without lists, from the names alone."""
    for inner in folder.folders("all"):
        names = folder.images(f"all/{inner}")
        garments = {product(name): name for name in reversed(names) if stem(name).endswith(GARMENT)}
        for name in names:
            if "=person_" not in name or "front" not in name:
                continue
            person, garment = f"all/{inner}/{name}", garments.get(product(name))
            if garment is None:
                yield Fault(person, f"no garment of the product {product(name)}")
            else:
                yield make_pair(folder, person, f"all/{inner}/{garment}", "")


def product(path: str) -> str:
    """The product in a file name: .../RE321D05M-Q11@8=person_half_front.jpg -> RE321D05M-Q11."""
    return file_name(path).partition("@")[0]


def make_pair(folder: PhotoFolder, person: str, garment: str, split: str) -> Pair:
    """The pair of two photos; label maps are in all_parsing/, garment masks next to the garments."""
    parse = None
    if folder.has("all_parsing"):
        inner, _, name = person.replace("all/", "all_parsing/", 1).rpartition("/")
        parse = same_file(folder, inner, name.rpartition(".")[0] + ".png")
    inner, _, name = garment.rpartition("/")
    mask = folder.twin(inner, name.rpartition(".")[0] + "_mask.jpg")
    return Pair(
        person, garment, product(person), product(garment), split, parse, LABELS if parse else (), mask
    )


MPV = Layout(
    "mpv",
    "MPV: all/X/X-Q11@8=person_half_front.jpg, ...@9=cloth_front.jpg, all_poseA_poseB_*.txt",
    records,
    matches,
)
