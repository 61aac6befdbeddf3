"""What XLA is given for convolutions, norms and their gradients: functions of jax arrays.

Channels last (NHWC) within, since XLA's CPU convolution is fastest there.  Everything takes and
gives [N, C, H, W]; XLA removes the transposes between neighbors.

A stride-2 transposed convolution, given to XLA as it is, multiplies by the zeros that it inserts:
four times the work.  Its even and odd output rows and columns are therefore made apart, each by a
small stride-1 kernel ("sub-pixel"); the weight gradient is taken apart by the input's even and odd
rows and columns in the same way.  `reference=True` gives XLA the whole operation: the slow witness
that tests hold the fast one to.  `compiled=True`, on a CPU, lets
`cagan_theano.backends.native` do what it is faster at.
"""

import jax.numpy as jnp
from jax import lax

from cagan_theano.backends import native

NHWC = ("NHWC", "HWIO", "NHWC")
FEW_CHANNELS = 8  # below this, XLA's own transposed convolution is the faster one (measured: 4)


def nhwc(images):
    """[N, C, H, W] -> [N, H, W, C]."""
    return images.transpose(0, 2, 3, 1)


def nchw(images):
    """[N, H, W, C] -> [N, C, H, W]."""
    return images.transpose(0, 3, 1, 2)


def convolve(images, kernels, stride: int, pad: int, compiled: bool = False):
    """Cross-correlation of [N, C, H, W] with kernels [K, C, h, w]."""
    ours = compiled and single(images) and even(images)
    if ours and native.is_supported(kernels.shape, stride, pad):
        return native.convolve(images, kernels)
    y = lax.conv_general_dilated(
        nhwc(images), kernels.transpose(2, 3, 1, 0), (stride,) * 2, ((pad, pad),) * 2,
        dimension_numbers=NHWC,
    )  # fmt: skip
    return nchw(y)


def normalize(x, gain, shift, epsilon: float, slope: float, compiled: bool = False):
    """Instance norm of [N, C, H, W] and an activation; slope: that below 0 (1: no activation)."""
    if compiled and single(x):
        return native.normalize(x, gain, shift, epsilon, slope)
    _, _, z = normal(x, gain, shift, epsilon)
    return jnp.maximum(z, slope * z)


def normalize_gradient(x, gain, shift, dy, epsilon: float, slope: float, compiled: bool = False):
    """The gradients (dx, d gain, d shift) of `normalize`."""
    if compiled and single(x):
        return native.normalize_gradient(x, gain, shift, dy, epsilon, slope)
    normed, scale, z = normal(x, gain, shift, epsilon)
    g = dy if slope == 1 else dy * ((z >= 0) + slope * (z <= 0))
    aside = g.mean((2, 3), keepdims=True) + normed * (g * normed).mean((2, 3), keepdims=True)
    dx = scale * (g - aside)
    return dx, (g * normed).sum((0, 2, 3)), g.sum((0, 2, 3))


def normal(x, gain, shift, epsilon: float):
    """x of mean 0 and variance 1; the factor that took it there, times gain; all with the shift."""
    centered = x - x.mean((2, 3), keepdims=True)
    factor = 1 / jnp.sqrt(jnp.square(centered).mean((2, 3), keepdims=True) + epsilon)
    gain, shift = gain[:, None, None], shift[:, None, None]
    return centered * factor, factor * gain, centered * factor * gain + shift


def single(array) -> bool:
    """Whether an array is of single precision, the only one that the compiled functions know."""
    return array.dtype == jnp.float32


def even(images) -> bool:
    """Whether the sides of [N, C, H, W] are."""
    return not any(side % 2 for side in images.shape[2:])


def deconvolve(gradients, kernels, stride: int, pad: int, size: tuple, reference=False, compiled=False):
    """The transpose of `convolve`: [N, K, H', W'] -> [N, C, *size]."""
    whole = tuple(stride * side for side in gradients.shape[2:]) == tuple(size)
    if compiled and single(gradients) and whole and native.is_supported(kernels.shape, stride, pad):
        return native.deconvolve(gradients, kernels)
    if reference or stride == 1 or not whole or kernels.shape[1] <= FEW_CHANNELS:
        return dilated_deconvolve(gradients, kernels, stride, pad, size)
    g = nhwc(gradients)
    rows = [
        jnp.stack([phase_of_output(g, kernels, (a, b), stride, pad) for b in range(stride)], axis=3)
        for a in range(stride)
    ]
    phases = jnp.stack(rows, axis=2)  # [N, H', stride, W', stride, C]
    return nchw(phases.reshape(len(g), *size, kernels.shape[1]))


def dilated_deconvolve(gradients, kernels, stride: int, pad: int, size: tuple):
    """`deconvolve` as XLA does it itself: zeros inserted, then a stride-1 convolution."""
    k = kernels.shape[2]
    low = k - 1 - pad
    highs = (n + k - 1 - (g - 1) * stride - 1 - low for n, g in zip(size, gradients.shape[2:]))
    y = lax.conv_general_dilated(
        nhwc(gradients), kernels[:, :, ::-1, ::-1].transpose(2, 3, 0, 1), (1, 1),
        [(low, high) for high in highs], lhs_dilation=(stride,) * 2, dimension_numbers=NHWC,
    )  # fmt: skip
    return nchw(y)


def phase_of_output(g, kernels, phase: tuple, stride: int, pad: int):
    """Output pixels (stride r + a, stride c + b) of a deconvolution, as a stride-1 convolution.

    Output row u = stride q - pad + t collects input row q through tap t; for u = stride r + a that
    is row q = r + (a + pad - t) / stride, wherever it divides.
    """
    taps = [[t for t in range(kernels.shape[2])[::-1] if (a + pad - t) % stride == 0] for a in phase]
    offsets = [[(a + pad - t) // stride for t in ts] for a, ts in zip(phase, taps)]
    part = kernels[:, :, jnp.array(taps[0])][:, :, :, jnp.array(taps[1])].transpose(2, 3, 0, 1)
    pads = [(-min(o), max(o)) for o in offsets]
    return lax.conv_general_dilated(g, part, (1, 1), pads, dimension_numbers=NHWC)


def weight_gradient(images, gradients, stride: int, pad: int, kernel: int, reference=False, compiled=False):
    """The gradient of `convolve` for its kernels: [K, C, kernel, kernel]."""
    whole = all(h == stride * g for h, g in zip(images.shape[2:], gradients.shape[2:]))
    shape = gradients.shape[1], images.shape[1], kernel, kernel
    if compiled and single(gradients) and whole and native.is_supported(shape, stride, pad):
        return native.weight_gradient(images, gradients, kernel)
    if reference or not whole:
        return dilated_weight_gradient(images, gradients, stride, pad, kernel)
    x, g = images.transpose(1, 2, 3, 0), gradients.transpose(2, 3, 0, 1)  # N is what is summed
    parts = [
        [phase_of_kernel(x, g, (a, b), stride, pad, kernel) for b in range(stride)] for a in range(stride)
    ]
    rows = [interleave(row, stride, pad, kernel, axis=2) for row in parts]
    return interleave(rows, stride, pad, kernel, axis=1).transpose(3, 0, 1, 2)


def dilated_weight_gradient(images, gradients, stride: int, pad: int, kernel: int):
    """`weight_gradient` as XLA does it itself: a convolution with a dilated kernel."""
    ends = [(g - 1) * stride + kernel - side - pad for side, g in zip(images.shape[2:], gradients.shape[2:])]
    y = lax.conv_general_dilated(
        images.transpose(1, 2, 3, 0), gradients.transpose(2, 3, 0, 1), (1, 1),
        [(pad, end) for end in ends], rhs_dilation=(stride,) * 2, dimension_numbers=NHWC,
    )  # fmt: skip
    return y.transpose(3, 0, 1, 2)


def taps_of_phase(phase: int, stride: int, pad: int, kernel: int) -> list[int]:
    """The kernel taps t that read input rows of a phase: row stride q - pad + t is phase's."""
    return [t for t in range(kernel) if (t - pad - phase) % stride == 0]


def phase_of_kernel(x, g, phase: tuple, stride: int, pad: int, kernel: int):
    """The kernel taps that read input pixels (stride r + a, stride c + b): [C, taps, taps, K]."""
    pads = []
    for a in phase:
        taps = taps_of_phase(a, stride, pad, kernel)
        low = -((taps[0] - pad - a) // stride)
        pads.append((low, len(taps) - 1 - low))
    a, b = phase
    return lax.conv_general_dilated(x[:, a::stride, b::stride], g, (1, 1), pads, dimension_numbers=NHWC)


def interleave(phases: list, stride: int, pad: int, kernel: int, axis: int):
    """Put the taps of each phase back in the kernel's order along an axis."""
    order = [t for a in range(stride) for t in taps_of_phase(a, stride, pad, kernel)]
    joined = jnp.concatenate(phases, axis=axis)
    return jnp.take(joined, jnp.array([order.index(t) for t in range(kernel)]), axis=axis)
