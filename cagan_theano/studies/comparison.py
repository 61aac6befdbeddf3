"""What a study says: each run's differences from the baseline, and which of them count.

A difference counts if it exceeds what other people, other garments and other seeds would give, after
correction for the number of comparisons (`differences`).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from cagan_theano.evaluation import measures
from cagan_theano.evaluation.interval import CONFIDENCE, Measured
from cagan_theano.training.scores import Columns, Statistic

BETTER = {
    "inside": "lower",
    "inside_low_pass": "lower",
    "ssim_inside": "higher",
    "alpha_iou": "higher",
    "alpha_iou_worn": "higher",
    "outside": "lower",
    "texture": "lower",
    "grain": "lower",
    "cycle": "lower",
}
"""The compared measures, defined in docs/evaluation.md, and the direction in which they are better."""

MIN_SEEDS = 2
"""Fewer trainings of a run say nothing about the spread between seeds."""

Results = dict[str, Any]
"""The JSON of a study."""


def compare(runs: Sequence[Columns], baseline: Sequence[Columns], seed: int = 0) -> dict[str, Any]:
    """Each measure's mean over seeds, its value per seed, and its difference from the baseline.

    runs, baseline: columns of each training, the same seeds and swaps in the same order.  The overlap with
    the worn garment stands in for `alpha_iou` where the true swaps are unknown.
    Returns measure -> {value, low, high, seeds, difference: {value, low, high, seeds}}; these intervals
    resample people or garments, not seeds.
    """
    first, known, found = Measured.of(runs[0], seed), measures.known(runs[0]), {}
    if "alpha_iou" in known:
        known.pop("alpha_iou_worn", None)
    ones = np.ones(len(first))
    for name, statistic in ((name, known[name].of) for name in BETTER if name in known):
        here, there = mean_over(statistic, runs), mean_over(statistic, baseline)
        each = [float(statistic(columns, ones)) for columns in runs]
        base = [float(statistic(columns, ones)) for columns in baseline]
        if not np.isfinite(each + base).all():
            continue  # such as the grain of images whose truth has none
        change = first.estimate(subtract(here, there))
        found[name] = first.estimate(here) | {
            "seeds": each,
            "difference": change | {"seeds": [a - b for a, b in zip(each, base, strict=True)]},
        }
    return found


def mean_over(statistic: Statistic, runs: Sequence[Columns]) -> Statistic:
    """Statistic: the mean of a statistic over trainings, each with columns of the same swaps."""
    return lambda _columns, weights: np.mean([statistic(columns, weights) for columns in runs], axis=0)


def subtract(one: Statistic, other: Statistic) -> Statistic:
    """Statistic: the difference of two statistics of the same columns."""
    return lambda columns, weights: one(columns, weights) - other(columns, weights)


class Difference(NamedTuple):
    """A run's difference from the baseline: its interval contains the spread between seeds.

    low, high: None if unknown; word: "better", "worse", or "-" if it does not count.
    """

    value: float
    low: float | None
    high: float | None
    seeds: list[float]
    word: str


def differences(results: Results, key: str = "measures") -> dict[str, dict[str, Difference]]:
    """Run -> measure -> `Difference` of a study; key: where it was measured, "measures" or "photos".

    The standard error of a difference contains the interval over people or garments and the variance
    between seeds (`seed_variances`) of both runs.  A difference counts if it survives Holm's correction for
    all comparisons of this key.  Holm's holds for any dependence between them, and there is much: the
    measures are of the same images, and all runs are compared with one baseline.
    """
    runs, base = results["runs"], results["baseline"]
    tests: list[tuple[float, str, str]] = []
    found: dict[str, dict[str, Difference]] = {name: {} for name in runs if name != base}
    for measure in compared_names(results, key):
        entries = {name: run[key][measure] for name, run in runs.items() if measure in run[key]}
        variances, freedom = seed_variances({name: entry["seeds"] for name, entry in entries.items()})
        for name in (name for name in entries if name != base):
            change = entries[name]["difference"]
            value, low, high, seeds = (change[part] for part in ("value", "low", "high", "seeds"))
            if len(seeds) < MIN_SEEDS or low is None or not freedom:
                found[name][measure] = Difference(value, None, None, seeds, "-")
                continue
            sampling = (high - low) / (2 * stats.norm.isf((1 - CONFIDENCE) / 2))
            error = np.sqrt(sampling**2 + (variances[name] + variances[base]) / len(seeds))
            wide = float(stats.t.isf((1 - CONFIDENCE) / 2, freedom) * error)
            found[name][measure] = Difference(value, value - wide, value + wide, seeds, "-")
            ratio = abs(value) / error if error else np.inf if value else 0.0
            tests.append((float(2 * stats.t.sf(ratio, freedom)), name, measure))
    for name, measure in significant(tests):
        change = found[name][measure]
        better = (change.value < 0) == (BETTER[measure] == "lower")
        found[name][measure] = change._replace(word="better" if better else "worse")
    return found


def compared_names(results: Results, key: str = "measures") -> list[str]:
    """The compared measures of a study; key: where it was measured, "measures" or "photos"."""
    return [name for name in BETTER if name in results["runs"][results["baseline"]][key]]


def seed_variances(values: dict[str, list[float]]) -> tuple[dict[str, float], int]:
    """The variance between the seeds of each run, pooled over the runs, and its degrees of freedom.

    values: run -> value of each seed.  Two or three seeds tell little about their own spread, so that it is
    taken from all runs: the median of their variances, since one reading that diverges would dominate the
    mean, each divided by the median of its chi-squared distribution.  A run whose own variance is larger
    keeps its own.
    """
    own = {name: float(np.var(seeds, ddof=1)) for name, seeds in values.items() if len(seeds) > 1}
    free = {name: len(values[name]) - 1 for name in own}
    pooled = [variance * free[name] / stats.chi2.median(free[name]) for name, variance in own.items()]
    common = float(np.median(pooled)) if pooled else 0.0
    return {name: max(common, own.get(name, 0.0)) for name in values}, sum(free.values())


def significant(tests: Sequence[tuple[float, str, str]]) -> list[tuple[str, str]]:
    """The (run, measure) of those tests (p, run, measure) that Holm's step-down procedure rejects."""
    kept = []
    for passed, (p, name, measure) in enumerate(sorted(tests)):
        if p * (len(tests) - passed) > 1 - CONFIDENCE:
            break
        kept.append((name, measure))
    return kept


def describe_marks(marks: dict[str, Difference]) -> str:
    """The measures of a run that are better, and those that are worse, as text; "" if none counts."""
    words = ("better", "worse")
    found = {word: [name for name, change in marks.items() if change.word == word] for word in words}
    return "; ".join(f"{word}: {', '.join(names)}" for word, names in found.items() if names)


def count_of(number: int, noun: str) -> str:
    """A number with a noun in the singular or plural."""
    return f"{number} {noun}{'s' * (number > 1)}"
