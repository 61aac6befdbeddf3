"""Train the PyTorch reference."""

from _clone import run

if __name__ == "__main__":
    run("pytorch-train")
