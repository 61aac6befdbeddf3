"""The bootstrap of people and garments against SciPy's and against known laws."""

import inspect

import numpy as np
import pytest
from scipy import stats

from cagan_theano.evaluation import interval


def columns(values, person=None, article=None):
    """Columns of swaps, each by default of its own person and garment."""
    each = np.arange(len(values))
    return {
        "e": np.asarray(values, float),
        "person": each if person is None else person,
        "article": each if article is None else article,
    }


def test_interval_is_that_of_scipy():
    noise = np.random.default_rng(0).gamma(2, 3, 150)
    key = "rng" if "rng" in inspect.signature(stats.bootstrap).parameters else "random_state"
    theirs = stats.bootstrap(
        (noise,), np.mean, n_resamples=20000, method="percentile", **{key: np.random.default_rng(1)}
    ).confidence_interval
    swaps = columns(noise)
    found = interval.estimate(interval.average("e"), swaps, interval.bootstrap_weights(swaps, 0, 20000))
    assert found["value"] == pytest.approx(noise.mean()) and interval.PERCENT == "95 %"  # SciPy's default
    assert (found["low"], found["high"]) == pytest.approx(tuple(theirs), abs=0.03)
    again = interval.estimate(interval.average("e"), swaps, interval.bootstrap_weights(swaps, 0, 20000))
    assert found == again  # same seed


def test_swaps_of_one_person_count_as_one():
    people = np.random.default_rng(2).normal(0, 1, 60)
    swaps = columns(np.repeat(people, 5), person=np.repeat(np.arange(60), 5))
    found = interval.estimate(interval.average("e"), swaps, interval.bootstrap_weights(swaps))
    few = columns(people)
    alone = interval.estimate(interval.average("e"), few, interval.bootstrap_weights(few))
    width, single = (f["high"] - f["low"] for f in (found, alone))
    assert width == pytest.approx(single, rel=0.1)  # five looks at a person are one person
    garments = columns(np.repeat(people, 5), article=np.repeat(np.arange(60), 5))
    other = interval.estimate(interval.average("e"), garments, interval.bootstrap_weights(garments))
    assert other["high"] - other["low"] == pytest.approx(width, rel=0.1)


def test_too_few_swaps_have_no_interval():
    one = columns([3.0])
    assert interval.estimate(interval.average("e"), one, interval.bootstrap_weights(one)) == {
        "value": 3.0,
        "low": None,
        "high": None,
    }
    empty = interval.estimate(
        interval.within(interval.average("e"), "none"),
        columns([1, 2]) | {"none": np.zeros(2, bool)},
        interval.bootstrap_weights(columns([1, 2])),
    )
    assert empty == {"value": None, "low": None, "high": None}


def test_two_swaps_have_an_interval():
    two = columns([1.0, 3.0])
    found = interval.estimate(interval.average("e"), two, interval.bootstrap_weights(two))
    assert found == {"value": 2.0, "low": 1.0, "high": 3.0}  # one of four resamples is twice the smaller


def test_a_paired_difference_is_narrower_than_a_gap_of_strangers():
    rng = np.random.default_rng(3)
    base, statistic = rng.normal(0, 5, 200), interval.average("e")
    one, other = columns(base + 1 + rng.normal(0, 0.1, 200)), columns(base)
    weights = interval.bootstrap_weights(one)
    paired = interval.estimate(interval.difference(statistic, other), one, weights)
    apart = interval.gap(statistic, one, weights, other, interval.bootstrap_weights(other, 1))
    assert paired["value"] == pytest.approx(apart["value"]) == pytest.approx(1, abs=0.03)
    assert paired["low"] > 0.9 and apart["low"] < 0 < apart["high"]


def test_within_takes_only_the_chosen():
    swaps = columns([1, 2, 30]) | {"chosen": np.array([True, True, False])}
    of = interval.within(interval.average("e"), "chosen")
    assert of(swaps, np.ones(3)) == 1.5
