"""A loss that compares textures by a bank of fixed Gabor filters (`cagan_theano.network.gabor`).

Not in the paper, whose section 4 plans to "test whether using texture descriptors" helps.
"""

import numpy as np

from cagan_theano.compat import aesara
from cagan_theano.method.losses import absolute
from cagan_theano.network.gabor import FLOOR, OCTAVES, ORIENTATIONS, SIDE, gabor_filters
from cagan_theano.network.layers import Shape, Variable, downsample
from cagan_theano.network.texture import filtered

at = aesara.tensor

WHITE = 225  # an article's ground has all levels above this, also after augmentation "tone"


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
