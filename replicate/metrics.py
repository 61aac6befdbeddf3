"""Measure swaps by KID, FID and LPIPS."""

from _clone import run

if __name__ == "__main__":
    run("metrics")
