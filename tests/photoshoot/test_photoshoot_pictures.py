"""The photoshoot's images: true swaps change only the garment; masks and prints are in place."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from data_prep.photoshoot import shoot
from data_prep.photoshoot.body.pose import Pose
from data_prep.photoshoot.camera import render
from data_prep.photoshoot.camera.product import ARTICLE, sample_view
from data_prep.photoshoot.camera.sitter import sample_sitter
from data_prep.photoshoot.clothes.garment import ATTRIBUTES, SLEEVE_END, sample_garment

SIZE = (64, 48)
SOFT = 4  # pixels that a garment's soft shadow extends beyond it
SHADOW = 16  # levels: largest change by a shadow farther away (measured on 50 swaps: 16)
# disables effects that spread a change over a photo
LENS = dict(quality=100, sharpen=0.0, noise=0.0, wall=0.0, blur=0.0, border=None)
UPRIGHT = Pose(0.0, (0.0,) * 3, (0.0,) * 3, 0.0, (0.0,) * 2, (("hang", (0.0,) * 8),) * 2, (0.0,) * 2)
FRAMED = dict(span=1.0, top=0.05, aside=0.0, distance=4.0, rise=0.0, roll=0.0)


def sitter(number=0, **photo):
    """The sitter of a seed; photo: settings of the photo to replace."""
    sampled = sample_sitter(np.random.default_rng([1, number]))
    return dataclasses.replace(sampled, photo=sampled.photo | photo)


def model(number=0, **changes):
    """A sitter who stands upright, facing the camera, hair behind the shoulders, front closed."""
    still = dict(pose=UPRIGHT, camera=FRAMED, unzipped=0.0, front_hair=(False, False))
    return dataclasses.replace(sitter(number, **LENS, level=1.0), **still | changes)


def garment(number=0, wardrobe="paper", **changes):
    return dataclasses.replace(sample_garment(np.random.default_rng([2, number]), wardrobe), **changes)


def plain(color, **changes):
    """A regular crew-neck pullover of one color."""
    words = dict(kind="pullover", cut="regular", neckline="crew", sleeve="long", pattern="plain")
    words |= dict(front="closed", trim="none", pocket="none", strings=False, raglan=False)
    lengths = dict(wide=0.08, deep=0.05, hem=0.0, rib=0.04, ease=0.012, flare=0.0, end=0.98, shine=0.1)
    colors, details = (color, (0.9, 0.8, 0.1), (0.1, 0.6, 0.2)), dict(lined=False, depth=0.1, scale=1.0)
    return garment(0, **words | lengths | dict(colors=colors, details=details) | changes)


def difference(one, other):
    """The largest difference over the channels of two images: [H,W] levels."""
    return np.abs(one.astype(int) - other).max(2)


def wear(person, *garments):
    """(photo, mask) of a person in each garment."""
    return [render.render_worn(person, worn, SIZE) for worn in garments]


@pytest.mark.parametrize("n", range(4))
def test_nothing_but_soft_shadow_changes_outside_the_garments(n):
    """In photos without noise, blur and strong JPEG compression, which spread any change."""
    garments = [garment(k, front="closed") for k in (n, n + 10)]
    (a, mask_a), (b, mask_b) = wear(sitter(n, **LENS), *garments)
    change, worn = difference(a, b), (mask_a > 0) | (mask_b > 0)
    assert change[~binary_dilation(worn, iterations=SOFT)].max() <= SHADOW
    assert (change[~worn] > 6).mean() < 0.05 and change[worn].mean() > 20


@pytest.mark.parametrize("n, border", [(0, None), (3, (0.12, 0.06, 0.0, 0.04))])
def test_the_mask_is_where_the_color_changes(n, border):
    """Also in a photo that a border makes smaller, with its mask."""
    person = model(n)
    person = dataclasses.replace(person, photo={**person.photo, "border": border})
    (a, mask), (b, _) = wear(person, plain((0.9, 0.1, 0.1)), plain((0.1, 0.2, 0.9)))
    change, region = difference(a, b), mask > 127
    changed = change > np.median(change[region]) / 2
    assert (changed & region).sum() / (changed | region).sum() > 0.93


def test_clutter_changes_the_background_only_and_stays_in_a_swap():
    street = model(2, clutter=True)
    wall, _ = render.render_worn(model(2), garment(2, front="closed"), SIZE)
    (a, mask_a), (b, mask_b) = wear(street, garment(2, front="closed"), garment(3, front="closed"))
    change, inner = difference(wall, a), ~binary_dilation(mask_a < 255, iterations=2)
    assert change[:4, :6].mean() > 15 and inner.sum() > 100 and change[inner].max() <= 4  # JPEG rounding
    worn = (mask_a > 0) | (mask_b > 0)
    assert difference(a, b)[~binary_dilation(worn, iterations=8)].max() <= 6


def test_areas_follow_hems_sleeves_necks_and_fronts():
    def areas(*changes):
        found = wear(model(), *(plain((0.5, 0.1, 0.1), **change) for change in changes))
        return [mask.mean() for _, mask in found]

    sleeves = [dict(sleeve=word, end=SLEEVE_END[word]) for word in ("sleeveless", "short", "long")]
    fronts = dict(front="open", gap=0.08), dict(front="open", gap=0.03), {}
    for changes in ([dict(hem=z) for z in (0.10, 0.03, -0.05)], sleeves, (dict(deep=0.15), {}), fronts):
        found = areas(*changes)
        assert found == sorted(found) and found[0] < 0.99 * found[-1], changes


@pytest.mark.parametrize("front, visible", [("open", True), ("closed", False)])
def test_below_an_open_front_the_sitters_own_shirt_shows(front, visible):
    worn, shirts = plain((0.2, 0.6, 0.2), front=front, gap=0.08), ((0.9, 0.1, 0.1), (0.1, 0.1, 0.9))
    inners = [dataclasses.replace(model().inner, colors=(color,) * 3, pattern="plain") for color in shirts]
    (a, mask), (b, _) = (render.render_worn(model(inner=inner), worn, SIZE) for inner in inners)
    changed = difference(a, b) > 60
    assert (changed.sum() > 20) == visible and not (changed & (mask == 255)).any()


@pytest.mark.parametrize("way", ARTICLE["ways"])
def test_article_photos_show_the_garments_colors_on_a_bright_ground(way):
    """The median over the changed pixels has the color's order of channels and about its chroma."""
    views = ((seed, sample_view(np.random.default_rng([seed, 11]))) for seed in range(1000))
    seed = next(seed for seed, view in views if view.way == way)
    white = render.render_article(plain((0.95, 0.95, 0.95), seed=seed), SIZE)
    for color in ((0.8, 0.2, 0.2), (0.25, 0.3, 0.8)):
        image = render.render_article(plain(color, seed=seed), SIZE)
        cloth = image[difference(image, white) > 40].astype(float) / 255
        assert 0.1 * image[..., 0].size < len(cloth) < 0.9 * image[..., 0].size
        median = np.median(cloth, 0)
        assert np.abs(median - median.mean() - (np.array(color) - np.mean(color))).max() < 0.15
        assert image[[0, 0, -1, -1], [0, -1, 0, -1]].mean() > 215


def test_worn_cloth_is_as_bright_as_its_color():
    """Median level over the garment against its color: on average equal, for dark and for light garments."""
    found, setting = [], shoot.Setting(5, SIZE, wardrobe="shop")
    for number in range(0, 120, 3):
        worn = shoot.garment_of(setting, "train", number)
        if worn.pattern in ("plain", "melange"):
            photo, mask = render.render_worn(shoot.sitter_of(setting, "train", number), worn, SIZE)
            if (mask > 250).sum() > 40:
                found.append((255 * worn.color("body").mean(), np.median(photo[mask > 250], 0).mean()))
    color, level = np.array(found).T
    for group in (color > 160, color <= 160):
        assert group.sum() > 5 and abs((level - color)[group].mean()) < 6
    assert (level - color).std() < 9


NOT_IN_PAPER = {
    *(("neckline", word) for word in ("scoop", "collar", "stand")),
    ("sleeve", "sleeveless"),
    *(("front", word) for word in ("zip", "buttons", "placket", "open")),
}


@pytest.mark.parametrize("wardrobe, absent", [("shop", set()), ("paper", NOT_IN_PAPER)])
def test_every_word_of_every_attribute_occurs_and_can_be_rendered(wardrobe, absent):
    missing = {(name, word) for name, words in ATTRIBUTES.items() for word in words}
    for number in range(1500):
        sampled = garment(number, wardrobe)
        words = {(name, str(getattr(sampled, name))) for name in ATTRIBUTES} & missing
        missing -= words
        if words and wardrobe == "shop":
            x, mask = render.render_worn(sitter(number), sampled, (32, 32))
            y = render.render_article(sampled, (32, 32))
            assert x.shape == y.shape == (32, 32, 3) and x.dtype == y.dtype == mask.dtype == np.uint8
            assert mask.mean() > 8 and y.std() > 4, sampled
    assert missing == absent


def test_a_style_in_two_colors_differs_in_nothing_else():
    setting = shoot.Setting(4, SIZE, wardrobe="shop")
    for row in (4, 9, 21, 40):
        worn = shoot.casting(row)[1]
        number = worn - worn % 4 + 3  # every fourth garment is the previous one in other colors
        rows = [next(r for r in range(80) if shoot.casting(r)[1] == n) for n in (number - 1, number)]
        one, other = (shoot.garment_of(setting, "train", r) for r in rows)
        names = {f.name for f in dataclasses.fields(one) if getattr(one, f.name) != getattr(other, f.name)}
        assert names == {"colors", "seed"}
