"""Convolutions of our own for the CPU: winograd.cc, compiled for this processor, called by XLA.

Winograd's algorithm needs 121 multiplications where the direct method, XLA's and PyTorch's, needs
400 (5x5 kernels of stride 2; 3x3: 81 where 144).  Without a C++ compiler `available` is False, and
XLA's own convolutions do the work.
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

from cagan_theano.backends import cache

SOURCE = Path(__file__).with_name("winograd.cc")
TARGETS = ("convolve", "deconvolve", "weight_gradient")
COMPILERS = ("c++", "g++", "clang++")
TAPS = (3, 4, 5)
# Below these XLA's convolution is the faster one (measured): what transforming a kernel costs is
# won back over tiles of 4x4 outputs, and vectors hold up to 16 channels.
FEW_TILES, FEW_CHANNELS = 40, 9


def pays(pictures: int, size: tuple, kernel_shape: tuple, stride: int, pad: int) -> bool:
    """Whether a convolution that makes `pictures` of `size` (h, w) is one of ours, and faster so."""
    outer, inner, taps, across = kernel_shape
    ours = stride == 2 and taps == across and taps in TAPS and pad == (taps - 1) // 2
    tiles = pictures * -(-size[0] // 4) * -(-size[1] // 4)
    return ours and tiles >= FEW_TILES and min(outer, inner) >= FEW_CHANNELS


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


def call(name: str, shape: tuple, *arrays):
    """What XLA is given for one of the TARGETS."""
    import jax

    return jax.ffi.ffi_call(f"cagan_{name}", jax.ShapeDtypeStruct(shape, "float32"))(*arrays)


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
    path = folder / f"winograd-{digest(compiler)}.so"
    return path if path.exists() or build(jax, compiler, path) else None


def digest(compiler: str) -> str:
    """A name for what this compiler makes of this source."""
    said = subprocess.run([compiler, "--version"], capture_output=True, check=False).stdout
    return hashlib.sha256(SOURCE.read_bytes() + said).hexdigest()[:16]


def build(jax, compiler: str, path: Path) -> bool:
    """Compile the library; False where that fails."""
    native = "-march=native" if platform.machine() in ("x86_64", "AMD64") else "-mcpu=native"
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    command = [compiler, "-O3", native, "-std=c++17", "-DNDEBUG", "-w", "-shared", "-fPIC",
               "-I", jax.ffi.include_dir(), str(SOURCE), "-o", str(unfinished)]  # fmt: skip
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
