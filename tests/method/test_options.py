"""Readings in company: compiled updates on resident photos against minibatches made by loops."""

import numpy as np
import pytest
from network_toys import at
from test_updates import Case

from cagan_theano.compat import aesara
from cagan_theano.method.losses import losses_of_D, losses_of_G
from cagan_theano.method.minibatch import Batch

COMPANIES = {
    "likely": dict(copies_mode="append", g_kernel=4, phases="start", d_head_stride=2,
                   mismatch="apart", dropout=0.3, weight_decay=1e-4, augmentation="mirror+crop", mask="prior",
                   adversarial="literal", field="sum", alpha_norm="tv", cycle_norm="l2", adam="theano"),
    "section 4": dict(article_code=8, gamma_texture=1.0, texture_input=True, copies_g="none", copies_d=False,
                      activation="leaky", norm_affine=False, d_kernel=5, d_widths=(8,) * 3, mask="overwrite"),
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


def loop_batch(photos, draw):
    """The minibatch as float32 arrays [N, C, H, W]: pictures in [-1, 1], masks in [0, 1]."""

    def images(source, rows):
        stack = np.stack([augmented(source[row], draw.mirror[n], n, draw) for n, row in enumerate(rows)])
        return (stack.transpose(0, 3, 1, 2) / 255).astype(np.float32)

    pairs = (photos.x, draw.i), (photos.y, draw.i), (photos.y, draw.j), (photos.y, draw.k)
    m_i = images(photos.mask[:][..., None], draw.i)
    return Batch(*(2 * images(*pair) - 1 for pair in pairs), m_i, seeds=draw.seeds)


def losses_of(case, arrays, backend):
    """The losses of case's networks, as they stand, on a minibatch of arrays."""
    batch = Batch(*(None if a is None else at.TensorType(str(a.dtype), a.shape)() for a in arrays))
    named = {}
    for losses in (losses_of_D, losses_of_G):
        named |= losses(case.networks, batch, case.config)
    inputs = [v for v in batch if v is not None]
    function = aesara.function(inputs, list(named.values()), mode=backend.mode,
                               on_unused_input="ignore")  # fmt: skip
    return dict(zip(named, map(float, function(*(a for a in arrays if a is not None)))))


@pytest.mark.slow
@pytest.mark.parametrize("company", COMPANIES)
def test_compiled_updates_of_every_reading(company, tiny_photos, jax_backend):
    case = Case(tiny_photos, jax_backend, **COMPANIES[company])
    draw = case.sampler.draw()
    expected = losses_of(case, loop_batch(tiny_photos, draw), jax_backend)
    found = case.functions.update_G(draw)
    moved = case.values()
    case.reset()
    found |= case.functions.update_D(draw)
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert value == pytest.approx(expected[name], rel=1e-4, abs=1e-6), name
    for name, value in case.values().items():
        after = moved[name] if name.startswith("G/") else value
        assert np.isfinite(after).all()
        assert (after != case.start[name]).any(), name
