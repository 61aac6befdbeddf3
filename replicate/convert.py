"""Convert weights: HDF5, safetensors, ONNX."""

from _clone import run

if __name__ == "__main__":
    run("convert")
