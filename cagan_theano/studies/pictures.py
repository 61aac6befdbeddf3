"""The pictures of a study: each run's differences from the baseline, and the same swaps for each run."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from cagan_theano.evaluation.interval import PERCENT
from cagan_theano.io import sheet
from cagan_theano.io.color import as_bytes
from cagan_theano.io.text import literal
from cagan_theano.studies.comparison import BETTER, Difference, Results, compared_names, differences

COLORS = {"better": sheet.BLUE, "worse": sheet.ORANGE, "-": sheet.GRAY}
"""Colors of the plot by the word of a `Difference`."""

NAMES_WIDTH = 420
"""Device pixels for the names of the runs at the left of the grid."""

FEW = 12
"""Grids with more rows than this have panels of half the height."""

CAPTION = (
    r"The same held-out swaps for each run, one seed. Top: the human $x_i$ and the "
    r"article $y_j$; then, for each run, the generated $x_i^j$ and its mask $\alpha_i^j$ "
    r"(white: painted)."
)


def plot_differences(results: Results) -> bytes:
    """Plot every run's differences from the baseline: PNG bytes.  Dots are seeds."""
    found, names = differences(results), compared_names(results)
    with sheet.style():
        figure = Figure(
            figsize=(13, 2.0 + 0.24 * len(found)), dpi=130, facecolor="white", layout="constrained"
        )
        for axes, measure in zip(figure.subplots(1, len(names), sharey=True, squeeze=False)[0], names):
            plot_measure(axes, measure, [run.get(measure) for run in found.values()])
        axes.set_yticks(range(len(found)), map(literal, found))
        axes.set_ylim(max(len(found), 1) - 0.5, -0.5)
        figure.suptitle(
            literal(f"{results['title']}\n")
            + literal(f"Difference from the run {results['baseline']!r}, ")
            + f"{results['n']} held-out swaps.  Dots: seeds; line: {PERCENT.replace(' ', '')} interval with "
            "the spread between seeds; colored: survives the correction for all comparisons",
            size=12,
            x=0.01,
            ha="left",
        )
        return sheet.encode(figure, dpi=figure.dpi)


def plot_measure(axes: Any, measure: str, changes: list[Difference | None]) -> None:
    """Plot one column of `plot_differences`."""
    axes.axvline(0, color=sheet.INK, linewidth=0.8)
    for place, change in enumerate(changes):
        if change is not None:
            color = COLORS[change.word]
            if change.low is not None:
                axes.hlines(place, change.low, change.high, color=color, linewidth=1.6)
            axes.plot(change.seeds, [place] * len(change.seeds), ".", color=color, markersize=5)
    axes.set_title(f"{measure}\n({'less' if BETTER[measure] == 'lower' else 'more'} is better)", size=11)
    axes.grid(axis="y", color="#eeeeee", linewidth=0.6)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(labelsize=9.5, width=0.5, length=0)
    axes.xaxis.set_major_locator(MaxNLocator(3))  # more overlap where the numbers are long


def draw_grid(runs: dict[str, dict[str, NDArray[Any]]], baseline: str, note: str) -> bytes:
    """The same swaps for each run in one image: PNG bytes.

    runs: run name -> x_i, y_j, x_ij [n, H, W, 3] uint8, alpha [n, H, W] in [0, 1] and, if known, the truth,
    of its first seed.  The top rows are x_i, y_j and the truth of the baseline.
    """
    given = runs[baseline]
    pairs = np.concatenate([given["x_i"], given["y_j"]], axis=2)
    lines = {"input and article": pairs} | ({"true swap": given["truth"]} if "truth" in given else {})
    for name, run in runs.items():
        alpha = np.repeat(as_bytes(run["alpha"])[..., None], 3, axis=-1)
        lines[name] = np.concatenate([run["x_ij"], alpha], axis=2)
    scale = sheet.scale_for(pairs[0], 256 if len(lines) <= FEW else 128)
    height, width = (side * scale + sheet.GAP for side in pairs.shape[1:3])
    wide = 2 * sheet.MARGIN + NAMES_WIDTH + len(pairs) * width
    with sheet.style():
        caption = sheet.Caption(CAPTION, note, wide - 2 * sheet.MARGIN)
        figure = sheet.blank(wide, 2 * sheet.MARGIN + len(lines) * height + caption.height)
        for r, (name, images) in enumerate(lines.items()):
            top = sheet.MARGIN + r * height
            sheet.write(figure, literal(name), sheet.MARGIN, top + height / 2, sheet.LABEL_SIZE, va="center")
            for c, image in enumerate(images):
                left = sheet.MARGIN + NAMES_WIDTH + c * width
                sheet.place(figure, image, left, top, scale, name=f"{r},{c}")
        caption.write(figure, sheet.MARGIN, sheet.MARGIN + len(lines) * height)
    return sheet.encode(figure)
