"""How a training step's time and memory grow with the minibatch, the pictures and the data set.

    python replicate/growth.py [--rounds 3] [--device cpu]

Three series, each with one thing changed, every point in a process of its own; a straight line is
laid through each.  Writes growth.json, .md and .png.
"""

import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from tqdm import tqdm

from cagan_theano import options
from cagan_theano.benchmarks.benchmark import Case, Worker, machine, write
from cagan_theano.io.command import Command

BEGIN, END = "<!-- growth -->", "<!-- end of growth -->"
SIZES = (64, 48), (128, 96), (192, 144), (256, 192)
BATCHES, PAIRS = (1, 2, 4, 8, 16), (1000, 4000, 16000)
SMALL = 2  # minibatch where something else grows


class Point(NamedTuple):
    """One measurement: what is counted, and the case."""

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
    """{amount, seconds (a median), memory (bytes, the peak)} of a point; ValueError if it fails."""
    arguments = "ours", point.case, checkpoint, device, cache, sys.executable
    with Worker(*arguments, pairs=point.pairs) as worker:
        if worker.error:
            raise ValueError(f"{point.case}: {worker.error}")
        seconds = float(np.median(worker.ask(f"run {rounds}")))
        return {"amount": point.amount, "seconds": seconds, "memory": worker.ask("memory")}


def line(amounts, values) -> tuple[float, float, float]:
    """(slope, value at 0, the largest distance of a point as a share of the largest value)."""
    slope, start = np.polyfit(amounts, values, 1)
    apart = np.abs(np.polyval((slope, start), amounts) - values).max() / np.max(values)
    return float(slope), float(start), float(apart)


def columns(rows: list) -> tuple:
    """amounts, milliseconds and MiB of a series as arrays."""
    amounts, seconds, memory = (
        np.array([row[name] for row in rows], float) for name in ("amount", "seconds", "memory")
    )
    return amounts, 1000 * seconds, memory / 2**20


def table(series: dict) -> str:
    """Every series as Markdown, with its lines."""
    parts = []
    for name, rows in series.items():
        amounts, times, memory = columns(rows)
        parts += [f"| {name} | ms a step | peak memory |", "|---|---|---|"]
        parts += [f"| {a:.0f} | {t:.0f} | {m:.0f} MiB |" for a, t, m in zip(amounts, times, memory)]
        (slope, start, apart), (more, least, away) = line(amounts, times), line(amounts, memory)
        parts += [
            f"| a line | {start:.0f} + {slope:.3g} each, off by at most {apart:.0%} "
            f"| {least:.0f} + {more:.3g} each, off by at most {away:.0%} |",
            "",
        ]
    return "\n".join(parts)


def draw(series: dict, about: str):
    """Time and memory over each amount, with their lines; a matplotlib Figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(series), 6), layout="constrained")
    grid = figure.subplots(2, len(series), squeeze=False)
    for number, (name, rows) in enumerate(series.items()):
        amounts, *values = columns(rows)
        for axes, row, unit in zip(grid[:, number], values, ("ms a step", "peak memory, MiB")):
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
    help="Steps of a point, whose median counts.",
)
@click.option(
    "--update",
    "document",
    type=click.Path(dir_okay=False),
    help="Also put the tables into this document, between its two marks.",
)
@options.checkpoint_option("128x96")
@options.out_option
@click.option(
    "--device",
    type=click.Choice(["cpu", "gpu"]),
    default="cpu",
    show_default=True,
    help="Where the steps run.",
)
def command(rounds, document, checkpoint, out, device):
    """Measure how a step's time and memory grow."""
    points = [(name, point) for name, series in SERIES.items() for point in series]
    series, about = {name: [] for name in SERIES}, machine(device)
    with tempfile.TemporaryDirectory() as cache:
        for name, point in tqdm(points, unit="point"):
            series[name].append(measure(point, checkpoint, device, rounds, cache))
    facts, picture = {"about": about, "series": series}, draw(series, about)
    write(Path(out), "growth", facts, table(series), picture, document, (BEGIN, END))
