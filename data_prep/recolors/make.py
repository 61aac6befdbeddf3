"""Build a data file of swaps whose ground truth is a photo from a folder of recolored photos.

Two passes over the photos, style by style, so that memory does not grow with their number: the first
locates each style's garment and the pairs of colors in which nothing else changes, the second writes.
"""

import dataclasses
import hashlib
import io
import itertools
import re
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from data_prep.photo_folder import PhotoFolder
from data_prep.picture import border_color, decode, quiet, resize
from data_prep.recolors import region
from data_prep.recolors.names import find
from data_prep.recolors.picture import article, fit_in_frame, mask_image, with_gray_background
from data_prep.store import PhotoWriter, check_target

VERSION = 1  # of the pixels: increased whenever the same photos give different ones
COARSE = (4 * region.WIDTH, region.WIDTH)  # size for decoding when only the region is needed
MAX_COLORS = 16  # per style: all pairs of colors are compared
MAX_CATEGORIES = 256  # codes of an attribute


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings for recolored photos.

    size: (height, width) [pixels]; triples: maximum number of swaps; seed: for choosing them; only:
    prefixes of style names, () for all styles; shrink: share of the frame that a person's photo
    fills; ground: gray level that replaces a white background, or None.
    """

    size: tuple[int, int] = (128, 96)
    triples: int = 200
    seed: int = 0
    only: tuple[str, ...] = ()
    shrink: float = 1.0
    ground: int | None = None


class Style(NamedTuple):
    """A usable style: paths of its photos, one per color; the garment's region at `region.WIDTH`; pairs
    (a, b) of photos in which nothing else changes; the photos' digests."""

    name: str
    photos: list
    garment: np.ndarray
    pairs: list
    digests: list


class Summary(NamedTuple):
    """Counts of styles, photos, swaps and images with other names; left_out: lines "NAME: why"."""

    styles: int
    photos: int
    triples: int
    others: int
    left_out: list


def recolor(src, out, settings=None):
    """Build the data file OUT from the recolored photos in SRC; returns a `Summary`.

    Raises ValueError or OSError, "FILE: problem; cure".
    """
    settings, source = settings or Settings(), PhotoFolder(src)
    check_target(out)
    found = find(source, settings.only)
    if not found.styles:
        raise ValueError(
            f"{src}: contains no photos named STYLE-COLOR"
            + (f" of styles {', '.join(settings.only)}" if settings.only else "")
            + f" ({found.others} with other names); rename them, for example to tee-red.jpg"
        )
    with quiet():
        styles, left_out = examine_styles(source, found.styles)
        left_out += [f"{folder}: {why}" for folder, why in source.refused.items()]
        if not styles:
            raise ValueError(
                f"{src}: none of {len(found.styles)} styles can be used "
                f"(first reason: {left_out[0]}); give photos that differ in color only"
            )
        triples = choose_swaps([style.pairs for style in styles], settings.triples, settings.seed)
        with PhotoWriter(out, *settings.size, provenance(styles, triples, settings)) as writer:
            write(writer, source, styles, triples, settings)
    photos = sum(len(style.photos) for style in styles)
    return Summary(len(styles), photos, len(triples), found.others, left_out)


def provenance(styles, triples, settings):
    """The provenance of the data file: no paths, no times."""
    digests = [digest for style in styles for digest in style.digests]
    arguments = dataclasses.asdict(settings)
    del arguments["seed"]  # stored at the top level
    return {
        "program": "data_prep recolors",
        "version": VERSION,
        "seed": settings.seed,
        "arguments": arguments,
        "articles": "cut from the photos, mirrored",
        "counts": {"styles": len(styles), "photos": len(digests), "triples": len(triples)},
        "photos": hashlib.sha256(b"".join(digests)).hexdigest(),
    }


# ---------------------------------------------------------------- first pass: locate the garments


def examine_styles(source, styles):
    """Examine all styles, a dict of name -> paths: ([`Style`], ["NAME: why it is left out", ...])."""
    usable, left_out = [], []
    for name, paths in tqdm(styles.items(), unit="style", desc="comparing"):
        style, why = examine_style(source, name, paths)
        left_out += why
        if style:
            usable.append(style)
    return usable, left_out


def examine_style(source, name, paths):
    """Examine the photos of one style: (`Style` or None, ["NAME: why it is left out", ...])."""
    photos, left_out = read_photos(source, paths[:MAX_COLORS])
    left_out += [f"{path}: exceeds the limit of {MAX_COLORS} colors" for path in paths[MAX_COLORS:]]
    if len(photos) < 2:
        return None, [*left_out, f"{name}: has only one color"]
    if len({image.size for _, image, _ in photos}) > 1:
        return None, [*left_out, f"{name}: its photos differ in size"]
    images = np.stack([coarse(image) for _, image, _ in photos])
    same = region.same_photo(images)
    left_out += [
        f"{path}: is not the same photo as the other colors"
        for (path, *_), is_same in zip(photos, same)
        if not is_same
    ]
    if same.sum() < 2:
        return None, [*left_out, f"{name}: no two of its colors are the same photo"]
    garment, pairs = region.garment(images[same])
    why = region.region_fault(garment) or (None if pairs else "more than the garment changes")
    if why:
        return None, [*left_out, f"{name}: {why}"]
    paths, _, digests = zip(*itertools.compress(photos, same))
    return Style(name, list(paths), garment, pairs, list(digests)), left_out


def read_photos(source, paths):
    """Read photos: ([(path, PIL image, digest)], ["PATH: why it cannot be read", ...])."""
    photos, left_out = [], []
    for path in paths:
        try:
            data = source.read(path)
            photos.append((path, decode(io.BytesIO(data), path, COARSE), hashlib.sha256(data).digest()))
        except (FileNotFoundError, ValueError) as error:
            left_out.append(str(error))
    return photos, left_out


def coarse(image):
    """Resize a photo to the width at which regions are computed: uint8 [H, region.WIDTH, 3]."""
    height = max(1, round(image.height * region.WIDTH / image.width))
    return np.asarray(resize(image, (region.WIDTH, height)))


def choose_swaps(pairs, count, seed):
    """Up to `count` swaps (style, a, b), a != b, from each style's pairs of photos in both directions.

    Styles take turns in random order: no style has a second swap before every style has one.
    """
    rng = np.random.default_rng(seed)
    swaps = [[*rows, *(row[::-1] for row in rows)] for rows in pairs]
    order = rng.permutation(len(swaps))
    columns = {style: rng.permutation(len(swaps[style])) for style in order}
    turns = range(max(map(len, swaps)))
    rows = [
        (int(style), *swaps[style][columns[style][turn]])
        for turn in turns
        for style in order
        if turn < len(swaps[style])
    ]
    return rows[:count]


# ---------------------------------------------------------------- second pass: write the images


def write(writer, source, styles, triples, settings):
    """Write each photo as a pair, then the swaps.  The true image of a swap is the x of another pair."""
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
            images = open_photos(source, styles[style], settings.size)
            x, mask = person_images(images, styles[style].garment, settings)
            writer.add_triple(firsts[style] + a, firsts[style] + b, x[b], mask)
            bar.update()


def write_pairs(writer, source, style, person, first, settings, attributes):
    """Write the pairs of one style; first: the row, and the garment id, of its first photo."""
    images = open_photos(source, style, settings.size)
    x, mask = person_images(images, style.garment, settings)
    for number, (path, image) in enumerate(zip(style.photos, images)):
        y, y_mask = article(image, mask_image(style.garment, image.size), settings.size)
        writer.add("test", x[number], y, person, first + number, mask, attributes, y_mask, (path, path))


def open_photos(source, style, size):
    """The photos of a style as PIL images, at least as large as a size."""
    return [decode(io.BytesIO(source.read(path)), path, size) for path in style.photos]


def person_images(images, garment, settings):
    """(x [N, H, W, 3], mask [H, W]): a style's photos in the frame, and the garment's mask."""
    fill = border_color(np.asarray(images[0]))
    x = np.stack([fit_in_frame(image, settings.size, settings.shrink, fill) for image in images])
    mask = fit_in_frame(mask_image(garment, images[0].size), settings.size, settings.shrink, 0)
    return x if settings.ground is None else with_gray_background(x, settings.ground), mask


def category(name):
    """The letters at the start of a style's name: mh01 -> mh."""
    return re.match(r"[^\W\d_]*", name).group()
