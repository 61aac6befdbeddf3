"""Sittings of people: their other clothes, pose, camera, light and backdrop."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from data_prep.photoshoot.body.person import PEOPLE, Person, sample_person
from data_prep.photoshoot.body.pose import Pose, sample_pose
from data_prep.photoshoot.clothes.garment import Garment, sample_color, sample_garment
from data_prep.photoshoot.numeric import unit
from data_prep.photoshoot.tables import read_tables, sample, sample_choice, sample_clipped, sample_palette

PHOTOS = read_tables(Path(__file__).with_name("photos.toml"))
# Relative to a surface that faces the camera; as most of a body does not, a mean above 1 makes cloth in the
# photo as bright as its color.  Shops match both photos of a product: the deviation is small.
EXPOSURE = PHOTOS["photo"]["exposure"][1]


@dataclass(frozen=True)
class Sitter:
    """A person in one sitting."""

    person: Person
    pose: Pose
    smile: float
    below: str  # trousers | jeans | leggings | shorts | skirt
    below_color: np.ndarray
    waist: float  # height of the trousers' waist above the hip joints [m]
    belt: bool
    inner: Garment  # visible under an open garment
    unzipped: float
    front_hair: tuple  # whether hair falls in front of the (left, right) shoulder
    camera: dict = field(repr=False)
    light: dict = field(repr=False)
    photo: dict = field(repr=False)
    seed: int = 0
    clutter: bool = False
    top: Garment | None = None  # worn with trousers and skirts of `show_whole_figure`


def sample_sitter(rng, person=None, clutter=False):
    """Sample a ``Sitter``, with a new person unless one is given."""
    person = person or sample_person(rng)
    below = sample_choice(rng, PHOTOS["below"]["woman" if person.build.male < 0.5 else "man"])
    color = sample_palette(rng, PEOPLE["trousers"]) if rng.random() < 0.75 else sample_color(rng)
    inner = sample_garment(rng, "shop")
    pattern = "plain" if inner.pattern in ("knit", "print") else inner.pattern
    inner = replace(inner, **sample(rng, PHOTOS["inner"]), pattern=pattern)
    sides = rng.choice(4, p=[0.34, 0.18, 0.18, 0.30])
    return Sitter(
        person,
        sample_pose(rng),
        smile=sample_clipped(rng, 0.25, 0.35, 0, 1),
        below=below,
        below_color=color,
        waist=rng.uniform(0.03, 0.15),
        belt=rng.random() < 0.2,
        inner=inner,
        unzipped=rng.random() ** 2 if rng.random() < 0.6 else 0.0,
        front_hair=(bool(sides in (1, 3)), bool(sides in (2, 3))),
        camera=sample(rng, PHOTOS["camera"]),
        light=sample_light(rng),
        photo=sample_photo(rng),
        seed=int(rng.integers(2**31)),
        clutter=clutter,
    )


def show_whole_figure(sitter, category):
    """A sitter before a camera that shows a garment of a category: from head or chin to knees or ankles.

    The sitter wears a top of their own with trousers and skirts.
    """
    if category == "upper":
        return sitter
    rng = np.random.default_rng([sitter.seed, 14])
    closed = dict(front="closed", strings=False, rib=0.0, hem=rng.uniform(0.07, 0.14))
    if category == "trousers" and rng.random() < 0.6:
        closed = dict(front="closed", hem=rng.uniform(-0.02, 0.07))
    pocketed = {"pocket": "pocket" if category == "trousers" else "hip"}
    arms = tuple((pocketed.get(name, name), numbers) for name, numbers in sitter.pose.arms)
    chin = rng.random() < (0.15 if category == "dress" else 0.35)
    camera = sitter.camera | dict(
        span=9.0,  # as far down as reach allows
        reach=rng.uniform(0.86, 0.985),
        top=-rng.uniform(0.10, 0.22) if chin else rng.uniform(0.015, 0.06),
        distance=rng.uniform(3.2, 6.0),
        rise=0.5 * sitter.camera["rise"],
    )
    top = replace(sample_garment(rng, "shop"), **closed) if category in ("trousers", "skirt") else None
    return replace(sitter, camera=camera, pose=replace(sitter.pose, arms=arms), top=top)


def sample_light(rng):
    """Sample a key light of any softness from either side, the ambient light, and their tint."""
    light = sample(rng, PHOTOS["light"])
    warm = light["tint"]
    return light | dict(key=unit(light["key"]), tint=[1 + warm, 1, 1 - warm])


def sample_photo(rng):
    """Sample the backdrop and the post-processing by camera and shop."""
    photo = sample(rng, PHOTOS["photo"])
    photo["falloff"] *= photo["level"] < 1
    photo["wall"] *= photo["has_wall"]
    border = rng.uniform(0, 0.12, 4) * (rng.random(4) < 0.5) if photo["has_border"] else ()
    return photo | dict(border=tuple(border))
