"""Which photos of a folder show one style in several colors, by their names."""

import re
from typing import NamedTuple

from data_prep.source import join, stem

# STYLE-COLOR, and after it what Magento 2 calls a product's main photo: _main, _main_1, _main_2
NAME = re.compile(r"(?P<style>[^-]+)-(?P<color>[^\W\d_]+(?:-[^\W\d_]+)*)(?P<main>_main(?:_\d+)?)?")
PREFERRED = (None, "_main_1", "_main")  # of several photos of one color; any other comes last


class Photo(NamedTuple):
    """A photo by its name.  style, color: as the name says; rank: the lower the better; path."""

    style: str
    color: str
    rank: tuple
    path: str


class Found(NamedTuple):
    """styles: name -> paths of its photos, one for each color, by color; others: how many images
    have another name."""

    styles: dict[str, list[str]]
    others: int


def find(source, only=()):
    """The `Found` of a `Source`.  only: prefixes of the styles that are wanted, () for all."""
    photos, others = {}, 0
    for path in walk(source):
        photo = named(path)
        if photo is None:
            others += 1
        elif not only or photo.style.startswith(tuple(only)):
            key = photo.style, photo.color
            photos[key] = min(photos.get(key, photo), photo, key=lambda one: one.rank)
    styles = {}
    for style, color in sorted(photos):
        styles.setdefault(style, []).append(photos[style, color].path)
    return Found(styles, others)


def walk(source):
    """The paths of all images of a `Source`, in folders of any depth, each folder once."""
    seen, waiting = set(), [""]
    while waiting:
        folder = waiting.pop()
        images, folders = source.images(folder), source.folders(folder)
        if folder in source.refused or source.locate(folder) in seen:
            continue  # a link out of SRC, or to a folder that was met before
        seen.add(source.locate(folder))
        yield from (join(folder, name) for name in images)
        waiting += [join(folder, name) for name in folders]


def named(path):
    """The `Photo` that a path names, None for any other name.

    Of two photos of one color the main one is taken, and of two of those the one less deep: shops
    keep small copies in folders further down.
    """
    found = NAME.fullmatch(stem(path))
    if not found:
        return None
    style, color, main = found.group("style", "color", "main")
    rank = PREFERRED.index(main) if main in PREFERRED else len(PREFERRED)
    return Photo(style, color, (rank, path.count("/"), path), path)
