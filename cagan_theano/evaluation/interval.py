"""Bootstrap intervals over the people and the garments that the swaps share.

A *statistic* is a function of the measured columns (dict of name -> array [n, ...]) and of
weights [..., n], one for each swap: whole numbers that say how often a resample holds it, or ones
for the data themselves.  It returns [...], so that one definition serves a value and its
bootstrap.  Swaps of one person, or into one garment, rise and fall together: resampled are whole
people (and whole garments), never single swaps.
"""

import numpy as np

from cagan_theano.learning.scores import average, mean, ratio

__all__ = [
    "CONFIDENCE",
    "GROUPS",
    "PERCENT",
    "RESAMPLES",
    "average",
    "difference",
    "draws",
    "ends",
    "estimate",
    "gap",
    "mean",
    "number",
    "resample",
    "ratio",
    "spread",
    "within",
]

CONFIDENCE = 0.95
PERCENT = f"{100 * CONFIDENCE:.0f} %"
"""The confidence level as it stands in tables."""

RESAMPLES = 2000
GROUPS = ("person", "article")
"""Columns that hold the person of x_i and the garment of y_j: the groups that are resampled."""


def within(statistic, column):
    """The same statistic of the swaps for which a bool column [n] is true."""
    return lambda columns, weights: statistic(columns, weights * columns[column])


def difference(statistic, others):
    """Statistic: how much it is for these columns above what it is for others, swap by swap.

    others: columns of the same swaps in the same order, under another network.
    """
    return lambda columns, weights: statistic(columns, weights) - statistic(others, weights)


def resample(labels, resamples=RESAMPLES, seed=0):
    """Weights [R, n] of a bootstrap that draws whole groups of equal label with replacement."""
    groups, of = np.unique(labels, return_inverse=True)
    count = len(groups)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    return drawn[:, of].astype(float)


def draws(columns, seed=0, resamples=RESAMPLES):
    """Weights for each of ``GROUPS``: a list of arrays [R, n]."""
    return [resample(columns[group], resamples, seed) for group in GROUPS]


def spread(statistic, columns, weights):
    """The statistic in each resample, for each grouping: a list of arrays [R]."""
    return [statistic(columns, drawn) for drawn in weights]


def ends(samples):
    """(low, high) of the widest percentile interval among several bootstraps; None without one.

    samples: a list of arrays [R].  The widest of people and garments is the honest one, since
    each resampling knows of one dependence only.
    """
    edge = 100 * (1 - CONFIDENCE) / 2
    finite = [s[np.isfinite(s)] for s in samples]
    intervals = [np.percentile(s, (edge, 100 - edge)) for s in finite if len(s)]
    if not intervals:
        return None, None
    low, high = max(intervals, key=np.ptp)
    return float(low), float(high)


def estimate(statistic, columns, weights):
    """A statistic's value and interval: {value, low, high}, None where there is none.

    weights: from `draws`.  Fewer than two groups make no interval.
    """
    count = len(columns[GROUPS[0]])
    low, high = ends(spread(statistic, columns, weights)) if count > 1 else (None, None)
    return {"value": number(statistic(columns, np.ones(count))), "low": low, "high": high}


def gap(statistic, columns, weights, others, other_weights):
    """How much a statistic is above that of other, independent swaps: {value, low, high}."""
    here, there = (statistic(c, np.ones(len(c[GROUPS[0]]))) for c in (columns, others))
    samples = [
        a - b for a, b in zip(spread(statistic, columns, weights), spread(statistic, others, other_weights))
    ]
    low, high = ends(samples)
    return {"value": number(here - there), "low": low, "high": high}


def number(value):
    """A float for JSON, which has no nan: None in its place."""
    return float(value) if np.isfinite(value) else None
