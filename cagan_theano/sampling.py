"""Which rows of the photos make each minibatch: numpy alone, so that it runs without Aesara too."""

import json
from typing import NamedTuple

import numpy as np

from cagan_theano.config import Config

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
        except (TypeError, KeyError, ValueError, OverflowError, RecursionError) as error:
            raise ValueError(f"random state is unreadable: {error}") from error
