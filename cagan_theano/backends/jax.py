"""Aesara's JAX linker: CPU and GPU; convolutions, their gradients and Split are registered here.

The lowering of each operation is a function of arrays in `cagan_theano.backends.lowering`.
"""

import warnings

import numpy as np

from cagan_theano.backends import Backend, cache, lowering
from cagan_theano.compat import abstract_conv, aesara


def create(device: str | None = None) -> Backend:
    """The JAX back end on its default device, or "cpu", or "gpu".

    Raises ValueError, with the cure, where jax is missing or sees no such device.
    """
    try:
        import jax
    except ModuleNotFoundError as error:
        raise ValueError(f"backend jax: {error}; install the pins of requirements/") from error
    chosen = find_device(jax, device)
    cache.turn_on(jax)
    jax.config.update("jax_default_device", chosen)
    register()
    silence()
    name = "CPU" if chosen.platform == "cpu" else chosen.device_kind
    return Backend("jax", name, mode(), put)


def silence() -> None:
    """Keep Aesara's float64 accumulators and dropped assertions under JAX from being announced.

    Sums accumulate in float32 there, which the tests hold against float64.
    """
    for message in ("Explicitly requested dtype", "Skipping `CheckAndRaise` Op"):
        warnings.filterwarnings("ignore", message)


def find_device(jax, device: str | None):
    """The JAX device of a kind; ValueError where there is none."""
    try:
        return jax.devices(device)[0]
    except RuntimeError as error:
        cure = "install jax[cuda12] on a machine with an NVIDIA GPU, or use --device cpu"
        raise ValueError(f"no {device} is visible to jax; {cure}") from error


def mode():
    """Aesara's JAX mode, with values that stay on the device, less the rewrites to C convolutions."""
    from aesara.compile.mode import JAX

    kept = JAX.excluding("conv_gemm", "AbstractConvCheck")
    return kept.clone(linker=linker())


def linker():
    """Aesara's JAX linker, whose shared variables keep what an update gives them as it is.

    Aesara's own container turns every new value into a numpy array: all parameters and moments
    would leave the device after each step.
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

    return ResidentLinker()


def put(variable) -> None:
    """Move a shared variable's value to the default device, where the updates keep it."""
    import jax

    storage = variable.container.storage
    storage[0] = jax.device_put(storage[0])


def register() -> None:
    """Teach Aesara's JAX linker the operations that it lacks; a second call does nothing."""
    from aesara.link.jax.dispatch import jax_funcify
    from aesara.tensor.shape import SpecifyShape

    table = {
        abstract_conv.AbstractConv2d: convolution,
        abstract_conv.AbstractConv2d_gradInputs: gradient_of_input,
        abstract_conv.AbstractConv2d_gradWeights: gradient_of_weights,
        aesara.tensor.basic.Split: split,
        SpecifyShape: specify_shape,
    }
    for op, lower in table.items():
        if jax_funcify.dispatch(op) is not lower:
            jax_funcify.register(op, lower)


def convolution(op, **kwargs):
    """Lower AbstractConv2d: images [N, C, H, W], kernels [K, C, h, w]."""
    check(op)

    def convolve(images, kernels):
        return lowering.convolve(images, kernels, op.subsample[0], pad(op))

    return convolve


def gradient_of_input(op, **kwargs):
    """Lower AbstractConv2d_gradInputs, the deconvolution; op.imshp states the size made."""
    check(op)

    def deconvolve(kernels, gradients, _):
        return lowering.deconvolve(
            gradients, kernels, op.subsample[0], pad(op), op.imshp[2:]
        )

    return deconvolve


def gradient_of_weights(op, **kwargs):
    """Lower AbstractConv2d_gradWeights; op.kshp states the kernel's size."""
    check(op)

    def correlate(images, gradients, _):
        return lowering.weight_gradient(
            images, gradients, op.subsample[0], pad(op), op.kshp[2]
        )

    return correlate


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
