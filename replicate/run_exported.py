"""Train or swap with exported functions."""

from _clone import run

if __name__ == "__main__":
    run("run-exported")
