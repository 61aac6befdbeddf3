"""Layers against plain numpy loops; sizes and the receptive field of Figure 3; G's outputs."""

import numpy as np
import pytest
from network_toys import at, evaluate, pool, random_images, small_config
from numpy_cagan import correlate, spread
from scipy.signal import convolve2d

from cagan_theano.compat import aesara
from cagan_theano.config import Config
from cagan_theano.network import layers
from cagan_theano.network.discriminator import Discriminator
from cagan_theano.network.encoder import EncoderLayer
from cagan_theano.network.generator import DecoderLayer, Generator
from cagan_theano.network.networks import build_networks

FIGURE_3_ENCODER = [(64, 64, 48), (128, 32, 24), (256, 16, 12), (512, 8, 6)]
FIGURE_3_DECODER = [(512, 16, 12), (256, 32, 24), (128, 64, 48), (4, 128, 96)]


def parameters(seed=0, std=0.5):
    return layers.Parameters(np.random.default_rng(seed), std)


def sizes(network, height=128, width=96):
    return [shape for _, shape in network.shapes(height, width)]


def test_sizes_are_those_of_figure_3():
    G, D = build_networks(Config())
    assert sizes(G) == [(9, 128, 96), *FIGURE_3_ENCODER, *FIGURE_3_DECODER]
    assert sizes(D) == [(6, 128, 96), *FIGURE_3_ENCODER, (1, 8, 6)]
    assert sizes(build_networks(Config(d_head_stride=2)).D)[-1] == (1, 4, 3)


@pytest.mark.parametrize("kernel, size", [(4, (32, 32)), (5, (48, 32))])
def test_stated_sizes_are_the_computed_ones(kernel, size, jax_backend):
    config = small_config(height=size[0], width=size[1], g_kernel=kernel)
    G = Generator(config, np.random.default_rng(0))
    image = random_images(2, 3, *size)
    (output,) = evaluate(lambda *xs: [G.channels(*xs)], image, image, image, mode=jax_backend.mode)
    assert output.shape[1:] == sizes(G, *size)[-1]


def record(monkeypatch, layer):
    """A list that fills with the symbolic outputs of every layer of a class as it is called."""
    boxes, call = [], layer.__call__

    def recorded(self, *args):
        boxes.append(call(self, *args))
        return boxes[-1]

    monkeypatch.setattr(layer, "__call__", recorded)
    return boxes


def test_wrong_sizes_are_refused():
    convolution = layers.Convolution(parameters(), "a", 3, 4, 3)
    with pytest.raises(ValueError, match="expects 3 channels, got 5"):
        convolution.output_shape((5, 8, 8))
    with pytest.raises(ValueError, match="twice"):
        same = parameters()
        same.zeros("b", (1,)), same.zeros("b", (1,))


def field_of(D, image, logit, mode, monkeypatch):
    """How far each pixel's change moves a logit (row, column), of 1 at most, without instance norms.

    Their mean and variance make every logit see the whole picture, a little.  Weights are made
    positive, so that no two paths cancel and no ReLU closes.
    """
    plain = lambda self, x, shape, activation: activation(x)  # noqa: E731
    monkeypatch.setattr(layers.InstanceNorm, "__call__", plain)
    for theta in D.params.values():
        theta.set_value(np.abs(theta.get_value()) + np.float32(0.01))
    build = lambda x, y: aesara.grad(D(x, y)[0, 0, *logit], x)  # noqa: E731
    moved = np.abs(evaluate(build, image, image, mode=mode)[0]).sum(axis=0)
    return moved / moved.max()


@pytest.mark.parametrize("kernel, layers_of_D, stride, side", [
    (3, 4, 1, 63), (3, 4, 2, 63), (5, 4, 1, 61), (3, 3, 1, 31),
])  # fmt: skip
def test_one_logit_sees_a_square_of_this_side(kernel, layers_of_D, stride, side, jax_backend, monkeypatch):
    """Measured: the pixels whose change moves a logit in the middle, copies of the inputs included."""
    config = Config(d_kernel=kernel, d_widths=(8,) * layers_of_D, d_head_stride=stride)
    D = Discriminator(config, np.random.default_rng(0))
    assert D.receptive_field() == side
    image = np.abs(random_images(1, 3, 6 * 2**layers_of_D, 5 * 2**layers_of_D))
    moved = field_of(D, image, (4 // stride, 3 // stride), jax_backend.mode, monkeypatch)
    rows, columns = np.nonzero(moved)
    assert np.ptp(rows) + 1 == np.ptp(columns) + 1 == side
    assert len(rows) == side * side  # a full square, without holes


def test_the_field_at_the_paper_s_width(jax_backend, monkeypatch):
    """D of Figure 3 as it is, 64 to 512 channels, where the fast convolutions do the work.

    XLA's convolutions leave exact zeros outside of 63x63 pixels, Winograd's rounding: 3.1e-8 of the
    largest, where the field's own weakest pixel has 1.4e-2.
    """
    D, image = Discriminator(Config(), np.random.default_rng(0)), np.abs(random_images(1, 3, 96, 80))
    moved = field_of(D, image, (3, 2), jax_backend.mode, monkeypatch)
    rows, columns = np.nonzero(moved > 1e-3)
    assert len(rows) == 63 * 63 and np.ptp(rows) == np.ptp(columns) == 62
    assert moved[moved <= 1e-3].max() <= 1e-6


@pytest.mark.parametrize("kernel", [3, 4, 5])
def test_convolution_is_the_loop(kernel, jax_backend):
    x, strides = random_images(2, 3, 10, 8), (1, 2)
    made = [layers.Convolution(parameters(), "c", 3, 4, kernel, stride, bias=True) for stride in strides]
    for layer in made:
        layer.b.set_value(random_images(4, seed=1))
    found = evaluate(lambda x: [layer(x, (3, 10, 8)) for layer in made], x, mode=jax_backend.mode)
    for y, layer, stride in zip(found, made, strides):
        expected = correlate(x, layer.W.get_value(), stride, (kernel - 1) // 2)
        expected += layer.b.get_value()[:, None, None]
        assert y.shape[1:] == layer.output_shape((3, 10, 8)) == expected.shape[1:]
        np.testing.assert_allclose(y, expected, atol=2e-5)


@pytest.mark.parametrize("kernel", [3, 4, 5])
def test_deconvolution_is_the_transposed_loop(kernel, jax_backend):
    layer = layers.Deconvolution(parameters(), "d", 3, 4, kernel, bias=True)
    layer.b.set_value(random_images(4, seed=1))
    x = random_images(2, 3, 5, 4)
    y = evaluate(lambda x: layer(x, (3, 5, 4)), x, mode=jax_backend.mode)
    expected = spread(x, layer.W.get_value(), 2, (kernel - 1) // 2, (10, 8))
    expected += layer.b.get_value()[:, None, None]
    assert y.shape[1:] == layer.output_shape((3, 5, 4))
    np.testing.assert_allclose(y, expected, atol=2e-5)


@pytest.mark.parametrize("kernel", [3, 4, 5])
def test_a_tied_deconvolution_repeats_pixels_and_convolves(kernel, jax_backend):
    layer = layers.Deconvolution(parameters(), "d", 3, 4, kernel, phases="tied")
    x, W = random_images(2, 3, 5, 4), layer.W.get_value()
    assert W.shape == (3, 4, kernel - 1, kernel - 1)
    y = evaluate(lambda x: layer(x, (3, 5, 4)), x, mode=jax_backend.mode)
    start = (kernel - 1) // 2
    for n in range(2):
        for k in range(4):
            full = sum(convolve2d(x[n, c].repeat(2, 0).repeat(2, 1), W[c, k] / 2) for c in range(3))
            np.testing.assert_allclose(y[n, k], full[start : start + 10, start : start + 8], atol=2e-5)


@pytest.mark.parametrize("affine", [True, False])
def test_instance_norm_is_the_loop(affine):
    registered = parameters()
    layer = layers.InstanceNorm(registered, "n", 4, 1e-5, affine)
    assert list(registered) == (["n.gain", "n.shift"] if affine else [])
    gain, shift = np.ones(4), np.zeros(4)
    if affine:
        layer.shift.set_value(random_images(4, seed=2))
        gain, shift = layer.gain.get_value(), layer.shift.get_value()
    x = random_images(2, 4, 6, 5)
    y = evaluate(lambda x: layer(x, (4, 6, 5)), x)
    for n in range(2):
        for c in range(4):
            plane = x[n, c].astype(np.float64)
            normal = (plane - plane.mean()) / np.sqrt(plane.var() + 1e-5)
            np.testing.assert_allclose(y[n, c], normal * gain[c] + shift[c], atol=1e-5)


def test_instance_norm_keeps_its_digits_beside_a_large_mean():
    layer = layers.InstanceNorm(parameters(), "n", 1, 1e-5, affine=False)
    x = random_images(1, 1, 16, 16) + np.float32(1000)
    y = evaluate(lambda x: layer(x, (1, 16, 16)), x)
    exact = x.astype(np.float64) - x.astype(np.float64).mean()
    np.testing.assert_allclose(y, exact / exact.std(), atol=1e-3)


def test_activations():
    x = np.array([-2, -0.5, 0, 3], np.float32)
    assert evaluate(layers.relu, x).tolist() == [0, 0, 0, 3]
    np.testing.assert_allclose(evaluate(layers.leaky_relu, x), [-0.4, -0.1, 0, 3], rtol=1e-6)


def test_copies_are_averages_of_x_and_y():
    x, y = random_images(2, 3, 32, 16), random_images(2, 3, 32, 16, seed=1)
    pyramid = evaluate(lambda x, y: layers.copies(x, y, (6, 32, 16), 4), x, y)
    expected = np.concatenate([x, y], axis=1)
    for level in pyramid:
        expected = pool(expected)
        np.testing.assert_allclose(level, expected, atol=1e-6)


@pytest.mark.parametrize("copied, mode", [("y_i", "replace"), ("y_j", "append"), ("none", "append")])
def test_last_channels_of_G_s_boxes_are_the_pooled_inputs(copied, mode, jax_backend, monkeypatch):
    config = small_config(copies_g=copied, copies_mode=mode)
    boxes = record(monkeypatch, EncoderLayer)
    G = Generator(config, np.random.default_rng(0))
    x_i, y_i, y_j = (random_images(2, 3, 32, 32, seed=n) for n in range(3))
    found = evaluate(lambda *xs: [G.channels(*xs), *boxes], x_i, y_i, y_j, mode=jax_backend.mode)
    more = 6 if mode == "append" and copied != "none" else 0
    pooled = np.concatenate([x_i, y_j if copied == "y_j" else y_i], axis=1)
    for box, width in zip(found[1:], config.g_widths):
        pooled = pool(pooled)
        assert box.shape[1] == width + more
        same = np.allclose(box[:, -6:], pooled, atol=1e-5)
        assert same == (copied != "none")


@pytest.mark.parametrize("copied", [True, False])
def test_last_channels_of_D_s_boxes_are_the_pooled_inputs(copied, jax_backend, monkeypatch):
    boxes = record(monkeypatch, EncoderLayer)
    D = Discriminator(small_config(copies_d=copied), np.random.default_rng(0))
    x, y = random_images(2, 3, 32, 32), random_images(2, 3, 32, 32, seed=1)
    found = evaluate(lambda x, y: [D(x, y), *boxes], x, y, mode=jax_backend.mode)
    pooled = np.concatenate([x, y], axis=1)
    for box in found[1:]:
        pooled = pool(pooled)
        assert np.allclose(box[:, -6:], pooled, atol=1e-5) == copied


def test_norms_stand_everywhere_but_first_and_last():
    G, D = build_networks(small_config())
    for network, first, last in ((G, "encoder1", "output"), (D, "layer1", "head")):
        owners = {name.split(".")[0] for name in network.params}
        normed = {name.split(".")[0] for name in network.params if name.endswith(".gain")}
        assert normed == owners - {first, last}
        biased = {name.split(".")[0] for name in network.params if name.endswith(".b")}
        assert biased == {first, last}


def test_a_seed_gives_its_weights():
    one, same, other = (build_networks(small_config(), seed) for seed in (1, 1, 2))
    W = [n.G.params["encoder2.W"].get_value() for n in (one, same, other)]
    assert np.array_equal(W[0], W[1]) and not np.array_equal(W[0], W[2])
    big = build_networks(Config()).G.params["encoder3.W"].get_value()
    assert abs(big.std() - 0.02) < 1e-3 and abs(big.mean()) < 1e-3


def test_deconvolutions_with_equal_phases_make_flat_images_of_flat_ones(jax_backend):
    """Away from the edges, which the padding changes; normal initial weights make a lattice."""
    cases = ("start", 4, True), ("tied", 4, True), ("tied", 5, True), ("free", 4, False)
    for phases, kernel, flat in cases:
        layer = layers.Deconvolution(parameters(), "d", 3, 4, kernel, phases=phases)
        y = evaluate(
            lambda x, f=layer: f(x, (3, 6, 5)), np.ones((1, 3, 6, 5), np.float32), mode=jax_backend.mode
        )
        inside = y[..., 2:-2, 2:-2]
        assert (np.ptp(inside, axis=(2, 3)) < 1e-5).all() == flat
        assert inside.std(axis=1).min() > 0.1  # the numbers of a kernel and the channels still differ
    G = build_networks(small_config(g_kernel=4, phases="start"), 0).G
    for name, theta in G.params.items():
        if name.endswith(".W"):
            W = theta.get_value()
            equal = np.array_equal(W[..., ::2, :], W[..., 1::2, :])
            assert equal == name.startswith(("decoder", "output"))
            assert abs(W.std() - 0.02) < 0.003


def test_dropout_keeps_what_the_hash_of_seed_and_place_says():
    def lowbias32(x):
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
            x = (x ^ x >> shift) * factor % 2**32
        return x

    seeds, shape, rate = np.array([0, 1, 2**32 - 1], np.uint32), (4, 6, 5), 0.25
    found = evaluate(lambda s: layers.sample_kept(s, shape, rate), seeds)
    expected = [
        [lowbias32(lowbias32(int(seed)) ^ place) >= rate * 2**32 for place in range(120)] for seed in seeds
    ]
    np.testing.assert_allclose(found.reshape(3, -1), np.array(expected) / 0.75, rtol=1e-6)
    many = evaluate(lambda s: layers.sample_kept(s, (64, 16, 12), rate), seeds[:2]) > 0
    assert abs(many.mean() - 0.75) < 0.01  # 3 deviations
    assert abs((many[0] == many[1]).mean() - (0.75**2 + 0.25**2)) < 0.015


def test_dropout_follows_the_norm_of_each_decoder_layer_in_training_alone(jax_backend, monkeypatch):
    boxes = record(monkeypatch, DecoderLayer)
    G = Generator(small_config(dropout=0.5), np.random.default_rng(0))
    images, seeds = [random_images(2, 3, 32, 32, seed=n) for n in range(3)], np.array([7, 8], np.uint32)
    mode = jax_backend.mode
    dropped = evaluate(lambda *given: [G.channels(*given), *boxes], *images, seeds, mode=mode)
    again = evaluate(lambda *given: G.channels(*given), *images, seeds, mode=mode)
    assert np.array_equal(dropped[0], again)
    boxes.clear()
    whole = evaluate(lambda *given: [G.channels(*given), *boxes], *images, mode=mode)
    for n, width in enumerate((10, 8, 8)):
        one, other = dropped[n + 1][:, :width], whole[n + 1][:, :width]
        mask = evaluate(lambda s, d=one.shape[1:], n=n: layers.sample_kept(s + np.uint32(n), d, 0.5), seeds)
        assert not one[mask == 0].any() and other[mask == 0].any()
        if n == 0:  # the next layers' inputs differ
            np.testing.assert_allclose(one, other * mask, atol=1e-6)


def test_x_ij_is_matted_from_x_tilde_and_x_i(jax_backend):
    G, mode = Generator(small_config(init_std=0.3), np.random.default_rng(0)), jax_backend.mode
    images = [random_images(2, 3, 32, 32, seed=n) for n in range(3)]
    alpha, x_tilde_ij, x_ij = evaluate(lambda *xs: list(G(*xs)), *images, mode=mode)
    assert alpha.shape == (2, 1, 32, 32) and x_tilde_ij.shape == x_ij.shape == (2, 3, 32, 32)
    assert 0.01 < alpha.std() and alpha.min() >= 0 and alpha.max() <= 1
    np.testing.assert_allclose(x_ij, alpha * x_tilde_ij + (1 - alpha) * images[0], atol=1e-6)
    channels = evaluate(lambda *xs: G.channels(*xs), *images, mode=mode)
    np.testing.assert_allclose(alpha[:, 0], 1 / (1 + np.exp(-channels[:, 0])), atol=1e-5)
    np.testing.assert_allclose(x_tilde_ij, np.tanh(channels[:, 1:]), atol=1e-5)


@pytest.mark.parametrize("use", ["overwrite", "prior"])
def test_a_given_mask(use, jax_backend):
    G = Generator(small_config(mask=use, mask_prior=0.9), np.random.default_rng(0))
    images = [random_images(2, 3, 32, 32, seed=n) for n in range(3)]
    m_i = (random_images(2, 1, 32, 32) > 0).astype(np.float32)
    alpha, channels = evaluate(
        lambda x, y, z, m: [G(x, y, z, m).alpha, G.channels(x, y, z)],
        *images, m_i, mode=jax_backend.mode,
    )  # fmt: skip
    if use == "overwrite":
        assert np.array_equal(alpha, m_i)
        return
    # Bayes: odds = prior odds (9, or 1/9 outside the mask) times the network's
    odds = np.exp(channels[:, :1].astype(np.float64)) * np.where(m_i > 0, 9, 1 / 9)
    np.testing.assert_allclose(alpha, odds / (1 + odds), atol=1e-5)


def test_a_mask_is_asked_for():
    G = Generator(small_config(mask="prior"), np.random.default_rng(0))
    image = at.TensorType("float32", (None, 3, 32, 32))
    with pytest.raises(ValueError, match="needs a segmentation mask"):
        G(image("x"), image("y"), image("z"))
