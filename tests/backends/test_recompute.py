"""Recomputed activations: the same bits in less memory."""

from types import SimpleNamespace

import numpy as np
import pytest
from network_toys import small_config

jax = pytest.importorskip("jax")
from cagan_theano.backends import choose_backend, devices, native, rewrites  # noqa: E402
from cagan_theano.method.updates import compile_functions  # noqa: E402
from cagan_theano.network.networks import build_networks  # noqa: E402
from cagan_theano.training.sampler import Sampler  # noqa: E402

SIZES = dict(g_widths=(8, 12, 16, 20), d_widths=(8, 12, 16, 20), height=64, width=48, batch_size=4)
# as XLA compiles for users, unlike the other tests: how it fuses might change bits
USERS = {"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False}


@pytest.fixture(autouse=True)
def a_compiler():
    if not native.registered():
        pytest.skip("no C++ compiler")


def train(photos, config, monkeypatch):
    """All parameters after two updates of G, and the bytes of temporary memory that an update takes."""
    executables, compiled = [], devices.Placement.compile

    def optimizing(self, function, replaced):
        jitted = compiled(self, function, replaced)

        def called(*arrays):
            if not executables:
                executables.append(jitted.lower(*arrays).compile(USERS))
            return executables[0](*arrays)

        return called

    networks = build_networks(config, 0)
    with monkeypatch.context() as patched:
        patched.setattr(devices.Placement, "compile", optimizing)
        functions = compile_functions(networks, photos, config, choose_backend("jax", "cpu"))
        sampler = Sampler(config, photos.garment[:])
        for _ in range(2):
            functions.update_G(sampler.draw())
    values = [np.array(v.get_value()) for net in networks for v in net.params.values()]
    return values, executables[0].memory_analysis().temp_size_in_bytes


def test_recomputation_gives_the_same_bits_in_less_memory(monkeypatch):
    config = small_config(**SIZES)
    x, y = np.random.default_rng(0).integers(0, 256, (2, 8, config.height, config.width, 3), np.uint8)
    photos = SimpleNamespace(x=x, y=y, mask=None, garment=np.arange(8))  # each garment is worn once
    values, memory = train(photos, config, monkeypatch)
    monkeypatch.setattr(rewrites, "extend_with_recomputation", lambda query: query)
    kept, memory_of_all = train(photos, config, monkeypatch)
    for value, expected in zip(values, kept):
        np.testing.assert_array_equal(value, expected)
    assert memory < memory_of_all
