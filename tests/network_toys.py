"""Small networks and symbolic graphs, and what layers are compared with, in plain NumPy."""

import numpy as np
from numpy_cagan import Node, half

from cagan_theano.compat import aesara
from cagan_theano.config import Config

at = aesara.tensor


def small_config(**changes):
    """The smallest network that has copies and learned channels in every layer."""
    small = dict(height=32, width=32, g_widths=(8, 8, 10, 12), d_widths=(8, 8, 10, 12),
                 g_kernel=3, batch_size=2)  # fmt: skip
    return Config(**{**small, **changes})


def random_images(*shape, seed=0):
    """float32 values in [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def evaluate(build, *arrays, mode="FAST_COMPILE"):
    """The values of build(*symbolic inputs) on arrays, whose fixed sizes the inputs state."""
    inputs = [at.TensorType(str(a.dtype), a.shape)() for a in arrays]
    function = aesara.function(inputs, build(*inputs), mode=mode, on_unused_input="ignore")
    return function(*arrays)


def points(*shapes, low=-1.0, high=1.0, seed=0):
    """float64 arrays; none lies within 1e-3 of 0, where |x| and ReLU have no derivative."""
    rng = np.random.default_rng(seed)
    arrays = [rng.uniform(low, high, shape) for shape in shapes]
    return [np.where(np.abs(a) < 1e-3, 0.01, a) for a in arrays]


def verify(function, *arrays, mode="FAST_COMPILE"):
    """Fail when a gradient of function(*symbolic arrays) is not the numerical one."""
    aesara.gradient.verify_grad(function, list(arrays), rng=np.random.RandomState(0), mode=mode)


def pool(x):
    """Average of every 2x2 block."""
    return half(Node(x.astype(float))).value


def loop_adam(theta, gradients, config):
    """Algorithm 1 of Kingma and Ba, or the Theano codes' reading of it, a step at a time.

    Returns theta, m and v after a step along each gradient, in float64.
    """
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = config.beta1 * m + (1 - config.beta1) * g
        v = config.beta2 * v + (1 - config.beta2) * g * g
        m_hat, v_hat = m / (1 - config.beta1**t), v / (1 - config.beta2**t)
        if config.adam == "algorithm1":
            theta = theta - config.learning_rate * m_hat / (np.sqrt(v_hat) + config.epsilon)
        else:
            rate = config.learning_rate * np.sqrt(1 - config.beta2**t) / (1 - config.beta1**t)
            theta = theta - rate * m / (np.sqrt(v) + config.epsilon)
    return theta, m, v
