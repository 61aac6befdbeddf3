"""A toy data file, and a toy model with which the figures and the measures are tested.

A toy human has a rectangle in the garment's color, so that the true swap is known and a model that paints
it can be written down.
"""

import functools

import numpy as np

from cagan_theano.config import Config
from cagan_theano.dressing.dress import dress
from cagan_theano.method.swap import Swap
from data_prep.store import PhotoWriter

HEIGHT, WIDTH = 32, 32
BODY = (slice(9, 24), slice(7, 25))
PROVENANCE = {"program": "toy", "seed": 3}


@functools.cache
def looks():
    """The color of each garment, and each person without one: a gray wall, a head, legs."""
    rng, made = np.random.default_rng(0), []
    for _ in range(300):
        color, x = rng.integers(0, 256, 3), np.full((HEIGHT, WIDTH, 3), rng.integers(200, 230), np.uint8)
        x[2:9, 12:20], x[24:, 9:23] = rng.integers(90, 220, 3), rng.integers(0, 120, 3)
        made.append((color, x))
    return made


def human(person, garment):
    """x [H, W, 3]: the person with the garment's color in the body's place."""
    x = looks()[person][1].copy()
    x[BODY] = looks()[garment][0]
    return x


def article(garment):
    """y [H, W, 3]: a large rectangle of the garment's color on a light ground."""
    y = np.full((HEIGHT, WIDTH, 3), 246, np.uint8)
    y[6:26, 6:26] = looks()[garment][0]
    return y


def body_mask():
    """The true region [H, W] uint8 of every toy garment."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[BODY] = 255
    return mask


def write_photos(path, tests=12, pairs=0, triples=True, masks=True, swaps=0, provenance=PROVENANCE):
    """Write pairs to test, two to a person, and pairs to train on, each a person of its own.

    triples: whether there are true swaps of the test split, row n in the garment of the third next.
    swaps: how many of the train split, row n in the garment of row n + 1.
    """
    mask = body_mask() if masks else None
    with PhotoWriter(path, HEIGHT, WIDTH, provenance) as writer:
        for n in range(pairs):
            writer.add("train", human(n, n), article(n), n, n, mask)
        for n in range(swaps):
            writer.add_triple(n, n + 1, human(n, n + 1), body_mask(), split="train")
        people, garments = pairs + np.arange(tests) // 2, pairs + np.arange(tests)
        for person, garment in zip(people, garments):
            writer.add("test", human(person, garment), article(garment), person, garment, mask)
        for i in range(tests if triples else 0):
            j = (i + 3) % tests
            writer.add_triple(i, j, human(people[i], garments[j]), body_mask())
    return path


class ToyModel:
    """A model that paints the body's place in the article's color: the perfect swap.

    share mixes the input back in (0: perfect, 1: unchanged).
    """

    def __init__(self, share=0.0, mask="none"):
        self.config = Config(height=HEIGHT, width=WIDTH, mask=mask)
        self.step, self.sha256, self.share = 7, "ab" * 32, share
        self.metadata = {"note": "toy"}
        self.masks = []

    def provenance(self):
        """As `cagan_theano.Model.provenance`."""
        return {"Checkpoint": "toy.h5", "Checkpoint-SHA256": self.sha256, "Step": str(self.step)}

    def dress(self, *photos, **settings):
        """As `cagan_theano.Model.dress`."""
        return dress(self, *photos, **settings)

    def swap(self, x_i, y_i, y_j, mask=None, batch_size=16):
        """alpha, x_tilde_ij and x_ij as `cagan_theano.Model.swap` gives them."""
        assert x_i.shape == y_i.shape == y_j.shape
        self.masks.append(mask)
        alpha = np.repeat(body_mask()[None] / np.float32(255), len(x_i), axis=0) * (1 - self.share)
        height, width = x_i.shape[1:3]
        paint = np.broadcast_to(y_j[:, height // 2, width // 2][:, None, None], x_i.shape)
        mixed = alpha[..., None] * paint + (1 - alpha[..., None]) * x_i
        return Swap(alpha.astype(np.float32), paint.copy(), np.round(mixed).astype(np.uint8))
