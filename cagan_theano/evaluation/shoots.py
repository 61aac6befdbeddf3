"""Photoshoots for specific measurements: people of the training set, single changes.

Each is a photo file whose test split contains pairs and true swaps, which the claims require.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import trange

from cagan_theano.evaluation import held_out
from cagan_theano.evaluation.held_out import HeldOutSplit, Model
from data_prep.photoshoot import shoot
from data_prep.photoshoot.camera import render
from data_prep.photoshoot.clothes.garment import KINDS, Garment
from data_prep.photoshoot.shoot import Setting
from data_prep.store import PhotoFile, PhotoWriter

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


garment_of = functools.lru_cache(4096)(shoot.garment_of)  # each is tried for every kind of change


def differs(kind: str, garment: Garment, other: Garment) -> bool:
    """Whether a changed garment differs visibly (color) or in its stored attribute (other kinds)."""
    if kind == "color":
        return bool(np.abs(np.subtract(garment.colors[0], other.colors[0])).sum() > 0.3)
    name = "pattern" if kind == "texture" else kind
    return bool(getattr(garment, name) != getattr(other, name))


def is_sold(garment: Garment) -> bool:
    """Whether a wardrobe contains such a garment: its parts are valid for its kind and consistent."""
    kind: dict[str, Any] = KINDS[garment.kind]
    parts = all(getattr(garment, name) in kind[name] for name in ("neckline", "sleeve", "front"))
    knitted = garment.pattern != "knit" or garment.kind in ("pullover", "cardigan")
    return parts and knitted and (garment.pattern != "print" or garment.front == "closed")


def change(kind: str, garment: Garment, setting: Setting, row: int) -> Garment | None:
    """A garment with one kind of change taken from a test garment, or None."""
    for step in range(1, DONORS):
        index = (row + step * 6) % (6 * DONORS)
        donor = garment_of(setting, "test", index)
        if donor.category != garment.category:
            continue
        lent = {name: getattr(donor, name) for name in FIELDS[kind]}
        made = dataclasses.replace(garment, **lent)
        if differs(kind, garment, made) and is_sold(made):
            return made
    return None


def wearers(setting: Setting) -> Iterator[tuple[int, list[Garment]]]:
    """(index, garments) of test pairs of distinct people: the worn garment and its changed versions.

    People whose garment does not allow every change (a print has no zip, trousers have no neckline)
    are skipped.
    """
    for index in itertools.count(0, shoot.SITTINGS):
        worn = shoot.garment_of(setting, "test", index)
        if worn.category != "upper":
            continue
        garments = [worn, *(change(kind, worn, setting, index) for kind in FIELDS)]
        if None not in garments:
            yield index, garments


def shoot_controlled(writer: PhotoWriter, setting: Setting, count: int) -> None:
    """Write people of the test split, each in their garment with one change at a time."""
    row = 0
    for person, (index, garments) in zip(progress(count), wearers(setting)):
        sitter = shoot.sitter_of(setting, "test", index)
        first = row
        for garment in garments:
            x, mask = render.render_worn(sitter, garment, setting.size)
            article = render.render_article(garment, setting.size, setting.house)
            writer.add("test", x, article, person, row, mask, shoot.attributes(garment, setting.wardrobe))
            if row > first:
                writer.add_triple(first, row, x, mask)
            row += 1


def shoot_trained(writer: PhotoWriter, setting: Setting, count: int) -> None:
    """Write the first pairs of the train split and true swaps between them."""
    for index in progress(count):
        writer.add(**{**shoot.make_pair(setting, "train", index), "split": "test"})
    for index in progress(count):
        writer.add_triple(**{**shoot.make_triple(setting, "train", count, index), "split": "test"})


SHOOTS: dict[str, Callable[[PhotoWriter, Setting, int], None]] = {
    "controlled": shoot_controlled,
    "trained": shoot_trained,
}


progress = functools.partial(trange, desc="photoshoot", unit="image", leave=False)


def provenance(name: str, setting: Setting, count: int) -> dict[str, Any]:
    """The provenance stored in the file."""
    style = {name: getattr(setting, name) for name in ("clutter", "wardrobe", "studio")}
    arguments = {"shoot": name, "count": count, "size": list(setting.size), **style}
    return {"program": PROGRAM, "version": shoot.VERSION, "seed": setting.seed, "arguments": arguments}


def make(path: Path, name: str, setting: Setting, count: int) -> None:
    """Render one of ``SHOOTS`` into a file.  Raises ValueError, OSError."""
    if count < 4:
        raise ValueError(
            f"{path}: must have at least 4 pairs, not {count}, since a swap requires another garment"
        )
    shoot.check_renderer()
    with PhotoWriter(path, *setting.size, provenance(name, setting, count)) as writer:
        SHOOTS[name](writer, setting, count)


@contextmanager
def open_shoot(name: str, count: int, model: Model) -> Iterator[HeldOutSplit]:
    """A `HeldOutSplit` of a shoot with the settings of a model's training data; rendered if missing."""
    setting = held_out.shoot_setting(model)
    path = held_out.renderings() / f"{name}_{setting.size[0]}x{setting.size[1]}_{count}.h5"
    if not held_out.is_made(path, provenance(name, setting, count)):
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path, name, setting, count)
    with PhotoFile(path) as file:
        yield HeldOutSplit(str(path), file.split("test"), file.provenance)
