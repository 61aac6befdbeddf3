"""Aesara's C linker, the reference on the CPU; it needs g++ and numpy 1.26.

OpenBLAS is linked if available: the system's, or the one bundled with scipy's wheel.
"""

import ctypes.util
import shutil
from pathlib import Path
from typing import Any

from cagan_theano.backends import Backend
from cagan_theano.backends.rewrites import inline_fused_ops
from cagan_theano.compat import NUMPY_2, aesara
from cagan_theano.network.layers import Variable


def create(device: str | None = None) -> Backend:
    """The C back end: Aesara's FAST_RUN mode on its C virtual machine."""
    from aesara.compile.mode import FAST_RUN, Mode
    from aesara.link.vm import VMLinker
    from aesara.tensor.nnet.corr import CorrMM

    if device == "gpu":
        raise ValueError("backend c runs on the CPU only; use --backend jax for a GPU")
    if NUMPY_2:
        raise ValueError("backend c needs numpy 1.26 (requirements/reference.txt); use --backend jax")
    compiler = shutil.which("g++")
    if compiler is None:
        raise ValueError("backend c needs the compiler g++, which was not found; use --backend jax")
    config = aesara.config
    config.cxx = compiler
    config.blas__ldflags = config.blas__ldflags or blas_flags()
    CorrMM.make_node = make_node
    # Aesara chose its default linker at import, when no compiler was configured.
    mode = Mode(VMLinker(use_cloop=True), inline_fused_ops(FAST_RUN.provided_optimizer))
    return Backend("c", "CPU", mode, lambda variable: None, kernels="aesara c")


def blas_flags() -> str:
    """Linker flags for OpenBLAS, or "" for Aesara's slower fallback through numpy."""
    if ctypes.util.find_library("openblas"):
        return "-lopenblas"
    import scipy

    folder = Path(scipy.__file__).parent.parent / "scipy.libs"
    for library in sorted(folder.glob("libopenblas*.so*")):
        return f"-L{folder} -l:{library.name} -Wl,-rpath,{folder}"
    return ""


def make_node(self: Any, img: Variable, kern: Variable) -> Any:
    """CorrMM's node: images [N, C, H, W] and kernels [K, C, h, w] -> [N, K, H', W'].

    Aesara's own, in 2.8.10 to 2.9.4, calls tuple() with four arguments, and Aesara then reports "there is
    no implementation available ... do you have a BLAS library".
    """
    tensor = aesara.tensor
    img, kern = self.as_common_dtype(*map(tensor.as_tensor_variable, (img, kern)))
    if img.type.ndim != 4 or kern.type.ndim != (6 if self.unshared else 4):
        raise TypeError("img must have 4 dimensions, kern 4 (6 when unshared)")
    ones = [1 if source.type.shape[0] == 1 else None for source in (img, kern)]
    output = tensor.TensorType(img.type.dtype, shape=(*ones, None, None))()
    return aesara.graph.basic.Apply(self, [img, kern], [output])
