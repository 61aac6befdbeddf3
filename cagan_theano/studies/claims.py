"""Write docs/claims.md: each claim of the paper with its experiment, numbers and verdict.

    python replicate/claims.py [--checkpoint H5] [--log RUN/log.jsonl] [--photos DATA]

Measures the checkpoint unless docs/results/shipped.json already has its numbers, likewise photos.json
on real photos, reads the studies docs/results/ablations_*.json, and generates the document.  No number
is entered by hand.
"""

import functools
import json
import os
import time
from pathlib import Path

import click
import numpy as np

from cagan_theano import options, weights
from cagan_theano.evaluation import chart, evaluate, held_out, measures, shoots
from cagan_theano.evaluation.interval import within
from cagan_theano.evaluation.measures import MEASURES, OURS
from cagan_theano.io import metadata
from cagan_theano.io.command import Command, Output
from cagan_theano.io.files import digest_of, naming, write_atomically
from cagan_theano.io.text import one_line
from cagan_theano.studies import document, study, verdicts
from cagan_theano.training.scores import SCORES, condensed_log, log_lines

CONTROLLED = 40
"""People with one change at a time."""

CLUTTER = 64
"""Swaps in front of a street."""

TIMED = 32
"""Swaps per timed call."""

REPETITIONS = 3
"""Number of timed calls."""

COMPARED = ("inside", "inside_low_pass", "alpha_iou", "outside")
"""Measures compared between street and studio."""

CURVE = 60
"""Maximum number of points kept from a training log."""


def measured(checkpoint, model, data=None, seed=0):
    """All measurements of a checkpoint for the claims, for shipped.json.

    Raises ValueError, OSError: see `held_out.open_split`.
    """
    with held_out.open_split(data, model, evaluate.TRIPLES) as held:
        studio = measures.measure(model, held, seed=seed)
        with evaluate.trained_on(model, held) as source:
            trained = source and measures.measure(model, source, seed=seed + 1)[OURS]
        result = evaluate.report(checkpoint, model, held, studio, seed, trained)
    result = {key: value for key, value in result.items() if key != "swaps"}
    with shoots.open_shoot("controlled", CONTROLLED, model) as one_change:
        result["controlled"] = kinds(measures.measure(model, one_change, cycle=False, seed=seed)[OURS])
    with shoots.open_shoot("clutter", CLUTTER, model) as street:
        found = measures.measure(model, street, cycle=False, seed=seed + 1)[OURS]
        result["clutter"] = harder(found, studio[OURS])
    result["speed"] = speed(model)
    return result


def photographed(checkpoint, model, data, seed=0):
    """The measures of a checkpoint on real photos with true swaps, for photos.json.

    Raises ValueError for a photo file without true swaps; see also `held_out.open_split`.
    """
    with held_out.open_split(data, model) as held:
        if held.photos.triples is None or held.photos.triples.x_ij is None:
            raise ValueError(f"{data}: has no true swaps; `python -m data_prep recolors` makes such files")
        measured = measures.measure(model, held, cycle=False, seed=seed)
        result = evaluate.report(checkpoint, model, held, measured, seed)
    return {key: value for key, value in result.items() if key != "swaps"}


def kinds(measured):
    """The error by kind of change, and its difference for color from each other kind.

    Returns {kinds: kind -> {n, changed, inside, alpha_iou}, color_less: kind -> {value, low, high}}.
    """
    statistics = {"changed": measures.CHANGED, **{n: MEASURES[n].of for n in ("inside", "alpha_iou")}}
    counts = {kind: int(measured.columns[f"kind_{kind}"].sum()) for kind in measures.KINDS
              if f"kind_{kind}" in measured.columns}  # fmt: skip
    color = within(measures.CHANGED, "kind_color")
    others = {kind: within(measures.CHANGED, f"kind_{kind}") for kind in ("texture", *measures.SHAPE)}
    return {
        "kinds": {
            kind: {"n": count}
            | {name: measured.estimate(within(of, f"kind_{kind}")) for name, of in statistics.items()}
            for kind, count in counts.items()
            if count
        },
        "color_less": {
            kind: measured.estimate(lambda c, w, other=other: color(c, w) - other(c, w))
            for kind, other in others.items()
        },
    }


def harder(street, studio):
    """Measures in front of a street and their difference from the studio: {n, measures, gap}."""
    return {
        "n": len(street),
        "measures": {name: street.estimate(MEASURES[name].of) for name in COMPARED},
        "gap": {name: street.gap(MEASURES[name].of, studio) for name in COMPARED},
    }


def speed(model):
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
    backend = getattr(model, "backend", None)
    return {
        "value": float(np.median(rates)),
        "low": min(rates),
        "high": max(rates),
        "device": str(getattr(backend, "device", "unknown")).lower(),
        "cores": os.cpu_count(),
    }


def condensed(path):
    """A condensed training log: {points, samples}.

    points: [{step, mean of each loss since the previous point}]; samples: the held-out scores.
    Raises ValueError for a file without training steps, OSError.
    """
    from cagan_theano.training.run_folder import parse_log

    lines = log_lines(list(parse_log(Path(path).read_text("utf-8", "replace"))))
    if not lines:
        raise ValueError(f"{path}: contains no training steps; give the log.jsonl of a run folder")
    parts = np.array_split(np.arange(len(lines)), min(CURVE, len(lines)))
    return {"points": [point([lines[n] for n in part]) for part in parts], "samples": study.curves(lines)}


def point(lines):
    """The mean of each loss over some lines of a log, with their last step."""
    names = dict.fromkeys(name for line in lines for name in line if name not in ("step", *SCORES))
    return {
        "step": lines[-1]["step"],
        **{name: round(float(np.mean([line[name] for line in lines if name in line])), 5) for name in names},
    }


def read_results(path):
    """The object in a results file, None if it is missing.  Raises ValueError if it is damaged."""
    if not Path(path).is_file():
        return None
    try:
        return metadata.read_file(path, {})
    except ValueError as error:
        raise ValueError(f"{path}: is not a results file ({error}); remove it and measure again") from error


def read_training(path):
    """A condensed training log (`condensed`), None if it is missing.  Raises ValueError if it is damaged."""
    found = read_results(path)
    with naming(path):
        return None if found is None else condensed_log(found)


def read_studies(folder):
    """The studies ablations_*.json of a folder: file name -> results."""
    paths = sorted(Path(folder).glob("ablations_*.json"))
    return {path.name: read_results(path) for path in paths}


def of_weights(path, sha256):
    """The results in a file if they are of these weights, else None."""
    found = read_results(path)
    return found if found and found.get("sha256") == sha256 else None


def on_gpu(record, shipped):
    """The throughput of our swap on a GPU, as an entry of claim 13; None without a record of this network.

    record: the JSON of a `cagan benchmark --device gpu` of one case; shipped: the results of the weights.
    Raises ValueError for a record that did not time our swap on a GPU.
    """
    if record is None:
        return None
    result, name = record["results"][0], one_line(record["about"].split(";")[0])
    row = next((row for row in result["rows"] if row["kind"] == "ours" and "seconds" in row), None)
    task, size = result["case"].split(", ")[:2]
    if row is None or task != "swap" or name == "cpu":
        raise ValueError("gpu.json: did not time the swap of `ours` on a GPU; see claim 13 for the command")
    if size != verdicts.size(shipped) or shipped["config"]["g_widths"] != verdicts.WIDTHS:
        return None
    rates = result["batch"] / np.array(row["seconds"])
    return {
        "value": float(np.median(rates)),
        "low": float(rates.min()),
        "high": float(rates.max()),
        "rounds": len(rates),
        "batch": result["batch"],
        "name": name,
    }


def write_json(path, value):
    """Write a JSON file and print its path."""
    write_atomically(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")
    click.echo(f"wrote {path}")


def stored_or_new(path, wanted, again, new):
    """The measurements stored at `path` if they agree with `wanted`, else new() with it, stored there.

    wanted: name -> value of what determines them: weights, images, versions.
    """
    stored = None if again else read_results(path)
    if stored and all(stored.get(name) == value for name, value in wanted.items()):
        click.echo(f"{path}: already has these measurements; --again repeats them")
        return stored
    found = new() | wanted
    write_json(path, found)
    return found


@click.command(cls=Command)
@options.checkpoint_option("128x96")
@click.option(
    "--results",
    type=click.Path(file_okay=False),
    default="docs/results",
    show_default=True,
    help="Folder with shipped.json, training.json, gpu.json and the studies ablations_*.json.",
)
@click.option(
    "--out",
    type=Output("a text", makes_folder=True),
    default="docs/claims.md",
    show_default=True,
    help="Document to write.",
)
@click.option(
    "--log",
    type=click.Path(dir_okay=False),
    help="log.jsonl of the checkpoint's training, condensed into training.json.",
)
@click.option("--again", is_flag=True, help="Measure again even if the numbers are stored.")
@click.option(
    "--photos",
    type=click.Path(exists=True, dir_okay=False),
    help="Photo file of real photos with true swaps, to judge the claims on them, too.",
)
@options.backend_option
@options.device_option
def command(checkpoint, results, out, log, again, photos, backend, device):
    """Write docs/claims.md from measurements of a checkpoint and stored studies."""
    from cagan_theano.checkpoint import load_checkpoint
    from data_prep.photoshoot import shoot

    results = Path(results)
    for folder in results, Path(out).parent:
        folder.mkdir(parents=True, exist_ok=True)
    if log:
        write_json(results / "training.json", condensed(log))
    model = functools.cache(lambda: weights.load_model(checkpoint, backend, device))
    same = {"sha256": load_checkpoint(checkpoint).sha256, "version": evaluate.VERSION}
    rendered = same | {"photoshoot": shoot.VERSION}
    found = stored_or_new(results / "shipped.json", rendered, again, lambda: measured(checkpoint, model()))
    path = results / "photos.json"
    if photos:
        taken = same | {"photos": digest_of(photos)}
        stored_or_new(path, taken, again, lambda: photographed(checkpoint, model(), photos))
    training, studies = read_training(results / "training.json"), read_studies(results)
    try:
        summary = chart.summary(found)
        found |= {"gpu": on_gpu(read_results(results / "gpu.json"), found)}
        text = document.document(found, studies, training, of_weights(path, found["sha256"]))
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(
            f"{results}: has a file in another format than its program writes ({error!r}); --again measures "
            "again, and cagan ablations --results writes studies"
        ) from error
    write_atomically(results / "shipped.png", summary)
    write_atomically(out, text)
    click.echo(f"wrote {out}")
