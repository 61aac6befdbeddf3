"""Where compiled functions run: Aesara's JAX linker (CPU, GPU) or its C linker (CPU).

A back end is a module of this package with ``create(device) -> Backend``; nothing else in the
project asks which one it is.
"""

from importlib import import_module
from typing import Callable, NamedTuple

BACKENDS = ("jax", "c")


class Backend(NamedTuple):
    """A way to compile and run.

    name: "jax" or "c".  device: what runs it, for people.  mode: Aesara's compilation mode.
    resident: puts the value of a shared variable where the functions run, once.
    """

    name: str
    device: str
    mode: object
    resident: Callable


def choose_backend(name: str = "auto", device: str | None = None) -> Backend:
    """The back end by name; "auto" takes JAX where it is installed, else C.

    device: None (the best there is), "cpu" or "gpu".
    Raises ValueError, with the cure, when it cannot run here.
    """
    if name not in ("auto", *BACKENDS):
        raise ValueError(f"backend {name!r}: must be auto, {' or '.join(BACKENDS)}")
    if device not in (None, "cpu", "gpu"):
        raise ValueError(f"device {device!r}: must be cpu or gpu")
    if name == "auto":
        name = "jax" if is_installed("jax") else "c"
    return import_module(f"cagan_theano.backends.{name}").create(device)


def is_installed(package: str) -> bool:
    """Whether a package can be found, without importing it."""
    from importlib.util import find_spec

    return find_spec(package) is not None
