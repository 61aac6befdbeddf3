"""``python -m data_prep``: make or inspect the photo files that CAGAN is trained on."""
import json

import click
import numpy as np

from data_prep.command import main
from data_prep.store import PhotoFile, check_size

SHEET_COLUMNS = 8  # pairs in a row of the contact sheet


@click.group(context_settings={"show_default": True})
def cli():
    """Make or inspect HDF5 files of human photos x_i and their articles y_i."""


def parse_size(_context, _parameter, text):
    """"128x96" -> (128, 96): height and width in pixels."""
    try:
        height, width = (int(side) for side in text.lower().split("x"))
        check_size(height, width)
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: give HEIGHTxWIDTH such as 128x96, both "
                                 "multiples of 16") from error
    return height, width


@cli.command()
@click.argument("out", type=click.Path(dir_okay=False))
@click.option("--pairs", default=15000, help="Pairs to train on (the paper's number).")
@click.option("--size", default="128x96", callback=parse_size, help="HEIGHTxWIDTH in pixels.")
@click.option("--seed", default=0, type=click.IntRange(0), help="Seed of everything random.")
@click.option("--held-out", default=512, help="Test pairs, each with one true swap.")
@click.option("--clutter", is_flag=True, help="A street-like background instead of a studio.")
@click.option("--jobs", default=2, help="Processes; the pictures do not depend on it.")
def photoshoot(out, pairs, size, seed, held_out, clutter, jobs):
    """Render a procedural photoshoot of pullovers and hoodies to the HDF5 file OUT."""
    from data_prep.photoshoot.shoot import shoot
    shoot(out, pairs, size, seed, held_out, clutter, jobs)
    click.echo(f"wrote {out}: {pairs} pairs to train on, {held_out} held out")


@cli.command()
@click.argument("file", type=click.Path())
@click.option("--sheet", type=click.Path(dir_okay=False), help="Write a contact sheet (PNG).")
@click.option("--rows", default=4, type=click.IntRange(1, 64), help="Rows of the sheet.")
def inspect(file, sheet, rows):
    """Print size, counts and provenance of FILE; optionally draw a contact sheet."""
    with PhotoFile.open(file) as photos:
        click.echo(f"{file}: {photos.height}x{photos.width} pixels")
        for name in photos.splits:
            click.echo(describe(name, photos.split(name)))
        click.echo("provenance: " + json.dumps(photos.provenance, sort_keys=True))
        if sheet:
            contact_sheet(photos.split(photos.splits[0]), rows).save(sheet)


def describe(name, part):
    """One line on a split: counts of pairs, persons, garments, swaps and attributes."""
    swaps = f", {len(part.triples.i)} true swaps" if part.triples else ""
    masks = ", masks" if part.mask else ""
    words = [f"{key}: " + " ".join(f"{word} {int((part.attributes[key] == code).sum())}"
                                   for code, word in enumerate(part.names[key]))
             for key in part.attributes]
    return "\n  ".join([f"{name}: {len(part)} pairs, {len(np.unique(part.person))} persons, "
                        f"{len(np.unique(part.garment))} garments{swaps}{masks}"] + words)


def contact_sheet(part, rows):
    """A PIL image of the first pairs, human beside article, SHEET_COLUMNS pairs in a row."""
    from PIL import Image
    count = min(len(part), rows * SHEET_COLUMNS)
    pairs = np.concatenate([part.x[:count], part.y[:count]], axis=2)
    blank = np.full_like(pairs[:1], 255)
    pairs = np.concatenate([pairs] + [blank] * (-count % SHEET_COLUMNS))
    lines = [np.concatenate(list(pairs[at:at + SHEET_COLUMNS]), axis=1)
             for at in range(0, len(pairs), SHEET_COLUMNS)]
    return Image.fromarray(np.concatenate(lines))


if __name__ == "__main__":
    main(cli)
