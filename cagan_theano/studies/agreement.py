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


IMAGE_SETS = ("measures", "photos")
"""Keys of a run in a results.json: its measures on held-out swaps, and on photos if the study has these."""


def read_differences(path, baseline):
    """Key of ``IMAGE_SETS`` -> run -> measure -> difference from the baseline, of a study's results.json.

    A difference is {value, low, high, seeds}.  Raises ValueError for another file, or a study with another
    baseline.
    """
    try:
        results = metadata.read_file(path, FORM)
        found = {key: differences_of(results["runs"], key) for key in IMAGE_SETS}
        theirs = results["baseline"]
    except (KeyError, ValueError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{path}: was not written by cagan ablations --results ({reason})") from error
    if theirs != baseline or baseline not in found["measures"]:
        raise ValueError(
            f"{path}: its baseline is {one_line(theirs)}, not a run {baseline}; give another study"
        )
    return found


def differences_of(runs, key):
    """Run -> measure -> difference in a results.json; key: of ``IMAGE_SETS``.

    Raises KeyError or ValueError.
    """
    found = {}
    for run, numbers in runs.items():
        if key == "photos" and key not in numbers:
            continue
        metadata.check_form(numbers, {key: {}}, "a run")
        found[run] = {name: difference_of(entry) for name, entry in numbers[key].items()}
    return found


def difference_of(entry):
    """The difference of one measure in a results.json.  Raises KeyError or ValueError."""
    metadata.check_form(entry, {"difference": DIFFERENCE}, "a measure")
    for one in entry["difference"]["seeds"]:
        metadata.check_form(one, metadata.NUMBER, "a seed")
    return {key: entry["difference"][key] for key in DIFFERENCE}


def read_studies(paths, baseline):
    """(file name, `read_differences`) of each results.json.  Raises ValueError."""
    return [(Path(path).name, read_differences(path, baseline)) for path in paths]


def agreement(results, studies):
    """How far a study agrees with others about the runs that they share, for its JSON.

    results: the JSON of a study; studies: `read_studies` of others with the same baseline.  A run that is
    in several of these is taken from the first.  Returns {"files": names, "measures": `agreement_on`
    held-out swaps, "photos": `agreement_on` photos, of the runs that have these on both sides}.
    """
    first = {}
    for _, differences in studies:
        first = dict.fromkeys(differences["measures"], differences) | first
    found = {"files": [name for name, _ in studies]}
    for key in IMAGE_SETS:
        there = {name: differences[key].get(name, {}) for name, differences in first.items()}
        found[key] = agreement_on({name: run.get(key, {}) for name, run in results["runs"].items()}, there)
    return found


def agreement_on(here, there):
    """Measure -> {"runs": run -> {"here": difference, "there": difference}, "tau", "decided", "same"}.

    here, there: run -> measure -> its entry in a results.json, its difference; tau: Kendall's rank
    correlation of the runs, the baseline among them, None for fewer than three or if all are equal; decided:
    the number of runs that are better or worse there; same: the number of those whose difference has the same
    sign here.
    """
    found = {}
    for measure in MEASURES:
        pairs = {
            name: (run[measure]["difference"], there[name][measure])
            for name, run in here.items()
            if measure in run and measure in there.get(name, {})
        }
        pairs = {name: pair for name, pair in pairs.items() if None not in (one["value"] for one in pair)}
        if len(pairs) > 1:
            found[measure] = compared(measure, pairs)
    return found


def compared(measure, pairs):
    """One measure's entry of `agreement_on`; pairs: run -> its difference here and there."""
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
