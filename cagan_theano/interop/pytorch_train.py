"""Train the PyTorch reference as a run of this package was trained: its weights, minibatches and steps.

    python replicate/pytorch_train.py --data H5 --init RUN/checkpoints/step_0000000.h5 --out H5

The first checkpoint of a run gives the configuration, the seed of the minibatches and the weights
to start from; the result is a checkpoint of this package's format.
"""

import json
import time

import click
from tqdm import tqdm

from cagan_theano.checkpoint import KIND, load_checkpoint, save_checkpoint
from cagan_theano.io.command import Command, Output, overwrite_option
from cagan_theano.io.files import write_atomically
from cagan_theano.learning.sampling import Sampler
from data_prep.store import PhotoFile

SHOWN = ("loss_D", "loss_G", "L_id", "L_cyc")


def import_reference():
    """The module of the reference; ValueError, with the cure, where PyTorch is missing."""
    try:
        from cagan_theano.interop import pytorch_network
    except ModuleNotFoundError as error:
        raise ValueError(str(error)) from error
    return pytorch_network


class Training:
    """The reference with its photos on a device and the minibatches of a run of this package.

    start: a `Checkpoint` of step 0; photos: a split in memory; settings: of the reference's `Trainer`.
    Raises ValueError for augmentation and options of ours, which the reference does not have.
    """

    def __init__(self, start, photos, device="cpu", **settings):
        self.reference, self.config = import_reference(), start.config
        if self.config.augmentation != "none":
            raise ValueError(
                f"augmentation={self.config.augmentation!r}: the PyTorch reference has none; train without"
            )
        if self.config.ours():
            raise ValueError(f"{self.config.ours()[0]}: the PyTorch reference has the paper's method alone")
        networks = self.reference.build_networks(self.config)
        for name, network in networks._asdict().items():
            self.reference.set_weights(network, getattr(start, name))
        self.trainer = self.reference.Trainer(networks, device, **settings)
        self.like = next(networks.G.parameters())
        self.x, self.y, self.mask = (self.resident(a) for a in (photos.x, photos.y, photos.mask))
        self.sampler, self.done = Sampler(self.config, photos.garment), 0

    def resident(self, pixels):
        """Bytes as a tensor on the device; None stays None."""
        torch = self.reference.torch
        return None if pixels is None else torch.as_tensor(pixels, device=self.like.device)

    def minibatch(self):
        """The next x_i, y_i, y_j, y_k, m_i of the sampler."""
        rows = self.sampler.draw()
        i, j, k = (self.resident(row.astype("int64")) for row in (rows.i, rows.j, rows.k))
        pixels = self.x[i], self.y[i], self.y[j], self.y[k]
        mask = None
        if self.config.mask != "none":
            mask = (self.reference.images(self.mask[i][..., None], self.like) + 1) / 2
        return *(self.reference.images(p, self.like) for p in pixels), mask

    def advance(self) -> dict:
        """One step of config.schedule; returns the losses by name, as tensors."""
        x_i, y_i, y_j, y_k, m_i = self.minibatch()
        self.done += 1
        if self.config.schedule == "both":
            return self.trainer.step(x_i, y_i, y_j, y_k, m_i)
        if self.done % 2:
            return self.trainer.update_D(x_i, y_i, y_j, y_k, m_i)
        return self.trainer.update_G(x_i, y_i, y_j, m_i)

    def checkpoint(self, metadata):
        """The weights now, as a `Checkpoint`."""
        networks = self.reference.Networks(self.trainer.G, self.trainer.D)
        return self.reference.checkpoint_of(networks, self.done, metadata)


def train(training, steps) -> list:
    """Advance by so many steps, with a bar; returns the log: {step, losses} of each."""
    log = []
    with tqdm(range(steps), desc="train", unit="step") as bar:
        for _ in bar:
            losses = {name: float(value) for name, value in training.advance().items()}
            log.append({"step": training.done, **losses})
            bar.set_postfix({name: f"{losses[name]:.3f}" for name in SHOWN if name in losses})
    return log


@click.command(cls=Command)
@click.option("--data", required=True, help="The photo file of the run.")
@click.option(
    "--init",
    required=True,
    help="The run's checkpoint of step 0 (train it with --keep large enough that it stays).",
)
@click.option("--out", required=True, type=Output(KIND, data=True), help="Checkpoint to write.")
@overwrite_option
@click.option("--log", type=Output("JSON"), help="Also write the losses, a line a step.")
@click.option("--steps", type=click.IntRange(1), help="Minibatches.  [default: the run's]")
@click.option("--device", default="cpu", show_default=True, help="PyTorch's name of the device.")
@click.option("--channels-last", is_flag=True, help="Weights and pictures in that memory format.")
@click.option(
    "--compile", "compiled", metavar="MODE", help="torch.compile in this mode: default, max-autotune ..."
)
def command(data, init, out, log, steps, device, channels_last, compiled):
    """Train the PyTorch reference on the minibatches of a run of this package."""
    from cagan_theano.learning.train import check_data, describe, read_photos

    import_reference()
    start = load_checkpoint(init)
    if start.step:
        raise ValueError(f"{init}: is of step {start.step}; the reference begins at step 0, as the run did")
    with PhotoFile(data) as file:
        check_data(file, start.config)
        about, photos = describe(file), read_photos(file.split("train"), start.config)
    training = Training(start, photos, device, channels_last=channels_last, compiled=compiled)
    begun = time.monotonic()
    lines = train(training, steps or start.config.steps)
    versions = {"torch": training.reference.torch.__version__}
    save_checkpoint(
        out,
        training.checkpoint(
            {
                "data": about,
                "seconds": time.monotonic() - begun,
                "versions": versions,
                "device": device,
                "finished": training.done >= start.config.steps,
            }
        ),
    )
    if log:
        write_atomically(log, "".join(json.dumps(line) + "\n" for line in lines))
    click.echo(f"wrote {out}")
