"""The C back end against JAX: the same losses and the same weights after whole steps."""

import shutil

import numpy as np
import pytest
from figure_toys import write_photos
from test_updates import Case

from cagan_theano.backends import choose_backend
from cagan_theano.compat import NUMPY_2
from cagan_theano.network.networks import values_of
from cagan_theano.training.engine import Engine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NUMPY_2, reason="Aesara's C linker needs numpy 1"),
    pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler"),
]


def test_two_steps_in_c_are_those_of_jax(tiny_photos, jax_backend):
    changes = dict(d_head_stride=2, dropout=0.3, article_code=8, gamma_texture=1.0)
    cases = [Case(tiny_photos, backend, **changes) for backend in (jax_backend, choose_backend("c"))]
    sampler = cases[0].sampler
    for draw in (sampler.draw(), sampler.draw()):
        jax, c = (case.functions.update(draw) for case in cases)
        assert jax.keys() == c.keys()
        np.testing.assert_allclose(list(c.values()), list(jax.values()), rtol=1e-3)
    expected, found = (case.values() for case in cases)
    for name, value in expected.items():
        if "/moment/" not in name:  # two steps of Adam are up to 2e-3
            np.testing.assert_allclose(found[name], value, atol=2e-4, err_msg=name)


def test_true_swaps_in_c_are_those_of_jax(tmp_path, jax_backend):
    from test_truth import TRUTH, configured, photos_of

    data = write_photos(tmp_path / "true.h5", tests=4, pairs=12, swaps=8)
    config = configured(**TRUTH, average=0.9, learning_rate_decay=1.0, augmentation="mirror+tone")
    photos = photos_of(data, config)
    trainers = [Engine(config, photos, b) for b in (jax_backend, choose_backend("c"))]
    for _ in range(2):
        jax, c = (trainer.advance() for trainer in trainers)
        assert jax.keys() == c.keys()
        np.testing.assert_allclose(list(c.values()), list(jax.values()), rtol=1e-3)
    expected, found = (values_of(trainer.G.params) for trainer in trainers)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=2e-4, err_msg=name)
