"""A long training of odd photos: memory and open files must stay flat, every loss finite.

    python tools/long_run.py --steps 2000

Batches of one; photos of one color each, black and white among them; masks that are empty or full.
"""

import dataclasses
import os
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

import click  # noqa: E402
import numpy as np  # noqa: E402
from tqdm import tqdm  # noqa: E402

from cagan_theano.backends import choose_backend  # noqa: E402
from cagan_theano.checkpoint import Checkpoint, save_checkpoint  # noqa: E402
from cagan_theano.config import Config  # noqa: E402
from cagan_theano.training.engine import Engine  # noqa: E402
from data_prep.store import PhotoFile, PhotoWriter  # noqa: E402

SIDE = 32
CONFIG = Config(height=SIDE, width=SIDE, g_widths=(8,) * 4, d_widths=(8,) * 4, g_kernel=3,
                batch_size=1, mask="prior")  # fmt: skip
GROWTH = 8 << 20  # bytes that memory may grow by after the first fifth of the steps


def odd_photos(path, pairs=8):
    """A photo file of pictures of one color, with masks that are empty or full."""
    with PhotoWriter(path, SIDE, SIDE, {"program": "tools/long_run"}) as writer:
        for n in range(pairs):
            x, y = np.full((2, SIDE, SIDE, 3), 255 * n // (pairs - 1), np.uint8)
            writer.add("train", x, y, n, n, np.full((SIDE, SIDE), 255 * (n % 2), np.uint8))
    with PhotoFile(path) as file:
        photos = file.split("train")
        return dataclasses.replace(photos, x=photos.x.load(), y=photos.y.load(),
                                   mask=photos.mask.load())  # fmt: skip


def used() -> tuple[int, int]:
    """(bytes of resident memory, open files) of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd"))


def train(trainer, steps: int, folder, save_every: int = 50) -> list:
    """Advance; returns (memory, open files) after the first fifth of the steps and at the end.

    Raises ValueError for a loss that is not finite.
    """
    seen = []
    for step in tqdm(range(1, steps + 1), mininterval=5):
        losses = trainer.advance()
        if not np.isfinite(list(losses.values())).all():
            raise ValueError(f"step {step}: {losses}")
        if step % save_every == 0:
            save_checkpoint(Path(folder) / "a.h5", Checkpoint(trainer.config, **trainer.state()))
        if step in (steps // 5, steps):
            seen.append(used())
    return seen


@click.command(context_settings={"show_default": True})
@click.option("--steps", default=2000, help="Steps to train.")
def main(steps):
    """Train on odd photos; exit code 1 if memory or open files grow, or a loss is not finite."""
    with tempfile.TemporaryDirectory(prefix="cagan_long_") as folder:
        photos = odd_photos(Path(folder) / "odd.h5")
        trainer = Engine(CONFIG, photos, choose_backend("jax", "cpu"))
        (before, files), (after, files_after) = train(trainer, steps, folder)
    click.echo(
        f"{steps} steps: memory {before / 2**20:.1f} MiB after a fifth of them, "
        f"{after / 2**20:.1f} MiB at the end; {files} and {files_after} open files; "
        "all losses finite"
    )
    sys.exit(after - before > GROWTH or files_after > files)


if __name__ == "__main__":
    main()
