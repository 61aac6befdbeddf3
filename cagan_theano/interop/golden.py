"""Generate golden vectors: all values from inputs to updates, computed by Aesara in float64.

    cagan golden OUT.h5 [--config '{"g_kernel": 3}'] [--seed 0]

`docs/evaluation.md` describes the file; `cagan compare` compares other implementations with it.
"""

import functools
import json
from pathlib import Path

import click
import numpy as np

from cagan_theano.compat import aesara, versions
from cagan_theano.config import Config
from cagan_theano.interop import conformance
from cagan_theano.interop.vectors import Vectors, inputs_of, write_vectors
from cagan_theano.io.command import Command, Output
from cagan_theano.method.adam import Adam
from cagan_theano.method.minibatch import Batch
from cagan_theano.method.updates import losses_of_D, losses_of_G
from cagan_theano.network.networks import build_networks

at = aesara.tensor

SMALL = dict(height=32, width=16, g_widths=(8, 10, 12, 14), d_widths=(8, 10, 12, 14), batch_size=2)
"""The smallest networks in which every layer has both learned channels and copies."""

UPDATES = 10
KEPT = (1, 2, 10)
"""Numbers of updates after which the parameters are recorded."""

SPREAD = {"W": 0.1, "W, norm follows": 0.002, "b": 0.1, "gain": 0.2, "shift": 0.1, "code": 0.5}
"""Standard deviations of the weights.  Before a norm they are so small that its epsilon matters; gains
have mean 1."""

# Aesara's NumPy implementation without rewrites: exact in float64 and independent of XLA and C.
PLAIN = aesara.compile.mode.Mode(linker="py", optimizer=None)


def sample_weights(config: Config, seed: int) -> dict:
    """Random weights {"G": name -> array, "D": ...}; no bias or shift is 0, which would hide mistakes."""
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    return {
        network: {
            name: sample_parameter(rng, name, variable.get_value(borrow=True).shape, net.params)
            for name, variable in net.params.items()
        }
        for network, net in build_networks(config)._asdict().items()
    }


def sample_parameter(rng, name, shape, params):
    """Sample one parameter from the distribution of its kind."""
    layer, kind = name.split(".")
    normed = kind == "W" and f"{layer}.b" not in params
    return rng.normal(kind == "gain", SPREAD["W, norm follows" if normed else kind], shape)


def sample_inputs(config: Config, seed: int) -> dict:
    """Random x_i, y_i, y_j [, y_k] [N, 3, H, W] with values of bytes, and m_i if needed."""
    rng = np.random.Generator(np.random.PCG64([seed, 2]))
    inputs = {name: sample_image(rng, config, channels) for name, channels in inputs_of(config).items()}
    if config.takes_mask:
        inputs["m_i"] = (inputs["m_i"] + 1) / 2
    return inputs


def sample_image(rng, config, channels):
    """Noise around one color per image: [N, C, H, W] in [-1, 1]."""
    n = config.batch_size
    color = rng.uniform(40, 215, (n, channels, 1, 1))
    noise = rng.normal(0, 40, (n, channels, config.height, config.width))
    return np.clip(np.rint(color + noise), 0, 255) / 127.5 - 1


class Reference:
    """G and D in Aesara on one minibatch: layers, losses, gradients and updates.

    weights: see `sample_weights`; inputs: see `sample_inputs`; dtype: of all computation.
    """

    def __init__(self, config: Config, weights: dict, inputs: dict, dtype: str = "float64"):
        self.config, self.weights, self.dtype = config, weights, dtype
        self.values = [array.astype(dtype) for array in inputs.values()]
        self.inputs = {name: at.TensorType(dtype, array.shape)(name) for name, array in inputs.items()}
        self.networks = self.build()
        batch = Batch(
            *(self.inputs.get(name) for name in ("x_i", "y_i", "y_j")),
            self.inputs.get("y_k", self.inputs["y_j"]),
            self.inputs.get("m_i"),
        )
        self.losses = {
            "D": losses_of_D(self.networks, batch, config),
            "G": losses_of_G(self.networks, batch, config),
        }

    def build(self):
        """G and D with the weights."""
        networks = build_networks(self.config, 0, self.dtype)
        for name, network in networks._asdict().items():
            for parameter, variable in network.params.items():
                variable.set_value(self.weights[name][parameter].astype(self.dtype))
        return networks

    def evaluate(self, symbolic: dict) -> dict:
        """The values of named expressions on the minibatch."""
        function = aesara.function(
            list(self.inputs.values()), list(symbolic.values()), mode=PLAIN, on_unused_input="ignore"
        )
        return dict(zip(symbolic, map(np.asarray, function(*self.values))))

    def layers(self) -> dict:
        """The outputs of all layers of G(x_i, y_i, y_j) and D(x_i, y_i): "G/encoder1.norm" ..."""
        record, (G, D) = {}, self.build()
        G.encoder, G.decoder = watched(G.encoder, "G", record), watched(G.decoder, "G", record)
        D.layers = watched(D.layers, "D", record)
        for name, network in (("G", G), ("D", D)):  # of G, those of y_j
            network.articles.layers = watched(network.articles.layers, name, record)
        G.output = Watched(G.output, "G/output", record)
        x_i, y_i, y_j = (self.inputs[name] for name in ("x_i", "y_i", "y_j"))
        swap = G(x_i, y_i, y_j, self.inputs.get("m_i"))._asdict()
        record |= {f"G/{name}": value for name, value in swap.items()}
        record["D/head"] = D(x_i, y_i)
        return self.evaluate(record)

    def terms(self) -> dict:
        """The terms of each loss, followed by the loss."""
        order = ("adv_D_real", "adv_D_fake", "adv_D_mismatch", "loss_D", "adv_G", "L_id", "L_cyc", "loss_G")
        losses = {**self.losses["D"], **self.losses["G"]}
        return self.evaluate({name: losses[name] for name in order if name in losses})

    def gradients(self) -> dict:
        """Gradients of loss_D for D's parameters and of loss_G for G's: "D/layer1.W" ..."""
        return self.evaluate(
            {
                f"{name}/{parameter}": gradient
                for name in ("D", "G")
                for parameter, gradient in zip(
                    self.params(name),
                    aesara.grad(
                        self.losses[name][f"loss_{name}"],
                        list(self.params(name).values()),
                        disconnected_inputs="ignore",
                    ),
                )
            }
        )

    def params(self, name):
        """The shared variables of G or D by name."""
        return getattr(self.networks, name).params

    @functools.cached_property
    def updates(self):
        """The functions that update D and G, in that order."""
        return [self.update("D"), self.update("G")]

    def update(self, name):
        """The function that updates G or D on the minibatch and returns its loss."""
        loss = self.losses[name][f"loss_{name}"]
        updates = Adam(self.params(name), self.config).updates(loss)
        return aesara.function(
            list(self.inputs.values()), loss, updates=updates, mode=PLAIN, on_unused_input="ignore"
        )

    def step(self) -> dict:
        """Update D, then G with the new D; returns the losses before the updates."""
        return dict(zip(("loss_D", "loss_G"), (float(f(*self.values)) for f in self.updates)))

    def parameters(self) -> dict:
        """Copies of all parameters: "D/layer1.W" ... "G/encoder1.W" ..."""
        return {
            f"{name}/{parameter}": variable.get_value()
            for name in ("D", "G")
            for parameter, variable in self.params(name).items()
        }


class Watched:
    """Wrapper of a layer that records its output under a name."""

    def __init__(self, layer, name, record):
        self.layer, self.watched, self.record = layer, name, record

    def __call__(self, *arguments):
        value = self.record[self.watched] = self.layer(*arguments)
        return value

    def __getattr__(self, name):
        return getattr(self.layer, name)


class WatchedNorm(Watched):
    """Wrapper of a norm that records its output before the activation."""

    def __call__(self, x, shape, activation=None):
        self.record[self.watched] = self.layer(x, shape)
        return self.layer(x, shape, activation)


def watched(layers, network, record):
    """Wrap layers of G or D to record their convolution, norm and output (a box in Figure 3)."""
    for layer in layers:
        for part in ("convolution", "deconvolution", "norm"):
            inner = getattr(layer, part, None)
            if inner is not None:
                kind = WatchedNorm if part == "norm" else Watched
                setattr(layer, part, kind(inner, f"{network}/{layer.name}.{part}", record))
    return [Watched(layer, f"{network}/{layer.name}.box", record) for layer in layers]


def make(config: Config, seed: int = 0) -> Vectors:
    """Golden vectors of a configuration, with random weights and inputs from the seed."""
    weights, inputs = sample_weights(config, seed), sample_inputs(config, seed)
    reference = Reference(config, weights, inputs)
    arrays = {
        f"weights/{network}/{name}": value
        for network, values in weights.items()
        for name, value in values.items()
    }
    groups = {
        "inputs": inputs,
        "layers": reference.layers(),
        "losses": reference.terms(),
        "gradients": reference.gradients(),
    }
    for group, values in groups.items():
        arrays |= {f"{group}/{name}": np.asarray(value) for name, value in values.items()}
    about = {"program": "cagan golden", "seed": seed, "versions": versions()}
    return Vectors(config, arrays | history(reference), about)


def history(reference) -> dict:
    """The losses of each update, and the parameters after 1, 2 and 10 updates."""
    arrays, losses = {}, []
    for n in range(1, UPDATES + 1):
        losses.append(reference.step())
        if n in KEPT:
            arrays |= {f"after{n}/{name}": p for name, p in reference.parameters().items()}
    return arrays | {f"updates/{name}": np.array([row[name] for row in losses]) for name in losses[0]}


def configuration(text: str) -> Config:
    """The small configuration with changes from a JSON object; ValueError if invalid."""
    cure = 'use the form {"g_kernel": 3}'
    try:
        changes = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"--config: is not JSON ({error}); {cure}") from error
    if not isinstance(changes, dict):
        raise ValueError(f"--config: is not a JSON object; {cure}")
    config = Config.from_json(json.dumps({**SMALL, **changes}))
    if config.ours():
        raise ValueError(
            f"--config: {config.ours()[0]} is ours; golden vectors exist only for the paper's method"
        )
    conformance.check_sizes(config)
    return config


@click.command(cls=Command)
@click.argument("out", type=Output())
@click.option(
    "--config",
    default="{}",
    show_default=True,
    help="JSON object of settings (cagan_theano/config.py) that differ from the paper's; "
    f"otherwise: {json.dumps(SMALL)}.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed for weights and inputs."
)
def command(out, config, seed):
    """Write golden vectors to OUT (HDF5): Aesara's values for random weights and inputs, in float64."""
    vectors = make(configuration(config), seed)
    write_vectors(out, vectors)
    size = Path(out).stat().st_size / 1e6
    click.echo(f"wrote {out}: {len(vectors.arrays)} arrays, {size:.2f} MB")
