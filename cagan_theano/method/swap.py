"""Swaps in batches of a fixed size, independent of the back end.  NumPy only."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cagan_theano.io.color import Pixels, decode, encode

Images = NDArray[np.uint8 | np.float32 | np.float64]  # uint8, or float in [0, 1]
Coding = NDArray[np.float32]


class Swap(NamedTuple):
    """The output of G for N humans: x_ij = alpha x_tilde_ij + (1 - alpha) x_i (section 2.3).

    alpha: [N, H, W] float32 in [0, 1].  x_tilde_ij, x_ij: [N, H, W, 3] uint8 RGB.
    """

    alpha: NDArray[np.float32]
    x_tilde_ij: Pixels
    x_ij: Pixels


def swap_in_batches(
    function: Callable[..., Sequence[Coding]],
    images: Sequence[Images],
    masks: Images | None,
    size: int,
    color: str,
) -> Swap:
    """Run a compiled swap on any number of images; the last batch is padded with the last row.

    function: (x_i, y_i, y_j[, m_i]) -> alpha, x_tilde_ij, x_ij on arrays of `size` samples, see
    `cagan_theano.method.updates.compile_swap`.
    images: x_i, y_i, y_j [N, H, W, 3], uint8 or float in [0, 1].  masks: m_i [N, H, W], uint8 or float
    in [0, 1], or None.  color: config.color.
    Raises ValueError if a result is NaN or infinite.
    """
    n, height, width = images[0].shape[:3]
    painted = (np.empty((n, height, width, 3), np.uint8) for _ in range(2))
    whole = Swap(np.empty((n, height, width), np.float32), *painted)
    for start in range(0, n, size):
        rows = np.minimum(np.arange(start, start + size), n - 1)
        inputs = [images_to_network(array[rows], color) for array in images]
        if masks is not None:
            inputs.append((encode(masks[rows])[:, None] + 1) / 2)
        outputs = [np.asarray(array) for array in function(*inputs)]
        if not all(np.isfinite(array).all() for array in outputs):
            raise ValueError("its finite weights give NaN or infinity; use an earlier or another checkpoint")
        whole.alpha[start : start + size] = outputs[0][: n - start, 0]
        for target, array in zip((whole.x_tilde_ij, whole.x_ij), outputs[1:]):
            target[start : start + size] = decode(np.moveaxis(array, 1, -1), color)[: n - start]
    return whole


def images_to_network(images: Images, color: str = "rgb") -> Coding:
    """[N, H, W, 3] uint8 or float in [0, 1] -> [N, 3, H, W] float32 in [-1, 1]."""
    return np.ascontiguousarray(np.moveaxis(encode(images, color), -1, 1))
