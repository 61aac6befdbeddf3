"""Every gradient of the graph against finite differences in float64, at Aesara's own tolerance."""

import numpy as np
import pytest
from network_toys import at, small_config

from cagan_theano import layers, losses
from cagan_theano.batches import Batch
from cagan_theano.compat import aesara
from cagan_theano.discriminator import Discriminator
from cagan_theano.functions import Networks, losses_of_D, losses_of_G
from cagan_theano.generator import Generator, matting

pytestmark = pytest.mark.both_worlds
# Aesara's own Python: neither back end takes part, nor the check that asks for one
MODE = aesara.compile.mode.get_mode("FAST_COMPILE").excluding("AbstractConvCheck")


def points(*shapes, low=-1.0, high=1.0, seed=0):
    """float64 arrays; none lies within 1e-3 of 0, where |x| and ReLU have no derivative."""
    rng = np.random.default_rng(seed)
    arrays = [rng.uniform(low, high, shape) for shape in shapes]
    return [np.where(np.abs(a) < 1e-3, 0.01, a) for a in arrays]


def verify(function, *arrays):
    """Fail when a gradient of function(*symbolic arrays) is not the numerical one."""
    aesara.gradient.verify_grad(function, list(arrays), rng=np.random.RandomState(0), mode=MODE)


def parameters():
    return layers.Parameters(np.random.default_rng(0), 0.5, "float64")


def of(layer_output, **replaced):
    """A graph with shared parameters in the place of the symbolic ones that verify_grad gives."""
    return lambda *inputs: aesara.clone_replace(
        layer_output(inputs[0]), dict(zip(replaced.values(), inputs[1:]))
    )


@pytest.mark.parametrize("kernel", [3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolution(kernel, stride):
    layer = layers.Convolution(parameters(), "c", 2, 3, kernel, stride, bias=True)
    x, W, b = points((2, 2, 6, 4), (3, 2, kernel, kernel), (3,))
    verify(of(lambda x: layer(x, (2, 6, 4)), W=layer.W, b=layer.b), x, W, b)


@pytest.mark.parametrize("kernel", [3, 4, 5])
def test_deconvolution(kernel):
    layer = layers.Deconvolution(parameters(), "d", 2, 3, kernel, bias=True)
    x, W, b = points((2, 2, 3, 2), (2, 3, kernel, kernel), (3,))
    verify(of(lambda x: layer(x, (2, 3, 2)), W=layer.W, b=layer.b), x, W, b)


def test_instance_norm():
    layer = layers.InstanceNorm(parameters(), "n", 3, 1e-5)
    x, gain, shift = points((2, 3, 4, 3), (3,), (3,))
    verify(of(lambda x: layer(x, (3, 4, 3)), gain=layer.gain, shift=layer.shift), x, gain, shift)


@pytest.mark.parametrize("function", [layers.relu, layers.leaky_relu, losses.absolute])
def test_functions_with_a_kink(function):
    verify(function, *points((3, 5)))


def test_copies_and_join():
    def graph(x, y):
        return layers.join(*(c.flatten(2) for c in layers.copies(x, y, (6, 8, 4), 2)))

    verify(graph, *points((2, 3, 8, 4), (2, 3, 8, 4)))


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


@pytest.mark.slow
@pytest.mark.parametrize("network, of_losses, names", [
    ("G", losses_of_G, ["encoder1.b", "encoder2.gain", "decoder2.shift", "output.b"]),
    ("D", losses_of_D, ["layer1.b", "layer2.gain", "layer4.shift", "head.b"]),
])  # fmt: skip
def test_the_whole_loss_of_a_network(network, of_losses, names):
    """Eq. 1 and 2 through G, the cycle, D and back, by one parameter of each kind and depth."""
    config = small_config(height=16, width=16, g_widths=(7, 7, 8, 8), d_widths=(7, 7, 8, 8),
                          init_std=0.3)  # fmt: skip
    rng = np.random.default_rng(1)
    networks = Networks(Generator(config, rng, "float64"), Discriminator(config, rng, "float64"))
    images = points(*[(2, 3, 16, 16)] * 4)
    stated = [at.specify_shape(at.as_tensor(image), (2, 3, 16, 16)) for image in images]
    loss = next(iter(of_losses(networks, Batch(*stated, None), config).values()))
    shared = [getattr(networks, network).params[name] for name in names]
    values = [variable.get_value() for variable in shared]
    verify(lambda *inputs: aesara.clone_replace([loss], dict(zip(shared, inputs)))[0], *values)
