"""Make golden vectors: every number between inputs and updates, in float64 through Aesara.

    python replicate/golden.py OUT.h5 [--config '{"g_kernel": 3}'] [--seed 0]

`docs/golden.md` describes the file; `replicate/compare.py` holds other implementations against it.
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
from cagan_theano.learning.adam import Adam
from cagan_theano.learning.batches import Batch
from cagan_theano.learning.functions import build_networks, losses_of_D, losses_of_G

at = aesara.tensor

SMALL = dict(height=32, width=16, g_widths=(8, 10, 12, 14), d_widths=(8, 10, 12, 14), batch_size=2)
"""The smallest networks in which every layer has learned channels beside its copies."""

UPDATES = 10
KEPT = (1, 2, 10)
"""After how many updates the parameters are written down."""

SPREAD = {"W": 0.1, "W, norm follows": 0.002, "b": 0.1, "gain": 0.2, "shift": 0.1}
"""Standard deviations of the weights.  Before a norm they are so small that the epsilon in its root
counts; gains stand around 1."""

# Aesara's own numpy, without rewrites: exact in float64, and nothing of XLA or C takes part.
PLAIN = aesara.compile.mode.Mode(linker="py", optimizer=None)


def draw_weights(config: Config, seed: int) -> dict:
    """Weights that hide no mistake: {"G": name -> array, "D": ...}, no bias or shift at 0."""
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    return {
        network: {
            name: drawn(rng, name, variable.get_value(borrow=True).shape, net.params)
            for name, variable in net.params.items()
        }
        for network, net in build_networks(config)._asdict().items()
    }


def drawn(rng, name, shape, params):
    """One parameter, from the distribution of its kind."""
    layer, kind = name.split(".")
    normed = kind == "W" and f"{layer}.b" not in params
    return rng.normal(kind == "gain", SPREAD["W, norm follows" if normed else kind], shape)


def draw_inputs(config: Config, seed: int) -> dict:
    """x_i, y_i, y_j [, y_k] [N, 3, H, W] whose values are those of bytes, and m_i where needed."""
    rng = np.random.Generator(np.random.PCG64([seed, 2]))
    inputs = {name: picture(rng, config, channels) for name, channels in inputs_of(config).items()}
    if config.takes_mask:
        inputs["m_i"] = (inputs["m_i"] + 1) / 2
    return inputs


def picture(rng, config, channels):
    """Noise around one color for each picture: [N, C, H, W] in [-1, 1]."""
    n = config.batch_size
    color = rng.uniform(40, 215, (n, channels, 1, 1))
    noise = rng.normal(0, 40, (n, channels, config.height, config.width))
    return np.clip(np.rint(color + noise), 0, 255) / 127.5 - 1


class Reference:
    """G and D through Aesara on one minibatch: their layers, losses, gradients and updates.

    weights: as of `draw_weights`; inputs: as of `draw_inputs`; dtype: of all computation.
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
        """What every layer gives: of G on x_i, y_i, y_j, of D on x_i, y_i; "G/encoder1.norm" ..."""
        record, (G, D) = {}, self.build()
        G.encoder, G.decoder = watched(G.encoder, "G", record), watched(G.decoder, "G", record)
        D.layers = watched(D.layers, "D", record)
        G.output = Watched(G.output, "G/output", record)
        x_i, y_i, y_j = (self.inputs[name] for name in ("x_i", "y_i", "y_j"))
        swap = G(x_i, y_i, y_j, self.inputs.get("m_i"))._asdict()
        record |= {f"G/{name}": value for name, value in swap.items()}
        record["D/head"] = D(x_i, y_i)
        return self.evaluate(record)

    def terms(self) -> dict:
        """Each loss and each of its terms; the loss after its terms."""
        order = ("adv_D_real", "adv_D_fake", "adv_D_mismatch", "loss_D", "adv_G", "L_id", "L_cyc", "loss_G")
        losses = {**self.losses["D"], **self.losses["G"]}
        return self.evaluate({name: losses[name] for name in order if name in losses})

    def gradients(self) -> dict:
        """The gradient of loss_D by D's parameters and of loss_G by G's: "D/layer1.W" ..."""
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
        """The functions that update D and G, in this order."""
        return [self.update("D"), self.update("G")]

    def update(self, name):
        """The function that updates G or D on the minibatch and returns its loss."""
        loss = self.losses[name][f"loss_{name}"]
        updates = Adam(self.params(name), self.config).updates(loss)
        return aesara.function(
            list(self.inputs.values()), loss, updates=updates, mode=PLAIN, on_unused_input="ignore"
        )

    def step(self) -> dict:
        """Update D, then G with the new D; returns their losses before."""
        return dict(zip(("loss_D", "loss_G"), (float(f(*self.values)) for f in self.updates)))

    def parameters(self) -> dict:
        """Copies of all parameters: "D/layer1.W" ... "G/encoder1.W" ..."""
        return {
            f"{name}/{parameter}": variable.get_value()
            for name in ("D", "G")
            for parameter, variable in self.params(name).items()
        }


class Watched:
    """A layer that writes down under a name what it gives; all else is the layer's own."""

    def __init__(self, layer, name, record):
        self.layer, self.watched, self.record = layer, name, record

    def __call__(self, *arguments):
        value = self.record[self.watched] = self.layer(*arguments)
        return value

    def __getattr__(self, name):
        return getattr(self.layer, name)


class WatchedNorm(Watched):
    """A norm that writes down what it gives before the activation."""

    def __call__(self, x, shape, activation=None):
        self.record[self.watched] = self.layer(x, shape)
        return self.layer(x, shape, activation)


def watched(layers, network, record):
    """Layers of G or D that write down their convolution, their norm and their box in Figure 3."""
    for layer in layers:
        for part in ("convolution", "deconvolution", "norm"):
            inner = getattr(layer, part, None)
            if inner is not None:
                kind = WatchedNorm if part == "norm" else Watched
                setattr(layer, part, kind(inner, f"{network}/{layer.name}.{part}", record))
    return [Watched(layer, f"{network}/{layer.name}.box", record) for layer in layers]


def make(config: Config, seed: int = 0) -> Vectors:
    """Golden vectors of a configuration: its weights and inputs are drawn from the seed."""
    weights, inputs = draw_weights(config, seed), draw_inputs(config, seed)
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
    about = {"program": "replicate/golden.py", "seed": seed, "versions": versions()}
    return Vectors(config, arrays | history(reference), about)


def history(reference) -> dict:
    """The losses of each update and the parameters after 1, 2 and 10 of them."""
    arrays, losses = {}, []
    for n in range(1, UPDATES + 1):
        losses.append(reference.step())
        if n in KEPT:
            arrays |= {f"after{n}/{name}": p for name, p in reference.parameters().items()}
    return arrays | {f"updates/{name}": np.array([row[name] for row in losses]) for name in losses[0]}


def configuration(text: str) -> Config:
    """The small configuration with the changes of a JSON object; ValueError for a wrong one."""
    cure = 'write it like {"g_kernel": 3}'
    try:
        changes = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"--config: is not JSON ({error}); {cure}") from error
    if not isinstance(changes, dict):
        raise ValueError(f"--config: is not a JSON object; {cure}")
    config = Config.from_json(json.dumps({**SMALL, **changes}))
    if config.ours():
        raise ValueError(
            f"--config: {config.ours()[0]} is ours; golden vectors are of the paper's method alone"
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
    f"where not given: {json.dumps(SMALL)}.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of weights and inputs."
)
def command(out, config, seed):
    """Write to OUT (HDF5) what Aesara makes of drawn weights and inputs, in float64."""
    vectors = make(configuration(config), seed)
    write_vectors(out, vectors)
    size = Path(out).stat().st_size / 1e6
    click.echo(f"wrote {out}: {len(vectors.arrays)} arrays, {size:.2f} MB")
