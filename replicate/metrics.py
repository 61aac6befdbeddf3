"""Errors of a swap against the true picture, one number per triple (i, j).

Pictures are float arrays [H, W, 3] in [0, 1], regions are bool arrays [H, W].  The paper had
no true swap to compare with (section 2.3: "we do not have ground truth examples"); the
photoshoot renders it, and these functions say what is compared with what.
"""

import numpy as np
from scipy.ndimage import uniform_filter
from skimage.metrics import structural_similarity

MASK_LEVEL = 127
"""A stored mask value (0..255) above this belongs to the garment."""

CHANGE_LEVEL = 8 / 255
"""A pixel counts as changed where a channel of truth and input differ by more than this."""

LOW_PASS = 8
"""Side of the low-pass window in pixels of a picture 128 high (it grows with the height)."""


def garment_region(mask_i, mask_ij):
    """Where the old or the new garment is visible: the pixels that a swap may change.

    Parameters: mask_i, mask_ij [H, W] uint8 (0..255), the garment in x_i and in the true
    x_ij.  Returns a bool array [H, W], true where either exceeds ``MASK_LEVEL``.
    """
    return (mask_i > MASK_LEVEL) | (mask_ij > MASK_LEVEL)


def change_region(x_i, truth):
    """Where the true swap differs visibly from the input, garment or not (shadows, skin).

    Parameters: pictures [H, W, 3] in [0, 1].  Returns a bool array [H, W], true where some
    channel differs by more than ``CHANGE_LEVEL``.
    """
    return np.abs(truth - x_i).max(axis=-1) > CHANGE_LEVEL


def mean_error(picture, truth, region):
    """Mean absolute error over the pixels of a region and the three channels.

    Parameters: pictures [H, W, 3] in [0, 1]; region bool [H, W].  Returns a float in [0, 1],
    nan for an empty region.
    """
    return float(np.abs(picture - truth)[region].mean()) if region.any() else np.nan


def low_pass_size(height):
    """Side in pixels of the low-pass window at a picture height: 8 at 128, 16 at 256."""
    return max(1, round(LOW_PASS * height / 128))


def low_pass(picture, size):
    """Mean over a ``size`` x ``size`` window around each pixel, edges repeated.

    A box and not a Gaussian, because its meaning needs no second number: every pattern whose
    period is ``size`` pixels vanishes.  Parameters: picture [H, W, C].  Same shape back.
    """
    return uniform_filter(picture, size=(size, size, 1), mode="nearest")


def overlap(alpha, region, threshold=0.5):
    """Intersection over union of thresholded alpha and a region.

    Parameters: alpha [H, W] in [0, 1]; region bool [H, W].  Returns a float in [0, 1]; two
    empty regions agree (1.0).
    """
    painted = alpha > threshold
    union = np.count_nonzero(painted | region)
    return np.count_nonzero(painted & region) / union if union else 1.0


def ssim_map(picture, truth):
    """Structural similarity at each pixel, mean of the channels, as Wang et al. (2004) set it.

    Gaussian weights of sigma 1.5, population covariance, range 1.  Parameters: pictures
    [H, W, 3] in [0, 1].  Returns [H, W].
    """
    _, similarity = structural_similarity(
        picture, truth, channel_axis=-1, data_range=1.0, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, full=True)
    return similarity.mean(axis=-1)


def mean_over(values, region):
    """Mean of a map [H, W] over a region, nan when the region is empty."""
    return float(values[region].mean()) if region.any() else np.nan


def mean_color(picture, region):
    """Mean RGB [3] of a picture [H, W, 3] over a region [H, W], nan when it is empty."""
    return picture[region].mean(axis=0) if region.any() else np.full(3, np.nan)


def correlation(colors, true_colors):
    """Pearson correlation of mean colors, triples and channels pooled.

    Parameters: two arrays [..., M, 3]; triples with a nan are left out.  Returns [...] in
    [-1, 1], nan where one of the two does not vary.
    """
    known = ~(np.isnan(colors) | np.isnan(true_colors)).any(axis=-1, keepdims=True)
    count = 3 * np.maximum(known.sum(axis=(-2, -1), keepdims=True), 1)
    a, b = (np.where(known, values, 0) for values in (colors, true_colors))
    a, b = (np.where(known, v - v.sum(axis=(-2, -1), keepdims=True) / count, 0) for v in (a, b))
    scale = np.sqrt((a * a).sum(axis=(-2, -1)) * (b * b).sum(axis=(-2, -1)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a * b).sum(axis=(-2, -1)) / scale
