"""Write docs/claims.md: each claim of the paper with its rule, numbers and verdict.

    cagan claims [--checkpoint H5] [--photos DATA]

Measures the checkpoint unless docs/results/shipped.json already has its numbers, likewise photos.json
on real photos, reads the studies docs/results/ablations_*.json, and generates the document.  No number
is entered by hand.
"""

import functools
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from cagan_theano import options, weights
from cagan_theano.evaluation import evaluate, held_out
from cagan_theano.evaluation.held_out import HeldOutSplit
from cagan_theano.evaluation.interval import Measured, within
from cagan_theano.evaluation.measures import OURS, SHAPE, measure
from cagan_theano.io import metadata
from cagan_theano.io.command import Command, Output
from cagan_theano.io.files import digest_of, write_atomically
from cagan_theano.io.text import one_line
from cagan_theano.studies import controlled, document, verdicts
from cagan_theano.studies.comparison import Results, subtract
from cagan_theano.training.scores import SCORES, Numbers, average, garment_region, overlap, ratio

CONTROLLED = 40
"""People with one change at a time."""

TIMED, REPETITIONS = 32, 3
"""Swaps per timed call; number of timed calls."""

SHARES = (0.3, 0.4, 0.5, 0.6, 0.7)
"""A constant mask paints the pixels that are in the region of more than such a share of all swaps."""


def measure_all(checkpoint: str, model: Any, data: str | None = None, seed: int = 0) -> Results:
    """All measurements of a checkpoint for the claims, for shipped.json.

    data: a file of real photos with true swaps, to measure what can be measured on them, for photos.json.
    Raises ValueError, OSError.
    """
    with held_out.open_split(data, model, evaluate.TRIPLES) as held:
        if held.photos.triples is None or held.photos.triples.x_ij is None:
            raise ValueError(f"{held.path}: has no true swaps; `cagan data recolors` makes such files")
        found = measure(model, held, cycle=not data, seed=seed)
        result = evaluate.report(checkpoint, model, held, found, seed)
        result["beside"] = measure_beside(held, found)
        if not data:
            result |= evaluate.measure_gap(model, held, found[OURS], seed)
    if not data:
        photos = controlled.photos(model, CONTROLLED).made()
        with held_out.open_split(photos, model) as one_change:
            result["controlled"] = compare_kinds(measure(model, one_change, cycle=False, seed=seed)[OURS])
        result["speed"] = measure_speed(model)
    del result["swaps"]  # the values of each swap
    return result


def measure_beside(held: HeldOutSplit, measured: Mapping[str, Measured]) -> Results:
    """What the rules compare with a baseline and the results of `evaluate` lack: name -> {value, low, high}.

    measured: all swaps of the split.
    """
    ours, flat_detail = measured[OURS], measured["flat fill"].columns["detail_inside"]
    beside = {"constant_iou": overlap_of_constant_mask(held), "flat_detail": flat_detail}
    both = Measured({**ours.columns, **beside}, ours.weights)
    return {
        "detail_of_flat": both.estimate(ratio("detail_inside", "flat_detail")),
        "alpha_iou_constant": both.estimate(subtract(SCORES["alpha_iou"], average("constant_iou"))),
    }


def overlap_of_constant_mask(held: HeldOutSplit) -> Numbers:
    """The IoU [n] of the true region of each swap with one mask for all, the best of ``SHARES``.

    It knows where garments are in a typical photo of the split and looks at none of them.
    """
    images = held_out.read(held, held_out.all_swaps(held))
    regions = np.stack([garment_region(*pair) for pair in zip(images["mask_i"], images["mask_ij"])])
    masks = [(regions.mean(axis=0) > share).astype(float) for share in SHARES]
    overlaps = np.array([[overlap(mask, region) for region in regions] for mask in masks])
    best: Numbers = overlaps[overlaps.mean(axis=1).argmax()]
    return best


def compare_kinds(measured: Measured) -> Results:
    """The error over the whole image by kind of change, and its difference for color from each other kind.

    Returns {error, error_color_less: kind -> {value, low, high}}.
    """
    columns = measured.columns
    share = columns["region"]
    error = share * columns["error_inside"] + (1 - share) * columns["error_outside"]
    whole = Measured({**columns, "error": error}, measured.weights)
    of = {kind: within(average("error"), f"kind_{kind}") for kind in ("color", "texture", *SHAPE)}
    less = {kind: subtract(of["color"], statistic) for kind, statistic in of.items() if kind != "color"}
    return {
        "error": {kind: whole.estimate(statistic) for kind, statistic in of.items()},
        "error_color_less": {kind: whole.estimate(statistic) for kind, statistic in less.items()},
    }


def measure_speed(model: Any) -> Results:
    """Swaps per second in batches of 16, excluding compilation: {value, low, high, device, cores}.

    value: the median; low, high: the minimum and maximum of the repetitions.  The machine may be
    busy with other work.
    """
    rng, size = np.random.default_rng(0), (model.config.height, model.config.width)
    x, y, z = rng.integers(0, 256, (3, TIMED, *size, 3), np.uint8)
    masks = {"mask": np.full((TIMED, *size), 255, np.uint8)} if model.config.takes_mask else {}
    model.swap(x, y, z, **masks)
    rates = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        model.swap(x, y, z, **masks)
        rates.append(TIMED / (time.perf_counter() - start))
    device = getattr(getattr(model, "backend", None), "device", "unknown")
    return spread(rates) | {"device": str(device).lower(), "cores": os.cpu_count()}


def spread(rates: Any) -> Results:
    """The median, the minimum and the maximum of rates as {value, low, high}."""
    return {"value": float(np.median(rates)), "low": float(min(rates)), "high": float(max(rates))}


def read_results(path: str | Path) -> Results | None:
    """The object in a results file, None if it is missing.  Raises ValueError if it is damaged."""
    try:
        found: Results | None = metadata.read_file(path, {}) if Path(path).is_file() else None
        return found
    except ValueError as error:
        raise ValueError(f"{path}: is not a results file ({error}); remove it and measure again") from error


def read_studies(folder: str | Path) -> dict[str, Results]:
    """The studies ablations_*.json of a folder: file name -> results."""
    paths = sorted(Path(folder).glob("ablations_*.json"))
    return {path.name: found for path in paths if (found := read_results(path)) is not None}


def rates_of(shipped: Results, record: Results | None) -> Results:
    """The swaps per second on the fastest device, for claim 13: {fastest: {value, low, high, device}}.

    shipped: the results of the weights; record: the JSON of a `cagan benchmark --device gpu` of one case, or
    None; it counts if it is of the same network.
    Raises ValueError for a record that did not time our swap on a GPU.
    """
    fastest = shipped["speed"]
    if record is not None:
        result, name = record["results"][0], one_line(record["about"].split(";")[0])
        row = next((row for row in result["rows"] if row["kind"] == "ours" and "seconds" in row), None)
        task, size = result["case"].split(", ")[:2]
        if row is None or task != "swap" or name == "cpu":
            raise ValueError("gpu.json: did not time the swap of `ours` on a GPU; claim 13 has the command")
        config = shipped["config"]
        if size == f"{config['height']}x{config['width']}" and config["g_widths"] == verdicts.WIDTHS:
            timed = spread(result["batch"] / np.array(row["seconds"])) | {"device": name}
            fastest = max(timed, fastest, key=lambda rate: rate["value"])
    return {"fastest": fastest}


def read_or_measure(path: Path, wanted: Results, again: bool, new: Callable[[], Results]) -> Results:
    """The measurements stored at `path` if they agree with `wanted`, else new ones, stored there.

    wanted: name -> value of what determines them: weights, images, versions.
    """
    stored = None if again else read_results(path)
    if stored and all(stored.get(name) == value for name, value in wanted.items()):
        click.echo(f"{path}: already has these measurements; --again repeats them")
        return stored
    evaluate.write_json(path, found := new() | wanted)
    return found


# fmt: off
@click.command(cls=Command)
@options.checkpoint_option("128x96")
@click.option("--results", type=click.Path(file_okay=False), default="docs/results", show_default=True,
              help="Folder with shipped.json, gpu.json and the studies ablations_*.json.")
@click.option("--out", type=Output("a text", makes_folder=True), default="docs/claims.md", show_default=True,
              help="Document to write.")
@click.option("--again", is_flag=True, help="Measure again even if the numbers are stored.")
@click.option("--photos", type=click.Path(exists=True, dir_okay=False),
              help="Photo file of real photos with true swaps, to judge the claims on them, too.")
@options.backend_option
@options.device_option
# fmt: on
def command(
    checkpoint: str, results: str, out: str, again: bool, photos: str | None, backend: str, device: str | None
) -> None:
    """Write docs/claims.md from measurements of a checkpoint and stored studies."""
    from cagan_theano.checkpoint import load_checkpoint
    from data_prep.photoshoot import shoot

    folder = Path(results)
    for one in folder, Path(out).parent:
        one.mkdir(parents=True, exist_ok=True)
    model = functools.cache(lambda: weights.load_model(checkpoint, backend, device))
    same = {"sha256": load_checkpoint(checkpoint).sha256, "version": evaluate.VERSION}
    rendered = same | {"photoshoot": shoot.VERSION}
    path, name = folder / "shipped.json", checkpoint
    shipped = read_or_measure(path, rendered, again, lambda: measure_all(name, model()))
    path = folder / "photos.json"
    if photos:
        taken = same | {"photos": digest_of(photos)}
        read_or_measure(path, taken, again, lambda: measure_all(name, model(), photos))
    there = read_results(path)
    if there and there.get("sha256") != shipped["sha256"]:
        there = None  # of other weights
    try:
        shipped["rates"] = rates_of(shipped, read_results(folder / "gpu.json"))
        text = document.write_claims(shipped, read_studies(folder), there)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(
            f"{folder}: has a file in another format than its program writes ({error!r}); --again measures "
            "again, and cagan ablations --results writes studies"
        ) from error
    write_atomically(out, text)
    click.echo(f"wrote {out}")
