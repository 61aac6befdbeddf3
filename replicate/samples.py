"""Write sample pictures to dress."""

from _clone import run

if __name__ == "__main__":
    run("samples")
