"""`cagan swap`: one dressed photo, its mask and a grid, at the photo's own size."""

import functools

import numpy as np
import pytest
from conftest import run_command
from figure_toys import HEIGHT, WIDTH, ToyModel, article, human
from PIL import Image

from cagan_theano import weights
from cagan_theano.dressing import swap

run = functools.partial(run_command, swap.command)


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Options for files of a person, of what it wears, and of another article; the model is a toy."""
    monkeypatch.setattr(weights, "load_model", lambda *_: ToyModel())
    files = {"human": human(2, 4), "wearing": article(4), "article": article(9)}
    for name, image in files.items():
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    return [part for name in files for part in (f"--{name}", tmp_path / f"{name}.png")]


def test_result_mask_and_grid(tmp_path, photos):
    files = [tmp_path / name for name in ("out.png", "alpha.png", "grid.png")]
    options = ["--out", files[0], "--alpha-out", files[1], "--grid", files[2], "--size", "network"]
    assert run(*photos, *options) == 0
    np.testing.assert_array_equal(np.asarray(Image.open(files[0])), human(2, 9))
    alpha = np.asarray(Image.open(files[1]))
    assert alpha.shape == (HEIGHT, WIDTH) and set(np.unique(alpha)) == {0, 255}
    assert Image.open(files[2]).size[0] > 5 * 512
    for path in files:
        about = Image.open(path).text
        assert about["Checkpoint-SHA256"] == "ab" * 32 and about["Step"] == "7"
        assert str(tmp_path) not in str(about)


def test_without_a_photo_of_the_worn_article(tmp_path, photos, capsys):
    assert run(*photos[:2], *photos[4:], "--out", tmp_path / "out.png", "--size", "network") == 0
    said = capsys.readouterr().err.splitlines()  # the toy's photos are small
    assert [line.split(" is less than 96 pixels")[0] for line in said] == [
        f"Note: {tmp_path / name}.png" for name in ("human", "article")
    ]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out.png")), human(2, 9))


def test_the_photo_keeps_its_size_and_its_detail_outside_alpha(tmp_path, photos):
    large = np.random.default_rng(0).integers(0, 256, (150, 90, 3), np.uint8)
    Image.fromarray(large).save(tmp_path / "human.png")
    out, alpha = tmp_path / "out.png", tmp_path / "alpha.png"
    assert run(*photos, "--out", out, "--alpha-out", alpha) == 0
    result = np.asarray(Image.open(out))
    assert result.shape == large.shape and Image.open(alpha).size == (90, 150)
    np.testing.assert_array_equal(result[:30], large[:30])  # above the painted rectangle
    assert np.abs(result[75, 45].astype(int) - article(9)[16, 16]).max() <= 1


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, photos, capsys, monkeypatch):
    out, no_image = tmp_path / "out.png", tmp_path / "no.png"
    no_image.write_text("no image")

    def fault(*options):
        assert run(*photos, *options) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("Error: ")
        return line

    assert "no.png: not an image" in fault("--human", no_image, "--out", out)
    monkeypatch.setattr(weights, "load_model", None)  # the rest is found before a model is loaded
    assert "gone.png" in fault("--article", tmp_path / "gone.png", "--out", out)
    assert "out.xyz" in fault("--out", tmp_path / "out.xyz")
    assert "nowhere" in fault("--out", tmp_path / "nowhere" / "out.png")
    assert not out.exists()
