"""The training command: cagan train --data train.h5 --run runs/name"""

import contextlib
import dataclasses
import hashlib
import reprlib
import shlex

import click
import numpy as np
from tqdm import tqdm

from cagan_theano.backends import BACKENDS, choose_backend
from cagan_theano.checkpoint import load_checkpoint, save_checkpoint
from cagan_theano.config import Config
from cagan_theano.io.color import empty_pictures, to_bytes
from cagan_theano.io.command import Command
from cagan_theano.io.files import write_atomically
from cagan_theano.io.signals import Signals, Stopped
from cagan_theano.io.text import one_line
from cagan_theano.learning.loop import Loop
from cagan_theano.learning.run_folder import RunFolder
from cagan_theano.learning.samples import choose_held_out, loss_curves, sample_sheet, scores
from cagan_theano.learning.sampling import ways
from cagan_theano.learning.trainer import Trainer, check_weights
from cagan_theano.learning.training import naming
from cagan_theano.model import Model
from cagan_theano.options import config_options, devices_option, no_cache_option, precision_option
from data_prep.store import PhotoFile

HELD_OUT = 16  # triples that are scored; the sheets show the first few

OTHER_DATA = (
    "the data that this training was begun with; give the same photo file, or begin a new run "
    "from its weights with --init"
)
USUAL = {"precision": "float32", "devices": 1, "cluster": None}  # how a back end computes


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the command line says beside the `Config`."""

    data: str
    run: str
    resume: bool
    init: str | None
    backend: str
    device: str | None
    sample_every: int
    checkpoint_every: int
    keep: int
    note: str
    machine: dict = dataclasses.field(default_factory=dict)
    other_kernels: bool = False

    def choose_backend(self):
        """The back end that the command line asks for."""
        return choose_backend(self.backend, self.device, **self.machine)

    def resume_command(self) -> str:
        """The command line that continues this training."""
        words = ["python", "-m", "cagan_theano.learning.train", "--data", self.data, "--run", self.run]
        words += ["--backend", self.backend] if self.backend != "auto" else []
        words += ["--device", self.device] if self.device else []
        for name, usual in USUAL.items():
            value = self.machine.get(name, usual)
            words += [f"--{name}", str(value)] if value != usual else []
        return shlex.join([*words, "--resume"])


@click.command(cls=Command, context_settings={"max_content_width": 100})
@click.option("--data", required=True, help="Photo file (HDF5) with a train split.")
@click.option("--run", required=True, help="Folder of this training; it must not exist yet.")
@click.option("--resume", is_flag=True, help="Continue the training in --run, bit for bit.")
@click.option(
    "--other-kernels",
    is_flag=True,
    help="With --resume: go on though other kernels computed the run so far (another back "
    "end, precision or compiler).  Its bits then depend on both.",
)
@click.option("--init", help="Checkpoint whose weights to start from, or their shipped name; any size.")
@click.option(
    "--backend",
    type=click.Choice(("auto", *BACKENDS)),
    default="auto",
    show_default=True,
    help="Aesara's linker; auto: jax where it is installed.",
)
@click.option("--device", type=click.Choice(("cpu", "gpu")), help="[default: the best there is]")
@click.option(
    "--sample-every",
    type=click.IntRange(1),
    default=250,
    show_default=True,
    help="Steps between sheets of held-out swaps.",
)
@click.option(
    "--checkpoint-every",
    type=click.IntRange(1),
    default=250,
    show_default=True,
    help="Steps between checkpoints.",
)
@click.option(
    "--keep", type=click.IntRange(1), default=3, show_default=True, help="Newest checkpoints to keep."
)
@click.option("--note", default="", help="A remark that the checkpoints carry.")
@precision_option
@devices_option
@click.option(
    "--cluster",
    metavar="HOST:PORT,PROCESSES,INDEX|auto",
    help="Train together with other processes, on other hosts too: where process 0 "
    "listens, how many there are, which this is; auto: as the batch system says.  "
    "Needs --devices all and one --run that all can read; process 0 alone writes.",
)
@no_cache_option
@config_options()
@click.pass_context
def train(
    ctx,
    data,
    run,
    resume,
    other_kernels,
    init,
    backend,
    device,
    sample_every,
    checkpoint_every,
    keep,
    note,
    precision,
    devices,
    cluster,
    **options,
):
    """Train CAGAN on a photo file; the defaults are the paper's settings.

    Ctrl-C stops after the step at hand and saves; --resume goes on from there.  With --resume,
    the settings are those of the run; only --steps may change.  The size of the pictures is
    that of the data.
    """
    settings = Settings(
        data,
        run,
        resume,
        init,
        backend,
        device,
        sample_every,
        checkpoint_every,
        keep,
        note,
        {"precision": precision, "devices": devices, "cluster": cluster},
        other_kernels,
    )
    given = {
        name: value
        for name, value in options.items()
        if ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
    }
    with Signals() as signals:
        try:
            return (resume_run if resume else new_run)(settings, given, signals)
        except Stopped as stopped:
            how = f"go on with: {settings.resume_command()}"
            click.echo(
                "stopped at once; " + (how if RunFolder(run).begun() else "nothing was written"), err=True
            )
            return stopped.exit_code


def new_run(settings: Settings, given: dict, signals: Signals) -> int:
    """Begin a training; returns the exit code.  Until all is ready, nothing is written."""
    folder = RunFolder(settings.run)
    if not settings.machine.get("cluster"):  # else process 0 may have begun it already
        folder.check_new()
    backend = settings.choose_backend()
    with PhotoFile(settings.data) as file:
        config = Config(**{"height": file.height, "width": file.width, **given})
        check_data(file, config)
        photos, held_out, pixels = read_data(file, config)
        data = {**describe(file), "pixels": pixels}
        metadata = {"data": data, "note": settings.note, "seconds": 0.0}
        trainer = prepare(file, photos, held_out, config, backend)
    if settings.init:
        metadata["init"] = start_from(trainer, settings.init)
    if backend.process:
        return follow(trainer, signals)
    with folder:
        folder.check_new()  # once more: another training may have begun and ended meanwhile
        loop = RunLoop(trainer, folder, held_out, metadata, settings, signals)
        loop.save()
        folder.write_config(config)  # last: from now on there is something to resume
        return loop.run()


def resume_run(settings: Settings, given: dict, signals: Signals) -> int:
    """Continue a training from its newest whole checkpoint; returns the exit code."""
    if settings.init:
        raise ValueError("--init: a resumed training has its own weights; leave --init out")
    folder = RunFolder(settings.run)
    folder.check_old()
    backend = settings.choose_backend()
    with contextlib.nullcontext() if backend.process else folder, PhotoFile(settings.data) as file:
        config = same_settings(folder.read_config(), given, settings.run)
        check_data(file, config)
        path, checkpoint = folder.newest_checkpoint(lambda text: tqdm.write(f"Warning: {one_line(text)}"))
        check_steps(config, checkpoint.step)
        check_same_data(file, checkpoint.metadata)
        check_same_kernels(path, checkpoint.metadata, backend, settings.other_kernels)
        with naming(path):  # before the networks of config.json are built
            check_weights(config, G=checkpoint.G, D=checkpoint.D)
        photos, held_out, pixels = read_data(file, config)
        check_same_pixels(file, checkpoint.metadata, pixels)
        trainer = prepare(file, photos, held_out, config, backend)
        with naming(path):
            trainer.restore(checkpoint)
        if backend.process:
            return follow(trainer, signals)
        folder.write_config(config)
        folder.prune(settings.keep)  # killed between saving and this, a training leaves one more
        click.echo(f"resuming after step {trainer.step} from {path}")
        metadata = {"note": "", "seconds": 0.0, **checkpoint.metadata}
        metadata["note"] = settings.note or metadata["note"]
        metadata["data"] = {**describe(file), "pixels": pixels}
        metadata |= changed_kernels(checkpoint.metadata, backend)
        return RunLoop(trainer, folder, held_out, metadata, settings, signals).run()


def follow(trainer: Trainer, signals: Signals) -> int:
    """Take part in the training that process 0 logs and saves; returns the exit code."""
    signals.patient = True
    while trainer.step < trainer.config.steps and not signals.exit_code:
        trainer.advance()
    signals.patient = False
    return signals.exit_code or 0


def same_settings(stored: Config, given: dict, run: str) -> Config:
    """The stored configuration with a new number of steps; ValueError for any other change."""
    for name, value in given.items():
        if name != "steps" and getattr(stored, name) != value:
            raise ValueError(
                f"{run}: was begun with {name}={getattr(stored, name)}, not {value}; "
                f"leave --{name.replace('_', '-')} out, or begin a new run"
            )
    return stored.replace(steps=given.get("steps", stored.steps))


def check_steps(config: Config, done: int) -> None:
    """Raise ValueError where a training has done more steps than are asked for."""
    if config.steps < done:
        raise ValueError(
            f"--steps {config.steps}: the training has done {done} steps already; give a "
            "larger number, or leave --steps out"
        )


def check_same_kernels(path, metadata: dict, backend, consent: bool) -> None:
    """Raise ValueError where other kernels would go on than those that computed a checkpoint."""
    known, now = metadata.get("kernels"), backend.kernels
    if known is None:
        click.echo(f"{path}: records no kernels; whether these ({now}) computed it is not checked")
    elif known != now and not consent:
        raise ValueError(
            f"{path}: was computed by other kernels ({reprlib.repr(known)}) than are here "
            f"({now}), so that the bits would differ; go on where those are (a compiler, "
            "the same --backend and --precision), or consent with --other-kernels"
        )


def changed_kernels(metadata: dict, backend) -> dict:
    """What the metadata say further where others than a checkpoint's kernels go on."""
    known = metadata.get("kernels")
    if known in (None, backend.kernels):
        return {}
    before = metadata.get("kernels_before")
    return {"kernels_before": [*(before if isinstance(before, list) else []), known]}


def check_data(file: PhotoFile, config: Config) -> None:
    """Raise ValueError when the photos do not serve this configuration."""
    if (file.height, file.width) != (config.height, config.width):
        raise ValueError(
            f"{file.path}: has photos of {file.height}x{file.width}, not "
            f"{config.height}x{config.width}; use another file or leave --height "
            "and --width out"
        )
    photos = file.split("train")
    if len(photos) < config.batch_size:
        raise ValueError(
            f"{file.path}: has {len(photos)} pairs to train on, fewer than a batch "
            f"of {config.batch_size}; use a smaller --batch-size or more photos"
        )
    if config.takes_mask and photos.mask is None:
        raise ValueError(
            f"{file.path}: has no masks, which --mask {config.mask} needs; use "
            "--mask none or photos with masks"
        )
    if config.needs_truth:
        check_truth(file, photos, config)


def check_truth(file: PhotoFile, photos, config: Config) -> None:
    """Raise ValueError when the photos lack what the terms for true swaps need."""
    if config.gamma_region and photos.mask is None:
        raise ValueError(
            f"{file.path}: has no masks, which --gamma-region needs; use "
            "--gamma-region 0 or photos with masks"
        )
    with naming(file.path):
        ways(photos.triples, len(photos), config)


def describe(file: PhotoFile) -> dict:
    """What a checkpoint remembers of its data."""
    return {
        "pairs": len(file.split("train")),
        "height": file.height,
        "width": file.width,
        "provenance": file.provenance,
    }


def check_same_data(file: PhotoFile, metadata: dict) -> None:
    """Raise ValueError when a training was begun with other photos."""
    known = metadata.get("data")
    if not isinstance(known, dict) or {**known, "pixels": 0} != {**describe(file), "pixels": 0}:
        raise ValueError(f"{file.path}: is not {OTHER_DATA}")


def check_same_pixels(file: PhotoFile, metadata: dict, pixels: str) -> None:
    """Raise ValueError when photos of the same description hold other pixels."""
    known = metadata["data"].get("pixels")
    if known is None:
        click.echo(f"{file.path}: its pixels are not compared, for the checkpoint has no digest of them")
    elif known != pixels:
        raise ValueError(f"{file.path}: holds other pixels than {OTHER_DATA}")


def read_data(file: PhotoFile, config: Config) -> tuple:
    """(train split in memory, held-out triples or None, digest of all that they hold)."""
    digest = hashlib.sha256()
    photos = read_photos(file.split("train"), config, digest)
    held_out = choose_held_out(file.split("test"), HELD_OUT) if "test" in file.splits else None
    for array in held_out or ():
        feed(digest, array)
    return photos, held_out, digest.hexdigest()


def prepare(file: PhotoFile, photos, held_out, config: Config, backend) -> Trainer:
    """The trainer of photos that were read from a file; see `read_data`."""
    if held_out is not None and config.takes_mask and held_out.m_i is None:
        raise ValueError(
            f"{file.path}: has no test masks, which --mask {config.mask} needs; use "
            "--mask none or photos with masks"
        )
    with naming(file.path):
        trainer = Trainer(config, photos, backend)
    if held_out is None:
        tqdm.write(f"{file.path}: has no test photos; no samples will be drawn")
    return trainer


def feed(digest, array) -> None:
    """Add an array (or None) to a digest, so that no two sequences of arrays give the same bytes."""
    if array is None:
        digest.update(b"none")
        return
    digest.update(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array))


def read_photos(photos, config: Config, digest=None):
    """The split in memory, its pictures in the coding of config.color.

    Where config.needs_truth, the true swaps stand behind the photos x, their masks behind mask.
    digest: of hashlib; it is fed all that is read, before any coding.
    """
    digest = digest or hashlib.sha256()
    people, masks = [photos.x], [photos.mask]
    if config.needs_truth:
        people.append(photos.triples.x_ij)
        masks.append(photos.triples.mask)
    total = sum(map(len, (*people, photos.y)))
    with tqdm(total=total, desc="reading", unit="photo", leave=False) as bar:
        x, y = (read_rows(columns, config.color, bar, digest) for columns in (people, [photos.y]))
    mask = np.concatenate([rows.load() for rows in masks]) if config.needs_masks else None
    swaps = (photos.triples.i, photos.triples.j) if config.needs_truth else ()
    for array in (mask, photos.garment, *swaps):
        feed(digest, array)
    return dataclasses.replace(photos, x=x, y=y, mask=mask)


def read_rows(columns, color: str, bar, digest, chunk: int = 256) -> np.ndarray:
    """All rows of HDF5 columns of pictures, one column behind the other."""
    target = empty_pictures((sum(map(len, columns)), *columns[0].shape[1:]))
    rest = target
    for source in columns:
        for start in range(0, len(source), chunk):
            pictures = source[start : start + chunk]
            feed(digest, pictures)
            rest[start : start + chunk][: len(source) - start] = to_bytes(pictures, color)
            bar.update(min(chunk, len(source) - start))
        rest = rest[len(source) :]
    return target


def start_from(trainer: Trainer, path: str) -> dict:
    """Give the trainer the weights of a checkpoint; returns what the metadata say of it."""
    checkpoint = load_checkpoint(path)
    with naming(path):
        trainer.start_from(checkpoint.swapping_G(), checkpoint.D)
    config = checkpoint.config
    return {
        "sha256": checkpoint.sha256,
        "step": checkpoint.step,
        "height": config.height,
        "width": config.width,
        "note": checkpoint.metadata.get("note", ""),
    }


class RunLoop(Loop):
    """A `Loop` into a run folder, with samples of held-out swaps and curves of the losses."""

    def __init__(
        self,
        trainer: Trainer,
        folder: RunFolder,
        held_out,
        metadata: dict,
        settings: Settings,
        signals: Signals,
    ):
        super().__init__(trainer, trainer.config.steps, settings.checkpoint_every, metadata, signals)
        self.folder, self.held_out, self.settings = folder, held_out, settings
        self.model = Model(trainer.config, trainer.G, trainer.backend)

    def run(self) -> int:
        self.folder.open_log(self.training.step)
        return super().run()

    def step(self) -> dict:
        losses = super().step()
        if self.sampled():
            self.plot_curves()
        return losses

    def sampled(self) -> bool:
        """Whether this step has a sheet of samples."""
        return self.finished() or self.due(self.settings.sample_every)

    def observe(self) -> dict:
        """Write the sheet of held-out swaps when due; returns their scores."""
        if self.held_out is None or not self.sampled():
            return {}
        held_out, step = self.held_out, self.training.step
        mask = held_out.m_i if self.training.config.takes_mask else None
        try:
            swap = self.model.swap(held_out.x_i, held_out.y_i, held_out.y_j, mask)
        except ValueError as error:  # the losses are of the weights before this step's update
            raise self.diverged("held-out swaps are not finite") from error
        found = scores(held_out, swap)
        title = f"{self.folder.path.name}, step {step}: people and garments of the test split"
        numbers = "   ".join(f"{name} {value:.3f}" for name, value in found.items())
        sheet = sample_sheet(held_out, swap, title, numbers)
        write_atomically(self.folder.samples / f"step_{step:07d}.png", sheet)
        return found

    def log(self, line: dict) -> None:
        self.folder.log(line)

    def save(self) -> None:
        """Write a checkpoint of this step and remove those beyond the newest few."""
        self.folder.flush_log()
        path = self.folder.checkpoint_path(self.training.step)
        save_checkpoint(path, self.training.checkpoint(self.metadata()))
        self.folder.prune(self.settings.keep)

    def plot_curves(self) -> None:
        """Plot the curves of the log."""
        title = f"{self.folder.path.name}, {self.training.step} steps"
        write_atomically(self.folder.path / "losses.png", loss_curves(self.folder.read_log(), title))

    def diverged(self, what: str) -> ValueError:
        """The error of a training that has diverged: where it may go on from."""
        last = self.folder.checkpoint_path(self.folder.steps()[-1])
        return ValueError(
            f"step {self.training.step}: {what}: training diverged; the last good "
            f"checkpoint is {last}; begin a new run from it with --init and a smaller "
            "--learning-rate"
        )

    def finish(self) -> int:
        """Report how the training ended and how to continue; returns the exit code."""
        path, step = self.folder.checkpoint_path(self.training.step), self.training.step
        if self.finished():
            click.echo(f"{step} steps are done: {path}")
            return 0
        click.echo(f"stopped after step {step}; go on with: {self.settings.resume_command()}", err=True)
        return self.signals.exit_code
