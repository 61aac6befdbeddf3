"""Aesara's C linker: the reference on the CPU; needs a C++ compiler and numpy 1.26.

It repairs, in one guarded place, the fault that breaks convolution in Aesara 2.8.10 to 2.9.4, and
links OpenBLAS where one can be found: a system's, or the one inside scipy's wheel.
"""

import ctypes.util
import shutil
from pathlib import Path

from cagan_theano.backends import Backend
from cagan_theano.backends.expansion import inline_fused_ops
from cagan_theano.compat import NUMPY_2, aesara


def create(device: str | None = None) -> Backend:
    """The C back end; ValueError, with the cure, where it cannot run."""
    if device == "gpu":
        raise ValueError("backend c runs on the CPU alone; use --backend jax for a GPU")
    if NUMPY_2:
        raise ValueError("backend c needs numpy 1.26 (requirements/reference.txt); use --backend jax")
    compiler = shutil.which("g++")
    if compiler is None:
        raise ValueError("backend c needs the compiler g++, which is not found; use --backend jax")
    configure(compiler)
    repair_convolution()
    return Backend("c", "CPU", mode(), lambda variable: None, kernels="aesara c")


def mode():
    """Aesara's FAST_RUN on its C virtual machine, as if the compiler had been there at import."""
    from aesara.compile.mode import FAST_RUN, Mode
    from aesara.link.vm import VMLinker

    return Mode(VMLinker(use_cloop=True), inline_fused_ops(FAST_RUN.provided_optimizer))


def configure(compiler: str) -> None:
    """Turn Aesara's C compilation on, with the BLAS at hand."""
    config = aesara.config
    config.cxx = compiler
    config.blas__ldflags = config.blas__ldflags or blas_flags()


def blas_flags() -> str:
    """Linker flags for OpenBLAS, or "" for numpy's own slower way."""
    if ctypes.util.find_library("openblas"):
        return "-lopenblas"
    import scipy

    folder = Path(scipy.__file__).parent.parent / "scipy.libs"
    for library in sorted(folder.glob("libopenblas*.so*")):
        return f"-L{folder} -l:{library.name} -Wl,-rpath,{folder}"
    return ""


def repair_convolution() -> None:
    """Replace CorrMM.make_node where it is the faulty one, which calls tuple() with four arguments.

    The fault hides behind "there is no implementation available ... do you have a BLAS library".
    """
    from aesara.tensor.nnet.corr import CorrMM

    image = aesara.tensor.ftensor4()
    try:
        CorrMM()(image, image)
    except TypeError:
        CorrMM.make_node = make_node


def make_node(self, img, kern):
    """CorrMM's node: [N, C, H, W] and [K, C, h, w] of one dtype -> [N, K, H', W']."""
    tensor = aesara.tensor
    img, kern = self.as_common_dtype(*map(tensor.as_tensor_variable, (img, kern)))
    if img.type.ndim != 4 or kern.type.ndim != (6 if self.unshared else 4):
        raise TypeError("img must have 4 dimensions, kern 4 (6 when unshared)")
    ones = [1 if source.type.shape[0] == 1 else None for source in (img, kern)]
    output = tensor.TensorType(img.type.dtype, shape=(*ones, None, None))()
    return aesara.graph.basic.Apply(self, [img, kern], [output])
