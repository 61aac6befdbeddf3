"""Convert weights: HDF5, safetensors, ONNX."""

if __name__ == "__main__":  # not in the processes that it starts, which import this file
    from _clone import run

    run("convert")
