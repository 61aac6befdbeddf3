"""Figure 2: the cycle, there and back."""

from _clone import run

if __name__ == "__main__":
    run("figure2")
