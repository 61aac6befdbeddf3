"""The shipped weights, by name: in the clone's ``checkpoints/``, or in the installed package."""

import os
import re
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent

FAMILIES = {"cagan": "the paper's method", "dress": "ours: told true swaps in training, for photos"}
"""Families of shipped weights and what they are; a file is FAMILY_HxW.h5."""

NAMES = re.compile(rf"(?:({'|'.join(FAMILIES)})_)?(\d{{1,4}}x\d{{1,4}})")


def child_environment() -> dict[str, str]:
    """The environment of a child process, in which it finds this package wherever it stands."""
    places = [str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}


def folder() -> Path:
    """The folder of the shipped files: the installed package's own, or else the clone's."""
    return installed_or("checkpoints", PACKAGE.parent / "checkpoints")


def installed_or(name: str, clone: Path) -> Path:
    """The folder of that name in the installed package; where there is none, the clone's."""
    installed = PACKAGE / name
    return installed if installed.is_dir() else clone


def shipped(family: str, size: str) -> Path:
    """Path of shipped weights, whether or not they exist; size: such as "128x96"."""
    return folder() / f"{family}_{size}.h5"


def find(name) -> Path:
    """The file of a checkpoint that is given by path or by name: "dress_128x96", "128x96" (cagan).

    A file of that name comes before shipped weights.
    """
    match = NAMES.fullmatch(str(name))
    if match is None or Path(name).exists():
        return Path(name)
    return shipped(match[1] or "cagan", match[2])


def held_out(height: int, width: int) -> Path:
    """Path of the shipped held-out pictures of a size, whether or not they exist."""
    return folder() / f"heldout_{height}x{width}.h5"


def golden() -> Path:
    """Path of the shipped golden vectors."""
    return installed_or("golden", PACKAGE.parent / "tests" / "golden") / "cagan_32x16.h5"


def load_model(checkpoint, backend="auto", device=None):
    """`cagan_theano.load`, whose modules are imported only now."""
    import cagan_theano

    return cagan_theano.load(checkpoint, backend=backend, device=device)
