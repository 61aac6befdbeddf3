"""C++ kernels for the CPU, compiled for this processor and called by XLA.

norm.cc fuses instance norm, activation and their gradient; adam.cc implements Adam's step.
convolution.cc implements stride-2 convolutions.  Winograd's algorithm (winograd.h) takes 121
multiplications per tile where the direct method takes 400 (5x5 kernels; 81 and 144 for 3x3).  For few
pixels, matrix products with the untransformed kernels are used instead (direct.h).  If there is no
C++ compiler and no library in the cache, `registered` is None and XLA's own operations are used.
README.md derives the transforms; `WAYS` names the ways to compute each operation.
"""

from __future__ import annotations

import contextlib
import ctypes
import fnmatch
import functools
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cagan_theano.backends import cache
from cagan_theano.io.signals import tie

if TYPE_CHECKING:
    from jax import Array

    Arrays = tuple[Array, Array, Array]

SOURCES = [Path(__file__).with_name(name) for name in (
    "convolution.cc", "winograd.h", "direct.h", "convolution.h", "norm.cc", "adam.cc", "shared.h"
)]  # fmt: skip
TARGETS = ("convolve", "deconvolve", "weight_gradient", "normalize", "normalize_again",
           "normalize_gradient", "descend", "after")  # fmt: skip
WAYS = {
    "convolve": ("direct", "blocks", "tiles"),
    "deconvolve": ("direct", "side by side", "blocks", "tiles"),
    "weight_gradient": ("direct", "parts", "blocks", "tiles"),
}  # operation -> the ways to compute it
COMPILERS = ("c++", "g++", "clang++")
TAPS = (3, 4, 5)
FEW_CHANNELS = 4  # below this XLA's convolution is faster (measured): vectors hold up to 16


def is_supported(kernel_shape: tuple[int, ...], stride: int, pad: int) -> bool:
    """Whether there is a kernel for a convolution that halves H and W, and it is faster than XLA's."""
    outer, inner, taps, across = kernel_shape
    ours = stride == 2 and taps == across and taps in TAPS and pad == (taps - 1) // 2
    return ours and min(outer, inner) >= FEW_CHANNELS


def convolve(x: Array, kernels: Array, way: str = "") -> Array:
    """Stride-2 convolution of x [N, C, 2h, 2w] with kernels [K, C, k, k]: [N, K, h, w].

    way: one of WAYS, for tests and measurements; the library chooses if it is empty.
    """
    n, _, height, width = x.shape
    return call("convolve", [(n, len(kernels), height // 2, width // 2)], x, kernels, way=way)[0]


def deconvolve(gradients: Array, kernels: Array, way: str = "") -> Array:
    """The transpose of `convolve`: [N, K, h, w] -> [N, C, 2h, 2w]."""
    n, _, height, width = gradients.shape
    shape = n, kernels.shape[1], 2 * height, 2 * width
    return call("deconvolve", [shape], gradients, kernels, way=way)[0]


def weight_gradient(x: Array, gradients: Array, taps: int, way: str = "") -> Array:
    """The gradient of `convolve` with respect to its kernels: [K, C, taps, taps]."""
    shape = gradients.shape[1], x.shape[1], taps, taps
    return call("weight_gradient", [shape], x, gradients, way=way)[0]


def normalize(
    x: Array, gain: Array, shift: Array, epsilon: float, slope: float, until: Array | None = None
) -> Array:
    """Instance norm and activation of [N, C, H, W]; see `lowering.normalize`.

    until: an array that must be computed before.  This calls another FFI target, so that XLA does not
    merge the recomputation with the norm of the forward pass.
    """
    name, before = ("normalize", ()) if until is None else ("normalize_again", (until,))
    return call(name, [x.shape], x, gain, shift, *before, epsilon=epsilon, slope=slope)[0]


def normalize_gradient(
    x: Array, gain: Array, shift: Array, dy: Array, epsilon: float, slope: float
) -> Arrays:
    """The gradients (dx, d gain, d shift) of `normalize`."""
    shapes = x.shape, x.shape[:2], x.shape[:2]
    dx, d_gain, d_shift = call("normalize_gradient", shapes, x, gain, shift, dy, epsilon=epsilon, slope=slope)
    return dx, d_gain.sum(0), d_shift.sum(0)


def descend(theta: Array, m: Array, v: Array, gradient: Array, t: Array, *attributes: float) -> Arrays:
    """Adam's step (theta_t, m_t, v_t); the moments are updated in place if possible.

    attributes: see `cagan_theano.method.adam.AdamStep`.  theta is not updated in place: it is still
    read elsewhere when its step is ready, and XLA would copy it twice.
    """
    names = "learning_rate", "beta1", "beta2", "epsilon", "uncorrected", "last", "falling"
    given = dict(zip(names, (*attributes, 0, 0)))  # without the last two the step size does not fall
    theta_t, m_t, v_t = call("descend", [theta.shape] * 3, theta, m, v, gradient, t, in_place=(1, 2), **given)
    return theta_t, m_t, v_t


def after(x: Array, done: Array) -> Array:
    """The identity of x, which XLA does not schedule before `done`."""
    return call("after", [x.shape], x, done, in_place=(0,))[0]


def call(
    name: str,
    shapes: Sequence[tuple[int, ...]],
    *arrays: Array,
    in_place: tuple[int, ...] = (),
    **attributes: float | str,
) -> list[Array]:
    """The FFI call of one of the TARGETS: float32 arrays of some shapes.

    in_place: indices of the arrays that the result of the same index may overwrite.
    """
    import jax

    results, aliases = [jax.ShapeDtypeStruct(shape, "float32") for shape in shapes], {n: n for n in in_place}
    function = jax.ffi.ffi_call(f"cagan_{name}", results, input_output_aliases=aliases)
    given = {key: v if isinstance(v, str) else np.float32(v) for key, v in attributes.items()}
    return list(function(*arrays, **given))


def way_taken(operation: str, n: int, height: int, width: int, inner: int, outer: int, taps: int) -> str:
    """Which of WAYS the library chooses for an operation; height and width are those of `convolve`'s y.

    Raises ValueError if the library is not available.
    """
    found = registered()
    if found is None:
        raise ValueError("the C++ kernels are not available")
    choose = found.code.cagan_way
    choose.restype = ctypes.c_char_p
    sizes = n, height, width, inner, outer, taps, os.cpu_count() or 1
    return bytes(choose(list(WAYS).index(operation), *sizes)).decode()


@functools.cache
def registered() -> Library | None:
    """The library, registered with XLA; compiles it first (15 s) if needed.  None if that fails."""
    import jax

    try:
        with workplace(jax) as folder:
            found = library(jax, folder)
        if found is None:
            return None
        for name in TARGETS:
            handler = jax.ffi.pycapsule(getattr(found.code, f"cagan_{name}"))
            jax.ffi.register_ffi_target(f"cagan_{name}", handler, platform="cpu")
        return found
    except (OSError, AttributeError) as error:
        cache.tell(f"the C++ kernels cannot be loaded ({error}); using XLA's operations")
        return None


@contextlib.contextmanager
def workplace(jax: ModuleType) -> Iterator[Path]:
    """The cache folder, or a temporary one: a loaded library no longer needs its file."""
    if kept := cache.ready_folder(jax):
        yield kept
    else:
        with tempfile.TemporaryDirectory(prefix="cagan_", ignore_cleanup_errors=True) as folder:
            yield Path(folder)


class Library(NamedTuple):
    """A loaded library.  kernels: digests of its sources and its compiler."""

    code: ctypes.CDLL
    kernels: str


def library(jax: ModuleType, folder: Path) -> Library | None:
    """The library in a folder, compiled if it is missing or damaged; None if it cannot be compiled.

    A cached library needs no compiler.  If there is a compiler, only its own output is used.
    """
    compiler, made_by = find_compiler(), "*"
    if compiler:
        said = subprocess.run([compiler, "--version"], capture_output=True, check=False).stdout
        made_by = hashlib.sha256(said).hexdigest()[:16]
    sources = b"".join(source.read_bytes() for source in SOURCES) + " ".join(flags()).encode()
    stem = f"native-{hashlib.sha256(sources).hexdigest()[:16]}-{made_by}"
    found = find(folder, stem)
    if found is None and compiler:
        if why := build(jax, compiler, folder, stem):
            cache.tell(f"the C++ kernels were not compiled ({compiler}: {why}); using XLA's operations")
            return None
        found = find(folder, stem)
    return found


def find_compiler() -> str | None:
    """The path of the C++ compiler; None if none is installed."""
    return next(filter(None, map(shutil.which, COMPILERS)), None)


def find(folder: Path, stem: str) -> Library | None:
    """Load the first intact library for a stem, which ends in a compiler's digest or "*" for any.

    A library's name ends in the SHA-256 of its bytes; a truncated or changed one is deleted.
    """
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for name in sorted(fnmatch.filter(os.listdir(place), f"{stem}-{'[0-9a-f]' * 64}.so")):
            handle = open_whole(place, name)
            if handle is not None:
                # stays open: the loader would mistake another library with its number for this one
                by_handle = f"/proc/self/fd/{handle}"
                code = ctypes.CDLL(by_handle if os.path.exists(by_handle) else str(folder / name))
                return Library(code, name.rpartition("-")[0])
            os.unlink(name, dir_fd=place)
        return None
    finally:
        os.close(place)


def open_whole(place: int, name: str) -> int | None:
    """A file descriptor of a library in an open folder; None if its owner, mode or digest is wrong."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place)
    except OSError:
        return None
    found = os.fstat(handle)
    if stat.S_ISREG(found.st_mode) and not cache.danger(found, last=True):
        with open(handle, "rb", closefd=False) as file:
            if name.endswith(f"-{hashlib.sha256(file.read()).hexdigest()}.so"):
                return handle
    os.close(handle)
    return None


def flags() -> list[str]:
    native = "-march=native" if platform.machine() in ("x86_64", "AMD64") else "-mcpu=native"
    return ["-O3", native, "-fno-math-errno", "-std=c++17", "-DNDEBUG", "-w", "-shared", "-fPIC"]


def build(jax: ModuleType, compiler: str, folder: Path, stem: str) -> str:
    """Compile the library into a folder, atomically; returns why it failed, or ""."""
    unfinished, said = folder / f".{stem}.{os.getpid()}.part", ""
    command = [compiler, *flags(), "-I", jax.ffi.include_dir(), "-o", str(unfinished),
               *(str(source) for source in SOURCES if source.suffix == ".cc")]  # fmt: skip
    try:
        done = subprocess.run(tie(command), capture_output=True, check=False, timeout=300)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        else:
            unfinished.chmod(0o700)
            with open(unfinished, "rb") as file:
                os.fsync(file.fileno())  # before it gets its name
                digest = hashlib.sha256(file.read()).hexdigest()
            unfinished.replace(folder / f"{stem}-{digest}.so")
    except subprocess.TimeoutExpired as error:
        said = f"took more than {error.timeout:.0f} s"
    except OSError as error:
        said = str(error)
    finally:
        unfinished.unlink(missing_ok=True)
    lines = [line.strip() for line in said.splitlines()]
    return next((line for line in lines if "error" in line), lines[0] if lines else "")[:300]
