"""G of a checkpoint as an ONNX model for any N and any H and W that are multiples of 16.

Built node by node from the configuration and the named weights, without Aesara or PyTorch.  Inputs
x_i, y_i, y_j (and m_i if the configuration uses masks), outputs alpha, x_tilde_ij, x_ij: float32
[N, C, H, W], coded as in `cagan_theano.io.color`.
"""

import importlib
import math

import numpy as np

from cagan_theano.checkpoint import Checkpoint
from cagan_theano.config import Config
from cagan_theano.io.color import CODINGS
from cagan_theano.network.layers import tie
from cagan_theano.network.section4 import texture

OPSET = 17
IR_VERSION = 8  # from 2022, supported by old runtimes
PURPOSE = (
    "Generator of a conditional analogy GAN (CAGAN, Jetchev and Bergmann 2017): "
    "dresses the person x_i in the article y_j instead of y_i."
)
IMAGES = {
    "x_i": "the photo of a person",
    "y_i": "the article that the person wears",
    "y_j": "the article to put on",
    "m_i": "mask of the worn article in x_i, from 0 to 1",
    "alpha": "where the photo is painted over, from 0 (not) to 1",
    "x_tilde_ij": "what is painted",
    "x_ij": "the person in the other article: alpha x_tilde_ij + (1 - alpha) x_i",
}
"""Inputs and outputs of G in words."""


def import_optional(name):
    """Import onnx or onnxruntime; ValueError, with the cure, if it is missing."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ValueError(f"{error}; python -m pip install {name}") from error


class Graph:
    """Nodes and weights of an ONNX graph; a method adds a node and returns its output's name."""

    def __init__(self, weights: dict):
        self.onnx, self.weights = import_optional("onnx"), weights
        self.nodes, self.constants = [], {}

    def add(self, kind, *inputs, name=None, **attributes):
        """Add a node with one output, named `name` or after its kind and number."""
        name = name or f"{kind.lower()}{len(self.nodes)}"
        node = self.onnx.helper.make_node(kind, list(inputs), [name], name=name, **attributes)
        self.nodes.append(node)
        return name

    def constant(self, name, value, dtype=np.float32):
        """Add a constant; returns its name."""
        self.constants[name] = np.array(value, dtype)
        return name

    def linear(self, layer, h, transposed=False, bias=False, of=""):
        """Add a layer's stride-2 convolution or deconvolution, with its bias.

        of: distinguishes the names of a layer that is added more than once.
        """
        W = self.weights[f"{layer}.W"]
        kernel, inputs = W.shape[-1], [h, self.constant(f"{layer}.W", W)]
        if bias:
            inputs.append(self.constant(f"{layer}.b", self.weights[f"{layer}.b"]))
        pad = (kernel - 1) // 2
        settings = dict(strides=[2, 2], pads=[pad] * 4, kernel_shape=[kernel, kernel])
        if transposed:
            settings["output_padding"] = [2 + 2 * pad - kernel] * 2
        kind = "ConvTranspose" if transposed else "Conv"
        return self.add(kind, *inputs, name=f"{layer}.{kind}{of}", **settings)

    def norm(self, layer, h, channels, epsilon):
        """Add instance norm, with gain and shift if the weights have them."""
        gain = self.weights.get(f"{layer}.gain", np.ones(channels))
        shift = self.weights.get(f"{layer}.shift", np.zeros(channels))
        scale = self.constant(f"{layer}.gain", gain), self.constant(f"{layer}.shift", shift)
        return self.add("InstanceNormalization", h, *scale, name=f"{layer}.norm", epsilon=epsilon)

    def activate(self, h, activation):
        """Add the hidden activation of the encoder."""
        return self.add("Relu", h) if activation == "relu" else self.add("LeakyRelu", h, alpha=0.2)

    def channels(self, h, start, end):
        """Add a slice of channels start to end."""
        numbers = {f"channel{start}": [start], f"channel{end}": [end], "axis1": [1]}
        return self.add("Slice", h, *(self.constant(*item, np.int64) for item in numbers.items()))


def generator_graph(config: Config, weights: dict) -> Graph:
    """The graph of G (section 2.3, Figure 3), as in `cagan_theano.network.generator`."""
    if config.phases == "tied":
        tied = [f"{layer}.W" for layer in ("decoder1", "decoder2", "decoder3", "output")]
        weights = {name: tie(value) if name in tied else value for name, value in weights.items()}
    graph = Graph(weights)
    described = [textures(graph, y) for y in ("y_i", "y_j")] if config.texture_input else []
    # the same values again; a runtime names this node if H or W is another
    multiple = 2 ** len(config.g_widths)
    blocks = graph.add(
        "SpaceToDepth", "x_i", name=f"H_and_W_must_be_multiples_of_{multiple}", blocksize=multiple
    )
    x_i = graph.add("DepthToSpace", blocks, blocksize=multiple)
    h = graph.add("Concat", x_i, "y_i", "y_j", *described, axis=1)
    copied = config.copies_g != "none"
    pair = graph.add("Concat", "x_i", config.copies_g, axis=1) if copied else None
    skips, code = [], article_code(graph, config)
    for n in range(1, len(config.g_widths) + 1):
        pair = pair and graph.add("AveragePool", pair, kernel_shape=[2, 2], strides=[2, 2])
        h = encoder_layer(graph, config, f"encoder{n}", h, pair, code)
        skips.append(h)
    skips.pop()
    for n in range(1, len(config.g_widths)):
        layer, channels = f"decoder{n}", config.g_widths[-n - 1]
        h = graph.norm(layer, graph.linear(layer, h, transposed=True), channels, config.norm_epsilon)
        h = graph.add("Concat", graph.add("Relu", h), skips.pop(), axis=1)
    output = graph.linear("output", h, transposed=True, bias=True)
    matting(graph, config, graph.channels(output, 0, 1))
    graph.add("Tanh", graph.channels(output, 1, 4), name="x_tilde_ij")
    rest = graph.add("Sub", graph.constant("one", 1), "alpha")
    parts = graph.add("Mul", "alpha", "x_tilde_ij"), graph.add("Mul", rest, "x_i")
    graph.add("Add", *parts, name="x_ij")
    return graph


def encoder_layer(graph, config, layer, h, pair, code):
    """Convolution, norm (except in the first layer) and the code's gain and shift, activation, copies."""
    first = layer == "encoder1"
    h = graph.linear(layer, h, bias=first)
    if not first:
        channels = len(graph.weights[f"{layer}.W"])
        h = graph.norm(layer, h, channels, config.norm_epsilon)
        if code is not None:  # (1 + gain) h + shift, both linear in the articles' code
            W = graph.constant(f"{layer}.code", graph.weights[f"{layer}.code"][:, :, None, None])
            linear = graph.add("Conv", code, W, kernel_shape=[1, 1], name=f"{layer}.conditions")
            gain, shift = graph.channels(linear, 0, channels), graph.channels(linear, channels, 2 * channels)
            h = graph.add("Add", graph.add("Add", h, graph.add("Mul", gain, h)), shift)
    h = graph.activate(h, config.activation)
    return graph.add("Concat", h, pair, axis=1) if pair else h


def article_code(graph, config):
    """The codes of y_i and y_j, side by side: [N, 2 M, 1, 1]; None if the configuration has none.

    Each is the mean over H and W of layers of stride 2 on an article.
    """
    if not config.article_code:
        return None
    codes = []
    for h in ("y_i", "y_j"):
        y = h
        for n in range(1, len(config.code_widths) + 1):
            h = graph.linear(f"article{n}", h, bias=True, of=f".{y}")
            h = graph.activate(h, config.activation)
        codes.append(graph.add("GlobalAveragePool", h))
    return graph.add("Concat", *codes, axis=1)


def textures(graph, y):
    """The texture descriptors of an article, as in `cagan_theano.network.section4.texture`."""
    rgb, white = np.full((1, 3, 1, 1), 1 / 3), graph.constant("white", [-1])
    gray = graph.add("Conv", y, graph.constant("gray", rgb), white, kernel_shape=[1, 1])
    bank = graph.constant("gabor", texture.gabor_filters().reshape(-1, 1, texture.SIDE, texture.SIDE))
    pairs = np.repeat(np.eye(texture.ORIENTATIONS), 2, axis=1)[:, :, None, None]
    floor = np.full(texture.ORIENTATIONS, texture.FLOOR)
    summed = graph.constant("pairs", pairs), graph.constant("floor", floor)
    block = graph.constant("block", np.ones((texture.ORIENTATIONS, 1, 2, 2)))
    maps = []
    for octave in range(texture.OCTAVES):
        gray = graph.add("AveragePool", gray, kernel_shape=[2, 2], strides=[2, 2]) if octave else gray
        found = graph.add("Conv", gray, bank, kernel_shape=[texture.SIDE] * 2, pads=[texture.SIDE // 2] * 4)
        energies = graph.add("Conv", graph.add("Mul", found, found), *summed, kernel_shape=[1, 1])
        maps.append(graph.add("Sqrt", energies))
        for _ in range(octave):  # each value four times
            maps[-1] = graph.add("ConvTranspose", maps[-1], block, group=texture.ORIENTATIONS,
                                 kernel_shape=[2, 2], strides=[2, 2])  # fmt: skip
    return graph.add("Concat", *maps, axis=1)


def matting(graph, config, logit):
    """alpha from its logit and, with config.mask, a segmentation m_i (section 4)."""
    if config.mask == "overwrite":
        return graph.add("Identity", "m_i", name="alpha")
    if config.mask == "prior":
        odds = math.log(config.mask_prior / (1 - config.mask_prior))
        scaled = graph.add("Mul", "m_i", graph.constant("odds2", 2 * odds))
        centered = graph.add("Sub", scaled, graph.constant("odds", odds))
        logit = graph.add("Add", logit, centered)
    return graph.add("Sigmoid", logit, name="alpha")


def generator_model(checkpoint: Checkpoint, about: dict[str, str] | None = None):
    """The ONNX model of the G that swaps, checked by onnx, with provenance and configuration.

    about: further metadata, such as name and licence.  Raises ValueError if onnx is not installed or the
    weights lack a parameter.
    """
    onnx, config = import_optional("onnx"), checkpoint.config
    try:
        graph = generator_graph(config, checkpoint.swapping_G())
    except KeyError as error:
        raise ValueError(f"the weights of G lack {error}; they belong to another configuration") from error

    def describe(name):
        """Type of an input or output: float32 [N, C, H, W], with one channel for alpha and m_i."""
        shape = ["N", 1 if name in ("alpha", "m_i") else 3, "H", "W"]
        return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape, IMAGES[name])

    names = ["x_i", "y_i", "y_j"] + ["m_i"] * config.takes_mask
    outputs = ["alpha", "x_tilde_ij", "x_ij"]
    tensors = [onnx.numpy_helper.from_array(value, name) for name, value in graph.constants.items()]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes, "G", list(map(describe, names)), list(map(describe, outputs)), tensors
        ),
        producer_name="cagan_theano",
        doc_string=f"{PURPOSE} Images are float32 [N, C, H, W], {CODINGS[config.color]}; H and W must be "
        f"multiples of {2 ** len(config.g_widths)}.",
        ir_version=IR_VERSION,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
    )
    texts = {"config": config.to_json(), "step": str(checkpoint.step), "sha256": checkpoint.sha256}
    onnx.helper.set_model_props(model, texts | {"coding": CODINGS[config.color]} | (about or {}))
    onnx.checker.check_model(model, full_check=True)
    return model


def run(model, inputs: dict) -> dict:
    """Run an ONNX model on the CPU; inputs and outputs: name -> array.

    Raises ValueError, with the cure, if onnxruntime is missing.
    """
    onnxruntime = import_optional("onnxruntime")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))
