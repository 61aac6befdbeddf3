"""Light: one large soft source and its shading of height fields."""
import numpy as np

from data_prep.painted.canvas import blur

WRAP = .45  # share by which the soft source reaches around edges
SATURATE = .45  # steep slopes count less: cloth scatters, outlines must not go black
EDGE = .22  # how much surfaces turning away from the camera darken


class Light:
    """direction [3] unit towards the source; strength of shading; tint [3]; ambient level."""

    def __init__(self, x, y, strength=1.0, warmth=0.0, ambient=1.0):
        direction = np.array([x, y, 1.15])
        self.direction = (direction / np.linalg.norm(direction)).astype(np.float32)
        self.strength, self.ambient = strength, ambient
        self.tint = np.array([1 + warmth, 1, 1 - warmth], np.float32)

    def shade(self, height, px, relief=None):
        """Brightness [h,w], about 1 facing the camera.

        height: [h,w] surface in body units; px: a pixel in body units; relief: [h,w]
        folds, added to the height and also darkening its own hollows.
        """
        surface = height if relief is None else height + relief
        dy, dx = np.gradient(surface, px)
        soft = 1 / (1 + SATURATE * np.hypot(dx, dy))
        dx, dy = dx * soft, dy * soft
        nz = 1 / np.sqrt(dx * dx + dy * dy + 1)
        lx, ly, lz = self.direction
        facing = (lz - lx * dx - ly * dy) * nz
        lit = (np.maximum(facing, -WRAP) + WRAP) / (1 + WRAP)
        level = 1 + .75 * self.strength * (lit - (lz + WRAP) / (1 + WRAP))
        level -= EDGE * self.strength * (1 - nz) ** 2
        if relief is not None:
            level += 22 * np.clip(relief - blur(relief, .012 / px), -.012, .005)
        return np.clip(level, .12, 1.35) * self.ambient
