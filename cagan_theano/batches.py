"""From the photos of a data file to minibatches: resident arrays and the indices of each step.

The photos stay on the device; a step sends only the rows i, j, k of its minibatch (and, where
config.augmentation asks for it, flips and shifts), and the graph gathers them.
"""

import json
from typing import NamedTuple

import numpy as np

from cagan_theano.compat import aesara
from cagan_theano.config import Config

at = aesara.tensor

SHIFT = 16  # augmentation "crop" shifts by up to 1/16 of a side; not stated, our choice


class Indices(NamedTuple):
    """One minibatch: rows i, j, k and augmentation, each int32 [N].

    x_i, y_i are row i; y_j row j != i; k the article of the mismatched pair, k = j unless drawn
    apart.  mirror is 0 or 1; dy, dx are shifts in pixels.
    """

    i: np.ndarray
    j: np.ndarray
    k: np.ndarray
    mirror: np.ndarray
    dy: np.ndarray
    dx: np.ndarray


class Batch(NamedTuple):
    """The symbolic minibatch: x_i, y_i, y_j, y_k [N, 3, H, W] in [-1, 1]; m_i [N, 1, H, W] or None."""

    x_i: object
    y_i: object
    y_j: object
    y_k: object
    m_i: object


class Sampler:
    """Draws minibatches of rows: i uniform, j != i uniform, as under Eq. 2.

    ``garment`` [n], where given, makes j differ from i in garment, not only in row: two rows with
    the same article would be a matched pair called mismatched.
    Raises ValueError when there are fewer rows than a batch, or one garment only.
    """

    def __init__(self, config: Config, garment: np.ndarray):
        self.config, self.garment = config, np.asarray(garment)
        n = len(self.garment)
        if n < config.batch_size:
            raise ValueError(f"{n} pairs are fewer than a batch of {config.batch_size}")
        if len(np.unique(self.garment)) < 2:
            raise ValueError("all pairs show one garment; swapping needs at least two")
        self.rng = np.random.Generator(np.random.PCG64(config.seed))

    def draw(self) -> Indices:
        """The next minibatch; the rows i of one minibatch differ from each other."""
        config, size = self.config, self.config.batch_size
        i = self.rng.choice(len(self.garment), size, replace=False).astype(np.int32)
        j = self.other(i)
        k = self.other(i) if config.mismatch == "apart" else j
        mirror = self.rng.integers(0, 2, size) * ("mirror" in config.augmentation)
        crop = "crop" in config.augmentation
        reach_y, reach_x = config.height // SHIFT * crop, config.width // SHIFT * crop
        dy, dx = (self.rng.integers(-r, r + 1, size) for r in (reach_y, reach_x))
        return Indices(i, j, k, *(a.astype(np.int32) for a in (mirror, dy, dx)))

    def other(self, i: np.ndarray) -> np.ndarray:
        """For each row of i, a uniformly drawn row with another garment."""
        j = self.rng.integers(0, len(self.garment), len(i)).astype(np.int32)
        while (same := self.garment[j] == self.garment[i]).any():
            j[same] = self.rng.integers(0, len(self.garment), same.sum())
        return j

    def state(self) -> str:
        """The random state as JSON text, for a checkpoint."""
        return json.dumps(self.rng.bit_generator.state)

    def restore(self, text: str) -> None:
        """Continue from `state`'s text; raises ValueError for a text that is none."""
        try:
            self.rng.bit_generator.state = json.loads(text)
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(f"random state is unreadable: {error}") from error


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
