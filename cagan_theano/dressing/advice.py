"""Advice on photos unlike the training data of the shipped weights: the first rule that applies.

A rule compares one measure of the photo, or of the network's alpha for it, with one threshold.
docs/dress.md has the rates at which rules applied, rightly and wrongly.
"""

import numpy as np

from cagan_theano.dressing.paste import without_padding

LEAST_SIDE = 96  # pixels: below, a photo has less detail than the training images of the smaller weights
STRIP = 0.05  # width of the strips along the edges of the photo, as a share of its shorter side
UNLIKE = 30  # least difference from the background's color, of 255, of what does not belong to it
LEVELS = 24  # width, of 255, of the steps in which colors of the background are counted

SUBJECTS = {
    "human": "the photo of the person",
    "wearing": "the photo of the worn article",
    "article": "the photo of the article",
}
"""What `Model.dress` takes -> its name in a line of advice."""


def advise(name: str, size, image: np.ndarray, alpha=None) -> str | None:
    """What is unlike the training data in a photo, and what to do, as a predicate; None for nothing.

    name: key of `SUBJECTS`.  size: (W, H) of the photo.  image: uint8 [h, w, 3], the photo fitted to the
    network's size; alpha: [h, w] in [0, 1], G's mask for it, of a "human".
    """
    within = without_padding(size, *image.shape[:2])
    pixels, human = image[within].astype(int), name == "human"
    shown = show_subject(pixels)
    if min(size) < LEAST_SIDE:
        return f"is less than {LEAST_SIDE} pixels wide or high: use a larger one"
    if human and size[0] > size[1]:
        return "is wider than high: turn it upright, or crop it to one person"
    if background_entropy(pixels) > 2.95:
        cure = "show one person, from the head to the hips," if human else "use a product photo,"
        return f"has no plain background: {cure} on a plain, light one"
    if not human:
        deep = strip_width(pixels)
        if max(shown[:deep].mean(), shown[-deep:].mean()) > 0.06:
            return "is cut off at an edge: use a product photo, of the whole garment and without a person"
        return None
    painted, edges = alpha[within] > 0.5, (shown[:1], shown[-1:], shown[:, :1], shown[:, -1:])
    apart = max(edge.mean() for edge in edges) <= 0.1  # a garment alone reaches no edge, and all is painted
    if apart and (painted & shown).sum() > 0.85 * max(1, shown.sum()):
        return "seems to show a garment alone: give a photo of a person in one"
    rows = np.flatnonzero(painted.any(axis=1))
    if len(rows) and rows[-1] + 1 - rows[0] > 0.85 * len(painted):
        return "is too close: show one upright person from the head to the hips"
    if shown.mean() < 0.12:
        return "shows little but background: crop it to one person, from the head to the hips"
    if doubt(alpha[within]) > 0.53:
        return "does not show clearly what is worn: use one upright person on a plain background"
    return None


def strip_width(pixels: np.ndarray) -> int:
    """Width in pixels of the strips along the edges of a photo [h, w, 3]."""
    return max(1, round(STRIP * min(pixels.shape[:2])))


def along_edges(pixels: np.ndarray, deep: int) -> np.ndarray:
    """Pixels [n, 3] of a photo [h, w, 3] along its top and both sides; a person is cut by the lower edge."""
    parts = pixels[:deep], pixels[deep:, :deep], pixels[deep:, -deep:]
    return np.concatenate([part.reshape(-1, 3) for part in parts])


def show_subject(pixels: np.ndarray) -> np.ndarray:
    """Where a photo [h, w, 3] differs from the background's color, the median of its upper edges: [h, w]."""
    from scipy.ndimage import binary_opening

    background = np.median(along_edges(pixels[: len(pixels) // 2], strip_width(pixels)), axis=0)
    return binary_opening(np.abs(pixels - background).max(axis=-1) > UNLIKE)


def background_entropy(pixels: np.ndarray) -> float:
    """Entropy in bits of the colors along the edges, in steps of LEVELS; 0 for a plain background."""
    strip = along_edges(pixels, strip_width(pixels))
    _, counts = np.unique(strip // LEVELS @ (1, 256, 256**2), return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def doubt(alpha: np.ndarray) -> float:
    """Mean of 4 alpha (1 - alpha), which is 0 where alpha is 0 or 1, over the mean of alpha."""
    alpha = alpha.astype(float)
    return float((4 * alpha * (1 - alpha)).mean() / max(alpha.mean(), 1e-3))
