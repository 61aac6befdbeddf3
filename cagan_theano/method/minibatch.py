"""Minibatches gathered from photos that stay on the device.

A step transfers only the row indices of its minibatch and, with config.augmentation, its flips,
shifts and tones; the graph gathers the images.
"""

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from cagan_theano.compat import aesara
from cagan_theano.config import Config
from cagan_theano.io.color import MASK_LEVEL, Pixels
from cagan_theano.network.layers import Variable
from data_prep.store import Triples

at = aesara.tensor

# largest changes of augmentation "tone", for values in [0, 1]: log gain of R, G, B, log gamma, brightness
TONES = np.array([0.06, 0.06, 0.06, 0.2, 0.04])

Array = NDArray[np.generic]
RowNumbers = NDArray[np.int32]
Field = TypeVar("Field")


@dataclass(frozen=True)
class PhotoArrays:
    """The photos of a training in memory.

    x, y: uint8 [n, H, W, 3]; mask: uint8 [n, H, W] or None; garment: int32 [n].
    triples: the m true swaps if config.needs_truth; they follow the n photos in x, and their masks in mask.
    """

    x: Pixels
    y: Pixels
    mask: Pixels | None
    garment: RowNumbers
    triples: Triples | None = None


class Indices(NamedTuple, Generic[Field]):
    """One minibatch: rows i, j, k and random changes, each int32 [N], or None if not used.

    x_i, y_i are row i; y_j is row j != i; k is the article of the mismatched pair, equal to j unless
    config.mismatch is "apart".  mirror is 0 or 1; dy, dx are shifts in pixels.
    person, truth: with true swaps, the rows of x_i and of the true x_ij among the n + m images of
    people; i, j, k are then the rows of the articles only.
    tone_x, tone_y: float32 [N, 5], gains of R, G, B, gamma and brightness for the images of people
    and of the articles.
    seeds: uint32 [N, 2], of dropout in the swap and in the swap back, with config.dropout.
    """

    i: Field
    j: Field
    k: Field
    mirror: Field
    dy: Field
    dx: Field
    person: Field | None = None
    truth: Field | None = None
    tone_x: Field | None = None
    tone_y: Field | None = None
    seeds: Field | None = None

    def used(self) -> list[Field]:
        return [field for field in self if field is not None]


class Batch(NamedTuple):
    """A symbolic minibatch: x_i, y_i, y_j, y_k [N, 3, H, W] in [-1, 1]; m_i [N, 1, H, W] or None.

    truth [N, 3, H, W]: the true x_ij, if config.needs_truth.  region [N, 1, H, W]: 1 where the old or
    the new garment covers a pixel, else 0, if config.gamma_region > 0.  seeds: see `Indices`, if
    config.dropout > 0.  Otherwise None.
    """

    x_i: Variable
    y_i: Variable
    y_j: Variable
    y_k: Variable
    m_i: Variable | None
    truth: Variable | None = None
    region: Variable | None = None
    seeds: Variable | None = None

    def seeds_of(self, swap: int) -> Variable | None:
        """The seeds uint32 [N] of dropout in the swap (0) or in the swap back (1)."""
        return None if self.seeds is None else self.seeds[:, swap]


def symbolic_indices(config: Config) -> Indices[Variable]:
    """Symbolic `Indices`; their fixed length makes all shapes static, as JAX requires for gradients."""
    rows = at.TensorType("int32", (config.batch_size,))
    tones = at.TensorType("float32", (config.batch_size, len(TONES)))
    indices = Indices[Variable](*map(rows, ("i", "j", "k", "mirror", "dy", "dx")))
    if config.needs_truth:
        indices = indices._replace(person=rows("person"), truth=rows("truth"))
    if "tone" in config.augmentation:
        indices = indices._replace(tone_x=tones("tone_x"), tone_y=tones("tone_y"))
    if config.dropout:
        indices = indices._replace(seeds=at.TensorType("uint32", (config.batch_size, 2))("seeds"))
    return indices


def symbolic_batch(
    x: Variable,
    y: Variable,
    mask: Variable | None,
    indices: Indices[Variable],
    config: Config,
    dtype: str = "float32",
) -> Batch:
    """Gather a minibatch from resident shared arrays of `PhotoArrays`, as part of the graph.

    mask: uint8 [n, H, W, 1] or None.
    """

    def gather(source: Variable, rows: Variable, channels: int = 3) -> Variable:
        shape = (config.batch_size, config.height, config.width, channels)
        return augment(at.specify_shape(source[rows], shape), indices, config)

    def images(source: Variable, rows: Variable, tones: Variable | None) -> Variable:
        gathered = to_graph(gather(source, rows), config, dtype)
        return gathered if tones is None else tone(gathered, tones)

    person = indices.i if indices.person is None else indices.person
    m_i = truth = region = None
    if config.takes_mask:
        m_i = (to_graph(gather(mask, person, 1), config, dtype, 1) + 1) / 2
    if config.needs_truth:
        truth = images(x, indices.truth, indices.tone_x)
    if config.gamma_region:
        both = at.maximum(gather(mask, person, 1), gather(mask, indices.truth, 1))
        shape = (config.batch_size, 1, config.height, config.width)
        region = at.specify_shape(at.gt(both, MASK_LEVEL).astype(dtype).dimshuffle(0, 3, 1, 2), shape)
    x_i = images(x, person, indices.tone_x)
    y_i, y_j, y_k = (images(y, rows, indices.tone_y) for rows in (indices.i, indices.j, indices.k))
    return Batch(x_i, y_i, y_j, y_k, m_i, truth, region, indices.seeds)


def to_graph(pixels: Variable, config: Config, dtype: str = "float32", channels: int = 3) -> Variable:
    """Levels 0..255 [N, H, W, C] -> [N, C, H, W] in [-1, 1]; 0 -> -1 and 255 -> 1 exactly."""
    images = pixels.astype(dtype) / np.asarray(127.5, dtype) - np.asarray(1, dtype)
    shape = (config.batch_size, channels, config.height, config.width)
    return at.specify_shape(images.dimshuffle(0, 3, 1, 2), shape)


def tone(images: Variable, tones: Variable) -> Variable:
    """clip(gain v^gamma + brightness, 0, 1) on RGB images [N, 3, H, W] in [-1, 1], rescaled to v in [0, 1].

    tones: [N, 5], see `Indices`.
    """
    tones = tones.astype(images.dtype)
    gain = tones[:, :3].dimshuffle(0, 1, "x", "x")
    gamma, brightness = (tones[:, n].dimshuffle(0, "x", "x", "x") for n in (3, 4))
    half, one = (np.asarray(number, images.dtype) for number in (0.5, 1))
    levels = gain * at.power((images + one) * half, gamma) + brightness
    return at.clip(levels, one - one, one) / half - one


def augment(pixels: Variable, indices: Indices[Variable], config: Config) -> Variable:
    """Mirror and shift images [N, H, W, C] by the indices; shifts repeat the edge pixels."""
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
