"""The measures against known values, swaps whose errors are known, and the command."""

import json

import numpy as np
import pytest
from conftest import run_command
from figure_toys import HEIGHT, WIDTH, ToyModel, article, body_mask, human, write_photos
from PIL import Image

from cagan_theano import weights
from cagan_theano.evaluation import evaluate, held_out, measures, metrics
from cagan_theano.evaluation.held_out import HeldOutSplit, Swaps
from cagan_theano.training.preview import choose_held_out, score
from cagan_theano.training.scores import SCORES, garment_region, mean_error, overlap, ratio
from data_prep.photoshoot import shoot
from data_prep.store import PhotoFile, PhotoWriter


def test_regions_are_above_their_levels():
    mask_i = np.array([[0, 127, 128, 255]], np.uint8)
    mask_ij = np.array([[255, 0, 0, 127]], np.uint8)
    np.testing.assert_array_equal(garment_region(mask_i, mask_ij), [[True, False, True, True]])
    alpha = np.array([[0.9, 0.6, 0.5, 0.1]])  # 0.5 itself is not above the threshold
    assert overlap(alpha, np.array([[True, False, True, False]])) == pytest.approx(1 / 3)
    assert overlap(np.zeros((2, 2)), np.zeros((2, 2), bool)) == 1.0


def test_an_empty_region_has_no_value():
    columns = {"e": np.array([1.0, 1.0, np.nan]), "u": np.array([1.0, 9.0, np.nan])}
    assert ratio("e", "u")(columns, np.array([3, 1, 5])) == pytest.approx(4 / 12)
    image, nowhere = np.ones((8, 8, 3)), np.zeros((8, 8), bool)
    assert np.isnan(mean_error(image, image, nowhere)) and metrics.grain(image, nowhere) == 0
    assert np.isnan(metrics.mean_over(image, nowhere)).all()
    assert np.isnan(metrics.texture(image, nowhere)).all()


def test_a_weighted_correlation_is_that_of_repeated_swaps():
    """As the bootstrap weighs them: one weight for each swap, several resamples at once."""
    rng = np.random.default_rng(4)
    a, b, counts = rng.random((6, 3)), rng.random((6, 3)), np.array([[2, 0, 1, 1, 0, 2], [0, 3, 1, 0, 1, 1]])
    repeated = [[np.repeat(array, row, axis=0).ravel() for array in (a, b)] for row in counts]
    expected = [np.corrcoef(*both)[0, 1] for both in repeated]
    assert abs(expected[0] - expected[1]) > 0.02
    columns = {"color": a, "true_color": b}
    np.testing.assert_allclose(metrics.color_correlation(columns, counts), expected)
    a[3] = np.nan  # a swap without a region is left out
    kept = np.arange(6) != 3
    found = metrics.color_correlation(columns, np.ones(6))
    assert found == pytest.approx(np.corrcoef(a[kept].ravel(), b[kept].ravel())[0, 1])
    assert np.isnan(metrics.color_correlation(columns | {"color": np.ones((6, 3))}, np.ones(6)))


def test_the_log_s_scores_are_the_evaluation_s(tmp_path):
    """One definition: what a training logs of all held-out swaps is what is evaluated."""

    class Noisy(ToyModel):
        """Swaps that err inside and outside of the region, each picture otherwise."""

        def swap(self, x_i, y_i, y_j, mask=None, batch_size=16):
            rng = np.random.default_rng(int(x_i.sum()))
            noise = rng.integers(-40, 41, x_i.shape) * rng.random((len(x_i), 1, 1, 1))
            x_ij = np.clip(x_i.astype(int) // 2 + y_j // 2 + noise, 0, 255).astype(np.uint8)
            alpha = rng.random(x_i.shape[:3]).astype(np.float32)
            return type("Swap", (), {"alpha": alpha, "x_ij": x_ij, "x_tilde_ij": x_ij})

    with PhotoFile(write_photos(tmp_path / "a.h5", pairs=2, tests=9)) as file:
        photos, model = file.split("test"), Noisy()
        chosen = choose_held_out(photos, 99)
        logged = score(chosen, model.swap(chosen.x_i, chosen.y_i, chosen.y_j))
        measured = measures.measure(model, HeldOutSplit("a", photos, {}), cycle=False)["ours"]
    assert len(chosen.x_i) == len(photos.triples.i) > 4 and set(logged) == set(SCORES)
    for name, value in logged.items():
        assert value == pytest.approx(measured.value(measures.MEASURES[name].of)), name


def attributes(pattern, cut=0, neckline=0, sleeve=0, front=0, length=0):
    """Stored attributes of one garment."""
    codes = dict(pattern=pattern, cut=cut, neckline=neckline, sleeve=sleeve, front=front, length=length)
    return {name: (code, list("abc")) for name, code in codes.items()}


def test_kinds_of_change_part_the_swaps(tmp_path):
    changes = [{"cut": 2}, {"neckline": 1}, {"sleeve": 1}, {"front": 2}, {"length": 1}]
    garments = [attributes(0), attributes(0), attributes(1), *(attributes(0, **one) for one in changes)]
    garments.append(attributes(1, sleeve=1))
    with PhotoWriter(tmp_path / "k.h5", HEIGHT, WIDTH, {}) as writer:
        for row, words in enumerate(garments):
            writer.add("test", human(0, row), article(row), 0, row, body_mask(), words)
    with PhotoFile(tmp_path / "k.h5") as file:
        j = np.arange(1, len(garments))
        kinds = measures.kinds_of(file.split("test"), Swaps(np.zeros_like(j), j, None))
    assert [next(k for k in kinds if kinds[k][n]) for n in range(8)] == list(measures.KINDS)
    assert (sum(part.astype(int) for part in kinds.values()) == 1).all()


def test_without_true_swaps_articles_are_of_the_same_category(tmp_path):
    words, codes = ["tops", "skirts", "hats"], (0, 0, 0, 0, 1, 1, 1, 1, 2)
    with PhotoWriter(tmp_path / "c.h5", HEIGHT, WIDTH, {}) as writer:
        for row, code in enumerate(codes):
            about = {"category": (code, words)}
            writer.add("test", human(row, row), article(row), row, row, body_mask(), about)
    with held_out.open_split(tmp_path / "c.h5", None) as opened:
        swaps = held_out.all_swaps(opened, seed=3)
    category = np.array(codes)
    assert sorted(swaps.i) == list(range(8))  # the hat has no other to swap
    assert (category[swaps.i] == category[swaps.j]).all() and (swaps.i != swaps.j).all()


def run(capsys, *arguments):
    """Exit code, stdout and stderr of the command."""
    return run_command(evaluate.command, *arguments), *capsys.readouterr()


def test_command_prints_a_table_and_writes_json(tmp_path, half, capsys):
    data, out = write_photos(tmp_path / "toy.h5"), tmp_path / "result.json"
    code, printed, error = run(capsys, "--checkpoint", "toy.h5", "--data", data, "--out", out)
    assert code == 0 and "inside_low_pass" in printed and "12 held-out swaps" in printed
    assert "has images of" not in error
    result = json.loads(out.read_text())
    assert result["n"] == 12 and result["sha256"] == half.sha256 and not result["gap"]
    assert set(result["measures"]) == set(measures.MEASURES)
    inside, flat = result["measures"]["inside"], result["baselines"]["flat fill"]["inside"]
    assert inside["low"] <= inside["value"] <= inside["high"] and flat["value"] == 0  # one flat color
    row = next(line for line in printed.splitlines() if line.startswith("inside "))
    assert row.split()[1] == f"{inside['value']:.3g}" and row.split()[4:10] == "1 [1, 1]* 0 [0, 0]*".split()
    assert len(result["swaps"]["color"]) == 12 and len(result["swaps"]["color"][0]) == 3
    assert str(tmp_path) not in out.read_text()
    half.config = half.config.replace(height=256, width=192)
    told = f"{data}: has images of {HEIGHT}x{WIDTH}, but the weights were trained at 256x192"
    assert told in run(capsys, "--data", data)[2]


def test_no_wearing_keeps_the_worn_article_from_the_model(tmp_path, monkeypatch, capsys):
    class Spy(ToyModel):
        def swap(self, x_i, y_i, y_j, mask=None, batch_size=16):
            assert (y_i == 77).all() or (y_j == 77).all()  # there, and on the way back
            return super().swap(x_i, y_i, y_j, mask)

    monkeypatch.setattr(weights, "load_model", lambda *_: Spy(0.5))
    monkeypatch.setattr(measures, "cut_out_worn", lambda model, x_i, y_j: np.full_like(x_i, 77))
    code, printed, _ = run(capsys, "--data", write_photos(tmp_path / "toy.h5"), "--no-wearing")
    assert code == 0 and "12 held-out swaps" in printed


@pytest.mark.parametrize("triples, masks", [(False, True), (True, False)])
def test_data_without_true_swaps_gives_the_remaining_measures(tmp_path, half, capsys, triples, masks):
    data, out = write_photos(tmp_path / "toy.h5", triples=triples, masks=masks), tmp_path / "r.json"
    half.share = 0.0
    code, _, _ = run(capsys, "--data", data, "--out", out)
    result = json.loads(out.read_text())
    assert code == 0 and result["n"] == 12 and result["measures"]["cycle"]["value"] == 0
    assert set(result["measures"]) == {"cycle", *(["alpha_iou_worn"] if masks else [])}
    assert result["baselines"] == {} and "error_inside" not in result["swaps"]


def test_save_images_writes_folders_that_metric_tools_read(tmp_path, half, capsys):
    half.share = 0.0  # a perfect swap
    data, folder = write_photos(tmp_path / "toy.h5"), tmp_path / "images"
    assert run(capsys, "--data", data, "--save-images", folder)[0] == 0
    names = [sorted(p.name for p in (folder / n).iterdir()) for n in ("real", "fake", "truth")]
    assert names[0] == names[1] == names[2] and len(names[0]) == 12
    real, fake, truth = (np.asarray(Image.open(folder / n / "000003.png")) for n in ("real", "fake", "truth"))
    np.testing.assert_array_equal(fake, truth)
    np.testing.assert_array_equal(real, human(1, 3))
    code, _, error = run(capsys, "--data", data, "--save-images", folder)
    assert code == 1 and error == f"Error: {folder}: exists and is not empty; name another folder\n"


def test_the_gap_is_to_the_pairs_that_were_trained_on(tmp_path, half, capsys):
    """Of one's own photos, the train split; without it, the results are as complete as they can be."""
    path, out = tmp_path / "own.h5", tmp_path / "r.json"
    write_photos(path, tests=5, pairs=7, triples=False, provenance={"program": "own"})
    assert run(capsys, "--data", path, "--out", out, "--gap")[0] == 0
    assert json.loads(out.read_text())["gap"] == {}
    half.metadata = {"data": {"provenance": {"program": "own"}}}
    code, printed, _ = run(capsys, "--data", path, "--out", out, "--gap")
    result = json.loads(out.read_text())
    assert code == 0 and "minus trained-on swaps:\n" in printed
    assert (result["n"], result["trained_n"]) == (5, 7)
    entry = result["gap"]["cycle"]
    assert entry["held_out"]["value"] - entry["trained"]["value"] == pytest.approx(entry["gap"]["value"])
    with held_out.open_split(path, half) as held:
        assert evaluate.find_trained(half, held) == held.path


def test_the_training_set_is_rendered_again_only_for_its_own_held_out_split(tmp_path, monkeypatch, capsys):
    """The very images, of the same seed, wardrobe and studio, by the same version of the photoshoot."""
    monkeypatch.setattr(held_out.cache, "user_folder", lambda: tmp_path)
    monkeypatch.setattr(evaluate, "TRAINED", 4)
    shoot.shoot(tmp_path / "s.h5", 5, (32, 32), 3, 4, jobs=1)
    model, arguments = ToyModel(), {"pairs": 9, "clutter": False, "wardrobe": "paper", "studio": "one"}
    with held_out.open_split(tmp_path / "s.h5", model) as held:

        def trained_on(**changes):
            origin = {**held.provenance, "arguments": arguments} | changes
            model.metadata = {"data": {"provenance": origin, "pairs": 9}}
            return evaluate.find_trained(model, held)

        with held_out.open_split(trained_on(), model, split="train") as trained, PhotoFile(held.path) as file:
            own = file.split("train")
            for one, other in ((trained.photos.x, own.x), (trained.photos.y, own.y)):
                np.testing.assert_array_equal(one.load(), other.load()[:4])
            assert len(trained.photos.triples.i) == 4
        for changed in ({"wardrobe": "shop"}, {"studio": "many"}):
            assert trained_on(arguments=arguments | changed) is None
        assert trained_on(seed=4) is trained_on(program="x") is trained_on(version=2) is None
    said = capsys.readouterr().err.splitlines()
    (line,) = (line for line in said if line.startswith("no comparison with the training set"))
    assert line.endswith(f": it was rendered by version 2 of the photoshoot, this is version {shoot.VERSION}")


def test_results_are_written_before_anything_optional(tmp_path, half, capsys, monkeypatch):
    """A gap whose photoshoot cannot be rendered is an error after the results are there."""
    data, out = write_photos(tmp_path / "toy.h5"), tmp_path / "r.json"

    def fails(*_):
        raise ValueError("the photoshoot needs the package embreex")

    monkeypatch.setattr(evaluate, "find_trained", fails)
    code, printed, error = run(capsys, "--data", data, "--out", out, "--gap")
    assert code == 1 and "needs the package embreex" in error
    assert "inside_low_pass" in printed and json.loads(out.read_text())["n"] == 12


def test_without_the_renderer_the_shipped_images_are_taken(half, capsys, monkeypatch):
    def missing():
        raise ValueError("the photoshoot needs the package embreex, which is not installed")

    half.config = half.config.replace(height=128, width=96)
    assert held_out.shipped(half, 200) is None and held_out.shipped(half) == weights.held_out(128, 96)
    monkeypatch.setattr(shoot, "check_renderer", missing)
    assert held_out.shipped(half, 200) == weights.held_out(128, 96)
    said = capsys.readouterr().err
    assert said.startswith("heldout_128x96.h5: used instead of 200 new renderings, since the photoshoot")
    with held_out.open_split(None, half, 200) as held:
        assert held.path.endswith("heldout_128x96.h5") and len(held.photos.triples.i) == 48
