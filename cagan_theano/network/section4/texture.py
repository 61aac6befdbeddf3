"""Texture descriptors of an article: its responses to fixed Gabor filters (section 4)."""

import numpy as np
from numpy.typing import NDArray

from cagan_theano.compat import abstract_conv, aesara
from cagan_theano.network.layers import Shape, Variable, downsample, join, with_shape

at = aesara.tensor

SIDE, WAVELENGTH, SPREAD = 7, 4.0, 1.75  # of a filter, its wave and its envelope's deviation, in pixels
ORIENTATIONS, OCTAVES = 4, 2
DESCRIPTORS = ORIENTATIONS * OCTAVES
FLOOR = 1e-4  # added to energies, because their root has no gradient at 0


def gabor_filters() -> NDArray[np.float64]:
    """An even and an odd filter for each orientation, [4, 2, 7, 7], of mean 0 and sum of squares 1."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    envelope = np.exp(-(x**2 + y**2) / (2 * SPREAD**2))
    bank = []
    for angle in np.pi * np.arange(ORIENTATIONS) / ORIENTATIONS:
        phase = 2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / WAVELENGTH
        even, odd = envelope * np.cos(phase), envelope * np.sin(phase)
        bank.append([even - envelope * even.sum() / envelope.sum(), odd])
    filters = np.array(bank)
    normed: NDArray[np.float64] = filters / np.sqrt((filters**2).sum(axis=(2, 3), keepdims=True))
    return normed


def descriptors(y: Variable, shape: Shape) -> Variable:
    """The textures of articles y [N, 3, H, W] in [-1, 1], RGB: [N, DESCRIPTORS, H, W]; shape: (3, H, W).

    At each pixel, the amplitude of the gray image's response to each orientation, at scale 1 and at scale
    2, whose values are repeated.  Outside of y it is white.
    """
    _, height, width = shape
    gray = y.mean(axis=1).dimshuffle(0, "x", 1, 2) - np.asarray(1, y.dtype)  # 0 where white
    maps = []
    for octave in range(OCTAVES):
        if octave:
            gray = downsample(gray, (1, height, width))
            height, width = height // 2, width // 2
        bank = gabor_filters().reshape(-1, 1, SIDE, SIDE)
        responses = filter_images(gray, bank, (1, height, width), SIDE // 2)
        pairs = at.square(responses).reshape((-1, ORIENTATIONS, 2, height, width))
        amplitudes = at.sqrt(pairs.sum(axis=2) + np.asarray(FLOOR, y.dtype))
        maps.append(enlarge(amplitudes, (ORIENTATIONS, height, width), 2**octave))
    return join(*maps)


def enlarge(maps: Variable, shape: Shape, factor: int) -> Variable:
    """Maps [N, C, H, W] with each value repeated in factor x factor pixels; shape: (C, H, W)."""
    if factor == 1:
        return maps
    channels, height, width = shape
    size = factor * height, factor * width
    rows = at.stack([maps] * factor, axis=4).reshape((-1, channels, height, size[1]))
    return with_shape(at.stack([rows] * factor, axis=3).reshape((-1, channels, *size)), (channels, *size))


def filter_images(images: Variable, bank: NDArray[np.float64], shape: Shape, border: int = 0) -> Variable:
    """images [N, 1, H, W], `border` zeros around, under filters [K, 1, 7, 7]: [N, K, H', W']."""
    op = abstract_conv.AbstractConv2d(
        imshp=(None, *shape),
        kshp=bank.shape,
        border_mode=(border, border),
        subsample=(1, 1),
        filter_flip=False,
    )
    y = op(images, at.constant(bank.astype(images.dtype)))
    less = SIDE - 1 - 2 * border
    return with_shape(y, (len(bank), shape[1] - less, shape[2] - less))
