"""Whether a study orders its runs as other studies of the same runs do, for example on a smaller scale."""

from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from cagan_theano.io import metadata
from cagan_theano.io.text import one_line
from cagan_theano.studies.study import MEASURES, better

FORM = {"title": str, "baseline": str, "runs": {}}
"""What a study's results.json must have, see `cagan_theano.io.metadata`."""

END = (*metadata.NUMBER, type(None))
DIFFERENCE = {"value": END, "low": END, "high": END, "seeds": list}
"""The difference of one measure."""


def read_differences(path, baseline):
    """Run -> measure -> difference from the baseline {value, low, high, seeds} of a study's results.json.

    Raises ValueError for another file, or a study with another baseline.
    """
    try:
        results = metadata.read_file(path, FORM)
        differences = {name: differences_of(run) for name, run in results["runs"].items()}
        theirs = results["baseline"]
    except (KeyError, ValueError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{path}: was not written by cagan ablations --results ({reason})") from error
    if theirs != baseline or baseline not in differences:
        raise ValueError(
            f"{path}: its baseline is {one_line(theirs)}, not a run {baseline}; give another study"
        )
    return differences


def differences_of(run):
    """Measure -> difference of one run in a results.json.  Raises KeyError or ValueError."""
    metadata.check_form(run, {"measures": {}}, "a run")
    found = {}
    for name, entry in run["measures"].items():
        metadata.check_form(entry, {"difference": DIFFERENCE}, "a measure")
        found[name] = {key: entry["difference"][key] for key in DIFFERENCE}
        for one in found[name]["seeds"]:
            metadata.check_form(one, metadata.NUMBER, "a seed")
    return found


def read_studies(paths, baseline):
    """(file name, `read_differences`) of each results.json.  Raises ValueError."""
    return [(Path(path).name, read_differences(path, baseline)) for path in paths]


def agreement(results, studies):
    """How far a study agrees with others about the runs that they share, for its JSON.

    results: the JSON of a study; studies: `read_studies` of others with the same baseline.  A run that is
    in several of these is taken from the first.  Returns {"files": names, "measures": measure ->
    {"runs": run -> {"here": difference, "there": difference}, "tau", "decided", "same"}}; tau:
    Kendall's rank correlation of the runs, the baseline among them, None for fewer than three or if all
    are equal; decided: the number of runs that are better or worse there; same: the number of those
    whose difference has the same sign here.
    """
    there = {}
    for _, differences in studies:
        there = differences | there
    names = [name for name in results["runs"] if name in there]
    found = {}
    for measure in MEASURES:
        pairs = {
            name: (results["runs"][name]["measures"][measure]["difference"], there[name][measure])
            for name in names
            if measure in results["runs"][name]["measures"] and measure in there[name]
        }
        pairs = {name: pair for name, pair in pairs.items() if None not in (one["value"] for one in pair)}
        if len(pairs) > 1:
            found[measure] = compared(measure, pairs)
    return {"files": [name for name, _ in studies], "measures": found}


def compared(measure, pairs):
    """One measure's entry of `agreement`; pairs: run -> its difference here and there."""
    here, there = ([one["value"] for one in side] for side in zip(*pairs.values()))
    decided = {name for name, (_, other) in pairs.items() if better(measure, other) != "-"}
    tau = float(kendalltau(here, there).statistic) if len(pairs) > 2 else np.nan
    return {
        "runs": {
            name: {"here": one["value"], "there": other["value"]} for name, (one, other) in pairs.items()
        },
        "tau": tau if np.isfinite(tau) else None,
        "decided": len(decided),
        "same": sum(pairs[name][0]["value"] * pairs[name][1]["value"] > 0 for name in decided),
    }
