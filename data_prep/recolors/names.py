"""Find the photos of a folder that show one style in several colors, by their names."""

import re
from collections.abc import Sequence

from data_prep.photo_folder import PhotoFolder, stem

# STYLE-COLOR, optionally with Magento 2's suffix of a product's main photo: _main, _main_1, _main_2
NAME = re.compile(r"(?P<style>[^-]+)-(?P<color>[^\W\d_]+(?:-[^\W\d_]+)*)(?P<main>_main(?:_\d+)?)?")
PREFERRED = (None, "_main_1", "_main")  # of several photos of one color; any other suffix is last


def find_styles(folder: PhotoFolder, only: Sequence[str] = ()) -> tuple[dict[str, list[str]], int]:
    """(style -> paths of its photos, one per color, sorted by color; number of images with other names).

    only: prefixes of style names, () for all styles.  Of several photos of one color the main one is
    preferred, and of several of those the one in fewer folders: shops keep small copies in deeper folders.
    """
    ranked: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
    others = 0
    for path in folder.walk():
        found = NAME.fullmatch(stem(path))
        if not found:
            others += 1
        elif not only or found["style"].startswith(tuple(only)):
            main = found["main"]
            rank = PREFERRED.index(main) if main in PREFERRED else len(PREFERRED)
            ranked.setdefault((found["style"], found["color"]), []).append((rank, path.count("/"), path))
    styles: dict[str, list[str]] = {}
    for (style, _), photos in sorted(ranked.items()):
        styles.setdefault(style, []).append(min(photos)[2])
    return styles, others
