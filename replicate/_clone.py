"""Runs one command of `cagan` from a clone that need not be installed; the files beside this one call it."""

import sys
from pathlib import Path


def run(name: str) -> None:
    """Run the command of that name on this process's arguments."""
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # the clone, in the place of this folder
    from cagan_theano.cli import run

    run(name)
