"""Every gradient of the graph against finite differences in float64, at Aesara's own tolerance.

The gradients of the whole losses are held by the golden vectors (test_golden.py).
"""

import numpy as np
import pytest
from network_toys import at, points, small_config, verify

from cagan_theano.compat import aesara
from cagan_theano.method import losses
from cagan_theano.network import layers
from cagan_theano.network.section4.masks import matting


@pytest.fixture
def float64(jax_backend):
    """The mode of the JAX back end, in float64: Aesara's Python has no convolution."""
    jax = pytest.importorskip("jax")
    enable = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
    with enable(True):
        yield jax_backend.mode


def parameters():
    return layers.Parameters(np.random.default_rng(0), 0.5, "float64")


def of(layer_output, **replaced):
    """A graph with shared parameters in the place of the symbolic ones that verify_grad gives."""
    return lambda *inputs: aesara.clone_replace(
        layer_output(inputs[0]), dict(zip(replaced.values(), inputs[1:]))
    )


@pytest.mark.parametrize("kernel", [3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolution(kernel, stride, float64):
    layer = layers.Convolution(parameters(), "c", 2, 3, kernel, stride, bias=True)
    x, W, b = points((2, 2, 6, 4), (3, 2, kernel, kernel), (3,))
    verify(of(lambda x: layer(x, (2, 6, 4)), W=layer.W, b=layer.b), x, W, b, mode=float64)


@pytest.mark.parametrize("kernel", [3, 4, 5])
def test_deconvolution(kernel, float64):
    layer = layers.Deconvolution(parameters(), "d", 2, 3, kernel, bias=True)
    x, W, b = points((2, 2, 3, 2), (2, 3, kernel, kernel), (3,))
    verify(of(lambda x: layer(x, (2, 3, 2)), W=layer.W, b=layer.b), x, W, b, mode=float64)


def test_tied_deconvolution(float64):
    layer = layers.Deconvolution(parameters(), "d", 2, 3, 4, phases="tied")
    x, W = points((2, 2, 3, 2), (2, 3, 3, 3))
    verify(of(lambda x: layer(x, (2, 3, 2)), W=layer.W), x, W, mode=float64)


def test_instance_norm():
    layer = layers.InstanceNorm(parameters(), "n", 3, 1e-5)
    x, gain, shift = points((2, 3, 4, 3), (3,), (3,))
    verify(of(lambda x: layer(x, (3, 4, 3)), gain=layer.gain, shift=layer.shift), x, gain, shift)


@pytest.mark.parametrize("function", [layers.relu, layers.leaky_relu, layers.absolute])
def test_functions_with_a_kink(function):
    verify(function, *points((3, 5)))


@pytest.mark.parametrize("mask", ["none", "prior"])
def test_matting(mask):
    logit, m_i = points((2, 1, 3, 4), (2, 1, 3, 4), low=0.01, high=0.99)
    verify(lambda logit: matting(logit, at.as_tensor(m_i), small_config(mask=mask)), logit)


@pytest.mark.parametrize("adversarial", ["standard", "literal"])
@pytest.mark.parametrize("field", ["mean", "sum"])
def test_adversarial_losses(adversarial, field):
    config = small_config(adversarial=adversarial, field=field)
    logits = points(*[(2, 1, 3, 2)] * 3, low=-3, high=3)
    verify(lambda *logits: sum(losses.discriminator_loss(*logits, config)), *logits)
    verify(lambda fake: losses.adversarial_loss(fake, config), logits[1])


@pytest.mark.parametrize("norm", ["l1", "tv"])
def test_identity_loss(norm):
    (alpha,) = points((2, 1, 3, 4), low=0.01, high=0.99)
    verify(lambda alpha: losses.identity_loss(alpha, small_config(alpha_norm=norm)), alpha)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_cycle_loss(norm):
    config = small_config(cycle_norm=norm)
    verify(lambda x, c: losses.cycle_loss(x, c, config), *points((2, 3, 3, 2), (2, 3, 3, 2)))
