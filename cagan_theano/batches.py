"""From the photos of a data file to minibatches: resident arrays and the indices of each step.

The photos stay on the device; a step sends only the rows i, j, k of its minibatch (and, where
config.augmentation asks for it, flips and shifts), and the graph gathers them.
"""

from typing import NamedTuple

import numpy as np

from cagan_theano.compat import aesara
from cagan_theano.config import Config
from cagan_theano.sampling import Indices, Sampler

__all__ = ["Batch", "Indices", "Sampler", "augment", "symbolic_batch", "symbolic_indices", "to_graph"]

at = aesara.tensor


class Batch(NamedTuple):
    """The symbolic minibatch: x_i, y_i, y_j, y_k [N, 3, H, W] in [-1, 1]; m_i [N, 1, H, W] or None."""

    x_i: object
    y_i: object
    y_j: object
    y_k: object
    m_i: object


def symbolic_indices(config: Config) -> Indices:
    """Symbolic int32 vectors [config.batch_size] by the names of `Indices`.

    The fixed length makes every size in the graph a constant, as JAX needs for gradients.
    """
    rows = at.TensorType("int32", (config.batch_size,))
    return Indices(*(rows(name) for name in Indices._fields))


def symbolic_batch(x, y, mask, indices: Indices, config: Config, dtype="float32") -> Batch:
    """Gather a minibatch from resident shared arrays, inside the graph.

    x, y: uint8 [n, H, W, 3]; mask: uint8 [n, H, W, 1] or None.
    """

    def images(source, rows, channels=3):
        pixels = at.specify_shape(source[rows], image_shape(config, channels))
        return to_graph(augment(pixels, indices, config), config, dtype, channels)

    m_i = None if config.mask == "none" else (images(mask, indices.i, channels=1) + 1) / 2
    return Batch(
        images(x, indices.i), images(y, indices.i), images(y, indices.j), images(y, indices.k), m_i
    )


def image_shape(config: Config, channels: int) -> tuple:
    """[N, H, W, C] of a minibatch."""
    return config.batch_size, config.height, config.width, channels


def to_graph(pixels, config: Config, dtype="float32", channels: int = 3):
    """uint8 [N, H, W, C] -> [N, C, H, W] in [-1, 1]; 0 -> -1 and 255 -> 1 exactly."""
    images = pixels.astype(dtype) / np.asarray(127.5, dtype) - np.asarray(1, dtype)
    shape = (config.batch_size, channels, config.height, config.width)
    return at.specify_shape(images.dimshuffle(0, 3, 1, 2), shape)


def augment(pixels, indices: Indices, config: Config):
    """Mirror and shift [N, H, W, C] as the indices say; edges repeat where a shift uncovers them."""
    if "mirror" in config.augmentation:
        flip = at.eq(indices.mirror, 1).dimshuffle(0, "x", "x", "x")
        pixels = at.switch(flip, pixels[:, :, ::-1], pixels)
    if "crop" in config.augmentation:
        n = at.arange(pixels.shape[0]).dimshuffle(0, "x", "x")
        rows = np.arange(config.height)[None] + indices.dy.dimshuffle(0, "x")
        columns = np.arange(config.width)[None] + indices.dx.dimshuffle(0, "x")
        rows = at.clip(rows, 0, config.height - 1).dimshuffle(0, 1, "x")
        columns = at.clip(columns, 0, config.width - 1).dimshuffle(0, "x", 1)
        pixels = pixels[n, rows, columns]
    return pixels
