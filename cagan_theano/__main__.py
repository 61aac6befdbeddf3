"""``python -m cagan_theano``: the same as ``cagan``."""

from cagan_theano.cli import run

if __name__ == "__main__":
    run()
