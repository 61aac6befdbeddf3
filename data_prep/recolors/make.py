"""From a folder of recolored photos to a data file of swaps whose true answer is a photo.

Two passes over the photos, style by style, so that memory does not grow with their number: the
first finds each style's garment and the colors between which it alone changes, the second writes.
"""

import dataclasses
import hashlib
import io
import itertools
import re
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from data_prep.picture import border_color, decode, quiet, resize
from data_prep.recolors import region
from data_prep.recolors.names import find
from data_prep.recolors.picture import article, framed, grounded, mask_image
from data_prep.source import Source
from data_prep.store import PhotoWriter, check_target

VERSION = 1  # of what is made of the photos: raised whenever the same photos give other pixels
COARSE = (4 * region.WIDTH, region.WIDTH)  # what a decoder need not exceed for the region
MAX_COLORS = 16  # of a style: each two of them are compared
MAX_CATEGORIES = 256  # codes of an attribute


@dataclasses.dataclass(frozen=True)
class Settings:
    """How recolored photos become a data file.

    size: (height, width) [pixels]; triples: at most that many swaps; seed: of their choice; only:
    prefixes of the styles that are taken, () for all; shrink: share of the frame that a person's
    photo takes; ground: the level that takes the place of a white ground, or None.
    """

    size: tuple[int, int] = (128, 96)
    triples: int = 200
    seed: int = 0
    only: tuple[str, ...] = ()
    shrink: float = 1.0
    ground: int | None = None


class Style(NamedTuple):
    """A style that can be used: its photos, one to a color, as paths; the garment's region at
    `region.WIDTH`; pairs (a, b) of photos between which it alone changes; the photos' digests."""

    name: str
    photos: list
    garment: np.ndarray
    pairs: list
    digests: list


class Made(NamedTuple):
    """What became of a folder: counts of styles, photos, swaps, and of images of other names;
    left_out: lines "NAME: why"."""

    styles: int
    photos: int
    triples: int
    others: int
    left_out: list


def recolor(src, out, settings=None):
    """Make the data file OUT of the recolored photos in SRC; returns what was `Made`.

    Raises ValueError or OSError, "FILE: what is wrong; the cure".
    """
    settings, source = settings or Settings(), Source(src)
    check_target(out)
    found = find(source, settings.only)
    if not found.styles:
        raise ValueError(
            f"{src}: holds no photos called STYLE-COLOR"
            + (f" of styles {', '.join(settings.only)}" if settings.only else "")
            + f" ({found.others} of other names); rename them, tee-red.jpg say"
        )
    with quiet():
        styles, left_out = examined(source, found.styles)
        left_out += [f"{folder}: is a link out of SRC" for folder in dict.fromkeys(source.refused)]
        if not styles:
            raise ValueError(
                f"{src}: none of {len(found.styles)} styles can be used, the first is "
                f"left out for {left_out[0]}; give photos that differ in color only"
            )
        triples = chosen([style.pairs for style in styles], settings.triples, settings.seed)
        with PhotoWriter(out, *settings.size, provenance(styles, triples, settings)) as writer:
            write(writer, source, styles, triples, settings)
    return Made(len(styles), sum(len(style.photos) for style in styles), len(triples), found.others, left_out)


def provenance(styles, triples, settings):
    """What the data file says of where it is from: no path, no time."""
    digests = [digest for style in styles for digest in style.digests]
    arguments = dataclasses.asdict(settings)
    del arguments["seed"]  # which has a place of its own
    return {
        "program": "data_prep recolors",
        "version": VERSION,
        "seed": settings.seed,
        "arguments": arguments,
        "articles": "cut from the photos, mirrored",
        "counts": {"styles": len(styles), "photos": len(digests), "triples": len(triples)},
        "photos": hashlib.sha256(b"".join(digests)).hexdigest(),
    }


# ---------------------------------------------------------------- first pass: the garments


def examined(source, styles):
    """([`Style`], ["NAME: why", ...]) of all styles found: name -> paths."""
    usable, left_out = [], []
    for name, paths in tqdm(styles.items(), unit="style", desc="comparing"):
        style, why = examine(source, name, paths)
        left_out += why
        if style:
            usable.append(style)
    return usable, left_out


def examine(source, name, paths):
    """(`Style` or None, lines on what is left out) of the photos of one style."""
    photos, left_out = readable(source, paths[:MAX_COLORS])
    left_out += [f"{path}: is one color more than {MAX_COLORS}" for path in paths[MAX_COLORS:]]
    if len(photos) < 2:
        return None, [*left_out, f"{name}: has one color only"]
    if len({image.size for _, image, _ in photos}) > 1:
        return None, [*left_out, f"{name}: its photos differ in size"]
    pictures = np.stack([coarse(image) for _, image, _ in photos])
    same = region.same_photo(pictures)
    left_out += [
        f"{path}: is another photo than those of the other colors"
        for (path, *_), is_same in zip(photos, same)
        if not is_same
    ]
    if same.sum() < 2:
        return None, [*left_out, f"{name}: no two of its colors are one photo"]
    garment, pairs = region.garment(pictures[same])
    why = region.absurd(garment) or (None if pairs else "more than the garment changes")
    if why:
        return None, [*left_out, f"{name}: {why}"]
    paths, _, digests = zip(*itertools.compress(photos, same))
    return Style(name, list(paths), garment, pairs, list(digests)), left_out


def readable(source, paths):
    """([(path, PIL image, digest)], lines on those that cannot be read)."""
    photos, left_out = [], []
    for path in paths:
        try:
            data = source.read(path)
            photos.append((path, decode(io.BytesIO(data), path, COARSE), hashlib.sha256(data).digest()))
        except ValueError as error:
            left_out.append(str(error))
    return photos, left_out


def coarse(image):
    """A photo as wide as regions are computed: uint8 [H, region.WIDTH, 3]."""
    height = max(1, round(image.height * region.WIDTH / image.width))
    return np.asarray(resize(image, (region.WIDTH, height)))


def chosen(pairs, count, seed):
    """Up to `count` swaps (style, a, b), a != b, of each style's pairs of photos, either way.

    Styles take turns, in random order: each has had one before any has two.
    """
    rng = np.random.default_rng(seed)
    ways = [[*rows, *(row[::-1] for row in rows)] for rows in pairs]
    order = rng.permutation(len(ways))
    columns = {style: rng.permutation(len(ways[style])) for style in order}
    turns = range(max(map(len, ways)))
    rows = [
        (int(style), *ways[style][columns[style][turn]])
        for turn in turns
        for style in order
        if turn < len(ways[style])
    ]
    return rows[:count]


# ---------------------------------------------------------------- second pass: the pictures


def write(writer, source, styles, triples, settings):
    """Write each photo as a pair, then the swaps.  The truth of a swap is another pair's x."""
    firsts = list(itertools.accumulate((len(style.photos) for style in styles), initial=0))
    categories = sorted({category(style.name) for style in styles})
    with tqdm(total=len(styles) + len(triples), desc="writing") as bar:
        for person, style in enumerate(styles):
            attributes = {"category": (categories.index(category(style.name)), categories)}
            write_pairs(
                writer,
                source,
                style,
                person,
                firsts[person],
                settings,
                attributes if len(categories) <= MAX_CATEGORIES else None,
            )
            bar.update()
        for style, a, b in triples:
            images = opened(source, styles[style], settings.size)
            x, mask = persons(images, styles[style].garment, settings)
            writer.add_triple(firsts[style] + a, firsts[style] + b, x[b], mask)
            bar.update()


def write_pairs(writer, source, style, person, first, settings, attributes):
    """Write the pairs of one style; first: the row, and the id, of its first garment."""
    images = opened(source, style, settings.size)
    x, mask = persons(images, style.garment, settings)
    for number, (path, image) in enumerate(zip(style.photos, images)):
        y, y_mask = article(image, mask_image(style.garment, image.size), settings.size)
        writer.add("test", x[number], y, person, first + number, mask, attributes, y_mask, (path, path))


def opened(source, style, size):
    """The photos of a style as PIL images, large enough for a size."""
    return [decode(io.BytesIO(source.read(path)), path, size) for path in style.photos]


def persons(images, garment, settings):
    """(x [N, H, W, 3], mask [H, W]): a style's photos in the frame, and where the garment is."""
    fill = border_color(np.asarray(images[0]))
    x = np.stack([framed(image, settings.size, settings.shrink, fill) for image in images])
    mask = framed(mask_image(garment, images[0].size), settings.size, settings.shrink, 0)
    return x if settings.ground is None else grounded(x, settings.ground), mask


def category(name):
    """The letters with which a style's name begins: mh of mh01."""
    return re.match(r"[^\W\d_]*", name).group()
