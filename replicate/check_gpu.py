"""Hold the GPU against the CPU over a few steps."""

from _clone import run

if __name__ == "__main__":
    run("check-gpu")
