"""The local page: what it shows, and, where gradio and a browser are installed, the page itself."""

import shutil

import numpy as np
import pytest
from conftest import tiny_config
from PIL import Image

import cagan_theano
from cagan_theano.checkpoint import Checkpoint, save_checkpoint
from cagan_theano.dressing import demo
from cagan_theano.network.networks import build_networks, values_of

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


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


def test_what_is_missing_is_asked_for(model, files):
    for human, garments in ((None, [files / "shirt.png"]), (files / "me.png", [])):
        with pytest.raises(ValueError, match="Add a photo of a person and at least one garment"):
            demo.dress(model, human, garments)


@pytest.mark.slow
def test_the_page_in_a_browser(files, tmp_path):
    """Two tabs, ten swaps in a row, a wrong file, phone width; nothing is asked of another host."""
    gradio = pytest.importorskip("gradio", reason="gradio is not installed (the extra: demo)")
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"no browser is installed ({', '.join(BROWSERS)})")
    demo.import_gradio()
    model = cagan_theano.load("dress_128x96")
    address = demo.serve(gradio, model, tmp_path, "the weights", wait=False)
    people, shop = (sorted((tmp_path / "samples" / name).iterdir()) for name in ("people", "shop"))
    (files / "wrong.png").write_text("no image")
    asked = []
    with driver.sync_playwright() as player:
        chromium = player.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        tabs = []
        for size in ({"width": 1280, "height": 1000}, {"width": 390, "height": 844}):
            tab = chromium.new_context(viewport=size).new_page()
            tab.on("request", lambda request: asked.append(request.url))
            tab.goto(address)
            tab.get_by_role("heading", name=demo.TITLE).wait_for(timeout=60_000)
            tabs.append(tab)
        for tab, person in zip(tabs, people):
            person_input, garment_input = (tab.locator("input[type=file]").nth(n) for n in (0, 1))
            person_input.set_input_files(person)
            garment_input.set_input_files(shop[:3])
            tab.get_by_alt_text("").first.wait_for(state="attached")
        for turn in range(10):
            for tab in tabs if turn == 0 else tabs[:1]:
                button = tab.get_by_role("button", name="Dress", exact=True)
                button.focus()
                tab.keyboard.press("Enter")
        for tab in tabs:
            tab.get_by_text(shop[2].stem, exact=True).last.wait_for(timeout=60_000)
            assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        tab = chromium.new_page()
        tab.goto(address)
        tab.locator("input[type=file]").first.set_input_files(files / "wrong.png")
        tab.locator("input[type=file]").nth(1).set_input_files(shop[:1])
        tab.get_by_role("button", name="Dress", exact=True).click()
        tab.locator(".toast-body").first.wait_for(timeout=60_000)
        for number, tab in enumerate(tabs):
            tab.screenshot(path=tmp_path / f"tab_{number}.png", full_page=True)
        chromium.close()
    gradio.close_all()
    outside = [url for url in asked if not url.startswith((address.rstrip("/"), "data:", "blob:"))]
    assert not outside
