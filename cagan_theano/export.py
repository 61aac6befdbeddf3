"""``python -m cagan_theano.export``, a former name of ``cagan export-functions``."""

from cagan_theano.cli import run

if __name__ == "__main__":
    run("export-functions")
