"""Photoshoots that measure one thing: people of the training set, one change at a time, clutter.

Each is a photo file whose test split holds pairs and true swaps, made once into photos/.

    python replicate/shoots.py controlled|trained|clutter OUT.h5 [--count N] [--size HxW] [--seed N]
"""

import sys
from pathlib import Path

if not __package__:  # run as a file: the clone's root takes the place of this folder on the path
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import dataclasses
from contextlib import contextmanager

import click
import numpy as np
from tqdm import tqdm

from data_prep.command import main
from data_prep.photoshoot import render, shoot
from data_prep.store import PhotoFile, PhotoWriter
from replicate import common

PROGRAM = "replicate/shoots.py"
DONORS = 200
"""Garments of the test split that are searched for one that differs in the wanted attribute."""

FIELDS = {
    "color": ("colors",),
    "texture": ("pattern", "details"),
    "cut": ("cut",),
    "neckline": ("neckline", "wide", "deep", "pocket", "strings"),
    "sleeve": ("sleeve",),
}
"""Kind of change -> fields of `garment.Garment` that another garment gives; the rest stays."""


def differs(kind, garment, donor):
    """Whether a donor's fields make a valid garment that differs in the stored attribute."""
    if kind == "color":
        return np.abs(np.subtract(garment.colors[0], donor.colors[0])).sum() > 0.3
    name = "pattern" if kind == "texture" else kind
    hooded_knit = {"texture": (garment.neckline, donor.pattern),
                   "neckline": (donor.neckline, garment.pattern)}.get(kind) == ("hood", "knit")
    return getattr(garment, name) != getattr(donor, name) and not hooded_knit


def changed(kind, garment, seed, row):
    """A garment like another but for one kind of change, which a test garment lends it."""
    for step in range(1, DONORS):
        donor = shoot.garment_of(seed, "test", (row + step * 6) % (6 * DONORS))
        if differs(kind, garment, donor):
            lent = {name: getattr(donor, name) for name in FIELDS[kind]}
            return dataclasses.replace(garment, **lent)
    raise ValueError(f"no garment lends a change of {kind}")


def controlled(writer, count, size, seed, clutter):
    """Write people of the test split, each in their garment with one thing changed at a time."""
    row = 0
    for person in progress(count):
        index = shoot.SITTINGS * person
        sitter = shoot.sitter_of(seed, "test", index, clutter)
        worn = shoot.garment_of(seed, "test", index)
        first = row
        for kind in (None, *FIELDS):
            garment = worn if kind is None else changed(kind, worn, seed, index)
            x, mask = render.render_worn(sitter, garment, size)
            writer.add("test", x, render.render_article(garment, size), person, row, mask,
                       shoot.attributes(garment))
            if kind is not None:
                writer.add_triple(first, row, x, mask)
            row += 1


def trained(writer, count, size, seed, clutter):
    """Write the first pairs of the train split and true swaps among them."""
    for index in progress(count):
        writer.add(**{**shoot.make_pair(seed, "train", size, clutter, index), "split": "test"})
    for i in progress(count):
        j = shoot.partner_of(seed, "train", i, count)
        x_ij, mask = render.render_worn(shoot.sitter_of(seed, "train", i, clutter),
                                        shoot.garment_of(seed, "train", j), size)
        writer.add_triple(i, j, x_ij, mask)


def cluttered(writer, count, size, seed, _clutter):
    """Write the first test pairs and swaps of the seed, before a street instead of a studio."""
    for index in progress(count):
        writer.add(**shoot.make_pair(seed, "test", size, True, index))
    for index in progress(count):
        writer.add_triple(**shoot.make_triple(seed, "test", size, True, count, index))


SHOOTS = {"controlled": controlled, "trained": trained, "clutter": cluttered}


def progress(count):
    """Rows, with a bar."""
    return tqdm(range(count), desc="photoshoot", unit="picture", leave=False)


def provenance(name, count, size, seed, clutter):
    """What the file says of itself."""
    return dict(program=PROGRAM, version=shoot.VERSION, seed=seed,
                arguments=dict(shoot=name, count=count, size=list(size), clutter=clutter))


def make(path, name, count, size, seed, clutter=False):
    """Render one of ``SHOOTS`` into a file.  Raises ValueError, OSError."""
    if count < 4:
        raise ValueError(f"--count {count}: must be at least 4, since a swap needs another garment")
    about = provenance(name, count, size, seed, clutter)
    with PhotoWriter(path, *size, about) as writer:
        SHOOTS[name](writer, count, size, seed, clutter)


@contextmanager
def opened(name, count, model):
    """A `common.Held` of a shoot with a model's size, seed and clutter; made where missing."""
    size, (seed, clutter) = (model.config.height, model.config.width), common.shoot_settings(model)
    path = common.ROOT / "photos" / f"{name}_{size[0]}x{size[1]}_{count}.h5"
    if not common.is_made(path, provenance(name, count, size, seed, clutter)):
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path, name, count, size, seed, clutter)
    with PhotoFile.open(path) as file:
        yield common.Held(str(path), file.split("test"), file.provenance)


def was_shot(model):
    """Whether a model was trained on pictures that this photoshoot can make again."""
    origin = (model.metadata.get("data") or {}).get("provenance") or {}
    return origin.get("program") == "data_prep photoshoot" and origin["version"] == shoot.VERSION


@click.command()
@click.argument("name", type=click.Choice(list(SHOOTS)))
@click.argument("out", type=click.Path(dir_okay=False))
@click.option("--count", default=40, show_default=True, help="People (controlled) or pairs.")
@click.option("--size", default="128x96", show_default=True, help="HEIGHTxWIDTH in pixels.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
              help="Seed of the photoshoot.")
def command(name, out, count, size, seed):
    """Render true swaps that measure one thing.

    controlled: each person in their own garment with only its color, texture, cut, neckline or
    sleeve changed.  trained: the first pairs of the train split of that seed.  clutter: the test
    split before a street.
    """
    from data_prep.__main__ import parse_size
    make(out, name, count, parse_size(None, None, size), seed)
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main(command)
