"""The photoshoot of claim 6: people of the test split in their own garment, with one change at a time."""

import dataclasses
import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import trange

from cagan_theano.evaluation import held_out
from cagan_theano.evaluation.held_out import Model, Source
from data_prep.photoshoot import shoot
from data_prep.photoshoot.camera import render
from data_prep.photoshoot.clothes.garment import KINDS, Garment
from data_prep.photoshoot.shoot import Setting
from data_prep.store import PhotoWriter

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


def is_sold(garment: Garment) -> bool:
    """Whether a wardrobe contains such a garment: its parts are valid for its kind and consistent."""
    kind: dict[str, Any] = KINDS[garment.kind]
    parts = all(getattr(garment, name) in kind[name] for name in ("neckline", "sleeve", "front"))
    knitted = garment.pattern != "knit" or garment.kind in ("pullover", "cardigan")
    return parts and knitted and (garment.pattern != "print" or garment.front == "closed")


def change(kind: str, garment: Garment, setting: Setting, row: int) -> Garment | None:
    """A garment with one visible kind of change taken from a test garment, or None."""
    for step in range(1, DONORS):
        donor = garment_of(setting, "test", (row + step * 6) % (6 * DONORS))
        made = dataclasses.replace(garment, **{name: getattr(donor, name) for name in FIELDS[kind]})
        if kind == "color":
            differs = np.abs(np.subtract(garment.colors[0], made.colors[0])).sum() > 0.3
        else:  # in the stored attribute
            differs = getattr(garment, FIELDS[kind][0]) != getattr(made, FIELDS[kind][0])
        if donor.category == garment.category and differs and is_sold(made):
            return made
    return None


def wearers(setting: Setting) -> Iterator[tuple[int, list[Garment]]]:
    """(index, garments) of test pairs of distinct people: the worn garment and its changed versions.

    People whose garment does not allow every change (a print has no zip, trousers have no neckline)
    are skipped.
    """
    for index in itertools.count(0, shoot.SITTINGS):
        worn = shoot.garment_of(setting, "test", index)
        if worn.category == "upper":
            garments = [worn, *(change(kind, worn, setting, index) for kind in FIELDS)]
            if None not in garments:
                yield index, garments


def photos(model: Model, count: int) -> Source:
    """The `Source` of `count` people with the settings of a model's training data, rendered if missing.

    Its test split has a pair of each garment, and the true swaps from the worn one to the others.
    """
    setting = held_out.shoot_setting(model)
    path = held_out.rendering("controlled", setting, f"_{count}")
    about = {"shoot": "controlled", "count": count, **dataclasses.asdict(setting), "size": list(setting.size)}
    origin = {"program": "cagan claims", "version": shoot.VERSION, "arguments": about}
    return Source(path, origin, functools.partial(write, path, setting, count, origin))


def write(path: Path, setting: Setting, count: int, origin: dict[str, Any]) -> None:
    """Render the file of `photos`."""
    shoot.check_renderer()
    people = trange(count, desc="photoshoot", unit="person", leave=False)
    with PhotoWriter(path, *setting.size, origin) as writer:
        for person, (index, garments) in zip(people, wearers(setting)):
            sitter = shoot.sitter_of(setting, "test", index)
            first = person * len(garments)
            for row, garment in enumerate(garments, first):
                x, mask = render.render_worn(sitter, garment, setting.size)
                article = render.render_article(garment, setting.size, setting.house)
                about = shoot.attributes(garment, setting.wardrobe)
                writer.add("test", x, article, person, row, mask, about)
                if row > first:
                    writer.add_triple(first, row, x, mask)
