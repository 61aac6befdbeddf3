"""The columns of a measured swap against their definitions, on images and masks that all differ."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from cagan_theano.evaluation import held_out, measures, metrics
from cagan_theano.training.preview import choose_held_out
from data_prep.store import PhotoFile, PhotoWriter

H, W, ROWS = 48, 32, 5
PAIRS = [(3, 0), (0, 4), (4, 1), (1, 3)]  # i and j of the true swaps, neither in the order of the rows


def box(rng):
    """A random mask: 255 in a rectangle."""
    mask = np.zeros((H, W), np.uint8)
    top, left = rng.integers(0, H // 2), rng.integers(0, W // 2)
    mask[top : top + rng.integers(8, 16), left : left + rng.integers(6, 12)] = 255
    return mask


def article(rng):
    """A garment of one color with a little noise on a light background."""
    y = np.full((H, W, 3), 240, np.uint8)
    y[8:24, 6:18] = rng.integers(0, 200, 3) + rng.integers(0, 9, (16, 12, 3))
    return y


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """(path, arrays x, y, mask by row and truth, true mask by swap)."""
    rng, path = np.random.default_rng(5), tmp_path_factory.mktemp("swaps") / "o.h5"
    x = rng.integers(0, 256, (ROWS, H, W, 3), np.uint8)
    y, mask = np.stack([article(rng) for _ in range(ROWS)]), np.stack([box(rng) for _ in range(ROWS)])
    truth, true_mask = x[[i for i, _ in PAIRS]].copy(), np.stack([box(rng) for _ in PAIRS])
    for n, (i, _) in enumerate(PAIRS):
        region = (mask[i] > 127) | (true_mask[n] > 127)
        truth[n][region] = rng.integers(0, 256, (region.sum(), 3))
        truth[n, -3:] = np.clip(truth[n, -3:].astype(int) + 12, 0, 255)  # a shadow outside the masks
    with PhotoWriter(path, H, W, {}) as writer:
        for n in range(ROWS):
            writer.add("test", x[n], y[n], 10 + n % 3, 20 + n, mask=mask[n])
        for n, (i, j) in enumerate(PAIRS):
            writer.add_triple(i, j, truth[n], true_mask[n])
    return path, SimpleNamespace(x=x, y=y, mask=mask, truth=truth, true_mask=true_mask)


def swapped(x_i, y_i, y_j):
    """A swap that depends on all of its inputs."""
    mixed = (x_i.astype(int) * 3 + y_j * 2 + y_i) // 6
    return SimpleNamespace(x_ij=mixed.astype(np.uint8), alpha=x_i[..., 0] / np.float32(255))


@pytest.fixture(scope="module")
def columns(shown):
    model = SimpleNamespace(config=SimpleNamespace(takes_mask=False), swap=swapped, metadata={})
    with held_out.open_split(shown[0], model) as held:
        return measures.measure(model, held)


def regions(shown, n):
    """(inside, new garment, changed) of swap n, pixel by pixel."""
    (i, _), s = PAIRS[n], shown[1]
    inside, new, changed = (np.zeros((H, W), bool) for _ in range(3))
    for p in np.ndindex(H, W):
        inside[p] = s.mask[i][p] > 127 or s.true_mask[n][p] > 127
        new[p] = s.true_mask[n][p] > 127
        changed[p] = max(abs(int(a) - int(b)) for a, b in zip(s.truth[n][p], s.x[i][p])) > 8
    return inside, new, changed


def images(shown, n):
    """x_i, x_ij, truth, flat fill of swap n in [0, 1]."""
    (i, j), s = PAIRS[n], shown[1]
    x_i, y_j, truth = s.x[i] / 255, s.y[j] / 255, s.truth[n] / 255
    x_ij = swapped(s.x[i], s.y[i], s.y[j]).x_ij / 255
    color = y_j[8:24, 6:18].mean(axis=(0, 1))
    flat = np.where(s.true_mask[n][..., None] > 0, color, x_i)
    return {"": x_ij, "unchanged_": x_i, "flat_": flat}, truth


@pytest.mark.parametrize("n", range(len(PAIRS)))
def test_every_column_is_its_definition(shown, columns, n):
    (inside, new, changed), (pictures, truth) = regions(shown, n), images(shown, n)
    i, j = PAIRS[n]
    assert inside.any() and (inside & ~new).any() and (changed & ~inside).any()
    size = metrics.low_pass_size(H)
    for name, picture in pictures.items():
        full, error = name or "error_", np.abs(picture - truth)
        expected = {
            f"{full}inside": error[inside].mean(),
            f"{full}outside": error[~inside].mean(),
            f"{full}changed": error[changed].mean(),
        }
        low = np.abs(metrics.low_pass(picture, size) - metrics.low_pass(truth, size))
        expected |= {f"{name}low_inside": low[inside].mean(), f"{name}low_changed": low[changed].mean()}
        gaussian = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
        given = dict(channel_axis=-1, data_range=1.0, full=True, **gaussian)
        _, similar = structural_similarity(picture, truth, **given)
        expected |= {
            f"{name}ssim_inside": similar.mean(-1)[inside].mean(),
            f"{name}ssim_outside": similar.mean(-1)[~inside].mean(),
        }
        amounts = [np.abs(p - smooth(p, 2))[new].mean(axis=0) for p in (picture, truth)]
        expected[f"{name}texture_error"] = np.abs(amounts[0] - amounts[1]).mean()
        rest = picture - truth
        for band, sigma in zip(("finest", "fine", "middle", "coarse", "coarsest"), (1, 2, 4, 8, None)):
            lower = smooth(picture - truth, sigma) if sigma else 0
            expected[f"{name}band_{band}"] = np.abs(rest - lower)[inside].mean()
            rest = lower
        for key, value in expected.items():
            assert columns[key][n] == pytest.approx(value, rel=1e-6), key
    alpha = shown[1].x[i][..., 0] / 255 > 0.5
    worn = shown[1].mask[i] > 127
    assert columns["iou"][n] == pytest.approx((alpha & inside).sum() / (alpha | inside).sum())
    assert columns["iou_changed"][n] == pytest.approx((alpha & changed).sum() / (alpha | changed).sum())
    assert columns["iou_worn"][n] == pytest.approx((alpha & worn).sum() / (alpha | worn).sum())
    assert columns["region"][n] == pytest.approx(inside.mean())
    np.testing.assert_allclose(columns["color"][n], pictures[""][new].mean(axis=0))
    np.testing.assert_allclose(columns["true_color"][n], truth[new].mean(axis=0))
    assert (columns["person"][n], columns["article"][n]) == (10 + i % 3, 20 + j)


def smooth(picture, sigma):
    """A Gaussian low-pass of `sigma` pixels at a height of 128."""
    sigma = sigma * H / 128
    return gaussian_filter(picture, (sigma, sigma, 0), mode="nearest", truncate=3.0)


def test_the_cycle_swaps_back(shown, columns):
    for n, (i, j) in enumerate(PAIRS):
        s = shown[1]
        x_ij = swapped(s.x[i], s.y[i], s.y[j]).x_ij
        back = swapped(x_ij, s.y[j], s.y[i]).x_ij / 255
        error, worn = np.abs(back - s.x[i] / 255).mean(-1), s.mask[i] > 127
        assert columns["cycle"][n] == pytest.approx(error.mean())
        assert columns["cycle_inside"][n] == pytest.approx(error[worn].mean())


def test_precision_and_recall_of_alpha(shown, columns):
    hits = painted = wanted = 0
    for n, (i, _) in enumerate(PAIRS):
        inside, alpha = regions(shown, n)[0], shown[1].x[i][..., 0] / 255 > 0.5
        hits, painted, wanted = (
            total + one.sum() for total, one in ((hits, alpha & inside), (painted, alpha), (wanted, inside))
        )
    known = {measure.name: measure.of(columns, np.ones(len(PAIRS))) for measure in measures.known(columns)}
    assert known["alpha_precision"] == pytest.approx(hits / painted)
    assert known["alpha_recall"] == pytest.approx(hits / wanted)


def test_ratios_are_of_the_baselines_that_their_names_say(columns):
    ones = np.ones(len(PAIRS))
    for name, of in measures.band_measures():
        mean = columns[f"band_{name}"].mean()
        assert of["of_unchanged"](columns, ones) == pytest.approx(
            mean / columns[f"unchanged_band_{name}"].mean()
        )
        assert of["of_flat"](columns, ones) == pytest.approx(mean / columns[f"flat_band_{name}"].mean())
    known = {measure.name: measure.of(columns, ones) for measure in measures.known(columns)}
    for name, column in (("inside", "error_inside"), ("inside_flat", "flat_inside")):
        assert known[name] == pytest.approx(columns[column].mean() / columns["unchanged_inside"].mean())
    assert known["texture"] == pytest.approx(columns["texture_error"].mean() / columns["true_texture"].mean())


def test_the_scores_during_training_take_the_same_region(shown):
    """The samples' region is of both masks of their own rows."""
    with PhotoFile(shown[0]) as file:
        chosen = choose_held_out(file.split("test"), len(PAIRS))
    found = {region.tobytes() for region in np.asarray(chosen.region) > 0}
    assert found == {regions(shown, n)[0].tobytes() for n in range(len(PAIRS))}
