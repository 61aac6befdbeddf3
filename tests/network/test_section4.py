"""What section 4 plans, as options of ours: a code of the articles and textures, against loops."""

import numpy as np
import pytest
from network_toys import evaluate, points, random_images, small_config, verify
from numpy_cagan import correlate
from test_gradients import float64  # noqa: F401

from cagan_theano.method.ours import texture_loss
from cagan_theano.network.encoder import EncoderLayer
from cagan_theano.network.layers import Parameters
from cagan_theano.network.networks import build_networks
from cagan_theano.network.section4.articles import ArticleEncoder
from cagan_theano.network.section4.texture import descriptors, gabor_filters


def parameters(dtype="float32"):
    return Parameters(np.random.default_rng(0), 0.3, dtype)


@pytest.fixture
def outputs(jax_backend):
    """A function: networks -> x_ij and logits, for the same three images."""
    images = [random_images(2, 3, 32, 32, seed=seed) for seed in range(3)]
    return lambda networks: evaluate(
        lambda x, y, z: [networks.G(x, y, z).x_ij, networks.D(x, y)], *images, mode=jax_backend.mode
    )


def loop_code(y, values, kernel):
    """The code of articles: four convolutions of stride 2 with ReLU, then the mean of each channel."""
    for n in range(1, 5):
        W, b = values[f"article{n}.W"], values[f"article{n}.b"]
        y = np.maximum(correlate(y, W, 2, kernel // 2) + b[:, None, None], 0)
    return y.mean(axis=(2, 3))


def test_the_code_is_the_loop_and_knows_colors(jax_backend):
    config, params = small_config(article_code=8), parameters()
    encoder, y = ArticleEncoder(params, config, 3), random_images(2, 3, 32, 16)
    for name, variable in params.items():
        if name.endswith(".b"):
            variable.set_value(np.float32(0.1) + variable.get_value())
    assert [params.shapes[f"article{n}.W"][0] for n in range(1, 5)] == [1, 2, 4, 8]
    other = y[::-1].copy()
    found = evaluate(lambda *articles: encoder(*articles), y, other, mode=jax_backend.mode)
    values = {name: v.get_value() for name, v in params.items()}
    expected = np.concatenate([loop_code(y, values, 3), loop_code(other, values, 3)], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    flat = np.ones((2, 3, 32, 16), np.float32) * np.float32([[-0.5], [0.5]])[..., None, None]
    dark, light = evaluate(encoder, flat, mode=jax_backend.mode)
    assert np.abs(dark - light).max() > 1e-3


@pytest.mark.parametrize("activation, slope", [("relu", 0.0), ("leaky", 0.2)])
def test_a_coded_layer_is_the_loop(activation, slope, jax_backend):
    config, params = small_config(activation=activation), parameters()
    layer = EncoderLayer(params, "l", config, 5, 10, 3, norm=True, copied=False, coded=8)
    h, code = random_images(2, 5, 8, 6), random_images(2, 8, seed=1)
    found = evaluate(lambda h, c: layer(h, (5, 8, 6), code=c), h, code, mode=jax_backend.mode)
    values = {name: v.get_value().astype(float) for name, v in params.items()}
    z = correlate(h, values["l.W"], 2, 1)
    z = (z - z.mean((2, 3), keepdims=True)) / np.sqrt(z.var((2, 3), keepdims=True) + config.norm_epsilon)
    z = z * values["l.gain"][:, None, None] + values["l.shift"][:, None, None]
    for n in range(2):
        for k in range(10):
            gain, shift = (sum(values["l.code"][row] * code[n]) for row in (k, 10 + k))
            z[n, k] = (1 + gain) * z[n, k] + shift
    np.testing.assert_allclose(found, np.where(z > 0, z, slope * z), rtol=1e-4, atol=1e-5)


def test_gradients_through_the_code(float64):  # noqa: F811
    params, config = parameters("float64"), small_config(article_code=8, activation="leaky")
    layer = EncoderLayer(params, "l", config, 2, 7, 3, norm=True, copied=False, coded=8)
    encoder = ArticleEncoder(params, config, 3)
    h, y = points((1, 2, 4, 4), (1, 3, 16, 16))
    verify(lambda h, y: layer(h, (2, 4, 4), code=encoder(y)), h, y, mode=float64)


def waves(angle, wavelength=4.0, size=(32, 24), phase=0.3):
    """Stripes [H, W] in [-0.5, 0.5] across an angle."""
    y, x = np.mgrid[: size[0], : size[1]]
    return 0.5 * np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / wavelength + phase)


def test_filters_are_blind_to_levels_and_find_orientations():
    bank = gabor_filters()
    assert bank.shape == (4, 2, 7, 7)
    np.testing.assert_allclose(bank.sum(axis=(2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose((bank**2).sum(axis=(2, 3)), 1)
    for n in range(4):
        stripes = waves(np.pi * n / 4)[None, None]
        responses = correlate(stripes, bank.reshape(8, 1, 7, 7), 1, 0)[0].reshape(4, 2, -1)
        energies = (responses**2).sum(axis=1)  # of all phases alike
        assert energies.mean(axis=1).argmax() == n
        assert energies[n].std() < 0.05 * energies[n].mean()


def loop_texture_loss(x_ij, alpha, y_j):
    """L_texture, a filter's place at a time."""
    bank, losses = gabor_filters(), []
    for x, a, y in zip(x_ij.astype(float), alpha, y_j.astype(float)):
        covered, garment = a[0] > 0.5, (y < 225 / 127.5 - 1).any(axis=0)
        for scale in (1, 2):
            textures = []
            for image, mask in ((x, covered), (y, garment)):
                height, width = mask.shape[0] // scale, mask.shape[1] // scale
                blocks = image.reshape(3, height, scale, width, scale).mean(axis=(2, 4))
                energies = []
                for r, c in np.ndindex(height - 6, width - 6):
                    rows, columns = slice(scale * r, scale * (r + 7)), slice(scale * c, scale * (c + 7))
                    if mask[rows, columns].all():
                        patch = blocks[:, r : r + 7, c : c + 7]
                        energies.append([[sum((patch[k] * f).sum() ** 2 for f in pair) for pair in bank]
                                         for k in range(3)])  # fmt: skip
                textures.append(np.sqrt(np.mean(energies, axis=0) + 1e-4) if energies else None)
            known = all(t is not None for t in textures)
            losses.append(np.abs(textures[0] - textures[1]).mean() if known else 0.0)
    return np.mean(losses)


def swapped():
    """x_ij, alpha, y_j of two swaps: the second alpha is too small for a filter."""
    x_ij, y_j = random_images(2, 3, 32, 24), np.ones((2, 3, 32, 24), np.float32)
    y_j[:, :, 4:30, 2:22] = 0.6 * random_images(2, 3, 26, 20, seed=1)
    alpha = np.full((2, 1, 32, 24), 0.4)
    alpha[0, :, 3:29, 1:20], alpha[1, :, 10:16, 3:20] = 0.6, 1.0
    return [a.astype(np.float32) for a in (x_ij, alpha, y_j)]


def test_texture_is_the_loop(jax_backend):
    arrays = swapped()
    loss = lambda x, a, y: texture_loss(x, a, y, (3, 32, 24))  # noqa: E731
    found = evaluate(loss, *arrays, mode=jax_backend.mode)
    assert found == pytest.approx(loop_texture_loss(*arrays), rel=1e-4) and found > 0.01
    for other in ({0: arrays[0] * 0}, {1: arrays[1] * 0}, {2: arrays[2] * 0 + 1}):
        changed = [other.get(n, a) for n, a in enumerate(arrays)]
        expected = loop_texture_loss(*changed)
        found = evaluate(loss, *changed, mode=jax_backend.mode)
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-7)
        assert (expected == 0) == (0 not in other)  # without a region there is nothing to compare


def loop_descriptors(y):
    """The descriptors [N, 8, H, W] of articles, a pixel at a time."""
    bank, (n, _, height, width) = gabor_filters(), y.shape
    made = np.empty((n, 8, height, width))
    for scale, first in ((1, 0), (2, 4)):
        gray = y.astype(float).mean(axis=1).reshape(n, height // scale, scale, width // scale, scale)
        white = np.pad(gray.mean(axis=(2, 4)), ((0, 0), (3, 3), (3, 3)), constant_values=1.0)
        for k, r, c in np.ndindex(n, height, width):
            patch = white[k, r // scale : r // scale + 7, c // scale : c // scale + 7]
            for o, pair in enumerate(bank):
                made[k, first + o, r, c] = np.sqrt(sum((patch * f).sum() ** 2 for f in pair) + 1e-4)
    return made


def test_descriptors_are_the_loop(jax_backend):
    y = random_images(2, 3, 16, 12)
    found = evaluate(lambda y: descriptors(y, (3, 16, 12)), y, mode=jax_backend.mode)
    np.testing.assert_allclose(found, loop_descriptors(y), rtol=1e-4, atol=1e-5)
    white = evaluate(lambda y: descriptors(y, (3, 16, 12)), np.ones_like(y), mode=jax_backend.mode)
    np.testing.assert_allclose(white, 0.01, atol=1e-5)  # no edges at the border of a white ground


@pytest.mark.parametrize("option, maps", [(dict(article_code=8), 0), (dict(texture_input=True), 8)])
def test_with_weights_of_0_the_code_and_the_descriptors_change_nothing(option, maps, outputs):
    """Else each article's count, x's do not."""
    extended = build_networks(small_config(**option, init_std=0.2))
    plain = build_networks(small_config())
    moved = outputs(extended)
    for one, other, inputs in zip(plain, extended, (9, 6)):
        for name, variable in other.params.items():
            value = variable.get_value()
            if name.endswith(".code"):
                value[:] = 0
            elif name in ("encoder1.W", "layer1.W"):
                assert value.shape[1] == inputs + maps * (inputs // 3 - 1)
                value[:, inputs:] = 0
            variable.set_value(value)
            if name in one.params:
                shape = one.params[name].get_value().shape
                one.params[name].set_value(value[tuple(map(slice, shape))])
    for still, before, value in zip(outputs(extended), moved, outputs(plain)):
        np.testing.assert_allclose(still, value, atol=1e-5)
        assert np.abs(before - value).max() > 1e-3


@pytest.mark.slow
def test_gradients_of_texture(float64):  # noqa: F811
    x_ij, y_j = points((1, 3, 16, 16), (1, 3, 16, 16))
    alpha, y_j = np.ones((1, 1, 16, 16)), np.minimum(y_j, 0.7)
    verify(lambda x: texture_loss(x, alpha, y_j, (3, 16, 16)), x_ij, mode=float64)
