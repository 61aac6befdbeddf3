"""Fixtures shared by all tests: a tiny data file, a tiny network, one back end."""

import dataclasses
import os
from pathlib import Path

import pytest
from figure_toys import ToyModel, write_photos

from cagan_theano import weights
from cagan_theano.backends import choose_backend
from cagan_theano.config import Config
from cagan_theano.io.command import main
from data_prep.store import PhotoFile

# what the tests compile is kept among their own files, not in the user's folder
KEPT = Path(__file__).parents[1] / ".pytest_cache" / "compiled"
os.environ.setdefault("CAGAN_THEANO_CACHE", str(KEPT))
# most of their time is compilation, which LLVM without optimization halves; XLA_FLAGS= for the users' code
QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
os.environ.setdefault("XLA_FLAGS", QUICK)

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


def assert_same(a, b):
    """Two states of a training are the same to the bit."""
    assert (a["step"], a["sampler"]) == (b["step"], b["sampler"])
    for group in ("G", "D", "optimizer"):
        assert set(a[group]) == set(b[group])
        for name in a[group]:
            assert a[group][name].tobytes() == b[group][name].tobytes(), name


@pytest.fixture
def half(monkeypatch):
    """The model that commands load in the place of a checkpoint's: a toy that does half of each swap."""
    model = ToyModel(0.5)
    monkeypatch.setattr(weights, "load_model", lambda *_: model)
    return model


@pytest.fixture(scope="session")
def toy_data(tmp_path_factory):
    """Path of twelve toy pairs and their true swaps."""
    return write_photos(tmp_path_factory.mktemp("data") / "toy.h5")


@pytest.fixture(scope="session")
def tiny_photos(tmp_path_factory):
    """48 tiny pairs in memory."""
    with PhotoFile(write_photos(tmp_path_factory.mktemp("photos") / "tiny.h5", pairs=48)) as file:
        photos = file.split("train")
        return dataclasses.replace(photos, x=photos.x.load(), y=photos.y.load(),
                                   mask=photos.mask.load())  # fmt: skip


@pytest.fixture(scope="session")
def jax_backend():
    """The JAX back end on the CPU."""
    return choose_backend("jax", "cpu")
