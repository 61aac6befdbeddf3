"""Functions of our own for the CPU: C++ compiled for this processor, called by XLA.

norm.cc makes instance norm, activation and their gradient in one pass, adam.cc Adam's step.
convolution.cc convolves: Winograd's algorithm (winograd.h) needs 121 multiplications where the direct
method, XLA's and PyTorch's, needs 400 (5x5 kernels of stride 2; 3x3: 81 where 144); where there are
few pixels, products of matrices read the kernels as they are (direct.h).  Without a C++ compiler,
and without a library that one has left in the cache, `available` is False, and XLA does all the work.
"""

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
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cagan_theano.backends import cache

SOURCES = [
    Path(__file__).with_name(name)
    for name in (
        "convolution.cc",
        "winograd.h",
        "direct.h",
        "convolution.h",
        "norm.cc",
        "adam.cc",
        "shared.h",
    )
]
TARGETS = ("convolve", "deconvolve", "weight_gradient", "normalize", "normalize_again",
           "normalize_gradient", "descend", "after")  # fmt: skip
COMPILERS = ("c++", "g++", "clang++")
TAPS = (3, 4, 5)
FEW_CHANNELS = 4  # below this XLA's convolution is the faster one (measured): vectors hold up to 16


def is_supported(kernel_shape: tuple, stride: int, pad: int) -> bool:
    """Whether a convolution, which makes pictures of half the sides, is one of ours, and faster so."""
    outer, inner, taps, across = kernel_shape
    ours = stride == 2 and taps == across and taps in TAPS and pad == (taps - 1) // 2
    return ours and min(outer, inner) >= FEW_CHANNELS


def convolve(x, kernels):
    """Stride-2 convolution of x [N, C, 2h, 2w] with kernels [K, C, k, k]: [N, K, h, w]."""
    n, _, height, width = x.shape
    return call("convolve", (n, len(kernels), height // 2, width // 2), x, kernels)


def deconvolve(gradients, kernels):
    """The transpose of `convolve`: [N, K, h, w] -> [N, C, 2h, 2w]."""
    n, _, height, width = gradients.shape
    return call("deconvolve", (n, kernels.shape[1], 2 * height, 2 * width), gradients, kernels)


def weight_gradient(x, gradients, taps: int):
    """The gradient of `convolve` for its kernels: [K, C, taps, taps]."""
    shape = gradients.shape[1], x.shape[1], taps, taps
    return call("weight_gradient", shape, x, gradients)


def normalize(x, gain, shift, epsilon: float, slope: float, until=None):
    """Instance norm and activation of [N, C, H, W]; see `lowering.normalize`.

    until: what must be known before; XLA then takes it for another function than without.
    """
    later, name = ((), "normalize") if until is None else ((until,), "normalize_again")
    return call(name, x.shape, x, gain, shift, *later, epsilon=epsilon, slope=slope)


def normalize_gradient(x, gain, shift, dy, epsilon: float, slope: float):
    """The gradients (dx, d gain, d shift) of `normalize`."""
    n, channels = x.shape[:2]
    dx, *parts = call("normalize_gradient", (x.shape, (n, channels), (n, channels)), x, gain, shift,
                      dy, epsilon=epsilon, slope=slope)  # fmt: skip
    return dx, *(part.sum(0) for part in parts)


def descend(theta, m, v, gradient, t, *facts: float):
    """Adam's step (theta_t, m_t, v_t), the moments in their own memory where that may be.

    facts: see `cagan_theano.learning.adam.AdamStep`.  Theta is still read elsewhere when its step is
    ready: in place it would be copied twice.
    """
    names = "learning_rate", "beta1", "beta2", "epsilon", "uncorrected", "last", "falling"
    constant = dict(last=0, falling=0)  # a step size that does not fall
    return call("descend", (theta.shape,) * 3, theta, m, v, gradient, t, in_place=(1, 2),
                **{**constant, **dict(zip(names, facts))})  # fmt: skip


def after(x, done):
    """x, which XLA does not read before `done` is there."""
    return call("after", x.shape, x, done, in_place=(0,))


def call(name: str, shape, *arrays, in_place: tuple = (), **facts: float):
    """What XLA is given for one of the TARGETS; shape: of its result, or one for each of several.

    in_place: numbers of the arrays that may be written over, each by the result of its number.
    """
    import jax

    several = isinstance(shape[0], tuple)
    results = [jax.ShapeDtypeStruct(one, "float32") for one in (shape if several else [shape])]
    facts = {name: np.float32(value) for name, value in facts.items()}
    function = jax.ffi.ffi_call(f"cagan_{name}", results if several else results[0],
                                input_output_aliases={n: n for n in in_place})  # fmt: skip
    return function(*arrays, **facts)


def available() -> bool:
    """Whether the library is there and known to XLA; compiles it (15 s) where it is new."""
    return loaded() is not None


@functools.cache
def loaded() -> str | None:
    """What tells our kernels from others, once XLA knows them; None where there are none."""
    import jax

    try:
        with workplace(jax) as folder:
            found = library(jax, folder)
            if found is None:
                return None
            for name in TARGETS:
                handler = jax.ffi.pycapsule(getattr(found.code, f"cagan_{name}"))
                jax.ffi.register_ffi_target(f"cagan_{name}", handler, platform="cpu")
            return found.kernels
    except (OSError, AttributeError) as error:
        cache.tell(f"our C++ kernels cannot be loaded ({error}); XLA's do the work")
        return None


@contextlib.contextmanager
def workplace(jax):
    """The user's cache folder, or one that goes when the block ends: what is loaded needs no file."""
    kept = cache.prepared(cache.version_folder(jax))
    if kept:
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="cagan_", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


class Library(NamedTuple):
    """A loaded library.  kernels: its sources and its compiler, as a digest of each."""

    code: ctypes.CDLL
    kernels: str


def library(jax, folder: Path) -> Library | None:
    """The library of a folder, compiled where it is missing or damaged; None: there is no compiler.

    A cached one needs no compiler; where there is one, only what that one made is taken.
    """
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    made_by = version_digest(compiler) if compiler else "*"
    stem = f"native-{sources_digest()}-{made_by}"
    found = find(folder, stem)
    if found is None and compiler:
        why = build(jax, compiler, folder, stem)
        if why:
            cache.tell(f"our C++ kernels were not compiled ({compiler}: {why}); XLA's do the work")
        found = None if why else find(folder, stem)
    return found


def find(folder: Path, stem: str) -> Library | None:
    """Load the first library of these sources and this compiler ("*": any) that is whole and ours.

    Its name ends in the digest of its bytes: one that is cut off or changed is removed.
    """
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for name in sorted(fnmatch.filter(os.listdir(place), f"{stem}-{'[0-9a-f]' * 64}.so")):
            handle = whole(place, name)
            if handle is not None:
                return Library(mapped(handle, folder / name), name.rpartition("-")[0])
            os.unlink(name, dir_fd=place)
        return None
    finally:
        os.close(place)


def whole(place: int, name: str) -> int | None:
    """A handle of a file in an open folder that is ours and holds what its name says; else None."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place)
    except OSError:
        return None
    with contextlib.ExitStack() as closing:
        closing.callback(os.close, handle)
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or cache.danger(found, last=True):
            return None
        with open(handle, "rb", closefd=False) as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        if name != f"{name.rpartition('-')[0]}-{digest}.so":
            return None
        closing.pop_all()
    return handle


def mapped(handle: int, path: Path) -> ctypes.CDLL:
    """The library of an open file; its path is used where the system cannot load by a handle.

    The handle stays open: another library under its number would be taken for this one.
    """
    by_handle = f"/proc/self/fd/{handle}"
    return ctypes.CDLL(by_handle if os.path.exists(by_handle) else str(path))


def sources_digest() -> str:
    """A name for the sources and how they are compiled."""
    texts = b"".join(source.read_bytes() for source in SOURCES)
    return hashlib.sha256(texts + " ".join(flags()).encode()).hexdigest()[:16]


def version_digest(compiler: str) -> str:
    """A name for a compiler's version."""
    said = subprocess.run([compiler, "--version"], capture_output=True, check=False).stdout
    return hashlib.sha256(said).hexdigest()[:16]


def flags() -> list[str]:
    """How the compiler is called."""
    native = "-march=native" if platform.machine() in ("x86_64", "AMD64") else "-mcpu=native"
    return ["-O3", native, "-fno-math-errno", "-std=c++17", "-DNDEBUG", "-w", "-shared", "-fPIC"]


def build(jax, compiler: str, folder: Path, stem: str) -> str:
    """Compile the library into a folder, whole or not at all; returns why that failed, or ""."""
    unfinished = folder / f".{stem}.{os.getpid()}.part"
    command = [compiler, *flags(), "-I", jax.ffi.include_dir(), "-o", str(unfinished),
               *(str(source) for source in SOURCES if source.suffix == ".cc")]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=300)
        if done.returncode:
            return reason(done.stderr.decode(errors="replace")) or f"exit code {done.returncode}"
        publish(unfinished, stem)
    except (OSError, subprocess.TimeoutExpired) as error:
        return reason(str(error))
    finally:
        unfinished.unlink(missing_ok=True)
    return ""


def publish(unfinished: Path, stem: str) -> None:
    """Give a compiled library its name, once its bytes are on the disk."""
    unfinished.chmod(0o700)
    with open(unfinished, "rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.sha256(file.read()).hexdigest()
    unfinished.replace(unfinished.with_name(f"{stem}-{digest}.so"))


def reason(said: str) -> str:
    """The line of a compiler's output that tells most: its first error, else its first line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line), (lines or [""])[0])[:300]
