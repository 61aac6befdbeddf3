"""Each figure script runs, and its picture has the right panels, labels and origin."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import tiny_config
from figure_toys import HEIGHT, PROVENANCE, WIDTH, ToyModel, article, human, write_photos
from PIL import Image

from cagan_theano import weights
from cagan_theano.checkpoint import Checkpoint, save_checkpoint
from cagan_theano.config import Config
from cagan_theano.dressing import swap
from cagan_theano.dressing.paste import enlarged
from cagan_theano.evaluation import held_out, provenance
from cagan_theano.figures import figure2, figure3, figure4, figure5, figure6
from cagan_theano.io import sheet
from cagan_theano.io.command import main
from cagan_theano.network.networks import build_networks
from data_prep.store import PhotoFile

ROOT = Path(__file__).resolve().parents[1]
FIGURES = {"figure2": figure2, "figure3": figure3, "figure4": figure4, "figure5": figure5, "figure6": figure6}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A file of twelve toy pairs and their true swaps."""
    return write_photos(tmp_path_factory.mktemp("data") / "toy.h5")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """An untrained checkpoint of a tiny network."""
    config = tiny_config(height=HEIGHT, width=WIDTH)
    networks = build_networks(config)
    G, D = ({name: value.get_value() for name, value in network.params.items()} for network in networks)
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.h5"
    save_checkpoint(path, Checkpoint(config, 5, G, D, metadata={"note": "untrained"}))
    return path


@pytest.fixture
def toy(monkeypatch):
    """Every script gets the toy model in the place of a checkpoint's."""
    model = ToyModel(0.25)
    monkeypatch.setattr(weights, "load_model", lambda *_: model)
    return model


def run(command, *arguments):
    """The exit code of a command run in this process."""
    with pytest.raises(SystemExit) as done:
        main(command, [str(argument) for argument in arguments])
    return done.value.code


def noise(count, height=16, width=16):
    """Pictures [count, height, width, 3] that are all different."""
    rng = np.random.default_rng(count)
    return rng.integers(0, 256, (count, height, width, 3), np.uint8)


def panels(figure):
    """name -> (array shown, label) of each panel."""
    return {
        axes.get_label(): (axes.images[0].get_array(), axes.get_xlabel())
        for axes in figure.axes
        if axes.images
    }


def words(figure):
    """All text of a sheet outside its panels' labels, as one string."""
    return " ".join(text.get_text() for text in figure.texts)


# ---------------------------------------------------------------- the sheet


@pytest.mark.parametrize("shape, scale", [((32, 32), 3), ((16, 48), 5)])
def test_pixels_of_the_png_are_the_picture_enlarged(shape, scale):
    pictures = noise(4, *shape)
    figure = sheet.grid([pictures[:2], pictures[2:]], ("$a$", "$b_i^j$"), "A caption.", "", scale)
    page = sheet.rendered(figure)
    step_h, step_w = (side * scale + sheet.GAP for side in shape)
    for n, picture in enumerate(pictures):
        top, left = sheet.MARGIN + n // 2 * step_h, sheet.MARGIN + n % 2 * step_w
        shown = page[top : top + shape[0] * scale, left : left + shape[1] * scale]
        np.testing.assert_array_equal(shown, np.kron(picture, np.ones((scale, scale, 1), np.uint8)))


def test_alpha_is_drawn_from_black_to_white():
    alpha = np.linspace(0, 1, 256).reshape(16, 16)
    page = sheet.rendered(sheet.grid([[alpha]], ("",), "", "", 1))
    shown = page[sheet.MARGIN : sheet.MARGIN + 16, sheet.MARGIN : sheet.MARGIN + 16]
    np.testing.assert_allclose(shown[..., 0], alpha * 255, atol=1)
    assert (shown == shown[..., :1]).all()


def test_caption_lines_fit_the_sheet_and_lose_no_word():
    text = "one $x_i^j$ two three " * 12
    lines = sheet.wrapped(text, 400)
    assert len(lines) > 3 and " ".join(lines) == text.strip()
    with sheet.style():
        assert all(sheet.text_width(line, sheet.CAPTION_SIZE) <= 400 for line in lines)


def test_nothing_is_written_over_the_edge_or_over_another_text():
    figure = figure4.draw(*(noise(3, 128, 96) for _ in range(4)), note="small print")
    page = sheet.rendered(figure)
    frame = np.ones(page.shape[:2], bool)
    frame[12:-12, 12:-12] = False
    assert (page[frame] == 255).all()
    boxes = [text.get_window_extent() for text in figure.texts]
    boxes += [axes.xaxis.label.get_window_extent() for axes in figure.axes if axes.get_xlabel()]
    assert not any(
        a.overlaps(b)
        for n, a in enumerate(boxes)
        for b in boxes[:n]
        if min(a.y1, b.y1) - max(a.y0, b.y0) > 12
    )  # a formula's index may touch a line


def test_save_is_deterministic_and_carries_the_facts(tmp_path):
    facts = {"Title": "Figure 9", "Seed": "4"}
    first, second = (
        sheet.save(sheet.grid([noise(2)], ("a", "b"), "Caption.", "", 2), tmp_path / name / "figure9", facts)
        for name in "ab"
    )
    for one, other in zip(first, second):
        assert one.read_bytes() == other.read_bytes()
    assert Image.open(first[0]).text.items() >= facts.items()
    assert first[1].read_bytes().startswith(b"%PDF")


# ---------------------------------------------------------------- the choice of pictures


def test_chosen_swaps_are_random_distinct_and_repeatable(data):
    with held_out.open_split(data, None) as held:
        chosen = held_out.choose_swaps(held, 5, seed=1)
        again, other = held_out.choose_swaps(held, 5, seed=1), held_out.choose_swaps(held, 5, seed=2)
        photos = held.photos
        np.testing.assert_array_equal(chosen.i, again.i)
        assert not np.array_equal(chosen.i, other.i)
        assert len(set(photos.person[chosen.i])) == 5
        assert (photos.garment[chosen.i] != photos.garment[chosen.j]).all()
        truth = held_out.truth(held, chosen)
        for i, j, picture in zip(chosen.i, chosen.j, truth):
            np.testing.assert_array_equal(picture, human(photos.person[i], photos.garment[j]))


def test_without_known_truth_articles_of_other_garments_are_drawn(tmp_path):
    path = write_photos(tmp_path / "plain.h5", triples=False)
    with held_out.open_split(path, None) as held:
        chosen = held_out.choose_swaps(held, 4, seed=0)
        assert (held.photos.garment[chosen.i] != held.photos.garment[chosen.j]).all()
        with pytest.raises(ValueError, match="has no true swaps"):
            held_out.truth(held, chosen)


def test_matrix_has_other_people_and_no_article_of_theirs(data):
    with held_out.open_split(data, None) as held:
        i, j = held_out.choose_matrix(held, 3, 5, seed=0)
        photos = held.photos
        assert len(set(photos.person[i])) == 3 and len(set(photos.garment[j])) == 5
        assert not set(photos.garment[i]) & set(photos.garment[j])
        with pytest.raises(ValueError, match="too few held-out people"):
            held_out.choose_matrix(held, 7, 2, seed=0)


def test_masks_reach_only_a_network_that_uses_them(data):
    for mask, given in (("none", False), ("prior", True)):
        model = ToyModel(mask=mask)
        with held_out.open_split(data, model) as held:
            held_out.swap(model, held, [0, 1], [3, 4])
        assert (model.masks[0] is not None) == given


# ---------------------------------------------------------------- the figures


def test_figure4_panels():
    y_i, x_i, x_ij, y_j = (noise(n, 32, 24)[:3] for n in (3, 4, 5, 6))
    found = panels(figure4.draw(y_i, x_i, x_ij, y_j))
    assert len(found) == 12
    labels = "$y_i$", "$x_i$", "$x_i^j$ (generated)", "$y_j$"
    for c, pictures in enumerate((y_i, x_i, x_ij, y_j)):
        for r in range(3):
            np.testing.assert_array_equal(found[f"{r},{c}"][0], pictures[r])
            assert found[f"{r},{c}"][1] == (labels[c] if r == 2 else "")


def test_figure4_truth_stands_beside_the_generated():
    pictures = [noise(n, 32, 24)[:3] for n in range(3, 8)]
    found = panels(figure4.draw(*pictures[:4], truth=pictures[4]))
    np.testing.assert_array_equal(found["1,3"][0], pictures[4][1])
    np.testing.assert_array_equal(found["1,4"][0], pictures[3][1])
    assert found["2,3"][1] == "true swap"


def test_figure5_says_whether_alpha_was_supervised():
    for changes, words in (
        ({}, "is learned without segmentation labels"),
        ({"gamma_region": 1.0}, "was trained on true regions"),
        ({"mask": "overwrite"}, "is the given mask"),
        ({"mask": "prior"}, "starts from a given mask"),
    ):
        assert words in figure5.caption(256, 192, False, figure5.origin_of_alpha(Config(**changes)))


def test_the_note_says_how_weights_were_trained():
    for changes, words in (
        ({"cycle_norm": "l2"}, "the paper's method"),
        ({"gamma_truth": 10.0, "gamma_adv": 0.1}, "ours: trained with true swaps, for photos"),
        ({"gamma_texture": 1.0}, "with options of ours: gamma_texture"),
        ({"mask": "overwrite"}, "the paper's method, given masks (mask=overwrite)"),
    ):
        assert provenance.method(SimpleNamespace(config=Config(**changes))) == words


def test_figure5_panels():
    x_i, y_i, y_j, x_ij = (noise(n, 32, 24)[:2] for n in (3, 4, 5, 6))
    alpha = np.random.default_rng(0).random((2, 32, 24))
    figure = figure5.draw(x_i, y_i, alpha, y_j, x_ij)
    found = panels(figure)
    assert len(found) == 10 and "order reconstructed" in words(figure)
    labels = "$x_i$", "$y_i$", r"$\alpha_i^j$", "$y_j$", "$x_i^j$ (generated)"
    for c, pictures in enumerate((x_i, y_i, alpha, y_j, x_ij)):
        np.testing.assert_array_equal(found[f"1,{c}"][0], pictures[1])
        assert found[f"1,{c}"][1] == labels[c]


def test_figure6_panels():
    humans, articles, others, row = (noise(n, 32, 24) for n in (2, 4, 5, 6))
    others, row = others[:4], row[:4]
    matrix = noise(8, 32, 24).reshape(2, 4, 32, 24, 3)
    figure = figure6.draw(humans, articles, matrix, articles[0], others, row)
    found = {name: shown for name, (shown, _) in panels(figure).items()}
    assert len(found) == 4 + 2 + 8 + 4 + 1 + 4
    np.testing.assert_array_equal(found["c,0,3"], articles[2])
    np.testing.assert_array_equal(found["c,2,0"], humans[1])
    np.testing.assert_array_equal(found["c,2,3"], matrix[1, 2])
    np.testing.assert_array_equal(found["d,0,4"], others[3])
    np.testing.assert_array_equal(found["d,1,0"], articles[0])
    np.testing.assert_array_equal(found["d,1,4"], row[3])
    assert "(c)" in words(figure) and "layout reconstructed" in " ".join(words(figure).split())


def test_figure6_puts_each_article_on_each_human(data, toy):
    toy.share = 0
    with held_out.open_split(data, toy) as held:
        i, j = held_out.choose_matrix(held, 2, 4, seed=3)
        matrix = figure6.results(toy, held, i, j)
        for r, c in np.ndindex(2, 4):
            expected = human(held.photos.person[i[r]], held.photos.garment[j[c]])
            np.testing.assert_array_equal(matrix[r, c], expected)


def test_figure2_panels_and_error():
    x_i, y_i, y_j, x_ij, back = noise(5, 32, 24)
    figure = figure2.draw(x_i, y_i, y_j, x_ij, back, 0.12345)
    found = {name: shown for name, (shown, _) in panels(figure).items()}
    expected = {
        "x_i": x_i,
        "x_ij": x_ij,
        "back": back,
        "(i) 0": y_i,
        "(i) 1": y_j,
        "(ii) 0": y_j,
        "(ii) 1": y_i,
    }
    assert found.keys() == expected.keys()
    for name, picture in expected.items():
        np.testing.assert_array_equal(found[name], picture)
    assert "=0.123$" in words(figure)


def test_cycle_error_is_the_plain_loop():
    a, b = noise(2, 3, 4)
    values = [abs((int(p) / 127.5 - 1) - (int(q) / 127.5 - 1)) for p, q in zip(a.flat, b.flat)]
    assert figure2.cycle_error(a, b) == pytest.approx(sum(values) / len(values))


def sizes(figure):
    """The "channels x height x width" labels of Figure 3 in the order drawn."""
    texts = [text.get_text().replace(r"$\times$", "x") for text in figure.axes[0].texts]
    return [text for text in texts if re.fullmatch(r"\d+x\d+x\d+", text)]


def test_figure3_states_the_sizes_of_the_paper():
    networks = build_networks(Config())
    figure = figure3.draw(networks.G, networks.D, 128, 96)
    assert sizes(figure) == [
        "9x128x96",
        "64x64x48",
        "128x32x24",
        "256x16x12",
        "512x8x6",
        "512x16x12",
        "256x32x24",
        "128x64x48",
        "4x128x96",
        "6x128x96",
        "64x64x48",
        "128x32x24",
        "256x16x12",
        "512x8x6",
        "1x8x6",
    ]
    assert r"receptive field of a logit is 63$\times$63 pixels" in words(figure)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"copies_mode": "append"},
        {"copies_d": False},
        {"copies_g": "none"},
        {"d_kernel": 5},
        {"d_widths": (8, 8, 8)},
        {"article_code": 8},
        {"texture_input": True},
    ],
)
def test_figure3_slices_add_up_and_copies_stand_last(changes):
    config = tiny_config(**changes)
    G, D = build_networks(config)
    boxes = figure3.boxes_of_generator(G, 32, 32)
    for box in boxes + figure3.boxes_of_discriminator(D, 32, 32):
        assert sum(count for _, count in box.slices) == box.shape[0]
    hidden = boxes[1:-1]
    assert all((box.slices[-1] == ("copies", 6)) == (config.copies_g != "none") for box in hidden)
    figure = figure3.draw(G, D, 32, 32)
    field = 31 if len(config.d_widths) == 3 else 61 if config.d_kernel == 5 else 63
    assert rf"receptive field of a logit is {field}$\times${field} pixels" in words(figure)
    assert ("encoders of the articles are not drawn" in words(figure)) == (config.article_code > 0)


@pytest.mark.parametrize("name", FIGURES)
def test_script_runs_from_the_command_line(name, tmp_path, data, checkpoint):
    """A real process, a real (untrained) network, and every fact in PNG and PDF."""
    given = [] if name == "figure3" else ["--data", data, "--seed", "3"]
    subprocess.run(
        [
            sys.executable,
            ROOT / "replicate" / f"{name}.py",
            "--checkpoint",
            checkpoint,
            "--out",
            tmp_path / "out",
            *given,
        ],
        cwd=tmp_path,
        check=True,
    )
    picture = Image.open(tmp_path / "out" / f"{name}.png")
    facts = picture.text
    with PhotoFile.open(data):  # the data file is left in order
        pass
    assert facts["Title"] == name.replace("figure", "Figure ") and facts["Step"] == "5"
    assert re.fullmatch("[0-9a-f]{64}", facts["Checkpoint-SHA256"])
    if given:
        assert facts["Seed"] == "3" and json.loads(facts["Data-Provenance"]) == PROVENANCE
    pdf = (tmp_path / "out" / f"{name}.pdf").read_bytes()
    assert facts["Checkpoint-SHA256"].encode() in pdf and b"CreationDate" not in pdf
    assert not any(str(tmp_path) in value for value in facts.values())
    assert picture.size[0] > 500 and len(np.unique(np.asarray(picture.convert("L")))) > 20


def test_commands_repeat_byte_for_byte(tmp_path, data, toy):
    for folder in "ab":
        assert run(figure4.command, "--data", data, "--out", tmp_path / folder, "--truth") == 0
    for ending in ("png", "pdf"):
        one, other = ((tmp_path / folder / f"figure4.{ending}").read_bytes() for folder in "ab")
        assert one == other


# ---------------------------------------------------------------- the held-out photoshoot


def test_held_out_photoshoot_is_rendered_once_for_the_seed_of_training(tmp_path, monkeypatch):
    from data_prep.photoshoot import shoot

    calls = []

    def fake(path, pairs, size, seed, held_out, clutter, wardrobe):
        calls.append((pairs, tuple(size), seed, held_out, clutter, wardrobe))
        setting = shoot.Setting(seed, size, clutter, wardrobe)
        write_photos(path, provenance=shoot.provenance(setting, pairs, held_out))

    monkeypatch.setattr(shoot, "shoot", fake)
    monkeypatch.setattr(held_out, "renderings", lambda: tmp_path)
    model = ToyModel()
    first = held_out.rendered(model)
    assert held_out.rendered(model) == first and len(calls) == 1
    assert calls[0] == (0, (HEIGHT, WIDTH), 0, held_out.HELD_OUT, False, "paper")
    model.metadata = {
        "data": {
            "provenance": {
                "program": "data_prep photoshoot",
                "seed": 11,
                "arguments": {"clutter": True, "wardrobe": "shop"},
            }
        }
    }
    held_out.rendered(model)
    assert calls[1] == (0, (HEIGHT, WIDTH), 11, held_out.HELD_OUT, True, "shop")
    first.write_bytes(first.read_bytes()[:1000])  # a damaged one is made anew
    held_out.rendered(model)
    assert len(calls) == 3


# ---------------------------------------------------------------- bad input


def failure(capsys, command, *arguments):
    """The one line that a failing command writes."""
    assert run(command, *arguments) == 1
    error = capsys.readouterr().err.splitlines()
    lines = [line for line in error if "swap" not in line or line.startswith("Error")]
    assert len(lines) == 1 and lines[0].startswith("Error: ")
    return lines[0]


@pytest.mark.parametrize("name", FIGURES)
def test_missing_or_damaged_checkpoint_is_one_line(name, tmp_path, data, capsys):
    given = [] if name == "figure3" else ["--data", data]
    for content in (None, b"no checkpoint"):
        path = tmp_path / "bad.h5"
        if content:
            path.write_bytes(content)
        line = failure(capsys, FIGURES[name].command, "--checkpoint", path, "--out", tmp_path / "out", *given)
        assert "bad.h5" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", sorted(set(FIGURES) - {"figure3"}))
def test_bad_data_is_one_line(name, tmp_path, toy, capsys):
    missing, train = tmp_path / "missing.h5", tmp_path / "train.h5"
    small = write_photos(tmp_path / "small.h5", count=4)
    write_photos(train, split="train", triples=False)
    command, out = FIGURES[name].command, ("--out", tmp_path / "out")
    assert "missing.h5: no such file" in failure(capsys, command, "--data", missing, *out)
    assert "has no test photos" in failure(capsys, command, "--data", train, *out)
    if name != "figure2":
        more = ["--humans", 9] if name == "figure6" else ["--rows", 9]
        line = failure(capsys, command, "--data", small, *more, *out)
        assert "small.h5: has" in line
    assert not (tmp_path / "out").exists()


def test_folder_that_cannot_be_made_is_one_line(tmp_path, data, toy, capsys):
    (tmp_path / "taken").write_text("a file")
    assert "taken" in failure(capsys, figure4.command, "--data", data, "--out", tmp_path / "taken")


# ---------------------------------------------------------------- swap.py


@pytest.fixture
def photos(tmp_path):
    """Image files of a person, of what it wears, and of another article."""
    files = {"human": human(2, 4), "wearing": article(4), "article": article(9)}
    for name, picture in files.items():
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    return [part for name in files for part in (f"--{name}", tmp_path / f"{name}.png")]


@pytest.fixture
def file_toy(monkeypatch):
    """The toy model for image files."""
    monkeypatch.setattr(weights, "load_model", lambda *_: ToyModel())


def test_swap_writes_result_mask_and_grid(tmp_path, photos, file_toy):
    files = [tmp_path / name for name in ("out.png", "alpha.png", "grid.png")]
    assert run(swap.command, *photos, "--out", files[0], "--alpha-out", files[1], "--grid", files[2]) == 0
    np.testing.assert_array_equal(np.asarray(Image.open(files[0])), human(2, 9))
    alpha = np.asarray(Image.open(files[1]))
    assert alpha.shape == (HEIGHT, WIDTH) and set(np.unique(alpha)) == {0, 255}
    assert Image.open(files[2]).size[0] > 5 * 512
    for path in files:
        about = Image.open(path).text
        assert about["Checkpoint-SHA256"] == "ab" * 32 and about["Step"] == "7"
        assert str(tmp_path) not in str(about)


def test_swap_does_without_a_photo_of_the_worn_article(tmp_path, photos, file_toy, capsys):
    assert run(swap.command, *photos[:2], *photos[4:], "--out", tmp_path / "out.png") == 0
    said = capsys.readouterr().err.splitlines()  # the toy's photos are small
    assert [line.split(" is less than 96 pixels")[0] for line in said] == [
        f"Note: {tmp_path / name}.png" for name in ("human", "article")
    ]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out.png")), human(2, 9))


def test_swap_keeps_size_and_detail_outside_alpha(tmp_path, photos, file_toy):
    large = np.random.default_rng(0).integers(0, 256, (150, 90, 3), np.uint8)
    Image.fromarray(large).save(tmp_path / "human.png")
    out = tmp_path / "out.png"
    assert run(swap.command, *photos, "--out", out) == 0
    result = np.asarray(Image.open(out))
    assert result.shape == large.shape
    np.testing.assert_array_equal(result[:30], large[:30])  # above the painted rectangle
    assert np.abs(result[75, 45].astype(int) - article(9)[16, 16]).max() <= 1


@pytest.mark.parametrize("size", [(64, 64), (40, 100), (100, 41), (333, 77)])
def test_scaled_up_alpha_lies_where_the_photo_was_padded(size):
    """Reading a photo down and scaling up again brings its smooth brightness back to its place."""
    from data_prep.picture import fit

    width, height = size
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    photo = np.repeat((60 + 60 * across + 80 * down)[..., None], 3, axis=-1).astype(np.uint8)
    small = np.asarray(fit(Image.fromarray(photo), 128, 96), np.float32)[..., 0]
    large = enlarged(small, size)
    assert large.shape == (height, width)
    edge_h, edge_w = height // 6 + 4, width // 6 + 4  # where the padding's color bleeds in
    inner = (slice(edge_h, -edge_h), slice(edge_w, -edge_w))
    assert np.abs(large[inner] - photo[inner][..., 0]).max() < 4


def test_swap_bad_input_is_one_line_and_leaves_nothing(tmp_path, photos, file_toy, capsys):
    out, no_image = tmp_path / "out.png", tmp_path / "no.png"
    no_image.write_text("no image")
    assert "no.png: not an image" in failure(capsys, swap.command, *photos, "--human", no_image, "--out", out)
    assert "gone.png" in failure(
        capsys, swap.command, *photos, "--article", tmp_path / "gone.png", "--out", out
    )
    assert "out.xyz" in failure(capsys, swap.command, *photos, "--out", tmp_path / "out.xyz")
    assert "nowhere" in failure(capsys, swap.command, *photos, "--out", tmp_path / "nowhere" / "out.png")
    assert not out.exists()


def test_swap_script_runs_with_a_real_network(tmp_path, photos, checkpoint):
    out = tmp_path / "out.jpg"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "cagan_theano",
            "swap",
            *map(str, photos),
            "--out",
            out,
            "--checkpoint",
            checkpoint,
        ],
        cwd=tmp_path,
        env=weights.child_environment(),
        check=True,
    )
    assert Image.open(out).size == (WIDTH, HEIGHT) and Image.open(out).format == "JPEG"


def test_the_note_names_the_steps_of_both_trainings():
    model = ToyModel()
    assert provenance.steps(model) == "step 7"
    model.metadata = {"init": {"step": 0}}  # as `cagan train --init` stores it
    assert provenance.steps(model) == "step 7 after step 0 of another run"
