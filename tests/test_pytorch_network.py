"""The PyTorch reference against golden vectors: from one set of weights the numbers of Aesara."""

from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra: witness)")

from network_toys import random_images  # noqa: E402

from cagan_theano.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from cagan_theano.config import Config  # noqa: E402
from cagan_theano.interop import conformance, golden  # noqa: E402
from cagan_theano.interop import pytorch_network as reference  # noqa: E402
from cagan_theano.interop.conformance import SHIPPED, read_vectors  # noqa: E402

SMALL = Config(**golden.SMALL)
READINGS = [
    dict(g_kernel=3, d_kernel=5, copies_mode="append", activation="leaky", norm_affine=False),
    dict(
        g_kernel=4,
        copies_g="y_j",
        copies_d=False,
        adversarial="literal",
        field="sum",
        alpha_norm="tv",
        cycle_norm="l2",
        mask="prior",
        adam="theano",
        epsilon=1e-3,
    ),
    dict(copies_g="none", mask="overwrite", mismatch="apart", d_widths=(8, 10, 12)),
    dict(
        height=64,
        width=32,
        d_kernel=4,
        d_widths=(8, 10, 12),
        d_tail=9,
        d_norm="batch",
        g_kernel=4,
        g_output="convolution",
        skip_relu=True,
        activation="leaky",
        copies_mode="append",
        copies_d=False,
        blend="second",
    ),
    dict(d_norm="batch", g_output="convolution", blend="first", d_tail=8),
    dict(article_code=8, d_tail=9),
    dict(article_code=16, activation="leaky", copies_mode="append", norm_affine=False, d_norm="batch"),
    dict(texture_input=True, copies_d=False),
    dict(d_head_stride=2, weight_decay=1e-2, adam="theano"),
]
NAMES = [
    "append-leaky",
    "literal-prior",
    "overwrite-apart",
    "keras",
    "batch-first",
    "code",
    "code-batch",
    "texture",
    "head-decay",
]


def fault(vectors, tolerance, dtype=torch.float64, **settings):
    """What the comparison finds wrong: nothing."""
    adapter = partial(reference.Adapter, dtype=dtype, **settings)
    rows = conformance.compare(adapter, vectors, tolerance)
    assert sum(row.given for row in rows) > 70  # without gains and shifts there are 75
    first = conformance.first_deviation(rows)
    return first and conformance.report(rows)


@pytest.mark.parametrize(
    "tolerance, settings",
    [
        (1e-10, dict()),
        (1e-10, dict(channels_last=True)),
        (1e-4, dict(dtype=torch.float32)),
        (1e-4, dict(dtype=torch.float32, channels_last=True)),
    ],
    ids=["float64", "float64-last", "float32", "float32-last"],
)
def test_layers_losses_gradients_and_updates_are_those_of_aesara(tolerance, settings):
    assert not fault(read_vectors(SHIPPED), tolerance, **settings)


@pytest.mark.parametrize("changes", READINGS, ids=NAMES)
def test_every_reading_is_that_of_aesara(changes, monkeypatch):
    monkeypatch.setattr(golden, "UPDATES", 2)
    assert not fault(golden.make(SMALL.replace(**changes), seed=1), 1e-10)


def arrays(names=3):
    """Float64 pictures of the small configuration as tensors."""
    return [torch.tensor(random_images(2, 3, 32, 16, seed=n), dtype=torch.float64) for n in range(names)]


def test_step_is_update_D_then_update_G():
    results = []
    for joined in (True, False):
        trainer = reference.Trainer(reference.build_networks(SMALL, 3), dtype=torch.float64)
        for _ in range(2):
            if joined:
                trainer.step(*arrays())
            else:
                trainer.update_D(*arrays())
                trainer.update_G(*arrays())
        results.append({**reference.weights_of(trainer.G), **reference.weights_of(trainer.D)})
    for name, value in results[0].items():
        np.testing.assert_allclose(results[1][name], value, rtol=1e-12, atol=1e-15, err_msg=name)


def test_the_updates_of_D_leave_no_gradient_in_G():
    trainer = reference.Trainer(reference.build_networks(SMALL, 3), dtype=torch.float64)
    trainer.update_D(*arrays())
    assert all(p.grad is None for p in trainer.G.parameters())
    trainer = reference.Trainer(reference.build_networks(SMALL, 3), dtype=torch.float64)
    trainer.update_G(*arrays())
    assert all(p.grad is None and p.requires_grad for p in trainer.D.parameters())


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


def test_images_are_those_of_the_graph_without_a_copy():
    pixels = torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8).expand(2, 4, 5, 3).contiguous()
    made = reference.images(pixels, torch.zeros(1))
    assert made.shape == (2, 3, 4, 5) and made.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(made[0, :, 0, 0], [-1, -0.6, 1], atol=1e-6)
