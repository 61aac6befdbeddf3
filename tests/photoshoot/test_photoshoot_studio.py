"""One studio: people face the camera in one framing, articles fill the frame, all photos have one style."""

import dataclasses

import numpy as np

from data_prep.photoshoot import shoot
from data_prep.photoshoot.camera import render, studio
from data_prep.photoshoot.clothes.figure import Figure
from data_prep.photoshoot.clothes.garment import WARDROBES

SIZE = (64, 48)
SETTING = shoot.Setting(5, SIZE, studio="one")
# the garments that reach farthest from the body, in a color that no backdrop has
DARK = dict(colors=((0.1, 0.15, 0.5),) * 3, pattern="plain")
WIDE = dict(cut="oversized", ease=0.034, sleeve="long", end=0.98)


def sitters(count, setting=SETTING, split="train"):
    """Sitters of different people."""
    return [shoot.sitter_of(setting, split, 3 * n) for n in range(count)]


def garments(count, **changes):
    """Garments in a color that no backdrop has."""
    sold = [shoot.garment_of(SETTING, "train", 6 * n) for n in range(count)]
    return [dataclasses.replace(garment, **DARK | changes) for garment in sold]


def test_people_stand_upright_and_face_the_camera():
    """Angles of the lines between shoulders and between hips, of the spine, and of the arms [degrees]."""
    for sitter in sitters(60):
        figure = Figure(sitter.person.build, sitter.pose)
        for bone in ("upperarm01", "upperleg01"):
            across = figure.joint(f"{bone}.L") - figure.joint(f"{bone}.R")
            assert abs(np.degrees(np.arctan2(across[1], across[0]))) < 8
        up = figure.joint("neck01") - figure.joint("root")
        assert np.degrees(np.arccos(up[2] / np.linalg.norm(up))) < 12
        waist = figure.joint("spine03")[2]
        assert all(figure.joint(f"wrist.{letter}")[2] < waist for letter in "LR")


def test_one_framing_before_one_backdrop_that_the_seed_chooses():
    """Heads are whole, the frame ends at the thighs, sleeves are not cut; corners are equal in all photos."""
    found = [render.render_worn(s, g, SIZE) for s, g in zip(sitters(10), garments(10))]
    x, mask = np.stack([x for x, _ in found]).astype(int), np.stack([mask for _, mask in found]) > 127
    beside = x[:, :, :2].mean((2, 3))  # the backdrop at the left border
    foreground = np.abs(x.mean(3) - beside[:, :, None]) > 12
    top = np.array([np.flatnonzero(rows.sum(1) >= 2)[0] for rows in foreground]) / SIZE[0]
    assert top.min() > 0.01 and top.max() < 0.10
    assert (foreground[:, -1].sum(1) > 0.15 * SIZE[1]).all()
    hem = np.array([np.flatnonzero(m.any(1))[-1] / SIZE[0] for m in mask])
    assert hem.min() > 0.75 and np.mean(hem < 0.98) > 0.3  # hems are in the frame
    columns = np.array([np.flatnonzero(m.any(0))[[0, -1]] for m in mask])
    assert columns.min() > 0 and columns.max() < SIZE[1] - 1
    assert np.abs(columns.mean(1) / SIZE[1] - 0.5).max() < 0.08
    for corner in (x[:, :6, :6].mean((1, 2)), x[:, :6, -6:].mean((1, 2))):
        assert corner.std(0).max() < 2 and corner.mean() > 215
    houses = [dataclasses.replace(SETTING, seed=seed).house for seed in range(30)]
    assert np.ptp([house.photo["level"] for house in houses]) > 0.05
    assert {house.way for house in houses} == set(studio.WAYS)


def test_articles_have_one_presentation_and_fill_nine_tenths_of_the_frame_on_white():
    views = [studio.show_article(garment, SETTING.house) for garment in garments(20)]
    assert len({view.way for view in views}) == 1 and {view.pose.turn for view in views} == {0.0}
    for garment in garments(8):
        y = render.render_article(garment, SIZE, SETTING.house)
        ends = np.array([np.flatnonzero((y.min(2) < 170).any(axis))[[0, -1]] for axis in (1, 0)])
        share = (ends[:, 1] - ends[:, 0] + 1) / SIZE
        assert 0.84 < share.max() < 0.96
        assert np.abs((ends.sum(1) + 1) / 2 / SIZE - 0.5).max() < 0.04
        assert y[[0, 0, -1, -1], [0, -1, 0, -1]].min() > 245


def test_shots_differ_little_and_train_and_test_have_one_house():
    found = sitters(80) + sitters(5, split="test")
    assert len({id(sitter.light) for sitter in found}) == 1
    assert len({sitter.photo["level"] for sitter in found}) == 1
    exposures = np.array([sitter.photo["exposure"] for sitter in found])
    assert 0.01 < np.ptp(exposures) / exposures.mean() < 0.061
    for name, spread in (("distance", 0.05), ("aside", 0.06), ("roll", 0.03)):
        values = np.array([sitter.camera[name] for sitter in found])
        assert 0 < np.ptp(values) < spread * max(1, abs(values.mean()))
    many = sitters(1, dataclasses.replace(SETTING, studio="many"))[0]  # the same people
    assert found[0].person.seed == many.person.seed != found[80].person.seed


def test_plain_cloth_is_as_grainy_as_in_photos():
    """The power of the 2x2-alternating pattern in blocks within the garment: of real photos 0.024.

    Median over 2280 blocks of 8x8 pixels of hoodies in photos of a shop, reduced to 128x96.
    """
    alternating, found = (-1.0) ** np.add.outer(np.arange(8), np.arange(8)), []
    for sitter, garment in zip(sitters(4), garments(4, colors=((0.5, 0.3, 0.3),) * 3)):
        x, mask = render.render_worn(sitter, garment, (128, 96))
        for row, column in np.ndindex(15, 11):
            block = slice(8 * row, 8 * row + 8), slice(8 * column, 8 * column + 8)
            if (mask[block] > 250).all():
                found.append((x[block].mean(2) * alternating).mean() ** 2)
    assert len(found) > 100 and 0.012 < np.median(found) < 0.048


def test_each_wardrobe_has_a_default_studio():
    defaults = {wardrobe: studio.default_studio(wardrobe) for wardrobe in WARDROBES}
    assert defaults == {"paper": "one", "shop": "many", "all": "many"}


def test_every_category_can_be_photographed_in_one_studio():
    setting = shoot.Setting(2, (32, 32), wardrobe="all", studio="one")
    rows = {shoot.garment_of(setting, "train", row).category: row for row in range(60)}
    for category, row in rows.items():
        pair = shoot.make_pair(setting, "train", row)
        assert pair["mask"].mean() > 12 and pair["y"].std() > 4
        assert (pair["mask"][0] == 0).all(), category
    assert len(rows) == 4


def test_a_shadow_does_not_wrap_around_the_border():
    alpha = np.zeros(SIZE)
    alpha[-20:, -16:] = 1
    photo = dict(level=0.9, falloff=0.0, center=(0.5, 0.5), wall=0.5, tone=np.zeros(3))
    behind = render.backdrop(SIZE, photo, alpha)
    np.testing.assert_allclose(behind[:20, :16], 0.9, atol=1e-3)
    assert behind[-10:, -8:].max() < 0.6


def test_cloth_lies_on_the_shoulders():
    """The widest cloth is at most two centimeters above the skin over the shoulder joints."""
    garment = garments(1, **WIDE)[0]
    for sitter in sitters(4):
        figure = Figure(sitter.person.build, sitter.pose)
        cloth = figure.wear(garment, 0.0, "article", np.random.default_rng(0))[0].points
        for letter in "LR":
            joint = figure.joint(f"upperarm01.{letter}")
            near = [np.hypot(*(p - joint)[:, :2].T) < 0.03 for p in (cloth, figure.points["body"])]
            over = cloth[near[0], 2].max() - figure.points["body"][near[1], 2].max()
            assert 0 < over < 0.02
