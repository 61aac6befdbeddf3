"""Time this package beside PyTorch and ONNX Runtime."""

if __name__ == "__main__":  # not in the processes that it starts, which import this file
    from _clone import run

    run("benchmark")
