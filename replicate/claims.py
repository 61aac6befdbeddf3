"""Measure the paper's claims and write the document."""

from _clone import run

if __name__ == "__main__":
    run("claims")
