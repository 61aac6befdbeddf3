"""The measures against plain loops, known values, and swaps whose errors are known."""

import json

import numpy as np
import pytest
from figure_toys import HEIGHT, WIDTH, ToyModel, article, body_mask, human, write_photos

from cagan_theano import weights
from cagan_theano.evaluation import evaluate, held_out, measures, metrics
from cagan_theano.evaluation.held_out import HeldOutSplit
from cagan_theano.io.command import main
from data_prep.store import PhotoFile, PhotoWriter


def pictures(seed, height=9, width=7):
    """A picture, its truth, and a region that is neither empty nor full."""
    rng = np.random.default_rng(seed)
    region = rng.random((height, width)) < 0.4
    region[0, 0], region[-1, -1] = True, False
    return rng.random((height, width, 3)), rng.random((height, width, 3)), region


def test_mean_error_is_the_plain_loop():
    picture, truth, region = pictures(0)
    total, count = 0.0, 0
    for r in range(9):
        for c in range(7):
            for channel in range(3):
                if region[r, c]:
                    total += abs(picture[r, c, channel] - truth[r, c, channel])
                    count += 1
    assert metrics.mean_error(picture, truth, region) == pytest.approx(total / count, rel=1e-12)


@pytest.mark.parametrize("size", [1, 3, 8])
def test_low_pass_is_the_plain_loop(size):
    picture, _, _ = pictures(1, 12, 11)
    filtered = metrics.low_pass(picture, size)
    for r in range(12):
        for c in range(11):
            total = np.zeros(3)
            for dr in range(-(size // 2), size - size // 2):
                for dc in range(-(size // 2), size - size // 2):
                    total += picture[min(max(r + dr, 0), 11), min(max(c + dc, 0), 10)]
            np.testing.assert_allclose(filtered[r, c], total / size**2, rtol=1e-10)


def test_low_pass_removes_stripes_of_its_own_period():
    stripes = np.repeat(np.where(np.arange(64) % 8 < 4, 0.0, 1.0)[:, None], 48, axis=1)
    flat = metrics.low_pass(np.repeat(stripes[..., None], 3, axis=-1), 8)
    np.testing.assert_allclose(flat[8:-8], 0.5, atol=1e-12)


def test_low_pass_window_grows_with_the_picture():
    assert [metrics.low_pass_size(height) for height in (16, 128, 256, 512)] == [1, 8, 16, 32]


def test_garment_region_joins_both_masks_above_the_level():
    mask_i = np.array([[0, 127, 128, 255]], np.uint8)
    mask_ij = np.array([[255, 0, 0, 127]], np.uint8)
    np.testing.assert_array_equal(metrics.garment_region(mask_i, mask_ij), [[True, False, True, True]])


def test_change_region_wants_more_than_eight_levels_in_some_channel():
    x_i = np.zeros((1, 3, 3))
    truth = np.array([[[8, 8, 8], [0, 9, 0], [0, 0, 0]]]) / 255
    np.testing.assert_array_equal(metrics.change_region(x_i, truth), [[False, True, False]])


def test_overlap_by_counting():
    alpha = np.array([[0.9, 0.6, 0.5, 0.1]])  # 0.5 itself is not above the threshold
    region = np.array([[True, False, True, False]])
    assert metrics.overlap(alpha, region) == pytest.approx(1 / 3)
    assert metrics.overlap(alpha, alpha > 0.5) == 1.0
    assert metrics.overlap(np.zeros((2, 2)), np.zeros((2, 2), bool)) == 1.0


def test_ssim_by_its_formula_on_flat_and_equal_pictures():
    picture, truth, _ = pictures(2, 16, 16)
    np.testing.assert_allclose(metrics.ssim_map(picture, picture), 1.0)
    a, b = 0.3, 0.7  # flat: only the luminance term differs from 1
    expected = (2 * a * b + 0.01**2) / (a * a + b * b + 0.01**2)
    flat = metrics.ssim_map(np.full((16, 16, 3), a), np.full((16, 16, 3), b))
    np.testing.assert_allclose(flat[8, 8], expected, rtol=1e-9)
    assert metrics.ssim_map(picture, truth).mean() < 0.3


def test_ssim_at_one_pixel_is_the_formula_with_gaussian_weights():
    picture, truth, _ = pictures(3, 21, 21)
    steps = np.arange(-5, 6)
    weights = np.exp(-(steps**2) / (2 * 1.5**2))
    weights = np.outer(weights, weights) / weights.sum() ** 2
    values = []
    for channel in range(3):
        a, b = (p[5:16, 5:16, channel] for p in (picture, truth))
        mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
        var_a, var_b = (weights * a * a).sum() - mean_a**2, (weights * b * b).sum() - mean_b**2
        both = (weights * a * b).sum() - mean_a * mean_b
        values.append(
            (2 * mean_a * mean_b + 1e-4)
            * (2 * both + 9e-4)
            / ((mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4))
        )
    assert metrics.ssim_map(picture, truth)[10, 10] == pytest.approx(np.mean(values), rel=1e-6)


def test_mean_color_and_correlation_against_numpy():
    picture, _, region = pictures(4)
    expected = [picture[..., channel][region].mean() for channel in range(3)]
    np.testing.assert_allclose(metrics.mean_color(picture, region), expected)
    rng = np.random.default_rng(5)
    a, b = rng.random((2, 10, 3))
    expected = np.corrcoef(a.ravel(), b.ravel())[0, 1]
    assert metrics.correlation(a, b) == pytest.approx(expected)
    a[3] = np.nan  # a triple without a region is left out
    kept = np.arange(10) != 3
    expected = np.corrcoef(a[kept].ravel(), b[kept].ravel())[0, 1]
    assert metrics.correlation(a, b) == pytest.approx(expected)
    assert np.isnan(metrics.correlation(np.ones((4, 3)), b[:4]))


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    path = write_photos(tmp_path_factory.mktemp("data") / "toy.h5")
    with held_out.open_split(path, None) as opened:
        yield opened


def values(held, share):
    """name -> value of the measures of a toy model that keeps a share of the input."""
    summary = evaluate.summarize(evaluate.measure(ToyModel(share), held), resamples=50)
    return {name: entry["value"] for name, entry in summary.items()}


def test_a_perfect_swap_has_no_error(held):
    found = values(held, 0.0)
    for name in ("inside", "inside_low_pass", "changed", "changed_low_pass", "outside"):
        assert found[name] == 0
    for name in ("alpha_iou", "ssim_inside", "ssim_outside", "color_correlation"):
        assert found[name] == pytest.approx(1)


def test_the_unchanged_image_is_the_unit(held):
    found = values(held, 1.0)
    for name in ("inside", "inside_low_pass", "changed", "changed_low_pass"):
        assert found[name] == 1
    assert found["alpha_iou"] == 0
    assert found["ssim_inside"] == found["ssim_inside_unchanged"] < 1
    assert found["outside"] == found["outside_unchanged"] == 0


def test_half_a_swap_has_half_the_error(held):
    found = values(held, 0.5)
    assert found["inside"] == pytest.approx(0.5, abs=0.01)  # rounding to 8 bits
    assert found["inside_low_pass"] == pytest.approx(0.5, abs=0.01)


def test_share_is_a_ratio_of_means_not_a_mean_of_ratios():
    columns = {"e": np.array([1.0, 1.0, np.nan]), "u": np.array([1.0, 9.0, np.nan])}
    assert evaluate.ratio("e", "u")(columns, np.ones(3)) == pytest.approx(0.2)
    assert evaluate.ratio("e", "u")(columns, np.array([3, 1, 5])) == pytest.approx(4 / 12)


def run(capsys, *arguments):
    """Exit code, stdout and stderr of the command."""
    with pytest.raises(SystemExit) as done:
        main(evaluate.command, [str(argument) for argument in arguments])
    return done.value.code, *capsys.readouterr()


def test_command_prints_a_table_and_writes_json(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(weights, "load_model", lambda *_: ToyModel(0.5))
    data, out = write_photos(tmp_path / "toy.h5"), tmp_path / "result.json"
    code, printed, _ = run(capsys, "--checkpoint", "toy.h5", "--data", data, "--out", out)
    assert code == 0 and "inside_low_pass" in printed and "12 held-out swaps" in printed
    result = json.loads(out.read_text())
    assert result["n"] == 12 and result["sha256"] == ToyModel().sha256
    assert set(result["measures"]) == {measure.name for measure in evaluate.MEASURES}
    inside = result["measures"]["inside"]
    assert inside["low"] <= inside["value"] <= inside["high"]
    assert len(result["swaps"]["color"]) == 12 and len(result["swaps"]["color"][0]) == 3
    assert str(tmp_path) not in out.read_text()


def test_images_of_another_size_than_the_weights_are_told(tmp_path, monkeypatch, capsys):
    data, model = write_photos(tmp_path / "toy.h5"), ToyModel(0.5)
    monkeypatch.setattr(weights, "load_model", lambda *_: model)
    assert "has images of" not in run(capsys, "--data", data)[2]
    with PhotoFile.open(data) as file:
        here = f"{file.height}x{file.width}"
    model.config = model.config.replace(height=256, width=192)
    code, printed, error = run(capsys, "--data", data)
    assert code == 0 and "12 held-out swaps" in printed
    assert f"{data}: has images of {here}, but the weights were trained at 256x192" in error


def test_no_wearing_keeps_the_worn_article_from_the_model(tmp_path, monkeypatch, capsys):
    class Spy(ToyModel):
        def swap(self, x_i, y_i, y_j, mask=None, batch_size=16):
            assert (y_i == 77).all()
            return super().swap(x_i, y_i, y_j, mask)

    monkeypatch.setattr(weights, "load_model", lambda *_: Spy(0.5))
    monkeypatch.setattr(measures, "cut_out_worn", lambda model, x_i, y_j: np.full_like(x_i, 77))
    code, printed, _ = run(capsys, "--data", write_photos(tmp_path / "toy.h5"), "--no-wearing")
    assert code == 0 and "12 held-out swaps" in printed


@pytest.mark.parametrize("triples, masks", [(False, True), (True, False), (False, False)])
def test_data_without_truth_give_what_needs_none(tmp_path, monkeypatch, capsys, triples, masks):
    monkeypatch.setattr(weights, "load_model", lambda *_: ToyModel())
    data, out = write_photos(tmp_path / "toy.h5", triples=triples, masks=masks), tmp_path / "r.json"
    code, _, _ = run(capsys, "--data", data, "--out", out, "--plot", tmp_path / "r.png")
    result = json.loads(out.read_text())
    assert code == 0 and result["n"] == 12 and result["measures"]["cycle"]["value"] == 0
    assert ("alpha_iou_worn" in result["measures"]) == masks
    assert "inside" not in result["measures"] and not result["bands"] and not result["gap"]
    if masks:
        assert result["measures"]["alpha_iou_worn"]["value"] == 1
    assert (tmp_path / "r.png").read_bytes()[:4] == b"\x89PNG"


def test_the_way_back_of_half_a_swap(held):
    # toy: x_i -> (x_i + c_j) / 2 -> (x_i + c_j + 2 c_i) / 4 = x_i / 4 + ..., and x_i = c_i inside
    columns = evaluate.measure(ToyModel(0.5), held)
    x, i, j = held.photos.x.load() / 255.0, held.photos.triples.i, held.photos.triples.j
    colors = x[:, 16, 16]
    expected = np.abs(colors[i] - colors[j]).mean(axis=-1) / 4
    np.testing.assert_allclose(columns["cycle_inside"], expected, atol=1 / 255)
    share = body_mask().mean() / 255
    np.testing.assert_allclose(columns["cycle"], expected * share, atol=1 / 255)


def test_flat_fill_paints_the_article_color_where_the_mask_is():
    y = np.full((8, 8, 3), 0.96)
    y[2:6, 2:6] = [[[0.2, 0.4, 0.6]], [[0.4, 0.4, 0.6]], [[0.2, 0.4, 0.6]], [[0.4, 0.4, 0.6]]]
    np.testing.assert_allclose(metrics.article_color(y), [0.3, 0.4, 0.6])
    assert (metrics.article_color(np.ones((4, 4, 3))) == 1).all()  # no article to be seen
    mask = np.zeros((8, 8), np.uint8)
    mask[0, :2] = 255, 51
    filled = metrics.flat_fill(np.zeros((8, 8, 3)), y, mask)
    np.testing.assert_allclose(filled[0, :3], [[0.3, 0.4, 0.6], [0.06, 0.08, 0.12], [0, 0, 0]])


def test_bands_add_up_and_a_wave_is_where_its_period_says():
    picture = pictures(6, 64, 48)[0]
    np.testing.assert_allclose(metrics.bands(picture).sum(axis=0), picture, atol=1e-12)
    period, height = 12.0, 256  # 256 high: sigmas are twice those of 128
    wave = np.sin(2 * np.pi * np.arange(height) / period)[:, None, None] * np.ones((1, 8, 1))
    left = [1.0] + [np.exp(-2 * (np.pi * 2 * s / period) ** 2) for s in metrics.BANDS]
    strength = np.abs(metrics.bands(wave)[:, 64:-64]).max(axis=(1, 2, 3))
    np.testing.assert_allclose(strength[:-1], np.diff(left) * -1, atol=4e-3)


def test_texture_is_an_amount_wherever_it_lies():
    """Stripes moved by half a period have the same texture; gray has none; twice the contrast, twice."""
    rows = np.arange(128)[:, None, None]
    stripes = 0.5 + 0.2 * (-1.0) ** (rows // 2) * np.ones((1, 16, 3))
    region = np.zeros((128, 16), bool)
    region[32:96] = True
    amount = metrics.texture(stripes, region)
    np.testing.assert_allclose(metrics.texture(np.roll(stripes, 2, axis=0), region), amount)
    np.testing.assert_allclose(metrics.texture(2 * stripes, region), 2 * amount)
    assert (amount > 0.15).all() and metrics.texture(np.full((128, 16, 3), 0.3), region).max() < 1e-12
    fine = metrics.bands(stripes)[:2].sum(axis=0)
    np.testing.assert_allclose(amount, np.abs(fine[region]).mean(axis=0))
    assert np.isnan(metrics.texture(stripes, region & False)).all()


def test_alpha_precision_and_recall_by_counting():
    rng = np.random.default_rng(7)
    alpha, region = rng.random((20, 10)), rng.random((20, 10)) < 0.3
    alpha[0, :3] = 0, 0.5, 1
    counts = metrics.alpha_counts(alpha, region)
    precision, recall = metrics.precision_recall(counts)
    assert precision[0] == pytest.approx(region.mean()) and recall[0] == 1  # everything painted
    for k in (1, 27, 51, 100):
        painted = alpha > (k - 1) / 100
        assert precision[k] == pytest.approx((painted & region).sum() / painted.sum())
        assert recall[k] == pytest.approx((painted & region).sum() / region.sum())
    assert measures.precision_at_half(counts) == pytest.approx(region[alpha > 0.5].mean())


def test_average_precision_of_a_small_ranking():
    alpha = np.array([[0.95, 0.75, 0.55, 0.35]])  # right, wrong, right, wrong
    counts = metrics.alpha_counts(alpha, np.array([[True, False, True, False]]))
    assert metrics.average_precision(counts) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert metrics.average_precision(metrics.alpha_counts(alpha, alpha > 0.5)) == 1


def attributes(pattern, cut=0, neckline=0, sleeve=0, front=0, length=0):
    """Stored attributes of one garment."""
    codes = dict(pattern=pattern, cut=cut, neckline=neckline, sleeve=sleeve, front=front, length=length)
    return {name: (code, list("abc")) for name, code in codes.items()}


def test_kinds_of_change_part_the_swaps(tmp_path):
    garments = [
        attributes(0),
        attributes(0),
        attributes(1),
        attributes(0, cut=2),
        attributes(0, neckline=1),
        attributes(0, sleeve=1),
        attributes(0, front=2),
        attributes(0, length=1),
        attributes(1, sleeve=1),
    ]
    with PhotoWriter(tmp_path / "k.h5", HEIGHT, WIDTH, {}) as writer:
        for row, words in enumerate(garments):
            writer.add("test", human(0, row), article(row), 0, row, body_mask(), words)
    with PhotoFile(tmp_path / "k.h5") as file:
        j = np.arange(1, len(garments))
        swaps = measures.Swaps(np.zeros_like(j), j, None)
        kinds = measures.kinds_of(file.split("test"), swaps)
    assert [next(k for k in kinds if kinds[k][n]) for n in range(8)] == list(measures.KINDS)
    assert (sum(part.astype(int) for part in kinds.values()) == 1).all()


def write_categories(path, triples=True):
    """Nine pairs of three categories, the last of which has a single garment."""
    words = ["tops", "skirts", "hats\n"]
    with PhotoWriter(path, HEIGHT, WIDTH, {}) as writer:
        for row, code in enumerate((0, 0, 0, 0, 1, 1, 1, 1, 2)):
            codes = {"category": (code, words)}
            writer.add("test", human(row, row), article(row), row, row, body_mask(), codes)
        for i, j in ((0, 1), (1, 2), (2, 3), (4, 5), (5, 6)) if triples else ():
            writer.add_triple(i, j, human(i, j), body_mask())
    return path


def test_a_weighted_correlation_is_that_of_repeated_swaps():
    """As the bootstrap weighs them: one weight for each swap, several resamples at once."""
    rng = np.random.default_rng(4)
    a, b, weights = rng.random((6, 3)), rng.random((6, 3)), np.array([[2, 0, 1, 1, 0, 2], [0, 3, 1, 0, 1, 1]])
    found = metrics.correlation(a, b, weights)
    expected = [
        np.corrcoef(np.repeat(a, row, axis=0).ravel(), np.repeat(b, row, axis=0).ravel())[0, 1]
        for row in weights
    ]
    assert found.shape == (2,) and abs(expected[0] - expected[1]) > 0.02
    np.testing.assert_allclose(found, expected)


def test_ones_own_photos_are_compared_with_their_train_split(tmp_path):
    """The gap is to the pairs that were trained on, not to the held-out ones again."""
    path = tmp_path / "own.h5"
    with PhotoWriter(path, HEIGHT, WIDTH, {"program": "own"}) as writer:
        for row in range(12):
            split = "train" if row < 7 else "test"
            writer.add(split, human(row, row), article(row), row, row, body_mask())
    model = ToyModel(0.5)
    model.metadata = {"data": {"provenance": {"program": "own"}}}
    with held_out.open_split(path, model) as held, evaluate.trained_on(model, held) as trained:
        assert sorted(trained.photos.garment) == list(range(7))
        assert sorted(held.photos.garment) == list(range(7, 12))


def test_categories_are_measured_apart(tmp_path, monkeypatch, capsys):
    """Each category's numbers are those of a file with its swaps alone."""
    monkeypatch.setattr(weights, "load_model", lambda *_: ToyModel(0.5))
    data, out = write_categories(tmp_path / "c.h5"), tmp_path / "result.json"
    code, printed, _ = run(capsys, "--data", data, "--out", out)
    found = json.loads(out.read_text())["groups"]["category"]
    assert code == 0 and {name: entry["n"] for name, entry in found.items()} == {"tops": 3, "skirts": 2}
    assert "category tops" in printed and "of these 2 swaps" in printed
    with held_out.open_split(data, None) as opened:
        for name, rows in (("tops", slice(0, 3)), ("skirts", slice(3, 5))):
            swaps = measures.Swaps(*(part[rows] for part in measures.all_swaps(opened)))
            alone = evaluate.summarize(measures.measure(ToyModel(0.5), opened, swaps), resamples=20)
            for key in ("inside", "changed", "outside", "alpha_iou", "alpha_iou_worn", "cycle"):
                assert found[name][key]["value"] == pytest.approx(alone[key]["value"]), (name, key)


def test_a_study_s_examples_show_every_category(tmp_path):
    from cagan_theano.studies import ablations

    with held_out.open_split(write_categories(tmp_path / "c.h5"), None) as opened:
        chosen = ablations.examples(opened)
    assert list(zip(chosen.i, chosen.j)) == [(0, 1), (4, 5), (1, 2), (2, 3)]
    assert list(chosen.triple) == [0, 3, 1, 2]


def test_without_true_swaps_articles_are_of_the_same_category(tmp_path):
    with held_out.open_split(write_categories(tmp_path / "c.h5", triples=False), None) as opened:
        swaps = measures.all_swaps(opened, seed=3)
        category = opened.photos.attributes["category"]
        assert sorted(swaps.i) == list(range(8))  # the hat has no other to swap
        assert (category[swaps.i] == category[swaps.j]).all() and (swaps.i != swaps.j).all()
        found = evaluate.summarize_groups(measures.measure(ToyModel(), opened, swaps))["category"]
    assert {name: entry["n"] for name, entry in found.items()} == {"tops": 4, "skirts": 4}
    assert "inside" not in found["tops"] and found["tops"]["alpha_iou_worn"]["value"] == 1
    line = evaluate.group_line("category", "hats\n", found["tops"])
    assert "\n" not in line and "`alpha_iou_worn` of these 4 swaps" in line


def test_data_without_categories_have_none(held):
    columns = evaluate.measure(ToyModel(), held)
    assert evaluate.summarize_groups(columns) == {}


def test_save_images_writes_folders_that_metric_tools_read(tmp_path, monkeypatch, capsys):
    from PIL import Image

    monkeypatch.setattr(weights, "load_model", lambda *_: ToyModel(0.0))
    data, folder = write_photos(tmp_path / "toy.h5"), tmp_path / "images"
    code, _, _ = run(capsys, "--data", data, "--save-images", folder)
    assert code == 0
    names = [sorted(p.name for p in (folder / n).iterdir()) for n in ("real", "fake", "truth")]
    assert names[0] == names[1] == names[2] and len(names[0]) == 12
    read = lambda n: np.asarray(Image.open(folder / n / "000003.png"))  # noqa: E731
    np.testing.assert_array_equal(read("fake"), read("truth"))  # the toy swaps perfectly
    np.testing.assert_array_equal(read("real"), human(1, 3))
    code, _, error = run(capsys, "--data", data, "--save-images", folder)
    assert code == 1 and error == f"Error: {folder}: exists and is not empty; name another folder\n"


def test_toy_pictures_have_the_stated_size(held):
    assert held.photos.x.shape == (12, HEIGHT, WIDTH, 3)


def test_the_log_s_scores_are_the_evaluation_s(tmp_path):
    """One definition: what a training logs of all held-out swaps is what `evaluate.py` measures."""
    from conftest import write_tiny_photos

    from cagan_theano.training.preview import choose_held_out, scores
    from cagan_theano.training.scores import SCORES

    class Noisy(ToyModel):
        """Swaps that err inside and outside of the region, each picture otherwise."""

        def swap(self, x_i, y_i, y_j, mask=None, batch_size=16):
            rng = np.random.default_rng(int(x_i.sum()))
            noise = rng.integers(-40, 41, x_i.shape) * rng.random((len(x_i), 1, 1, 1))
            x_ij = np.clip(x_i.astype(int) // 2 + y_j // 2 + noise, 0, 255).astype(np.uint8)
            alpha = rng.random(x_i.shape[:3]).astype(np.float32)
            return type("Swap", (), {"alpha": alpha, "x_ij": x_ij, "x_tilde_ij": x_ij})

    with PhotoFile(write_tiny_photos(tmp_path / "a.h5", pairs=2, tests=9)) as file:
        photos, model = file.split("test"), Noisy()
        held_out = choose_held_out(photos, 99)
        swap = model.swap(held_out.x_i, held_out.y_i, held_out.y_j)
        logged = scores(held_out, swap)
        measured = evaluate.summarize(measures.measure(model, HeldOutSplit("a", photos, {}), cycle=False))
    assert len(held_out.x_i) == len(photos.triples.i) > 4
    assert set(logged) == set(SCORES) <= set(measured)
    assert {n: pytest.approx(value) for n, value in logged.items()} == {
        n: measured[n]["value"] for n in logged
    }
