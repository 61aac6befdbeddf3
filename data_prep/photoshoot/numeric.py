"""Numeric helpers of the photoshoot."""

import numpy as np
from scipy.ndimage import map_coordinates


def smoothstep(low, high, value):
    """Smooth step from 0 at ``low`` to 1 at ``high``; descending if ``low`` > ``high``."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def look_up(table, rows, columns):
    """Sample a 2-D ``table`` bilinearly at fractional ``rows``, ``columns``, clamped to its border."""
    return map_coordinates(table, [rows, columns], np.float32, order=1, mode="nearest")


def bump(value, width):
    """An unnormalized Gaussian, 1 at 0."""
    return np.exp(-((value / width) ** 2))


def unit(direction):
    """A direction [3] as a unit vector."""
    direction = np.asarray(direction, float)
    return direction / np.linalg.norm(direction)


class Coat:
    """The color [n,3] and relief [n] of a surface, to which details are added."""

    def __init__(self, color, relief):
        self.color, self.relief = color, relief

    def mix(self, share, color):
        """Mix a share [n] of another color [3] or [n,3] in."""
        self.color = self.color + share[:, None] * (color - self.color)

    def darken(self, share):
        """Darken the color by a share [n]."""
        self.color = self.color * (1 - share)[:, None]

    def raise_by(self, height):
        """Add a height [n] to the relief."""
        self.relief = self.relief + height
