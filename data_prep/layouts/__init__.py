"""Layouts of datasets on disk.  To add one, describe it in `tree` or `named` and list it in LAYOUTS."""

import itertools

from data_prep.layouts.named import DEEPFASHION, FOLDERS, KERAS_CAGAN, LIST, LOOKBOOK
from data_prep.layouts.records import Layout
from data_prep.layouts.tree import CP_VTON, DRESSCODE, MPV, MPV3D, VITON_HD
from data_prep.photo_folder import PhotoFolder

PATHS = ("persons", "garments", "parse", "listed")
"""Options of layouts that are paths, relative to SRC or inside it."""

LAYOUTS = {
    layout.name: layout
    for layout in (
        VITON_HD, CP_VTON, DRESSCODE, MPV, MPV3D, LOOKBOOK, DEEPFASHION, KERAS_CAGAN, LIST, FOLDERS,
    )
}  # fmt: skip

PERSON_WORDS = ("person", "people", "human", "model", "wear", "worn", "man", "men", "woman")
GARMENT_WORDS = ("garment", "cloth", "article", "product", "shop", "top", "flat", "item", "dress")


def find_roots(folder: PhotoFolder, layout: Layout) -> list[PhotoFolder]:
    """The roots of a layout's trees: SRC itself, or all folders in it that match."""
    if layout.matches(folder):
        return [folder]
    inners = [folder.within(name) for name in folder.folders() if not folder.entries(name) == ((), ())]
    return [inner for inner in inners if layout.matches(inner)]


def detect(folder: PhotoFolder) -> list[tuple[str, PhotoFolder]]:
    """(name, root) of every layout that matches the folder."""
    return [(name, root) for name, layout in LAYOUTS.items() for root in find_roots(folder, layout)]


def matching_folders(folder: PhotoFolder) -> tuple[str, str, int, bool] | None:
    """(persons, garments, number of shared names, whether the folders' names tell which is which).

    Of the two folders in SRC that share most names, or None.
    """
    stems = {name: set(folder.by_stem(name)) for name in folder.folders()}
    pairs = [(len(stems[a] & stems[b]), a, b) for a, b in itertools.combinations(stems, 2)]
    count, a, b = max(pairs, key=lambda row: row[0], default=(0, "", ""))
    if not count:
        return None

    def votes(persons: str, garments: str) -> int:
        return sum(word in persons.lower() for word in PERSON_WORDS) + sum(
            word in garments.lower() for word in GARMENT_WORDS
        )

    if votes(a, b) < votes(b, a):
        a, b = b, a
    return a, b, count, votes(a, b) > votes(b, a)
