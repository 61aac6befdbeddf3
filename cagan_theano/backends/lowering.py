"""What XLA is given for a convolution and its two gradients: functions of jax arrays.

Channels last (NHWC) within, since XLA's CPU convolution is fastest there.  Everything takes and
gives [N, C, H, W]; XLA removes the transposes between neighbors.
"""

import jax.numpy as jnp
from jax import lax

NHWC = ("NHWC", "HWIO", "NHWC")


def nhwc(images):
    """[N, C, H, W] -> [N, H, W, C]."""
    return images.transpose(0, 2, 3, 1)


def nchw(images):
    """[N, H, W, C] -> [N, C, H, W]."""
    return images.transpose(0, 3, 1, 2)


def convolve(images, kernels, stride: int, pad: int):
    """Cross-correlation of [N, C, H, W] with kernels [K, C, h, w]."""
    y = lax.conv_general_dilated(
        nhwc(images), kernels.transpose(2, 3, 1, 0), (stride,) * 2, ((pad, pad),) * 2,
        dimension_numbers=NHWC,
    )  # fmt: skip
    return nchw(y)


def deconvolve(gradients, kernels, stride: int, pad: int, size: tuple):
    """The transpose of `convolve`: [N, K, H', W'] -> [N, C, *size]."""
    flipped = kernels[:, :, ::-1, ::-1].transpose(2, 3, 0, 1)
    h, w = kernels.shape[2:]
    pads = []
    for n, k, g in zip(size, (h, w), gradients.shape[2:]):
        low = k - 1 - pad
        pads.append((low, n + k - 1 - ((g - 1) * stride + 1) - low))
    y = lax.conv_general_dilated(
        nhwc(gradients), flipped, (1, 1), pads, lhs_dilation=(stride,) * 2, dimension_numbers=NHWC
    )
    return nchw(y)


def weight_gradient(images, gradients, stride: int, pad: int, kernel: int):
    """The gradient of `convolve` for its kernels: [K, C, kernel, kernel]."""
    n, c, h, w = images.shape
    k, gh, gw = gradients.shape[1:]
    ends = [(g - 1) * stride + kernel - side - pad for g, side in ((gh, h), (gw, w))]
    y = lax.conv_general_dilated(
        images.transpose(1, 2, 3, 0), gradients.transpose(2, 3, 0, 1), (1, 1),
        ((pad, ends[0]), (pad, ends[1])), rhs_dilation=(stride,) * 2, dimension_numbers=NHWC,
    )  # fmt: skip
    return y.transpose(3, 0, 1, 2)
