"""Time this package beside PyTorch and ONNX Runtime."""

from _clone import run

if __name__ == "__main__":
    run("benchmark")
