"""Fixtures shared by all tests: a tiny data file, a tiny network, one back end."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from cagan_theano.backends import choose_backend
from cagan_theano.config import Config
from cagan_theano.io.command import main
from data_prep.store import PhotoFile, PhotoWriter

# what the tests compile is kept among their own files, not in the user's folder
KEPT = Path(__file__).parents[1] / ".pytest_cache" / "compiled"
os.environ.setdefault("CAGAN_THEANO_CACHE", str(KEPT))

# 32x32 pictures and 10 to 18 learned channels: compiles and trains in seconds.
TINY = dict(height=32, width=32, g_widths=(16, 16, 24, 24), d_widths=(16, 16, 24, 24),
            g_kernel=3, batch_size=4, steps=6)  # fmt: skip


def run_command(command, *arguments):
    """The exit code of a command that runs in this process."""
    with pytest.raises(SystemExit) as left:
        main(command, [str(argument) for argument in arguments])
    return left.value.code


def tiny_config(**changes):
    """A `Config` of a network that is far smaller than the paper's."""
    return Config(**{**TINY, **changes})


def tiny_person(rng):
    """A photo [32, 32, 3] without its garment: gray wall, a head, legs; levels 0..255."""
    photo = np.full((32, 32, 3), rng.integers(200, 230), np.float64)
    skin, trousers = rng.integers(90, 220, 3), rng.integers(0, 120, 3)
    photo[2:9, 12:20], photo[24:, 9:23] = skin, trousers
    return photo


def wear(photo, color):
    """The photo with a garment of one color in a fixed rectangle, and that rectangle as mask."""
    worn, mask = photo.copy(), np.zeros((32, 32), np.uint8)
    worn[9:24, 7:25], mask[9:24, 7:25] = color, 255
    return worn.astype(np.uint8), mask


def tiny_article(color):
    """The stand-alone picture of a garment [32, 32, 3]."""
    article = np.full((32, 32, 3), 246, np.uint8)
    article[6:26, 6:26] = color
    return article


def write_tiny_photos(path, pairs=48, tests=12, seed=0, masks=True, swaps=0):
    """A photo file of flat garments on simple people, with true swaps in its test split.

    swaps: true swaps of the train split, row n in the garment of row n + 1.
    """
    rng, looks = np.random.default_rng(seed), []
    with PhotoWriter(path, 32, 32, {"program": "tests", "seed": seed}) as writer:
        for n in range(pairs + tests):
            split = "train" if n < pairs else "test"
            color, person = rng.integers(0, 256, 3), tiny_person(rng)
            worn, mask = wear(person, color)
            looks.append((person, color))
            writer.add(split, worn, tiny_article(color), n, n, mask if masks else None)
            if n == pairs:
                first = person
            if n > pairs:  # the first test person in every other test garment
                truth, region = wear(first, color)
                writer.add_triple(0, n - pairs, truth, region)
        for n in range(swaps):
            writer.add_triple(n, n + 1, *wear(looks[n][0], looks[n + 1][1]), split="train")
    return path


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory):
    """Path of a photo file of 48 + 12 tiny pairs."""
    return write_tiny_photos(tmp_path_factory.mktemp("photos") / "tiny.h5")


@pytest.fixture(scope="session")
def tiny_photos(tiny_data):
    """The train split of `tiny_data` in memory."""
    with PhotoFile(tiny_data) as file:
        photos = file.split("train")
        return dataclasses.replace(photos, x=photos.x.load(), y=photos.y.load(),
                                   mask=photos.mask.load())  # fmt: skip


@pytest.fixture(scope="session")
def jax_backend():
    """The JAX back end on the CPU."""
    return choose_backend("jax", "cpu")
