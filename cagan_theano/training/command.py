"""The training command: cagan train --data train.h5 --run runs/name"""

import contextlib
import dataclasses
import functools
import hashlib
import reprlib
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
from tqdm import tqdm

from cagan_theano import options
from cagan_theano.backends import Backend, choose_backend, is_installed
from cagan_theano.checkpoint import Checkpoint, load_checkpoint
from cagan_theano.config import Config
from cagan_theano.io.files import naming
from cagan_theano.io.signals import Signals, Stopped, Unfailing
from cagan_theano.io.text import one_line
from cagan_theano.network.networks import check_weights
from cagan_theano.training.data import check_data, read_photos, update_digest
from cagan_theano.training.engine import Engine, Metadata
from cagan_theano.training.loop import Loop
from cagan_theano.training.preview import HeldOut, choose_held_out
from cagan_theano.training.run_folder import PERIODS, RunFolder
from data_prep.store import PhotoFile

HELD_OUT = 16  # scored triples; the sheets contain the first few

MACHINE = ("precision", "devices", "cluster")  # options of the back end
REPEATED = ("data", "run", "backend", "device", *MACHINE, "tensorboard")  # by the command that resumes
# options of the networks that the shapes of the weights need not reveal
SHAPELESS = ("color", "activation", "copies_g", "copies_d", "norm_epsilon", "mask")

period = functools.partial(click.option, type=click.IntRange(1), show_default=True)


@click.command(cls=options.ConfigCommand, context_settings={"max_content_width": 100})
@click.option("--data", required=True, help="Photo file (HDF5) with a train split.")
@click.option("--run", required=True, help="Run folder; must not exist, except with --resume.")
@click.option("--resume", is_flag=True, help="Resume the run in --run, bit for bit.")
@click.option(
    "--other-kernels",
    is_flag=True,
    help="With --resume: continue although different kernels computed the run so far (another "
    "back end, precision, number of devices or compiler).  Its bits then depend on both.",
)
@click.option("--init", help="Checkpoint whose weights to start from, or a shipped name; any image size.")
@options.backend_option
@options.device_option
@period("--sample-every", default=250, help="Steps between sheets of held-out swaps.")
@period("--checkpoint-every", default=250, help="Steps between checkpoints.")
@period("--keep", default=3, help="Newest checkpoints to keep.")
@click.option(
    "--tensorboard",
    is_flag=True,
    help="Also write the log and the sheets for TensorBoard, to tensorboard/ in the run folder.",
)
@click.option("--note", default="", help="Remark stored in the checkpoints.")
@options.precision_option
@options.devices_option
@click.option(
    "--cluster",
    metavar="HOST:PORT,PROCESSES,INDEX|auto",
    help="Train with several processes, also on several hosts: address of process 0, number of "
    "processes and index of this one; auto: from the batch system.  Requires --devices all "
    "and a --run folder that all processes can read; only process 0 writes.",
)
@click.pass_context
def train(ctx: click.Context, /, **values: Any) -> int:
    """Train CAGAN on a photo file; the defaults are the paper's settings.

    Ctrl-C stops after the current step and saves a checkpoint; --resume continues from it.  With
    --resume, the settings of the run apply; only --steps, --sample-every, --checkpoint-every and --keep
    may be given anew.  The image size is that of the data.
    """
    default = click.core.ParameterSource.DEFAULT
    given = {name: value for name, value in values.items() if ctx.get_parameter_source(name) is not default}
    settings = SimpleNamespace(**values, given=given, again=resume_command(ctx.command, given))
    fields = {spec.name for spec in dataclasses.fields(Config)}
    settings.changes = {name: value for name, value in given.items() if name in fields}
    settings.machine = {name: values[name] for name in MACHINE}
    settings.periods = {name: values[name] for name in PERIODS}
    if settings.tensorboard and not is_installed("tensorboard"):
        raise ValueError("--tensorboard needs tensorboard: pip install '.[tensorboard]' in the clone")
    with Signals() as signals:
        try:
            return (resume_run if settings.resume else new_run)(settings, signals)
        except Stopped as stopped:
            what = f"resume with: {settings.again}"
            what = what if RunFolder(settings.run).begun() else "nothing was written"
            print(f"stopped immediately; {what}", file=Unfailing(sys.stderr), flush=True)
            return stopped.exit_code


def resume_command(command: click.Command, given: dict[str, Any]) -> str:
    """The command line that resumes a run; given: the options that it was started with."""
    words = ["python", "-m", "cagan_theano", "train", "--resume"]
    for param in command.params:
        if param.name in REPEATED and param.name in given:
            words += [param.opts[0], *([] if given[param.name] is True else [str(given[param.name])])]
    return shlex.join(words)


def new_run(settings: SimpleNamespace, signals: Signals) -> int:
    """Start a new run; returns the exit code.  Nothing is written until everything is ready."""
    folder = RunFolder(settings.run)
    if not settings.cluster:  # with a cluster, process 0 may have created it already
        folder.check_new()
    backend = choose_backend(settings.backend, settings.device, **settings.machine)
    with PhotoFile(settings.data) as file:
        config = Config(**{"height": file.height, "width": file.width, **settings.changes})
        check_data(file, config)
        engine, held_out, data = prepare(file, config, backend)
        metadata = {"data": data, "note": settings.note, "seconds": 0.0}
    if settings.init:
        metadata["init"] = start_from(engine, settings.init)
    if backend.process:
        return follow(engine, signals)
    with folder:
        folder.check_new()  # again: another run may have started and ended meanwhile
        loop = Loop(engine, folder, held_out, metadata, settings.periods, signals,
                    settings.tensorboard, settings.again)  # fmt: skip
        loop.save()
        folder.write_periods(settings.periods)
        folder.write_config(config)  # last: from now on the run can be resumed
        return loop.run()


def resume_run(settings: SimpleNamespace, signals: Signals) -> int:
    """Resume a run from its newest intact checkpoint; returns the exit code."""
    if settings.init:
        raise ValueError("--init: a resumed run has its own weights; omit --init")
    folder = RunFolder(settings.run)
    folder.check_old()
    backend = choose_backend(settings.backend, settings.device, **settings.machine)
    with contextlib.nullcontext() if backend.process else folder, PhotoFile(settings.data) as file:
        config = same_settings(folder.read_config(), settings.changes, settings.run)
        kept = {name: n for name, n in folder.read_periods().items() if name not in settings.given}
        periods = {**settings.periods, **kept}
        check_data(file, config)
        path, checkpoint = folder.newest_checkpoint(
            lambda text: tqdm.write(f"Warning: {one_line(text)}"), rename=not backend.process
        )
        check_same_config(folder.path / "config.json", config, path, checkpoint)
        metadata = {"note": "", "seconds": 0.0, **checkpoint.metadata}
        check_kernels(metadata, backend, path, settings.other_kernels)
        engine, held_out, data = prepare(file, config, backend)
        if metadata.get("data") != data:
            text = f"{file.path}: is not the data of this run, or has other pixels"
            raise ValueError(f"{text}; use the photo file that the run was started with")
        with naming(path):
            engine.restore(checkpoint)
        if backend.process:
            return follow(engine, signals)
        folder.write_config(config)
        folder.write_periods(periods)
        folder.prune(periods["keep"])  # a run killed between saving and pruning has one too many
        click.echo(f"resuming after step {engine.step} from {path}")
        metadata["note"] = settings.note or metadata["note"]
        return Loop(engine, folder, held_out, metadata, periods, signals,
                    settings.tensorboard, settings.again).run()  # fmt: skip


def check_kernels(metadata: Metadata, backend: Backend, path: Path, accepted: bool) -> None:
    """Raise ValueError if other kernels computed a checkpoint, or note them if that is accepted."""
    known, before = metadata.get("kernels"), metadata.get("kernels_before")
    if known == backend.kernels:
        return
    if not accepted:
        raise ValueError(
            f"{path}: was computed by other kernels ({reprlib.repr(known)}) than the current ones "
            f"({backend.kernels}), so the bits would differ; resume with the same compiler, "
            "--backend, --precision and --devices, or accept the change with --other-kernels"
        )
    metadata["kernels_before"] = [*(before if isinstance(before, list) else []), known]


def follow(engine: Engine, signals: Signals) -> int:
    """Take part in a run that process 0 logs and saves; returns the exit code."""
    signals.patient = True
    while engine.step < engine.config.steps and not signals.exit_code:
        engine.advance()
    signals.patient = False
    return signals.exit_code


def same_settings(stored: Config, changes: dict[str, Any], run: str) -> Config:
    """The stored configuration with the given number of steps; ValueError for any other change."""
    for name, value in changes.items():
        if name != "steps" and getattr(stored, name) != value:
            raise ValueError(
                f"{run}: was started with {name}={getattr(stored, name)}, not {value}; "
                f"omit --{name.replace('_', '-')}, or start a new run"
            )
    return stored.replace(steps=changes.get("steps", stored.steps))


def check_same_config(path: Path, config: Config, saved: Path, checkpoint: Checkpoint) -> None:
    """Raise ValueError if config.json contradicts the checkpoint to go on from."""
    for name, here in dataclasses.asdict(config).items():
        there = getattr(checkpoint.config, name)
        if name != "steps" and here != there:
            text = f"{path}: has {name}={here}, but {saved.name} was trained with {there}"
            raise ValueError(f"{text}; correct the file")
    if config.steps < checkpoint.step:
        raise ValueError(f"--steps {config.steps}: the run has already done {checkpoint.step} steps; omit it")
    with naming(saved):  # before building the networks of config.json
        check_weights(config, G=checkpoint.G, D=checkpoint.D)


def prepare(file: PhotoFile, config: Config, backend: Backend) -> tuple[Engine, HeldOut | None, Metadata]:
    """(the engine on the train split, held-out triples or None, what identifies the data of both)."""
    digest, train = hashlib.sha256(), file.split("train")
    photos = read_photos(train, config, digest)
    held_out = choose_held_out(file.split("test"), HELD_OUT) if "test" in file.splits else None
    if held_out is not None and config.takes_mask and held_out.m_i is None:
        cure = "use --mask none or photos with masks"
        raise ValueError(f"{file.path}: has no test masks, which --mask {config.mask} needs; {cure}")
    for array in held_out or ():
        update_digest(digest, array)
    engine = Engine(config, photos, backend)
    if held_out is None:
        tqdm.write(f"{file.path}: has no test photos; no samples will be written")
    known = {"pairs": len(train), "height": file.height, "width": file.width, "provenance": file.provenance}
    return engine, held_out, {**known, "pixels": digest.hexdigest()}


def start_from(engine: Engine, path: str) -> Metadata:
    """Load the weights of a checkpoint into the engine; returns metadata about it."""
    checkpoint = load_checkpoint(path)
    with naming(path):
        engine.load(checkpoint.swapping_G(), checkpoint.D)
    config = checkpoint.config
    for name in SHAPELESS:
        here, there = getattr(engine.config, name), getattr(config, name)
        if here != there:
            tqdm.write(f"Warning: {path} was trained with {name}={there}, this run has {here}")
    note = checkpoint.metadata.get("note", "")
    known = {name: getattr(checkpoint, name) for name in ("sha256", "step")}
    return {**known, "height": config.height, "width": config.width, "note": note}
