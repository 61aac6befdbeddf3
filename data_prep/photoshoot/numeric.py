"""Numeric helpers of the whole photoshoot."""

import numpy as np
from scipy.ndimage import map_coordinates


def smoothstep(low, high, value):
    """0 below ``low``, 1 above ``high``, smooth between; falls where ``low`` is above ``high``."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def look_up(table, rows, columns):
    """Bilinear samples of a 2-D ``table`` at fractional ``rows``, ``columns``, clamped to its border."""
    return map_coordinates(table, [rows, columns], np.float32, order=1, mode="nearest")
