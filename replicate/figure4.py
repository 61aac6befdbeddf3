"""Figure 4: swaps at 128x96."""

if __name__ == "__main__":  # not in the processes that it starts, which import this file
    from _clone import run

    run("figure4")
