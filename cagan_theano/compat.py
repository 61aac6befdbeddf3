"""The one guarded place where Aesara meets the versions around it.

Every other module imports Aesara through this one (``from cagan_theano.compat import aesara``), so
that its flags are set before its first import and no user ever sets ``AESARA_FLAGS``:

* ``cxx`` starts empty: the JAX back end needs no compiler, and Aesara then compiles nothing at
  import.  The C back end turns it on again (:mod:`cagan_theano.backends.c`).
* ``blas__ldflags`` is given: Aesara otherwise asks ``numpy.distutils``, which fails with a recent
  setuptools and is gone from numpy 2.
* Aesara makes its folder in the home at import, where there is one that can be written; a user in a
  container may have none, and is given a temporary one.
* numpy 2 and 1.26 differ in six names that Aesara 2.9 uses; they are put back where missing.
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

OUR_FLAGS = "floatX=float32,cxx=,blas__ldflags="


def restore_numpy_names() -> list[str]:
    """Put back on numpy the six names that Aesara 2.9 uses and numpy 2 dropped.

    Returns the names that were missing: empty on numpy 1.26.
    """
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


def add_flags() -> None:
    """Put our Aesara flags before the user's own, so that theirs win where they set the same."""
    theirs = os.environ.get("AESARA_FLAGS", "")
    os.environ["AESARA_FLAGS"] = ",".join(filter(None, [OUR_FLAGS, theirs]))


@contextlib.contextmanager
def writable_home():
    """In the block, HOME is a folder that can be written: a temporary one where the user has none."""
    home, own = os.path.expanduser("~"), os.path.expanduser("~/.aesara")
    if os.path.isdir(home) and os.access(own if os.path.isdir(own) else home, os.W_OK):
        yield
        return
    folder, before = tempfile.mkdtemp(prefix="cagan_home_"), os.environ.get("HOME")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["HOME"] = folder
    try:
        yield
    finally:
        os.environ.pop("HOME")
        if before is not None:
            os.environ["HOME"] = before


def import_aesara():
    """Import Aesara with flags, numpy names and log level in place; returns the module.

    Raises ImportError, with the cure, where Aesara is missing.
    """
    restore_numpy_names()
    if "aesara" not in sys.modules:
        add_flags()
    # Aesara warns at import that it uses numpy's BLAS: true of the C back end alone, which says so.
    logging.getLogger("aesara.tensor.blas").setLevel(logging.ERROR)
    try:
        with writable_home():
            import aesara
            import aesara.tensor.nnet.abstract_conv
    except ModuleNotFoundError as error:
        raise ImportError(f"{error}; install the pins of requirements/reference.txt") from error
    return aesara


NUMPY_2 = int(np.__version__.split(".")[0]) >= 2

aesara = import_aesara()
abstract_conv = aesara.tensor.nnet.abstract_conv
OpFromGraph = aesara.compile.builders.OpFromGraph


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on, for logs and checkpoints."""
    from importlib import metadata

    names = ("aesara", "numpy", "scipy", "jax", "jaxlib", "h5py", "pillow")
    found = {"python": sys.version.split()[0]}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
