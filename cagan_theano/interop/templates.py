"""Adapters between other implementations and `cagan compare --against`, to be completed by their users."""

ADAPTER = '''"""My CAGAN, for `cagan compare --against mine=adapter:swap`; adapt the lines with "yours"."""

import numpy as np
{imports}

{network}


def swap(x_i, y_i, y_j):
    """RGB images, uint8 [n, H, W, 3] -> x_ij alike, and alpha [n, H, W] in [0, 1]."""
    x_i, y_i, y_j = (images / np.float32(127.5) - 1 for images in (x_i, y_i, y_j))
    {run}
    x_ij = alpha * x_tilde_ij + (1 - alpha) * x_i  # yours, if the network does this itself
    return np.rint((x_ij.clip(-1, 1) + 1) * 127.5).astype("uint8"), alpha
'''

TORCH = ADAPTER.format(
    imports="import torch\nfrom my_network import Generator  # yours",
    network="""network = Generator()
network.load_state_dict(torch.load("generator.pt", map_location="cpu", weights_only=True))
network.eval()""",
    run="""inputs = np.concatenate([x_i, y_i, y_j], -1).transpose(0, 3, 1, 2).copy()  # yours: their order
    with torch.no_grad():
        outputs = network(torch.from_numpy(inputs)).numpy().transpose(0, 2, 3, 1)
    alpha, x_tilde_ij = outputs[..., :1], outputs[..., 1:]  # yours: after sigmoid and tanh""",
)

KERAS = ADAPTER.format(
    imports="import keras",
    network='network = keras.models.load_model("generator.keras", compile=False)',
    run="""outputs = network.predict(np.concatenate([x_i, y_i, y_j], -1), verbose=0)  # yours: their order
    alpha, x_tilde_ij = outputs[..., :1], outputs[..., 1:]  # yours: after sigmoid and tanh""",
)

ONNX = ADAPTER.format(
    imports="import onnxruntime",
    network='network = onnxruntime.InferenceSession("generator.onnx")',
    run="""inputs = {"x_i": x_i, "y_i": y_i, "y_j": y_j}  # yours: the names of inputs and outputs
    inputs = {name: images.transpose(0, 3, 1, 2) for name, images in inputs.items()}
    outputs = network.run(["alpha", "x_tilde_ij"], inputs)
    alpha, x_tilde_ij = (output.transpose(0, 2, 3, 1) for output in outputs)""",
)

TEMPLATES = {"torch": TORCH, "keras": KERAS, "onnx": ONNX}
