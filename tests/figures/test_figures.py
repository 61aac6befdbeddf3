"""Each figure script runs, and its picture has the right panels, labels and origin."""

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import run_command as run
from conftest import tiny_config
from figure_toys import HEIGHT, PROVENANCE, WIDTH, ToyModel, human, write_photos
from PIL import Image

from cagan_theano.checkpoint import Checkpoint, save_checkpoint
from cagan_theano.config import Config
from cagan_theano.evaluation import held_out, provenance
from cagan_theano.figures import figure2, figure3, figure4, figure5, figure6
from cagan_theano.io import sheet
from cagan_theano.network.networks import build_networks, values_of

ROOT = Path(__file__).resolve().parents[2]
FIGURES = {"figure2": figure2, "figure3": figure3, "figure4": figure4, "figure5": figure5, "figure6": figure6}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """An untrained checkpoint of a tiny network."""
    config = tiny_config(height=HEIGHT, width=WIDTH)
    networks = build_networks(config)
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.h5"
    save_checkpoint(path, Checkpoint(config, 5, *(values_of(network.params) for network in networks)))
    return path


def noise(count, height=16, width=16):
    """Pictures [count, height, width, 3] that are all different."""
    rng = np.random.default_rng(count)
    return rng.integers(0, 256, (count, height, width, 3), np.uint8)


def panels(figure):
    """name -> (array shown, label) of each panel."""
    shown = [axes for axes in figure.axes if axes.images]
    return {axes.get_label(): (axes.images[0].get_array(), axes.get_xlabel()) for axes in shown}


def words(figure):
    """All text of a sheet outside its panels' labels, as one string."""
    return " ".join(text.get_text() for text in figure.texts)


def test_pixels_of_the_png_are_the_picture_enlarged():
    shape, scale = (16, 48), 5
    pictures = noise(4, *shape)
    page = sheet.render(sheet.grid([pictures[:2], pictures[2:]], ("$a$", "$b_i^j$"), "A caption.", "", scale))
    step_h, step_w = (side * scale + sheet.GAP for side in shape)
    for n, picture in enumerate(pictures):
        top, left = sheet.MARGIN + n // 2 * step_h, sheet.MARGIN + n % 2 * step_w
        shown = page[top : top + shape[0] * scale, left : left + shape[1] * scale]
        np.testing.assert_array_equal(shown, np.kron(picture, np.ones((scale, scale, 1), np.uint8)))


def test_alpha_is_drawn_from_black_to_white():
    alpha = np.linspace(0, 1, 256).reshape(16, 16)
    page = sheet.render(sheet.grid([[alpha]], ("",), "", "", 1))
    shown = page[sheet.MARGIN : sheet.MARGIN + 16, sheet.MARGIN : sheet.MARGIN + 16]
    np.testing.assert_allclose(shown[..., 0], alpha * 255, atol=1)
    assert (shown == shown[..., :1]).all()


def test_text_stays_inside_the_page_and_does_not_overlap():
    """Except that a formula's index may touch a line."""
    figure = figure4.draw(*(noise(3, 128, 96) for _ in range(4)), note="small print " * 30)
    assert words(figure).count("small print") == 30 and len(figure.texts) > 3
    page = sheet.render(figure)
    frame = np.ones(page.shape[:2], bool)
    frame[12:-12, 12:-12] = False
    assert (page[frame] == 255).all()
    boxes = [text.get_window_extent() for text in figure.texts]
    boxes += [axes.xaxis.label.get_window_extent() for axes in figure.axes if axes.get_xlabel()]
    for a, b in itertools.combinations(boxes, 2):
        assert not a.overlaps(b) or min(a.y1, b.y1) - max(a.y0, b.y0) <= 12


def test_chosen_swaps_are_random_distinct_and_repeatable(toy_data):
    with held_out.open_split(toy_data, None) as held:
        chosen = held_out.choose_swaps(held, 5, seed=1)
        again, other = held_out.choose_swaps(held, 5, seed=1), held_out.choose_swaps(held, 5, seed=2)
        photos = held.photos
        np.testing.assert_array_equal(chosen.i, again.i)
        assert not np.array_equal(chosen.i, other.i)
        assert len(set(photos.person[chosen.i])) == 5
        assert (photos.garment[chosen.i] != photos.garment[chosen.j]).all()
        for i, j, picture in zip(chosen.i, chosen.j, held_out.read(held, chosen)["truth"]):
            np.testing.assert_array_equal(picture, human(photos.person[i], photos.garment[j]))


def test_matrix_has_other_people_and_no_article_of_theirs(toy_data):
    with held_out.open_split(toy_data, None) as held:
        i, j = held_out.choose_matrix(held, 3, 5, seed=0)
        photos = held.photos
        assert len(set(photos.person[i])) == 3 and len(set(photos.garment[j])) == 5
        assert not set(photos.garment[i]) & set(photos.garment[j])
        with pytest.raises(ValueError, match="too few held-out people"):
            held_out.choose_matrix(held, 7, 2, seed=0)


def test_masks_reach_only_a_network_that_uses_them(toy_data):
    for mask, given in (("none", False), ("prior", True)):
        model = ToyModel(mask=mask)
        with held_out.open_split(toy_data, model) as held:
            held_out.swap(model, held, held_out.read(held, held_out.Swaps([0, 1], [3, 4])))
        assert (model.masks[0] is not None) == given


def test_figure4_panels_and_the_true_swap_beside_the_generated():
    y_i, x_i, x_ij, y_j, truth = (noise(n, 32, 24)[:3] for n in range(3, 8))
    labels = ["$y_i$", "$x_i$", "$x_i^j$ (generated)", "$y_j$"]
    check_panels(figure4.draw(y_i, x_i, x_ij, y_j), (y_i, x_i, x_ij, y_j), labels)
    labels.insert(3, "true swap")
    figure = figure4.draw(y_i, x_i, x_ij, y_j, truth=truth)
    check_panels(figure, (y_i, x_i, x_ij, truth, y_j), labels)
    assert "true swap is rendered" in words(figure)


def check_panels(figure, columns, labels):
    """The columns of a figure of rows, labeled below the last row."""
    found, rows = panels(figure), len(columns[0])
    assert len(found) == rows * len(columns)
    for (r, c), label in zip(np.ndindex(rows, len(columns)), labels * rows):
        np.testing.assert_array_equal(found[f"{r},{c}"][0], columns[c][r])
        assert found[f"{r},{c}"][1] == (label if r == rows - 1 else "")


def test_figure5_panels_and_whether_alpha_was_supervised():
    x_i, y_i, y_j, x_ij = (noise(n, 32, 24)[:2] for n in (3, 4, 5, 6))
    alpha = np.random.default_rng(0).random((2, 32, 24))
    for changes, text in (
        ({}, "is learned without segmentation labels"),
        ({"gamma_region": 1.0}, "was trained on true regions"),
        ({"mask": "overwrite"}, "is the given mask"),
        ({"mask": "prior"}, "starts from a given mask"),
    ):
        origin = figure5.origin_of_alpha(Config(**changes))
        figure = figure5.draw(x_i, y_i, alpha, y_j, x_ij, origin=origin)
        assert text in words(figure) and "order reconstructed" in words(figure)
    labels = ["$x_i$", "$y_i$", r"$\alpha_i^j$", "$y_j$", "$x_i^j$ (generated)"]
    check_panels(figure, (x_i, y_i, alpha, y_j, x_ij), labels)


def test_the_note_says_how_weights_were_trained():
    model = ToyModel()
    model.metadata = {"init": {"step": 0}}  # as `cagan train --init` stores it
    assert provenance.steps(model) == "step 7 after step 0 of another run"
    for changes, words in (
        ({"cycle_norm": "l2"}, "the paper's method"),
        ({"gamma_truth": 10.0, "gamma_adv": 0.1}, "ours: trained with true swaps, for photos"),
        ({"gamma_texture": 1.0}, "with options of ours: gamma_texture"),
        ({"mask": "overwrite"}, "the paper's method, given masks (mask=overwrite)"),
    ):
        assert provenance.method(SimpleNamespace(config=Config(**changes))) == words


def test_figure6_panels():
    humans, articles, row = (noise(n, 32, 24) for n in (2, 4, 6))
    matrix = noise(8, 32, 24).reshape(2, 4, 32, 24, 3)
    found = panels(figure6.draw(humans, articles, matrix, articles[0], row[2:], row[:4]))
    assert len(found) == 4 + 2 + 8 + 4 + 1 + 4
    places = ("c,0,3", "c,2,0", "c,2,3", "d,0,4", "d,1,0", "d,1,4")
    for place, image in zip(places, (articles[2], humans[1], matrix[1, 2], row[5], articles[0], row[3])):
        np.testing.assert_array_equal(found[place][0], image)


def test_figure6_puts_each_article_on_each_human(toy_data, half):
    half.share = 0
    with held_out.open_split(toy_data, half) as held:
        i, j = held_out.choose_matrix(held, 2, 4, seed=3)
        humans, articles, matrix = figure6.swap_all(half, held, i, j)
        np.testing.assert_array_equal(humans[1], held.photos.x[int(i[1])])
        np.testing.assert_array_equal(articles[3], held.photos.y[int(j[3])])
        for r, c in np.ndindex(2, 4):
            expected = human(held.photos.person[i[r]], held.photos.garment[j[c]])
            np.testing.assert_array_equal(matrix[r, c], expected)


def test_figure2_panels_and_the_error_of_the_plain_loop():
    x_i, y_i, y_j, x_ij, back = noise(5, 32, 24)
    values = [abs((int(p) / 127.5 - 1) - (int(q) / 127.5 - 1)) for p, q in zip(x_i.flat, back.flat)]
    error = figure2.cycle_error(x_i, back)
    assert error == pytest.approx(sum(values) / len(values))
    figure = figure2.draw(x_i, y_i, y_j, x_ij, back, error)
    found = {name: shown for name, (shown, _) in panels(figure).items()}
    expected = {"x_i": x_i, "x_ij": x_ij, "back": back}
    expected |= {"(i) 0": y_i, "(i) 1": y_j, "(ii) 0": y_j, "(ii) 1": y_i}
    assert found.keys() == expected.keys()
    for name, image in expected.items():
        np.testing.assert_array_equal(found[name], image)
    assert f"={error:.3f}$" in words(figure)


def test_figure3_states_the_sizes_of_the_paper():
    networks = build_networks(Config())
    figure = figure3.draw(networks.G, networks.D, 128, 96)
    encoder = "64x64x48 128x32x24 256x16x12 512x8x6"
    G = f"9x128x96 {encoder} 512x16x12 256x32x24 128x64x48 4x128x96"
    head = networks.D.shapes(128, 96)[-1][1]
    D = f"6x128x96 {encoder} {'x'.join(map(str, head))}"
    texts = [text.get_text().replace(r"$\times$", "x") for text in figure.axes[0].texts]
    assert [text for text in texts if re.fullmatch(r"\d+x\d+x\d+", text)] == f"{G} {D}".split()
    assert r"receptive field of a logit is 63$\times$63 pixels" in words(figure)


@pytest.mark.parametrize("changes", [{}, {"copies_g": "none", "d_widths": (8, 8, 8)}, {"article_code": 8}])
def test_figure3_slices_add_up_and_copies_stand_last(changes):
    config = tiny_config(**changes)
    G, D = build_networks(config)
    boxes = figure3.boxes_of(G.shapes(32, 32), G.encoder, G.decoder)
    for box in boxes + figure3.boxes_of(D.shapes(32, 32), D.layers):
        assert sum(box.slices.values()) == box.shape[0]
    last = [list(box.slices.items())[-1] for box in boxes[1:-1]]
    assert all((slice == ("copies", 6)) == (config.copies_g != "none") for slice in last)
    figure = figure3.draw(G, D, 32, 32)
    field = 31 if len(config.d_widths) == 3 else 63
    assert rf"receptive field of a logit is {field}$\times${field} pixels" in words(figure)
    assert ("encoders of the articles are not drawn" in words(figure)) == (config.article_code > 0)


@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_a_real_network_carry_every_fact(name, tmp_path, toy_data, checkpoint):
    given = [] if name == "figure3" else ["--data", toy_data, "--seed", "3"]
    assert run(FIGURES[name].command, "--checkpoint", checkpoint, "--out", tmp_path / "out", *given) == 0
    image = Image.open(tmp_path / "out" / f"{name}_tiny.png")
    facts = image.text
    assert facts["Title"] == name.replace("figure", "Figure ") and facts["Step"] == "5"
    assert re.fullmatch("[0-9a-f]{64}", facts["Checkpoint-SHA256"])
    if given:
        assert facts["Seed"] == "3" and json.loads(facts["Data-Provenance"]) == PROVENANCE
    pdf = (tmp_path / "out" / f"{name}_tiny.pdf").read_bytes()
    assert facts["Checkpoint-SHA256"].encode() in pdf and b"CreationDate" not in pdf
    assert not any(str(tmp_path) in value for value in facts.values())
    assert image.size[0] > 500 and len(np.unique(np.asarray(image.convert("L")))) > 20


@pytest.mark.both_environments
def test_a_script_of_a_figure_runs(tmp_path, checkpoint):
    words = ["--checkpoint", str(checkpoint), "--out", str(tmp_path / "out")]
    subprocess.run([sys.executable, ROOT / "replicate" / "figure3.py", *words], cwd=tmp_path, check=True)
    assert (tmp_path / "out" / "figure3_tiny.png").exists()


def test_commands_repeat_byte_for_byte(tmp_path, toy_data, half):
    for folder in "ab":
        assert run(figure4.command, "--data", toy_data, "--out", tmp_path / folder, "--truth") == 0
    for ending in ("png", "pdf"):
        one, other = ((tmp_path / folder / f"figure4.{ending}").read_bytes() for folder in "ab")
        assert one == other


def test_held_out_photoshoot_is_rendered_once_for_the_seed_of_training(tmp_path, monkeypatch):
    from data_prep.photoshoot import shoot

    calls = []

    def fake(path, pairs, held_out, true_swaps, **setting):
        calls.append((pairs, held_out, *setting.values()))
        write_photos(path, provenance=shoot.provenance(shoot.Setting(**setting), pairs, held_out))

    monkeypatch.setattr(shoot, "shoot", fake)
    monkeypatch.setattr(held_out.cache, "user_folder", lambda: tmp_path)
    model = ToyModel()
    first = held_out.rendered(model)
    assert held_out.rendered(model) == first and len(calls) == 1
    assert calls[0] == (0, held_out.HELD_OUT, 0, (HEIGHT, WIDTH), False, "paper", "one")
    # older training data, of which there were only the paper's wardrobe and many studios
    origin = {"program": "data_prep photoshoot", "seed": 11, "arguments": {"clutter": True}}
    model.metadata = {"data": {"provenance": origin}}
    held_out.rendered(model)
    assert calls[1] == (0, held_out.HELD_OUT, 11, (HEIGHT, WIDTH), True, "paper", "many")
    first.write_bytes(first.read_bytes()[:1000])  # a damaged one is made anew
    held_out.rendered(model)
    assert len(calls) == 3


def failure(capsys, command, *arguments):
    """The one line that a failing command writes."""
    assert run(command, *arguments) == 1
    error = capsys.readouterr().err.splitlines()
    lines = [line for line in error if "swap" not in line or line.startswith("Error")]
    assert len(lines) == 1 and lines[0].startswith("Error: ")
    return lines[0]


def test_bad_data_is_one_line(tmp_path, half, capsys):
    train, out = tmp_path / "train.h5", ("--out", tmp_path / "out")
    small = write_photos(tmp_path / "small.h5", tests=4)
    write_photos(train, tests=0, pairs=12)
    for command, more in ((figure4.command, ("--rows", 9)), (figure6.command, ("--humans", 9))):
        assert "none.h5: no such file" in failure(capsys, command, "--data", tmp_path / "none.h5", *out)
        assert "has no test photos" in failure(capsys, command, "--data", train, *out)
        assert "small.h5: has" in failure(capsys, command, "--data", small, *more, *out)
    plain = write_photos(tmp_path / "plain.h5", triples=False)
    assert "has no true swaps" in failure(capsys, figure4.command, "--data", plain, "--truth", *out)
    assert not (tmp_path / "out").exists()
