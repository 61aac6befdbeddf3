"""Readings in company: compiled updates on resident photos against minibatches made by loops."""

import numpy as np
import pytest
from network_toys import at, evaluate, small_config
from test_updates import GARMENTS, Case

from cagan_theano.compat import aesara
from cagan_theano.method.minibatch import Batch
from cagan_theano.method.updates import losses_of_D, losses_of_G
from cagan_theano.training.sampler import Sampler

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
    "enlarged": dict(crop_margin=0.15625, mask="prior", augmentation="mirror+crop", mirror="apart",
                     d_noise=0.05, mismatch="apart"),
    "section 4": dict(article_code=8, gamma_texture=1.0, texture_input=True, augmentation="mirror",
                      mismatch="apart"),
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


def enlarged(picture, size):
    """A picture [H, W, C] at another size (H, W): each new pixel's center between four old ones."""
    made = np.empty((*size, picture.shape[2]))
    edge = np.pad(picture.astype(float), ((1, 1), (1, 1), (0, 0)), "edge")
    for r, c in np.ndindex(*size):
        v, u = ((k + 0.5) * old / new + 0.5 for k, old, new in zip((r, c), picture.shape, size))
        a, b = int(v), int(u)  # v, u: places in the picture with its edge
        parts = edge[a : a + 2, b : b + 2] * np.outer([a + 1 - v, v - a], [b + 1 - u, u - b])[..., None]
        made[r, c] = parts.sum(axis=(0, 1))
    return made


def loop_batch(photos, draw, config):
    """The minibatch as arrays [N, C, H, W]: pictures in [-1, 1], masks in [0, 1]."""
    height, width = config.height, config.width

    def photo(picture, n):
        if not config.crop_margin:
            return picture
        size = (round(side * (1 + config.crop_margin)) for side in (height, width))
        return enlarged(picture, tuple(size))[draw.top[n] :, draw.left[n] :][:height, :width]

    def images(source, rows, flips=draw.mirror):
        pictures = [source[row] for row in rows]
        if source is not photos.y:
            pictures = [photo(picture, n) for n, picture in enumerate(pictures)]
        stack = np.stack([augmented(p, flips[n], n, draw) for n, p in enumerate(pictures)])
        return stack.transpose(0, 3, 1, 2).astype(np.float64)

    others = draw.mirror if config.mirror == "together" else draw.mirror_y
    pairs = [(photos.x, draw.i), (photos.y, draw.i), (photos.y, draw.j, others), (photos.y, draw.k, others)]
    m_i = images(photos.mask[:][..., None], draw.i) / 255
    return Batch(*(images(*pair) * 2 / 255 - 1 for pair in pairs), m_i, noise=draw.noise)


def losses_of(case, arrays, backend):
    """The losses of case's networks, as they stand, on a minibatch of arrays."""
    batch = Batch(*(None if a is None else at.TensorType("float32", a.shape)() for a in arrays))
    arrays = [a.astype(np.float32) for a in arrays if a is not None]
    found = [losses(case.networks, batch, case.config) for losses in (losses_of_D, losses_of_G)]
    named = {**found[0], **found[1]}
    inputs = [v for v in batch if v is not None]
    function = aesara.function(inputs, list(named.values()), mode=backend.mode,
                               on_unused_input="ignore")  # fmt: skip
    return dict(zip(named, map(float, function(*arrays))))


@pytest.mark.slow
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


def test_crops_start_anywhere_in_the_enlarged_photo():
    sampler = Sampler(small_config(crop_margin=0.15625, batch_size=8, height=64, width=48), range(8))
    drawn = [sampler.draw() for _ in range(60)]  # 74x56 holds 64x48 at 11x9 places
    for name, places in (("top", 11), ("left", 9)):
        assert set(np.ravel([getattr(d, name) for d in drawn])) == set(range(places))


def test_noise_is_drawn_for_every_value_and_repeats_after_a_resume():
    config = small_config(d_noise=0.05, crop_margin=0.2, batch_size=6)
    one, other = Sampler(config, GARMENTS), Sampler(config, GARMENTS)
    first = one.draw()
    assert first.noise.shape == (6, 4, 6, 32, 32) and first.noise.dtype == np.float32
    assert abs(first.noise.mean()) < 1e-3 and first.noise.std() == pytest.approx(0.05, rel=0.01)
    assert len(np.unique(first.noise)) > 0.9 * first.noise.size
    other.restore(one.state())
    for _ in range(2):
        for a, b in zip(one.draw(), other.draw()):
            assert np.array_equal(a, b)
    assert (one.draw().noise != first.noise).mean() > 0.99


def softplus(x):
    return np.logaddexp(0, x.astype(np.float64))


@pytest.mark.slow
def test_D_sees_each_pair_with_its_own_noise(tiny_photos, jax_backend):
    """D, called on pairs to which numpy adds the noise, gives the losses of the compiled updates."""
    case = Case(tiny_photos, jax_backend, d_noise=0.3)
    draw = case.sampler.draw()
    x_i, y_i, y_j, *_ = (a.astype(np.float32) for a in loop_batch(tiny_photos, draw, case.config)[:4])
    mode = jax_backend.mode
    x_ij = evaluate(lambda *images: case.networks.G(*images).x_ij, x_i, y_i, y_j, mode=mode)
    pairs = (x_i, y_i), (x_ij, y_j), (x_i, y_j), (x_ij, y_j)
    noise = draw.noise
    logits = [evaluate(case.networks.D, x + noise[:, n, :3], y + noise[:, n, 3:], mode=mode)
              for n, (x, y) in enumerate(pairs)]  # fmt: skip
    expected = [softplus(sign * z).mean() for sign, z in zip((-1, 1, 1, -1), logits)]
    names = ("adv_D_real", "adv_D_fake", "adv_D_mismatch", "adv_G")
    found = case.functions.update_G(draw)
    case.reset()
    found |= case.functions.update_D(draw)
    np.testing.assert_allclose([found[name] for name in names], expected, rtol=1e-4)
    assert abs(expected[1] - softplus(-logits[3]).mean()) > 1e-4  # another sign, another noise
    case.reset()
    joined = case.functions.update(draw)  # in it, G meets the new D
    np.testing.assert_allclose([joined[name] for name in names[:3]], expected[:3], rtol=1e-4)
