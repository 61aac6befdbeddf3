"""Dress every person of a folder."""

from _clone import run

if __name__ == "__main__":
    run("swap-folder")
