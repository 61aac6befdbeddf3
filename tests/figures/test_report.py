"""The page about a checkpoint: whole, escaped, self-contained; each swap once, with its own scores."""

import re

import numpy as np
import pytest
from conftest import run_command
from figure_toys import human, write_photos
from PIL import Image

from cagan_theano.config import Config
from cagan_theano.evaluation import held_out, measures
from cagan_theano.figures import report
from cagan_theano.training.run_folder import RunFolder

EVIL = "<script>alert('x')</script> & \"quotes\""


def headings(page):
    return re.findall("<h2>(.+?)</h2>", page)


@pytest.fixture
def toy(half):
    """The model that the command loads."""
    half.metadata = {"note": EVIL, "seconds": 5400.0, "data": {"pairs": 40, "provenance": {"program": EVIL}}}
    half.config = half.config.replace(steps=10, copies_d=False)
    return half


def page_of(tmp_path, *words, code=0, **settings):
    """The text of the page that the command writes."""
    data, out = write_photos(tmp_path / "toy.h5", **settings), tmp_path / "g.html"
    assert run_command(report.command, out, "--data", data, *words) == code
    return out.read_text() if code == 0 else None


def make_run(tmp_path):
    """A run folder with a log and three sheets."""
    with RunFolder(tmp_path / "run") as run:
        run.write_config(Config(steps=5))
        run.open_log(0)
        for step in range(1, 6):
            run.log({"step": step, "loss_D": 2.0, "loss_G": 1.0 / step})
    run.samples.mkdir(exist_ok=True)
    for step in (0, 50, 200):
        Image.fromarray(human(0, 0)).resize((900, 900)).save(run.samples / f"step_{step:07}.png")
    return tmp_path / "run"


def attribute(text, name):
    return [float(value) for value in re.findall(rf'data-{name}="([^"]+)"', text)]


def test_a_whole_page_loads_nothing_and_escapes_everything(tmp_path, toy):
    run = make_run(tmp_path)
    (run / "samples" / "step_0000100.png").write_bytes(b"damaged: it is left out")
    page = page_of(tmp_path, "--run", str(run))
    assert headings(page) == ["Weights", "Measures", "Figures", "Swaps", "Training", "Settings"]
    assert page.count("<script") == page.count("</script>") == 1
    sources = re.findall(r'\b(?:src|href|data|action)="([^"]*)"', page)
    assert len(sources) == 2 + 12 + 1 + 3 and all(source.startswith("data:image/") for source in sources)
    assert not re.search("<(link|iframe|object)", page)
    assert not re.search(r"url\(|@import|onload|onerror", page) and "default-src 'none'" in page
    assert page.count("&lt;script&gt;") >= 2  # the note, the provenance
    assert "stopped at step 7 of\n10" in page and "1.50 hours" in page
    changed = re.findall(r'class="changed"><th scope="row">(\w+)<', page)
    assert changed == ["height", "width", "copies_d", "steps"]
    assert re.findall(r"<figcaption class=\"faint\">step (\d+)<", page) == ["0", "50", "200"]


def test_each_swap_has_its_own_scores(tmp_path, toy):
    page = page_of(tmp_path)
    assert attribute(page, "row") == list(range(12)) and page.count("data:image/webp;base64,") == 12
    with held_out.open_split(tmp_path / "toy.h5", toy) as held:
        columns = measures.measure(toy, held, cycle=False)["ours"].columns
    inside = columns["error_inside"] / columns["unchanged_inside"]
    np.testing.assert_allclose(attribute(page, "inside"), inside)
    np.testing.assert_allclose(attribute(page, "alpha_iou"), columns["iou"])
    assert "<span>truth</span>" in page and "recoloring" in page


def test_without_truth_or_run_those_are_left_out(tmp_path, toy):
    page = page_of(tmp_path, "--swaps", "5", triples=False)
    assert headings(page) == ["Weights", "Measures", "Figures", "Swaps", "Settings"]
    assert page.count("data:image/webp;base64,") == 5 and "<span>truth</span>" not in page
    assert len(attribute(page, "alpha_iou_worn")) == 5


def test_a_folder_without_a_run_is_one_line(tmp_path, toy, capsys):
    page_of(tmp_path, "--run", "nothing", code=1)
    text = capsys.readouterr().err
    assert "contains no training" in text and len(text.splitlines()) == 1
