"""The time of each convolution layer, in every way that it can be computed."""

from _clone import run

if __name__ == "__main__":
    run("bench-layers")
