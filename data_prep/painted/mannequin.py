"""The invisible body of product photos: level, frontal, arms beside the torso."""
import zlib
from types import SimpleNamespace

import numpy as np

from data_prep.painted.body import SHOULDER_Y, Figure
from data_prep.painted.sitter import Arm

EXTENT = .78  # share of the picture's height (or width) that a garment spans at most
TOP = {"hood": .123, "turtleneck": .165}  # upper end by neckline [body units]
OUT = {"fitted": 0, "regular": .006, "oversized": .016}  # wider cuts hang further out


def article_view(garment):
    """figure, scale, shift and seed of the product photo of ``garment``."""
    half = .178 + OUT[garment.cut]
    arms = tuple(_arm(side, half) for side in (-1, 1))
    person = SimpleNamespace(feminine=.45, broad=1.0)
    sitter = SimpleNamespace(person=person, yaw=0.0, lean=0.0, slope=0.0, hips=0.0, arms=arms)
    top, bottom = TOP.get(garment.neckline, .195), max(garment.length, .655)
    if garment.sleeve in ("short", "three-quarter", "rolled"):
        bottom = garment.length
    wide = half + .03
    scale = min(EXTENT / (bottom - top), EXTENT * .75 / (2 * wide))
    shift = (0.0, .5 - scale * (top + bottom) / 2)
    return SimpleNamespace(figure=Figure(sitter), scale=scale, shift=shift,
                           seed=_seed(garment))


def _seed(garment):
    """The product photo's own seed; from plain floats, as numpy 1 and 2 print theirs unlike."""
    plain = tuple(tuple(float(value) for value in color) for color in garment.colors)
    return zlib.crc32(repr(plain).encode())


def _arm(side, half):
    shoulder = np.array([side * .104, SHOULDER_Y])
    elbow = np.array([side * (half - .016), .455])
    wrist = np.array([side * half, .640])
    return Arm(shoulder, elbow, wrist, wrist + np.array([0, .08]), "hang")
