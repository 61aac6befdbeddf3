"""Minibatches gathered from photos that stay on the device.

A step transfers only the row indices of its minibatch and, with config.augmentation, its flips,
shifts and tones; the graph gathers the images.  Noise for D is transferred whole.
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
# what D takes in a step: its own real, fake and mismatched pair, and the fake of G's loss
JUDGED = 4

Array = NDArray[np.generic]
RowNumbers = NDArray[np.int32]
Field = TypeVar("Field")


@dataclass(frozen=True)
class PhotoArrays:
    """The photos of a training in memory.

    x, y: uint8 [n, H, W, 3]; mask: uint8 [n, H, W] or None; garment: int32 [n].
    triples: the m true swaps if config.needs_truth, which follow the n photos in x, and their masks
    in mask.
    """

    x: Pixels
    y: Pixels
    mask: Pixels | None
    garment: RowNumbers
    triples: Triples | None = None


class Indices(NamedTuple, Generic[Field]):
    """One minibatch: rows i, j, k and random changes, each int32 [N], or None if not used.

    The fields are arrays or symbolic variables.

    x_i, y_i are row i; y_j is row j != i; k is the article of the mismatched pair, equal to j unless
    config.mismatch is "apart".  mirror is 0 or 1; dy, dx are shifts in pixels.
    person, truth: with true swaps, the rows of x_i and of the true x_ij among the n + m images of
    people; i, j, k are then the rows of the articles only.
    mirror_y: like mirror, for y_j and y_k, unless config.mirror is "together".
    tone_x, tone_y: float32 [N, 5], gains of R, G, B, gamma and brightness for the images of people
    and of the articles.
    top, left: the crop's first row and column in the enlarged photo, with config.crop_margin.
    seeds: uint32 [N, 2], of dropout in the swap and in the swap back, with config.dropout.
    noise: float32 [N, 4, 6, H, W], added to the images x, y of D's real, fake and mismatched pair and
    of the fake in G's loss, with config.d_noise.
    """

    i: Field
    j: Field
    k: Field
    mirror: Field
    dy: Field
    dx: Field
    person: Field | None = None
    truth: Field | None = None
    mirror_y: Field | None = None
    tone_x: Field | None = None
    tone_y: Field | None = None
    top: Field | None = None
    left: Field | None = None
    noise: Field | None = None
    seeds: Field | None = None

    def used(self) -> list[Field]:
        """The fields that are not None, in order."""
        return [field for field in self if field is not None]


class Batch(NamedTuple):
    """A symbolic minibatch: x_i, y_i, y_j, y_k [N, 3, H, W] in [-1, 1]; m_i [N, 1, H, W] or None.

    truth [N, 3, H, W]: the true x_ij, if config.needs_truth.  region [N, 1, H, W]: 1 where the old or
    the new garment covers a pixel, else 0, if config.gamma_region > 0.  noise [N, 4, 6, H, W]: see
    `Indices`, if config.d_noise > 0.  seeds: see `Indices`, if config.dropout > 0.  Otherwise None.
    """

    x_i: Variable
    y_i: Variable
    y_j: Variable
    y_k: Variable
    m_i: Variable | None
    truth: Variable | None = None
    region: Variable | None = None
    noise: Variable | None = None
    seeds: Variable | None = None


def symbolic_indices(config: Config) -> Indices[Variable]:
    """Symbolic `Indices` named after their fields; fields that config does not use are None.

    Their fixed length makes every shape in the graph static, as JAX requires for gradients.
    """
    rows = at.TensorType("int32", (config.batch_size,))
    tones = at.TensorType("float32", (config.batch_size, len(TONES)))
    indices = Indices[Variable](*map(rows, ("i", "j", "k", "mirror", "dy", "dx")))
    if config.needs_truth:
        indices = indices._replace(person=rows("person"), truth=rows("truth"))
    if config.mirrors_apart:
        indices = indices._replace(mirror_y=rows("mirror_y"))
    if "tone" in config.augmentation:
        indices = indices._replace(tone_x=tones("tone_x"), tone_y=tones("tone_y"))
    if config.crop_margin:
        indices = indices._replace(top=rows("top"), left=rows("left"))
    if config.d_noise:
        shape = (config.batch_size, JUDGED, 6, config.height, config.width)
        indices = indices._replace(noise=at.TensorType("float32", shape)("noise"))
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
    """Gather a minibatch from resident shared arrays, as part of the graph.

    x, y: uint8 [n, H, W, 3]; mask: uint8 [n, H, W, 1] or None.  With true swaps x and mask have
    n + m rows (see `cagan_theano.training.sampler`).
    """

    other = indices if indices.mirror_y is None else indices._replace(mirror=indices.mirror_y)

    def moved(source: Variable, rows: Variable, channels: int = 3) -> Variable:
        pixels = at.specify_shape(source[rows], image_shape(config, channels))
        if config.crop_margin and source is not y:
            pixels = cropped(pixels, indices, config, dtype)
        return augment(pixels, other if rows is indices.j or rows is indices.k else indices, config)

    def images(source: Variable, rows: Variable, tone: Variable | None) -> Variable:
        gathered = to_graph(moved(source, rows), config, dtype)
        return gathered if tone is None else toned(gathered, tone)

    person = indices.i if indices.person is None else indices.person
    m_i = truth = region = None
    if config.takes_mask:
        m_i = (to_graph(moved(mask, person, 1), config, dtype, 1) + 1) / 2
    if config.needs_truth:
        truth = images(x, indices.truth, indices.tone_x)
    if config.gamma_region:
        region = union(moved(mask, person, 1), moved(mask, indices.truth, 1), config, dtype)
    x_i = images(x, person, indices.tone_x)
    y_i, y_j, y_k = (images(y, rows, indices.tone_y) for rows in (indices.i, indices.j, indices.k))
    noise = None if indices.noise is None else indices.noise.astype(dtype)
    return Batch(x_i, y_i, y_j, y_k, m_i, truth, region, noise, indices.seeds)


def union(one: Variable, other: Variable, config: Config, dtype: str = "float32") -> Variable:
    """Union of two masks uint8 [N, H, W, 1]: [N, 1, H, W], 1 where either exceeds one half, else 0."""
    region = at.gt(at.maximum(one, other), MASK_LEVEL).astype(dtype)
    shape = (config.batch_size, 1, config.height, config.width)
    return at.specify_shape(region.dimshuffle(0, 3, 1, 2), shape)


def image_shape(config: Config, channels: int) -> tuple[int, int, int, int]:
    """Shape (N, H, W, C) of a minibatch."""
    return config.batch_size, config.height, config.width, channels


def to_graph(pixels: Variable, config: Config, dtype: str = "float32", channels: int = 3) -> Variable:
    """Levels 0..255 [N, H, W, C] -> [N, C, H, W] in [-1, 1]; 0 -> -1 and 255 -> 1 exactly."""
    images = pixels.astype(dtype) / np.asarray(127.5, dtype) - np.asarray(1, dtype)
    shape = (config.batch_size, channels, config.height, config.width)
    return at.specify_shape(images.dimshuffle(0, 3, 1, 2), shape)


def toned(images: Variable, tone: Variable) -> Variable:
    """clip(gain v^gamma + brightness, 0, 1) on RGB images [N, 3, H, W] in [-1, 1], rescaled to v in [0, 1].

    tone: [N, 5], see `Indices`.
    """
    tone = tone.astype(images.dtype)
    gain = tone[:, :3].dimshuffle(0, 1, "x", "x")
    gamma, brightness = (tone[:, n].dimshuffle(0, "x", "x", "x") for n in (3, 4))
    half, one = (np.asarray(number, images.dtype) for number in (0.5, 1))
    levels = gain * at.power((images + one) * half, gamma) + brightness
    return at.clip(levels, one - one, one) / half - one


def cropped(pixels: Variable, indices: Indices[Variable], config: Config, dtype: str) -> Variable:
    """The crop at indices.top, left of images [N, H, W, C] enlarged by config.crop_margin, bilinearly.

    The enlarged image is not made.  Pixel centers are at halves, as in most image libraries.
    """

    def neighbors(start: Variable, side: int) -> tuple[Variable, Variable, Variable]:
        """The two rows (or columns) [N, side] around each one of the crop, and the second's weight."""
        scale = np.asarray(side / enlarged(side, config.crop_margin), dtype)
        half = np.asarray(0.5, dtype)
        centers = np.arange(side, dtype=dtype)[None] + half + start.astype(dtype).dimshuffle(0, "x")
        place = at.clip(centers * scale - half, np.asarray(0, dtype), np.asarray(side - 1, dtype))
        first = at.floor(place)
        low = first.astype("int32")
        return low, at.minimum(low + np.int32(1), np.int32(side - 1)), place - first

    n = at.arange(config.batch_size).dimshuffle(0, "x", "x")
    (top, bottom, down), (left, right, across) = (
        neighbors(*pair) for pair in ((indices.top, config.height), (indices.left, config.width))
    )
    down, across = down.dimshuffle(0, 1, "x", "x"), across.dimshuffle(0, "x", 1, "x")

    def row(rows: Variable) -> Variable:
        """Pixels of these rows, interpolated between the columns."""
        one, other = (pixels[n, rows.dimshuffle(0, 1, "x"), columns.dimshuffle(0, "x", 1)].astype(dtype)
                      for columns in (left, right))  # fmt: skip
        return between(one, other, across)

    return between(row(top), row(bottom), down)


def enlarged(side: int, margin: float) -> int:
    """The side in pixels of a photo that is enlarged by a fraction."""
    return round(side * (1 + margin))


def between(one: Variable, other: Variable, weight: Variable) -> Variable:
    """Linear interpolation from one (weight 0) to the other (weight 1)."""
    return one + weight * (other - one)


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
