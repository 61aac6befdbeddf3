"""``python -m cagan_theano.export``, an earlier name of ``cagan export-functions``."""

from cagan_theano.cli import run

if __name__ == "__main__":
    run("export-functions")
