"""The time of each convolution layer, in every way that it can be computed."""

if __name__ == "__main__":  # not in the processes that it starts, which import this file
    from _clone import run

    run("bench-layers")
