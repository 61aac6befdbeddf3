"""Product photos: presentation and lighting of an article."""

from dataclasses import dataclass, field

import numpy as np

from data_prep.photoshoot.body.anatomy import Build
from data_prep.photoshoot.body.pose import Pose, mannequin_pose, sample_pose
from data_prep.photoshoot.camera.sitter import sample_light, sample_photo
from data_prep.photoshoot.numeric import unit
from data_prep.photoshoot.tables import sample_choice

WAYS = {
    "invisible": 0.46,
    "posed": 0.24,
    "flat": 0.22,
    "hanger": 0.08,
}  # shares of the presentations; posed: an invisible body in any pose


@dataclass(frozen=True)
class ProductView:
    """How an article is photographed.  way: a key of WAYS; fill: its share of the frame's height or width."""

    way: str
    build: Build
    pose: Pose
    unzipped: float
    fill: float
    off: tuple
    roll: float
    light: dict = field(repr=False)
    photo: dict = field(repr=False)


def sample_view(rng):
    """Sample the `ProductView` of a garment."""
    way = sample_choice(rng, WAYS)
    male = float(rng.random() < 0.5)
    build = Build(
        male,
        0.1,
        (0.2, 0.2, 0.6),
        muscle=0.1,
        weight=float(rng.normal(-0.2, 0.2)),
        proportions=0.6,
        cup=float(rng.normal(-0.2, 0.3)),
    )
    light = sample_light(rng)
    light.update(
        key=unit([rng.normal(0, 0.3), -1, rng.uniform(0.3, 0.8)]),
        strength=rng.uniform(0.2, 0.7),
        soft=0.4,
        side=rng.normal(0, 0.1),
        tint=np.ones(3) + rng.normal(0, 0.008, 3),
    )
    photo = sample_photo(rng)
    level = 1.0 if rng.random() < 0.45 else rng.uniform(0.90, 0.99)
    photo.update(
        level=level,
        falloff=0.0,
        wall=float(rng.uniform(0, 0.35) * (way == "flat" or rng.random() < 0.3)),
        border=None,
        blur=rng.uniform(0.1, 0.3),
        noise=rng.uniform(0, 0.003),
        quality=int(rng.integers(82, 98)),
    )
    pose = sample_pose(rng) if way == "posed" else mannequin_pose(rng)
    return ProductView(
        way,
        build,
        pose,
        float(rng.random() ** 2 * (rng.random() < 0.25)),
        fill=rng.uniform(0.5, 0.97),
        off=(rng.normal(0, 0.02), rng.normal(0, 0.025)),
        roll=rng.normal(0, 0.012),
        light=light,
        photo=photo,
    )
