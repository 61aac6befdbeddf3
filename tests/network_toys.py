"""Plain numpy loops for layers and losses, and small symbolic graphs run under JAX."""

import numpy as np

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


def padded(x, pad):
    """Zeros around the last two axes."""
    return np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad, pad), (pad, pad)))


def loop_convolution(x, W, stride, pad):
    """Cross-correlation [N, C, H, W] with [K, C, k, k], one output pixel at a time, in float64."""
    k, x = W.shape[2], padded(x, pad)
    height, width = ((side - k) // stride + 1 for side in x.shape[2:])
    y = np.zeros((len(x), len(W), height, width))
    for r in range(height):
        for c in range(width):
            patch = x[:, :, r * stride : r * stride + k, c * stride : c * stride + k]
            y[:, :, r, c] = np.einsum("ncij,kcij->nk", patch, W)
    return y


def loop_deconvolution(g, W, stride, pad, size):
    """The transpose of `loop_convolution`: every input pixel stamps its kernel on the output."""
    k = W.shape[2]
    y = np.zeros((len(g), W.shape[1], size[0] + 2 * pad + stride, size[1] + 2 * pad + stride))
    for r in range(g.shape[2]):
        for c in range(g.shape[3]):
            stamp = np.einsum("nk,kcij->ncij", g[:, :, r, c].astype(np.float64), W)
            y[:, :, r * stride : r * stride + k, c * stride : c * stride + k] += stamp
    return y[:, :, pad : pad + size[0], pad : pad + size[1]]


def loop_weight_gradient(x, g, stride, pad, k):
    """d sum(g * convolution(x, W)) / dW, one output pixel at a time."""
    x = padded(x, pad)
    dW = np.zeros((g.shape[1], x.shape[1], k, k))
    for r in range(g.shape[2]):
        for c in range(g.shape[3]):
            patch = x[:, :, r * stride : r * stride + k, c * stride : c * stride + k]
            dW += np.einsum("ncij,nk->kcij", patch, g[:, :, r, c])
    return dW


def loop_pool(x):
    """Average of every 2x2 block."""
    y = np.zeros((*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2))
    for r in range(y.shape[2]):
        for c in range(y.shape[3]):
            y[:, :, r, c] = x[:, :, 2 * r : 2 * r + 2, 2 * c : 2 * c + 2].mean(axis=(2, 3))
    return y


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
