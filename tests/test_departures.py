"""Where the golden vectors detect each departure of the re-implementations (docs/reimplementations.md)."""

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

from cagan_theano.interop import conformance, pytorch_network
from cagan_theano.interop.conformance import read_vectors

ROOT = Path(__file__).parents[1]
TOLERANCE = 1e-4
UNFIT = "the weights"  # the first array that does not fit is found before anything is computed

# departure in the document -> (changed options, the first array that deviates, or the one that does not fit)
DEPARTURES = {
    "kernels of 4x4 in G": ({"g_kernel": 4}, UNFIT, "G/encoder1.W"),
    "copies appended": ({"copies_mode": "append"}, UNFIT, "G/encoder1.W"),
    "no copies in G": ({"copies_g": "none"}, UNFIT, "G/encoder1.W"),
    "copies of y_j in G": ({"copies_g": "y_j"}, "layers/G/encoder2.norm", ""),
    "leaky ReLU": ({"activation": "leaky"}, "layers/G/encoder2.norm", ""),
    "no copies in D": ({"copies_d": False}, UNFIT, "D/layer1.W"),
    "three layers of stride 2 in D": ({"d_widths": (8, 10, 12)}, UNFIT, "D/head.W"),
    "no L_id": ({"gamma_i": 0.0}, "losses/loss_G", ""),
}


def departing(changes):
    """A factory of the PyTorch reference with some options changed."""
    return lambda config, weights: pytorch_network.Adapter({**config, **changes}, weights)


@pytest.fixture(scope="module")
def vectors():
    """The shipped golden vectors."""
    return read_vectors(ROOT / "tests/golden/cagan_32x16.h5")


@pytest.mark.parametrize("name", DEPARTURES)
def test_a_departure_is_detected_where_the_document_says(name, vectors):
    changes, expected, parameter = DEPARTURES[name]
    if expected == UNFIT:
        with pytest.raises((ValueError, KeyError), match=re.escape(parameter.split("/")[1])):
            conformance.compare(departing(changes), vectors, TOLERANCE)
    else:
        rows = conformance.compare(departing(changes), vectors, TOLERANCE)
        assert conformance.first_deviation(rows).name == expected
    where = f"`weights/{parameter}`" if parameter else f"`{expected}`"
    assert re.search(rf"^\| {re.escape(name)} .*\| {re.escape(where)} \|$", document(), re.MULTILINE)


def test_the_place_of_epsilon_is_only_detected_in_float64(vectors):
    departure = departing({"adam": "theano"})
    assert conformance.first_deviation(conformance.compare(departure, vectors, TOLERANCE)) is None
    rows = conformance.compare(departure, vectors, 1e-9)
    assert conformance.first_deviation(rows).name.startswith("after1/")
    assert all(np.isfinite(row.error) for row in rows if row.given)


def document():
    """The text of the document."""
    return (ROOT / "docs/reimplementations.md").read_text()
