"""Between a photo of any size and the network's images: cut a garment out, paste a swap in."""

import functools
from collections.abc import Iterator

import numpy as np
from PIL import Image

from cagan_theano.io.color import as_bytes
from data_prep.picture import bands, fit, fit_scale, resize

# Pixels are those of the network's image, colors in [0, 1].
RADIUS = 4  # alpha is fitted to the photo's colors over so many pixels around each
EPSILON = 1e-4  # variance of colors below which an area counts as flat: alpha is only smoothed there
REACH = 2  # pixels by which the photo may move an edge of alpha
FILLED = 0.86  # share of an article photo's height or width that the article fills, as in the photoshoot
LEAST = 30  # pixels of alpha above 0.5 without which no worn garment has been found


def without_padding(size, height: int, width: int) -> tuple[slice, slice]:
    """The rows and columns that a photo of size (W, H) fills of the image that it is fitted to."""
    scale = fit_scale(size[1], size[0], (height, width), "pad")
    w, h = (max(1, round(side * scale)) for side in size)
    left, top = (width - w) // 2, (height - h) // 2
    return slice(top, top + h), slice(left, left + w)


def cut_out(x_i: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """An article photo y_i of what a person wears, cut out by alpha, on white.

    x_i: uint8 [H, W, 3]; alpha: [H, W] in [0, 1], from a first pass.  Where alpha finds nothing,
    the middle of the photo is taken.  Returns uint8 [H, W, 3].
    """
    height, width = alpha.shape
    inside = alpha > 0.5
    if inside.sum() < LEAST:
        inside = np.zeros_like(inside)
        inside[height // 3 : height * 2 // 3, width // 4 : width * 3 // 4] = True
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    cut = Image.fromarray(np.where(inside[..., None], x_i, np.uint8(255))[box])
    scale = FILLED * min(height / cut.height, width / cut.width)
    cut = resize(cut, (max(1, round(cut.width * scale)), max(1, round(cut.height * scale))))
    canvas = Image.new("RGB", (width, height), "white")
    canvas.paste(cut, ((width - cut.width) // 2, (height - cut.height) // 2))
    return np.asarray(canvas)


def paste(photo: Image.Image, alpha: np.ndarray, x_tilde_ij: np.ndarray):
    """Paint at the photo's own resolution; returns images of its size, (x_ij, mode RGB; alpha, mode L).

    alpha [h, w] in [0, 1] and x_tilde_ij uint8 [h, w, 3] are the network's, for the photo fitted to h x w.
    Alpha follows the photo's edges (see `along_edges`), and the photo keeps its detail wherever alpha is 0.
    """
    height, width = alpha.shape
    x_ij, mask = Image.new("RGB", photo.size), Image.new("L", photo.size)
    for top, band, weight in along_edges(alpha, np.asarray(fit(photo, height, width)), photo):
        rows = top, top + len(band)
        for c in range(3):
            painted = enlarged(x_tilde_ij[..., c], photo.size, rows)
            band[..., c] = np.rint(np.clip(weight * painted + (1 - weight) * band[..., c], 0, 255))
        x_ij.paste(Image.fromarray(band), (0, top))
        mask.paste(Image.fromarray(as_bytes(weight)), (0, top))
    return x_ij, mask


def along_edges(alpha: np.ndarray, small: np.ndarray, photo: Image.Image) -> Iterator[tuple]:
    """Alpha at the photo's resolution, its edges where the photo has them, in bands.

    Yields (first row, colors uint8 [rows, W, 3], alpha float32 [rows, W] in [0, 1]).

    A guided filter (He, Sun, Tang 2013; the fast form, He and Sun 2015): around each pixel of the
    small image alpha is fitted by a linear function of its color; the functions are enlarged, and
    applied to the colors of the photo.  Where color does not explain alpha (white on white), alpha
    is enlarged as it is; an edge moves by no more than REACH of the network's
    pixels.  Ours; the paper has no photos larger than the network's.
    alpha: [h, w]; small: the photo fitted to h x w, uint8 [h, w, 3].
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    slope, offset, explained = color_fit(alpha.astype(np.float64), small / np.float64(255))
    near = [limit(alpha, 2 * REACH + 1) for limit in (minimum_filter, maximum_filter)]
    for top, band in bands(photo):
        enlarge = functools.partial(enlarged, size=photo.size, rows=(top, top + band.height))
        weight = enlarge(offset)
        for channel, factor in zip(band.split(), np.moveaxis(slope, -1, 0)):
            weight += enlarge(factor) * (np.asarray(channel, np.float32) / 255)
        trust = np.clip(enlarge(explained), 0, 1)
        weight = trust * weight + (1 - trust) * enlarge(alpha)
        yield top, np.array(band), np.clip(np.clip(weight, *map(enlarge, near)), 0, 1)


def color_fit(alpha: np.ndarray, color: np.ndarray) -> tuple:
    """Linear functions of color that fit alpha around each pixel, averaged over those around it.

    alpha: [h, w]; color: [h, w, 3].  Returns slope [h, w, 3], offset [h, w], and the share of
    alpha's variance that they explain [h, w].
    """
    from scipy.ndimage import uniform_filter

    def mean(array):
        size = (2 * RADIUS + 1,) * 2 + (1,) * (array.ndim - 2)
        return uniform_filter(array, size, mode="nearest")

    mean_color, mean_alpha = mean(color), mean(alpha)
    joint = mean(color * alpha[..., None]) - mean_color * mean_alpha[..., None]
    outer = mean_color[..., :, None] * mean_color[..., None, :]
    variance = mean(color[..., :, None] * color[..., None, :]) - outer
    slope = np.linalg.solve(variance + EPSILON * np.eye(3), joint[..., None])[..., 0]
    offset = mean_alpha - (slope * mean_color).sum(-1)
    explained = (slope * joint).sum(-1) / (mean(alpha**2) - mean_alpha**2 + 1e-6)
    return mean(slope), mean(offset), mean(explained)


def enlarged(channel: np.ndarray, size, rows=None) -> np.ndarray:
    """A channel [h, w] enlarged over a photo of size (W, H), padding cut off: float32 [H, W].

    rows: (first, last + 1) of the photo, if not all.
    """
    (h, w), (width, height) = channel.shape, size
    first, end = rows or (0, height)
    shown = min(w, h * width / height), min(h, w * height / width)  # without padding
    left, top = (w - shown[0]) / 2, (h - shown[1]) / 2
    image = Image.fromarray(np.ascontiguousarray(channel, np.float32))
    box = (left, top + shown[1] * first / height, left + shown[0], top + shown[1] * end / height)
    return np.array(image.resize((width, end - first), Image.Resampling.BICUBIC, box))
