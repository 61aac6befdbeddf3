"""Backgrounds with clutter: a street out of focus in the place of the studio's ground."""

import numpy as np
from scipy.ndimage import gaussian_filter

FOCUS = (0.006, 0.014)  # blur, in heights of the picture


def street(size, seed):
    """[h,w,3] in 0..1: buildings with windows, and leaves, cars and chairs as blobs, all blurred.

    size: (height, width) [pixels].  What is seen depends on the seed, not on the size.
    """
    rng = np.random.default_rng([seed, 13])
    height, width = size
    v, u = np.meshgrid(_middles(height), _middles(width), indexing="ij")
    picture = muted(rng, 0.45, 0.85) * (1 - 0.15 * v[..., None])
    for _ in range(rng.integers(5, 9)):
        _building(picture, rng, u, v)
    for _ in range(rng.integers(8, 16)):
        x, y, wide, high = rng.uniform(-1, 1), rng.uniform(-0.6, 1), *rng.uniform(0.06, 0.3, 2)
        picture[((u - x) / wide) ** 2 + ((v - y) / high) ** 2 < 1] = muted(rng, 0.15, 0.85)
    sigma = rng.uniform(*FOCUS) * height
    return np.clip(gaussian_filter(picture, (sigma, sigma, 0), mode="nearest"), 0, 1)


def _middles(count):
    """[count] middles of pixels, from -1 to 1."""
    return (2 * np.arange(count) + 1) / count - 1


def _building(picture, rng, u, v):
    left, wide, top = rng.uniform(-1.2, 1), rng.uniform(0.1, 0.7), rng.uniform(-1, 0.3)
    box = (u > left) & (u < left + wide) & (v > top)
    across, down = rng.uniform(15, 40, 2)
    windows = 1 - 0.25 * (np.sin(u * across) > 0.2) * (np.sin(v * down) > 0)
    picture[box] = (muted(rng, 0.2, 0.85) * windows[..., None])[box]


def muted(rng, low, high):
    """A color [3] as streets have them: a gray level, slightly tinted."""
    return np.clip(rng.uniform(low, high) * (1 + rng.normal(0, 0.12, 3)), 0, 1)
