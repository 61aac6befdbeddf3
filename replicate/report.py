"""Write one HTML page about a checkpoint."""

from _clone import run

if __name__ == "__main__":
    run("report")
