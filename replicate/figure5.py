"""Figure 5: swaps and their masks at 256x192."""

if __name__ == "__main__":  # not in the processes that it starts, which import this file
    from _clone import run

    run("figure5")
