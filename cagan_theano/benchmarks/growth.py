"""Growth of a training step's time and memory with batch size, image size and data set size.

    python replicate/growth.py [--rounds 3] [--device cpu]

Three series, each varying one quantity, with every point measured in its own process; a straight
line is fitted to each.  Writes growth.json, .md and .png.
"""

import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from tqdm import tqdm

from cagan_theano.benchmarks.benchmark import Case, Worker, machine, result_options, write
from cagan_theano.io.command import Command

BEGIN, END = "<!-- growth -->", "<!-- end of growth -->"
SIZES = (64, 48), (128, 96), (192, 144), (256, 192)
BATCHES, PAIRS = (1, 2, 4, 8, 16), (1000, 4000, 16000)
SMALL = 2  # batch size when another quantity grows


class Point(NamedTuple):
    """One measurement: the varied amount and the case."""

    amount: int
    case: Case
    pairs: int = 0


SERIES = {
    "pictures in a minibatch (128x96)": [Point(n, Case("step", 128, 96, n)) for n in BATCHES],
    f"pixels of a picture (minibatch of {SMALL})": [
        Point(h * w, Case("step", h, w, SMALL)) for h, w in SIZES
    ],
    f"pairs in memory (128x96, minibatch of {SMALL})": [
        Point(n, Case("step", 128, 96, SMALL), n) for n in PAIRS
    ],
}


def measure(point: Point, checkpoint, device: str, rounds: int, cache: str) -> dict:
    """{amount, seconds (median), memory (peak, bytes)} of a point.  Raises ValueError if it fails."""
    arguments = "ours", point.case, checkpoint, device, cache, sys.executable
    with Worker(*arguments, pairs=point.pairs) as worker:
        if worker.error:
            raise ValueError(f"{point.case}: {worker.error}")
        seconds = float(np.median(worker.ask(f"run {rounds}")))
        return {"amount": point.amount, "seconds": seconds, "memory": worker.ask("memory")}


def line(amounts, values) -> tuple[float, float, float]:
    """Least-squares line: (slope, intercept, largest residual as a share of the largest value)."""
    slope, start = np.polyfit(amounts, values, 1)
    apart = np.abs(np.polyval((slope, start), amounts) - values).max() / np.max(values)
    return float(slope), float(start), float(apart)


def columns(rows: list) -> tuple:
    """Amounts, milliseconds and MiB of a series as arrays."""
    amounts, seconds, memory = (
        np.array([row[name] for row in rows], float) for name in ("amount", "seconds", "memory")
    )
    return amounts, 1000 * seconds, memory / 2**20


def table(series: dict) -> str:
    """All series as Markdown tables, with their fitted lines."""
    parts = []
    for name, rows in series.items():
        amounts, times, memory = columns(rows)
        parts += [f"| {name} | ms per step | peak memory |", "|---|---|---|"]
        parts += [f"| {a:.0f} | {t:.0f} | {m:.0f} MiB |" for a, t, m in zip(amounts, times, memory)]
        (slope, start, apart), (more, least, away) = line(amounts, times), line(amounts, memory)
        parts += [
            f"| linear fit | {start:.0f} + {slope:.3g} each, off by at most {apart:.0%} "
            f"| {least:.0f} + {more:.3g} each, off by at most {away:.0%} |",
            "",
        ]
    return "\n".join(parts)


def draw(series: dict, about: str):
    """Plot time and memory over each amount, with the fitted lines; a matplotlib Figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(series), 6), layout="constrained")
    grid = figure.subplots(2, len(series), squeeze=False)
    for number, (name, rows) in enumerate(series.items()):
        amounts, *values = columns(rows)
        for axes, row, unit in zip(grid[:, number], values, ("ms per step", "peak memory, MiB")):
            slope, start, _ = line(amounts, row)
            ends = np.array([0, amounts.max()])
            axes.plot(ends, start + slope * ends, color="#b9b9b9", zorder=1)
            axes.scatter(amounts, row, color="#1f5f8b", zorder=2)
            axes.set_ylim(0, 1.15 * row.max())
            axes.set_ylabel(unit)
            axes.spines[["top", "right"]].set_visible(False)
        grid[1, number].set_xlabel(name)
    figure.suptitle(about, fontsize=9)
    return figure


@click.command(cls=Command, context_settings={"max_content_width": 100})
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Steps per point, of which the median is taken.",
)
@result_options
def command(rounds, document, checkpoint, out, device):
    """Measure how the time and memory of a training step grow."""
    points = [(name, point) for name, series in SERIES.items() for point in series]
    series, about = {name: [] for name in SERIES}, machine(device)
    with tempfile.TemporaryDirectory() as cache:
        for name, point in tqdm(points, unit="point"):
            series[name].append(measure(point, checkpoint, device, rounds, cache))
    record, figure = {"about": about, "series": series}, draw(series, about)
    write(Path(out), "growth", record, table(series), figure, document, (BEGIN, END))
