"""Advice on photos unlike the training data of the shipped weights: one upright person, plain background."""

import numpy as np

LEAST_SIDE = 96
"""Pixels: a photo with a shorter side has less detail than the training images of the smaller weights."""

STRIP = 0.05
"""Width of the background strip along the top and upper sides, as a share of the frame."""

UNLIKE = 30
"""Maximum difference, in levels of 255, of a plain background pixel from the median of the strip."""

BUSY = 0.4
"""Share of differing pixels above which the background is busy (hair and arms reach into the strip)."""

PAINTED = (0.02, 0.55)
"""Range of the share of the image that alpha covers if a worn garment was found."""

LOW = 0.15
"""Share of the frame's height below which the garment is small."""


def advice(photo, alpha=None):
    """Lines on how a photo differs from the training data and what to do; [] for none.

    photo: uint8 [H, W, 3]; alpha: G's mask for it [h, w] in [0, 1], or None.
    """
    height, width = photo.shape[:2]
    lines = []
    if width > height:
        lines.append("wider than high: crop it to one upright person")
    if min(height, width) < LEAST_SIDE:
        lines.append(f"only {width}x{height} pixels: use a larger photo")
    if background_difference(photo) > BUSY:
        lines.append("the background is busy: use a plain, light one, or cut the person out onto one")
    return lines + ([] if alpha is None else on_alpha(alpha))


def background_difference(photo):
    """The share of the background strip that differs from its median color."""
    height, width = photo.shape[:2]
    deep, wide = max(1, round(STRIP * height)), max(1, round(STRIP * width))
    upper = photo[: height // 2]
    strip = np.concatenate(
        [part.reshape(-1, 3) for part in (upper[:deep], upper[deep:, :wide], upper[deep:, -wide:])]
    ).astype(int)
    return float((np.abs(strip - np.median(strip, axis=0)).max(axis=1) > UNLIKE).mean())


def on_alpha(alpha):
    """Advice from the pixels where alpha exceeds 0.5."""
    painted = alpha > 0.5
    share = painted.mean()
    if share < PAINTED[0]:
        return [
            "hardly anything was painted: is --wearing a photo of the worn garment on a plain background?"
        ]
    if share > PAINTED[1]:
        return [
            "more than half of the image was painted: use a photo that shows the person to the hips or knees"
        ]
    rows = np.flatnonzero(painted.any(axis=1))
    if (rows[-1] - rows[0]) / len(painted) < LOW:
        return ["the garment is small in the frame: crop closer to the person"]
    return []
