"""Photoshoots for specific measurements: people of the training set, single changes, clutter.

Each is a photo file whose test split contains pairs and true swaps.

    python replicate/shoots.py controlled|trained|clutter OUT.h5 [--count N] [--size HxW] [--seed N]
"""

import dataclasses
import itertools
from contextlib import contextmanager

import click
import numpy as np
from tqdm import tqdm

from cagan_theano.evaluation import held_out
from cagan_theano.io.command import Command, Output, overwrite_option
from data_prep.options import parse_size
from data_prep.photoshoot import render, shoot
from data_prep.photoshoot.garment import KINDS, WARDROBES
from data_prep.store import KIND, PhotoFile, PhotoWriter

PROGRAM = "replicate/shoots.py"
DONORS = 200
"""Number of test garments searched for one that differs in the required attribute."""

FIELDS = {
    "color": ("colors",),
    "texture": ("pattern", "details"),
    "cut": ("cut", "ease", "flare"),
    "neckline": ("neckline", "kind", "wide", "deep", "pocket", "strings"),
    "sleeve": ("sleeve", "end"),
    "front": ("front", "gap"),
}
"""Kind of change -> fields of `garment.Garment` taken from another garment; the rest stays.

A neckline comes with its dependent fields: a hood's cords and pocket, and the kind of garment.
"""


def differs(kind, garment, made):
    """Whether a changed garment differs visibly (color) or in its stored attribute (other kinds)."""
    if kind == "color":
        return np.abs(np.subtract(garment.colors[0], made.colors[0])).sum() > 0.3
    name = "pattern" if kind == "texture" else kind
    return getattr(garment, name) != getattr(made, name)


def is_sold(garment):
    """Whether a wardrobe contains such a garment: its parts are valid for its kind and consistent."""
    kind = KINDS[garment.kind]
    parts = all(getattr(garment, name) in kind[name] for name in ("neckline", "sleeve", "front"))
    knitted = garment.pattern != "knit" or garment.kind in ("pullover", "cardigan")
    return parts and knitted and (garment.pattern != "print" or garment.front == "closed")


def changed(kind, garment, setting, row):
    """A garment with one kind of change taken from a test garment, or None."""
    for step in range(1, DONORS):
        index = (row + step * 6) % (6 * DONORS)
        donor = shoot.garment_of(setting.seed, "test", index, setting.wardrobe)
        if donor.category != garment.category:
            continue
        lent = {name: getattr(donor, name) for name in FIELDS[kind]}
        made = dataclasses.replace(garment, **lent)
        if differs(kind, garment, made) and is_sold(made):
            return made
    return None


def wearers(setting):
    """(index, garments) of test pairs of distinct people: the worn garment and its changed versions.

    People whose garment does not allow every change (a print has no zip, trousers have no neckline)
    are skipped.
    """
    for index in itertools.count(0, shoot.SITTINGS):
        worn = shoot.garment_of(setting.seed, "test", index, setting.wardrobe)
        if worn.category != "upper":
            continue
        garments = [worn, *(changed(kind, worn, setting, index) for kind in FIELDS)]
        if None not in garments:
            yield index, garments


def controlled(writer, setting, count):
    """Write people of the test split, each in their garment with one change at a time."""
    row = 0
    for person, (index, garments) in zip(progress(count), wearers(setting)):
        sitter = shoot.sitter_of(setting.seed, "test", index, setting.clutter, setting.wardrobe)
        first = row
        for garment in garments:
            x, mask = render.render_worn(sitter, garment, setting.size)
            article = render.render_article(garment, setting.size)
            writer.add("test", x, article, person, row, mask, shoot.attributes(garment, setting.wardrobe))
            if row > first:
                writer.add_triple(first, row, x, mask)
            row += 1


def trained(writer, setting, count):
    """Write the first pairs of the train split and true swaps between them."""
    for index in progress(count):
        writer.add(**{**shoot.make_pair(setting, "train", index), "split": "test"})
    for index in progress(count):
        writer.add_triple(**{**shoot.make_triple(setting, "train", count, index), "split": "test"})


def cluttered(writer, setting, count):
    """Write the first test pairs and swaps of the seed, in front of a street instead of the studio."""
    setting = dataclasses.replace(setting, clutter=True)
    for index in progress(count):
        writer.add(**shoot.make_pair(setting, "test", index))
    for index in progress(count):
        writer.add_triple(**shoot.make_triple(setting, "test", count, index))


SHOOTS = {"controlled": controlled, "trained": trained, "clutter": cluttered}


def progress(count):
    """Row numbers, with a progress bar."""
    return tqdm(range(count), desc="photoshoot", unit="image", leave=False)


def provenance(name, setting, count):
    """The provenance stored in the file."""
    return dict(
        program=PROGRAM,
        version=shoot.VERSION,
        seed=setting.seed,
        arguments=dict(
            shoot=name,
            count=count,
            size=list(setting.size),
            clutter=setting.clutter,
            wardrobe=setting.wardrobe,
        ),
    )


def make(path, name, setting, count):
    """Render one of ``SHOOTS`` into a file.  Raises ValueError, OSError."""
    if count < 4:
        raise ValueError(f"--count {count}: must be at least 4, since a swap requires another garment")
    shoot.check_renderer()
    with PhotoWriter(path, *setting.size, provenance(name, setting, count)) as writer:
        SHOOTS[name](writer, setting, count)


@contextmanager
def opened(name, count, model):
    """A `HeldOutSplit` of a shoot with the settings of a model's training data; rendered if missing."""
    setting = held_out.shoot_setting(model)
    path = held_out.renderings() / f"{name}_{setting.size[0]}x{setting.size[1]}_{count}.h5"
    if not held_out.is_made(path, provenance(name, setting, count)):
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path, name, setting, count)
    with PhotoFile.open(path) as file:
        yield held_out.HeldOutSplit(str(path), file.split("test"), file.provenance)


def was_shot(model):
    """Whether a model was trained on images that this version of the photoshoot can render again."""
    origin = held_out.origin_of(model)
    return origin.get("program") == "data_prep photoshoot" and origin.get("version") == shoot.VERSION


def older(model):
    """Why the training images cannot be rendered again, in one line; "" if they can or are not rendered."""
    origin = held_out.origin_of(model)
    if origin.get("program") != "data_prep photoshoot" or was_shot(model):
        return ""
    return (
        f"it was rendered by version {origin.get('version', 'unknown')} of the photoshoot, this is "
        f"version {shoot.VERSION}"
    )


@click.command(cls=Command)
@click.argument("name", type=click.Choice(list(SHOOTS)))
@click.argument("out", type=Output(KIND, data=True))
@overwrite_option
@click.option("--count", default=40, show_default=True, help="People (controlled) or pairs.")
@click.option("--size", default="128x96", show_default=True, help="HEIGHTxWIDTH in pixels.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the photoshoot.")
@click.option("--wardrobe", type=click.Choice(list(WARDROBES)), default="paper", show_default=True)
def command(name, out, count, size, seed, wardrobe):
    """Render true swaps for one specific measurement.

    controlled: each person in their own garment with only its color, texture, cut, neckline,
    sleeve or front changed.  trained: the first pairs of the train split of the seed.  clutter:
    the test split in front of a street.
    """
    make(out, name, shoot.Setting(seed, parse_size(None, None, size), wardrobe=wardrobe), count)
    click.echo(f"wrote {out}")
