"""The C back end against JAX: the same losses and the same weights after whole steps."""

import shutil

import numpy as np
import pytest
from test_updates import World

from cagan_theano.backends import choose_backend
from cagan_theano.compat import NUMPY_2

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NUMPY_2, reason="Aesara's C linker needs numpy 1"),
    pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler"),
]


def test_two_steps_in_c_are_those_of_jax(tiny_photos, jax_backend):
    worlds = [World(tiny_photos, backend) for backend in (jax_backend, choose_backend("c"))]
    sampler = worlds[0].sampler
    for draw in (sampler.draw(), sampler.draw()):
        jax, c = (world.functions.update(draw) for world in worlds)
        assert jax.keys() == c.keys()
        np.testing.assert_allclose(list(c.values()), list(jax.values()), rtol=1e-3)
    expected, found = (world.values() for world in worlds)
    for name, value in expected.items():
        if "/moment/" not in name:  # two steps of Adam are up to 2e-3
            np.testing.assert_allclose(found[name], value, atol=2e-4, err_msg=name)
