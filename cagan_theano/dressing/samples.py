"""Sample images for trying swaps: held-out people and articles of the photoshoot, as files."""

from pathlib import Path

import click
import numpy as np

from cagan_theano import weights
from cagan_theano.evaluation.held_out import split_distinct
from cagan_theano.io.command import OVERWRITE, Command, overwrite_option
from cagan_theano.io.files import check_absent, write_atomically
from cagan_theano.io.image import encode_image
from data_prep.store import PhotoFile


def write_samples(out, people: int, articles: int, overwrite: bool = False) -> int:
    """Write people, their garments, and other articles, of the shipped renderings; returns their number.

    Raises ValueError for a file that exists, unless `overwrite`.
    """
    images = {}
    with PhotoFile(weights.held_out(128, 96)) as file:
        photos = file.split("test")
        rows, _ = split_distinct(np.arange(len(photos)), [photos.person, photos.garment])
        for number, row in enumerate(rows[:people], 1):
            images[f"people/person_{number}.png"] = photos.x[int(row)]
            images[f"worn/person_{number}.png"] = photos.y[int(row)]
        for number, row in enumerate(rows[people : people + articles], 1):
            images[f"shop/article_{number}.png"] = photos.y[int(row)]
    for name in images:
        check_absent(Path(out) / name, overwrite)
    for name, image in images.items():
        (Path(out) / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(Path(out) / name, encode_image(image))
    return len(images)


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
