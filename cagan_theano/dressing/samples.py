"""Sample images for trying swaps: held-out people and articles of the photoshoot, as files.

cagan samples samples
cagan swap-folder --humans samples/people --wearing samples/worn --articles samples/shop --out dressed
"""

from pathlib import Path

import click
import numpy as np

from cagan_theano import weights
from cagan_theano.evaluation.held_out import split_distinct
from cagan_theano.io.command import OVERWRITE, Command, overwrite_option
from cagan_theano.io.files import check_absent, write_atomically
from cagan_theano.io.image import encode_image
from data_prep.store import PhotoFile


def sample_pictures(path, people: int, articles: int) -> dict[str, np.ndarray]:
    """Relative path -> image [H, W, 3] uint8 of people, their garments, and other articles.

    path: a data file with a test split.  Raises FileNotFoundError, or ValueError for a file with too
    few people and articles.
    """
    with PhotoFile(path) as file:
        photos = file.split("test")
        rows, _ = split_distinct(np.arange(len(photos)), [photos.person, photos.garment])
        if len(rows) < people + articles:
            raise ValueError(f"{path}: has only {len(rows)} people with distinct garments")
        found = {}
        for number, row in enumerate(rows[:people], 1):
            found[f"people/person_{number}.png"] = photos.x[int(row)]
            found[f"worn/person_{number}.png"] = photos.y[int(row)]
        for number, row in enumerate(rows[people : people + articles], 1):
            found[f"shop/article_{number}.png"] = photos.y[int(row)]
        return found


def write_samples(out, people: int, articles: int, overwrite: bool = False) -> int:
    """Write `sample_pictures` of the shipped renderings to a folder; returns their number.

    Raises ValueError for a file that exists, unless `overwrite`.
    """
    images = sample_pictures(weights.held_out(128, 96), people, articles)
    paths = {Path(out) / name: image for name, image in images.items()}
    for path in paths:
        check_absent(path, overwrite)
    for path, image in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, encode_image(image))
    return len(paths)


@click.command(cls=Command)
@click.argument("out", type=click.Path(file_okay=False))
@overwrite_option
@click.option("--people", type=click.IntRange(1, 20), default=3, show_default=True, help="Number of people.")
@click.option(
    "--articles", type=click.IntRange(1, 20), default=4, show_default=True, help="Number of other articles."
)
@click.pass_context
def command(ctx, out, people, articles):
    """Write sample images to the folder OUT: people/, worn/ and shop/.

    They are 128x96 renderings that no shipped weights were trained on.
    """
    count = write_samples(out, people, articles, ctx.meta.get(OVERWRITE))
    click.echo(f"wrote {count} images to {out}")
