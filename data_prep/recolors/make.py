"""Build a data file of swaps whose ground truth is a photo from a folder of recolored photos.

Two passes over the photos, style by style, so that memory does not grow with their number: the first
locates each style's garment and the pairs of colors in which nothing else changes, the second writes.
"""

import dataclasses
import hashlib
import io
import itertools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage
from tqdm import tqdm

from data_prep.photo_folder import PhotoFolder, stem
from data_prep.picture import Size, border_color, decode, fit, resize
from data_prep.recolors import region
from data_prep.store import FilePath, PhotoWriter, Pixels, check_target

# STYLE-COLOR, optionally with Magento 2's suffix of a product's main photo: _main, _main_1, _main_2
NAME = re.compile(r"(?P<style>[^-]+)-(?P<color>[^\W\d_]+(?:-[^\W\d_]+)*)(?P<main>_main(?:_\d+)?)?")
PREFERRED = (None, "_main_1", "_main")  # of several photos of one color; any other suffix is last
VERSION = 2  # of the pixels: increased whenever the same photos give different ones
COARSE = (4 * region.WIDTH, region.WIDTH)  # size for decoding when only the region is needed
MAX_COLORS = 16  # per style: all pairs of colors are compared
MAX_CATEGORIES = 256  # codes of an attribute
ARTICLE = 0.78  # share of the frame that an article fills
ARTICLE_BACKGROUND = (246, 246, 246)  # as in the photoshoot
DARK = 128  # of 255: darker pixels contain nothing of a white background

Swap: TypeAlias = tuple[int, int, int]  # style, photos a and b


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
    photos: list[str]
    garment: region.Region
    pairs: list[tuple[int, int]]
    digests: list[bytes]


class Summary(NamedTuple):
    """Counts of styles, photos, swaps and images with other names; left_out: lines "NAME: why"."""

    styles: int
    photos: int
    triples: int
    others: int
    left_out: list[str]


def recolor(src: FilePath, out: FilePath, settings: Settings | None = None) -> Summary:
    """Build the data file OUT from the recolored photos in SRC.

    Raises ValueError or OSError, "FILE: problem; cure".
    """
    settings, folder = settings or Settings(), PhotoFolder(src)
    check_target(out)
    found, others = find_styles(folder, settings.only)
    if not found:
        named = " of styles " + ", ".join(settings.only) if settings.only else ""
        none = f"contains no photos named STYLE-COLOR{named} ({others} with other names)"
        raise ValueError(f"{src}: {none}; rename them, for example to tee-red.jpg")
    named_paths = tqdm(found.items(), unit="style", desc="comparing")
    examined = [examine_style(folder, name, paths) for name, paths in named_paths]
    styles = [style for style, _ in examined if style]
    left_out = [why for _, reasons in examined for why in reasons]
    left_out += [f"{name}: {why}" for name, why in folder.refused.items()]
    left_out += [f"{name}: has not the ending of an image" for name in folder.others]
    if not styles:
        none = f"none of {len(found)} styles can be used (first reason: {left_out[0]})"
        raise ValueError(f"{src}: {none}; give photos that differ in color only")
    triples = choose_swaps([style.pairs for style in styles], settings.triples, settings.seed)
    digests = [digest for style in styles for digest in style.digests]
    counts = {"styles": len(styles), "photos": len(digests), "triples": len(triples)}
    arguments = dataclasses.asdict(settings)
    origin = dict(program="data_prep recolors", version=VERSION, seed=arguments.pop("seed"))
    origin |= dict(arguments=arguments, articles="cut from the photos, mirrored", counts=counts)
    origin["photos"] = hashlib.sha256(b"".join(digests)).hexdigest()
    with PhotoWriter(out, *settings.size, origin) as writer:
        write(writer, folder, styles, triples, settings)
    return Summary(**counts, others=others, left_out=left_out)


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


def examine_style(folder: PhotoFolder, name: str, paths: Sequence[str]) -> tuple[Style | None, list[str]]:
    """Examine the photos of one style: (style or None, ["NAME: why it is left out", ...])."""
    photos, left_out = [], []
    for path in paths[:MAX_COLORS]:
        try:
            data = folder.read(path)
            photos.append((path, decode(io.BytesIO(data), path, COARSE), hashlib.sha256(data).digest()))
        except (FileNotFoundError, ValueError) as error:
            left_out.append(str(error))
    left_out += [f"{path}: exceeds the limit of {MAX_COLORS} colors" for path in paths[MAX_COLORS:]]
    if len(photos) < 2:
        return None, [*left_out, f"{name}: has only one color"]
    width, height = photos[0][1].size
    if any(image.size != (width, height) for _, image, _ in photos):
        return None, [*left_out, f"{name}: its photos differ in size"]
    coarse = region.WIDTH, max(1, round(height * region.WIDTH / width))
    images = np.stack([np.asarray(resize(image, coarse)) for _, image, _ in photos])
    same = region.select_same(images)
    others = [path for (path, *_), is_same in zip(photos, same) if not is_same]
    left_out += [f"{path}: is not the same photo as the other colors" for path in others]
    if same.sum() < 2:
        return None, [*left_out, f"{name}: no two of its colors are the same photo"]
    garment, pairs = region.locate_garment(images[same])
    why = region.region_fault(garment) or (None if pairs else "more than the garment changes")
    if why:
        return None, [*left_out, f"{name}: {why}"]
    kept = list(itertools.compress(photos, same))
    return Style(name, [path for path, *_ in kept], garment, pairs, [digest for *_, digest in kept]), left_out


def choose_swaps(pairs: Sequence[Sequence[tuple[int, int]]], count: int, seed: int) -> list[Swap]:
    """Up to `count` swaps (style, a, b), a != b, from each style's pairs of photos in both directions.

    Styles take turns in random order: no style has a second swap before every style has one.
    """
    rng = np.random.default_rng(seed)
    swaps = [[*rows, *((b, a) for a, b in rows)] for rows in pairs]
    order = rng.permutation(len(swaps)).tolist()
    columns = [[(style, *swaps[style][n]) for n in rng.permutation(len(swaps[style]))] for style in order]
    turns = itertools.zip_longest(*columns)
    return [swap for turn in turns for swap in turn if swap][:count]


def write(
    writer: PhotoWriter, folder: PhotoFolder, styles: list[Style], triples: list[Swap], settings: Settings
) -> None:
    """Write each photo as a pair, then the swaps.  The true image of a swap is the x of another pair."""
    firsts = list(itertools.accumulate((len(style.photos) for style in styles), initial=0))
    # the letters at the start of a name: mh01 -> mh
    found = [re.match(r"[^\W\d_]*", style.name)[0] for style in styles]  # type: ignore[index]  # matches always
    categories = sorted(set(found))
    known = len(categories) <= MAX_CATEGORIES
    with tqdm(total=len(styles) + len(triples), desc="writing") as bar:
        for person, (style, category) in enumerate(zip(styles, found)):
            attributes = {"category": (categories.index(category), categories)} if known else None
            images, x, mask = read_style(folder, style, settings)
            for n, (path, image) in enumerate(zip(style.photos, images)):
                y, y_mask = make_article(image, mask_image(style.garment, image.size), settings.size)
                more = mask, attributes, y_mask, (path, path)
                writer.add("test", x[n], y, person, firsts[person] + n, *more)
            bar.update()
        for number, a, b in triples:
            _, x, mask = read_style(folder, styles[number], settings)
            writer.add_triple(firsts[number] + a, firsts[number] + b, x[b], mask)
            bar.update()


# ---------------------------------------------------------------- images


def read_style(
    folder: PhotoFolder, style: Style, settings: Settings
) -> tuple[list[Image.Image], Pixels, Pixels]:
    """(photos, x [N, H, W, 3], mask [H, W]): a style's photos, in the frame, and the garment's mask."""
    size, shrink = settings.size, settings.shrink
    images = [decode(io.BytesIO(folder.read(path)), path, size) for path in style.photos]
    fill = border_color(np.asarray(images[0]))
    x = np.stack([fit_in_frame(image, size, shrink, fill) for image in images])
    mask = fit_in_frame(mask_image(style.garment, images[0].size), size, shrink, 0)
    return images, x if settings.ground is None else with_gray_background(x, settings.ground), mask


def fit_in_frame(image: Image.Image, size: Size, share: float, fill: Any) -> Pixels:
    """Fit a photo or mask into the middle `share` of a frame: uint8 [H, W, 3] or [H, W].

    size: (height, width) of the frame; fill: its color.
    """
    height, width = (round(side * share) for side in size)
    canvas = Image.new(image.mode, size[::-1], fill)
    canvas.paste(fit(image, height, width, fill=fill), ((size[1] - width) // 2, (size[0] - height) // 2))
    return np.asarray(canvas)


def mask_image(garment: region.Region, size: Size) -> Image.Image:
    """Resize a region to the (width, height) of a photo: a PIL image in mode L."""
    mask = Image.fromarray(np.where(garment, np.uint8(255), np.uint8(0)))
    return mask.resize(size, Image.Resampling.BILINEAR)


def make_article(image: Image.Image, mask: Image.Image, size: Size) -> tuple[Pixels, Pixels]:
    """Cut the garment from a photo, mirrored and centered: (y [H, W, 3], its mask [H, W]).

    Mirrored and resized, so that none of its pixels coincide with the ground truth.
    """
    cut = Image.composite(image, Image.new("RGB", image.size, ARTICLE_BACKGROUND), mask)
    y, y_mask = (ImageOps.mirror(part.crop(mask.getbbox())) for part in (cut, mask))
    return fit_in_frame(y, size, ARTICLE, ARTICLE_BACKGROUND), fit_in_frame(y_mask, size, ARTICLE, 0)


def with_gray_background(images: Pixels, level: int) -> Pixels:
    """Replace the white background of one style's images [N, H, W, 3] by a gray level of 255.

    A pixel's share of background comes from its darkest value over all colors.  Images that agree in a
    pixel therefore still agree in it, and a white garment stays white.
    """
    darkest = images.min(axis=(0, -1))
    white = region.connected_to_border(darkest >= region.WHITE)
    background = ndimage.binary_dilation(white)  # with the figure's soft edge
    share = np.where(background, np.clip((darkest - float(DARK)) / (255 - DARK), 0, 1), 0)[..., None]
    return np.rint(images * (1 - share * (1 - level / 255))).astype(np.uint8)
