"""The wardrobe of all categories: trousers, skirts and dresses, and swaps within a category."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from data_prep.photoshoot.camera.person import sample_person, sample_sitter, whole_figure
from scipy.ndimage import binary_dilation
from scipy.spatial import ConvexHull

from data_prep.photoshoot import shoot
from data_prep.photoshoot.body.anatomy import anatomy
from data_prep.photoshoot.body.pose import mannequin_pose
from data_prep.photoshoot.body.surface import border, template
from data_prep.photoshoot.camera import render
from data_prep.photoshoot.clothes import lower
from data_prep.photoshoot.clothes.figure import Figure
from data_prep.photoshoot.clothes.garment import (
    BY_CATEGORY,
    CATEGORIES,
    KINDS,
    LENGTHS,
    SHARES,
    attributes_of,
    lengthened,
    sample_garment,
    sample_upper,
)
from data_prep.store import PhotoFile

SIZE = (64, 48)
LENS = dict(quality=100, sharpen=0.0, noise=0.0, wall=0.0, blur=0.0, border=None)
LOWER = [kind for kind in KINDS if "category" in KINDS[kind]]


def garment(kind, number=0, **changes):
    rng = np.random.default_rng([3, number])
    return dataclasses.replace(lengthened(rng, sample_upper(rng, kind)), **changes)


def sitter(category, number=0):
    """A sitter before the camera of a category, in a photo without effects that spread a change."""
    sampled = sample_sitter(np.random.default_rng([1, number]), clutter=False)
    whole = whole_figure(sampled, category)
    return dataclasses.replace(whole, photo=whole.photo | LENS | dict(level=1.0))


def figure(number=0):
    """An upright mannequin of any build."""
    build = sample_person(np.random.default_rng([4, number])).build
    return Figure(build, mannequin_pose(np.random.default_rng(number)))


# ---------------------------------------------------------------- sampling


def test_kinds_belong_to_their_categories_and_stay_in_their_ranges():
    assert set(BY_CATEGORY) == set(SHARES) == set(CATEGORIES) and sum(SHARES.values()) == pytest.approx(1)
    for category, kinds in BY_CATEGORY.items():
        assert sum(kinds.values()) == pytest.approx(1)
        for number in range(120):
            sampled = sample_garment(np.random.default_rng([5, number]), "all", category)
            assert sampled.kind in kinds and sampled.category == category
            assert (sampled.length == "hip") == (category == "upper")
            words = {name: str(getattr(sampled, name)) for name in attributes_of("all")}
            assert all(word in attributes_of("all")[name] for name, word in words.items())
            if category != "upper":
                low, high = KINDS[sampled.kind]["hem"]
                assert low <= sampled.hem <= high and sampled.cut in KINDS[sampled.kind]["cut"]


def test_lengths_are_words_for_the_hem():
    marks = template()[1]
    for hem, word in ((0.0, "hip"), (-0.2, "short"), (marks.knee - marks.hip, "knee"), (-0.7, "long")):
        assert garment("jeans", hem=hem).length == word
    assert list(LENGTHS) == attributes_of("all")["length"]


def test_other_wardrobes_store_no_categories():
    for wardrobe in ("paper", "shop"):
        assert not {"category", "length"} & set(attributes_of(wardrobe))
        assert "none" not in attributes_of(wardrobe)["neckline"]


def test_every_ten_rails_hold_the_categories_by_their_shares():
    """The rails of five blocks: in each block, garments 0 to 2 and 3 to 4, or what they recolor."""
    for draw in (0, 3):
        found = Counter(
            shoot.category_of(8, "train", 25 * draw + 5 * block + first)
            for block in range(5)
            for first in (1, 4)
        )
        assert found == {word: round(10 * share) for word, share in SHARES.items()}
    one, other = ([shoot.category_of(seed, "train", number) for number in range(100)] for seed in (8, 9))
    assert one != other


def test_garments_have_the_category_of_their_rail_and_their_style():
    for row in range(60):
        number = shoot.casting(row)[1]
        found = shoot.garment_of(8, "test", row, "all")
        assert found.category == shoot.category_of(8, "test", number)
        if shoot.recolored(number):
            style = sample_garment(
                shoot.random_state(8, "test", shoot.GARMENT, number - 1), "all", found.category
            )
            assert dataclasses.replace(found, colors=style.colors, seed=style.seed) == style


@pytest.mark.parametrize("count", [4, 5, 6, 9, 40])
def test_true_swaps_stay_within_a_category(count):
    used = []
    for index in range(2 * count):
        i, j = shoot.swap_of(8, "train", index, count, "all")
        one, other = (shoot.casting(row)[1] for row in (i, j))
        assert max(i, j) < count and one != other
        assert shoot.category_of(8, "train", one) == shoot.category_of(8, "train", other)
        used.append(i)
    alone = set(range(count)) - set(used)  # rows without another garment of their category
    worn = [shoot.casting(row)[1] for row in range(count)]
    for row in alone:
        same = {
            n for n in worn if shoot.category_of(8, "train", n) == shoot.category_of(8, "train", worn[row])
        }
        assert same == {worn[row]}


def test_women_wear_skirts_and_dresses():
    for row in range(60):
        worn = shoot.garment_of(8, "train", row, "all")
        found = shoot.sitter_of(8, "train", row, wardrobe="all")
        assert worn.category in ("upper", "trousers") or found.person.build.male < 0.5
        assert (found.top is not None) == (worn.category in ("trousers", "skirt"))


# ---------------------------------------------------------------- geometry


def test_legs_reach_from_the_suit_to_the_ankles_without_a_gap():
    surface, marks = lower.leggings(), template()[1]
    points = surface.map @ template()[0][anatomy().rows["suit"]]
    np.testing.assert_allclose(surface.map.sum(1), 1, atol=1e-5)
    ankle = points[:, 2].min()
    assert ankle < marks.hip - 0.97 * lower.ANKLE
    edges = border(surface.faces)
    low = points[edges[:, 0], 2] < marks.knee  # the only open edges below the knees are the two ends
    assert low.any() and (points[edges[low, 0], 2] < ankle + 0.02).all()


@pytest.mark.parametrize("kind", ["jeans", "wide trousers", "joggers", "shorts"])
def test_trousers_surround_the_legs_and_end_at_their_hem(kind):
    worn, body = garment(kind), figure()
    (part,) = body.worn(worn, 0.0, "article", np.random.default_rng(0))
    z, marks = part.coords["z"], template()[1]
    assert z.min() == pytest.approx(marks.hip + worn.hem, abs=1e-3)
    assert z.max() == pytest.approx(marks.hip + worn.waist, abs=1e-3)
    level = marks.hip - 0.30 if worn.hem < -0.35 else marks.hip + worn.hem + 0.03
    for side in (-1, 1):
        leg = part.points[(np.abs(z - level) < 0.015) & (part.coords["x"] * side > 0)]
        legs = lower.legs_of(body.points["body"])
        flesh = legs[(np.abs(legs[:, 2] - leg[:, 2].mean()) < 0.01) & (legs[:, 0] * side > 0)]
        assert leg[:, 0].min() < flesh[:, 0].min() and leg[:, 0].max() > flesh[:, 0].max()


def test_wider_openings_make_wider_hems():
    widths = []
    for opening in (0.05, 0.08, 0.13):
        (part,) = figure().worn(
            garment("jeans", opening=opening, hem=-0.72), 0.0, "article", np.random.default_rng(0)
        )
        hem = part.points[(part.coords["z"] < template()[1].hip - 0.71) & (part.coords["x"] > 0)]
        widths.append(np.ptp(hem[:, 0]))
    assert widths[0] < widths[1] < widths[2]
    assert widths[2] == pytest.approx(2 * 0.13, rel=0.2)


@pytest.mark.parametrize(
    "kind, count", [("pencil skirt", 1), ("full skirt", 2), ("sheath", 3), ("flared dress", 4)]
)
def test_skirts_hang_outside_both_legs(kind, count):
    """Every point of a leg above the hem is inside the skirt's ring at its height."""
    worn, body = garment(kind, count, front="closed", neckline="crew", sleeve="short"), figure(count)
    part = body.worn(worn, 0.0, "article", np.random.default_rng(0))[0]
    rings = part.points[-lower.SKIRT_RINGS * _ring_size(part) :].reshape(lower.SKIRT_RINGS, -1, 3)
    legs = lower.legs_of(body.points["body"])
    for ring in rings[::5]:
        z = ring[:, 2].mean()
        flesh = legs[np.abs(legs[:, 2] - z) < 0.01, :2]
        hull = ConvexHull(ring[:, :2])
        if len(flesh):
            assert (flesh @ hull.equations[:, :2].T + hull.equations[:, 2]).max() < 0


def _ring_size(part):
    """The points of the lowest ring of a skirt."""
    return int((np.abs(part.coords["z"] - part.coords["z"].min()) < 1e-5).sum())


def test_a_hull_s_radius_is_that_of_a_square():
    corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1.0]])
    turn = np.array([0, np.pi / 4, np.pi / 2, 2.0])
    expected = 1 / np.maximum(np.abs(np.cos(turn)), np.abs(np.sin(turn)))
    np.testing.assert_allclose(lower.hull_radius(corners, turn), expected, rtol=2e-2)


# ---------------------------------------------------------------- pictures


@pytest.mark.parametrize("kind", LOWER)
def test_every_kind_can_be_rendered(kind):
    worn = garment(kind, 4)
    x, mask = render.render_worn(sitter(worn.category, 4), worn, (32, 32))
    y = render.render_article(worn, (32, 32))
    assert x.shape == y.shape == (32, 32, 3) and mask.mean() > 12 and y.std() > 4
    rows = np.flatnonzero((mask > 127).any(1))
    assert rows.mean() > (12 if worn.category == "dress" else 17)  # below the middle


@pytest.mark.parametrize("kind", ["jeans", "flared dress"])
def test_a_true_swap_changes_the_garments_alone(kind):
    """But for soft shadow, as of tops, and the shadow that a skirt casts on the legs below it."""
    person = sitter(KINDS[kind]["category"], 3)
    garments = garment(kind, 1), garment(kind, 6, colors=((0.9, 0.1, 0.1),) * 3)
    (a, mask_a), (b, mask_b) = (render.render_worn(person, worn, SIZE) for worn in garments)
    change, either = np.abs(a.astype(int) - b).max(2), (mask_a > 0) | (mask_b > 0)
    outside = ~binary_dilation(either, iterations=4)
    outside[np.flatnonzero(either.any(1))[-1] :] &= kind == "jeans"
    assert change[either].mean() > 20 and outside.mean() > 0.2
    assert change[outside].max() <= 16


@pytest.mark.parametrize("kind", ["chinos", "pencil skirt"])
def test_the_mask_is_where_the_color_changes(kind):
    person = sitter(KINDS[kind]["category"], 2)
    fields = dict(
        pattern="plain", trim="none", front="closed", details=dict(lined=False, depth=0.1, scale=1.0)
    )
    (a, mask), (b, _) = (
        render.render_worn(person, garment(kind, 3, colors=(color,) * 3, **fields), SIZE)
        for color in ((0.9, 0.1, 0.1), (0.1, 0.2, 0.9))
    )
    change, region = np.abs(a.astype(int) - b).max(2), mask > 127
    changed = change > np.median(change[region]) / 2
    assert region.sum() > 80 and (changed & region).sum() / (changed | region).sum() > 0.9


def test_the_file_records_categories(tmp_path):
    shoot.shoot(tmp_path / "a.h5", 0, (32, 32), seed=6, held_out=4, jobs=1, wardrobe="all")
    with PhotoFile.open(tmp_path / "a.h5") as file:
        test = file.split("test")
        words = [test.names["category"][code] for code in test.attributes["category"]]
        assert words == [shoot.garment_of(6, "test", row, "all").category for row in range(4)]
        assert file.provenance["arguments"]["wardrobe"] == "all"
        code = test.attributes["category"]
        assert (code[test.triples.i] == code[test.triples.j]).all() and len(test.triples.i) == 4
        i, j = int(test.triples.i[0]), int(test.triples.j[0])
        person = shoot.sitter_of(6, "test", i, wardrobe="all")
        x, mask = render.render_worn(person, shoot.garment_of(6, "test", j, "all"), (32, 32))
        np.testing.assert_array_equal(test.triples.x_ij[0], x)
        np.testing.assert_array_equal(test.triples.mask[0], mask)
