"""Where compiled functions run: Aesara's JAX linker (CPU, GPU) or its C linker (CPU).

A back end is a module of this package with ``create(device) -> Backend``; nothing else in the
project asks which one it is.
"""

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

BACKENDS = ("jax", "c")
PRECISIONS = ("float32", "tf32", "bfloat16")


class Backend(NamedTuple):
    """A way to compile and run.

    name: "jax" or "c".  device: what runs it, for people.  mode: Aesara's compilation mode.
    resident: puts the value of a shared variable where the functions run, once.
    process: which of the processes that train together this is; 0 alone writes files.
    kernels: what computes, as a run records it: other kernels give other bits.
    """

    name: str
    device: str
    mode: object
    resident: Callable
    process: int = 0
    kernels: str = ""


def choose_backend(
    name: str = "auto",
    device: str | None = None,
    precision: str = "float32",
    devices: int | str = 1,
    cluster: str | None = None,
    reference: bool = False,
) -> Backend:
    """The back end by name; "auto" takes JAX where it is installed, else C.

    device: None (the best there is), "cpu" or "gpu".
    precision: of convolutions; "tf32" lets a GPU round their inputs to 10 bits of mantissa,
    "bfloat16" rounds inputs and results to 7.  Sums, norms, losses and Adam stay float32.
    devices: how many share a minibatch, or "all".
    cluster: where several processes train together, "HOST:PORT,PROCESSES,INDEX" or "auto".
    reference: give XLA every convolution whole, the slow witness of the fast lowering.
    Raises ValueError, with the cure, when it cannot run here.
    """
    if name not in ("auto", *BACKENDS):
        raise ValueError(f"backend {name!r}: must be auto, {' or '.join(BACKENDS)}")
    if device not in (None, "cpu", "gpu"):
        raise ValueError(f"device {device!r}: must be cpu or gpu")
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r}: must be {', '.join(PRECISIONS)}")
    if name == "auto":
        name = "jax" if is_installed("jax") else "c"
    plain = (precision, devices, cluster, reference) == ("float32", 1, None, False)
    if name == "c" and not plain:
        raise ValueError("backend c computes in float32 on one device; use --backend jax")
    settings = (
        {}
        if name == "c"
        else dict(precision=precision, devices=devices, cluster=cluster, reference=reference)
    )
    return import_module(f"cagan_theano.backends.{name}").create(device, **settings)


def is_installed(package: str) -> bool:
    """Whether a package can be found, without importing it."""
    from importlib.util import find_spec

    return find_spec(package) is not None
