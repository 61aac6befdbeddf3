"""Readings in company: compiled updates on resident photos against minibatches made by loops."""

import numpy as np
import pytest
from network_toys import at
from test_updates import Case

from cagan_theano.compat import aesara
from cagan_theano.learning.batches import Batch
from cagan_theano.learning.functions import losses_of_D, losses_of_G

pytestmark = pytest.mark.slow

COMPANIES = {
    "masked": dict(mask="overwrite", mismatch="apart", augmentation="mirror+crop"),
    "prior": dict(mask="prior", adversarial="literal", field="sum", alpha_norm="tv",
                  cycle_norm="l2", copies_g="y_j", g_kernel=4),
    "plain": dict(copies_g="none", copies_d=False, activation="leaky", adam="theano",
                  norm_affine=False, d_kernel=5, augmentation="mirror", mismatch="apart"),
    "others": dict(d_kernel=4, d_widths=(8, 8, 8), d_tail=9, d_norm="batch", g_output="convolution",
                   g_kernel=4, activation="leaky", skip_relu=True, augmentation="mirror",
                   mirror="apart", blend="second"),
    "first": dict(blend="first", augmentation="mirror+crop", mirror="apart", mismatch="apart"),
    "append": dict(copies_mode="append", g_kernel=5, augmentation="crop", d_widths=(8, 8, 8)),
}  # fmt: skip


def augmented(picture, flip, n, draw):
    """One picture [H, W, C], moved and flipped a pixel at a time."""
    made = np.empty_like(picture)
    height, width = picture.shape[:2]
    for r in range(height):
        for c in range(width):
            u = min(max(r + draw.dy[n], 0), height - 1)
            v = min(max(c + draw.dx[n], 0), width - 1)
            made[r, c] = picture[u, width - 1 - v if flip else v]
    return made


def loop_batch(photos, draw, config):
    """The minibatch as arrays [N, C, H, W]: pictures in [-1, 1], masks in [0, 1]."""

    def images(source, rows, flips=draw.mirror):
        stack = np.stack([augmented(source[row], flips[n], n, draw) for n, row in enumerate(rows)])
        return stack.transpose(0, 3, 1, 2).astype(np.float64)

    others = draw.mirror if config.mirror == "together" else draw.mirror_y
    pairs = [(photos.x, draw.i), (photos.y, draw.i), (photos.y, draw.j, others), (photos.y, draw.k, others)]
    m_i = images(photos.mask[:][..., None], draw.i) / 255
    return Batch(*(images(*pair) * 2 / 255 - 1 for pair in pairs), m_i)


def losses_of(case, arrays, backend):
    """The losses of case's networks, as they stand, on a minibatch of arrays."""
    arrays = [a.astype(np.float32) for a in arrays if a is not None]
    batch = Batch(*(at.TensorType("float32", a.shape)() for a in arrays))
    found = [losses(case.networks, batch, case.config) for losses in (losses_of_D, losses_of_G)]
    named = {**found[0], **found[1]}
    inputs = [v for v in batch if v is not None]
    function = aesara.function(inputs, list(named.values()), mode=backend.mode,
                               on_unused_input="ignore")  # fmt: skip
    return dict(zip(named, map(float, function(*arrays))))


@pytest.mark.parametrize("company", COMPANIES)
def test_compiled_updates_of_every_reading(company, tiny_photos, jax_backend):
    case = Case(tiny_photos, jax_backend, **COMPANIES[company])
    draw = case.sampler.draw()
    expected = losses_of(case, loop_batch(tiny_photos, draw, case.config), jax_backend)
    found = {**case.functions.update_G(draw), "G": case.values()}
    moved = found.pop("G")
    case.reset()
    found |= case.functions.update_D(draw)
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert value == pytest.approx(expected[name], rel=1e-4, abs=1e-6), name
    for name, value in case.values().items():
        after = moved[name] if name.startswith("G/") else value
        assert np.isfinite(after).all()
        assert (after != case.start[name]).any(), name
