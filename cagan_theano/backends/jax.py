"""Aesara's JAX linker, for CPU and GPU, with lowerings for convolutions, their gradients and Split.

The lowerings of convolutions and norms are functions of arrays in `cagan_theano.backends.lowering`.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cagan_theano.backends import Backend, cache, lowering, native, rewrites
from cagan_theano.backends import cluster as hosts
from cagan_theano.backends import devices as placing
from cagan_theano.backends.rewrites import ControlDependency, RecomputedNorm
from cagan_theano.compat import abstract_conv, aesara
from cagan_theano.network.fused import AdamStep, FusedInstanceNorm
from cagan_theano.network.layers import Variable

if TYPE_CHECKING:
    from jax import Array

Lowered = Callable[..., Any]  # a function of jax arrays that returns one array or several

# XLA's precision of products; bfloat16 additionally rounds the inputs of convolutions
PRODUCTS = {"float32": "float32", "tf32": "tensorfloat32", "bfloat16": "tensorfloat32"}

M_TRIM_THRESHOLD, M_ARENA_MAX = -1, -8  # glibc's malloc.h

MANTISSA = {"tf32": 10, "bfloat16": 7}  # bits; the exponent has 8, as in float32


class Target(NamedTuple):
    """What a graph is lowered for.

    platform: jax's name, such as "cpu" or "cuda".  precision: a key of PRODUCTS.
    reference: whether every convolution is lowered to a single XLA operation.
    compiled: whether the C++ kernels for the CPU may be used; they run on one device only.
    """

    platform: str = "cpu"
    precision: str = "float32"
    reference: bool = False
    compiled: bool = False

    @property
    def whole(self) -> bool:
        """Whether a convolution is a single XLA operation, for which GPU libraries have kernels."""
        return self.reference or self.platform != "cpu"


CPU = Target()


def create(
    device: str | None, precision: str, devices: int | str, cluster: str | None, reference: bool
) -> Backend:
    """The JAX back end; see `cagan_theano.backends.choose_backend` for the settings."""
    try:
        import jax
    except ModuleNotFoundError as error:
        raise ValueError(f"backend jax: {error}; install the pins of requirements/") from error
    from aesara.compile.mode import JAX, Mode

    limit_malloc_arenas()
    if cluster:
        hosts.join(jax, cluster)
    placement = placing.Placement(placing.choose(jax, device, devices))
    first = placement.local[0]
    cache.turn_on(jax)
    jax.config.update("jax_default_device", first)
    register()
    # Sums accumulate in float32 under JAX; the tests compare them with float64.
    for message in ("Explicitly requested dtype", "Skipping `CheckAndRaise` Op"):
        warnings.filterwarnings("ignore", message)
    count = len(placement.devices)
    ours = (first.platform, precision, reference, count) == ("cpu", "float32", False, 1)
    compiled = ours and native.registered() is not None
    target = Target(first.platform, precision, reference, compiled)
    name = "CPU" if first.platform == "cpu" else first.device_kind

    # without rewrites meant for C: XLA fuses and reuses buffers itself, and Aesara takes a third less time
    kept = JAX.excluding("conv_gemm", "AbstractConvCheck", "fusion", "inplace").provided_optimizer
    extend = rewrites.extend_with_recomputation if compiled else rewrites.inline_fused_ops

    def put(variable: Variable) -> None:  # updates keep the value on the devices
        storage = variable.container.storage
        storage[0] = placement.place(storage[0])

    return Backend(
        "jax",
        name if count == 1 else f"{count} x {name}",
        Mode(linker(target, placement), extend(kept)),
        put,
        jax.process_index(),
        kernels(target, count),
    )


def kernels(target: Target, devices: int = 1) -> str:
    """Identifies a target's numerical kernels: digests of the C++ kernels, or XLA and its settings.

    devices: their number, which decides how the gradients are summed.
    """
    if target.compiled and (library := native.registered()):
        return library.kernels
    reference = " reference" if target.reference else ""
    several = f" on {devices} devices" if devices > 1 else ""
    return f"xla {target.platform} {target.precision}{reference}{several}"


def limit_malloc_arenas() -> None:
    """Have glibc use few heaps and return free memory at their ends; does nothing with other C libraries.

    Otherwise the process keeps the memory used for compilation, a tenth of a training run's memory.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        option = ctypes.CDLL(None).mallopt
        option(M_ARENA_MAX, 2)
        option(M_TRIM_THRESHOLD, 128 << 10)


def linker(target: Target, placement: placing.Placement) -> Any:
    """Aesara's JAX linker for a target and its devices.

    Aesara's own container converts every new value of a shared variable to a numpy array, so all
    parameters and moments would leave the device after each step.  Here they stay, and an update may
    reuse the buffers of the values that it replaces (donation).
    """
    import jax
    from aesara.link.basic import Container
    from aesara.link.jax.linker import JAXLinker

    class ResidentContainer(Container):
        def keep(self, value: Any) -> None:
            if isinstance(value, jax.Array):
                self.storage[0] = value
            else:
                Container.__set__(self, value)

        data = property(Container.__get__, keep)

    class ResidentLinker(JAXLinker):
        def make_all(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
            function, inputs, *rest = super().make_all(*args, **kwargs)
            for container in inputs:
                container.__class__ = ResidentContainer
            return function, inputs, *rest

        def fgraph_convert(self, fgraph: Any, storage_map: Any = None, **kwargs: Any) -> Lowered:
            for feature in list(fgraph._features):  # shape graphs of rewrites, which would stay in memory
                if isinstance(feature, aesara.tensor.rewriting.shape.ShapeFeature):
                    fgraph.remove_feature(feature)
            gc.collect()
            # Aesara's converter would otherwise keep a reference to the first value of every input
            inner = {v: cell for v, cell in storage_map.items() if v not in fgraph.inputs}
            convert: Callable[..., Lowered] = super().fgraph_convert
            return convert(fgraph, storage_map=inner, target=target, **kwargs)

        def jit_compile(self, function: Lowered) -> Lowered:
            def aesara(*arrays: Array) -> Any:
                with jax.default_matmul_precision(PRODUCTS[target.precision]):
                    return function(*arrays)

            return placement.compile(aesara, tuple(self.fgraph.update_mapping.values()))

    return ResidentLinker()


def register() -> None:
    """Register lowerings for operations that Aesara's JAX linker lacks; a second call does nothing."""
    from aesara.link.jax.dispatch import jax_funcify
    from aesara.tensor.shape import SpecifyShape

    table: dict[Any, Callable[..., Lowered]] = {
        abstract_conv.AbstractConv2d: convolution,
        abstract_conv.AbstractConv2d_gradInputs: convolution,
        abstract_conv.AbstractConv2d_gradWeights: convolution,
        FusedInstanceNorm: normalization,
        AdamStep: lambda op, **kwargs: lambda *arrays: native.descend(*arrays, *op.attributes),
        RecomputedNorm: normalization_again,
        ControlDependency: lambda op, **kwargs: native.after,
        aesara.tensor.basic.Split: split,
        SpecifyShape: specify_shape,
    }
    for op, lowering_of in table.items():
        if jax_funcify.dispatch(op) is not lowering_of:
            jax_funcify.register(op, lowering_of)


def convolution(op: Any, target: Target = CPU, **kwargs: Any) -> Lowered:
    """Lower AbstractConv2d and its gradients at the target's precision.

    Each is a function of two of images [N, C, H, W], kernels [K, C, h, w] and the gradients of the result;
    further arguments (sizes) are ignored.  A GPU computes in bfloat16.  A CPU computes in float32 and rounds
    inputs and results as a GPU would, since XLA's CPU compiler removes a cast to bfloat16 and back.
    """
    stride, pad = op.subsample[0], check_padding(op)

    def convolve(a: Array, b: Array) -> Array:
        if isinstance(op, abstract_conv.AbstractConv2d_gradInputs):
            size = op.imshp[2:]  # of the result
            return lowering.deconvolve(b, a, stride, pad, size, target.whole, target.compiled)
        if isinstance(op, abstract_conv.AbstractConv2d_gradWeights):
            return lowering.weight_gradient(a, b, stride, pad, op.kshp[2], target.whole, target.compiled)
        return lowering.convolve(a, b, stride, pad, target.compiled)

    def computed(a: Array, b: Array, *sizes: Any) -> Array:
        if target.platform != "cpu" and target.precision == "bfloat16":
            return convolve(a.astype("bfloat16"), b.astype("bfloat16")).astype(a.dtype)
        if target.platform != "cpu" or target.precision == "float32":
            return convolve(a, b)
        y = convolve(*(round_to(x, MANTISSA[target.precision]) for x in (a, b)))
        return round_to(y, MANTISSA["bfloat16"]) if target.precision == "bfloat16" else y

    return computed


def normalization(op: Any, target: Target = CPU, **kwargs: Any) -> Lowered:
    """Lower FusedInstanceNorm and its gradient, if they were not inlined."""
    epsilon, slope = op.attributes

    def normalize(x: Array, *rest: Array) -> Array | tuple[Array, ...]:
        affine = rest[:2] if len(rest) == (4 if op.backward else 2) else ()
        gain, shift = scale_of(x, affine)
        if not op.backward:
            return lowering.normalize(x, gain, shift, epsilon, slope, target.compiled)
        made = lowering.normalize_gradient(x, gain, shift, rest[-1], epsilon, slope, target.compiled)
        return made if affine else made[0]

    return normalize


def scale_of(x: Array, affine: tuple[Array, ...]) -> tuple[Array, Array]:
    """The gain and shift of a norm of x [N, C, H, W]; 1 and 0 if it has none."""
    import jax.numpy as jnp

    gain, shift = affine or (jnp.ones(x.shape[1], x.dtype), jnp.zeros(x.shape[1], x.dtype))
    return gain, shift


def normalization_again(op: Any, target: Target = CPU, **kwargs: Any) -> Lowered:
    """Lower RecomputedNorm, which only the C++ kernels implement."""
    epsilon, slope = op.attributes
    return lambda until, x, *affine: native.normalize(x, *scale_of(x, affine), epsilon, slope, until)


def round_to(x: Array, mantissa: int) -> Array:
    """x float32, rounded to a mantissa of this many bits."""
    import jax

    return jax.lax.reduce_precision(x, exponent_bits=8, mantissa_bits=mantissa)


def check_padding(op: Any) -> int:
    """Zero padding on each side of a convolution.

    Raises NotImplementedError for a kind of convolution that the project's networks do not use.
    """
    border = (0, 0) if op.border_mode == "valid" else op.border_mode  # how Aesara stores (0, 0)
    square = len(set(op.subsample)) == 1 and len(set(border)) == 1
    plain = not op.filter_flip and op.filter_dilation == (1, 1) and op.num_groups == 1
    if not (square and plain and not op.unshared):
        raise NotImplementedError(f"no JAX lowering for {op}")
    return int(border[0])


def split(op: Any, node: Any, **kwargs: Any) -> Lowered:
    """Lower Split, the gradient of a concatenation; its axis and sizes must be constants."""
    import jax.numpy as jnp

    if not all(isinstance(variable, aesara.graph.basic.Constant) for variable in node.inputs[1:]):
        raise NotImplementedError("no JAX lowering for Split with sizes that are not constant")
    axis, sizes = (variable.data for variable in node.inputs[1:])
    ends = np.cumsum(sizes)[:-1].tolist()
    return lambda x, *_: jnp.split(x, ends, axis=int(axis))


def specify_shape(op: Any, **kwargs: Any) -> Lowered:
    """Lower SpecifyShape; Aesara's own lowering does not support unknown sizes (None)."""

    def specified(x: Array, *shape: Any) -> Array:
        if any(want is not None and int(want) != have for have, want in zip(x.shape, shape)):
            raise ValueError(f"expected an array of shape {shape}, got {x.shape}")
        return x

    return specified
