"""Sampling of minibatches as rows of the photos.

If config.needs_truth, minibatches are sampled from the true swaps (triples) of the data, each in both
directions: x_i, y_i, y_j -> x_ij, and back x_ij, y_j, y_i -> x_i.
"""

import json

import numpy as np
from numpy.typing import NDArray

from cagan_theano.config import TRUTHS, Config
from cagan_theano.method.minibatch import TONES, Array, Indices, RowNumbers
from data_prep.store import Triples

SHIFT = 16  # augmentation "crop" shifts by up to 1/16 of a side; not stated; our choice


class Sampler:
    """Samples minibatches of rows: i uniform, j != i uniform, as stated below Eq. 2.

    With true swaps, each sample is uniform over the m triples in both directions, without replacement within
    a minibatch.  Random numbers for an optional feature are generated last and only if it is enabled, so that
    adding the feature leaves the random stream of every other configuration unchanged.

    garment: [n]; j differs from i in garment, not only in row, because two rows with the same article
    would form a matched pair labeled as mismatched.  triples: required if config.needs_truth.
    Raises ValueError for too few rows or true swaps, or a single garment.
    """

    def __init__(self, config: Config, garment: RowNumbers, triples: Triples | None = None) -> None:
        self.config, self.garment = config, np.asarray(garment)
        self.ways = ways(triples, len(self.garment), config) if config.needs_truth else None
        n = len(self.garment)
        if n < config.batch_size:
            cure = "use a smaller --batch-size or more photos"
            raise ValueError(f"has {n} training pairs, fewer than a batch of {config.batch_size}; {cure}")
        if len(np.unique(self.garment)) < 2:
            raise ValueError("all training pairs show one garment; swapping needs at least two")
        self.rng = np.random.Generator(np.random.PCG64(config.seed))

    def draw(self) -> Indices[Array]:
        """Sample the next minibatch, whose rows i are distinct."""
        config, size = self.config, self.config.batch_size
        i, j, *swapped = self.rows()
        k = self.other(i) if config.mismatch == "apart" else j
        mirror = self.rng.integers(0, 2, size) * ("mirror" in config.augmentation)
        crop = "crop" in config.augmentation
        reach_y, reach_x = config.height // SHIFT * crop, config.width // SHIFT * crop
        dy, dx = (self.rng.integers(-r, r + 1, size) for r in (reach_y, reach_x))
        rows = Indices[Array](i, j, k, *(a.astype(np.int32) for a in (mirror, dy, dx)), *swapped)
        if "tone" in config.augmentation:
            rows = rows._replace(tone_x=self.tone(), tone_y=self.tone())
        if config.dropout:
            rows = rows._replace(seeds=self.rng.integers(0, 1 << 32, (size, 2), np.uint32))
        return rows

    def rows(self) -> tuple[RowNumbers, ...]:
        """Rows i, j of the articles and, with true swaps, of the person and the truth."""
        size = self.config.batch_size
        if self.ways is not None:
            sampled = self.rng.choice(self.ways.shape[1], size, replace=False)
            return tuple(self.ways[:, sampled])
        i = self.rng.choice(len(self.garment), size, replace=False).astype(np.int32)
        return i, self.other(i)

    def tone(self) -> NDArray[np.float32]:
        """Gains of R, G, B, gamma and brightness for each sample, float32 [N, 5]."""
        change = self.rng.uniform(-1, 1, (self.config.batch_size, len(TONES))) * TONES
        tones = np.concatenate([np.exp(change[:, :4]), change[:, 4:]], axis=1)
        return np.asarray(tones, np.float32)

    def other(self, i: RowNumbers) -> RowNumbers:
        """For each row of i, a uniformly sampled row with another garment."""
        j = self.rng.integers(0, len(self.garment), len(i)).astype(np.int32)
        while (same := self.garment[j] == self.garment[i]).any():
            j[same] = self.rng.integers(0, len(self.garment), same.sum())
        return j

    def state(self) -> str:
        """The state of the random generator as JSON text."""
        return json.dumps(self.rng.bit_generator.state)

    def restore(self, text: str) -> None:
        """Restore the text of `state`; raises ValueError for any other text."""
        try:
            self.rng.bit_generator.state = json.loads(text)
        except (TypeError, KeyError, ValueError, OverflowError, RecursionError) as error:
            raise ValueError(f"random state is unreadable: {error}") from error


def ways(triples: Triples | None, n: int, config: Config) -> RowNumbers:
    """Rows of y_i, y_j, person and truth, int32 [4, 2 m]: m triples forward, then the same m back.

    n: number of photos, which precede the m true swaps among the images of people.
    """
    if triples is None or triples.x_ij is None:
        options = ", ".join(name for name in TRUTHS if getattr(config, name))
        cure = "render some with --true-swaps of `python -m data_prep photoshoot`"
        raise ValueError(f"contains no true swaps to train on, which {options} needs; {cure}")
    i, j = (np.asarray(rows, np.int32) for rows in (triples.i, triples.j))
    swapped = np.arange(n, n + len(i), dtype=np.int32)
    if 2 * len(i) < config.batch_size:
        text = f"{len(i)} true swaps, used in both directions, are fewer than a batch of {config.batch_size}"
        raise ValueError(f"{text}; render more with --true-swaps")
    return np.concatenate([[i, j, i, swapped], [j, i, swapped, i]], axis=1)
