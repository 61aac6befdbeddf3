"""Plot measures over the number of training pairs, for studies whose runs differ in nothing else."""

import io

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from cagan_theano.evaluation.interval import PERCENT
from cagan_theano.io import sheet
from cagan_theano.io.text import literal
from cagan_theano.studies.study import MEASURES, compared_names

SHOWN = ("inside", "alpha_iou", "outside")
"""Plotted measures; without true swaps, the first of those that are compared."""

FEWEST = 3
"""Numbers of pairs that make a curve."""

SETS = {"measures": ("held-out swaps", sheet.BLUE), "photos": ("photos", sheet.ORANGE)}
"""Where a run is measured: key of its results -> label and color."""


def pairs_of(results):
    """Run -> number of training pairs, fewest first; None unless the runs differ in these alone.

    results: the JSON of a study.
    """
    runs, common = results["runs"], results["photoshoot"]["pairs"]
    pairs = {name: run.get("pairs", common) for name, run in runs.items()}
    alone = not any(run["changes"] or run["clutter"] for run in runs.values())
    if not alone or len(set(pairs.values())) < max(FEWEST, len(pairs)):
        return None
    return dict(sorted(pairs.items(), key=lambda pair: pair[1]))


def plot(results):
    """The measures of ``SHOWN`` over the number of pairs: PNG bytes.  Dots are seeds, bars intervals."""
    pairs, runs = pairs_of(results), results["runs"]
    sets = {key: of for key, of in SETS.items() if all(key in run for run in runs.values())}
    known = compared_names(results)
    names = [name for name in SHOWN if name in known] or known[: len(SHOWN)]
    with sheet.style():
        figure = Figure(figsize=(11.5, 4.2), dpi=130, facecolor="white", layout="constrained")
        for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names):
            for key, (label, color) in sets.items():
                entries = [runs[run][key][name] for run in pairs if name in runs[run][key]]
                if len(entries) == len(pairs):  # photos may have true swaps that the data lack
                    curve(axes, list(pairs.values()), entries, label, color)
            sign = "less" if MEASURES[name][1] == "lower" else "more"
            axes.set_title(f"{name}\n({sign} is better)", size=11)
            finish(axes, list(pairs.values()))
        axes.legend(frameon=False, fontsize=10)
        figure.suptitle(
            literal(f"{results['title']}\n")
            + f"{results['steps']} steps each.  Dots: seeds; bars: {PERCENT.replace(' ', '')} intervals",
            size=12,
            x=0.01,
            ha="left",
        )
        data = io.BytesIO()
        FigureCanvasAgg(figure).print_png(data)
    return data.getvalue()


def curve(axes, pairs, entries, label, color):
    """Plot one measure's entries of a study over numbers of pairs."""
    axes.plot(pairs, [entry["value"] for entry in entries], color=color, linewidth=1.4, label=label)
    for count, entry in zip(pairs, entries):
        if entry["low"] is not None:
            axes.vlines(count, entry["low"], entry["high"], color=color, linewidth=1.2, alpha=0.6)
        axes.plot([count] * len(entry["seeds"]), entry["seeds"], ".", color=color, markersize=6)


def finish(axes, pairs):
    """A logarithmic axis with a tick at each number of pairs, and little else."""
    axes.set_xscale("log")
    axes.set_xlabel("training pairs")
    axes.xaxis.set_major_locator(FixedLocator(pairs))
    axes.set_xticklabels(map(str, pairs))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color="#eeeeee", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
