"""Render true swaps that measure one thing."""

from _clone import run

if __name__ == "__main__":
    run("shoots")
