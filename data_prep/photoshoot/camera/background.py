"""Cluttered backgrounds: an out-of-focus street instead of the studio backdrop."""

import numpy as np
from scipy.ndimage import gaussian_filter

FOCUS = (0.006, 0.014)  # range of the blur, as a share of the image height


def street(size, seed):
    """Render a blurred street [h,w,3] in 0..1: buildings with windows, and blobs for smaller objects.

    size: (height, width) [pixels].  The content depends on the seed, not on the size.
    """
    rng = np.random.default_rng([seed, 13])
    # centers of the pixels in -1..1
    v, u = np.meshgrid(*((2 * np.arange(count) + 1) / count - 1 for count in size), indexing="ij")
    image = sample_muted(rng, 0.45, 0.85) * (1 - 0.15 * v[..., None])
    for _ in range(rng.integers(5, 9)):
        _render_building(image, rng, u, v)
    for _ in range(rng.integers(8, 16)):
        x, y, wide, high = rng.uniform(-1, 1), rng.uniform(-0.6, 1), *rng.uniform(0.06, 0.3, 2)
        image[((u - x) / wide) ** 2 + ((v - y) / high) ** 2 < 1] = sample_muted(rng, 0.15, 0.85)
    sigma = rng.uniform(*FOCUS) * size[0]
    return np.clip(gaussian_filter(image, sigma, axes=(0, 1), mode="nearest"), 0, 1)


def _render_building(image, rng, u, v):
    left, wide, top = rng.uniform(-1.2, 1), rng.uniform(0.1, 0.7), rng.uniform(-1, 0.3)
    box = (u > left) & (u < left + wide) & (v > top)
    across, down = rng.uniform(15, 40, 2)
    windows = 1 - 0.25 * (np.sin(u * across) > 0.2) * (np.sin(v * down) > 0)
    image[box] = (sample_muted(rng, 0.2, 0.85) * windows[..., None])[box]


def sample_muted(rng, low, high):
    """Sample a muted color [3]: a gray level in low..high, slightly tinted."""
    return np.clip(rng.uniform(low, high) * (1 + rng.normal(0, 0.12, 3)), 0, 1)
