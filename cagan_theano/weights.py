"""Shipped weights and held-out images by name, from the clone or from the installed package."""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent

# of shipped weights, named FAMILY_HxW.h5, and of images: heldout_HxW.h5
FAMILIES = {"cagan": "the paper's method", "dress": "ours: trained with true swaps, for photos"}
HELD_OUT = "heldout"


def child_environment() -> dict[str, str]:
    """Environment for a child process in which this package can be imported from any folder."""
    places = [str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}


def folder(name: str = "checkpoints", clone: str = "checkpoints") -> Path:
    """A folder of shipped files: in the installed package, else in the clone."""
    installed = PACKAGE / name
    return installed if installed.is_dir() else PACKAGE.parent / clone


def shipped(family: str, size: str) -> Path:
    """Path of a shipped file, which need not exist; family: of weights, or ``HELD_OUT``; size: "128x96"."""
    return folder() / f"{family}_{size}.h5"


def find(name, size: str = "128x96") -> Path:
    """A file given by path or by name: "dress_256x192", "dress", "256x192" (cagan), "heldout_128x96".

    size: of a name without one.  An existing file with that name takes precedence over a shipped one.
    """
    path = Path(name)
    if path.is_file() or path.name != str(name):
        return path
    files = (folder() / f"{stem}.h5" for stem in (name, f"{name}_{size}", f"cagan_{name}"))
    return next((file for file in files if file.is_file()), path)


def names() -> str:
    """The names of all shipped weights, for messages."""
    files = sorted(path.stem for family in FAMILIES for path in folder().glob(f"{family}_*.h5"))
    return ", ".join(files) or "none"


def name_output(name: str, checkpoint, size: str) -> str:
    """The name of a figure's file, with that of the weights unless they are the shipped `cagan_SIZE`."""
    checkpoint = Path(checkpoint)
    return name if checkpoint == shipped("cagan", size) else f"{name}_{checkpoint.stem}"


def held_out(height: int, width: int) -> Path:
    """Path of the shipped held-out images at a size, which need not exist."""
    return shipped(HELD_OUT, f"{height}x{width}")


def load_model(checkpoint, backend="auto", device=None):
    """`cagan_theano.load`, imported on first use."""
    import cagan_theano

    return cagan_theano.load(checkpoint, backend=backend, device=device)
