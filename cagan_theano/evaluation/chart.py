"""A plot of an evaluation, made from its JSON alone."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cagan_theano.evaluation.interval import PERCENT
from cagan_theano.evaluation.measures import GAP
from cagan_theano.io import sheet
from cagan_theano.io.text import literal

NETWORK = "CAGAN"
COLORS = {
    NETWORK: sheet.BLUE, "recoloring": sheet.ORANGE, "flat fill": "#d99a3a", "unchanged": sheet.GRAY,
    "held out": sheet.BLUE, "trained on": sheet.GRAY,
}  # fmt: skip
PANELS = {
    "Error inside the region\n(unchanged image = 1)": ("inside", "inside_low_pass", "inside_detail"),
    "SSIM inside the region\n(1 = equal)": ("ssim_inside",),
    "Power of the 2x2-alternating grain\n(1 = as in the true swap)": ("grain",),
    "IoU of $\\alpha > 0.5$\nwith the garments' region": ("alpha_iou", "alpha_iou_worn"),
    "Errors as a fraction of the range": ("outside", "cycle"),
}
"""Title -> measures of the panels; those without any measure are left out."""

DPI = 130
WIDTH, HEIGHT = 4.3, 4.1  # inches of a panel


def summary(result: dict[str, Any]) -> bytes:
    """PNG bytes: measures of the network and the baselines, and the generalization gap.

    result: the dict of `evaluate.report`.
    """
    systems = {NETWORK: result["measures"], **result["baselines"]}
    panels = []
    for title, names in PANELS.items():
        if found := [name for name in names if name in result["measures"]]:
            panels.append((title, found, systems))
    if gap := result["gap"]:
        pair = {"held out": "held_out", "trained on": "trained"}
        both = {label: {name: entry[key] for name, entry in gap.items()} for label, key in pair.items()}
        title = f"Held-out (n = {result['n']}) vs.\ntrained-on (n = {result['trained_n']}) images"
        panels.append((title, [name for name in GAP if name in gap], both))
    rows = -(-len(panels) // 3)
    with sheet.style():
        figure = Figure(figsize=(3 * WIDTH, rows * HEIGHT), facecolor="white", layout="constrained")
        grid = figure.add_gridspec(rows, 3)
        for number, panel in enumerate(panels):
            draw_panel(figure.add_subplot(grid[number // 3, number % 3]), *panel)
        about = (
            f"{result['checkpoint']}, step {result['step']}, sha256 {result['sha256'][:12]}: "
            f"{result['n']} held-out swaps of {result['people']} people "
            f"({result['data']}).  Whiskers: {PERCENT} bootstrap interval"
        )
        figure.suptitle(literal(about), size=12, x=0.01, ha="left")
    return sheet.encode(figure, dpi=DPI)


def draw_panel(axes: Axes, title: str, names: list[str], systems: dict[str, Any]) -> None:
    """Bars with whiskers: for each measure, one of each system that has it.

    systems: label -> measure -> {value, low, high}.
    """
    systems = {label: of for label, of in systems.items() if any(name in of for name in names)}
    width = 0.8 / len(systems)
    for number, (label, entries) in enumerate(systems.items()):
        for place, name in enumerate(names):
            entry = entries.get(name)
            if entry is None or entry["value"] is None:
                continue
            x = place + (number - (len(systems) - 1) / 2) * width
            axes.bar(x, entry["value"], 0.9 * width, color=COLORS[label], label="" if place else label)
            if entry["low"] is not None:
                axes.vlines(x, entry["low"], entry["high"], color=sheet.INK, linewidth=1)
    axes.set_title(title, size=12, loc="left")
    axes.set_xticks(range(len(names)), [name.replace("_", "\n", 1) for name in names])
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.tick_params(labelsize=10, width=0.5)
    axes.tick_params(axis="x", length=0)
    axes.spines[["top", "right"]].set_visible(False)
    if len(systems) > 1:
        below = {"bbox_to_anchor": (-0.05, -0.18), "borderaxespad": 0}
        axes.legend(frameon=False, fontsize=9, ncols=2, loc="upper left", **below)
