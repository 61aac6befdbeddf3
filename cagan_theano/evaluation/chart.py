"""A plot of an evaluation, made from its JSON alone."""

import io

from matplotlib.figure import Figure

from cagan_theano.evaluation import measures
from cagan_theano.evaluation.interval import PERCENT
from cagan_theano.io import sheet
from cagan_theano.io.text import literal

OURS, FLAT, UNCHANGED = sheet.BLUE, "#d99a3a", sheet.GRAY
DPI = 130
SIZE = (13, 8.2)


def summary(result):
    """PNG bytes: errors with baselines, alpha, frequencies, kinds of change, the generalization gap.

    result: the dict of `evaluate.report`.  Panels without numbers say so.
    """
    with sheet.style():
        figure = Figure(figsize=SIZE, dpi=DPI, facecolor="white", layout="constrained")
        panels = (errors, similarity, precision_recall, frequencies, kinds, gap)
        for axes, panel in zip(figure.subplots(2, 3).flat, panels):
            if not panel(axes, result):
                missing(axes)
            clean(axes)
        figure.suptitle(literal(title(result)), size=12, x=0.01, ha="left")
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=DPI)
    return data.getvalue()


def ordered(found, names):
    """The existing entries of a dict in the order of `names` (JSON may have sorted them)."""
    return {name: found[name] for name in names if name in found}


def title(result):
    """The weights, the data and the meaning of the whiskers."""
    return (
        f"{result['checkpoint']}, step {result['step']}, sha256 {result['sha256'][:12]}: "
        f"{result['n']} held-out swaps of {result['people']} people "
        f"({result['data']}).  Whiskers: {PERCENT} bootstrap interval"
    )


def clean(axes):
    """Apply the style shared by all panels."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=10, width=0.5)
    axes.title.set_size(12)
    axes.title.set_ha("left")
    axes.title.set_x(0)


def missing(axes):
    """Mark a panel as without numbers."""
    axes.set(xticks=[], yticks=[])
    axes.text(
        0.5,
        0.5,
        "not available for these images",
        ha="center",
        va="center",
        size=11,
        color=sheet.FAINT,
        transform=axes.transAxes,
    )


def bars(axes, places, entries, color, label=None, width=0.26):
    """Bars with whiskers; entries are {value, low, high}."""
    for place, entry in zip(places, entries):
        if entry is None or entry["value"] is None:
            continue
        axes.bar(place, entry["value"], width, color=color, label=label)
        label = None
        whisker(axes, place, entry)


def pairs(axes, left, right):
    """Two bars per place; left, right: (entries, color, label)."""
    places = range(len(left[0]))
    for shift, (entries, color, label) in ((-0.2, left), (0.2, right)):
        bars(axes, [p + shift for p in places], entries, color, label, 0.38)
    return places


def whisker(axes, place, entry):
    """Plot the interval of an entry as a line."""
    if entry["low"] is not None:
        axes.vlines(place, entry["low"], entry["high"], color=sheet.INK, linewidth=1)


def labels(axes, places, names):
    """Names under the bars."""
    axes.set_xticks(places, names)
    axes.tick_params(axis="x", length=0)


def legend(axes, columns=2):
    """A legend below the axes, where it covers no data."""
    axes.legend(
        frameon=False,
        fontsize=10,
        loc="upper left",
        bbox_to_anchor=(-0.05, -0.2),
        ncols=columns,
        columnspacing=1,
        handlelength=1.2,
        borderaxespad=0,
    )


def errors(axes, result):
    """Errors inside the region as shares of the unchanged image's."""
    axes.set_title("Error inside the garments' region\n(unchanged image = 1)")
    found, names = result["measures"], ("inside", "inside_low_pass")
    if "inside" not in found:
        return False
    places = pairs(
        axes,
        ([found[n] for n in names], OURS, "CAGAN"),
        ([found[f"{n}_flat"] for n in names], FLAT, "flat fill of the true region"),
    )
    axes.axhline(1, color=UNCHANGED, linewidth=1, linestyle="--")
    axes.set_xlim(-0.5, 1.5)
    legend(axes)
    labels(axes, places, ("every pixel", f"low-pass\n({result['low_pass']})"))
    return True


def similarity(axes, result):
    """SSIM inside and outside."""
    axes.set_title("SSIM with the true swap\n(1 = equal)")
    found = result["measures"]
    if "ssim_inside" not in found:
        return False
    places = range(2)
    for shift, ending, color, label in (
        (-0.28, "", OURS, "CAGAN"),
        (0, "_flat", FLAT, "flat fill"),
        (0.28, "_unchanged", UNCHANGED, "unchanged image"),
    ):
        bars(
            axes,
            [p + shift for p in places],
            [found.get(f"{name}{ending}") for name in ("ssim_inside", "ssim_outside")],
            color,
            label,
        )
    labels(axes, places, ("inside", "outside"))
    axes.set_ylim(0, 1.02)
    legend(axes, 3)
    return True


def precision_recall(axes, result):
    """Alpha's precision-recall curve with alpha > 0.5 marked."""
    curve, found = result["precision_recall"], result["measures"]
    axes.set_title(r"$\alpha$ against the true region")
    if not curve:
        return False
    axes.plot(curve["recall"], curve["precision"], color=OURS, linewidth=1.8)
    point = found["alpha_recall"]["value"], found["alpha_precision"]["value"]
    axes.plot(*point, "o", color=sheet.ORANGE, markersize=7)
    axes.annotate(
        rf"$\alpha > 0.5$: IoU {found['alpha_iou']['value']:.2f}",
        point,
        (0.3, 0.44),
        textcoords="axes fraction",
        color=sheet.ORANGE,
        size=11,
        arrowprops=dict(arrowstyle="-", color=sheet.ORANGE, linewidth=0.8),
    )
    axes.text(
        0.3,
        0.36,
        f"average precision {found['alpha_average_precision']['value']:.3f}",
        size=11,
        transform=axes.transAxes,
    )
    axes.axhline(
        curve["precision"][0], color=UNCHANGED, linewidth=1, linestyle="--", label="painting everything"
    )
    legend(axes)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.03))
    return True


def frequencies(axes, result):
    """Error by spatial frequency."""
    axes.set_title("Error inside by spatial frequency")
    found = ordered(result["bands"], measures.BAND_NAMES)
    if not found:
        return False
    entries = list(found.values())
    places = pairs(
        axes,
        ([e["of_unchanged"] for e in entries], OURS, "/ the unchanged image's"),
        ([e["of_flat"] for e in entries], FLAT, "/ the flat fill's"),
    )
    axes.axhline(1, color=UNCHANGED, linewidth=1, linestyle="--")
    legend(axes)
    labels(axes, places, list(found))
    return True


def kinds(axes, result):
    """Error by kind of change."""
    axes.set_title("Error where the truth differs from $x_i$,\nby kind of change")
    found = ordered(result["kinds"], measures.KINDS)
    if not found:
        return False
    places = range(len(found))
    bars(axes, places, [entry["changed"] for entry in found.values()], OURS, width=0.6)
    axes.axhline(1, color=UNCHANGED, linewidth=1, linestyle="--")
    labels(axes, places, [f"{name}\nn = {entry['n']}" for name, entry in found.items()])
    axes.tick_params(axis="x", labelsize=9)
    return True


def gap(axes, result):
    """Held-out and trained-on values of each measure."""
    axes.set_title("Held-out vs. trained-on\npeople and garments")
    found = ordered(result["gap"], [name for name in measures.GAP if name != "outside"])
    if not found:
        return False
    entries = list(found.values())
    places = pairs(
        axes,
        ([e["held_out"] for e in entries], OURS, f"held out (n = {result['n']})"),
        ([e["trained"] for e in entries], UNCHANGED, f"trained on (n = {result['trained_n']})"),
    )
    legend(axes)
    labels(axes, places, [name.replace("_", "\n", 1) for name in found])
    axes.tick_params(axis="x", labelsize=9)
    return True
