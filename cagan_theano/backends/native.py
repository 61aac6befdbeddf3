"""Functions of our own for the CPU: C++ compiled for this processor, called by XLA.

norm.cc makes instance norm, activation and their gradient in one pass, adam.cc Adam's step.
convolution.cc convolves: Winograd's algorithm (winograd.h) needs 121 multiplications where the direct
method, XLA's and PyTorch's, needs 400 (5x5 kernels of stride 2; 3x3: 81 where 144); where there are
few pixels, products of matrices read the kernels as they are (direct.h).  Without a C++ compiler
`available` is False, and XLA does all the work itself.
"""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from cagan_theano.backends import cache

SOURCES = [Path(__file__).with_name(name) for name in (
    "convolution.cc", "winograd.h", "direct.h", "convolution.h", "norm.cc", "adam.cc", "shared.h")]
TARGETS = ("convolve", "deconvolve", "weight_gradient", "normalize", "normalize_again",
           "normalize_gradient", "descend", "after")  # fmt: skip
COMPILERS = ("c++", "g++", "clang++")
TAPS = (3, 4, 5)
FEW_CHANNELS = 4  # below this XLA's convolution is the faster one (measured): vectors hold up to 16


def pays(kernel_shape: tuple, stride: int, pad: int) -> bool:
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

    facts: see `cagan_theano.adam.Descent`.  Theta is still read elsewhere when its step is ready: in
    place it would be copied twice.
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


@functools.cache
def available() -> bool:
    """Whether the library is there and known to XLA; compiles it (15 s) where it is new."""
    import jax

    path = library(jax)
    if path is None:
        return False
    try:
        loaded = ctypes.CDLL(str(path))
        for name in TARGETS:
            handler = jax.ffi.pycapsule(getattr(loaded, f"cagan_{name}"))
            jax.ffi.register_ffi_target(f"cagan_{name}", handler, platform="cpu")
    except (OSError, AttributeError):
        return False
    return True


def library(jax) -> Path | None:
    """The compiled library in the user's cache folder, or in a temporary one; None: no compiler."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        return None
    folder = cache.prepared(cache.version_folder(jax)) or Path(tempfile.mkdtemp(prefix="cagan_"))
    path = folder / f"native-{digest(compiler)}.so"
    return path if path.exists() or build(jax, compiler, path) else None


def digest(compiler: str) -> str:
    """A name for what this compiler makes of the sources."""
    said = subprocess.run([compiler, "--version"], capture_output=True, check=False).stdout
    texts = b"".join(source.read_bytes() for source in SOURCES)
    return hashlib.sha256(texts + said).hexdigest()[:16]


def build(jax, compiler: str, path: Path) -> bool:
    """Compile the library; False where that fails."""
    native = "-march=native" if platform.machine() in ("x86_64", "AMD64") else "-mcpu=native"
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    command = [compiler, "-O3", native, "-fno-math-errno", "-std=c++17", "-DNDEBUG", "-w", "-shared",
               "-fPIC",
               "-I", jax.ffi.include_dir(), "-o", str(unfinished),
               *(str(source) for source in SOURCES if source.suffix == ".cc")]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=300)
        if done.returncode:
            return False
        os.replace(unfinished, path)
    except (OSError, subprocess.TimeoutExpired):
        return False
    finally:
        unfinished.unlink(missing_ok=True)
    return True
