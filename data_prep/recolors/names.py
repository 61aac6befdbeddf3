"""Find the photos of a folder that show one style in several colors, by their names."""

import re
from typing import NamedTuple

from data_prep.photo_folder import stem

# STYLE-COLOR, optionally with Magento 2's suffix of a product's main photo: _main, _main_1, _main_2
NAME = re.compile(r"(?P<style>[^-]+)-(?P<color>[^\W\d_]+(?:-[^\W\d_]+)*)(?P<main>_main(?:_\d+)?)?")
PREFERRED = (
    None,
    "_main_1",
    "_main",
)  # order of preference among photos of one color; any other suffix is last


class Photo(NamedTuple):
    """A photo: style and color from its name, rank (lower is preferred), path."""

    style: str
    color: str
    rank: tuple
    path: str


class Found(NamedTuple):
    """styles: name -> paths of its photos, one per color, sorted by color; others: number of images
    with other names."""

    styles: dict[str, list[str]]
    others: int


def find(source, only=()):
    """Find the styles in a `PhotoFolder`: `Found`.  only: prefixes of style names, () for all styles."""
    photos, others = {}, 0
    for path in source.walk():
        photo = parse_name(path)
        if photo is None:
            others += 1
        elif not only or photo.style.startswith(tuple(only)):
            key = photo.style, photo.color
            photos[key] = min(photos.get(key, photo), photo, key=lambda photo: photo.rank)
    styles = {}
    for style, color in sorted(photos):
        styles.setdefault(style, []).append(photos[style, color].path)
    return Found(styles, others)


def parse_name(path):
    """Parse a path as a `Photo`; None if it is not named STYLE-COLOR.

    Of several photos of one color the main one is preferred, and of several of those the one in fewer
    folders: shops keep small copies in deeper folders.
    """
    found = NAME.fullmatch(stem(path))
    if not found:
        return None
    style, color, main = found.group("style", "color", "main")
    rank = PREFERRED.index(main) if main in PREFERRED else len(PREFERRED)
    return Photo(style, color, (rank, path.count("/"), path), path)
