"""Check a GPU against the CPU: compare the losses of ten identical training steps.

python replicate/check_gpu.py [--size 128x96] [--batch 16] [--steps 10]
"""

import sys
import tempfile

import click
import numpy as np

from cagan_theano import options
from cagan_theano.benchmarks.benchmark import Case, Worker
from cagan_theano.io.command import Command
from data_prep.options import size_option

NAMES = ("loss_D", "adv_D_real", "adv_D_fake", "adv_D_mismatch", "loss_G", "adv_G", "L_id", "L_cyc")
LIMIT = 1e-3  # per loss; float32 sums in another order differ, and training amplifies it


def losses(device: str, case: Case, checkpoint, steps: int) -> np.ndarray:
    """[steps, losses] of a training on a device.  Raises ValueError if it cannot run."""
    with (
        tempfile.TemporaryDirectory() as cache,
        Worker("ours", case, checkpoint, device, cache, sys.executable) as worker,
    ):
        if worker.error:
            raise ValueError(f"{device}: {worker.error}")
        later = worker.ask(f"numbers {steps - 1}") if steps > 1 else []
        return np.array([worker.numbers, *later])


def check_visible() -> None:
    """Raise ValueError unless jax finds a GPU."""
    import jax

    from cagan_theano.backends.devices import choose

    choose(jax, "gpu", 1)


@click.command(cls=Command)
@size_option
@click.option("--batch", type=click.IntRange(1), default=16, show_default=True, help="Batch size.")
@click.option(
    "--steps", type=click.IntRange(1), default=10, show_default=True, help="Number of steps to compare."
)
@options.checkpoint_option("128x96")
def command(size, batch, steps, checkpoint):
    """Compare the losses of a training on the GPU with those on the CPU."""
    check_visible()
    case = Case("step", *size, batch)
    cpu, gpu = (losses(device, case, checkpoint, steps) for device in ("cpu", "gpu"))
    report(cpu, gpu)


def report(cpu: np.ndarray, gpu: np.ndarray) -> None:
    """Print the differences of [steps, losses].  Raises ValueError above ``LIMIT``."""
    difference = np.abs(cpu - gpu)
    for step, row in enumerate(difference, 1):
        worst = int(row.argmax())
        click.echo(
            f"step {step:3}: max abs difference {row[worst]:.1e} ({NAMES[worst]} "
            f"{cpu[step - 1, worst]:.6f} on the CPU)"
        )
    if not difference.max() <= LIMIT:
        raise ValueError(
            f"the GPU's losses differ from the CPU's by {difference.max():.1e}, more than "
            f"{LIMIT}; do not trust this GPU's results"
        )
