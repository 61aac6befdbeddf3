"""A loss that compares textures by a bank of fixed Gabor filters, without a pretrained network.

Not in the paper, whose section 4 plans to "test whether using texture descriptors" helps.
"""

import numpy as np
from numpy.typing import NDArray

from cagan_theano.compat import abstract_conv, aesara
from cagan_theano.learning.losses import absolute
from cagan_theano.network.layers import Shape, Variable, downsample, with_shape

at = aesara.tensor

SIDE, WAVELENGTH, SPREAD = 7, 4.0, 1.75  # of a filter, its wave and its envelope's deviation, in pixels
ORIENTATIONS, OCTAVES = 4, 2
WHITE = 225  # an article's ground has all levels above this, also after augmentation "tone"
FLOOR = 1e-4  # added to mean energies, because their root has no gradient at 0


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


def texture_loss(x_ij: Variable, alpha: Variable, y_j: Variable, shape: Shape) -> Variable:
    """L_texture: mean difference between the textures of x_ij where alpha > 1/2 and of y_j's garment.

    x_ij, y_j: [N, 3, H, W] in [-1, 1], RGB; alpha [N, 1, H, W]; shape: (3, H, W).  The texture of an
    image is its root mean square response to each filter, in each channel, at scales 1 and 2.  Only
    filters that lie within the region count; an image without any counts as 0.  The regions have no
    gradient.
    """
    covered = at.gt(alpha, np.asarray(0.5, alpha.dtype)).astype(alpha.dtype)
    garment = garment_of(y_j)
    total, (_, height, width) = 0, shape
    for octave in range(OCTAVES):
        if octave:
            x_ij, y_j = (downsample(image, (3, height, width)) for image in (x_ij, y_j))
            covered, garment = (downsample(mask, (1, height, width)) for mask in (covered, garment))
            height, width = height // 2, width // 2
        places = [inside(mask, (1, height, width)) for mask in (covered, garment)]
        made, given = (texture(image, place, (3, height, width)) for image, place in zip((x_ij, y_j), places))
        known = at.gt(places[0].sum(axis=(1, 2, 3)) * places[1].sum(axis=(1, 2, 3)), 0)
        total = total + (known.astype(x_ij.dtype) * absolute(made - given).mean(axis=(1, 2))).mean()
    return total / OCTAVES


def garment_of(y: Variable) -> Variable:
    """[N, 1, H, W]: 1 where an article [N, 3, H, W] is not as white as its ground, else 0."""
    least = at.minimum(at.minimum(y[:, 0], y[:, 1]), y[:, 2])
    level = np.asarray(WHITE / 127.5 - 1, y.dtype)
    return at.lt(least, level).astype(y.dtype).dimshuffle(0, "x", 1, 2)


def inside(mask: Variable, shape: Shape) -> Variable:
    """[N, 1, H - 6, W - 6]: 1 for a filter that lies within a mask [N, 1, H, W], else 0."""
    box = np.full((1, 1, SIDE, SIDE), 1 / SIDE**2)
    return at.ge(filtered(mask, box, shape), np.asarray(0.999, mask.dtype)).astype(mask.dtype)


def texture(image: Variable, place: Variable, shape: Shape) -> Variable:
    """Root mean square responses [N, 3, orientation] of image [N, 3, H, W] at places of `inside`."""
    channels, height, width = shape
    bank = gabor_filters().reshape(-1, 1, SIDE, SIDE)
    planes = image.reshape((-1, 1, height, width))
    responses = filtered(planes, bank, (1, height, width))
    size = height - SIDE + 1, width - SIDE + 1
    energies = at.square(responses).reshape((-1, channels, ORIENTATIONS, 2, *size)).sum(axis=3)
    count = at.maximum(place.sum(axis=(1, 2, 3)), np.asarray(1, image.dtype)).dimshuffle(0, "x", "x")
    means = (energies * place.dimshuffle(0, "x", "x", 2, 3)).sum(axis=(3, 4)) / count
    return at.sqrt(means + np.asarray(FLOOR, image.dtype))


def filtered(images: Variable, bank: NDArray[np.float64], shape: Shape) -> Variable:
    """images [N, 1, H, W] under filters [K, 1, 7, 7], where these fit: [N, K, H - 6, W - 6]."""
    op = abstract_conv.AbstractConv2d(
        imshp=(None, *shape), kshp=bank.shape, border_mode=(0, 0), subsample=(1, 1), filter_flip=False
    )
    y = op(images, at.constant(bank.astype(images.dtype)))
    return with_shape(y, (len(bank), shape[1] - SIDE + 1, shape[2] - SIDE + 1))
