"""How far G's and D's gradients are from float64, from the shipped weights, by each lowering.

    python tools/gradient_error.py [--pictures 2] [--linear]

Of each parameter's gradient: the largest error as a part of its largest value; told is the worst.  Where
rounding moves a pre-activation across 0, the gradient of a ReLU jumps, however small the rounding;
--linear leaves out the ReLUs of G's encoder and of D, and so shows the rounding alone.
"""

import json
import subprocess
import sys
from pathlib import Path

import click
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

LOWERINGS = {
    "exact": ("c", "float64", False),
    "shipped": ("jax", "float32", False),
    "XLA's convolutions": ("jax", "float32", True),
    "C linker": ("c", "float32", False),
}
"""Name -> back end, type, whether XLA is given every convolution whole."""


def gradients(name, pictures, linear):
    """Parameter name -> gradient of loss_D or loss_G, from checkpoints/cagan_128x96.h5."""
    kind, dtype, reference = LOWERINGS[name]
    from cagan_theano.backends import choose_backend
    from cagan_theano.checkpoint import load_checkpoint
    from cagan_theano.compat import aesara
    from cagan_theano.method.losses import losses_of_D, losses_of_G
    from cagan_theano.method.minibatch import Batch
    from cagan_theano.network import layers
    from cagan_theano.network.networks import build_networks

    checkpoint = load_checkpoint(ROOT / "checkpoints" / "cagan_128x96.h5")
    config = checkpoint.config.replace(batch_size=pictures)
    if linear:
        layers.LEAK, config = 1.0, config.replace(activation="leaky")
    backend = choose_backend(kind, "cpu", **({"reference": True} if reference else {}))
    networks = build_networks(config, dtype=dtype)
    for network, weights in zip(networks, (checkpoint.G, checkpoint.D)):
        for parameter, variable in network.params.items():
            variable.set_value(weights[parameter].astype(dtype))
    arrays = inputs_of(pictures, config)
    images = [aesara.tensor.TensorType(dtype, a.shape)() for a in arrays]
    batch = Batch(*images, images[2], None)
    losses = {"D": losses_of_D(networks, batch, config), "G": losses_of_G(networks, batch, config)}
    wanted = {
        f"{n}/{p}": g
        for n in "DG"
        for p, g in zip(
            getattr(networks, n).params,
            aesara.grad(losses[n][f"loss_{n}"], list(getattr(networks, n).params.values())),
        )
    }
    function = aesara.function(images, list(wanted.values()), mode=backend.mode)
    return dict(zip(wanted, map(np.asarray, function(*(a.astype(dtype) for a in arrays)))))


def inputs_of(pictures, config):
    """x_i, y_i, y_j [N, 3, H, W]: smooth random pictures, as the network knows them."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(0).normal(size=(3, pictures, 3, config.height, config.width))
    smooth = gaussian_filter(noise, (0, 0, 0, 4, 4))
    return np.clip(smooth / smooth.std() / 2, -1, 1)


@click.command()
@click.option("--pictures", default=2, show_default=True, help="Of the minibatch.")
@click.option("--linear", is_flag=True, help="Without the ReLUs of G's encoder and of D.")
@click.option("--one", hidden=True)
@click.option("--out", hidden=True)
def main(pictures, linear, one, out):
    """Measure each lowering in a process of its own; float64 by Aesara's C linker is the exact one."""
    if one:
        np.savez(out, **gradients(one, pictures, linear))
        return
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for name in LOWERINGS:
            path = str(Path(folder) / f"{len(found)}.npz")
            words = ["--pictures", str(pictures), *["--linear"] * linear, "--one", name, "--out", path]
            subprocess.run([sys.executable, __file__, *words], check=True)
            found[name] = dict(np.load(path))
    exact = found.pop("exact")
    assert exact["G/encoder1.W"].dtype == np.float64
    click.echo(json.dumps({name: worst(values, exact) for name, values in found.items()}, indent=1))


def worst(values, exact):
    """{network: [error, parameter]} of the worst gradient of G and of D."""
    errors = {
        name: float(np.abs(values[name] - g).max() / max(np.abs(g).max(), 1e-30)) for name, g in exact.items()
    }
    return {n: max((round(e, 8), name) for name, e in errors.items() if name.startswith(n)) for n in "GD"}


if __name__ == "__main__":
    main()
