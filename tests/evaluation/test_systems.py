"""Other systems beside ours: the perfect swap, the unchanged image and a folder of pictures."""

import json

import numpy as np
import pytest
from conftest import run_command
from figure_toys import BODY, article, human, write_photos
from PIL import Image

from cagan_theano.evaluation import evaluate, held_out, measures, systems
from cagan_theano.interop import compare


def perfect(x_i, y_i, y_j):
    """A system that paints the true swap: the third next garment."""
    assert x_i.dtype == y_i.dtype == y_j.dtype == np.uint8
    x_ij = x_i.copy()
    x_ij[:, *BODY] = y_j[:, 16, 16][:, None, None]
    return x_ij


def masked(x_i, y_i, y_j):
    """`perfect`, with alpha 1 where the garments are drawn."""
    alpha = np.zeros((len(x_i), 1, *x_i.shape[1:3]))
    alpha[:, :, *BODY] = 1
    return perfect(x_i, y_i, y_j), alpha


def floats(x_i, y_i, y_j):
    return x_i / 255.0


def logits(x_i, y_i, y_j):
    return x_i, x_i[..., 0] / 10.0


def broken(x_i, y_i, y_j):
    return np.concatenate([x_i, y_i[:, 1:]], -1)


def tensor(x_i, y_i, y_j):
    class OnGPU:
        def __array__(self, *_args, **_named):
            raise TypeError("can't convert a cuda tensor to numpy")

    return [x_i, OnGPU()]


def leaves(x_i, y_i, y_j):
    raise SystemExit(0)


def small(x_i, y_i, y_j):
    return x_i[:, ::2]


def run(capsys, *options):
    """(exit code, standard output, standard error) of compare.py."""
    return run_command(compare.command, *options), *capsys.readouterr()


def test_measures_of_known_systems(toy_data, half):
    with held_out.open_split(toy_data, None) as held:
        others = {
            "perfect": systems.of_callable(perfect, "perfect"),
            "lazy": systems.of_callable(lambda x_i, y_i, y_j: x_i, "lazy"),
            "twin": systems.of_model(half, held),
            "masked": systems.of_callable(masked, "masked"),
        }
        found = measures.compare(measures.measure(half, held, systems=others, cycle=False))
    inside = {name: entry["inside"]["value"] for name, entry in found.items()}
    assert inside["perfect"] == 0 and inside["lazy"] == inside["unchanged"] == 1
    assert inside["twin"] == inside["ours"] == pytest.approx(0.5, abs=0.02)
    above = found["perfect"]["inside"]["above_ours"]
    assert above["value"] == pytest.approx(-0.5, abs=0.02) and above["high"] < 0
    text = evaluate.table(found)
    assert "0 [0, 0]*" in text and "recoloring" in text
    assert found["masked"]["alpha_iou"]["value"] == 1 > found["twin"]["alpha_iou"]["value"]
    assert "alpha_iou" not in found["perfect"]
    row = next(line for line in text.splitlines() if line.startswith("alpha_iou "))
    assert row.split().count("-") == 5  # perfect, lazy and the baselines


def test_inputs_out_and_another_systems_folder_back(tmp_path, capsys, toy_data, half):
    inputs, answers, out = tmp_path / "in", tmp_path / "answers", tmp_path / "out"
    assert run(capsys, "--inputs", inputs, "--data", toy_data)[0] == 0
    for inner in ("x_ij", "alpha"):
        (answers / inner).mkdir(parents=True)
    for path in (inputs / "x_i").iterdir():
        pictures = (np.asarray(Image.open(inputs / name / path.name))[None] for name in ("x_i", "y_i", "y_j"))
        x_ij, alpha = masked(*pictures)
        Image.fromarray(x_ij[0]).save(answers / "x_ij" / path.name)
        Image.fromarray(np.uint8(255 * alpha[0, 0])).save(answers / "alpha" / path.name)
    np.testing.assert_array_equal(Image.open(inputs / "x_i" / "000003.png"), human(1, 3))
    np.testing.assert_array_equal(Image.open(inputs / "y_j" / "000003.png"), article(6))
    code, text, _ = run(capsys, "--against", f"other={answers}", "--data", toy_data, "--out", out)
    assert code == 0 and "12 swaps" in text
    result = json.loads((out / "compare.json").read_text())
    assert result["measures"]["other"]["inside"]["value"] == 0
    assert result["measures"]["other"]["alpha_iou"]["value"] == 1
    assert result["systems"] == ["other"] and (out / "compare.png").stat().st_size > 10_000
    (answers / "x_ij" / "000007.png").unlink()
    code, _, fault = run(capsys, "--against", f"other={answers}", "--data", toy_data, "--out", out)
    assert code == 1 and "000007.png: no such file" in fault


def test_a_system_may_be_shipped_weights_by_name(monkeypatch, half):
    monkeypatch.setattr(systems.weights, "load_model", lambda name, *_: {"dress_128x96": half}[name])
    assert callable(systems.open_system("dress_128x96", None, None, "auto", None))


def test_pictures_without_truth_are_shown_and_not_measured(tmp_path, capsys, half):
    photos = write_photos(tmp_path / "toys.h5", triples=False, masks=False)
    words = ["--against", "other=test_systems:perfect", "--data", photos, "--out", tmp_path / "out"]
    code, text, _ = run(capsys, *words, "--rows", 2)
    assert code == 0 and "nothing is measured" in text
    assert json.loads((tmp_path / "out" / "compare.json").read_text())["measures"] == {}
    assert (tmp_path / "out" / "compare.png").exists()


def test_the_figure_has_a_column_for_each_system():
    rng = np.random.default_rng(0)
    names = ("y_i", "x_i", "y_j", "truth", "ours", "perfect")
    kept = {name: {n: rng.integers(0, 256, (32, 32, 3), np.uint8) for n in (1, 5, 7)} for name in names}
    figure = systems.draw(kept, [7, 1, 5], ["ours", "perfect"], "note")
    panels = {axes.get_label(): axes for axes in figure.axes}
    assert len(panels) == 3 * 6
    last = [panels[f"2,{column}"].get_xlabel() for column in range(6)]
    assert last == ["$y_i$", "$x_i$", "$y_j$", "true swap", "ours", "perfect"]
    np.testing.assert_array_equal(panels["1,4"].images[0].get_array(), kept["ours"][1])


@pytest.mark.parametrize("options, fault", [
    ([], "nothing to compare; give --golden, --against, --inputs or --template"),
    (["--against", "folder"], "is not NAME=FOLDER"),
    (["--against", "$x=folder"], "is not NAME=FOLDER"),
    (["--against", "ours=folder"], "the name 'ours' is reserved"),
    (["--against", "a=none"], "none: no such folder"),
    (["--against", "a=test_systems:floats"], "returns float64; must return uint8 RGB"),
    (["--against", "a=test_systems:small"], "has shape (12, 16, 32, 3), not (12, 32, 32, 3)"),
    (["--against", "a=test_systems:logits"], "alpha must be [12, 32, 32] in [0, 1]"),
    (["--against", "a=test_systems:broken"], "your function test_systems:broken raised ValueError: all"),
    (["--against", "a=test_systems:tensor"], "is no array, raised TypeError: can't convert a cuda tensor"),
    (["--against", "a=test_systems:leaves"], "your function test_systems:leaves raised SystemExit: 0"),
    (["--against", "a=x", "--against", "a=y"], "two systems have the same name"),
    (["--inputs", "."], "exists and is not empty"),
])  # fmt: skip
def test_errors_are_one_line(tmp_path, capsys, toy_data, half, options, fault):
    code, _, text = run(capsys, *options, "--data", toy_data, "--out", tmp_path)
    line = text.split("\r")[-1]  # behind the progress bar
    assert code != 0 and line.startswith("Error: ") and fault in line
    assert len(line.splitlines()) == 1
    assert not (tmp_path / "compare.json").exists()
