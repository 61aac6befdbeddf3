"""Train the PyTorch reference with the weights, minibatches and steps of a run of this package.

    python replicate/pytorch_train.py --data H5 --init RUN/checkpoints/step_0000000.h5 --out H5

The first checkpoint of a run provides the configuration, the seed of the minibatches and the initial
weights; the result is a checkpoint in this package's format.
"""

import contextlib

import click

from cagan_theano.checkpoint import KIND, load_checkpoint
from cagan_theano.io.command import Command, Output, overwrite_option
from cagan_theano.io.files import atomic_file
from cagan_theano.io.signals import Signals
from cagan_theano.io.text import one_line
from cagan_theano.learning.loop import FileLoop
from cagan_theano.learning.photos import check_data, describe, read_photos
from cagan_theano.learning.training import Training
from data_prep.store import PhotoFile


def import_reference():
    """Import the reference; ValueError, with the cure, if PyTorch is missing."""
    try:
        from cagan_theano.interop import pytorch_network
    except ModuleNotFoundError as error:
        raise ValueError(str(error)) from error
    return pytorch_network


class ReferenceTraining(Training):
    """`Training` with the PyTorch reference, on the minibatches of a run of this package.

    start: a `Checkpoint` of step 0; photos: a split in memory; settings: of the reference's `Trainer`.
    Raises ValueError for augmentation and for our options, which the reference lacks.
    """

    def __init__(self, start, photos, device="cpu", **settings):
        super().__init__(start.config, photos.garment)
        self.reference, self.device = import_reference(), device
        if self.config.augmentation != "none":
            raise ValueError(
                f"augmentation={self.config.augmentation!r}: the PyTorch reference has none; use 'none'"
            )
        if self.config.ours():
            raise ValueError(f"{self.config.ours()[0]}: the PyTorch reference has only the paper's method")
        networks = self.reference.build_networks(self.config)
        try:
            self.trainer = self.reference.Trainer(networks, device, **settings)
        except (RuntimeError, AssertionError) as error:  # PyTorch's, for devices and modes it lacks
            given = f"--device {device}" + (
                f" --compile {mode}" if (mode := settings.get("compiled")) else ""
            )
            raise ValueError(f"{given}: {one_line(error)}") from error
        self.start_from(start.G, start.D)
        self.like = next(networks.G.parameters())
        self.x, self.y, self.mask = (self.resident(a) for a in (photos.x, photos.y, photos.mask))

    def resident(self, pixels):
        """Move uint8 arrays to the device as a tensor; None stays None."""
        torch = self.reference.torch
        return None if pixels is None else torch.as_tensor(pixels, device=self.like.device)

    def update(self, name: str, indices) -> dict[str, float]:
        i, j, k = (self.resident(rows.astype("int64")) for rows in (indices.i, indices.j, indices.k))
        pixels = self.x[i], self.y[i], self.y[j], self.y[k]
        x_i, y_i, y_j, y_k = (self.reference.images(p, self.like) for p in pixels)
        m_i = None
        if self.config.takes_mask:
            m_i = (self.reference.images(self.mask[i][..., None], self.like) + 1) / 2
        if name == "update_G":
            losses = self.trainer.update_G(x_i, y_i, y_j, m_i)
        else:
            step = self.trainer.step if name == "update" else self.trainer.update_D
            losses = step(x_i, y_i, y_j, y_k, m_i)
        return {name: float(value) for name, value in losses.items()}

    def arrays(self) -> dict:
        weights = self.reference.weights_of
        return {"G": weights(self.trainer.G), "D": weights(self.trainer.D), "optimizer": None}

    def load(self, G, D, optimizer=None) -> None:
        if optimizer is not None:
            raise ValueError("the PyTorch reference does not take Adam's moments")
        for name, weights in (("G", G), ("D", D)):
            self.reference.check_weights(getattr(self.trainer, name), weights)
        for name, weights in (("G", G), ("D", D)):
            self.reference.set_weights(getattr(self.trainer, name), weights)

    def attributes(self) -> dict:
        return {
            "program": self.reference.__name__,
            "versions": {"torch": self.reference.torch.__version__},
            "backend": "pytorch",
            "device": self.device,
        }


@click.command(cls=Command)
@click.option("--data", required=True, help="Photo file of the run.")
@click.option(
    "--init",
    required=True,
    help="The run's checkpoint of step 0 (train with --keep large enough to keep it).",
)
@click.option("--out", required=True, type=Output(KIND, data=True), help="Checkpoint to write.")
@overwrite_option
@click.option("--log", type=Output("JSON"), help="Also write the losses, one line per step.")
@click.option("--steps", type=click.IntRange(1), help="Minibatches.  [default: the run's]")
@click.option("--device", default="cpu", show_default=True, help="PyTorch device.")
@click.option("--channels-last", is_flag=True, help="Store weights and images in channels-last format.")
@click.option(
    "--compile",
    "compiled",
    metavar="MODE",
    help="Mode of torch.compile: default, max-autotune ...  [default: eager]",
)
def command(data, init, out, log, steps, device, channels_last, compiled):
    """Train the PyTorch reference on the minibatches of a run of this package."""
    import_reference()
    start = load_checkpoint(init)
    if start.step:
        raise ValueError(f"{init}: is of step {start.step}; give the run's checkpoint of step 0")
    with PhotoFile(data) as file:
        check_data(file, start.config)
        about, photos = describe(file), read_photos(file.split("train"), start.config)
    training = ReferenceTraining(start, photos, device, channels_last=channels_last, compiled=compiled)
    with Signals() as signals, contextlib.nullcontext() if log is None else atomic_file(log) as temporary:
        with contextlib.nullcontext() if log is None else open(temporary, "w") as lines:
            last = steps or start.config.steps
            return FileLoop(training, out, lines, last, None, {"data": about}, signals).run()
