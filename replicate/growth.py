"""How time and memory grow with size and batch."""

from _clone import run

if __name__ == "__main__":
    run("growth")
