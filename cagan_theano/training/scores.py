"""Scores of swaps against the truth, shared by the training log and the evaluation.

Statistics are functions of columns (dict of name -> array [n], one number per swap) and of weights [..., n];
`cagan_theano.evaluation.interval` computes their intervals.  docs/evaluation.md defines the measures.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cagan_theano.io.color import MASK_LEVEL, Pixels

MAX_STEP = 10**12  # far above the steps of any log

Numbers = NDArray[np.float64]
Mask = NDArray[np.bool_]
Columns = Mapping[str, Numbers]
Statistic = Callable[[Columns, Numbers], Numbers]


def garment_region(mask_i: Pixels, mask_ij: Pixels) -> Mask:
    """Pixels where the old or the new garment is visible, which a swap may change: bool [..., H, W].

    mask_i, mask_ij: [..., H, W] uint8, the garment in x_i and in the true x_ij.
    """
    return (mask_i > MASK_LEVEL) | (mask_ij > MASK_LEVEL)


def mean_error(image: Numbers, truth: Numbers, region: Mask) -> float:
    """Mean absolute error over a region, bool [H, W], and the channels; nan for an empty region.

    image, truth: [H, W, 3] in [0, 1].
    """
    return float(np.abs(image - truth)[region].mean()) if region.any() else np.nan


def overlap(alpha: NDArray[np.floating[Any]], region: Mask, threshold: float = 0.5) -> float:
    """Intersection over union of alpha [H, W] > threshold and a region, bool [H, W]; 1 if both are empty."""
    painted = alpha > threshold
    union = np.count_nonzero(painted | region)
    return np.count_nonzero(painted & region) / union if union else 1.0


def mean(values: Numbers, weights: Numbers) -> Numbers:
    """Mean of values [n] without nan, by weights [..., n]: [...], nan if no value remains."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        means: Numbers = weights @ np.where(known, values, 0.0) / (weights @ known.astype(float))
    return means


def average(column: str) -> Statistic:
    """Statistic: the mean of a column."""
    return lambda columns, weights: mean(columns[column], weights)


def ratio(error: str, of: str) -> Statistic:
    """Statistic: the mean of a column divided by another column's mean (a ratio of means)."""

    def ratio(columns: Columns, weights: Numbers) -> Numbers:
        with np.errstate(invalid="ignore", divide="ignore"):
            return mean(columns[error], weights) / mean(columns[of], weights)

    return ratio


SCORES = {
    "inside": ratio("error_inside", "unchanged_inside"),
    "outside": average("error_outside"),
    "alpha_iou": average("iou"),
}
"""Statistics with the same name in the log and in the evaluation."""


def log_lines(values: object) -> list[dict[str, float]]:
    """The numbers of all lines of a log that have a step; ValueError unless `values` is a list."""
    if not isinstance(values, list):
        raise ValueError("is not a list of log lines")
    objects = (line.items() for line in values if isinstance(line, dict))
    lines = ({name: value for name, value in line if is_number(value)} for line in objects)
    return [line for line in lines if isinstance(line.get("step"), int) and 0 <= line["step"] < MAX_STEP]


def is_number(value: object) -> bool:
    """Whether a JSON value is a finite number within the range of a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < 1e300 if isinstance(value, float) else abs(value) < 1 << 63
