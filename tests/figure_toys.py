"""A toy data file and a toy model with which the figures and the measures are tested.

A toy human is a grey picture with a rectangle in the garment's color, so that the true swap is
known and a model that paints it can be written down.
"""

from types import SimpleNamespace

import numpy as np

from cagan_theano.config import Config
from cagan_theano.dressing.dress import dress
from data_prep.store import PhotoWriter

HEIGHT, WIDTH = 32, 32
BODY = (slice(10, 26), slice(8, 24))
PROVENANCE = {"program": "toy", "seed": 3}


def color_of(garment):
    """The RGB color of a toy garment, different for each."""
    return np.random.default_rng([9, garment]).integers(30, 226, 3)


def human(person, garment):
    """x [H, W, 3]: a shade for the person, the garment's color in the body's place."""
    x = np.full((HEIGHT, WIDTH, 3), 100 + 10 * person, np.uint8)
    x[BODY] = color_of(garment)
    return x


def article(garment):
    """y [H, W, 3]: a large rectangle of the garment's color on a light ground."""
    y = np.full((HEIGHT, WIDTH, 3), 246, np.uint8)
    y[4:28, 4:28] = color_of(garment)
    return y


def body_mask():
    """The true region [H, W] uint8 of every toy garment."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[BODY] = 255
    return mask


def write_photos(path, count=12, triples=True, masks=True, split="test", provenance=PROVENANCE):
    """Write `count` pairs, two to a person, and the swap of each garment for the third next."""
    with PhotoWriter(path, HEIGHT, WIDTH, provenance) as writer:
        for row in range(count):
            writer.add(
                split, human(row // 2, row), article(row), row // 2, row, mask=body_mask() if masks else None
            )
        for row in range(count if triples else 0):
            j = (row + 3) % count
            writer.add_triple(row, j, human(row // 2, j), body_mask())
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
        return SimpleNamespace(
            alpha=alpha.astype(np.float32), x_tilde_ij=paint.copy(), x_ij=np.round(mixed).astype(np.uint8)
        )
