"""Sittings of people: their other clothes, pose, camera, light and backdrop."""

from dataclasses import dataclass, field, replace

import numpy as np

from data_prep.photoshoot.body.person import PEOPLE, Person, sample_person
from data_prep.photoshoot.body.pose import Pose, sample_pose
from data_prep.photoshoot.clothes.garment import Garment, sample_color, sample_garment
from data_prep.photoshoot.numeric import unit
from data_prep.photoshoot.tables import sample_choice, sample_palette

# Relative to a surface that faces the camera; as most of a body does not, more than 1 makes cloth in
# the photo as bright as its color.  Shops match both photos of a product: the deviation is small.
EXPOSURE, EXPOSURE_DEVIATION = 1.25, 0.07


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
    woman = person.build.male < 0.5
    below = sample_choice(
        rng,
        dict(trousers=0.3, jeans=0.32, leggings=0.18, shorts=0.12, skirt=0.08)
        if woman
        else dict(trousers=0.42, jeans=0.42, shorts=0.16),
    )
    color = sample_palette(rng, PEOPLE["trousers"]) if rng.random() < 0.75 else sample_color(rng)
    inner = sample_garment(rng, "shop")
    fields = dict(
        inner.__dict__,
        kind="t-shirt",
        cut="fitted",
        neckline=str(rng.choice(["crew", "v-neck", "scoop"])),
        sleeve="short",
        front="closed",
        wide=0.08,
        deep=rng.uniform(0.05, 0.1),
        ease=0.002,
        flare=0.0,
        rib=0.0,
        hem=rng.uniform(-0.08, 0.02),
        pocket="none",
        strings=False,
        end=0.3,
        pattern="plain" if inner.pattern in ("knit", "print") else inner.pattern,
    )
    sides = rng.choice(4, p=[0.34, 0.18, 0.18, 0.30])
    return Sitter(
        person,
        sample_pose(rng),
        smile=float(np.clip(rng.normal(0.25, 0.35), 0, 1)),
        below=below,
        below_color=color,
        waist=rng.uniform(0.03, 0.15),
        belt=bool(rng.random() < 0.2),
        inner=Garment(**fields),
        unzipped=float(rng.random() ** 2 if rng.random() < 0.6 else 0),
        front_hair=(bool(sides in (1, 3)), bool(sides in (2, 3))),
        camera=sample_camera(rng),
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
    arms = [
        (("hip" if name == "pocket" and category != "trousers" else name), k) for name, k in sitter.pose.arms
    ]
    chin = rng.random() < (0.15 if category == "dress" else 0.35)
    camera = dict(
        sitter.camera,
        span=9.0,  # as far down as reach allows
        reach=float(rng.uniform(0.86, 0.985)),
        top=float(-rng.uniform(0.10, 0.22) if chin else rng.uniform(0.015, 0.06)),
        distance=float(rng.uniform(3.2, 6.0)),
        rise=0.5 * sitter.camera["rise"],
    )
    return replace(
        sitter,
        camera=camera,
        pose=replace(sitter.pose, arms=tuple(arms)),
        top=replace(sample_garment(rng, "shop"), **closed) if category in ("trousers", "skirt") else None,
    )


def sample_camera(rng):
    """Sample the framing: height of the view [m], position of the head, distance [m], elevation, roll."""
    crop = rng.random()
    top = (
        rng.uniform(0.015, 0.11)
        if crop < 0.82
        else (-rng.uniform(0.03, 0.13) if crop < 0.92 else -rng.uniform(0.15, 0.24))
    )
    return dict(
        span=float(rng.uniform(0.72, 1.28)),
        top=float(top),
        aside=float(rng.normal(0, 0.045)),
        distance=float(rng.uniform(2.5, 5.0)),
        rise=float(rng.normal(-0.05, 0.10)),
        roll=float(rng.normal(0, 0.012)),
    )


def sample_light(rng):
    """Sample a key light of any softness from either side, the ambient light, and their tint."""
    key = unit([rng.normal(0, 0.55), -1, rng.uniform(0.15, 0.95)])
    warm = rng.normal(0, 0.025)
    return dict(
        key=key,
        strength=float(rng.uniform(0.12, 0.85)),
        soft=float(rng.uniform(0.1, 0.5)),
        ambient=float(rng.uniform(0.85, 1.15)),
        floor=float(rng.uniform(0.4, 1.0)),
        side=float(rng.normal(0, 0.25)),
        tint=np.array([1 + warm, 1, 1 - warm]),
        bounce=float(rng.uniform(0, 0.3)),
    )


def sample_photo(rng):
    """Sample the backdrop and the post-processing by camera and shop."""
    white = rng.random()
    level = (
        1.0
        if white < 0.40
        else rng.uniform(0.93, 0.99)
        if white < 0.62
        else rng.uniform(0.84, 0.93)
        if white < 0.9
        else rng.uniform(0.55, 0.85)
    )
    return dict(
        level=float(level),
        tone=rng.normal(0, 0.008, 3),
        falloff=float(rng.uniform(0, 0.10) * (level < 1)),
        center=(float(rng.normal(0.5, 0.2)), float(rng.normal(0.4, 0.2))),
        wall=float(rng.uniform(0, 0.25) * (rng.random() < 0.4)),
        exposure=float(rng.normal(EXPOSURE, EXPOSURE_DEVIATION)),
        contrast=float(rng.normal(0.0, 0.08)),
        saturation=float(rng.normal(1, 0.08)),
        blur=float(rng.uniform(0.15, 0.55)),
        sharpen=float(rng.uniform(0, 0.5)),
        noise=float(rng.uniform(0, 0.008)),
        quality=int(rng.integers(70, 97)),
        border=tuple(rng.uniform(0, 0.12, 4) * (rng.random(4) < 0.5)) if rng.random() < 0.3 else None,
    )
