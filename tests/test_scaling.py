"""The plot of a study's measures over the number of training pairs."""

import copy
import io

import numpy as np
from PIL import Image

from cagan_theano.studies import scaling


def entry(value):
    """A measure of two seeds."""
    return {"value": value, "low": value - 0.05, "high": value + 0.05, "seeds": [value - 0.02, value + 0.02]}


def results(counts):
    """The part of a study's JSON that counts: runs with these pairs by name, of 100 in the plan."""
    measured = {
        name: {"inside": entry(0.5), "alpha_iou": entry(0.6), "outside": entry(0.1)} for name in counts
    }
    runs = {
        name: {"changes": {}, "clutter": False, "measures": measured[name], "photos": measured[name]}
        | ({} if count == 100 else {"pairs": count})
        for name, count in counts.items()
    }
    return {"title": "Pairs", "steps": 10, "photoshoot": {"pairs": 100}, "baseline": "base", "runs": runs}


def test_runs_that_differ_in_pairs_alone():
    given = results({"base": 100, "few": 10, "more": 400})
    assert list(scaling.pairs_of(given).items()) == [("few", 10), ("base", 100), ("more", 400)]
    assert scaling.pairs_of(results({"base": 100, "few": 10})) is None  # no curve
    assert scaling.pairs_of(results({"base": 100, "few": 10, "again": 10})) is None
    for key, value in (("changes", {"gamma_c": 0}), ("clutter", True)):
        other = copy.deepcopy(given)
        other["runs"]["few"][key] = value
        assert scaling.pairs_of(other) is None


def colored(data, color):
    """The number of pixels of a PNG near a color."""
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    wanted = [int(color[n : n + 2], 16) for n in (1, 3, 5)]
    return (np.abs(pixels - wanted).max(-1) < 12).sum()


def test_the_plot_has_a_curve_for_each_set_of_images():
    given = results({"base": 100, "few": 10, "more": 400})
    colors = {key: color for key, (_, color) in scaling.SETS.items()}
    both = scaling.plot(given)
    assert colored(both, colors["photos"]) > 1000  # drawn last, with the same values
    for run in given["runs"].values():
        del run["photos"]
    alone = scaling.plot(given)
    assert colored(alone, colors["measures"]) > 1000 and colored(alone, colors["photos"]) == 0


def test_without_true_swaps_the_known_measures_are_plotted():
    given = results({"base": 100, "few": 10, "more": 400})
    for run in given["runs"].values():
        run["measures"] = run["photos"] = {"alpha_iou_worn": entry(0.5), "cycle": entry(0.1)}
    colors = {key: color for key, (_, color) in scaling.SETS.items()}
    assert colored(scaling.plot(given), colors["photos"]) > 1000
