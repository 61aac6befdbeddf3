"""Advice on photos unlike the training data of the shipped weights: the first rule that applies.

A rule compares one measure of the photo, or of the network's alpha for it, with one threshold.
`cagan advice-rates` measures how often each applies, rightly and wrongly; docs/dress.md has the table.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from cagan_theano.dressing.photo import without_padding

LEAST_SIDE = 96
"""Pixels: a photo with a shorter side has less detail than the training images of the smaller weights."""

STRIP = 0.05
"""Width of the strips along the sides of the photo, and of the person, as a share of the shorter side."""

UNLIKE = 30
"""Least difference from the color of the background, in levels of 255, of what does not belong to it."""

LEVELS = 24
"""Width, of 255, of the steps in which colors of the background are counted."""

TOP = 0.15
"""Share of the person's height, from the top, in which heads are counted."""

FREE = 0.1
"""Share of an edge of the photo that a subject within it may touch."""


def along_edges(pixels: np.ndarray, deep: int) -> np.ndarray:
    """Pixels [n, 3] of an image [h, w, 3] along its top and both sides, `deep` pixels wide."""
    parts = pixels[:deep], pixels[deep:, :deep], pixels[deep:, -deep:]
    return np.concatenate([part.reshape(-1, 3) for part in parts])


@dataclass(frozen=True)
class View:
    """A photo as the network saw it, and its measures.

    size: (width, height) of the photo in pixels.  pixels: [h, w, 3] uint8, the photo reduced, without
    padding.  alpha: [h, w] in [0, 1], G's mask for it, for the measures of what is painted.
    """

    size: tuple[int, int]
    pixels: np.ndarray
    alpha: np.ndarray = field(default_factory=lambda: np.zeros((1, 1)))

    @property
    def deep(self) -> int:
        """Width of the strips in pixels."""
        return max(1, round(STRIP * min(self.pixels.shape[:2])))

    @cached_property
    def strip(self) -> np.ndarray:
        """Pixels along the top and both sides [n, 3]: a person is cut by the lower edge only."""
        return along_edges(self.pixels.astype(int), self.deep)

    @cached_property
    def background(self) -> np.ndarray:
        """The background's color [3]: the median of the upper half of the strips."""
        return np.median(along_edges(self.pixels[: len(self.pixels) // 2], self.deep), axis=0)

    @cached_property
    def shown(self) -> np.ndarray:
        """Where something is shown [h, w]: pixels unlike the background, without single ones."""
        from scipy.ndimage import binary_opening

        return binary_opening(np.abs(self.pixels - self.background).max(axis=-1) > UNLIKE)

    @cached_property
    def subject(self) -> np.ndarray:
        """`shown` within the rows and columns of which it fills at least 3 %; may be empty."""
        rows, columns = (np.flatnonzero(self.shown.mean(axis) > 0.03) for axis in (1, 0))
        if not len(rows) or not len(columns):
            return np.zeros((0, 0), bool)
        return self.shown[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]

    @cached_property
    def ends(self) -> tuple[float, ...]:
        """How much of its width the subject fills at its upper, lower, left and right end, in [0, 1]."""
        if not self.subject.size:
            return (0.0,) * 4
        high, wide = (max(1, round(STRIP * side)) for side in self.subject.shape)
        parts = self.subject[:high], self.subject[-high:], self.subject[:, :wide], self.subject[:, -wide:]
        return tuple(float(part.mean()) for part in parts)

    @cached_property
    def painted(self) -> np.ndarray:
        """Where more is painted than kept [h, w]."""
        return self.alpha > 0.5


def enlarged(view: View) -> float:
    """LEAST_SIDE over the shorter side."""
    return LEAST_SIDE / min(view.size)


def wider(view: View) -> float:
    """Width over height."""
    return view.size[0] / view.size[1]


def spread(view: View) -> float:
    """Entropy of the strips' colors in bits, of colors in steps of LEVELS: 0 for a plain background."""
    _, counts = np.unique(view.strip // LEVELS @ (1, 256, 256**2), return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def lying(view: View) -> float:
    """How much wider the subject ends at a side than above and below: a person is cut at the hips."""
    top, bottom, left, right = view.ends
    return max(left, right) - max(top, bottom)


def inverted(view: View) -> float:
    """How much wider the subject ends above than below."""
    return view.ends[0] - view.ends[1]


def heads(view: View) -> float:
    """Width of the second widest part of the subject's top over the widest's; 0 for one part."""
    from scipy.ndimage import label

    top = view.subject[: max(1, round(TOP * len(view.subject)))].any(axis=0)
    widths = np.sort(np.bincount(label(top)[0])[1:])
    return float(widths[-2] / widths[-1]) if len(widths) > 1 else 0.0


def painted_whole(view: View) -> float:
    """Share of what is shown that is painted, 0 if it reaches the edges: a garment alone is all there is."""
    edges = view.shown[:1], view.shown[-1:], view.shown[:, :1], view.shown[:, -1:]
    if max(edge.mean() for edge in edges) > FREE:
        return 0.0
    return float((view.painted & view.shown).sum() / max(1, view.shown.sum()))


def tall(view: View) -> float:
    """Height of what is painted, as a share of the photo's."""
    rows = np.flatnonzero(view.painted.any(axis=1))
    return (rows[-1] + 1 - rows[0]) / len(view.painted) if len(rows) else 0.0


def doubt(view: View) -> float:
    """Mean of 4 alpha (1 - alpha), which is 0 where alpha is 0 or 1, over the mean of alpha."""
    alpha = view.alpha.astype(float)
    return float((4 * alpha * (1 - alpha)).mean() / max(alpha.mean(), 1e-3))


def cut_off(view: View) -> float:
    """The larger share of the upper and lower edge at which something is shown."""
    return float(max(view.shown[: view.deep].mean(), view.shown[-view.deep :].mean()))


def empty(view: View) -> float:
    """Share of the photo in which nothing is shown."""
    return 1 - float(view.shown.mean())


class Rule(NamedTuple):
    """A line of advice for photos of which a measure exceeds a threshold.

    line: a predicate of the photo, and what to do.
    """

    name: str
    measure: Callable[[View], float]
    above: float
    line: str

    def applies(self, view: View) -> bool:
        """Whether the photo's measure exceeds the threshold."""
        return self.measure(view) > self.above


BACKGROUND = 2.95
"""Bits of `spread` that a plain background stays below."""

SMALL = Rule("small", enlarged, 1.0, f"is less than {LEAST_SIDE} pixels wide or high: use a larger one")

PERSON = (
    SMALL,
    Rule("wide", wider, 1.0, "is wider than high: turn it upright, or crop it to one person"),
    Rule(
        "background", spread, BACKGROUND,
        "has no plain background: show one person, from the head to the hips, on a plain, light one",
    ),
    Rule("garment", painted_whole, 0.85, "seems to show a garment alone: give a photo of a person in one"),
    Rule("sideways", lying, 0.17, "seems to lie on its side: turn it upright"),
    Rule("upside down", inverted, 0.16, "seems to be upside down: turn it upright"),
    Rule("several", heads, 0.62, "seems to show several people: crop it to one"),
    Rule("close", tall, 0.85, "is too close: show one upright person from the head to the hips"),
    Rule("far", empty, 0.88, "shows little but background: crop it to one person, from the head to the hips"),
    Rule(
        "doubt", doubt, 0.53,
        "does not show clearly what is worn: use one upright person, head to hips, on a plain background",
    ),
)  # fmt: skip
"""Rules for the photo of the person; the measures of later ones assume that earlier ones do not apply."""

ARTICLE = (
    SMALL,
    Rule(
        "background", spread, BACKGROUND,
        "has no plain background: use a product photo, of the whole garment on a plain, light one",
    ),
    Rule(
        "cut off", cut_off, 0.06,
        "runs off the photo: use a product photo, of the whole garment and without a person",
    ),
)  # fmt: skip
"""Rules for the photo of an article."""

SUBJECTS = {
    "human": "the photo of the person",
    "wearing": "the photo of the worn article",
    "article": "the photo of the article",
}
"""What `Model.dress` takes -> its name in a line of advice."""


def first(rules, size, image, alpha=None) -> Rule | None:
    """The first rule that applies to a photo, or None.

    size: (width, height) of the photo.  image: [h, w, 3] uint8, the photo fitted to the network's
    size; alpha: [h, w] in [0, 1], G's mask for it (the rules of `PERSON` need it).
    """
    within = without_padding(size, *image.shape[:2])
    view = View(size, image[within]) if alpha is None else View(size, image[within], alpha[within])
    return next((rule for rule in rules if rule.applies(view)), None)


def advice(photos: dict, alpha) -> list[str]:
    """Lines on how the photos of a swap differ from the training data and what to do; [] for none.

    photos: a name of `SUBJECTS` -> (size, image), and alpha for "human", see `first`.
    """
    found = {name: on_photo(name, size, image, alpha) for name, (size, image) in photos.items()}
    return [f"{SUBJECTS[name]} {line}" for name, line in found.items() if line]


def on_photo(name: str, size, image, alpha=None) -> str | None:
    """The predicate of one photo, a name of `SUBJECTS`, that advises what to do; None for none."""
    rule = first(PERSON, size, image, alpha) if name == "human" else first(ARTICLE, size, image)
    return rule.line if rule else None
