"""Lowerings of convolutions against plain NumPy loops: the fast ones, and XLA's single operations."""

import numpy as np
import pytest
from network_toys import evaluate, random_images
from numpy_cagan import correlate, kernel_gradient, spread

from cagan_theano.compat import abstract_conv, aesara

pytest.importorskip("jax")
from cagan_theano.backends import lowering  # noqa: E402

# every pair that a layer may be; a 1x1 kernel of stride 2 would skip pixels
CASES = pytest.mark.parametrize("kernel, stride", [(1, 1), (3, 1), (4, 1), (5, 1), (3, 2), (4, 2), (5, 2)])
SIZE = (8, 12)


def make_case(kernel, stride, channels=10):
    """Images, kernels, gradients of the result, and the padding; 10 channels use the fast implementation."""
    pad = (kernel - 1) // 2
    height, width = ((side + 2 * pad - kernel) // stride + 1 for side in SIZE)
    x = random_images(2, channels, *SIZE)
    W, g = random_images(5, channels, kernel, kernel, seed=1), random_images(2, 5, height, width)
    return x, W, g, pad


def assert_both_near(operation, expected, *operands, atol):
    """By the implementation that is chosen and by XLA's single operation."""
    for reference in (False, True):
        found = getattr(lowering, operation)(*operands, reference=reference)
        np.testing.assert_allclose(np.asarray(found), expected, atol=atol, err_msg=operation)


@pytest.mark.both_environments
@CASES
@pytest.mark.parametrize("channels", [3, 10])
def test_each_operation_is_the_plain_loop(kernel, stride, channels):
    x, W, g, pad = make_case(kernel, stride, channels)
    y = np.asarray(lowering.convolve(x, W, stride, pad))
    assert y.shape == g.shape
    np.testing.assert_allclose(y, correlate(x, W, stride, pad), atol=1e-4)
    dx, dW = spread(g, W, stride, pad, SIZE), kernel_gradient(x, g, stride, pad, kernel)
    assert_both_near("deconvolve", dx, g, W, stride, pad, SIZE, atol=1e-4)
    assert_both_near("weight_gradient", dW, x, g, stride, pad, kernel, atol=2e-4)


@pytest.mark.parametrize("kernel, pad", [(4, 2), (3, 3)])
def test_weight_gradient_where_the_result_is_larger_than_the_images(kernel, pad):
    """The zeros around make it so; XLA's own way to compute this is slow."""
    height, width = (side + 2 * pad - kernel + 1 for side in SIZE)
    x, g = random_images(2, 6, *SIZE), random_images(2, 5, height, width, seed=1)
    expected = kernel_gradient(x, g, 1, pad, kernel)
    assert_both_near("weight_gradient", expected, x, g, 1, pad, kernel, atol=2e-4)


@pytest.mark.parametrize("kernel, stride", [(3, 1), (4, 2), (5, 2)])
def test_aesara_gradients_use_the_lowering(kernel, stride, jax_backend):
    """Through the whole of Aesara: its gradient of a convolution, compiled by its JAX linker."""
    x, W, g, pad = make_case(kernel, stride)
    op = abstract_conv.AbstractConv2d(
        imshp=(None, *x.shape[1:]), kshp=W.shape, border_mode=(pad, pad),
        subsample=(stride, stride), filter_flip=False,
    )  # fmt: skip

    def graph(x, W, g):
        return aesara.grad((op(x, W) * g).sum(), [x, W])

    dx, dW = evaluate(graph, x, W, g, mode=jax_backend.mode)
    np.testing.assert_allclose(dx, spread(g, W, stride, pad, SIZE), atol=1e-4)
    np.testing.assert_allclose(dW, kernel_gradient(x, g, stride, pad, kernel), atol=2e-4)


def test_an_unsupported_convolution_is_an_error(jax_backend):
    op = abstract_conv.AbstractConv2d(
        imshp=(None, 3, 8, 8), kshp=(4, 3, 3, 3), border_mode=(1, 1), filter_dilation=(2, 2),
        filter_flip=False,
    )  # fmt: skip
    with pytest.raises(NotImplementedError, match="no JAX lowering"):
        evaluate(op, random_images(1, 3, 8, 8), random_images(4, 3, 3, 3), mode=jax_backend.mode)
