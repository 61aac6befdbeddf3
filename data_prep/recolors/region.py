"""Where the garment is in a photo that was recolored: where its colors differ.

All of it is computed at one width, so that a style has one region whatever the size of the file.
Pictures are uint8 [N, H, W, 3], regions bool [H, W].
"""

import itertools

import numpy as np
from scipy import ndimage

from data_prep.picture import border_color

WIDTH = 192  # pixels of the pictures that are compared
LEVEL = 18  # of 255: a larger difference in some channel is a change, a smaller one compression
SMALL = 0.1  # of the largest part: smaller parts are dropped
LEAST, MOST = 0.02, 0.7  # share of the photo that a garment covers
ALIKE = 0.9  # IoU of two figures on their ground that tells one photo in two colors from two photos
TELLING = 45  # median change from which what two colors leave as it is, is not the garment
MAJOR = 0.5  # of the region of all colors: what two that are to tell have changed at least
PART = 0.05  # of the garment: what is larger matters
GAP, WHOLE = 6, 0.85  # a garment is at least that share of itself with gaps of 12 pixels closed
GROUND = 248  # of 255: as dark as a white ground gets


def changed(pictures):
    """The region in which some pictures differ: opened once, closed twice, holes filled."""
    spread = (pictures.max(axis=0) - pictures.min(axis=0)).max(axis=-1)  # max >= min: no overflow
    region = closed(ndimage.binary_opening(spread > LEVEL), 2)
    return without_small(ndimage.binary_fill_holes(region))


def closed(region, times):
    """A region closed, with room around it, without which its parts at the border would be lost."""
    return ndimage.binary_closing(np.pad(region, times), iterations=times)[times:-times, times:-times]


def without_small(region):
    """A region without its parts that are smaller than a tenth of the largest."""
    labels, sizes = parts(region)
    return np.isin(labels, 1 + np.flatnonzero(sizes >= SMALL * sizes.max(initial=1)))


def parts(region):
    """(labels [H, W], sizes [n]) of the connected parts of a region."""
    labels, count = ndimage.label(region)
    return labels, np.bincount(labels.ravel(), minlength=count + 1)[1:]


def large_parts(region, garment):
    """The parts of a region that are not small beside the garment, without thin seams."""
    labels, sizes = parts(ndimage.binary_opening(region))
    return np.isin(labels, 1 + np.flatnonzero(sizes >= PART * garment.sum()))


def garment(pictures):
    """(region of the garment, pairs (a, b), a < b, of pictures in which nothing else changed).

    The garment is what differs between the colors, less every large part that two well told
    colors have in common: trousers that were recolored in one of three photos, say.  A pair in
    which such a part differs is no swap of the garment alone.
    """
    whole = region = changed(pictures)
    pairs = {pair: changed(pictures[list(pair)]) for pair in itertools.combinations(range(len(pictures)), 2)}
    for pair, own in pairs.items():
        if own.sum() >= MAJOR * whole.sum() and is_telling(pictures[list(pair)], own):
            region = region & ~large_parts(whole & ~own, whole)
    if region is not whole:
        region = without_small(ndimage.binary_opening(region))
    return region, [pair for pair, own in pairs.items() if not large_parts(own & ~region, region).any()]


def is_telling(pair, own):
    """Whether two pictures differ so clearly in their region that the rest is truly unchanged."""
    if not own.any():
        return False
    return np.median((pair.max(axis=0) - pair.min(axis=0)).max(axis=-1)[own]) >= TELLING


def same_photo(pictures):
    """Which pictures are one photo: bool [N], the largest set that agrees with one of them."""
    figures = [figure(picture) for picture in pictures]
    alike = np.array([[overlap(a, b) >= ALIKE for b in figures] for a in figures])
    return alike[alike.sum(axis=1).argmax()]


def figure(picture):
    """What stands before the ground: all but the border's color where it reaches from the border."""
    near = np.abs(picture.astype(int) - border_color(picture)).max(axis=-1) <= 255 - GROUND
    return ~reaching(near)


def reaching(region):
    """The part of a region that is connected to the border of the picture."""
    labels, _ = parts(np.pad(region, 1, constant_values=True))
    return (labels == labels[0, 0])[1:-1, 1:-1]


def overlap(a, b):
    """Intersection over union of two regions, 1 for two that are empty."""
    union = (a | b).sum()
    return (a & b).sum() / union if union else 1.0


def absurd(region):
    """Why a region is no garment's, or None."""
    share = region.mean()
    if not LEAST <= share <= MOST:
        return f"its colors differ in {share:.1%} of the photo"
    if region.sum() < WHOLE * closed(region, GAP).sum():
        return "its colors differ in shreds, as those of stripes do"
    return None
