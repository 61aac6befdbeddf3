"""The photoshoot's images: true swaps change only the garment; masks and prints are in place."""

import dataclasses

import numpy as np
import pytest
from data_prep.photoshoot.camera.person import LONG_STYLES, SHORT_STYLES, sample_sitter
from scipy.ndimage import binary_dilation

from data_prep.photoshoot import shoot
from data_prep.photoshoot.body.pose import Pose
from data_prep.photoshoot.camera import render
from data_prep.photoshoot.camera.product import WAYS, sample_view
from data_prep.photoshoot.clothes.garment import (
    ATTRIBUTES,
    KINDS,
    SLEEVE_END,
    WARDROBES,
    sample_details,
    sample_garment,
)

SIZE = (64, 48)
SOFT = 4  # pixels that a garment's soft shadow extends beyond it
SHADOW = 16  # levels: largest change by a shadow farther away (measured on 50 swaps: 16)
LENS = dict(
    quality=100, sharpen=0.0, noise=0.0, wall=0.0, blur=0.0, border=None
)  # disables effects that spread a change over a photo
UPRIGHT = Pose(
    0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.0, (0.0, 0.0), (("hang", (0.0,) * 8),) * 2, (0.0, 0.0)
)
FRAMED = dict(span=1.0, top=0.05, aside=0.0, distance=4.0, rise=0.0, roll=0.0)


def sitter(number=0, **photo):
    """The sitter of a seed; photo: settings of the photo to replace."""
    sampled = sample_sitter(np.random.default_rng([1, number]))
    return dataclasses.replace(sampled, photo=sampled.photo | photo)


def model(number=0):
    """A sitter who stands upright, facing the camera, hair behind the shoulders, front closed."""
    return dataclasses.replace(
        sitter(number, **LENS, level=1.0),
        pose=UPRIGHT,
        camera=FRAMED,
        unzipped=0.0,
        front_hair=(False, False),
    )


def garment(number=0, wardrobe="paper", **changes):
    return dataclasses.replace(sample_garment(np.random.default_rng([2, number]), wardrobe), **changes)


def plain(color, **changes):
    """A regular crew-neck pullover of one color."""
    fields = dict(
        kind="pullover",
        cut="regular",
        neckline="crew",
        sleeve="long",
        pattern="plain",
        front="closed",
        trim="none",
        pocket="none",
        strings=False,
        raglan=False,
        wide=0.08,
        deep=0.05,
        hem=0.0,
        rib=0.04,
        ease=0.012,
        flare=0.0,
        end=0.98,
        shine=0.1,
        colors=(color, (0.9, 0.8, 0.1), (0.1, 0.6, 0.2)),
        details=dict(lined=False, depth=0.1, scale=1.0),
    )
    return garment(0, **{**fields, **changes})


def difference(one, other):
    """The largest difference over the channels of two images: [H,W] levels."""
    return np.abs(one.astype(int) - other).max(2)


# ---------------------------------------------------------------- swaps


@pytest.mark.parametrize("n", range(3))
def test_swapping_a_garment_with_itself_is_the_photo(n):
    first, again = (render.render_worn(sitter(n), garment(n), SIZE) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])


@pytest.mark.parametrize("n", range(6))
def test_nothing_but_soft_shadow_changes_outside_the_garments(n):
    """In photos without noise, blur and strong JPEG compression, which spread any change."""
    person = sitter(n, **LENS)
    (a, mask_a), (b, mask_b) = (
        render.render_worn(person, garment(k, front="closed"), SIZE) for k in (n, n + 10)
    )
    change, worn = difference(a, b), (mask_a > 0) | (mask_b > 0)
    assert change[~binary_dilation(worn, iterations=SOFT)].max() <= SHADOW
    assert (change[~worn] > 6).mean() < 0.05
    assert change[worn].mean() > 20


@pytest.mark.parametrize("n", range(4))
def test_the_head_of_a_swap_is_the_photos(n):
    """Forehead and hair are the same up to one level, by which the light from the cloth may differ.

    Not under hoods, which keep more of it from the head.
    """
    person = model(n)
    first, other = (
        render.render_worn(person, garment(k, front="closed", neckline="crew"), SIZE)[0] for k in (n, n + 20)
    )
    person_rows = np.flatnonzero((first < 240).any((1, 2)))
    head = slice(0, person_rows[0] + 5)
    assert (first[head] < 240).any() and difference(first[head], other[head]).max() <= 1


@pytest.mark.parametrize("n, border", [(0, None), (1, None), (2, None), (3, (0.12, 0.06, 0.0, 0.04))])
def test_the_mask_is_where_the_color_changes(n, border):
    """Also in a photo that a border makes smaller, with its mask."""
    person = model(n)
    person = dataclasses.replace(person, photo={**person.photo, "border": border})
    (a, mask), (b, _) = (
        render.render_worn(person, plain(color), SIZE) for color in ((0.9, 0.1, 0.1), (0.1, 0.2, 0.9))
    )
    change, region = difference(a, b), mask > 127
    changed = change > np.median(change[region]) / 2
    assert (changed & region).sum() / (changed | region).sum() > 0.93


def test_clutter_changes_the_background_only():
    wall, street = (
        render.render_worn(dataclasses.replace(model(2), clutter=on), garment(2), SIZE)
        for on in (False, True)
    )
    np.testing.assert_array_equal(wall[1], street[1])
    change, worn = difference(wall[0], street[0]), wall[1] == 255
    inner = ~binary_dilation(~worn, iterations=2)
    assert change[:4, :6].mean() > 15 and inner.sum() > 100
    assert change[inner].max() <= 4  # JPEG rounding


def test_a_true_swap_has_the_photos_street():
    street = dataclasses.replace(model(1), clutter=True)
    (a, mask_a), (b, mask_b) = (render.render_worn(street, garment(k, front="closed"), SIZE) for k in (1, 2))
    assert difference(a, b)[~binary_dilation((mask_a > 0) | (mask_b > 0), iterations=8)].max() <= 6


# ---------------------------------------------------------------- garments


def test_a_longer_garment_covers_more():
    areas = [
        render.render_worn(model(), plain((0.5, 0.1, 0.1), hem=z), SIZE)[1].mean()
        for z in (0.10, 0.03, -0.05)
    ]
    assert areas[0] < areas[1] < areas[2]


def test_short_sleeves_bare_the_arms():
    areas = [
        render.render_worn(model(), plain((0.5, 0.1, 0.1), sleeve=word, end=SLEEVE_END[word]), SIZE)[1].mean()
        for word in sorted(SLEEVE_END, key=SLEEVE_END.get)
    ]
    assert areas == sorted(areas) and areas[0] < 0.85 * areas[-1]


def test_deeper_necks_and_open_fronts_cover_less():
    def area(**changes):
        return render.render_worn(model(), plain((0.5, 0.1, 0.1), **changes), SIZE)[1].mean()

    assert area(deep=0.15) < area(deep=0.05)
    assert area(front="open", gap=0.08) < area(front="open", gap=0.03) < area()


def test_below_an_open_front_the_sitters_own_shirt_shows():
    person = model()
    red = dataclasses.replace(
        person, inner=dataclasses.replace(person.inner, colors=((0.9, 0.1, 0.1),) * 3, pattern="plain")
    )
    blue = dataclasses.replace(
        person, inner=dataclasses.replace(person.inner, colors=((0.1, 0.1, 0.9),) * 3, pattern="plain")
    )
    for front, visible in (("open", True), ("closed", False)):
        (a, mask), (b, _) = (
            render.render_worn(p, plain((0.2, 0.6, 0.2), front=front, gap=0.08), SIZE) for p in (red, blue)
        )
        changed = difference(a, b) > 60
        assert (changed.sum() > 20) == visible and not (changed & (mask == 255)).any()


@pytest.mark.parametrize("kind", ["worn", "article"])
def test_a_print_appears_on_the_chest(kind):
    base = plain(
        (0.9, 0.9, 0.9),
        colors=((0.9, 0.9, 0.9), (0.8, 0.1, 0.1), (0.1, 0.1, 0.8)),
        seed=seed_of("invisible"),
    )
    details = base.details | dict(kind=0, at=0.145, size=0.05, letters=[0, 1], angle=0.0, side=0.0)
    photo = {
        "worn": lambda g: render.render_worn(model(), g, SIZE)[0],
        "article": lambda g: render.render_article(g, SIZE),
    }[kind]
    changed = difference(photo(base), photo(dataclasses.replace(base, pattern="print", details=details))) > 25
    rows, columns = np.nonzero(changed)
    assert 10 < changed.sum() < 0.12 * changed.size
    assert 0.2 < rows.mean() / SIZE[0] < 0.6 and 0.35 < columns.mean() / SIZE[1] < 0.65


def seed_of(way):
    """The first seed of a garment that is photographed in a way."""
    return next(seed for seed in range(1000) if sample_view(np.random.default_rng([seed, 11])).way == way)


@pytest.mark.parametrize("way", WAYS)
def test_article_photos_show_the_garments_colors(way):
    """The median over the changed pixels has the color's order of channels and about its chroma."""
    seed, found = seed_of(way), []
    for color in ((0.8, 0.2, 0.2), (0.2, 0.7, 0.3), (0.25, 0.3, 0.8)):
        picture, white = (
            render.render_article(plain(c, seed=seed), SIZE) for c in (color, (0.95, 0.95, 0.95))
        )
        cloth = picture[difference(picture, white) > 40].astype(float) / 255
        assert 0.1 * picture[..., 0].size < len(cloth) < 0.9 * picture[..., 0].size
        median = np.median(cloth, 0)
        assert (np.argsort(median) == np.argsort(color)).all()
        found.append(median - median.mean() - (np.array(color) - np.mean(color)))
    assert np.abs(found).max() < 0.15


def test_worn_cloth_is_as_bright_as_its_color():
    """Median level over the garment against its color: on average equal, for dark and for light garments.

    On 95 plain garments: 1 level brighter on average, standard deviation 6.
    """
    found = []
    for number in range(0, 200, 3):
        worn = shoot.garment_of(5, "train", number, "shop")
        if worn.pattern in ("plain", "melange"):
            photo, mask = render.render_worn(shoot.sitter_of(5, "train", number), worn, SIZE)
            if (mask > 250).sum() > 40:
                found.append((255 * worn.color("body").mean(), np.median(photo[mask > 250], 0).mean()))
    color, level = np.array(found).T
    light = color > 160
    assert light.sum() > 8 and (~light).sum() > 20
    for group in (light, ~light):
        assert abs((level - color)[group].mean()) < 5
    assert (level - color).std() < 9


def test_articles_stand_on_a_bright_ground():
    corners = [
        render.render_article(garment(n), SIZE)[[0, 0, -1, -1], [0, -1, 0, -1]].mean() for n in range(12)
    ]
    assert min(corners) > 215 and max(corners) <= 255


def test_a_composition_like_that_of_studio_photos():
    """The median share of a photo that a garment covers is between 0.12 and 0.45."""
    area = [render.render_worn(sitter(n), garment(n), SIZE)[1].mean() / 255 for n in range(16)]
    assert 0.12 < np.median(area) < 0.45 and min(area) > 0.03


# ---------------------------------------------------------------- attribute values


def examples(wardrobe):
    """Yield (garment, number) of a wardrobe until every value of every attribute has occurred."""
    missing = {(name, word) for name, words in ATTRIBUTES.items() for word in words}
    for number in range(3000):
        sampled = garment(number, wardrobe)
        words = {(name, str(getattr(sampled, name))) for name in ATTRIBUTES} & missing
        if words:
            missing -= words
            yield sampled, number
    assert missing == MISSING[wardrobe]


MISSING = {
    "shop": set(),
    "paper": {
        *(("neckline", word) for word in ("scoop", "collar", "stand")),
        ("sleeve", "sleeveless"),
        *(("front", word) for word in ("zip", "buttons", "placket", "open")),
    },
}


@pytest.mark.parametrize("wardrobe", MISSING)  # of "all": test_photoshoot_categories.py
def test_every_word_of_every_attribute_can_be_rendered(wardrobe):
    for example, number in examples(wardrobe):
        x, mask = render.render_worn(sitter(number), example, (32, 32))
        y = render.render_article(example, (32, 32))
        assert x.shape == y.shape == (32, 32, 3) and x.dtype == y.dtype == mask.dtype == np.uint8
        assert mask.mean() > 8 and y.std() > 4, example


def test_every_kind_of_pattern_can_be_rendered():
    """Every kind of print, blocks, knit and all-over pattern differs from the plain garment."""
    kinds = dict(
        stripes=[None],
        print=range(10),
        knit=["cable", "rib", "waffle"],
        melange=[None],
        blocks=["yoke", "band", "halves", "hem", "diagonal", "sides"],
    )
    kinds["all-over"] = ["dots", "checks", "flowers", "camouflage"]
    base, person, size = plain((0.3, 0.5, 0.7)), model(), (128, 96)  # knits need resolution
    first = render.render_worn(person, base, size)[0]
    for name, found in kinds.items():
        for kind in found:
            details = sample_details(np.random.default_rng(3), name) | (
                {} if kind is None else {"kind": kind}
            )
            made = dataclasses.replace(base, pattern=name, details=details)
            assert difference(render.render_worn(person, made, size)[0], first).max() > 12, (name, kind)


@pytest.mark.parametrize("style", {**LONG_STYLES, **SHORT_STYLES})
def test_every_hair_can_be_rendered(style):
    person = dataclasses.replace(sitter().person, style=style, length=0.2)
    for sides in ((False, False), (True, True)):
        posed = dataclasses.replace(sitter(), person=person, front_hair=sides)
        assert render.render_worn(posed, garment(), (32, 32))[0].std() > 10


def test_wardrobes_hold_what_they_say():
    """Kinds occur by their shares; nearly all of the paper's pullovers and hoodies have long sleeves."""
    sampled = {
        name: [sample_garment(np.random.default_rng(n), name) for n in range(1500)] for name in WARDROBES
    }
    for name, shares in WARDROBES.items():
        kinds = [item.kind for item in sampled[name]]
        for kind in KINDS:
            assert kinds.count(kind) / 1500 == pytest.approx(
                shares.get(kind, 0) / sum(shares.values()), abs=0.04
            )
    sleeves = [item.sleeve for item in sampled["paper"]]
    assert sleeves.count("short") / 1500 < 0.05 and sleeves.count("long") / 1500 > 0.8


@pytest.mark.parametrize("number", range(4))
def test_a_style_in_two_colors_differs_in_nothing_else(number):
    row = next(row for row in range(6 * number, 60) if shoot.recolored(shoot.casting(row)[1]))
    original = next(row - k for k in range(1, 6) if shoot.casting(row - k)[1] == shoot.casting(row)[1] - 1)
    one, other = (shoot.garment_of(4, "train", index, "shop") for index in (row, original))
    assert {f.name for f in dataclasses.fields(one) if getattr(one, f.name) != getattr(other, f.name)} == {
        "colors",
        "seed",
    }
