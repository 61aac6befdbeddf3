"""Symbolic layers: convolution, deconvolution, instance norm, downsampled copies.

A layer is built once, with its parameters, and called on symbolic images [N, C, H, W].  Each layer
states its output size in ``output_shape((C, H, W))`` independently of computing it.  The sizes also
go into the graph, so a wrong size is an error when the graph is built.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cagan_theano.compat import abstract_conv, aesara
from cagan_theano.network.fused import FusedInstanceNorm

at = aesara.tensor

Variable = Any  # a symbolic variable; Aesara's own annotations are partial
Activation = Callable[[Variable], Variable]
Shape = tuple[int, int, int]  # channels, height, width
LEAK = 0.2  # slope of the leaky ReLU below 0


class Parameters(OrderedDict[str, Variable]):
    """Ordered dict of name -> shared variable, in which a network registers all its weights.

    Initial weights are sampled from ``rng`` in the order of registration: N(0, std) for kernels,
    N(1, std) for gains, zeros for biases and shifts (not stated; as in the paper's [10]).
    ``shapes``: name -> shape.  If ``rng`` is None, only the shapes are recorded and every value is
    None, so a configuration's sizes can be inspected without allocating weights.
    """

    def __init__(self, rng: np.random.Generator | None, std: float, dtype: str = "float32"):
        super().__init__()
        self.rng, self.std, self.dtype = rng, std, dtype
        self.shapes: dict[str, tuple[int, ...]] = {}

    def normal(self, name: str, shape: tuple[int, ...], mean: float = 0.0) -> Variable:
        """Register a parameter sampled from N(mean, std)."""
        return self.register(name, shape, lambda rng: rng.normal(mean, self.std, shape))

    def equal_phases(self, name: str, shape: tuple[int, ...]) -> Variable:
        """Register kernels [C, K, 4, 4] of a `Deconvolution`: 2x2 numbers from N(0, std), each four times.

        The output at (2 r + a, 2 c + b) takes every second row and column of the kernel.  With repeated
        numbers, its four phases (a, b) take equal numbers, so the output of a constant image is constant.
        """
        half = (*shape[:2], shape[2] // 2, shape[3] // 2)
        return self.register(
            name, shape, lambda rng: rng.normal(0.0, self.std, half).repeat(2, axis=2).repeat(2, axis=3)
        )

    def zeros(self, name: str, shape: tuple[int, ...]) -> Variable:
        return self.register(name, shape, lambda rng: np.zeros(shape))

    def register(
        self, name: str, shape: tuple[int, ...], initial: Callable[[np.random.Generator], NDArray[Any]]
    ) -> Variable:
        """Create a shared variable with a unique name; raises ValueError if the name is in use."""
        if name in self:
            raise ValueError(f"parameter {name!r} is registered twice")
        self.shapes[name], self[name] = shape, None
        if self.rng is not None:
            self[name] = aesara.shared(initial(self.rng).astype(self.dtype), name=name)
        return self[name]


def padding(kernel: int) -> int:
    """Zero padding on each side: a stride-2 layer then halves a size, a stride-1 layer keeps it."""
    return (kernel - 1) // 2


def with_shape(x: Variable, shape: Shape) -> Variable:
    """Specify the sizes of x [N, C, H, W] in the graph; N stays unknown."""
    return at.specify_shape(x, (None, *shape))


class Convolution:
    """Strided convolution (cross-correlation) [N, C, H, W] -> [N, K, H/stride, W/stride].

    With stride 1, an even kernel cuts off one pixel.
    W: [K, C, kernel, kernel]; b: [K] unless a norm follows (its shift makes a bias redundant).
    Section 3.1: "convolutions with stride 2".
    """

    def __init__(
        self,
        parameters: Parameters,
        name: str,
        in_channels: int,
        channels: int,
        kernel: int,
        stride: int = 2,
        bias: bool = False,
    ) -> None:
        self.channels, self.in_channels = channels, in_channels
        self.kernel, self.stride = kernel, stride
        self.W = parameters.normal(f"{name}.W", (channels, in_channels, kernel, kernel))
        self.b = parameters.zeros(f"{name}.b", (channels,)) if bias else None

    def output_shape(self, shape: Shape) -> Shape:
        """(C, H, W) -> (K, H', W'); raises ValueError for a wrong number of channels."""
        if shape[0] != self.in_channels:
            raise ValueError(f"convolution expects {self.in_channels} channels, got {shape[0]}")
        span = self.kernel - 2 * padding(self.kernel)
        height, width = ((side - span) // self.stride + 1 for side in shape[1:])
        return self.channels, height, width

    def __call__(self, x: Variable, shape: Shape) -> Variable:
        """Apply to x of size `shape`."""
        op = abstract_conv.AbstractConv2d(
            imshp=(None, *shape),
            kshp=(self.channels, self.in_channels, self.kernel, self.kernel),
            border_mode=(padding(self.kernel),) * 2,
            subsample=(self.stride,) * 2,
            filter_flip=False,
        )
        return add_bias(with_shape(op(x, self.W), self.output_shape(shape)), self.b)


class Deconvolution:
    """Transposed stride-2 convolution (stride 1/2) [N, C, H, W] -> [N, K, 2H, 2W].

    W: [C, K, kernel, kernel]; b as in `Convolution`.  Section 3.1: "deconvolutions with stride 1/2".
    phases: see `Config.phases`; "tied": W is [C, K, kernel - 1, kernel - 1] and is convolved with a 2x2 box.
    """

    def __init__(
        self,
        parameters: Parameters,
        name: str,
        in_channels: int,
        channels: int,
        kernel: int,
        bias: bool = False,
        phases: str = "free",
    ) -> None:
        self.channels, self.in_channels, self.kernel = channels, in_channels, kernel
        self.tied = phases == "tied"
        sample, side = parameters.equal_phases if phases == "start" else parameters.normal, kernel - self.tied
        self.W = sample(f"{name}.W", (in_channels, channels, side, side))
        self.b = parameters.zeros(f"{name}.b", (channels,)) if bias else None

    def output_shape(self, shape: Shape) -> Shape:
        """(C, H, W) -> (K, 2H, 2W); raises ValueError for a wrong number of channels."""
        if shape[0] != self.in_channels:
            raise ValueError(f"deconvolution expects {self.in_channels} channels, got {shape[0]}")
        return self.channels, 2 * shape[1], 2 * shape[2]

    def __call__(self, x: Variable, shape: Shape) -> Variable:
        """Apply to x of size `shape`."""
        _, height, width = self.output_shape(shape)
        op = abstract_conv.AbstractConv2d_gradInputs(
            imshp=(None, self.channels, height, width),
            kshp=(self.in_channels, self.channels, self.kernel, self.kernel),
            border_mode=(padding(self.kernel),) * 2,
            subsample=(2, 2),
            filter_flip=False,
        )
        W = self.W
        if self.tied:
            taps = (self.kernel - 1) ** 2
            box = tie(np.eye(taps, dtype=W.dtype).reshape(-1, *2 * [self.kernel - 1]))
            # all sizes are constants: JAX compiles no reshape to a computed one, such as that of the gradient
            W = at.dot(W.reshape((self.in_channels * self.channels, taps)), box.reshape(taps, -1))
            W = at.specify_shape(W.reshape(op.kshp), op.kshp)
        y = op(W, x, at.as_tensor(np.array([height, width], dtype="int64")))
        return add_bias(with_shape(y, self.output_shape(shape)), self.b)


def tie(W: NDArray[Any]) -> NDArray[Any]:
    """Kernels [..., k, k] convolved with a 2x2 box of 1/2: [..., k + 1, k + 1].

    The taps of all four output phases of a stride-1/2 deconvolution then have the same sum, so that the
    output of a constant image is constant.  1/2 keeps the variance of independent numbers.
    """
    tied = np.zeros((*W.shape[:-2], W.shape[-2] + 1, W.shape[-1] + 1), W.dtype)
    for rows in (slice(None, -1), slice(1, None)):
        for columns in (slice(None, -1), slice(1, None)):
            tied[..., rows, columns] += W / 2
    return tied


def add_bias(x: Variable, b: Variable | None) -> Variable:
    """Add b [C] to x [N, C, H, W]; return x unchanged if b is None."""
    return x if b is None else x + b.dimshuffle("x", 0, "x", "x")


class InstanceNorm:
    """(x - mean) / sqrt(variance + epsilon) over H and W of each image, then gain and shift.

    The variance takes a second pass: E[x^2] - E[x]^2 cancels catastrophically if the mean is large.
    Section 3.1: "instance normalisation at all layers except the first and last, as in [4]".
    """

    def __init__(
        self, parameters: Parameters, name: str, channels: int, epsilon: float, affine: bool = True
    ) -> None:
        self.epsilon = np.asarray(epsilon, dtype=parameters.dtype)
        self.gain = parameters.normal(f"{name}.gain", (channels,), mean=1.0) if affine else None
        self.shift = parameters.zeros(f"{name}.shift", (channels,)) if affine else None

    def __call__(self, x: Variable, shape: Shape, activation: Activation | None = None) -> Variable:
        """Apply to x of size `shape`, with the activation or None, as a single operation of the graph."""
        given = [v for v in (x, self.gain, self.shift) if v is not None]
        image, *gain_shift = inner = [v.type() for v in given]
        centered = image - image.mean(axis=(2, 3), keepdims=True)
        variance = at.square(centered).mean(axis=(2, 3), keepdims=True)
        y = centered / at.sqrt(variance + self.epsilon)
        if gain_shift:
            gain, shift = gain_shift
            y = add_bias(y * gain.dimshuffle("x", 0, "x", "x"), shift)
        slopes: dict[Activation | None, float] = {None: 1.0, relu: 0.0, leaky_relu: LEAK}
        op = FusedInstanceNorm(inner, [y if activation is None else activation(y)])
        op.attributes = float(self.epsilon), slopes[activation]
        return op(*given)


def relu(x: Variable) -> Variable:
    """max(x, 0).  Section 3.1: "Relu as activation function in all layers"."""
    return at.maximum(x, np.asarray(0, dtype=x.dtype))


def leaky_relu(x: Variable) -> Variable:
    """max(x, 0.2 x), the alternative reading: the activation of the paper's [10]."""
    return at.maximum(x, np.asarray(LEAK, dtype=x.dtype) * x)


ACTIVATIONS: dict[str, Activation] = {"relu": relu, "leaky": leaky_relu}  # by config.activation


def downsample(x: Variable, shape: Shape) -> Variable:
    """2x2 average pooling, [N, C, H, W] -> [N, C, H/2, W/2]."""
    channels, height, width = shape
    blocks = x.reshape((-1, channels, height // 2, 2, width // 2, 2))
    return with_shape(blocks.mean(axis=(3, 5)), (channels, height // 2, width // 2))


def copies(x: Variable, y: Variable, shape: Shape, octaves: int) -> list[Variable]:
    """x and y concatenated to 6 channels, at 1/2, 1/4, ... 1/2**octaves of their size.

    Section 3.1: "downsampled copies of the inputs".
    """
    pair, (_, height, width) = at.concatenate([x, y], axis=1), shape
    pyramid = []
    for _ in range(octaves):
        pair = downsample(pair, (6, height, width))
        height, width = height // 2, width // 2
        pyramid.append(pair)
    return pyramid


def join(*images: Variable) -> Variable:
    """Concatenate images along the channel axis (1)."""
    return at.concatenate(images, axis=1)


def sample_kept(seeds: Variable, shape: Shape, rate: float) -> Variable:
    """1 / (1 - rate) where a value is kept, else 0: float64 [N, C, H, W].

    seeds: uint32 [N]; shape: (C, H, W).  A value is kept if a hash of its place and of its image's hashed
    seed is at least `rate` of the largest.
    """
    places = at.arange(int(np.prod(shape)), dtype="uint32").dimshuffle("x", 0)
    bits = mix_bits(mix_bits(seeds).dimshuffle(0, "x") ^ places)
    mask = at.ge(bits, np.asarray(rate * 2.0**32, "uint32")) / (1 - rate)
    return mask.reshape((-1, *shape))


def mix_bits(x: Variable) -> Variable:
    """A bijection of uint32 that mixes all bits (Wellons, lowbias32)."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
        x = x ^ (x // np.asarray(1 << shift, "uint32"))  # the quotient: a shift to the right
        x = x * np.asarray(factor, "uint32")
    return x


def absolute(x: Variable) -> Variable:
    """|x| with gradient 0 at 0, where Aesara's own gradient, x / |x|, is NaN."""
    return x * at.sgn(x)


def total_variation(alpha: Variable) -> Variable:
    """Mean absolute difference of vertical neighbors plus that of horizontal neighbors.

    Section 2.3: "different norms (e.g. total variation) can improve the results further".
    """
    vertical = absolute(alpha[:, :, 1:] - alpha[:, :, :-1]).mean()
    horizontal = absolute(alpha[:, :, :, 1:] - alpha[:, :, :, :-1]).mean()
    return vertical + horizontal
