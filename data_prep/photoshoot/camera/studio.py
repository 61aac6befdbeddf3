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
from data_prep.photoshoot.body.pose import Pose, symmetric_pose
from data_prep.photoshoot.camera.product import ProductView
from data_prep.photoshoot.camera.sitter import EXPOSURE, PHOTOS
from data_prep.photoshoot.numeric import unit
from data_prep.photoshoot.tables import sample, sample_palette, sample_small

HOUSE, SHOT = PHOTOS["house"], PHOTOS["shot"]
STUDIOS = {  # studio -> the wardrobes of which it is the default
    "one": ("paper",),
    "many": ("shop", "all"),
}
WAYS = ("invisible", "flat")  # presentations of the articles
FILL = 0.90  # share of the frame's height or width that an article fills
NOISE = 0.0075  # mean deviation of the gray noise of dark pixels, which a JPEG's coding would not keep
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
    warm, side = rng.uniform(-0.015, 0.015), rng.choice([-1, 1])

    def sample_light(name):
        light = sample(rng, HOUSE[name])
        aside, *key = light["key"]
        return light | dict(key=unit([side * aside, *key]), side=side * light["side"])

    light = sample_light("light") | dict(tint=[1 + warm, 1, 1 - warm])
    finish = sample(rng, HOUSE["finish"])
    finish["exposure"] *= EXPOSURE
    finish["noise"] *= NOISE
    way = str(rng.choice(WAYS))
    camera, photo = sample(rng, HOUSE["camera"]), finish | sample(rng, HOUSE["photo"])
    arms = rng.uniform(-5, -2) if way == "invisible" else rng.uniform(-1.5, -0.3), *rng.uniform(-1, 1, 7)
    article_light = light | sample_light("article_light")
    article_photo = finish | sample(rng, HOUSE["article_photo"])
    return House(camera, light, photo, way, Build(**HOUSE["build"]), arms, article_light, article_photo)


def place_sitter(sitter, house, category="upper"):
    """A sitter in the studio of a `House`: upright, facing the camera, in the pose of one of its shots.

    category: of the garment that the camera shows; below the hips, it shows the whole figure.
    """
    rng = np.random.default_rng([sitter.seed, 16])
    names = [str(rng.choice(list(ARMS), p=list(ARMS.values())))] * 2
    pocket, side = rng.random() < ONE_IN_POCKET, rng.integers(2)
    if pocket and sitter.below in POCKETS and category == "upper":
        names[side] = "pocket"
    turned = sample(rng, SHOT["pose"])
    arms = tuple((name, tuple(rng.uniform(-0.6, 0.6, 8))) for name in names)
    pose = Pose(**turned, arms=arms, shrug=sample(rng, SHOT["shrug"]))
    off = sample(rng, SHOT["camera"])
    camera = house.camera | off | {name: house.camera[name] + off[name] for name in ("top", "below")}
    camera["distance"] = house.camera["distance"] * (1 + off["distance"])
    if category != "upper":
        camera["reach"] = 0.97
    photo = expose(house.photo, sample_small(rng, 0.015))
    color = sample_palette(rng, PEOPLE["trousers"])
    look = dict(camera=camera, light=house.light, photo=photo)
    return replace(sitter, pose=pose, below_color=color, belt=False, **look)


def expose(photo, more):
    """A photo's settings with a share of more exposure."""
    return photo | dict(exposure=photo["exposure"] * (1 + more))


def show_article(garment, house):
    """How the shop of a `House` photographs an article: a `ProductView`."""
    rng = np.random.default_rng([garment.seed, 16])
    photo = expose(house.article_photo, sample_small(rng, 0.01))
    off = sample(rng, SHOT["article"])
    off["fill"] += FILL
    pose = symmetric_pose(house.arms)
    return ProductView(house.way, house.build, pose, 0.0, **off, light=house.article_light, photo=photo)
