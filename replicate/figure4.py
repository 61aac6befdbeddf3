"""Figure 4: swaps at 128x96."""

from _clone import run

if __name__ == "__main__":
    run("figure4")
