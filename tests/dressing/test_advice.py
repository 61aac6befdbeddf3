"""Advice on photos that the shipped weights do not know: given where it holds, and hardly elsewhere."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cagan_theano import load, weights
from cagan_theano.dressing import advice
from cagan_theano.dressing.paste import without_padding
from data_prep.picture import fit
from data_prep.store import PhotoFile

SIZE = (300, 400)  # width, height


def draw(*parts, size=SIZE, level=235):
    """A plain photo with ellipses (left, top, right, bottom), in shares of its width and height."""
    image = Image.new("RGB", size, (level,) * 3)
    for box in parts:
        ImageDraw.Draw(image).ellipse([edge * size[k % 2] for k, edge in enumerate(box)], fill=(90, 40, 30))
    return image


HEAD, BODY = (0.42, 0.08, 0.58, 0.28), (0.2, 0.26, 0.8, 1.5)
PERSON, GARMENT = (HEAD, BODY), (0.2, 0.3, 0.8, 0.9)


def advise(photo, painted=(0.35, 0.85, 0.25, 0.75), name="human"):
    """The advice on a photo at 128x96; painted: box of alpha 1, in shares of height and width."""
    alpha = np.zeros((128, 96))
    top, bottom, left, right = painted
    alpha[round(top * 128) : round(bottom * 128), round(left * 96) : round(right * 96)] = 1
    return advice.advise(name, photo.size, np.asarray(fit(photo, 128, 96)), alpha) or ""


def test_plain_upright_photos_get_no_advice():
    assert not advise(draw(*PERSON)) and not advise(draw(GARMENT), name="article")


def test_unsuitable_photos_get_advice():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 300, 3), np.uint8))
    assert "is wider than high" in advise(draw(*PERSON).transpose(Image.Transpose.ROTATE_90))
    assert "is less than 96 pixels" in advise(draw(*PERSON, size=(90, 120)))
    assert "no plain background: show one person" in advise(noise)
    assert "no plain background: use a product photo" in advise(noise, name="article")
    assert "is too close" in advise(draw(*PERSON), (0.05, 1, 0, 1))
    assert "a garment alone" in advise(draw(GARMENT), (0.28, 0.92, 0.18, 0.82))
    assert "little but background" in advise(draw((0.45, 0.8, 0.55, 1.2)), (0.9, 1, 0.4, 0.6))
    assert "is cut off at an edge" in advise(draw(*PERSON), name="wearing")
    half = advice.advise("human", SIZE, np.asarray(fit(draw(*PERSON), 128, 96)), np.full((128, 96), 0.5))
    assert "does not show clearly" in half


def test_measures_against_their_definitions():
    assert advice.doubt(np.full((8, 8), 0.5)) == pytest.approx(2)  # 4 x 0.5 x 0.5 / 0.5
    assert advice.doubt(np.eye(8)) == 0
    red, blue = (np.full((128, 96, 3), color) for color in ((250, 0, 0), (0, 0, 250)))
    assert advice.background_entropy(red) == 0
    red[:, 48:] = blue[:, 48:]
    assert advice.background_entropy(red) == pytest.approx(1)  # two colors, equally often: 1 bit


@pytest.mark.parametrize("size", [(200, 250), (100, 200), (300, 400), (401, 97)])
def test_padding_is_left_out(size):
    """4:5 in 3:4 has bars above and below, 1:2 at the sides."""
    rng = np.random.default_rng(1)
    speckled = np.asarray(fit(Image.fromarray(rng.integers(0, 2, (*size[::-1], 3), np.uint8) * 255), 128, 96))
    within = without_padding(size, 128, 96)
    bars = np.ones((128, 96), bool)
    bars[within] = False
    assert not bars.any() or (np.ptp(speckled[bars], axis=0) == 0).all()
    shape = speckled[within].shape
    assert abs(shape[1] / shape[0] - size[0] / size[1]) * min(shape[:2]) < 1


def test_renderings_get_hardly_any_advice():
    """Two of 48 people, both among the first 16, and no article (docs/dress.md)."""
    model = load("dress_128x96")
    with PhotoFile(weights.held_out(128, 96)) as file:
        split = file.split("test")
        people, articles = list(split.x.load()[:16]), list(split.y.load()[:16])
    dressed = model.dress(people, articles)
    assert sum(photo.note("human") is not None for photo in dressed) <= 2
    assert {photo.note("article") for photo in dressed} == {None}
