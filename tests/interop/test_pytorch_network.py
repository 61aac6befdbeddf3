"""The PyTorch reference against golden vectors: from one set of weights the numbers of Aesara."""

import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra: witness)")

from cagan_theano.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from cagan_theano.config import Config  # noqa: E402
from cagan_theano.interop import conformance, golden  # noqa: E402
from cagan_theano.interop import pytorch_network as reference  # noqa: E402
from cagan_theano.interop.templates import TEMPLATES  # noqa: E402

SMALL = Config(**golden.SMALL)
READINGS = {
    "append-leaky": dict(g_kernel=3, d_kernel=5, copies_mode="append", activation="leaky",
                         norm_affine=False, copies_d=False),
    "literal-prior": dict(g_kernel=4, copies_g="y_j", adversarial="literal", field="sum", alpha_norm="tv",
                          cycle_norm="l2", mask="prior", adam="theano", epsilon=1e-3, weight_decay=1e-3,
                          phases="tied"),
    "overwrite-apart": dict(copies_g="none", mask="overwrite", mismatch="apart", d_widths=(8, 10, 12),
                            d_kernel=4, d_head_stride=2),
}  # fmt: skip


def fault(vectors, tolerance, **settings):
    """What the comparison finds wrong: nothing."""
    rows = conformance.compare(partial(reference.Adapter, **settings), vectors, tolerance)
    assert len(rows) > 70  # without gains and shifts there are 75
    return conformance.first_deviation(rows) and conformance.report(rows, vectors)


@pytest.mark.parametrize("tolerance, settings", [
    (1e-10, dict()), (1e-4, dict(dtype=torch.float32, channels_last=True)),
])  # fmt: skip
def test_layers_losses_gradients_and_updates_are_those_of_aesara(tolerance, settings):
    assert not fault(conformance.read_vectors(conformance.SHIPPED), tolerance, **settings)


@pytest.mark.parametrize("name", READINGS)
def test_every_reading_is_that_of_aesara(name, monkeypatch):
    monkeypatch.setattr(golden, "UPDATES", 2)
    assert not fault(golden.make(SMALL.replace(**READINGS[name]), seed=1), 1e-10)


def test_weights_to_and_from_a_checkpoint(tmp_path):
    first = reference.build_networks(SMALL, 5)
    save_checkpoint(tmp_path / "a.h5", reference.checkpoint_of(first, step=3))
    second = reference.load(tmp_path / "a.h5")
    assert load_checkpoint(tmp_path / "a.h5").step == 3
    for one, other in zip(first, second):
        a, b = reference.weights_of(one), reference.weights_of(other)
        assert a.keys() == b.keys() and all(np.array_equal(a[n], b[n]) for n in a)
    wrong = {**reference.weights_of(first.G), "output.b": np.zeros(5)}
    with pytest.raises(ValueError, match="parameter output.b does not fit"):
        reference.set_weights(first.G, wrong)


def test_the_template_of_an_adapter_swaps(tmp_path, monkeypatch):
    """With a network of one layer."""
    monkeypatch.chdir(tmp_path)
    layer = torch.nn.Conv2d(9, 4, 1)
    torch.save(layer.state_dict(), "generator.pt")
    stand_in = SimpleNamespace(Generator=lambda: torch.nn.Conv2d(9, 4, 1))
    monkeypatch.setitem(sys.modules, "my_network", stand_in)
    adapter, images = {}, np.random.default_rng(0).integers(0, 256, (3, 2, 8, 6, 3), np.uint8)
    exec(TEMPLATES["torch"], adapter)
    x_ij, alpha = adapter["swap"](*images)
    W, b = (value.detach().numpy() for value in layer.parameters())
    outputs = np.concatenate(images / 127.5 - 1, -1) @ W[:, :, 0, 0].T + b
    np.testing.assert_allclose(alpha, outputs[..., :1], atol=1e-5)
    blended = alpha * outputs[..., 1:] + (1 - alpha) * (images[0] / 127.5 - 1)
    assert x_ij.dtype == np.uint8 and np.abs(x_ij - (blended.clip(-1, 1) + 1) * 127.5).max() < 0.51
