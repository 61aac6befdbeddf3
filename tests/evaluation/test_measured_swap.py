"""The columns of a measured swap against their definitions, on images and masks that all differ."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from cagan_theano.evaluation import held_out, measures
from data_prep.store import PhotoWriter

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
    y[8:36, 6:26] = rng.integers(0, 200, 3) + rng.integers(0, 9, (28, 20, 3))
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
def measured(shown):
    model = SimpleNamespace(config=SimpleNamespace(takes_mask=False), swap=swapped, metadata={})
    with held_out.open_split(shown[0], model) as held:
        return measures.measure(model, held, systems={"other": lambda images, _: (images["y_j"], None)})


def regions(shown, n):
    """(inside, new garment) of swap n, pixel by pixel."""
    (i, _), s = PAIRS[n], shown[1]
    inside, new = np.zeros((2, H, W), bool)
    for p in np.ndindex(H, W):
        inside[p] = s.mask[i][p] > 127 or s.true_mask[n][p] > 127
        new[p] = s.true_mask[n][p] > 127
    return inside, new


def images(shown, n):
    """Each system's image of swap n, and the truth, in [0, 1]."""
    (i, j), s = PAIRS[n], shown[1]
    x_i, y_j = s.x[i].astype(float), s.y[j].astype(float)
    rows, columns = range(int(0.35 * H), int(0.65 * H)), range(int(0.38 * W), int(0.62 * W))
    color = [np.median([y_j[r, c, k] for r in rows for c in columns]) for k in range(3)]
    alpha, light = s.x[i][..., 0] / 255, x_i @ [0.299, 0.587, 0.114]
    relative = light / np.median(light[alpha > 0.5])
    shade = np.clip(0.5 + 0.5 * relative, 0.3, 1.7)
    painted = np.minimum(shade[..., None] * color, 255)
    found = {
        "ours": swapped(s.x[i], s.y[i], s.y[j]).x_ij,
        "other": y_j,
        "unchanged": x_i,
        "flat fill": np.where(s.true_mask[n][..., None] > 0, np.round(color), x_i),
        "recoloring": np.round(alpha[..., None] * painted + (1 - alpha[..., None]) * x_i),
    }
    return {name: image / 255 for name, image in found.items()}, s.truth[n] / 255


def smooth(image, sigma):
    """A Gaussian low-pass of `sigma` pixels at a height of 128."""
    sigma = sigma * H / 128
    return gaussian_filter(image, (sigma, sigma, 0), mode="nearest", truncate=3.0)


def grain(image, region):
    """The power of the checkerboard in blocks of 2x2 pixels, a sixteenth of 48 rounded to even."""
    total, gray = 0.0, image.mean(axis=-1)
    for r in range(0, H, 2):
        for c in range(0, W, 2):
            if region[r, c] and region[r, c + 1] and region[r + 1, c] and region[r + 1, c + 1]:
                total += ((gray[r, c] - gray[r, c + 1] - gray[r + 1, c] + gray[r + 1, c + 1]) / 4) ** 2
    return total


@pytest.mark.parametrize("n", range(len(PAIRS)))
def test_every_column_is_its_definition(shown, measured, n):
    (inside, new), (pictures, truth) = regions(shown, n), images(shown, n)
    i, j = PAIRS[n]
    assert inside.any() and (inside & ~new).any() and (truth != pictures["unchanged"])[~inside].any()
    assert set(measured) == set(pictures)
    gaussian = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, channel_axis=-1, full=True)
    texture_of_truth = np.abs(truth - smooth(truth, 2))[new].mean(axis=0)
    for name, image in pictures.items():
        error = np.abs(image - truth)
        _, similar = structural_similarity(image, truth, data_range=1.0, **gaussian)
        texture = np.abs(image - smooth(image, 2))[new].mean(axis=0)
        expected = {
            "error_inside": error[inside].mean(),
            "error_outside": error[~inside].mean(),
            "ssim_inside": similar.mean(-1)[inside].mean(),
            "texture_error": np.abs(texture - texture_of_truth).mean(),
            "grain": grain(image, new),
        }
        for key, value in expected.items():
            assert measured[name].columns[key][n] == pytest.approx(value, rel=1e-6), (name, key)
        np.testing.assert_allclose(measured[name].columns["color"][n], image[new].mean(axis=0))
    columns = measured["ours"].columns
    assert columns["unchanged_inside"][n] == measured["unchanged"].columns["error_inside"][n]
    assert columns["true_grain"][n] == pytest.approx(grain(truth, new))
    assert columns["true_texture"][n] == pytest.approx(texture_of_truth.mean())
    np.testing.assert_allclose(columns["true_color"][n], truth[new].mean(axis=0))
    alpha, worn = shown[1].x[i][..., 0] / 255 > 0.5, shown[1].mask[i] > 127
    assert columns["iou"][n] == pytest.approx((alpha & inside).sum() / (alpha | inside).sum())
    assert columns["iou_worn"][n] == pytest.approx((alpha & worn).sum() / (alpha | worn).sum())
    assert columns["region"][n] == pytest.approx(inside.mean())
    assert (columns["person"][n], columns["article"][n]) == (10 + i % 3, 20 + j)
    x, y = shown[1].x, shown[1].y
    back = swapped(swapped(x[i], y[i], y[j]).x_ij, y[j], y[i]).x_ij / 255
    assert columns["cycle"][n] == pytest.approx(np.abs(back - x[i] / 255).mean())
    assert "cycle" not in measured["other"].columns


def test_low_pass_and_detail_are_the_two_parts_of_the_error(shown, measured):
    """By plain loops over a window of 3 pixels, 8 at a height of 128, with repeated edges."""
    inside, (pictures, truth) = regions(shown, 0)[0], images(shown, 0)
    for name in ("ours", "recoloring"):
        error, low = pictures[name] - truth, np.zeros((H, W, 3))
        for r, c in np.ndindex(H, W):
            for dr, dc in np.ndindex(3, 3):
                low[r, c] += error[min(max(r + dr - 1, 0), H - 1), min(max(c + dc - 1, 0), W - 1)] / 9
        columns = measured[name].columns
        assert columns["low_inside"][0] == pytest.approx(np.abs(low)[inside].mean())
        assert columns["detail_inside"][0] == pytest.approx(np.abs(error - low)[inside].mean())
    unchanged, ours = measured["unchanged"].columns, measured["ours"].columns
    for part in ("low_inside", "detail_inside"):
        np.testing.assert_array_equal(ours[f"unchanged_{part}"], unchanged[part])


def test_measures_are_ratios_of_means_and_baselines_have_those_of_an_image(measured):
    found, columns = measures.compare(measured), measured["ours"].columns
    for name, error, of in (
        ("inside", "error_inside", "unchanged_inside"),
        ("inside_low_pass", "low_inside", "unchanged_low_inside"),
        ("inside_detail", "detail_inside", "unchanged_detail_inside"),
        ("texture", "texture_error", "true_texture"),
        ("grain", "grain", "true_grain"),
    ):
        assert found["ours"][name]["value"] == pytest.approx(columns[error].mean() / columns[of].mean())
        for system in ("other", *measures.BASELINES):
            other = measured[system].columns[error].mean() / columns[of].mean()
            entry = found[system][name]
            assert entry["value"] == pytest.approx(other)
            above = entry["above_ours"]
            assert above["value"] == pytest.approx(other - found["ours"][name]["value"])
            assert above["low"] <= above["value"] <= above["high"]
    assert found["ours"].keys() == measures.MEASURES.keys()
    images_only = [name for name in measures.MEASURES if not name.startswith(("alpha", "cycle"))]
    assert all(list(found[system]) == images_only for system in ("other", *measures.BASELINES))
    assert found["unchanged"]["inside"]["value"] == 1
