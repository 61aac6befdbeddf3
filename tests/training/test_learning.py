"""A whole training on tiny data: held-out swaps come nearer to the truth."""

import dataclasses

import pytest
from conftest import tiny_config, write_tiny_photos

from cagan_theano.model import Model
from cagan_theano.training.engine import Engine
from cagan_theano.training.preview import choose_held_out, score
from data_prep.store import PhotoFile

STEPS, SEED = 600, 1


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """(training photos, 16 held-out swaps)."""
    path = tmp_path_factory.mktemp("learning") / "photos.h5"
    with PhotoFile(write_tiny_photos(path, pairs=256, tests=24)) as file:
        photos, held_out = file.split("train"), choose_held_out(file.split("test"), 16)
        return dataclasses.replace(photos, x=photos.x.load(), y=photos.y.load(), mask=None), held_out


def train(photos, held_out, backend, seed):
    """The held-out scores before and after a training."""
    trainer = Engine(tiny_config(learning_rate=1e-3, seed=seed), photos, backend)
    model = Model(trainer.config, trainer.networks.G, backend)
    before = score(held_out, model.swap(held_out.x_i, held_out.y_i, held_out.y_j))
    for _ in range(STEPS):
        trainer.advance()
    return before, score(held_out, model.swap(held_out.x_i, held_out.y_i, held_out.y_j))


@pytest.mark.slow
def test_training_lowers_the_error_against_the_truth(photos, jax_backend):
    before, after = train(*photos, jax_backend, SEED)
    assert after["inside"] < 0.6 < before["inside"]
    assert after["outside"] < before["outside"]
    # of four seeds it was 0.29, 0.94, 0.87 and 0.44: one training may find half of the region only
    assert after["alpha_iou"] > max(0.3, before["alpha_iou"])
