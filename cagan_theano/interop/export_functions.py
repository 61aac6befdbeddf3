"""Compiled functions for machines without Aesara: cagan export-functions --out exported

Writes a folder with update_D, update_G, update and swap as portable StableHLO for CPU and CUDA, with
parameters, moments and photos as explicit inputs; state.h5, a checkpoint to start from; and
manifest.json, with all names and shapes.  `replicate/run_exported.py` trains and swaps with it and
needs only jax, numpy and h5py.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import click
import numpy as np

from cagan_theano import __version__
from cagan_theano.backends import choose_backend
from cagan_theano.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cagan_theano.compat import versions
from cagan_theano.config import Config
from cagan_theano.io.command import Command
from cagan_theano.learning.functions import swap_function
from cagan_theano.learning.sampling import PhotoArrays
from cagan_theano.learning.trainer import Trainer, check_weights
from cagan_theano.learning.training import naming
from cagan_theano.options import config_options, no_cache_option, precision_option

FORMAT, VERSION = "cagan_theano exported functions", 1
UPDATES = ("update", "update_D", "update_G")
GENERATED = ("alpha", "x_tilde_ij", "x_ij")


class Sizes(click.ParamType):
    """A comma-separated list of batch sizes, such as 1,16."""

    name = "N,N"

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        if not all(part.isdecimal() and int(part) for part in value.split(",")):
            self.fail(f"{value!r} is not a list of positive integers such as 1,16", param, ctx)
        return tuple(dict.fromkeys(map(int, value.split(","))))


@click.command(cls=Command, context_settings={"max_content_width": 100})
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder to write; must not exist.",
)
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    help="Checkpoint with weights and configuration.  [default: initial weights of the configuration below]",
)
@click.option(
    "--swap-batch",
    type=Sizes(),
    default=(1, 16),
    show_default="1,16",
    help="Batch sizes of the exported swap.",
)
@click.option("--only-swap", is_flag=True, help="Export only the swap, without updates.")
@precision_option
@no_cache_option
@config_options()
@click.pass_context
def export(ctx, out, checkpoint, swap_batch, only_swap, precision, **options):
    """Export the compiled functions as StableHLO, for machines with jax but without Aesara."""
    if out.exists():
        raise ValueError(f"{out}: exists already; choose another folder")
    given = [
        name for name in options if ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
    ]
    if checkpoint and given:
        raise ValueError(
            f"--{given[0].replace('_', '-')}: the checkpoint has its own "
            "configuration; omit this option or --checkpoint"
        )
    start = load_checkpoint(checkpoint) if checkpoint else None
    config = start.config if start else Config(**options)
    if not only_swap:
        check_exportable(config)
    trainer = prepare(config, start, checkpoint)
    export_folder(trainer, start, out, swap_batch, precision, () if only_swap else UPDATES)
    click.echo(f"wrote {out}")


def check_exportable(config: Config) -> None:
    """Raise ValueError if the updates of a configuration cannot be exported."""
    if config.ours():
        raise ValueError(
            f"{config.ours()[0]}: updates can be exported only for the paper's method, "
            "without our options; export with --only-swap"
        )


def prepare(config: Config, start: Checkpoint | None, path) -> Trainer:
    """A trainer whose functions are exported, with the weights (and moments) of a checkpoint.

    Our options only affect updates, so with them the trainer is that of the paper's method, with the
    checkpoint's averaged weights, if any, and without moments.
    """
    if start and config.ours():
        start = dataclasses.replace(start, G=start.swapping_G(), optimizer=None)
    config = config.without_ours()
    if start:
        with naming(path):
            check_weights(config, G=start.G, D=start.D)
    n = max(2, config.batch_size)
    images = np.zeros((n, config.height, config.width, 3), np.uint8)
    masks = images[..., 0] if config.takes_mask else None
    photos = PhotoArrays(images, images, masks, garment=np.arange(n, dtype=np.int32))
    trainer = Trainer(config, photos, choose_backend("jax", "cpu", reference=True))
    with naming(path):
        if start and start.optimizer and start.sampler:
            trainer.restore(start)
        elif start:
            trainer.start_from(start.G, start.D)
    return trainer


def export_folder(
    trainer: Trainer,
    start: Checkpoint | None,
    out: Path,
    swap_batch=(1, 16),
    precision: str = "float32",
    updates=UPDATES,
) -> None:
    """Write the folder atomically.

    start: the checkpoint loaded into the trainer, or None.  swap_batch: batch sizes of the swap.
    """
    from cagan_theano.backends.stablehlo import export as lower

    names, config, functions = names_of(trainer), trainer.config, {}
    for name in updates:
        update = getattr(trainer.functions, name)
        made = lower(update.compile(), names, ["losses"], precision)
        functions[name] = made, {"losses": list(update.losses)}
    for n in swap_batch:
        swap = swap_function(trainer.networks.G, config, trainer.backend, n)
        functions[f"swap_{n}"] = lower(swap, names, list(GENERATED), precision), {}
    files = {
        f"{name}.{platform}.stablehlo": program.stablehlo
        for name, (made, _) in functions.items()
        for platform, program in made.programs.items()
    }
    about = {name: described(name, made) | more for name, (made, more) in functions.items()}
    with new_folder(out) as folder:
        for name, program in files.items():
            (folder / name).write_bytes(program)
        state = checkpoint_of(trainer, start)
        digest = save_checkpoint(folder / "state.h5", state)
        manifest = {
            "format": FORMAT, "version": VERSION, "config": dataclasses.asdict(config),
            "precision": precision, "versions": {"cagan_theano": __version__, **versions()},
            "checkpoint": {"sha256": start.sha256 if start else None, "step": state.step,
                           "state_sha256": digest},
            "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
            "functions": about,
        }  # fmt: skip
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


def names_of(trainer: Trainer) -> dict:
    """Shared variable -> its name in a checkpoint, group first: "G/encoder1.W", "optimizer/G/t"."""
    names = {}
    for network, params in trainer.networks._asdict().items():
        names |= {variable: f"{network}/{name}" for name, variable in params.params.items()}
    for network, adam in trainer.functions.optimizers.items():
        names |= {variable: f"optimizer/{network}/{name}" for name, variable in adam.moments.items()}
    return names


def described(name: str, made) -> dict:
    """The manifest entry of a function; null in a shape is a variable number of rows."""
    return {
        "programs": {
            platform: {
                "file": f"{name}.{platform}.stablehlo",
                "kept": program.kept,
                "convention": program.convention,
            }
            for platform, program in made.programs.items()
        },
        "inputs": [value._asdict() for value in made.inputs],
        "outputs": [value._asdict() for value in made.outputs],
        "replaces": made.replaces,
    }


def checkpoint_of(trainer: Trainer, start: Checkpoint | None) -> Checkpoint:
    """The checkpoint that exported training starts from; missing moments are zeros."""
    metadata = start.metadata if start else {"note": "initial weights, not trained"}
    state = trainer.state()
    step = start.step if start else 0
    return Checkpoint(config=trainer.config, metadata=metadata, **{**state, "step": step})


@contextlib.contextmanager
def new_folder(out: Path):
    """Yield a temporary folder that is renamed to `out` if the block succeeds."""
    try:
        partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.absolute().parent))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{out}: its parent folder does not exist; create it first") from error
    try:
        yield partial
        partial.chmod(0o755)
        os.replace(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
