"""The bootstrap of people and garments against SciPy's and against known laws."""

import inspect

import numpy as np
import pytest
from scipy import stats

from cagan_theano.evaluation.interval import PERCENT, Measured, difference, within
from cagan_theano.training.scores import average

MEAN = average("e")


def measured(values, person=None, article=None, **settings):
    """Columns of swaps, each by default of its own person and garment."""
    each = np.arange(len(values))
    person, article = (each if labels is None else labels for labels in (person, article))
    columns = {"e": np.asarray(values, float), "person": person, "article": article}
    columns["chosen"] = columns["e"] < 10
    return Measured.of(columns, **settings)


def test_interval_is_that_of_scipy():
    noise = np.random.default_rng(0).gamma(2, 3, 150)
    key = "rng" if "rng" in inspect.signature(stats.bootstrap).parameters else "random_state"
    settings = {"n_resamples": 20000, "method": "percentile", key: np.random.default_rng(1)}
    theirs = stats.bootstrap((noise,), np.mean, **settings).confidence_interval
    found = measured(noise, resamples=20000).estimate(MEAN)
    assert found["value"] == pytest.approx(noise.mean()) and PERCENT == "95 %"  # SciPy's default
    assert (found["low"], found["high"]) == pytest.approx(tuple(theirs), abs=0.03)
    assert found == measured(noise, resamples=20000).estimate(MEAN)  # same seed


def test_swaps_of_one_person_count_as_one():
    people, five = np.random.default_rng(2).normal(0, 1, 60), np.repeat(np.arange(60), 5)
    alone = measured(people).estimate(MEAN)
    for labels in ({"person": five}, {"article": five}):
        found = measured(np.repeat(people, 5), **labels).estimate(MEAN)
        width, single = (f["high"] - f["low"] for f in (found, alone))
        assert width == pytest.approx(single, rel=0.1)  # five looks at a person are one person


def test_few_swaps_and_only_the_chosen():
    assert measured([3.0]).estimate(MEAN) == {"value": 3.0, "low": None, "high": None}
    two = measured([1.0, 3.0]).estimate(MEAN)
    assert two == {"value": 2.0, "low": 1.0, "high": 3.0}  # one of four resamples is twice the smaller
    assert measured([1, 2, 30]).value(within(MEAN, "chosen")) == 1.5
    nothing = measured([11, 12]).estimate(within(MEAN, "chosen"))
    assert nothing == {"value": None, "low": None, "high": None}


def test_a_paired_difference_is_narrower_than_a_gap_of_strangers():
    rng = np.random.default_rng(3)
    base = rng.normal(0, 5, 200)
    one, other = measured(base + 1 + rng.normal(0, 0.1, 200)), measured(base, seed=1)
    paired, apart = one.estimate(difference(MEAN, other.columns)), one.gap(MEAN, other)
    assert paired["value"] == pytest.approx(apart["value"]) == pytest.approx(1, abs=0.03)
    assert paired["low"] > 0.9 and apart["low"] < 0 < apart["high"]
