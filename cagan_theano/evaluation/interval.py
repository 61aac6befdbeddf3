"""Bootstrap intervals over people and garments, which several swaps share.

A *statistic* is a function of the measured columns (dict of name -> array [n, ...]) and of
weights [..., n]: the count of each swap in a resample, or ones for the data themselves.  It returns
[...], so one definition gives both a value and its bootstrap samples.  Swaps of the same person, or
into the same garment, are correlated, so whole people (and whole garments) are resampled, never
single swaps.
"""

import numpy as np

from cagan_theano.learning.scores import average, mean, ratio

__all__ = [
    "CONFIDENCE",
    "GROUPS",
    "PERCENT",
    "RESAMPLES",
    "average",
    "bootstrap_weights",
    "difference",
    "ends",
    "estimate",
    "gap",
    "mean",
    "number",
    "resample",
    "resampled",
    "ratio",
    "within",
]

CONFIDENCE = 0.95
PERCENT = f"{100 * CONFIDENCE:.0f} %"
"""The confidence level as text for tables."""

RESAMPLES = 2000
GROUPS = ("person", "article")
"""Columns with the person of x_i and the garment of y_j: the groups that are resampled."""


def within(statistic, column):
    """The statistic restricted to the swaps for which a bool column [n] is true."""
    return lambda columns, weights: statistic(columns, weights * columns[column])


def difference(statistic, others):
    """Statistic: the paired difference of a statistic between these columns and others.

    others: columns of the same swaps in the same order, from another network.
    """
    return lambda columns, weights: statistic(columns, weights) - statistic(others, weights)


def resample(labels, resamples=RESAMPLES, seed=0):
    """Weights [R, n] of a bootstrap that samples whole groups of equal label with replacement."""
    groups, of = np.unique(labels, return_inverse=True)
    count = len(groups)
    counts = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    return counts[:, of].astype(float)


def bootstrap_weights(columns, seed=0, resamples=RESAMPLES):
    """Weights of `resample` for each of ``GROUPS``: a list of arrays [R, n]."""
    return [resample(columns[group], resamples, seed) for group in GROUPS]


def resampled(statistic, columns, weights):
    """The statistic of each resample, for each grouping: a list of arrays [R]."""
    return [statistic(columns, one) for one in weights]


def ends(samples):
    """(low, high) of the widest percentile interval among several bootstraps; (None, None) without one.

    samples: a list of arrays [R].  The wider of people and garments is reported, since each
    resampling accounts for one dependence only.
    """
    edge = 100 * (1 - CONFIDENCE) / 2
    finite = [s[np.isfinite(s)] for s in samples]
    intervals = [np.percentile(s, (edge, 100 - edge)) for s in finite if len(s)]
    if not intervals:
        return None, None
    low, high = max(intervals, key=np.ptp)
    return float(low), float(high)


def estimate(statistic, columns, weights):
    """A statistic's value and interval: {value, low, high}, each None if undefined.

    weights: from `bootstrap_weights`.  A single swap has no interval.
    """
    count = len(columns[GROUPS[0]])
    low, high = ends(resampled(statistic, columns, weights)) if count > 1 else (None, None)
    return {"value": number(statistic(columns, np.ones(count))), "low": low, "high": high}


def gap(statistic, columns, weights, others, other_weights):
    """The difference of a statistic from that of other, independent swaps: {value, low, high}."""
    here, there = (statistic(c, np.ones(len(c[GROUPS[0]]))) for c in (columns, others))
    samples = [
        a - b
        for a, b in zip(resampled(statistic, columns, weights), resampled(statistic, others, other_weights))
    ]
    low, high = ends(samples)
    return {"value": number(here - there), "low": low, "high": high}


def number(value):
    """A float for JSON: None instead of nan, which JSON does not have."""
    return float(value) if np.isfinite(value) else None
