"""Hand-written symbolic layers: convolution, deconvolution, instance norm, downsampled copies.

A layer is built once, with its parameters, and called on symbolic images [N, C, H, W].  Each one
states its output size, ``output_shape((C, H, W))``, apart from computing it; the sizes also go into
the graph, so that a wrong size is an error when the graph is built.
"""

from collections import OrderedDict

import numpy as np

from cagan_theano.compat import OpFromGraph, abstract_conv, aesara

at = aesara.tensor

Shape = tuple[int, int, int]  # channels, height, width
LEAK = 0.2  # slope of the leaky ReLU below 0


class Parameters(OrderedDict):
    """Ordered dict of name -> shared variable: the one place where a network's weights register.

    Initial weights are drawn from ``rng`` in the order of registration: N(0, std) for kernels,
    N(1, std) for gains, zeros for biases and shifts (not stated; as in the paper's [10]).
    ``shapes``: name -> shape.  With an ``rng`` of None there are shapes and no weights, which cost
    no memory: what a configuration asks for can be looked at first.
    """

    def __init__(self, rng: np.random.Generator | None, std: float, dtype: str = "float32"):
        super().__init__()
        self.rng, self.std, self.dtype, self.shapes = rng, std, dtype, {}

    def normal(self, name: str, shape: tuple, mean: float = 0.0):
        """Register a parameter drawn from N(mean, std)."""
        return self.register(name, shape, lambda: self.rng.normal(mean, self.std, shape))

    def zeros(self, name: str, shape: tuple):
        """Register a parameter of zeros."""
        return self.register(name, shape, lambda: np.zeros(shape))

    def register(self, name: str, shape: tuple, draw):
        """Make a shared variable of a unique name; raises ValueError for a name in use."""
        if name in self:
            raise ValueError(f"parameter {name!r} is registered twice")
        self.shapes[name], self[name] = shape, None
        if self.rng is not None:
            self[name] = aesara.shared(draw().astype(self.dtype), name=name)
        return self[name]


def padding(kernel: int) -> int:
    """Zeros on each side with which a stride-2 layer halves, and a stride-1 layer keeps, a size."""
    return (kernel - 1) // 2


def with_shape(x, shape: Shape):
    """State [N, C, H, W] sizes in the graph: N is open, the rest fixed."""
    return at.specify_shape(x, (None, *shape))


class Convolution:
    """Strided convolution (cross-correlation) [N, C, H, W] -> [N, K, H/stride, W/stride].

    W: [K, C, kernel, kernel]; b: [K] unless a norm follows (its shift makes a bias idle).
    Section 3.1: "convolutions with stride 2".
    """

    def __init__(self, parameters, name, in_channels, channels, kernel, stride=2, bias=False):
        self.channels, self.in_channels = channels, in_channels
        self.kernel, self.stride = kernel, stride
        self.W = parameters.normal(f"{name}.W", (channels, in_channels, kernel, kernel))
        self.b = parameters.zeros(f"{name}.b", (channels,)) if bias else None

    def output_shape(self, shape: Shape) -> Shape:
        """(C, H, W) -> (K, H', W'); raises ValueError for a wrong number of channels."""
        if shape[0] != self.in_channels:
            raise ValueError(f"convolution of {self.in_channels} channels given {shape[0]}")
        span = self.kernel - 2 * padding(self.kernel)
        height, width = ((side - span) // self.stride + 1 for side in shape[1:])
        return self.channels, height, width

    def __call__(self, x, shape: Shape):
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
    """Convolution of stride 1/2 [N, C, H, W] -> [N, K, 2H, 2W]: the transpose of a stride-2 one.

    W: [C, K, kernel, kernel]; b as in `Convolution`.  Section 3.1: "deconvolutions with stride 1/2".
    """

    def __init__(self, parameters, name, in_channels, channels, kernel, bias=False):
        self.channels, self.in_channels, self.kernel = channels, in_channels, kernel
        self.W = parameters.normal(f"{name}.W", (in_channels, channels, kernel, kernel))
        self.b = parameters.zeros(f"{name}.b", (channels,)) if bias else None

    def output_shape(self, shape: Shape) -> Shape:
        """(C, H, W) -> (K, 2H, 2W); raises ValueError for a wrong number of channels."""
        if shape[0] != self.in_channels:
            raise ValueError(f"deconvolution of {self.in_channels} channels given {shape[0]}")
        return self.channels, 2 * shape[1], 2 * shape[2]

    def __call__(self, x, shape: Shape):
        """Apply to x of size `shape`."""
        _, height, width = self.output_shape(shape)
        op = abstract_conv.AbstractConv2d_gradInputs(
            imshp=(None, self.channels, height, width),
            kshp=(self.in_channels, self.channels, self.kernel, self.kernel),
            border_mode=(padding(self.kernel),) * 2,
            subsample=(2, 2),
            filter_flip=False,
        )
        y = op(self.W, x, at.as_tensor(np.array([height, width], dtype="int64")))
        return add_bias(with_shape(y, self.output_shape(shape)), self.b)


def add_bias(x, b):
    """Add b [C] to x [N, C, H, W]; nothing where b is None."""
    return x if b is None else x + b.dimshuffle("x", 0, "x", "x")


class InstanceNorm:
    """(x - mean) / sqrt(variance + epsilon) over each picture's H, W, then gain and shift.

    Two passes, since E[x^2] - E[x]^2 loses all digits when the mean is large.
    Section 3.1: "instance normalisation at all layers except the first and last, as in [4]".
    """

    def __init__(self, parameters, name, channels, epsilon, affine=True):
        self.epsilon = np.asarray(epsilon, dtype=parameters.dtype)
        self.gain = parameters.normal(f"{name}.gain", (channels,), mean=1.0) if affine else None
        self.shift = parameters.zeros(f"{name}.shift", (channels,)) if affine else None

    def output_shape(self, shape: Shape) -> Shape:
        """The same (C, H, W)."""
        return shape

    def __call__(self, x, shape: Shape, activation=None):
        """Apply to x of size `shape`; then `relu`, `leaky_relu` or None.

        The graph holds all this as one operation, with `formula` as its inner graph.
        """
        given = [v for v in (x, self.gain, self.shift) if v is not None]
        inner = [v.type() for v in given]
        y = self.formula(*inner)
        slope = {None: 1.0, relu: 0.0, leaky_relu: LEAK}[activation]
        op = FusedInstanceNorm(inner, [y if activation is None else activation(y)])
        op.attributes = float(self.epsilon), slope
        return op(*given)

    def formula(self, x, gain=None, shift=None):
        """The norm of x [N, C, H, W], symbolic."""
        centered = x - x.mean(axis=(2, 3), keepdims=True)
        variance = at.square(centered).mean(axis=(2, 3), keepdims=True)
        y = centered / at.sqrt(variance + self.epsilon)
        if gain is not None:
            y = y * gain.dimshuffle("x", 0, "x", "x")
        return add_bias(y, shift)


class FusedOp(OpFromGraph):
    """A formula as one operation of the graph, which a back end may replace by its own function.

    attributes: the formula's constants, which that function needs.  A back end without one takes the
    inner graph (`backends.expansion`).
    """

    attributes = None

    def infer_shape(self, fgraph, node, shapes):
        """Each output is sized like the input at its place.

        OpFromGraph would copy the graph of all that comes before: half of Aesara's time.
        """
        return shapes[: len(node.outputs)]


class FusedInstanceNorm(FusedOp):
    """Norm and activation, (x[, gain, shift]) -> y.

    attributes: (epsilon, the slope of the activation below 0; 1: none).  backward: whether this is the
    gradient (x[, gain, shift], y, dy) -> (dx[, d gain, d shift]), whose inner graph Aesara derived.
    """

    backward = False

    def _recompute_lop_op(self):
        super()._recompute_lop_op()
        self._lop_op.attributes, self._lop_op.backward = self.attributes, True


def relu(x):
    """max(x, 0).  Section 3.1: "Relu as activation function in all layers"."""
    return at.maximum(x, np.asarray(0, dtype=x.dtype))


def leaky_relu(x):
    """max(x, 0.2 x): the other reading, as in the paper's [10]."""
    return at.maximum(x, np.asarray(LEAK, dtype=x.dtype) * x)


def downsample(x, shape: Shape):
    """Average over 2x2 pixels, [N, C, H, W] -> [N, C, H/2, W/2]."""
    channels, height, width = shape
    blocks = x.reshape((-1, channels, height // 2, 2, width // 2, 2))
    return with_shape(blocks.mean(axis=(3, 5)), (channels, height // 2, width // 2))


def copies(x, y, shape: Shape, octaves: int) -> list:
    """The pair (x, y) joined to 6 channels, averaged down once, twice ... `octaves` times.

    Section 3.1: "downsampled copies of the inputs".
    """
    pair, (_, height, width) = at.concatenate([x, y], axis=1), shape
    pyramid = []
    for _ in range(octaves):
        pair = downsample(pair, (6, height, width))
        height, width = height // 2, width // 2
        pyramid.append(pair)
    return pyramid


def join(*images):
    """Concatenate images along their channels (axis 1)."""
    return at.concatenate(images, axis=1)
