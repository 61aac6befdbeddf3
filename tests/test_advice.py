"""Advice on photos that the shipped weights do not know: said where it holds, and hardly elsewhere."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cagan_theano import load, weights
from cagan_theano.dressing import advice, advice_rates
from cagan_theano.dressing.photo import fitted, without_padding
from data_prep.store import PhotoFile

SIZE = (300, 400)  # width, height


def drawn(*parts, size=SIZE, level=235):
    """A plain photo with ellipses (left, top, right, bottom), in shares of its width and height."""
    image = Image.new("RGB", size, (level,) * 3)
    for box in parts:
        ImageDraw.Draw(image).ellipse([edge * size[k % 2] for k, edge in enumerate(box)], fill=(90, 40, 30))
    return image


HEAD, BODY = (0.42, 0.08, 0.58, 0.28), (0.2, 0.26, 0.8, 1.5)
PERSON, GARMENT = (HEAD, BODY), (0.2, 0.3, 0.8, 0.9)


def view(photo, painted=None):
    """The photo as a network of 128x96 sees it; painted: box of alpha 1, in shares of height and width."""
    image = fitted(photo, 128, 96)
    alpha = np.zeros((128, 96))
    top, bottom, left, right = painted or (0.35, 0.85, 0.25, 0.75)
    alpha[round(top * 128) : round(bottom * 128), round(left * 96) : round(right * 96)] = 1
    within = without_padding(photo.size, 128, 96)
    return photo.size, image, alpha, advice.View(photo.size, image[within], alpha[within])


def said(photo, painted=None, rules=advice.PERSON):
    rule = advice.first(rules, *view(photo, painted)[:3])
    return rule and rule.name


def test_a_plain_upright_photo_needs_none():
    assert said(drawn(*PERSON)) is None
    assert said(drawn(GARMENT), rules=advice.ARTICLE) is None


@pytest.mark.parametrize(
    "how, rule", [("ROTATE_90", "wide"), ("ROTATE_270", "wide"), ("ROTATE_180", "upside down")]
)
def test_a_turned_photo_is_named(how, rule):
    photo = drawn(*PERSON)
    assert said(photo.transpose(getattr(Image.Transpose, how))) == rule
    square = drawn(*PERSON, size=(400, 400)).transpose(getattr(Image.Transpose, how))
    assert said(square) == ("upside down" if how == "ROTATE_180" else "sideways")


def test_what_departs_is_named():
    rng = np.random.default_rng(0)
    assert said(drawn(*PERSON, size=(90, 120))) == "small"
    assert said(Image.fromarray(rng.integers(0, 256, (400, 300, 3), np.uint8))) == "background"
    two = [tuple(x / 2 + shift if k % 2 == 0 else x for k, x in enumerate(box))
           for shift in (0, 0.5) for box in PERSON]  # fmt: skip
    assert said(drawn(*two)) == "several"
    assert said(drawn(*PERSON), (0.05, 1, 0, 1)) == "close"
    assert said(drawn(GARMENT), (0.28, 0.92, 0.18, 0.82)) == "garment"


def test_measures_against_their_definitions():
    size, image, alpha, seen = view(drawn(*PERSON))
    assert advice.doubt(seen) == 0 and advice.tall(seen) == 64 / 128
    half = advice.View(size, image, np.full(alpha.shape, 0.5))
    assert advice.doubt(half) == pytest.approx(2)  # 4 x 0.5 x 0.5 / 0.5
    assert advice.enlarged(seen) == 96 / 300 and advice.wider(seen) == 300 / 400
    red, blue = (np.full((128, 96, 3), color, np.uint8) for color in ((250, 0, 0), (0, 0, 250)))
    assert advice.spread(advice.View(SIZE, red)) == 0
    red[:, 48:] = blue[:, 48:]
    assert advice.spread(advice.View(SIZE, red)) == pytest.approx(1)  # two colors, equally often: 1 bit


def test_padding_is_left_out():
    """What `fitted` adds is not looked at: 4:5 in 3:4 has bars above and below, 1:2 at the sides."""
    for size in ((200, 250), (100, 200), (300, 400), (401, 97)):
        image = fitted(Image.new("RGB", size, "white"), 128, 96)
        rng = np.random.default_rng(1)
        speckled = Image.fromarray(rng.integers(0, 2, (*size[::-1], 3), np.uint8) * 255)
        within = without_padding(size, 128, 96)
        bars = np.ones((128, 96), bool)
        bars[within] = False
        assert image.shape == (128, 96, 3)
        assert (np.ptp(fitted(speckled, 128, 96)[bars], axis=0) == 0).all() if bars.any() else True
        shape = image[within].shape
        assert abs(shape[1] / shape[0] - size[0] / size[1]) * min(shape[:2]) < 1


def test_each_line_names_its_photo():
    (size, image, alpha, _), small = view(drawn(*PERSON)), drawn(GARMENT, size=(60, 80))
    photos = {
        "human": (size, image),
        "wearing": (small.size, fitted(small, 128, 96)),
        "article": (size, image),
    }
    worn, article = advice.advice(photos, alpha)
    assert worn.startswith("the photo of the worn article is less than 96 pixels")
    assert article.startswith("the photo of the article runs off")


@pytest.fixture(scope="module")
def model():
    return load("dress_128x96")


@pytest.fixture(scope="module")
def renderings():
    """People and articles of the shipped held-out photoshoot as photos."""
    with PhotoFile(weights.held_out(128, 96)) as file:
        split = file.split("test")
        return tuple([Image.fromarray(image) for image in part.load()] for part in (split.x, split.y))


def test_good_renderings_get_hardly_any(model, renderings):
    """At most 5 of 48 people, by whichever rule, and no article (docs/dress.md)."""
    people, articles = renderings
    found = advice_rates.judged(advice.PERSON, model, people, advice_rates.swapped(model, people, articles))
    assert sum(name is not None for name in found) <= 5, found
    assert set(advice_rates.judged(advice.ARTICLE, model, articles)) == {None}


@pytest.mark.slow
def test_made_faults_of_renderings_are_named(model, renderings):
    """At least half of each fault, but for faces: of 47, 23 are named (docs/dress.md)."""
    rows = {row.fault: row for row in advice_rates.rates(model, *renderings, count=16)}
    assert set(rows) == {
        advice_rates.GOOD,
        f"articles {advice_rates.GOOD}",
        *advice_rates.PERSON_FAULTS,
        *advice_rates.ARTICLE_FAULTS,
    }
    for name in {*rows} - {advice_rates.GOOD, f"articles {advice_rates.GOOD}", "face"}:
        assert rows[name].share(rows[name].right) >= 0.5, (name, rows[name].said)


def test_the_command_prints_the_table(capsys, tmp_path, renderings, monkeypatch):
    from cagan_theano.io.command import main

    for number, photo in enumerate(renderings[0][:3]):
        photo.save(tmp_path / f"{number}.png")
    monkeypatch.setattr(advice_rates, "PERSON_FAULTS", {"none": (("small",), lambda subject: None)})
    monkeypatch.setattr(
        advice_rates, "ARTICLE_FAULTS", {"person": (("cut off",), lambda subject: subject.photo)}
    )
    with pytest.raises(SystemExit) as left:
        main(advice_rates.command, ["--people", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert left.value.code == 0 and [line.split(" | ")[1] for line in lines[2:5]] == ["3"] * 3
    assert "dress_128x96" in lines[-1]


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="contains no photos"):
        advice_rates.read_photos(str(tmp_path), "x")
