"""Locate the garment in a recolored photo: it is where the colors differ.

Everything is computed at one width, so that a style's region does not depend on the size of the files.
"""

import itertools
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from data_prep.picture import border_color

WIDTH = 192  # width in pixels of the images that are compared
LEVEL = 18  # of 255: smaller differences in every channel are attributed to compression
SMALL = 0.1  # parts smaller than this share of the largest part are dropped
MIN_SHARE, MAX_SHARE = 0.02, 0.7  # of the photo that a garment covers
SAME_PHOTO = 0.9  # smallest IoU of the foregrounds of two images of the same photo
DISTINCT = 45  # median difference from which the region that two colors leave unchanged is not garment
MAJOR = 0.5  # smallest share of the region of all colors that such a pair must change
PART = 0.05  # smallest relevant part, as a share of the garment
GAP, SOLID = 6, 0.85  # a garment fills at least this share of itself with 12-pixel gaps closed
WHITE = 248  # of 255: darkest level of a white background

Images: TypeAlias = NDArray[np.uint8]  # [N, H, W, 3]
Region: TypeAlias = NDArray[np.bool_]  # [H, W]


def locate_garment(images: Images) -> tuple[Region, list[tuple[int, int]]]:
    """(region of the garment, pairs (a, b), a < b, of images in which nothing else changed).

    The garment is the region that differs between the colors, minus every large part that two clearly
    distinct colors have in common, such as trousers recolored in one of three photos.  A pair in which
    such a part differs is not a swap of the garment alone.
    """
    union = region = changed(images)
    pairs = {pair: changed(images[list(pair)]) for pair in itertools.combinations(range(len(images)), 2)}

    def major(parts: Region, garment: Region) -> Region:
        return large_parts(ndimage.binary_opening(parts), PART * garment.sum())  # without thin seams

    for pair, changes in pairs.items():
        if changes.sum() >= MAJOR * union.sum() and changes.any():
            # only colors that differ clearly leave the rest truly unchanged
            if np.median(difference(images[list(pair)])[changes]) >= DISTINCT:
                region = region & ~major(union & ~changes, union)
    if region is not union:
        region = large_parts(ndimage.binary_opening(region))
    return region, [pair for pair, changes in pairs.items() if not major(changes & ~region, region).any()]


def difference(images: Images) -> NDArray[np.uint8]:
    """The largest difference [H, W] between images, over the channels."""
    largest: NDArray[np.uint8] = (images.max(axis=0) - images.min(axis=0)).max(axis=-1)
    return largest


def changed(images: Images) -> Region:
    """The region in which images differ: opened once, closed twice, holes filled."""
    region = close(ndimage.binary_opening(difference(images) > LEVEL), 2)
    return large_parts(ndimage.binary_fill_holes(region))


def close(region: Region, times: int) -> Region:
    """Morphological closing; padded, since parts at the border would be lost otherwise."""
    closed: Region = ndimage.binary_closing(np.pad(region, times), iterations=times)
    return closed[times:-times, times:-times]


def large_parts(region: Region, least: float | None = None) -> Region:
    """The connected parts of at least this number of pixels, by default a tenth of the largest part."""
    labels, _ = ndimage.label(region)
    sizes = np.bincount(labels.ravel())[1:]
    if least is None:
        least = SMALL * sizes.max(initial=1)
    return np.isin(labels, 1 + np.flatnonzero(sizes >= least))


def select_same(images: Images) -> Region:
    """Which images are recolorings of one photo: bool [N], the largest set that matches one of them."""
    figures = []
    for image in images:
        near = np.abs(image.astype(int) - border_color(image)).max(axis=-1) <= 255 - WHITE
        figures.append(~connected_to_border(near))
    # their intersection over union; empty foregrounds agree
    same = np.array([[(a & b).sum() >= SAME_PHOTO * (a | b).sum() for b in figures] for a in figures])
    largest: Region = same[same.sum(axis=1).argmax()]
    return largest


def connected_to_border(region: Region) -> Region:
    """The part of a region that is connected to the border of the image."""
    labels, _ = ndimage.label(np.pad(region, 1, constant_values=True))
    connected: Region = labels == labels[0, 0]
    return connected[1:-1, 1:-1]


def region_fault(region: Region) -> str | None:
    """Why a region cannot be that of a garment, or None."""
    share = region.mean()
    if not MIN_SHARE <= share <= MAX_SHARE:
        return f"its colors differ in {share:.1%} of the photo"
    if region.sum() < SOLID * close(region, GAP).sum():
        return "its colors differ in many small parts, as in stripes"
    return None
