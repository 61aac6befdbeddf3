"""Generate golden vectors: all values from inputs to updates, computed by Aesara in float64.

    cagan golden OUT.h5 [--config '{"g_kernel": 3}'] [--seed 0]

`docs/evaluation.md` describes the file; `cagan compare` compares other implementations with it.
"""

import json
from pathlib import Path

import click
import numpy as np

from cagan_theano.backends.rewrites import inline_fused_ops
from cagan_theano.compat import aesara, versions
from cagan_theano.config import Config
from cagan_theano.interop.conformance import Vectors, check_sizes, inputs_of, write_vectors
from cagan_theano.io.command import Command, Output
from cagan_theano.method.adam import Adam
from cagan_theano.method.losses import losses_of_D, losses_of_G
from cagan_theano.method.minibatch import Batch
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

# Aesara's NumPy implementation, which is independent of XLA and C, of the graph as it was built: equal
# expressions are computed once, and fused operations inlined (their graphs would be rewritten otherwise).
PLAIN = aesara.compile.mode.Mode("py", inline_fused_ops(aesara.compile.mode.OPT_MERGE))


def sample_weights(config: Config, seed: int) -> dict:
    """Random weights {"G": name -> array, "D": ...}; no bias or shift is 0, which would hide mistakes."""
    rng, weights = np.random.Generator(np.random.PCG64([seed, 1])), {}
    for network, net in build_networks(config)._asdict().items():
        weights[network] = {}
        for name, variable in net.params.items():
            layer, kind = name.split(".")
            normed = kind == "W" and f"{layer}.b" not in net.params
            spread = SPREAD["W, norm follows" if normed else kind]
            weights[network][name] = rng.normal(kind == "gain", spread, variable.get_value(borrow=True).shape)
    return weights


def sample_inputs(config: Config, seed: int) -> dict:
    """Random x_i, y_i, y_j [, y_k] [N, 3, H, W] with values of bytes, and m_i if needed.

    Each image is noise around one color.
    """
    rng, inputs = np.random.Generator(np.random.PCG64([seed, 2])), {}
    for name, channels in inputs_of(config).items():
        color = rng.uniform(40, 215, (config.batch_size, channels, 1, 1))
        noise = rng.normal(0, 40, (config.batch_size, channels, config.height, config.width))
        inputs[name] = np.clip(np.rint(color + noise), 0, 255) / 127.5 - 1
    if config.takes_mask:
        inputs["m_i"] = (inputs["m_i"] + 1) / 2
    return inputs


class Reference:
    """G and D in Aesara on one minibatch: expressions of layers, losses and gradients, and the updates.

    weights: see `sample_weights`; inputs: see `sample_inputs`.  All computation is in float64.
    """

    def __init__(self, config: Config, weights: dict, inputs: dict):
        self.config, self.values = config, list(inputs.values())
        self.inputs = {name: at.TensorType("float64", array.shape)(name) for name, array in inputs.items()}
        self.networks = build_networks(config, 0, "float64")
        for name, network in self.networks._asdict().items():
            for parameter, variable in network.params.items():
                variable.set_value(weights[name][parameter])
        x_i, y_i, y_j = (self.inputs[name] for name in ("x_i", "y_i", "y_j"))
        batch = Batch(x_i, y_i, y_j, self.inputs.get("y_k", y_j), self.inputs.get("m_i"))
        self.losses = losses_of_D(self.networks, batch, config) | losses_of_G(self.networks, batch, config)

    def compile(self, outputs, updates=None):
        """The Aesara function of expressions on the minibatch."""
        return aesara.function(
            list(self.inputs.values()), outputs, updates=updates, mode=PLAIN, on_unused_input="ignore"
        )

    def layers(self) -> dict:
        """The outputs of all layers of G(x_i, y_i, y_j) and D(x_i, y_i): "G/encoder1.norm" ..."""
        record, (G, D) = {}, self.networks
        G.encoder, G.decoder = watch(G.encoder, "G", record), watch(G.decoder, "G", record)
        D.layers = watch(D.layers, "D", record)
        G.output = Watched(G.output, "G/output", record)  # type: ignore[assignment]
        x_i, y_i, y_j = (self.inputs[name] for name in ("x_i", "y_i", "y_j"))
        swap = G(x_i, y_i, y_j, self.inputs.get("m_i"))._asdict()
        record |= {f"G/{name}": value for name, value in swap.items()}
        return record | {"D/head": D(x_i, y_i)}

    def terms(self) -> dict:
        """The terms of each loss, followed by the loss."""
        order = ("adv_D_real", "adv_D_fake", "adv_D_mismatch", "loss_D", "adv_G", "L_id", "L_cyc", "loss_G")
        return {name: self.losses[name] for name in order if name in self.losses}

    def gradients(self) -> dict:
        """Gradients of loss_D for D's parameters and of loss_G for G's: "D/layer1.W" ..."""
        found = {}
        for name in ("D", "G"):
            params = getattr(self.networks, name).params
            gradients = aesara.grad(
                self.losses[f"loss_{name}"], list(params.values()), disconnected_inputs="ignore"
            )
            found |= {f"{name}/{parameter}": gradient for parameter, gradient in zip(params, gradients)}
        return found

    def history(self) -> dict:
        """Values: parameters after 1, 2 and 10 updates of D, then G, and the losses before each update."""
        functions = {}
        for name in ("D", "G"):
            loss = self.losses[f"loss_{name}"]
            updates = Adam(getattr(self.networks, name).params, self.config).updates(loss)
            functions[name] = self.compile(loss, updates)
        arrays, losses = {}, {name: [] for name in functions}
        for n in range(1, UPDATES + 1):
            for name, update in functions.items():
                losses[name].append(float(update(*self.values)))
            for name in functions if n in KEPT else ():
                params = getattr(self.networks, name).params
                arrays |= {f"after{n}/{name}/{p}": variable.get_value() for p, variable in params.items()}
        return arrays | {f"updates/loss_{name}": np.array(values) for name, values in losses.items()}


class Watched:
    """Wrapper of a layer that records its output under a name, of a norm that before the activation."""

    def __init__(self, layer, name, record):
        self.layer, self.watched, self.record = layer, name, record

    def __call__(self, *arguments):
        norm = self.watched.endswith(".norm")
        self.record[self.watched] = self.layer(*(arguments[:2] if norm else arguments))
        return self.layer(*arguments) if norm else self.record[self.watched]

    def __getattr__(self, name):
        return getattr(self.layer, name)


def watch(layers, network, record):
    """Wrap layers of G or D to record their convolution, norm and output (a box in Figure 3)."""
    for layer in layers:
        for part in ("convolution", "deconvolution", "norm"):
            if inner := getattr(layer, part, None):
                setattr(layer, part, Watched(inner, f"{network}/{layer.name}.{part}", record))
    return [Watched(layer, f"{network}/{layer.name}.box", record) for layer in layers]


def make(config: Config, seed: int = 0) -> Vectors:
    """Golden vectors of a configuration, with random weights and inputs from the seed."""
    weights, inputs = sample_weights(config, seed), sample_inputs(config, seed)
    reference = Reference(config, weights, inputs)
    given = {"weights/G": weights["G"], "weights/D": weights["D"], "inputs": inputs}
    losses, gradients = reference.terms(), reference.gradients()
    symbolic = join_groups({"layers": reference.layers(), "losses": losses, "gradients": gradients})
    values = map(np.asarray, reference.compile(list(symbolic.values()))(*reference.values))
    about = {"program": "cagan golden", "seed": seed, "versions": versions()}
    arrays = join_groups(given) | dict(zip(symbolic, values)) | reference.history()
    return Vectors(config, arrays, about)


def join_groups(groups: dict) -> dict:
    """Values by "group/name"."""
    return {f"{group}/{name}": value for group, values in groups.items() for name, value in values.items()}


def parse_config(text: str) -> Config:
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
    check_sizes(config)
    return config


# fmt: off
@click.command(cls=Command)
@click.argument("out", type=Output())
@click.option("--config", default="{}", show_default=True,
              help="JSON object of settings (cagan_theano/config.py) that differ from the paper's; "
                   f"otherwise: {json.dumps(SMALL)}.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the values.")
# fmt: on
def command(out, config, seed):
    """Write golden vectors to OUT (HDF5): Aesara's values for random weights and inputs, in float64."""
    vectors = make(parse_config(config), seed)
    write_vectors(out, vectors)
    size = Path(out).stat().st_size / 1e6
    click.echo(f"wrote {out}: {len(vectors.arrays)} arrays, {size:.2f} MB")
