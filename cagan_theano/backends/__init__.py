"""Back ends that compile and run functions: Aesara's JAX linker (CPU, GPU) or its C linker (CPU).

A back end is a module of this package with ``create(device) -> Backend``; the rest of the project
does not depend on which one is in use.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

BACKENDS = ("jax", "c")
PRECISIONS = ("float32", "tf32", "bfloat16")


class Backend(NamedTuple):
    """How functions are compiled and run.

    name: "jax" or "c".  device: the device's name, for messages.  mode: Aesara's compilation mode.
    resident: moves the value of a shared variable to the device.
    process: index of this process in distributed training; only process 0 writes files.
    kernels: identifies the numerical kernels, for run records; other kernels round differently.
    """

    name: str
    device: str
    mode: Any
    resident: Callable[[Any], None]
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
    """The back end by name; "auto" selects JAX if it is installed, else C.

    device: "cpu", "gpu" or None (the best available).
    precision: of convolutions; "tf32" lets a GPU round their inputs to a 10-bit mantissa,
    "bfloat16" rounds inputs and results to 7 bits.  Sums, norms, losses and Adam stay float32.
    devices: number of devices that share a minibatch, or "all".
    cluster: for distributed training, "HOST:PORT,PROCESSES,INDEX" or "auto".
    reference: lower every convolution to a single XLA operation: slower, the reference for the tests.
    Raises ValueError, with a remedy, if the back end cannot run here.
    """
    if name not in ("auto", *BACKENDS):
        raise ValueError(f"backend {name!r}: must be auto, {' or '.join(BACKENDS)}")
    if device not in (None, "cpu", "gpu"):
        raise ValueError(f"device {device!r}: must be cpu or gpu")
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r}: must be {', '.join(PRECISIONS)}")
    if name == "auto":
        name = "jax" if is_installed("jax") else "c"
    settings = dict(precision=precision, devices=devices, cluster=cluster, reference=reference)
    if name == "c":
        if settings != dict(precision="float32", devices=1, cluster=None, reference=False):
            raise ValueError("backend c computes in float32 on one device; use --backend jax")
        settings = {}
    backend: Backend = import_module(f"cagan_theano.backends.{name}").create(device, **settings)
    return backend


def is_installed(package: str) -> bool:
    """Whether a package is installed; does not import it."""
    from importlib.util import find_spec

    return find_spec(package) is not None
