"""A whole training on tiny data: held-out swaps come nearer to the truth."""

import dataclasses

import pytest
from conftest import tiny_config
from figure_toys import write_photos

from cagan_theano.model import Model
from cagan_theano.training.engine import Engine
from cagan_theano.training.preview import choose_held_out, score
from data_prep.store import PhotoFile


@pytest.mark.slow
def test_training_lowers_the_error_against_the_truth(tmp_path, jax_backend):
    with PhotoFile(write_photos(tmp_path / "photos.h5", pairs=256, tests=24)) as file:
        photos, held_out = file.split("train"), choose_held_out(file.split("test"), 16)
        photos = dataclasses.replace(photos, x=photos.x.load(), y=photos.y.load(), mask=None)
    trainer = Engine(tiny_config(learning_rate=1e-3, seed=1), photos, jax_backend)
    model = Model(trainer.config, trainer.networks.G, jax_backend)
    before = score(held_out, model.swap(held_out.x_i, held_out.y_i, held_out.y_j))
    for _ in range(600):
        trainer.advance()
    after = score(held_out, model.swap(held_out.x_i, held_out.y_i, held_out.y_j))
    assert after["inside"] < 0.6 < before["inside"]
    assert after["outside"] < before["outside"]
    # of four seeds it was 0.29, 0.94, 0.87 and 0.44: one training may find half of the region only
    assert after["alpha_iou"] > max(0.3, before["alpha_iou"])
