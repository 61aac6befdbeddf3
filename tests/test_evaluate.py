"""The measures against plain loops, known values, and swaps whose errors are known."""

import json

import numpy as np
import pytest
from figure_toys import HEIGHT, WIDTH, ToyModel, write_photos

from data_prep.command import main
from replicate import common, evaluate, metrics


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
            np.testing.assert_allclose(filtered[r, c], total / size ** 2, rtol=1e-10)


def test_low_pass_removes_stripes_of_its_own_period():
    stripes = np.repeat(np.where(np.arange(64) % 8 < 4, 0.0, 1.0)[:, None], 48, axis=1)
    flat = metrics.low_pass(np.repeat(stripes[..., None], 3, axis=-1), 8)
    np.testing.assert_allclose(flat[8:-8], 0.5, atol=1e-12)


def test_low_pass_window_grows_with_the_picture():
    assert [metrics.low_pass_size(height) for height in (16, 128, 256, 512)] == [1, 8, 16, 32]


def test_garment_region_joins_both_masks_above_the_level():
    mask_i = np.array([[0, 127, 128, 255]], np.uint8)
    mask_ij = np.array([[255, 0, 0, 127]], np.uint8)
    np.testing.assert_array_equal(metrics.garment_region(mask_i, mask_ij),
                                  [[True, False, True, True]])


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
    expected = (2 * a * b + 0.01 ** 2) / (a * a + b * b + 0.01 ** 2)
    flat = metrics.ssim_map(np.full((16, 16, 3), a), np.full((16, 16, 3), b))
    np.testing.assert_allclose(flat[8, 8], expected, rtol=1e-9)
    assert metrics.ssim_map(picture, truth).mean() < 0.3


def test_ssim_at_one_pixel_is_the_formula_with_gaussian_weights():
    picture, truth, _ = pictures(3, 21, 21)
    steps = np.arange(-5, 6)
    weights = np.exp(-steps ** 2 / (2 * 1.5 ** 2))
    weights = np.outer(weights, weights) / weights.sum() ** 2
    values = []
    for channel in range(3):
        a, b = (p[5:16, 5:16, channel] for p in (picture, truth))
        mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
        var_a, var_b = (weights * a * a).sum() - mean_a ** 2, (weights * b * b).sum() - mean_b ** 2
        both = (weights * a * b).sum() - mean_a * mean_b
        values.append((2 * mean_a * mean_b + 1e-4) * (2 * both + 9e-4)
                      / ((mean_a ** 2 + mean_b ** 2 + 1e-4) * (var_a + var_b + 9e-4)))
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
    with common.held_out(path, None) as opened:
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
    assert evaluate.share("e", "u")(columns, np.arange(3)) == pytest.approx(0.2)


def test_interval_of_a_mean_is_that_of_the_normal_law():
    noise = np.random.default_rng(0).normal(5, 2, 400)
    measure = evaluate.Measure("m", "", evaluate.average("e"))
    low, high = evaluate.interval(measure, {"e": noise}, 400, seed=0, resamples=2000)
    half = 1.96 * noise.std() / 20
    assert low == pytest.approx(noise.mean() - half, abs=0.03)
    assert high == pytest.approx(noise.mean() + half, abs=0.03)
    assert evaluate.interval(measure, {"e": noise}, 1, 0, 100) == (None, None)
    assert evaluate.interval(measure, {"e": noise}, 400, 0, 2000) == (low, high)  # same seed


def run(capsys, *arguments):
    """Exit code, stdout and stderr of the command."""
    with pytest.raises(SystemExit) as done:
        main(evaluate.command, [str(argument) for argument in arguments])
    return done.value.code, *capsys.readouterr()


def test_command_prints_a_table_and_writes_json(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(common, "load_model", lambda *_: ToyModel(0.5))
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


@pytest.mark.parametrize("triples, masks", [(False, True), (True, False)])
def test_data_without_truth_is_one_line(tmp_path, monkeypatch, capsys, triples, masks):
    monkeypatch.setattr(common, "load_model", lambda *_: ToyModel())
    data = write_photos(tmp_path / "toy.h5", triples=triples, masks=masks)
    code, _, error = run(capsys, "--data", data, "--out", tmp_path / "result.json")
    assert code == 1 and error.strip().count("\n") == 0
    assert error.startswith(f"Error: {data}: has no true swaps with masks")
    assert not (tmp_path / "result.json").exists()


def test_toy_pictures_have_the_stated_size(held):
    assert held.photos.x.shape == (12, HEIGHT, WIDTH, 3)
