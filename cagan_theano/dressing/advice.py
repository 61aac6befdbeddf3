"""Advice on a photo that is unlike what the shipped weights know: one upright person on a plain ground."""

import numpy as np

LEAST_SIDE = 96
"""Pixels: a shorter side holds less than the smaller weights' pictures do."""

STRIP = 0.05
"""Share of the frame, along its top and its upper sides, that is looked at as ground."""

UNLIKE = 30
"""Levels of 255 by which a pixel of plain ground may differ from the strip's median."""

BUSY = 0.4
"""Share of the strip that is unlike, from which the ground is called busy (hair and arms reach into it)."""

PAINTED = (0.02, 0.55)
"""Share of the picture that alpha covers when a worn garment has been found."""

LOW = 0.15
"""Share of the frame's height below which the garment is called small."""


def advice(photo, alpha=None):
    """Lines that say how a photo departs from what the weights know, and what to do; [] for none.

    photo: uint8 [H, W, 3]; alpha: [h, w] in [0, 1], what G painted of it, or None.
    """
    height, width = photo.shape[:2]
    lines = []
    if width > height:
        lines.append("wider than high: crop it to one upright person")
    if min(height, width) < LEAST_SIDE:
        lines.append(f"only {width}x{height} pixels: use a larger photo")
    if unlike_ground(photo) > BUSY:
        lines.append("the ground is busy: use a plain, light one, or cut the person out onto one")
    return lines + ([] if alpha is None else on_alpha(alpha))


def unlike_ground(photo):
    """The share of the strip along the top and the upper sides that differs from its median color."""
    height, width = photo.shape[:2]
    deep, wide = max(1, round(STRIP * height)), max(1, round(STRIP * width))
    upper = photo[: height // 2]
    strip = np.concatenate(
        [part.reshape(-1, 3) for part in (upper[:deep], upper[deep:, :wide], upper[deep:, -wide:])]
    ).astype(int)
    return float((np.abs(strip - np.median(strip, axis=0)).max(axis=1) > UNLIKE).mean())


def on_alpha(alpha):
    """Advice from where alpha exceeds 0.5."""
    painted = alpha > 0.5
    share = painted.mean()
    if share < PAINTED[0]:
        return ["hardly anything was painted: is --wearing a photo of the garment worn, on a plain ground?"]
    if share > PAINTED[1]:
        return ["more than half of the picture was painted: show the person down to the hips or the knees"]
    rows = np.flatnonzero(painted.any(axis=1))
    if (rows[-1] - rows[0]) / len(painted) < LOW:
        return ["the garment is small in the frame: crop closer to the person"]
    return []
