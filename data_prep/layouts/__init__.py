"""Layouts of datasets on disk.  To add one, describe it in `tree` or `named` and list it in LAYOUTS."""

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


def find_roots(folder: PhotoFolder, layout: Layout) -> list[PhotoFolder]:
    """The roots of a layout's trees: SRC itself, or all folders in it that match."""
    if layout.matches(folder):
        return [folder]
    inners = [folder.within(name) for name in folder.folders() if not folder.entries(name) == ((), ())]
    return [inner for inner in inners if layout.matches(inner)]


def detect(folder: PhotoFolder) -> list[tuple[str, PhotoFolder]]:
    """(name, root) of every layout that matches the folder."""
    return [(name, root) for name, layout in LAYOUTS.items() for root in find_roots(folder, layout)]
