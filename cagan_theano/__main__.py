"""``python -m cagan_theano``, equivalent to ``cagan``."""

from cagan_theano.cli import run

if __name__ == "__main__":
    run()
