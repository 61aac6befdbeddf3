"""Errors of a swap against the true swap, one number per triple (i, j).

Images are float arrays [H, W, 3] in [0, 1], regions are bool arrays [H, W].  The paper had no true
swaps (section 2.3: "we do not have ground truth examples"); the photoshoot renders them.
"""

import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter
from skimage.metrics import structural_similarity

from cagan_theano.learning.sampling import MASK_LEVEL
from cagan_theano.learning.scores import garment_region, mean_error, overlap

__all__ = [
    "ALPHA_LEVELS",
    "BANDS",
    "MASK_LEVEL",
    "alpha_counts",
    "article_color",
    "average_precision",
    "band_errors",
    "bands",
    "change_region",
    "correlation",
    "flat_fill",
    "garment_region",
    "low_pass",
    "low_pass_size",
    "mean_color",
    "mean_error",
    "mean_over",
    "overlap",
    "precision_recall",
    "ssim_map",
    "texture",
]

CHANGE_LEVEL = 8 / 255
"""A pixel counts as changed if a channel of truth and input differs by more than this."""

LOW_PASS = 8
"""Side of the low-pass window in pixels at an image height of 128; proportional to the height."""

GROUND_LEVEL = 4 / 255
"""A pixel of an article's photo belongs to the article if it differs from the background by more."""

BANDS = (1.0, 2.0, 4.0, 8.0)
"""Widths (sigma) of the Gaussians between the frequency bands, in pixels at an image height of 128."""

TEXTURE_SIGMA = BANDS[1]
"""What a Gaussian of this width removes counts as texture: the two finest bands."""

ALPHA_LEVELS = 100
"""Number of thresholds 0, 1/100 ... 99/100 of alpha for precision and recall."""


def change_region(x_i, truth):
    """Where the true swap differs visibly from the input, garment or not (shadows, skin).

    Parameters: images [H, W, 3] in [0, 1].  Returns a bool array [H, W], true where any channel
    differs by more than ``CHANGE_LEVEL``.
    """
    return np.abs(truth - x_i).max(axis=-1) > CHANGE_LEVEL


def low_pass_size(height):
    """Side in pixels of the low-pass window at an image height: 8 at 128, 16 at 256."""
    return max(1, round(LOW_PASS * height / 128))


def low_pass(picture, size):
    """Mean over a ``size`` x ``size`` window around each pixel, edges repeated.

    A box rather than a Gaussian, since one number defines it: any pattern with a period of ``size``
    pixels vanishes.  Parameters: picture [H, W, C].  Returns the same shape.
    """
    return uniform_filter(picture, size=(size, size, 1), mode="nearest")


def ssim_map(picture, truth):
    """Structural similarity at each pixel, averaged over channels, with the settings of Wang et al. (2004).

    Gaussian weights of sigma 1.5, population covariance, range 1.  Parameters: images
    [H, W, 3] in [0, 1].  Returns [H, W].
    """
    _, similarity = structural_similarity(
        picture,
        truth,
        channel_axis=-1,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return similarity.mean(axis=-1)


def mean_over(values, region):
    """Mean of a map [H, W] over a region [H, W], nan if the region is empty."""
    return float(values[region].mean()) if region.any() else np.nan


def mean_color(picture, region):
    """Mean RGB [3] of an image [H, W, 3] over a region [H, W], nan if it is empty."""
    return picture[region].mean(axis=0) if region.any() else np.full(3, np.nan)


def correlation(colors, true_colors, weights=None):
    """Pearson correlation of mean colors, pooled over swaps and channels.

    Parameters: two arrays [n, 3]; swaps with nan are left out; weights [..., n], by default ones.
    Returns [...] in [-1, 1], nan if one of the two is constant.
    """
    known = np.isfinite(colors + true_colors).all(axis=-1, keepdims=True)
    a, b = (np.where(known, values, 0) for values in (colors, true_colors))
    weights = np.ones(len(a)) if weights is None else np.asarray(weights)
    count = 3 * (weights @ known[:, 0])
    sums = (a, b, a * b, a * a, b * b)
    with np.errstate(invalid="ignore", divide="ignore"):
        a, b, ab, aa, bb = ((weights @ values.sum(axis=-1)) / count for values in sums)
        variance = np.maximum(aa - a * a, 0) * np.maximum(bb - b * b, 0)
        return np.where(variance > 1e-14, (ab - a * b) / np.sqrt(variance), np.nan)


def article_color(y):
    """Mean RGB [3] of an article: over the pixels that are not background.

    Parameters: y [H, W, 3] in [0, 1].  The background color is the median of the border pixels; if
    no pixel differs from it, the mean of the whole photo is returned.
    """
    edge = np.concatenate([y[0], y[-1], y[:, 0], y[:, -1]])
    article = np.abs(y - np.median(edge, axis=0)).max(axis=-1) > GROUND_LEVEL
    return y[article].mean(axis=0) if article.any() else y.mean(axis=(0, 1))


def flat_fill(x_i, y_j, mask_ij):
    """The flat-fill baseline: the true region of the new garment filled with one color.

    The color is `article_color` of y_j, blended by the stored true mask.  Pixels that only the old
    garment covered stay unchanged.  Parameters: images [H, W, 3] in [0, 1]; mask_ij [H, W] uint8.
    Returns [H, W, 3].
    """
    share = mask_ij[..., None] / 255.0
    return share * article_color(y_j) + (1 - share) * x_i


def bands(picture):
    """An image (or an error) split by spatial frequency, finest first: [1 + len(BANDS), H, W, C].

    Differences of successive Gaussian low-passes, a Laplacian pyramid without downsampling; the last
    band is the coarsest low-pass.  The bands sum to the image.  Parameters: picture [H, W, C].
    """
    smooth = [blurred(picture, sigma) for sigma in BANDS]
    return np.stack([a - b for a, b in zip([picture, *smooth], smooth)] + [smooth[-1]])


def blurred(picture, sigma):
    """An image [H, W, C] after a Gaussian of width sigma, in pixels at a height of 128; edges repeated."""
    sigma = sigma * picture.shape[0] / 128
    return gaussian_filter(picture, (sigma, sigma, 0), mode="nearest", truncate=3.0)


def band_errors(picture, truth, region):
    """Mean absolute error in each of `bands` over a region: floats [1 + len(BANDS)]."""
    if not region.any():
        return np.full(1 + len(BANDS), np.nan)
    return np.abs(bands(picture - truth)[:, region]).mean(axis=(1, 2))


def texture(picture, region):
    """The amount of texture in a region: the mean magnitude [C] of what `TEXTURE_SIGMA` removes.

    Where the texture lies does not matter, so two photos of one pattern have the same amount, even if their
    error is large.  Parameters: picture [H, W, C] in [0, 1], region bool [H, W].  Returns nan if it is empty.
    """
    if not region.any():
        return np.full(picture.shape[-1], np.nan)
    return np.abs((picture - blurred(picture, TEXTURE_SIGMA))[region]).mean(axis=0)


def alpha_counts(alpha, region):
    """Histograms of alpha inside and outside a region: int [2, 1 + ALPHA_LEVELS].

    Bin 0 counts alpha = 0; bin k counts (k - 1) / 100 < alpha <= k / 100, so alpha exceeds
    (k - 1) / 100 in bins k and above.
    """
    level = np.ceil(np.asarray(alpha, np.float64) * ALPHA_LEVELS).astype(int)
    return np.stack([np.bincount(level[part], minlength=1 + ALPHA_LEVELS) for part in (region, ~region)])


def precision_recall(counts):
    """Precision and recall of alpha > threshold, from pooled `alpha_counts` [..., 2, 101].

    Returns two arrays [..., 101]: at "everything is painted", then at 0, 0.01 ... 0.99.
    Precision is 1 if nothing is painted; recall is nan for an empty region.
    """
    above = np.flip(np.cumsum(np.flip(counts, axis=-1), axis=-1), axis=-1)
    right, painted = above[..., 0, :], above.sum(axis=-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(painted > 0, right / painted, 1.0)
        return precision, right / right[..., :1]


def average_precision(counts):
    """Area under the precision-recall curve as a step function: sum of (gain in recall) x precision."""
    precision, recall = precision_recall(counts)
    nothing = np.zeros_like(recall[..., :1])
    return (-np.diff(recall, axis=-1, append=nothing) * precision).sum(axis=-1)
