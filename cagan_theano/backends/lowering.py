"""Lowerings of convolutions, norms and their gradients: functions of jax arrays.

Arguments and results are [N, C, H, W].  Internally the layout is channels last (NHWC), for which
XLA's CPU convolution is fastest; XLA removes the transposes between adjacent operations.

XLA's own stride-2 transposed convolution multiplies by the zeros that it inserts: four times the work.  Here
the even and odd output rows and columns are computed separately, each by a stride-1 convolution with part of
the kernel (sub-pixel convolution).  The weight gradient is split by the even and odd rows and columns of the
input in the same way.  `reference=True` uses the single XLA operation instead, with which the tests compare.
`compiled=True`, on a CPU, uses `cagan_theano.backends.native` where it is faster.
"""

import jax.numpy as jnp
from jax import Array, lax

from cagan_theano.backends import native

NHWC = ("NHWC", "HWIO", "NHWC")
FEW_CHANNELS = 8  # up to this many, XLA's own transposed convolution is faster (measured: 4)


def nhwc(images: Array) -> Array:
    """[N, C, H, W] -> [N, H, W, C]."""
    return images.transpose(0, 2, 3, 1)


def nchw(images: Array) -> Array:
    """[N, H, W, C] -> [N, C, H, W]."""
    return images.transpose(0, 3, 1, 2)


def convolve(images: Array, kernels: Array, stride: int, pad: int, compiled: bool = False) -> Array:
    """Cross-correlation of [N, C, H, W] with kernels [K, C, h, w]."""
    even = not any(side % 2 for side in images.shape[2:])
    if compiled and single(images) and even and native.is_supported(kernels.shape, stride, pad):
        return native.convolve(images, kernels)
    y = lax.conv_general_dilated(
        nhwc(images), kernels.transpose(2, 3, 1, 0), (stride,) * 2, ((pad, pad),) * 2,
        dimension_numbers=NHWC,
    )  # fmt: skip
    return nchw(y)


def normalize(
    x: Array, gain: Array, shift: Array, epsilon: float, slope: float, compiled: bool = False
) -> Array:
    """Instance norm of x [N, C, H, W] and activation.

    gain, shift: [C].  slope: of the activation below 0; 1 means no activation.
    """
    if compiled and single(x):
        return native.normalize(x, gain, shift, epsilon, slope)
    _, _, z = normal(x, gain, shift, epsilon)
    return jnp.maximum(z, slope * z)


def normalize_gradient(
    x: Array, gain: Array, shift: Array, dy: Array, epsilon: float, slope: float, compiled: bool = False
) -> tuple[Array, Array, Array]:
    """The gradients (dx, d gain, d shift) of `normalize`."""
    if compiled and single(x):
        return native.normalize_gradient(x, gain, shift, dy, epsilon, slope)
    normed, scale, z = normal(x, gain, shift, epsilon)
    g = dy if slope == 1 else dy * ((z >= 0) + slope * (z <= 0))
    aside = g.mean((2, 3), keepdims=True) + normed * (g * normed).mean((2, 3), keepdims=True)
    dx = scale * (g - aside)
    return dx, (g * normed).sum((0, 2, 3)), g.sum((0, 2, 3))


def normal(x: Array, gain: Array, shift: Array, epsilon: float) -> tuple[Array, Array, Array]:
    """The normalized x, the scale gain / sqrt(variance + epsilon), and normalized x * gain + shift."""
    centered = x - x.mean((2, 3), keepdims=True)
    factor = 1 / jnp.sqrt(jnp.square(centered).mean((2, 3), keepdims=True) + epsilon)
    gain, shift = gain[:, None, None], shift[:, None, None]
    return centered * factor, factor * gain, centered * factor * gain + shift


def single(array: Array) -> bool:
    """Whether an array is float32, the only dtype that the C++ kernels support."""
    return bool(array.dtype == jnp.float32)


def deconvolve(
    gradients: Array,
    kernels: Array,
    stride: int,
    pad: int,
    size: tuple[int, int],
    reference: bool = False,
    compiled: bool = False,
) -> Array:
    """The transpose of `convolve`: [N, K, H', W'] -> [N, C, *size]."""
    whole = tuple(stride * side for side in gradients.shape[2:]) == tuple(size)
    if compiled and single(gradients) and whole and native.is_supported(kernels.shape, stride, pad):
        return native.deconvolve(gradients, kernels)
    if reference or stride == 1 or not whole or kernels.shape[1] <= FEW_CHANNELS:
        return dilated_deconvolve(gradients, kernels, stride, pad, size)
    g = nhwc(gradients)
    n = range(stride)
    rows = [jnp.stack([phase_of_output(g, kernels, (a, b), stride, pad) for b in n], axis=3) for a in n]
    phases = jnp.stack(rows, axis=2)  # [N, H', stride, W', stride, C]
    return nchw(phases.reshape(len(g), *size, kernels.shape[1]))


def dilated_deconvolve(
    gradients: Array, kernels: Array, stride: int, pad: int, size: tuple[int, int]
) -> Array:
    """`deconvolve` as a single XLA operation: zeros inserted, then a stride-1 convolution."""
    k = kernels.shape[2]
    low = k - 1 - pad
    highs = (n + k - 1 - (g - 1) * stride - 1 - low for n, g in zip(size, gradients.shape[2:]))
    y = lax.conv_general_dilated(
        nhwc(gradients), kernels[:, :, ::-1, ::-1].transpose(2, 3, 0, 1), (1, 1),
        [(low, high) for high in highs], lhs_dilation=(stride,) * 2, dimension_numbers=NHWC,
    )  # fmt: skip
    return nchw(y)


def phase_of_output(g: Array, kernels: Array, phase: tuple[int, int], stride: int, pad: int) -> Array:
    """Output pixels (stride r + a, stride c + b) of a deconvolution, as a stride-1 convolution.

    Output row u = stride q - pad + t sums input row q times tap t; for u = stride r + a this is row
    q = r + (a + pad - t) / stride, for the taps t with an integer quotient.
    """
    taps = [[t for t in range(kernels.shape[2])[::-1] if (a + pad - t) % stride == 0] for a in phase]
    offsets = [[(a + pad - t) // stride for t in ts] for a, ts in zip(phase, taps)]
    part = kernels[:, :, jnp.array(taps[0])][:, :, :, jnp.array(taps[1])].transpose(2, 3, 0, 1)
    pads = [(-min(o), max(o)) for o in offsets]
    return lax.conv_general_dilated(g, part, (1, 1), pads, dimension_numbers=NHWC)


def weight_gradient(
    images: Array,
    gradients: Array,
    stride: int,
    pad: int,
    kernel: int,
    reference: bool = False,
    compiled: bool = False,
) -> Array:
    """The gradient of `convolve` with respect to its kernels: [K, C, kernel, kernel]."""
    whole = all(h == stride * g for h, g in zip(images.shape[2:], gradients.shape[2:]))
    shape = gradients.shape[1], images.shape[1], kernel, kernel
    if compiled and single(gradients) and whole and native.is_supported(shape, stride, pad):
        return native.weight_gradient(images, gradients, kernel)
    if reference or not whole:
        return dilated_weight_gradient(images, gradients, stride, pad, kernel)
    x, g = images.transpose(1, 2, 3, 0), gradients.transpose(2, 3, 0, 1)  # the sum runs over N
    n = range(stride)
    parts = [[phase_of_kernel(x, g, (a, b), stride, pad, kernel) for b in n] for a in n]
    rows = [interleave(row, stride, pad, kernel, axis=2) for row in parts]
    return interleave(rows, stride, pad, kernel, axis=1).transpose(3, 0, 1, 2)


def dilated_weight_gradient(images: Array, gradients: Array, stride: int, pad: int, kernel: int) -> Array:
    """`weight_gradient` as a single XLA operation: a convolution with a dilated kernel."""
    ends = [(g - 1) * stride + kernel - side - pad for side, g in zip(images.shape[2:], gradients.shape[2:])]
    x, pads = images.transpose(1, 2, 3, 0), [(pad, end) for end in ends]
    if any(g > side for side, g in zip(images.shape[2:], gradients.shape[2:])):
        # XLA would exchange such a kernel for the image, and take 8 times as long (measured); without the
        # barrier it also moves the padding back into the convolution.
        x, pads = lax.optimization_barrier(jnp.pad(x, ((0, 0), *pads, (0, 0)))), [(0, 0)] * 2
    y = lax.conv_general_dilated(
        x, gradients.transpose(2, 3, 0, 1), (1, 1), pads, rhs_dilation=(stride,) * 2, dimension_numbers=NHWC
    )
    return y.transpose(3, 0, 1, 2)


def taps_of_phase(phase: int, stride: int, pad: int, kernel: int) -> list[int]:
    """The kernel taps t whose input rows, stride q - pad + t, are `phase` modulo stride."""
    return [t for t in range(kernel) if (t - pad - phase) % stride == 0]


def phase_of_kernel(x: Array, g: Array, phase: tuple[int, int], stride: int, pad: int, kernel: int) -> Array:
    """Gradient of the kernel taps that read input pixels (stride r + a, stride c + b): [C, t, t', K]."""
    pads = []
    for a in phase:
        taps = taps_of_phase(a, stride, pad, kernel)
        low = -((taps[0] - pad - a) // stride)
        pads.append((low, len(taps) - 1 - low))
    a, b = phase
    return lax.conv_general_dilated(x[:, a::stride, b::stride], g, (1, 1), pads, dimension_numbers=NHWC)


def interleave(phases: list[Array], stride: int, pad: int, kernel: int, axis: int) -> Array:
    """Concatenate the taps of all phases along an axis, in the kernel's order."""
    order = [t for a in range(stride) for t in taps_of_phase(a, stride, pad, kernel)]
    joined = jnp.concatenate(phases, axis=axis)
    return jnp.take(joined, jnp.array([order.index(t) for t in range(kernel)]), axis=axis)
