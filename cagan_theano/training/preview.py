"""Images of a training run: sheets of held-out swaps with their scores, and loss curves."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cagan_theano.io.color import Pixels
from cagan_theano.io.text import literal
from cagan_theano.method.minibatch import RowNumbers
from cagan_theano.method.swap import Swap
from cagan_theano.training.scores import SCORES, Mask, garment_region, log_lines, mean_error, overlap
from data_prep.store import Photos, Rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 150


class HeldOut(NamedTuple):
    """Fixed triples of the test split.

    x_i, y_i, y_j [M, H, W, 3] uint8; m_i [M, H, W] uint8 or None; truth [M, H, W, 3] uint8, the true
    swaps, or None; region [M, H, W] bool, the old or the new garment, or None if either is unknown.
    """

    x_i: Pixels
    y_i: Pixels
    y_j: Pixels
    m_i: Pixels | None
    truth: Pixels | None
    region: Mask | None


def choose_held_out(photos: Photos, count: int) -> HeldOut | None:
    """Evenly spaced triples of a split, of the file's own if it has any; None with a single garment."""
    triples = photos.triples
    if triples is not None:
        m = spaced(len(triples.i), count)
        i, j = triples.i[m], triples.j[m]
    else:
        if len(np.unique(photos.garment)) < 2:
            return None
        i = spaced(len(photos), count).astype(np.int32)
        j = np.array([other(photos.garment, row) for row in i])
    images = rows(photos.x, i), rows(photos.y, i), rows(photos.y, j)
    m_i = None if photos.mask is None else rows(photos.mask, i)
    if triples is None or triples.x_ij is None or triples.mask is None:
        return HeldOut(*images, m_i, None, None)
    region = None if m_i is None else garment_region(m_i, rows(triples.mask, m))
    return HeldOut(*images, m_i, rows(triples.x_ij, m), region)


def spaced(n: int, count: int) -> NDArray[np.int64]:
    """Up to `count` distinct, evenly spaced rows of n."""
    numbers: NDArray[np.int64] = np.unique(np.linspace(0, n - 1, min(n, count)).astype(int))
    return numbers


def other(garment: RowNumbers, i: int) -> int:
    """The next row after i, cyclically, with another garment."""
    later = np.roll(np.arange(len(garment)), -i - 1)
    return int(later[garment[later] != garment[i]][0])


def rows(source: Rows, numbers: Iterable[int]) -> Pixels:
    """Rows of an HDF5 column, in any order."""
    return np.stack([source[int(number)] for number in numbers])


def score(held_out: HeldOut, swap: Swap) -> dict[str, float]:
    """`SCORES` of the swaps against the truth, if they are finite; {} if truth or region are unknown."""
    if held_out.truth is None or held_out.region is None:
        return {}
    images = (array / 255.0 for array in (held_out.x_i, swap.x_ij, held_out.truth))
    rows = [
        {
            "error_inside": mean_error(made, true, inside),
            "unchanged_inside": mean_error(given, true, inside),
            "error_outside": mean_error(made, true, ~inside),
            "iou": overlap(alpha, inside),
        }
        for given, made, true, alpha, inside in zip(*images, swap.alpha, held_out.region)
    ]
    columns, ones = {name: np.array([row[name] for row in rows]) for name in rows[0]}, np.ones(len(rows))
    found = {name: float(statistic(columns, ones)) for name, statistic in SCORES.items()}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def sample_sheet(held_out: HeldOut, swap: Swap, title: str, numbers: str, limit: int = 6) -> bytes:
    """A PNG of swaps, one human per row: y_i | x_i | alpha | x_ij | truth, if known | y_j.

    title: caption; numbers: small print.
    """
    from cagan_theano.io import sheet

    columns: dict[str, NDArray[np.generic]] = {
        "$y_i$": held_out.y_i,
        "$x_i$": held_out.x_i,
        r"$\alpha_i^j$": swap.alpha,
        "$x_i^j$": swap.x_ij,
    }
    if held_out.truth is not None:
        columns["truth"] = held_out.truth
    columns["$y_j$"] = held_out.y_j
    panels = list(zip(*(column[:limit] for column in columns.values())))
    scale = max(1, 384 // held_out.x_i.shape[1])
    return sheet.encode(sheet.grid(panels, list(columns), literal(title), numbers, scale))


def loss_curves(log: list[dict[str, Any]], title: str) -> bytes | None:
    """A PNG of the logged losses and held-out scores over steps; None for a log without steps."""
    from matplotlib.figure import Figure

    from cagan_theano.io import sheet

    log = log_lines(log)
    if not log:
        return None
    colors = sheet.BLUE, sheet.ORANGE, "#3c8d5a", "#7b4b94"
    panels = {
        "discriminator": ("loss_D", "adv_D_real", "adv_D_fake", "adv_D_mismatch"),
        "generator": ("loss_G", "adv_G"),
        "regularizers": ("L_id", "L_cyc", "L_truth", "L_region"),
        "held-out swaps": ("inside", "alpha_iou"),
    }
    with sheet.style():
        figure = Figure(figsize=(10, 6.4), facecolor="white", layout="constrained")
        for axes, (name, keys) in zip(figure.subplots(2, 2).flat, panels.items()):
            for key, color in zip(keys, colors):
                plot_curve(axes, log, key, color)
            axes.set_title(name, size=10, loc="left")
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
            if not axes.lines:  # such as of photos without true swaps
                axes.remove()
                continue
            above = {"loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": len(keys)}
            axes.legend(
                frameon=False, fontsize=8, handlelength=1, columnspacing=1, handletextpad=0.5, **above
            )
        figure.suptitle(literal(title), size=10)
        figure.supxlabel("step", size=9)
        return sheet.encode(figure, dpi=DPI)


def plot_curve(axes: Axes, log: list[dict[str, float]], key: str, color: str) -> None:
    """Plot one quantity of the log: its values faintly, their running mean in full color."""
    points = [(line["step"], line[key]) for line in log if key in line]
    if not points:
        return
    steps, values = np.array(points, dtype=float).T
    window = max(1, min(100, len(values) // 20))
    mean = np.convolve(values, np.full(window, 1 / window), mode="valid")
    if window > 1:
        axes.plot(steps, values, color=color, alpha=0.18, linewidth=0.6)
    axes.plot(steps[window - 1 :], mean, color=color, linewidth=1.4, label=key)
