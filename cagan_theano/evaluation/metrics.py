"""Errors of a swap against the true swap, one number per triple (i, j), and the baselines.

Images are float arrays [H, W, 3] in [0, 1] unless said otherwise, regions are bool arrays [H, W].  The
paper had no true swaps (section 2.3: "we do not have ground truth examples"); the photoshoot renders them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter
from skimage.metrics import structural_similarity

from cagan_theano.io.color import Pixels
from cagan_theano.training.scores import Columns, Mask, Numbers

LOW_PASS = 8
"""Side of the low-pass window in pixels at an image height of 128; proportional to the height."""

TEXTURE_SIGMA = 2.0
"""What a Gaussian of this width, in pixels at an image height of 128, removes counts as texture."""

CENTER = (0.35, 0.65), (0.38, 0.62)
"""The center of an article's photo, as fractions of height and width: inside of every article."""

LUMINANCE = np.array([0.299, 0.587, 0.114])


def low_pass_size(height: int) -> int:
    """Side in pixels of the low-pass window at an image height: 8 at 128, 16 at 256."""
    return max(1, round(LOW_PASS * height / 128))


def low_pass(image: Numbers) -> Numbers:
    """Mean over a window of `low_pass_size` around each pixel, edges repeated: [H, W, C].

    A box rather than a Gaussian, since one number defines it: any pattern with a period of that size
    vanishes.
    """
    size = low_pass_size(len(image))
    return np.asarray(uniform_filter(image, size=(size, size, 1), mode="nearest"))


def ssim_map(image: Numbers, truth: Numbers) -> Numbers:
    """Structural similarity [H, W], averaged over channels, with the settings of Wang et al. (2004).

    Gaussian weights of sigma 1.5, population covariance, range 1.
    """
    wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    _, similarity = structural_similarity(image, truth, channel_axis=-1, data_range=1.0, full=True, **wang)
    return np.asarray(similarity.mean(axis=-1))


def mean_over(values: Numbers, region: Mask) -> Numbers:
    """Mean of a map [H, W, ...] over a region [H, W]: [...], nan if the region is empty."""
    return np.asarray(values[region].mean(axis=0)) if region.any() else np.full(values.shape[2:], np.nan)


def color_correlation(columns: Columns, weights: Numbers) -> Numbers:
    """Statistic: the Pearson correlation of mean colors with the true ones, pooled over swaps and channels.

    The columns "color" and "true_color" [n, 3]; swaps with nan are left out.  Values in [-1, 1], nan if one
    of the two is constant.
    """
    colors, true_colors = columns["color"], columns["true_color"]
    known = np.isfinite(colors + true_colors).all(axis=-1, keepdims=True)
    a, b = (np.where(known, values, 0) for values in (colors, true_colors))
    count = 3 * (weights @ known[:, 0])
    sums = (a, b, a * b, a * a, b * b)
    with np.errstate(invalid="ignore", divide="ignore"):
        a, b, ab, aa, bb = ((weights @ values.sum(axis=-1)) / count for values in sums)
        variance = np.maximum(aa - a * a, 0) * np.maximum(bb - b * b, 0)
        return np.where(variance > 1e-14, (ab - a * b) / np.sqrt(variance), np.nan)


def texture(image: Numbers, region: Mask) -> Numbers:
    """The amount of texture in a region: the mean magnitude [C] of what `TEXTURE_SIGMA` removes.

    Where the texture lies does not matter, so two photos of one pattern have the same amount, even if their
    error is large.  nan for an empty region.
    """
    sigma = TEXTURE_SIGMA * len(image) / 128
    smooth = gaussian_filter(image, (sigma, sigma, 0), mode="nearest", truncate=3.0)
    return mean_over(np.abs(image - smooth), region)


def grain(image: Numbers, region: Mask) -> float:
    """The power of the pattern that alternates in 2x2 pixels (the diagonal Nyquist frequency) in a region.

    The gray image is multiplied by +1 and -1 like the squares of a checkerboard; of the mean over each
    block of pixels that is wholly inside the region, the squares are added up.  Blocks are a sixteenth of
    the height, rounded down to an even number of pixels, so that plain color cancels.
    """
    height, width = region.shape
    size = max(2, 2 * (height // 32))
    rows, columns = height // size, width // size
    signs = (-1.0) ** np.add.outer(np.arange(height), np.arange(width))
    blocks = [
        values[: rows * size, : columns * size].reshape(rows, size, columns, size)
        for values in (image.mean(axis=-1) * signs, region)
    ]
    means, whole = blocks[0].mean(axis=(1, 3)), blocks[1].all(axis=(1, 3))
    return float((means[whole] ** 2).sum())


# --- baselines: images without a network


def article_color(y: Pixels) -> Numbers:
    """The median color [3] of the center of an article's photo [H, W, 3], which has no shadow or ground."""
    center = y[tuple(slice(int(a * side), int(b * side)) for (a, b), side in zip(CENTER, y.shape))]
    return np.asarray(np.median(center.reshape(-1, 3), axis=0))


def fill_flat(x_i: Pixels, y_j: Pixels, mask_ij: Pixels) -> Pixels:
    """The flat fill: the true region of the new garment in `article_color`, blended by the true mask.

    Pixels that only the old garment covered stay unchanged.  Parameters: images [H, W, 3] uint8, mask_ij
    [H, W] uint8.  Returns [H, W, 3] uint8.
    """
    return blend(mask_ij / 255.0, article_color(y_j), x_i)


def recolor(x_i: Pixels, y_j: Pixels, alpha: NDArray[np.floating[Any]]) -> Pixels:
    """The recoloring: `article_color` with half of the relative luminance of x_i, blended by alpha.

    What a network paints is worth having if it beats this.  Parameters: images [H, W, 3] uint8, alpha
    [H, W] in [0, 1].  Returns [H, W, 3] uint8.
    """
    luminance = x_i @ LUMINANCE
    painted = luminance[alpha > 0.5]
    middle = np.median(painted) if painted.size > 20 else 128.0
    shade = np.clip(1 + (luminance / max(middle, 1) - 1) / 2, 0.3, 1.7)
    return blend(alpha, np.clip(article_color(y_j) * shade[..., None], 0, 255), x_i)


def blend(share: NDArray[np.floating[Any]], paint: Numbers, x_i: Pixels) -> Pixels:
    """The convex combination of paint and x_i, rounded: [H, W, 3] uint8.  share: [H, W] in [0, 1]."""
    share = share[..., None]
    return np.rint(share * paint + (1 - share) * x_i).astype(np.uint8)
