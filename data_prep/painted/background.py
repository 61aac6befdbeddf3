"""Backdrops: the studio's light grey, or a cluttered street."""
import numpy as np

from data_prep.painted.canvas import blur

ARTICLE_LEVEL = 246 / 255


def paint_backdrop(canvas, sitter):
    """Fill the canvas: level about 229/255 with a soft radial and vertical falloff."""
    rng = np.random.default_rng(sitter.seed)
    h, w = canvas.rgb.shape[:2]
    v, u = np.mgrid[-1:1:h * 1j, -1:1:w * 1j].astype(np.float32)
    cx, cy = rng.normal(0, .25), rng.normal(-.2, .25)
    fall = rng.uniform(.004, .018) * ((u - cx) ** 2 + .6 * (v - cy) ** 2)
    level = sitter.backdrop + .01 - fall + rng.normal(0, .008) * v + rng.normal(0, .006) * u
    tint = 1 + rng.normal(0, .004, 3)
    canvas.rgb[:] = level[..., None] * tint
    if sitter.clutter:
        _street(canvas, rng, u, v)


def _street(canvas, rng, u, v):
    """Blurred buildings, windows, furniture and foliage behind the sitter."""
    canvas.rgb[:] = _muted(rng, .45, .85) * (1 - .15 * v[..., None])
    for _ in range(rng.integers(5, 9)):  # buildings and posts
        left, width, top = rng.uniform(-1.2, 1), rng.uniform(.1, .7), rng.uniform(-1, .3)
        box = (u > left) & (u < left + width) & (v > top)
        across, down = rng.uniform(15, 40, 2)
        windows = 1 - .25 * (np.sin(u * across) > .2) * (np.sin(v * down) > 0)
        canvas.rgb[box] = (_muted(rng, .2, .85) * windows[..., None])[box]
    for _ in range(rng.integers(8, 16)):  # leaves, cars, chairs: blobs
        cx, cy, a, b = rng.uniform(-1, 1), rng.uniform(-.6, 1), *rng.uniform(.06, .3, 2)
        canvas.rgb[((u - cx) / a) ** 2 + ((v - cy) / b) ** 2 < 1] = _muted(rng, .15, .85)
    sigma = rng.uniform(.006, .014) / canvas.px
    canvas.rgb[:] = np.stack([blur(canvas.rgb[..., c], sigma) for c in range(3)], -1)


def _muted(rng, low, high):
    """A color [3] as streets have them: a gray level, slightly tinted."""
    return np.clip(rng.uniform(low, high) * (1 + rng.normal(0, .12, 3)), 0, 1)
