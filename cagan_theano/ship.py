"""``python -m cagan_theano.ship``, a former name of ``cagan export-weights``."""

from cagan_theano.cli import run

if __name__ == "__main__":
    run("export-weights")
