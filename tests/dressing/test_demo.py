"""The local page: what it shows, and, where gradio and a browser are installed, the page itself."""

import numpy as np
import pytest
from conftest import tiny_config
from PIL import Image

import cagan_theano
from cagan_theano.checkpoint import Checkpoint, save_checkpoint
from cagan_theano.dressing import demo
from cagan_theano.network.networks import build_networks, values_of


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    config = tiny_config(height=16, width=16, g_widths=(8, 8, 10, 10), d_widths=(8, 8, 10, 10))
    networks = build_networks(config)
    path = tmp_path_factory.mktemp("demo") / "tiny.h5"
    save_checkpoint(path, Checkpoint(config, 3, values_of(networks.G.params), values_of(networks.D.params)))
    return cagan_theano.load(path, backend="jax", device="cpu")


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("me", "shirt", "coat"):
        Image.fromarray(rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    return tmp_path


def test_each_garment_is_put_on(model, files):
    garments = [files / "shirt.png", files / "coat.png"]
    (before, after), mask, each, advice = demo.dress(model, files / "me.png", garments)
    assert before.size == after.size == mask.size == (30, 40)
    assert [caption for _, caption in each] == ["shirt", "coat"]
    assert "pixels wide or high: use a larger one" in advice
    np.testing.assert_array_equal(np.asarray(each[0][0]), np.asarray(after))
    expected = model.dress(files / "me.png", garments[1])
    np.testing.assert_array_equal(np.asarray(each[1][0]), np.asarray(expected.image))


def test_advice_names_the_garments_that_it_is_about(model, files):
    Image.new("RGB", (120, 120), "white").save(files / "plain.png")
    advice = demo.dress(model, files / "me.png", [files / "shirt.png", files / "plain.png"])[-1]
    person, article = advice.splitlines()
    assert person.startswith("- the photo of the person is less than")
    assert article.startswith("- shirt: the photo of the article is less than")


def test_missing_inputs_are_asked_for(model, files):
    for human, garments in ((None, [files / "shirt.png"]), (files / "me.png", [])):
        with pytest.raises(ValueError, match="Add a photo of a person and at least one garment"):
            demo.dress(model, human, garments)
