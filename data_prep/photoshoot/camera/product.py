"""Product photos: presentation and lighting of an article."""

from dataclasses import dataclass, field

from data_prep.photoshoot.body.anatomy import Build
from data_prep.photoshoot.body.pose import Pose, mannequin_pose, sample_pose
from data_prep.photoshoot.camera.sitter import PHOTOS, sample_light, sample_photo
from data_prep.photoshoot.numeric import unit
from data_prep.photoshoot.tables import sample, sample_choice

ARTICLE = PHOTOS["article"]


@dataclass(frozen=True)
class ProductView:
    """How an article is photographed.  way: a presentation; fill: share of the frame's height or width."""

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
    way = sample_choice(rng, ARTICLE["ways"])
    build = Build(**sample(rng, ARTICLE["build"]))
    light = sample_light(rng) | sample(rng, ARTICLE["light"])
    light["key"] = unit(light["key"])
    photo = sample_photo(rng) | sample(rng, ARTICLE["photo"])
    photo["wall"] *= way == "flat" or rng.random() < 0.3
    photo |= sample(rng, ARTICLE["lens"])
    pose = sample_pose(rng) if way == "posed" else mannequin_pose(rng)
    unzipped = rng.random() ** 2 * (rng.random() < 0.25)
    return ProductView(way, build, pose, unzipped, **sample(rng, ARTICLE["view"]), light=light, photo=photo)
