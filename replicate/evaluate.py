"""Measure a checkpoint against the true swaps of held-out pictures, with confidence intervals.

    python replicate/evaluate.py [--checkpoint H5] [--data H5] [--out JSON]

What each number means, defined: docs/figures.md and `replicate/metrics.py`.
"""

import sys
from pathlib import Path

if not __package__:  # run as a file: the clone's root takes the place of this folder on the path
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import inspect
import json
import warnings
from typing import Callable, NamedTuple

import click
import numpy as np
from scipy import stats
from tqdm import tqdm

from cagan_theano.checkpoint import write_atomically
from cagan_theano.command import main
from replicate import common, metrics

TRIPLES = 200
"""Held-out swaps that are rendered when no data file is given."""

BATCH = 16
CONFIDENCE = 0.95


class Measure(NamedTuple):
    """One line of the table: name, what it means, and its statistic of the rows drawn.

    ``of`` takes the measured columns and an int array of rows [..., n] and returns [...], so
    that one definition serves the value and its bootstrap.
    """

    name: str
    meaning: str
    of: Callable


def share(error, of):
    """Statistic: mean error as a share of another column's mean (a ratio of means)."""
    return lambda columns, rows: mean(columns[error][rows]) / mean(columns[of][rows])


def average(column):
    """Statistic: the mean of a column."""
    return lambda columns, rows: mean(columns[column][rows])


def mean(values):
    """Mean over the last axis, leaving out triples in which a region was empty (nan)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmean(values, axis=-1)


def color_correlation(columns, rows):
    """Statistic: `metrics.correlation` of mean colors, one for each set of rows."""
    return metrics.correlation(columns["color"][rows], columns["true_color"][rows])


MEASURES = (
    Measure("inside", "error inside the garments' region / that of the unchanged image",
            share("error_inside", "unchanged_inside")),
    Measure("inside_low_pass", "the same after the low-pass",
            share("low_inside", "unchanged_low_inside")),
    Measure("changed", "error where the truth differs from x_i / that of the unchanged image",
            share("error_changed", "unchanged_changed")),
    Measure("changed_low_pass", "the same after the low-pass",
            share("low_changed", "unchanged_low_changed")),
    Measure("alpha_iou", "IoU of alpha > 0.5 with the garments' region", average("iou")),
    Measure("alpha_iou_changed", "IoU of alpha > 0.5 with where the truth differs",
            average("iou_changed")),
    Measure("outside", "error outside the garments' region, of the range",
            average("error_outside")),
    Measure("outside_unchanged", "the same of the unchanged image", average("unchanged_outside")),
    Measure("ssim_inside", "SSIM inside", average("ssim_inside")),
    Measure("ssim_inside_unchanged", "the same of the unchanged image",
            average("unchanged_ssim_inside")),
    Measure("ssim_outside", "SSIM outside", average("ssim_outside")),
    Measure("color_correlation", "correlation of the new garment's mean colors with the truth's",
            color_correlation),
)


def measure_triple(x_i, x_ij, truth, alpha, mask_i, mask_ij):
    """Every column of one triple, a dict of name -> float (or [3]).

    Parameters: pictures [H, W, 3] in [0, 1]; alpha [H, W] in [0, 1]; masks [H, W] uint8.
    """
    inside, new = metrics.garment_region(mask_i, mask_ij), mask_ij > metrics.MASK_LEVEL
    changed = metrics.change_region(x_i, truth)
    columns = {}
    for name, picture in (("", x_ij), ("unchanged_", x_i)):
        columns |= errors(name, picture, truth, inside, changed)
    return columns | {
        "iou": metrics.overlap(alpha, inside),
        "iou_changed": metrics.overlap(alpha, changed),
        "color": metrics.mean_color(x_ij, new),
        "true_color": metrics.mean_color(truth, new),
    }


def errors(name, picture, truth, inside, changed):
    """Errors and SSIM of one picture against the truth, column names beginning with `name`."""
    size = metrics.low_pass_size(truth.shape[0])
    low, low_truth = metrics.low_pass(picture, size), metrics.low_pass(truth, size)
    similarity, full = metrics.ssim_map(picture, truth), name or "error_"
    return {
        f"{full}inside": metrics.mean_error(picture, truth, inside),
        f"{full}outside": metrics.mean_error(picture, truth, ~inside),
        f"{full}changed": metrics.mean_error(picture, truth, changed),
        f"{name}low_inside": metrics.mean_error(low, low_truth, inside),
        f"{name}low_changed": metrics.mean_error(low, low_truth, changed),
        f"{name}ssim_inside": metrics.mean_over(similarity, inside),
        f"{name}ssim_outside": metrics.mean_over(similarity, ~inside),
    }


def measure(model, held):
    """Measure every true swap of the held-out split: a dict of column -> array [M] or [M, 3].

    Raises ValueError for a file without true swaps or without masks.
    """
    photos, triples = held.photos, held.photos.triples
    common.need(held, triples is not None and photos.mask is not None,
                "has no true swaps with masks to compare with")
    rows = []
    for start in tqdm(range(0, len(triples.i), BATCH), desc="evaluate", unit="batch"):
        part = np.arange(start, min(start + BATCH, len(triples.i)))
        i, j = triples.i[part], triples.j[part]
        swap = common.swap(model, held, i, j)
        x_i, x_ij, truth = (pictures / 255.0 for pictures in (
            common.pictures(photos.x, i), swap.x_ij, common.pictures(triples.x_ij, part)))
        masks = common.pictures(photos.mask, i), common.pictures(triples.mask, part)
        rows += [measure_triple(*one) for one in zip(x_i, x_ij, truth, swap.alpha, *masks)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def summarize(columns, seed=0, resamples=2000):
    """Each measure's value and 95 % interval: a dict of name -> {value, low, high, meaning}.

    The interval is the percentile bootstrap over triples (`scipy.stats.bootstrap`), with None
    for its ends where there are fewer than two triples.
    """
    count = len(columns["iou"])
    return {m.name: {"value": number(m.of(columns, np.arange(count))),
                     **dict(zip(("low", "high"), interval(m, columns, count, seed, resamples))),
                     "meaning": m.meaning} for m in MEASURES}


def interval(measure, columns, count, seed, resamples):
    """(low, high) of a measure by resampling the triples."""
    if count < 2:
        return None, None
    new = "rng" in inspect.signature(stats.bootstrap).parameters  # its name since SciPy 1.15
    drawn = {"rng" if new else "random_state": np.random.default_rng(seed)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of measures that are the same for every triple
        result = stats.bootstrap((np.arange(count),), lambda rows, axis: measure.of(columns, rows),
                                 n_resamples=resamples, batch=250, vectorized=True, axis=-1,
                                 confidence_level=CONFIDENCE, method="percentile", **drawn)
    return tuple(number(end) for end in result.confidence_interval)


def number(value):
    """A float for JSON, which has no nan: None in its place."""
    return float(value) if np.isfinite(value) else None


def numbers(row):
    """A measured float, or the list of a color's three, rounded for JSON."""
    if np.ndim(row):
        return [numbers(part) for part in row]
    return number(np.round(row, 6))


def report(checkpoint, model, held, columns, seed):
    """Everything that the JSON file holds."""
    about = common.facts("Evaluation", checkpoint, model, held, seed, {})
    return {
        "checkpoint": about["Checkpoint"], "sha256": model.sha256, "step": model.step,
        "config": json.loads(model.config.to_json()), "metadata": model.metadata,
        "data": about["Data"], "provenance": held.provenance, "n": len(columns["iou"]),
        "interval": f"{CONFIDENCE:.0%} percentile bootstrap over swaps, seed {seed}",
        "low_pass": f"box of {metrics.low_pass_size(held.photos.x.shape[1])} pixels",
        "measures": summarize(columns, seed),
        "swaps": {name: [numbers(row) for row in values] for name, values in columns.items()},
    }


def table(result):
    """The measures as lines of text."""
    lines = [f"{result['checkpoint']} (sha256 {result['sha256'][:12]}, step {result['step']}) on "
             f"{result['n']} held-out swaps of {result['data']}; low-pass: {result['low_pass']}",
             "",
             f"{'measure':<24}{'value':>8}   95 % interval"]
    for name, entry in result["measures"].items():
        value, low, high = (shown(entry[key]) for key in ("value", "low", "high"))
        lines.append(f"{name:<24}{value:>8}   {low} to {high}   {entry['meaning']}")
    return "\n".join(lines)


def shown(value):
    """A number to four digits, or "-"."""
    return "     -" if value is None else f"{value:.4f}"


@click.command()
@common.checkpoint_option("cagan_128x96.h5")
@common.data_option
@click.option("--out", type=click.Path(dir_okay=False), help="Also write everything as JSON.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
              help="Seed of the bootstrap.")
@common.backend_option
@common.device_option
def command(checkpoint, data, out, seed, backend, device):
    """Measure a checkpoint against the true swaps of held-out pictures."""
    model = common.load_model(checkpoint, backend, device)
    with common.held_out(data, model, TRIPLES) as held:
        result = report(checkpoint, model, held, measure(model, held), seed)
    click.echo(table(result))
    if out:
        write_atomically(out, json.dumps(result, indent=1, sort_keys=True, allow_nan=False) + "\n")
        click.echo(f"wrote {out}")


if __name__ == "__main__":
    main(command)
