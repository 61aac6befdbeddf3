"""``python -m cagan_theano.train``, a former name of ``cagan train``."""

from cagan_theano.cli import run

if __name__ == "__main__":
    run("train")
