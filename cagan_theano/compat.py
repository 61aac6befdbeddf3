"""Compatibility of Aesara with the environment.

Every other module imports Aesara from here, so that its flags are set before its first import:

* ``cxx`` is empty at first: the JAX back end needs no compiler, and Aesara then compiles nothing at
  import.  The C back end sets it again (:mod:`cagan_theano.backends.c`).
* ``blas__ldflags`` is set, because Aesara otherwise queries ``numpy.distutils``, which fails with
  recent setuptools and was removed in NumPy 2.
* ``floatX`` is float32, whatever the user's flags say.
"""

import atexit
import contextlib
import logging
import os
import shutil
import sys
import tempfile
import warnings

import numpy as np

DEFAULTS = "cxx=,blas__ldflags="  # flags, unless the user sets others


def restore_numpy_names() -> list[str]:
    """Restore the six names that Aesara 2.9 uses and NumPy 2 removed; returns those that were missing."""
    replacements = {
        "obj2sctype": lambda rep, default=None: np.dtype(rep).type,
        "cast": {
            key: (lambda x, t=t: np.asarray(x).astype(t))
            for name, t in np.sctypeDict.items()
            for key in (name, t)
        },
        "MAXDIMS": 64,
        "sctype2char": lambda sctype: np.dtype(sctype).char,
        "AxisError": np.exceptions.AxisError,
        "ComplexWarning": np.exceptions.ComplexWarning,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        missing = [name for name in replacements if not hasattr(np, name)]
    for name in missing:
        setattr(np, name, replacements[name])
    return missing


@contextlib.contextmanager
def import_environment():
    """Context manager: environment variables with which Aesara can be imported, whatever the user's are.

    HOME: a temporary directory if the user's is not writable, since Aesara makes a folder there.  AESARARC:
    no configuration file, unless the user names one.  OMP_NUM_THREADS: left out if it is a list.
    """
    before = {name: os.environ.get(name) for name in ("HOME", "AESARARC", "OMP_NUM_THREADS")}
    home, own = os.path.expanduser("~"), os.path.expanduser("~/.aesara")
    if not (os.path.isdir(home) and os.access(own if os.path.isdir(own) else home, os.W_OK)):
        os.environ["HOME"] = tempfile.mkdtemp(prefix="cagan_home_")
        atexit.register(shutil.rmtree, os.environ["HOME"], ignore_errors=True)
    os.environ.setdefault("AESARARC", os.devnull)
    if not (before["OMP_NUM_THREADS"] or "").isdecimal():
        os.environ.pop("OMP_NUM_THREADS", None)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def import_aesara():
    """The module Aesara, with flags, NumPy names and log level set; ImportError if it is missing."""
    restore_numpy_names()
    if "aesara" not in sys.modules:  # a later flag takes precedence
        flags = filter(None, [DEFAULTS, os.environ.get("AESARA_FLAGS"), "floatX=float32,device=cpu"])
        os.environ["AESARA_FLAGS"] = ",".join(flags)
    # Aesara warns at import that it uses NumPy's BLAS; that concerns only the C back end, which reports it.
    logging.getLogger("aesara.tensor.blas").setLevel(logging.ERROR)
    try:
        with import_environment():
            import aesara
            import aesara.tensor.nnet.abstract_conv
            from aesara.link import utils
    except ModuleNotFoundError as error:
        raise ImportError(f"{error}; install the pins of requirements/reference.txt") from error
    # Aesara writes the source of each function to a file in /tmp, and would leave it there
    utils.NamedTemporaryFile = lambda delete: tempfile.NamedTemporaryFile()
    return aesara


NUMPY_2 = int(np.__version__.split(".")[0]) >= 2

aesara = import_aesara()
abstract_conv = aesara.tensor.nnet.abstract_conv
OpFromGraph = aesara.compile.builders.OpFromGraph


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on, for logs and checkpoints."""
    from importlib import metadata

    found = {"python": sys.version.split()[0]}
    for name in ("aesara", "numpy", "scipy", "jax", "jaxlib", "h5py", "pillow"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
