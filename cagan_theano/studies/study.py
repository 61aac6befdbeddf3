"""Results of a study: differences from the baseline, a table, a plot, a grid of swaps."""

import io

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cagan_theano.evaluation import interval, measures
from cagan_theano.evaluation.interval import PERCENT
from cagan_theano.io import sheet
from cagan_theano.io.color import as_bytes
from cagan_theano.io.text import format_number, literal, one_line
from cagan_theano.training.scores import log_lines, score_names

BETTER = {
    "inside": "lower",
    "inside_low_pass": "lower",
    "ssim_inside": "higher",
    "alpha_iou": "higher",
    "alpha_iou_worn": "higher",
    "outside": "lower",
    "texture": "lower",
    "cycle": "lower",
}
MEASURES = {name: (measures.MEASURES[name].of, direction) for name, direction in BETTER.items()}
"""Compared measures: name -> (statistic, better direction); defined in docs/evaluation.md."""

GROUPED = ("category", "pattern")
"""What a plan's `by` may name."""

MIN_SEEDS = 2
"""A difference counts only if at least this many seeds agree on its sign."""

AGREE = f"the interval excludes 0, and at least {MIN_SEEDS} seeds agree"


def columns_of(report):
    """The columns of an evaluation's JSON as float arrays, None as nan."""
    return {name: np.array(values, float) for name, values in report["swaps"].items()}


def several(statistic, runs):
    """Statistic: the mean of a statistic over trainings.

    runs: a dict of columns for each training, of the same swaps.
    """

    def mean(_columns, weights):
        return np.mean([statistic(columns, weights) for columns in runs], axis=0)

    return mean


def comparable(columns):
    """The names in ``MEASURES`` of which these columns know the values.

    The overlap with the worn garment stands in for `alpha_iou` where the true swaps are unknown.
    """
    known = set(measures.known(columns))
    known -= {"alpha_iou_worn"} if "alpha_iou" in known else set()
    return [name for name in MEASURES if name in known]


def compared(runs, baseline, seed=0, names=None, of=None):
    """Each measure's mean over seeds, its value per seed, and its difference from the baseline.

    runs, baseline: lists of columns, one for each seed, the same seeds and swaps in the same order.
    names: measures, by default all `comparable`; of: a bool column, for these swaps only.
    Returns measure -> {value, low, high, seeds, difference: {value, low, high, seeds}}; the
    intervals resample people or garments, not seeds.
    """
    first, ones, found = interval.Measured.of(runs[0], seed), np.ones(len(runs[0]["person"])), {}
    for name in comparable(runs[0]) if names is None else names:
        statistic = MEASURES[name][0] if of is None else interval.within(MEASURES[name][0], of)
        here, there = several(statistic, runs), several(statistic, baseline)
        each = [float(statistic(columns, ones)) for columns in runs]
        base = [float(statistic(columns, ones)) for columns in baseline]
        change = first.estimate(lambda c, w, a=here, b=there: a(c, w) - b(c, w))
        found[name] = first.estimate(here) | {
            "seeds": each,
            "difference": change | {"seeds": [a - b for a, b in zip(each, base, strict=True)]},
        }
    return found


def reached(curves, target):
    """The first step of a run's `curves` with an error `inside` of at most the target; None if none."""
    return next((point["step"] for point in curves if point["inside"] <= target), None)


def better(name, difference):
    """ "better", "worse" or "-": the interval excludes 0, at least ``MIN_SEEDS`` seeds, all of one sign."""
    low, high, seeds = (difference[key] for key in ("low", "high", "seeds"))
    if len(seeds) < MIN_SEEDS or low is None or low <= 0 <= high or len({np.sign(s) for s in seeds}) > 1:
        return "-"
    down = high < 0
    return "better" if down == (MEASURES[name][1] == "lower") else "worse"


def curves(log):
    """The log's held-out scores: a list of {step, inside, outside, alpha_iou}."""
    return [
        {"step": line["step"], **{key: round(line[key], 5) for key in score_names(line)}}
        for line in log_lines(log)
        if score_names(line)
    ]


def markdown(results):
    """The results of a study as a Markdown table."""
    where = f" in {one_line(results['data'])}" if "data" in results else ""
    lines = [
        f"{results['title']}: {results['trainings']} trainings of {results['steps']} steps; "
        f"{results['n']} held-out swaps of {results['people']} people{where}.",
        "",
        *summary(results),
        "",
        *rows_of(results, "measures"),
        "",
        *(convergence(results) if results.get("convergence") else []),
    ]
    for attribute, counts in results.get("by", {}).items():
        words = results["runs"][results["baseline"]]["by"][attribute]  # none if the data lack the attribute
        for measure in dict.fromkeys(measure for one in words.values() for measure in one):
            lines += [*rows_by(results, attribute, counts, measure), ""]
    if "photos" in results:
        photos = results["photos"]
        lines += [
            f"The same trainings on {photos['n']} swaps of {photos['people']} people in {photos['data']}:",
            "",
            *rows_of(results, "photos"),
            "",
        ]
    lines += agreement(results) if "agreement" in results else []
    lines += [
        f"Mean over seeds; the baseline with its {PERCENT} interval over people or garments, the other "
        f"runs with their difference from the baseline and its interval. Better or worse: {AGREE}. "
        "The measures are defined in docs/evaluation.md.",
    ]
    missing = [f"{name} ({seeds})" for name, seeds in results["missing"].items()]
    return "\n".join(lines + (["", f"Not compared yet: {', '.join(missing)}."] if missing else []))


def summary(results):
    """The lines of a table: the measures that are better and worse for each run, on each set of images."""
    sets = {"measures": "held-out swaps"} | ({"photos": "photos"} if "photos" in results else {})
    rows = [
        [name, *(decided(run[key]) for key in sets)]
        for name, run in results["runs"].items()
        if name != results["baseline"]
    ]
    return table(["run", *sets.values()], rows) if rows else []


def decided(entries):
    """The measures of a run that are better, and those that are worse, as text."""
    words = {name: better(name, entry["difference"]) for name, entry in entries.items()}
    parts = []
    for word in ("better", "worse"):
        names = [name for name, found in words.items() if found == word]
        parts += [f"{word}: {', '.join(names)}"] if names else []
    return "; ".join(parts) or "not decided"


def rows_of(results, key):
    """The lines of a table of all runs; key: of a run's measures, "measures" or "photos"."""
    names = compared_names(results, key)
    rows = [
        [titled(name, run), changes(run)]
        + [cell(measure, run[key][measure], name == results["baseline"]) for measure in names]
        for name, run in results["runs"].items()
    ]
    return table(["run", "changed", *names], rows)


def compared_names(results, key="measures"):
    """The compared measures of a study, in the order of ``MEASURES``; key: of a run, or "photos"."""
    return [name for name in MEASURES if name in results["runs"][results["baseline"]][key]]


def rows_by(results, attribute, counts, measure):
    """The lines of a table of one measure for each word of an attribute.  counts: word -> swaps."""
    rows = [
        [titled(name, run)]
        + [cell(measure, run["by"][attribute][word][measure], name == results["baseline"]) for word in counts]
        for name, run in results["runs"].items()
    ]
    words = [f"{one_line(word)} ({count} swaps)" for word, count in counts.items()]
    return [f"`{measure}` by {attribute} of the article:", "", *table(["run", *words], rows)]


def convergence(results):
    """The lines of a table: when each run reaches the baseline's last error."""
    base = results["runs"][results["baseline"]]
    last = {seed: curve[-1] for seed, curve in zip(base["seeds"], base["curves"]) if curve}
    rows = []
    for name, run in results["runs"].items():
        pairs = [(c, last[seed]) for seed, c in zip(run["seeds"], run["curves"]) if c and seed in last]
        steps = [reached(curve, point["inside"]) for curve, point in pairs]
        rows.append([name, ", ".join("never" if step is None else str(step) for step in steps) or "-"])
    text = "Steps until the error `inside` on the training's own held-out swaps first is at most the "
    return [f"{text}baseline's last one, by seed:", "", *table(["run", "steps"], rows), ""]


def agreement(results):
    """The lines of the tables: how the runs are ordered here and in other studies (`studies.agreement`)."""
    found = results["agreement"]
    files = ", ".join(map(one_line, found["files"]))
    sets = {"measures": "held-out swaps"} | ({"photos": "photos"} if found.get("photos") else {})
    lines = [
        f"The order of the same runs in {files}: Kendall's rank correlation of their values, the baseline "
        "included, and how many of the runs that are better or worse there have a difference of the same "
        "sign here.",
        "",
    ]
    head = [f"{where}: {what}" for where in sets.values() for what in ("Kendall's tau", "same sign")]
    names = [name for name in MEASURES if any(name in found[key] for key in sets)]
    rows = [[name, *(cell for key in sets for cell in agreed(found[key].get(name)))] for name in names]
    lines += [*table(["measure", *head], rows), "", "Differences of `inside` from the baseline:", ""]
    runs = {key: found[key].get("inside", {"runs": {}})["runs"] for key in sets}
    head = [f"{where}: {what}" for where in sets.values() for what in ("other studies", "this study")]
    rows = [
        [one_line(name)]
        + [
            format_number(runs[key].get(name, {}).get(side), "+.3f")
            for key in sets
            for side in ("there", "here")
        ]
        for name in runs["measures"]
        if name != results["baseline"]
    ]
    return [*lines, *table(["run", *head], rows), ""]


def agreed(entry):
    """Two cells: the rank correlation with its number of runs, and how many signs agree."""
    if entry is None:
        return ["-", "-"]
    return [
        f"{format_number(entry['tau'], '.2f')} ({len(entry['runs'])} runs)",
        f"{entry['same']} of {entry['decided']}",
    ]


def table(head, rows):
    """A Markdown table as lines."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def titled(name, run):
    """A run's name with its number of seeds."""
    return f"{name} ({counted(len(run['seeds']), 'seed')})"


def counted(number, noun):
    """A number with a noun in the singular or plural."""
    return f"{number} {noun}{'s' * (number > 1)}"


def changes(run):
    """The changes of a run, as text."""
    text = [f"{key}={value}" for key, value in run["changes"].items()]
    text += ["clutter"] * run["clutter"]
    text += [f"{run['pairs']} pairs"] if "pairs" in run else []
    return ", ".join(text) or "nothing"


def cell(name, entry, is_baseline):
    """One cell of the table: a value with its interval."""
    if is_baseline:
        return ranged(entry, ".3f")
    change = entry["difference"]
    verdict, text = better(name, change), f"{format_number(entry['value'], '.3f')}: {ranged(change, '+.3f')}"
    return text if verdict == "-" else f"{text} **{verdict}**"


def ranged(entry, form):
    """A value with its interval as text."""
    value, low, high = (format_number(entry[key], form) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


WORDS = {"better": sheet.BLUE, "worse": sheet.ORANGE, "-": sheet.GRAY}
"""Colors of the plot by the word of `better`."""


def plot(results):
    """Plot every run's differences from the baseline: PNG bytes.

    results: the JSON of a study.  Dots are seeds, lines are intervals of the mean.
    """
    runs = {name: run for name, run in results["runs"].items() if name != results["baseline"]}
    names = compared_names(results)
    with sheet.style():
        figure = Figure(
            figsize=(13, 2.0 + 0.24 * len(runs)), dpi=130, facecolor="white", layout="constrained"
        )
        for axes, measure in zip(figure.subplots(1, len(names), sharey=True, squeeze=False)[0], names):
            plot_measure(axes, measure, runs)
        axes.set_yticks(range(len(runs)), map(literal, runs))
        axes.set_ylim(max(len(runs), 1) - 0.5, -0.5)
        figure.suptitle(
            literal(f"{results['title']}\n")
            + literal(f"Difference from the run {results['baseline']!r}, ")
            + f"{results['n']} held-out swaps.  Dots: seeds; line: {PERCENT.replace(' ', '')} interval; "
            f"colored if {AGREE}",
            size=12,
            x=0.01,
            ha="left",
        )
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=130)
    return data.getvalue()


def plot_measure(axes, measure, runs):
    """Plot one column of `plot`."""
    axes.axvline(0, color=sheet.INK, linewidth=0.8)
    for place, run in enumerate(runs.values()):
        change = run["measures"][measure]["difference"]
        color = WORDS[better(measure, change)]
        if change["low"] is not None:
            axes.hlines(place, change["low"], change["high"], color=color, linewidth=1.6)
        axes.plot(change["seeds"], [place] * len(change["seeds"]), ".", color=color, markersize=5)
    sign = "less" if MEASURES[measure][1] == "lower" else "more"
    axes.set_title(f"{measure}\n({sign} is better)", size=11)
    axes.grid(axis="y", color="#eeeeee", linewidth=0.6)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(labelsize=9.5, width=0.5, length=0)
    axes.xaxis.set_major_locator(MaxNLocator(3))  # more overlap where the numbers are long


NAMES_WIDTH = 420
"""Device pixels for the names of the runs at the left of the grid."""

FEW = 12
"""Grids with more rows than this have panels of half the height."""


def grid(pictures, rows, note):
    """The same swaps for each run in one image: PNG bytes.

    pictures: x_i, y_j [n, H, W, 3] uint8, truth likewise or None.  rows: run name -> (x_ij
    [n, H, W, 3] uint8, alpha [n, H, W] float) of its first seed.  The top rows are x_i, y_j and the
    truth.
    """
    gray = {name: np.repeat(as_bytes(alpha)[..., None], 3, axis=-1) for name, (_, alpha) in rows.items()}
    lines = {"input and article": (pictures["x_i"], pictures["y_j"])}
    if pictures["truth"] is not None:
        lines["true swap"] = (pictures["truth"], None)
    lines |= {name: (x_ij, gray[name]) for name, (x_ij, _) in rows.items()}
    with sheet.style():
        figure = grid_figure(lines, note)
        canvas, data = FigureCanvasAgg(figure), io.BytesIO()
        canvas.print_png(data)
    return data.getvalue()


def grid_figure(lines, note):
    """The matplotlib Figure of `grid`: per row, a name and a pair of panels for each swap."""
    first = next(iter(lines.values()))[0]
    scale = sheet.scale_for(first[0], 256 if len(lines) <= FEW else 128)
    height, width = (side * scale for side in first.shape[1:3])
    pair, gap = 2 * width + 6, sheet.GAP
    wide = 2 * sheet.MARGIN + NAMES_WIDTH + len(first) * (pair + gap)
    caption = sheet.Caption(CAPTION, note, wide - 2 * sheet.MARGIN)
    tall = 2 * sheet.MARGIN + len(lines) * (height + gap) + caption.height
    figure = sheet.blank(wide, tall)
    for r, (name, (left, right)) in enumerate(lines.items()):
        top = sheet.MARGIN + r * (height + gap)
        sheet.write(figure, literal(name), sheet.MARGIN, top + height / 2, sheet.LABEL_SIZE, va="center")
        for c in range(len(first)):
            x = sheet.MARGIN + NAMES_WIDTH + c * (pair + gap)
            sheet.place(figure, left[c], x, top, scale, name=f"{r},{c}")
            if right is not None:
                sheet.place(figure, right[c], x + width + 6, top, scale, name=f"{r},{c}'")
    caption.write(figure, sheet.MARGIN, sheet.MARGIN + len(lines) * (height + gap))
    return figure


CAPTION = (
    r"The same held-out swaps for each run, one seed. Top: the human $x_i$ and the "
    r"article $y_j$; then, for each run, the generated $x_i^j$ and its mask $\alpha_i^j$ "
    r"(white: painted)."
)
