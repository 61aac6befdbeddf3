"""Dress the person of one photo."""

from _clone import run

if __name__ == "__main__":
    run("swap")
