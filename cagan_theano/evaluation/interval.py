"""Bootstrap intervals over people and garments, which several swaps share.

A *statistic* is a function of the measured columns (dict of name -> array [n, ...]) and of
weights [..., n]: the count of each swap in a resample, or ones for the data themselves.  It returns
[...], so one definition gives both a value and its bootstrap samples.  Swaps of the same person, or
into the same garment, are correlated, so whole people (and whole garments) are resampled, never
single swaps.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cagan_theano.training.scores import Columns, Numbers, Statistic

CONFIDENCE = 0.95
PERCENT = f"{100 * CONFIDENCE:.0f} %"
"""The confidence level as text for tables."""

RESAMPLES = 2000
GROUPS = ("person", "article")
"""Columns with the person of x_i and the garment of y_j: the groups that are resampled."""

Entry = dict[str, float | None]
"""{value, low, high}: a value with the ends of its interval, None where undefined."""


@dataclass(frozen=True)
class Measured:
    """Measurements of swaps: columns with one row for each swap, and the bootstrap weights of the rows.

    columns: name -> array [n, ...], among them `GROUPS`; weights: an array [R, n] for each group.
    """

    columns: Columns
    weights: list[Numbers]

    @classmethod
    def of(cls, columns: Columns, seed: int = 0, resamples: int = RESAMPLES) -> "Measured":
        """The columns with the weights of bootstraps that sample whole groups with replacement."""
        weights = []
        for group in GROUPS:
            labels, of = np.unique(columns[group], return_inverse=True)
            share = np.full(len(labels), 1 / len(labels))
            counts = np.random.default_rng(seed).multinomial(len(labels), share, resamples)
            weights.append(counts[:, of].astype(float))
        return cls(columns, weights)

    def __len__(self) -> int:
        return len(self.columns[GROUPS[0]])

    def value(self, statistic: Statistic) -> float:
        """The statistic of the data themselves, nan if undefined."""
        return float(statistic(self.columns, np.ones(len(self))))

    def samples(self, statistic: Statistic) -> Numbers:
        """The statistic of each resample: an array [2, R], a row for each group."""
        return np.array([statistic(self.columns, weights) for weights in self.weights])

    def estimate(self, statistic: Statistic) -> Entry:
        """The statistic with its interval.  A single swap has none."""
        return as_entry(self.value(statistic), self.samples(statistic) if len(self) > 1 else [])

    def gap(self, statistic: Statistic, other: "Measured") -> Entry:
        """The difference of a statistic from that of other, independent swaps."""
        samples = self.samples(statistic) - other.samples(statistic)
        return as_entry(self.value(statistic) - other.value(statistic), samples)


def within(statistic: Statistic, column: str) -> Statistic:
    """The statistic restricted to the swaps for which a bool column [n] is true."""
    return lambda columns, weights: statistic(columns, weights * columns[column])


def difference(statistic: Statistic, others: Columns) -> Statistic:
    """Statistic: the paired difference of a statistic between these columns and others.

    others: columns of the same swaps in the same order, from another network.
    """
    return lambda columns, weights: statistic(columns, weights) - statistic(others, weights)


def as_entry(value: float, samples: Iterable[Numbers]) -> Entry:
    """A value with the widest percentile interval among several bootstraps.

    samples: arrays [R].  The wider of people and garments is reported, since each resampling accounts
    for one dependence only.
    """
    edge, finite = 100 * (1 - CONFIDENCE) / 2, (s[np.isfinite(s)] for s in samples)
    intervals = [np.percentile(s, (edge, 100 - edge)) for s in finite if len(s)]
    low, high = max(intervals, key=np.ptp) if intervals else (np.nan, np.nan)
    ends = {"value": value, "low": low, "high": high}
    return {name: float(number) if np.isfinite(number) else None for name, number in ends.items()}
