"""The wardrobe of all categories: trousers, skirts and dresses, and swaps within a category."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from data_prep.photoshoot import shoot
from data_prep.photoshoot.body.person import sample_person
from data_prep.photoshoot.body.pose import mannequin_pose
from data_prep.photoshoot.body.surface import border, template
from data_prep.photoshoot.camera import render
from data_prep.photoshoot.camera.sitter import sample_sitter, show_whole_figure
from data_prep.photoshoot.clothes import garment as wardrobe
from data_prep.photoshoot.clothes import lower
from data_prep.photoshoot.clothes.figure import Figure
from data_prep.photoshoot.clothes.garment import BY_CATEGORY, KINDS, attributes_of

SETTING = shoot.Setting(8, (32, 32), wardrobe="all")


def garment(kind, number=0, **changes):
    rng = np.random.default_rng([3, number])
    return dataclasses.replace(wardrobe.lengthen(rng, wardrobe.sample_upper(rng, kind)), **changes)


def wear(worn, number=0):
    """(figure, part): a garment worn by an upright mannequin of any build."""
    build = sample_person(np.random.default_rng([4, number])).build
    figure = Figure(build, mannequin_pose(np.random.default_rng(number)))
    return figure, figure.wear(worn, 0.0, "article", np.random.default_rng(0))[0]


@pytest.mark.parametrize("category", BY_CATEGORY)
def test_kinds_belong_to_their_categories_and_stay_in_their_ranges(category):
    kinds, names = BY_CATEGORY[category], attributes_of("all")
    assert sum(kinds.values()) == pytest.approx(1)
    for number in range(60):
        sampled = wardrobe.sample_garment(np.random.default_rng([5, number]), "all", category)
        assert sampled.kind in kinds and (sampled.length == "hip") == (category == "upper")
        assert all(str(getattr(sampled, name)) in words for name, words in names.items())
        if category != "upper":
            low, high = KINDS[sampled.kind]["hem"]
            assert low <= sampled.hem <= high and sampled.cut in KINDS[sampled.kind]["cut"]
    for hem, word in ((0.0, "hip"), (-0.2, "short"), (-0.4, "knee"), (-0.7, "long")):
        assert garment("jeans", hem=hem).length == word
    assert not {"category", "length"} & set(attributes_of("shop"))


def test_garments_have_the_category_of_their_rail_and_women_wear_skirts_and_dresses():
    """Every ten rails hold the categories by their shares: of a block, garments 0 to 2 and 3 to 4."""
    numbers = [5 * block + first for block in range(5) for first in (1, 4)]
    found = Counter(shoot.category_of(SETTING, "train", number) for number in numbers)
    assert found == {word: round(10 * share) for word, share in wardrobe.SHARES.items()}
    for row in range(30):
        worn, sitter = shoot.garment_of(SETTING, "train", row), shoot.sitter_of(SETTING, "train", row)
        assert worn.category == shoot.category_of(SETTING, "train", shoot.casting(row)[1])
        assert worn.category in ("upper", "trousers") or sitter.person.build.male < 0.5
        assert (sitter.top is not None) == (worn.category in ("trousers", "skirt"))


@pytest.mark.parametrize("count", [4, 5, 40])
def test_true_swaps_stay_within_a_category(count):
    worn = [shoot.casting(row)[1] for row in range(count)]
    kinds = [shoot.category_of(SETTING, "train", number) for number in worn]
    swaps = [shoot.swap_of(SETTING, "train", index, count) for index in range(2 * count)]
    assert all(worn[i] != worn[j] and kinds[i] == kinds[j] for i, j in swaps)
    for row in set(range(count)) - {i for i, _ in swaps}:  # without another garment of their category
        assert {number for number, kind in zip(worn, kinds) if kind == kinds[row]} == {worn[row]}


@pytest.mark.parametrize("kind", ["jeans", "wide trousers", "joggers", "shorts"])
def test_trousers_surround_the_legs_and_end_at_their_hem(kind):
    worn = garment(kind)
    figure, part = wear(worn)
    z, hip = part.coords["z"], template()[1].hip
    np.testing.assert_allclose([z.min(), z.max()], [hip + worn.hem, hip + worn.waist], atol=1e-3)
    ends = z[border(part.faces)]  # no open edge but the waist and the hems
    assert (np.minimum(z.max() - ends, ends - z.min()) < 0.001).all()
    level = hip - 0.30 if worn.hem < -0.35 else hip + worn.hem + 0.03
    legs = figure.points["body"][lower.leg_rows()]
    for side in (-1, 1):
        leg = part.points[(np.abs(z - level) < 0.015) & (part.coords["x"] * side > 0)]
        flesh = legs[(np.abs(legs[:, 2] - leg[:, 2].mean()) < 0.01) & (legs[:, 0] * side > 0)]
        assert leg[:, 0].min() < flesh[:, 0].min() and leg[:, 0].max() > flesh[:, 0].max()


@pytest.mark.parametrize("kind", ["pencil skirt", "full skirt", "sheath", "flared dress"])
def test_skirts_hang_outside_both_legs(kind):
    """Every point of a leg above the hem is inside the skirt's ring at its height."""
    figure, part = wear(garment(kind, 2, front="closed", sleeve="short"), 2)
    size = int((np.abs(part.coords["z"] - part.coords["z"].min()) < 1e-5).sum())
    legs = figure.points["body"][lower.leg_rows()]
    for ring in part.points[-lower.SKIRT_RINGS * size :].reshape(lower.SKIRT_RINGS, size, 3)[::5]:
        flesh, hull = legs[np.abs(legs[:, 2] - ring[:, 2].mean()) < 0.01, :2], ConvexHull(ring[:, :2])
        assert not len(flesh) or (flesh @ hull.equations[:, :2].T + hull.equations[:, 2]).max() < 0


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "category" in KINDS[kind]])
def test_every_kind_can_be_rendered_with_its_mask_where_the_color_changes(kind):
    sitter = show_whole_figure(sample_sitter(np.random.default_rng([1, 4])), KINDS[kind]["category"])
    lens = dict(quality=100, sharpen=0.0, noise=0.0, wall=0.0, blur=0.0, border=None, level=1.0)
    sitter = dataclasses.replace(sitter, photo=sitter.photo | lens)
    details = dict(lined=False, depth=0.1, scale=1.0)
    fields = dict(pattern="plain", trim="none", front="closed", details=details)
    worn = [garment(kind, 3, colors=(c,) * 3, **fields) for c in ((0.9, 0.1, 0.1), (0.1, 0.2, 0.9))]
    (a, mask), (b, _) = (render.render_worn(sitter, each, (64, 48)) for each in worn)
    change, region = np.abs(a.astype(int) - b).max(2), mask > 127
    changed = change > np.median(change[region]) / 2
    assert region.sum() > 80 and (changed & region).sum() / (changed | region).sum() > 0.85
    assert np.flatnonzero(region.any(1)).mean() > (24 if worn[0].category == "dress" else 34)
    assert render.render_article(worn[0], (32, 32)).std() > 4
