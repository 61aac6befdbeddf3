"""Measure a checkpoint on held-out pictures."""

from _clone import run

if __name__ == "__main__":
    run("evaluate")
