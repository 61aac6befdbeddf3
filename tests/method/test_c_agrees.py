"""The C back end against JAX: the same losses and the same weights after whole steps."""

import shutil

import numpy as np
import pytest
from figure_toys import write_photos
from test_truth import configured, photos_of

from cagan_theano.backends import choose_backend
from cagan_theano.compat import NUMPY_2
from cagan_theano.network.networks import values_of
from cagan_theano.training.engine import Engine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NUMPY_2, reason="Aesara's C linker needs numpy 1"),
    pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler"),
]


def test_two_steps_in_c_are_those_of_jax(tmp_path, jax_backend):
    config = configured(gamma_truth=10.0, gamma_region=1.0, gamma_detail=5.0, gamma_texture=1.0,
                        article_code=8, d_head_stride=2, dropout=0.3, average=0.9, learning_rate_decay=1.0,
                        augmentation="mirror+tone")  # fmt: skip
    photos = photos_of(write_photos(tmp_path / "true.h5", tests=4, pairs=12, swaps=8), config)
    trainers = [Engine(config, photos, b) for b in (jax_backend, choose_backend("c"))]
    for _ in range(2):
        jax, c = (trainer.advance() for trainer in trainers)
        assert jax.keys() == c.keys()
        np.testing.assert_allclose(list(c.values()), list(jax.values()), rtol=1e-3)
    for networks in zip(*([*trainer.networks, trainer.G] for trainer in trainers)):
        expected, found = (values_of(network.params) for network in networks)
        for name, value in expected.items():  # two steps of Adam are up to 2e-3
            np.testing.assert_allclose(found[name], value, atol=2e-4, err_msg=name)
