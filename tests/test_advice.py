"""Advice on photos that the shipped weights do not know: said where it holds, and hardly elsewhere."""

import numpy as np
import pytest

from cagan_theano import weights
from cagan_theano.dressing import advice
from data_prep.store import PhotoFile

SIZE = (128, 96)


def plain(height, width, level=240):
    return np.full((height, width, 3), level, np.uint8)


def region(top, bottom, left=30, right=66):
    alpha = np.zeros(SIZE)
    alpha[top:bottom, left:right] = 1
    return alpha


def test_a_plain_upright_photo_needs_none():
    assert advice.advice(plain(400, 300), region(30, 90)) == []


@pytest.mark.parametrize(
    "photo, word",
    [
        (plain(300, 400), "wider than high"),
        (plain(90, 70), "only 70x90 pixels"),
        (np.random.default_rng(0).integers(0, 256, (400, 300, 3), np.uint8), "busy"),
    ],
)
def test_what_departs_is_named(photo, word):
    lines = advice.advice(photo, region(30, 90))
    assert len(lines) == 1 and word in lines[0]


@pytest.mark.parametrize(
    "alpha, word",
    [
        (np.zeros(SIZE), "hardly anything"),
        (np.ones(SIZE), "more than half"),
        (region(60, 72, 10, 90), "small in the frame"),
    ],
)
def test_what_was_painted_tells(alpha, word):
    lines = advice.advice(plain(400, 300), alpha)
    assert len(lines) == 1 and word in lines[0]


def test_studio_pictures_are_seldom_called_busy_and_streets_are():
    with PhotoFile(weights.held_out(128, 96)) as file:
        photos = file.split("test").x.load()
    assert np.mean([advice.background_difference(x) > advice.BUSY for x in photos]) <= 0.05
    rng, streets = np.random.default_rng(1), photos[:8].copy()
    streets[:, :64] = rng.integers(0, 256, streets[:, :64].shape)
    assert all(advice.background_difference(x) > advice.BUSY for x in streets)
