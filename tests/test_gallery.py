"""The gallery: every swap once, with its own scores, sorted and filtered in a browser."""

import re
import shutil

import numpy as np
import pytest
from figure_toys import ToyModel, write_photos

from cagan_theano import weights
from cagan_theano.evaluation import gallery, held_out, measures
from cagan_theano.io.command import main
from cagan_theano.io.sheet import png


def gallery_of(tmp_path, monkeypatch, *words, **settings):
    """The text of the page that the command writes for the toy model."""
    monkeypatch.setattr(weights, "load_model", lambda *_: ToyModel(0.5))
    data, out = write_photos(tmp_path / "toy.h5", **settings), tmp_path / "g.html"
    with pytest.raises(SystemExit) as left:
        main(gallery.command, [str(out), "--data", str(data), *words])
    assert left.value.code == 0
    return out.read_text()


def attribute(text, name):
    return [float(value) for value in re.findall(rf'data-{name}="([^"]+)"', text)]


def test_each_swap_has_its_own_scores(tmp_path, monkeypatch):
    text = gallery_of(tmp_path, monkeypatch)
    assert attribute(text, "row") == list(range(12)) and text.count("data:image/webp;base64,") == 12
    with held_out.open_split(tmp_path / "toy.h5", ToyModel(0.5)) as held:
        columns = measures.measure(ToyModel(0.5), held, cycle=False)
    expected = columns["error_inside"] / columns["unchanged_inside"]
    np.testing.assert_allclose(attribute(text, "inside"), expected)
    np.testing.assert_allclose(attribute(text, "alpha_iou"), columns["iou"])
    assert "<span>truth</span>" in text and "http" not in text.split("</head>")[1].replace("http-equiv", "")


def test_without_truth_there_is_nothing_to_sort_by(tmp_path, monkeypatch):
    text = gallery_of(tmp_path, monkeypatch, "--swaps", "5", triples=False)
    assert text.count("data:image/webp;base64,") == 5
    assert "<span>truth</span>" not in text and 'id="sort"' not in text


def test_the_sheets_of_a_run_are_shown(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    samples = tmp_path / "run" / "samples"
    samples.mkdir(parents=True)
    for step in (0, 250, 500):
        (samples / f"step_{step:07d}.png").write_bytes(png(Figure(figsize=(2, 2)), 100))
    text = gallery_of(tmp_path, monkeypatch, "--run", str(tmp_path / "run"))
    assert [f"step {n}</figcaption>" in text for n in (0, 250, 500, 750)] == [True, True, True, False]
    with pytest.raises(FileNotFoundError, match="contains no sample sheets"):
        gallery.training_sheets(tmp_path)


@pytest.mark.slow
def test_sorting_and_filtering_in_a_browser(tmp_path):
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no browser is installed (chromium, google-chrome)")
    image = gallery.webp_uri(np.zeros((32, 160, 3), np.uint8))
    found = [{"row": n, "image": image, "kind": ("color", "texture")[n % 3 == 0],
              "scores": {"inside": (7 * n % 12) / 12}} for n in range(12)]  # fmt: skip
    (tmp_path / "g.html").write_text(gallery.page(found, [], True, "weights", "data"))
    with driver.sync_playwright() as player:
        chromium = player.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_context(viewport={"width": 390, "height": 844}).new_page()
        page.goto(f"file://{tmp_path / 'g.html'}")
        values = "[...document.querySelectorAll('#swaps li')].map(item => Number(item.dataset.inside))"
        page.select_option("#sort", "-inside")
        assert (found := page.evaluate(values)) == sorted(found, reverse=True) and len(found) == 12
        page.select_option("#kind", "texture")
        kinds = page.evaluate(
            "[...document.querySelectorAll('#swaps li:not([hidden])')].map(i => i.dataset.kind)"
        )
        assert kinds == ["texture"] * 4 and page.inner_text("#shown") == "4 swaps"
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        chromium.close()
