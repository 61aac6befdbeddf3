"""Check a GPU against the CPU: compare the losses of ten identical training steps.

    cagan check-gpu [--size 128x96] [--batch 16] [--steps 10]

Training amplifies rounding from step to step, by orders of magnitude, so that no fixed limit is right for
every step.  The yardstick is the difference between two sets of kernels on the CPU, this package's
and XLA's, over the same steps.
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
FACTOR = 10  # times the largest difference so far between the CPU's kernels; wrong kernels exceed it at once
LEAST = 1e-5  # a difference that always passes: rounding of losses of the order of 1
OURS, XLA = "ours", "ours:reference=1"  # kinds of contenders: the kernels on the CPU


def losses(kind: str, device: str, case: Case, checkpoint, steps: int) -> np.ndarray:
    """[steps, losses] of a training on a device.  Raises ValueError if it cannot run."""
    with (
        tempfile.TemporaryDirectory() as cache,
        Worker(kind, case, checkpoint, device, cache, sys.executable) as worker,
    ):
        if worker.error:
            raise ValueError(f"{device}: {worker.error}")
        later = worker.ask(f"numbers {steps - 1}") if steps > 1 else []
        return np.array([worker.numbers, *later])


# fmt: off
@click.command(cls=Command)
@size_option
@click.option("--batch", type=click.IntRange(1), default=16, show_default=True, help="Batch size.")
@click.option("--steps", type=click.IntRange(1), default=10, show_default=True,
              help="Number of steps to compare.")
@options.checkpoint_option("128x96")
# fmt: on
def command(size, batch, steps, checkpoint):
    """Compare the losses of a training on the GPU with those on the CPU.

    Fails if they differ much more than those of two sets of kernels on the CPU.
    """
    import jax

    from cagan_theano.backends.devices import choose

    choose(jax, "gpu", 1)  # raises ValueError if jax finds none
    case = Case("step", *size, batch)
    cpu, xla = (losses(kind, "cpu", case, checkpoint, steps) for kind in (OURS, XLA))
    control = yardstick(cpu, xla)
    report(cpu, control, losses(OURS, "gpu", case, checkpoint, steps))


def yardstick(cpu: np.ndarray, xla: np.ndarray) -> np.ndarray:
    """[steps] of the largest difference between the CPU's kernels.  Raises ValueError if there is none.

    cpu, xla: losses [steps, losses] by this package's kernels and by XLA's.
    """
    control = np.abs(cpu - xla).max(axis=1)
    if not np.isfinite(control).all():
        raise ValueError("the CPU's losses are not finite; give another --checkpoint")
    if not control.any():
        raise ValueError(
            "XLA's kernels also computed the CPU's steps, so that no yardstick is known; install a C++ "
            "compiler (g++ or clang++)"
        )
    return control


def report(cpu: np.ndarray, control: np.ndarray, gpu: np.ndarray) -> None:
    """Print the differences of the losses [steps, losses].  Raises ValueError if they are too large.

    control: see `yardstick`.
    """
    difference = np.abs(cpu - gpu)
    limits = np.maximum(FACTOR * np.maximum.accumulate(control), LEAST)
    for step, (row, usual) in enumerate(zip(difference, control, strict=True), 1):
        worst = int(row.argmax())
        click.echo(
            f"step {step:3}: max abs difference {row[worst]:.1e} ({NAMES[worst]}), of two sets of kernels on "
            f"the CPU {usual:.1e}"
        )
    for step in np.flatnonzero(~(difference.max(axis=1) <= limits))[:1]:
        raise ValueError(
            f"the GPU's losses differ from the CPU's by {difference[step].max():.1e} at step {step + 1}, "
            f"more than {limits[step]:.1e}; do not trust this GPU's results"
        )
