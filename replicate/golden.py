"""Write golden vectors of a small network."""

from _clone import run

if __name__ == "__main__":
    run("golden")
