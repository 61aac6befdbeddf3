"""Aesara's JAX linker: CPU and GPU; convolutions, their gradients and Split are registered here.

The lowering of each operation is a function of arrays in `cagan_theano.backends.lowering`.
"""

import ctypes
import gc
import warnings
from typing import NamedTuple

import numpy as np

from cagan_theano.backends import Backend, cache, lowering, native
from cagan_theano.backends import devices as placing
from cagan_theano.backends.expansion import inline_fused_ops
from cagan_theano.backends.recompute import ControlDependency, RecomputedNorm, recomputing
from cagan_theano.compat import abstract_conv, aesara
from cagan_theano.learning.adam import AdamStep
from cagan_theano.network.layers import FusedInstanceNorm

# what XLA is told of its products; bfloat16 also rounds what a convolution is given
PRODUCTS = {"float32": "float32", "tf32": "tensorfloat32", "bfloat16": "tensorfloat32"}

M_TRIM_THRESHOLD, M_ARENA_MAX = -1, -8  # glibc's malloc.h

MANTISSA = {"tf32": 10, "bfloat16": 7}  # bits that are kept; both have float32's 8 of exponent


class Target(NamedTuple):
    """What a graph is lowered for.

    platform: "cpu", "cuda" ... as jax names it.  precision: a key of PRODUCTS.
    reference: whether XLA is given every convolution whole, as the paper's graph has it.
    compiled: whether our own convolutions for the CPU may do the work; they run on one device.
    """

    platform: str = "cpu"
    precision: str = "float32"
    reference: bool = False
    compiled: bool = False


CPU = Target()


def create(
    device: str | None = None,
    precision: str = "float32",
    devices: int | str = 1,
    cluster: str | None = None,
    reference: bool = False,
) -> Backend:
    """The JAX back end; see `cagan_theano.backends.choose_backend` for the settings.

    Raises ValueError, with the cure, where jax is missing or sees no such devices.
    """
    try:
        import jax
    except ModuleNotFoundError as error:
        raise ValueError(f"backend jax: {error}; install the pins of requirements/") from error
    limit_malloc_arenas()
    if cluster:
        placing.join_cluster(jax, cluster)
    placement = placing.Placement(placing.choose(jax, device, devices))
    first = placement.local[0]
    cache.turn_on(jax)
    jax.config.update("jax_default_device", first)
    register()
    silence()
    compiled = (first.platform, precision, reference, len(placement.devices)) == (
        "cpu", "float32", False, 1) and native.available()  # fmt: skip
    target = Target(first.platform, precision, reference, compiled)
    name = "CPU" if first.platform == "cpu" else first.device_kind
    return Backend(
        "jax",
        describe(name, placement),
        mode(target, placement),
        to_device(placement),
        jax.process_index(),
        kernels(target),
    )


def kernels(target: Target) -> str:
    """What computes for a target: our kernels by their digests, else XLA's."""
    if target.compiled:
        return native.loaded()
    reference = " reference" if target.reference else ""
    return f"xla {target.platform} {target.precision}{reference}"


def limit_malloc_arenas() -> None:
    """Have glibc keep few heaps and give back what is free at their ends; elsewhere do nothing.

    What compiling took would else stay with the process: a tenth of a training's memory.
    """
    try:
        option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    option(M_ARENA_MAX, 2)
    option(M_TRIM_THRESHOLD, 128 << 10)


def describe(name: str, placement) -> str:
    """The devices in words."""
    count = len(placement.devices)
    return name if count == 1 else f"{count} x {name}"


def silence() -> None:
    """Keep Aesara's float64 accumulators and dropped assertions under JAX from being announced.

    Sums accumulate in float32 there, which the tests hold against float64.
    """
    for message in ("Explicitly requested dtype", "Skipping `CheckAndRaise` Op"):
        warnings.filterwarnings("ignore", message)


def mode(target: Target, placement):
    """Aesara's JAX mode, with values that stay on the device, less the rewrites for C.

    Those are C's convolutions, and the fusion and in-place forms that XLA finds by itself: without
    them Aesara needs two thirds of the time.
    """
    from aesara.compile.mode import JAX, Mode

    kept = JAX.excluding("conv_gemm", "AbstractConvCheck", "fusion", "inplace").provided_optimizer
    return Mode(linker(target, placement), recomputing(kept) if target.compiled else inline_fused_ops(kept))


def linker(target: Target, placement):
    """Aesara's JAX linker for a target and its devices.

    Aesara's own container turns every new value of a shared variable into a numpy array: all
    parameters and moments would leave the device after each step.  Here they stay, and an update
    may write over the memory of the values that it replaces ("donation").
    """
    import jax
    from aesara.link.basic import Container
    from aesara.link.jax.linker import JAXLinker

    class ResidentContainer(Container):
        def keep(self, value):
            if isinstance(value, jax.Array):
                self.storage[0] = value
            else:
                Container.__set__(self, value)

        data = property(Container.__get__, keep)

    class ResidentLinker(JAXLinker):
        def make_all(self, *args, **kwargs):
            function, inputs, *rest = super().make_all(*args, **kwargs)
            for container in inputs:
                container.__class__ = ResidentContainer
            return function, inputs, *rest

        def fgraph_convert(self, fgraph, storage_map=None, **kwargs):
            forget_shapes(fgraph)
            # Aesara's converter would hold on to the first value of every input for good
            inner = {v: cell for v, cell in storage_map.items() if v not in fgraph.inputs}
            return super().fgraph_convert(fgraph, storage_map=inner, target=target, **kwargs)

        def jit_compile(self, function):
            replaced = tuple(self.fgraph.update_mapping.values())
            return placement.compiled(at_precision(function, target.precision), replaced)

    return ResidentLinker()


def forget_shapes(fgraph) -> None:
    """Drop the graphs of sizes that Aesara's rewrites made; they would stay in memory."""
    shapes = aesara.tensor.rewriting.shape.ShapeFeature
    for feature in list(fgraph._features):
        if isinstance(feature, shapes):
            fgraph.remove_feature(feature)
    gc.collect()


def lowered(fgraph, target: Target):
    """The function of jax arrays that a graph is, for a target; nothing is compiled yet."""
    from aesara.link.jax.dispatch import jax_funcify

    return at_precision(jax_funcify(fgraph, target=target, storage_map={}), target.precision)


def at_precision(function, precision: str):
    """The function with its products at a precision."""
    import jax

    def precise(*arrays):
        with jax.default_matmul_precision(PRODUCTS[precision]):
            return function(*arrays)

    precise.__name__ = "aesara"
    return precise


def to_device(placement):
    """The function that moves a shared variable's value to the devices; updates keep it there."""

    def put(variable) -> None:
        storage = variable.container.storage
        storage[0] = placement.replicate(storage[0])

    return put


def register() -> None:
    """Teach Aesara's JAX linker the operations that it lacks; a second call does nothing."""
    from aesara.link.jax.dispatch import jax_funcify
    from aesara.tensor.shape import SpecifyShape

    table = {
        abstract_conv.AbstractConv2d: convolution,
        abstract_conv.AbstractConv2d_gradInputs: gradient_of_input,
        abstract_conv.AbstractConv2d_gradWeights: gradient_of_weights,
        FusedInstanceNorm: normalization,
        AdamStep: descent,
        RecomputedNorm: normalization_again,
        ControlDependency: lambda op, **kwargs: native.after,
        aesara.tensor.basic.Split: split,
        SpecifyShape: specify_shape,
    }
    for op, lower in table.items():
        if jax_funcify.dispatch(op) is not lower:
            jax_funcify.register(op, lower)


def convolution(op, target: Target = CPU, **kwargs):
    """Lower AbstractConv2d: images [N, C, H, W], kernels [K, C, h, w]."""
    check(op)

    def convolve(images, kernels):
        return lowering.convolve(images, kernels, op.subsample[0], pad(op), compiled=target.compiled)

    return rounded(convolve, target)


def gradient_of_input(op, target: Target = CPU, **kwargs):
    """Lower AbstractConv2d_gradInputs, the deconvolution; op.imshp states the size made."""
    check(op)

    def deconvolve(kernels, gradients):
        return lowering.deconvolve(
            gradients,
            kernels,
            op.subsample[0],
            pad(op),
            op.imshp[2:],
            reference=whole(target),
            compiled=target.compiled,
        )

    return rounded(deconvolve, target)


def gradient_of_weights(op, target: Target = CPU, **kwargs):
    """Lower AbstractConv2d_gradWeights; op.kshp states the kernel's size."""
    check(op)

    def correlate(images, gradients):
        return lowering.weight_gradient(
            images,
            gradients,
            op.subsample[0],
            pad(op),
            op.kshp[2],
            reference=whole(target),
            compiled=target.compiled,
        )

    return rounded(correlate, target)


def normalization(op, target: Target = CPU, **kwargs):
    """Lower FusedInstanceNorm and its gradient, where their inner graphs did not take their places."""
    epsilon, slope = op.attributes

    def normalize(x, *rest):
        affine = rest[:2] if len(rest) == (4 if op.backward else 2) else ()
        scale = scale_of(x, affine)
        if not op.backward:
            return lowering.normalize(x, *scale, epsilon, slope, target.compiled)
        made = lowering.normalize_gradient(x, *scale, rest[-1], epsilon, slope, target.compiled)
        return made if affine else made[0]

    return normalize


def scale_of(x, affine: tuple) -> tuple:
    """The gain and shift of a norm of x [N, C, H, W]; 1 and 0 where it has none."""
    import jax.numpy as jnp

    return affine or (jnp.ones(x.shape[1], x.dtype), jnp.zeros(x.shape[1], x.dtype))


def normalization_again(op, target: Target = CPU, **kwargs):
    """Lower RecomputedNorm, which is only for the compiled functions."""

    def normalize(until, x, *affine):
        return native.normalize(x, *scale_of(x, affine), *op.attributes, until=until)

    return normalize


def descent(op, target: Target = CPU, **kwargs):
    """Lower AdamStep, where its inner graph did not take its place."""

    def step(theta, *rest):
        if target.compiled and lowering.single(theta):
            return native.descend(theta, *rest, *op.attributes)
        return lowered(op.fgraph, target)(theta, *rest)

    return step


def whole(target: Target) -> bool:
    """Whether XLA gets a convolution whole: a GPU's library has kernels for each as it is."""
    return target.reference or target.platform != "cpu"


def rounded(convolve, target: Target):
    """A convolution of two arrays at a precision; further arguments, which are sizes, are left out.

    A GPU is given bfloat16 numbers.  A CPU only rounds as a GPU would and computes in float32,
    since XLA's CPU compiler drops a cast to bfloat16 and back.
    """

    def computed(a, b, *sizes):
        if target.platform != "cpu" and target.precision == "bfloat16":
            return convolve(a.astype("bfloat16"), b.astype("bfloat16")).astype(a.dtype)
        if target.platform != "cpu" or target.precision == "float32":
            return convolve(a, b)
        y = convolve(*(round_to(x, MANTISSA[target.precision]) for x in (a, b)))
        return round_to(y, MANTISSA["bfloat16"]) if target.precision == "bfloat16" else y

    return computed


def round_to(x, mantissa: int):
    """float32 numbers rounded to so many bits of mantissa."""
    import jax

    return jax.lax.reduce_precision(x, exponent_bits=8, mantissa_bits=mantissa)


def border(op) -> tuple:
    """The zeros (high, wide) on each side; Aesara keeps (0, 0) under the name "valid"."""
    return (0, 0) if op.border_mode == "valid" else op.border_mode


def pad(op) -> int:
    """The zeros on each side of a convolution that `check` let pass."""
    return border(op)[0]


def check(op) -> None:
    """Raise NotImplementedError for a convolution that this project does not write."""
    square = len(set(op.subsample)) == 1 and len(set(border(op))) == 1
    plain = not op.filter_flip and op.filter_dilation == (1, 1) and op.num_groups == 1
    if not (square and plain and not op.unshared):
        raise NotImplementedError(f"no JAX lowering for {op}")


def split(op, node, **kwargs):
    """Lower Split, the gradient of a concatenation; its axis and sizes must be constants."""
    import jax.numpy as jnp

    axis, sizes = (constant_value(variable) for variable in node.inputs[1:])
    ends = np.cumsum(sizes)[:-1].tolist()
    return lambda x, *_: jnp.split(x, ends, axis=int(axis))


def specify_shape(op, **kwargs):
    """Lower SpecifyShape, of which Aesara's own lowering takes no open sizes (None)."""

    def specified(x, *shape):
        if any(want is not None and int(want) != have for have, want in zip(x.shape, shape)):
            raise ValueError(f"array of shape {x.shape} where {shape} is stated")
        return x

    return specified


def constant_value(variable):
    """The value of a constant, or NotImplementedError."""
    if not isinstance(variable, aesara.graph.basic.Constant):
        raise NotImplementedError("Split of sizes that are no constants has no JAX lowering")
    return variable.data
