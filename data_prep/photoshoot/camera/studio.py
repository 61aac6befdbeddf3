"""One studio: a shop whose photos have one style, so that they differ in people and garments alone.

Section 3.1 of the paper: "humans (frontal view)"; section 3.2: "a consistent background", "the photoshoot
style is consistent with the training data".  The seed of a shoot chooses the `House`; train and test share
it.  Between its shots, little varies: a few percent of exposure, distance and position, a degree of turn.
"""

import functools
from dataclasses import dataclass, field, replace

import numpy as np

from data_prep.photoshoot.body.anatomy import Build
from data_prep.photoshoot.body.person import PEOPLE
from data_prep.photoshoot.body.pose import Pose
from data_prep.photoshoot.camera.product import ProductView
from data_prep.photoshoot.camera.sitter import EXPOSURE
from data_prep.photoshoot.numeric import unit
from data_prep.photoshoot.tables import sample_palette

STUDIOS = {  # studio -> the wardrobes of which it is the default
    "one": ("paper",),
    "many": ("shop", "all"),
}
WAYS = ("invisible", "flat")  # presentations of the articles
FILL = 0.90  # share of the frame's height or width that an article fills
TURN = 0.08  # largest turn of a sitter away from the camera [rad]
TWIST = 0.03  # largest twist of the spine [rad]
ARMS = {"hang": 0.55, "ease": 0.45}  # shares of the arms' poses
ONE_IN_POCKET = 0.25  # share of sitters with one hand in a pocket, of those who have pockets
POCKETS = ("trousers", "jeans", "shorts")


def default_studio(wardrobe):
    """The studio in which a wardrobe is photographed by default."""
    return next(name for name, wardrobes in STUDIOS.items() if wardrobe in wardrobes)


@dataclass(frozen=True)
class House:
    """The style of a shop: camera, light and photo of people and of articles, and how these are presented."""

    camera: dict = field(repr=False)
    light: dict = field(repr=False)
    photo: dict = field(repr=False)
    way: str
    build: Build  # of the invisible body
    arms: tuple  # numbers of its pose
    article_light: dict = field(repr=False)
    article_photo: dict = field(repr=False)


@functools.lru_cache(8)
def house_of(seed):
    """The `House` of a shoot's seed."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    u = rng.uniform
    warm = u(-0.015, 0.015)
    side = rng.choice([-1, 1])
    light = dict(
        key=unit([side * u(0.15, 0.5), -1, u(0.45, 0.8)]),
        strength=u(0.35, 0.55),
        soft=u(0.35, 0.5),
        ambient=1.0,
        floor=u(0.55, 0.8),
        side=side * u(0.0, 0.15),
        tint=np.array([1 + warm, 1, 1 - warm]),
    )
    finish = dict(
        tone=rng.normal(0, 0.004, 3),
        exposure=EXPOSURE * u(0.98, 1.02),
        contrast=u(-0.03, 0.08),
        saturation=u(0.96, 1.06),
        blur=u(0.2, 0.35),
        sharpen=u(0.1, 0.3),
        noise=u(0.8, 1.2) * 0.0075,
        gray_noise=True,
        quality=None,
        border=None,
        wall=u(0.05, 0.15),
        center=(0.5, 0.42),
    )
    way = str(rng.choice(WAYS))
    return House(
        camera=dict(
            below=u(0.06, 0.12),
            top=u(0.03, 0.045),
            aside=0.0,
            distance=u(3.6, 4.6),
            rise=u(-0.06, 0.0),
            roll=0.0,
        ),
        light=light,
        photo=finish | dict(level=u(0.89, 0.97), falloff=u(0.03, 0.10)),
        way=way,
        build=Build(0.5, 0.1, (0.2, 0.2, 0.6), muscle=0.1, weight=-0.2, proportions=0.6, cup=-0.2),
        arms=(u(-5, -2) if way == "invisible" else u(-1.5, -0.3), *u(-1, 1, 7)),
        article_light=light
        | dict(key=unit([side * u(0.1, 0.3), -1, u(0.5, 0.8)]), strength=u(0.3, 0.5), side=0.0),
        article_photo=finish | dict(level=1.0, falloff=0.0, wall=u(0.0, 0.10)),
    )


def place_sitter(sitter, house, category="upper"):
    """A sitter in the studio of a `House`: upright, facing the camera, in the pose of one of its shots.

    category: of the garment that the camera shows; below the hips, it shows the whole figure.
    """
    rng = np.random.default_rng([sitter.seed, 16])
    small = functools.partial(sample_small, rng)
    arms = [str(rng.choice(list(ARMS), p=list(ARMS.values())))] * 2
    pocket, side = rng.random() < ONE_IN_POCKET, rng.integers(2)
    if pocket and sitter.below in POCKETS and category == "upper":
        arms[side] = "pocket"
    pose = Pose(
        turn=small(TURN / 2),
        spine=(small(0.015), small(0.015), small(TWIST / 2)),
        head=(0.02 + small(0.03), small(0.03), small(0.06)),
        hips=small(0.02),
        legs=(small(0.02), small(0.02)),
        arms=tuple((name, tuple(rng.uniform(-0.6, 0.6, 8))) for name in arms),
        shrug=(small(0.015), small(0.015)),
    )
    camera = house.camera | dict(
        top=house.camera["top"] + small(0.004),
        aside=small(0.012),
        distance=house.camera["distance"] * (1 + small(0.01)),
        below=house.camera["below"] + small(0.012),
        roll=small(0.006),
    )
    if category != "upper":
        camera["reach"] = 0.97
    photo = house.photo | dict(exposure=house.photo["exposure"] * (1 + small(0.015)))
    below = sample_palette(rng, PEOPLE["trousers"])
    return replace(
        sitter, pose=pose, camera=camera, light=house.light, photo=photo, below_color=below, belt=False
    )


def sample_small(rng, deviation):
    """Sample a difference between shots: normal, within two standard deviations."""
    return float(np.clip(rng.normal(0, deviation), -2 * deviation, 2 * deviation))


def show_article(garment, house):
    """How the shop of a `House` photographs an article: a `ProductView`."""
    rng = np.random.default_rng([garment.seed, 16])
    small = functools.partial(sample_small, rng)
    pose = Pose(0.0, (0.0,) * 3, (0.0,) * 3, 0.0, (0.0, 0.0), (("mannequin", house.arms),) * 2, (0.0, 0.0))
    photo = house.article_photo | dict(exposure=house.article_photo["exposure"] * (1 + small(0.01)))
    return ProductView(
        house.way,
        house.build,
        pose,
        unzipped=0.0,
        fill=FILL + small(0.008),
        off=(small(0.004), small(0.004)),
        roll=small(0.006),
        light=house.article_light,
        photo=photo,
    )
