"""Figure 5: swaps and their masks at 256x192."""

from _clone import run

if __name__ == "__main__":
    run("figure5")
