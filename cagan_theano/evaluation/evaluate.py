"""Measure a checkpoint on held-out images, with confidence intervals: cagan evaluate

docs/evaluation.md defines the measures.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from cagan_theano import options, weights
from cagan_theano.evaluation import held_out, metrics, provenance
from cagan_theano.evaluation.held_out import HeldOutSplit, Images, Model
from cagan_theano.evaluation.interval import CONFIDENCE, PERCENT, Measured
from cagan_theano.evaluation.measures import BASELINES, GAP, MEASURES, OURS, compare, known, measure
from cagan_theano.io.command import Command, Output
from cagan_theano.io.files import check_empty, write_atomically
from cagan_theano.io.image import encode_image
from cagan_theano.io.metadata import SHOT

VERSION = 3
"""Version of the measures: stored results of another version are made anew."""

TRIPLES = 200
"""Held-out swaps rendered without a data file."""

TRAINED = 100
"""Maximum number of training-set swaps for the comparison with held-out swaps."""


def report(
    checkpoint: str | Path, model: Model, held: HeldOutSplit, measured: Mapping[str, Measured], seed: int = 0
) -> dict[str, Any]:
    """The contents of the JSON file, without a gap.  measured: from `measures.measure`."""
    about = provenance.attributes("Evaluation", checkpoint, model, held, seed, {})
    found, ours = compare(measured), measured[OURS]
    return {
        "version": VERSION,
        "checkpoint": about["Checkpoint"],
        "sha256": model.sha256,
        "step": model.step,
        "config": json.loads(model.config.to_json()),
        "metadata": model.metadata,
        "data": about["Data"],
        "provenance": held.provenance,
        "n": len(ours),
        "people": len(np.unique(ours.columns["person"])),
        "garments": len(np.unique(ours.columns["article"])),
        "interval": f"{CONFIDENCE:.0%} percentile bootstrap, the wider of people and garments "
        f"resampled, seed {seed}",
        "low_pass": f"box of {metrics.low_pass_size(held.photos.x.shape[1])} pixels",
        "measures": {
            name: {**entry, "meaning": MEASURES[name].meaning} for name, entry in found[OURS].items()
        },
        "baselines": {name: found[name] for name in BASELINES if name in found},
        "gap": {},
        "trained_n": 0,
        "swaps": {name: as_json(values) for name, values in ours.columns.items()},
    }


def as_json(values: Any) -> list[Any]:
    """A column as nested lists: numbers of six decimals, None for nan."""
    rounded = np.round(np.asarray(values, float), 6).astype(object)
    rounded[rounded != rounded] = None
    return list(rounded.tolist())


def measure_gap(model: Model, held: HeldOutSplit, ours: Measured, seed: int = 0) -> dict[str, Any]:
    """Held-out vs. trained-on swaps: {gap: measure -> {held_out, trained, gap}, trained_n}.

    ours: the network on the held-out split.  {} if its training set is not known (`find_trained`).
    """
    path = find_trained(model, held)
    if path is None:
        return {}
    with held_out.open_split(path, model, split="train") as source:
        swaps = held_out.all_swaps(source, TRAINED, seed)
        trained = measure(model, source, swaps, seed=seed + 1)[OURS]
    names = [name for name in known(trained.columns) if name in GAP and name in known(ours.columns)]
    gap = {
        name: {
            "held_out": ours.estimate(MEASURES[name].of),
            "trained": trained.estimate(MEASURES[name].of),
            "gap": ours.gap(MEASURES[name].of, trained),
        }
        for name in names
    }
    return {"gap": gap, "trained_n": len(trained)}


def find_trained(model: Model, held: HeldOutSplit) -> str | Path | None:
    """Path of a photo file whose train split the network was trained on, or None.

    If the network was trained on the photoshoot and is measured on its held-out split, the people
    and garments of the train split are rendered again, with true swaps; an older version of the
    photoshoot cannot be rendered again, which is reported on stderr.  Otherwise the data file if the
    network was trained on that file; it has no true swaps.
    """
    from data_prep.photoshoot import shoot
    from data_prep.store import PhotoFile

    origin = held_out.origin_of(model)
    shot, version = origin.get("program") == SHOT, origin.get("version", "unknown")
    if shot and version == shoot.VERSION:
        setting, count = held_out.shoot_setting(model), min(TRAINED, model.metadata["data"].get("pairs", 0))
        same = held_out.setting_of(held.provenance, setting.size) == setting
        if count < 4 or not same or held.provenance["version"] != version:
            return None
        path = held_out.rendering("trained", setting, f"_{count}")
        return held_out.photoshoot(path, setting, count, 0, count).made()
    if origin and held.provenance == origin:
        with PhotoFile(held.path) as file:
            return held.path if "train" in file.splits else None
    if shot:
        click.echo(
            f"no comparison with the training set: it was rendered by version {version} of the photoshoot, "
            f"this is version {shoot.VERSION}",
            err=True,
        )
    return None


def table(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """The measures of several systems (`measures.compare`) as lines of text, with their meanings."""
    lines = [f"{'measure':<20}" + "".join(f"{system:>26}" for system in found)]
    for name in found[OURS]:
        lines.append(f"{name:<20}" + "".join(f"{as_cell(of.get(name)):>26}" for of in found.values()))
    lines += [f"value [{PERCENT} interval]; *: the paired difference from {OURS} excludes 0", ""]
    return "\n".join([*lines, *(f"{name}: {MEASURES[name].meaning}" for name in found[OURS])])


def as_cell(entry: Mapping[str, Any] | None) -> str:
    """A value with its interval, starred if it differs from ours; "-" for None."""
    if entry is None or entry["value"] is None:
        return "-"
    if entry["low"] is None:
        return f"{entry['value']:.3g}"
    above = entry.get("above_ours") or {"low": None}
    star = "*" if above["low"] is not None and above["low"] * above["high"] > 0 else " "
    return f"{entry['value']:.3g} [{entry['low']:.3g}, {entry['high']:.3g}]{star}"


def save_images(folder: Path, numbers: Any, images: Images, names: Mapping[str, str]) -> None:
    """Write images of some swaps as FOLDER/NAME/000000.png ..., those that exist.

    names: name of the subfolder -> name in `images`.
    """
    for name, key in names.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, image in zip(numbers, () if images[key] is None else images[key]):
            write_atomically(folder / name / f"{number:06d}.png", encode_image(image))


def write_json(path: str | Path, result: dict[str, Any]) -> None:
    """Write results as JSON and print the path."""
    write_atomically(path, json.dumps(result, indent=1, sort_keys=True, allow_nan=False) + "\n")
    click.echo(f"wrote {path}")


# fmt: off
@click.command(cls=Command)
@options.checkpoint_option("128x96")
@options.data_option
@click.option("--out", type=Output("JSON"), help="Also write all results as JSON.")
@click.option("--save-images", "folder", type=click.Path(), metavar="FOLDER",
              help="Also write real/, fake/ and truth/ as PNGs, for other metric tools.")
@click.option("--swaps", "count", type=click.IntRange(1), default=None,
              help="Maximum number of swaps.  [default: all true swaps of the file; "
                   f"{TRIPLES} without true swaps]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
              help="Seed of the bootstrap, and of the sampled swaps without true swaps.")
@click.option("--no-wearing", is_flag=True,
              help="Keep y_i from the model, which cuts out what the people wear by a first pass, as cagan "
                   "swap does without --wearing.")
@click.option("--gap", is_flag=True,
              help="Also measure swaps of the training set, if it is known, and the difference.")
@options.backend_option
@options.device_option
# fmt: on
def command(
    checkpoint: str, data: str | None, out: str | None, folder: str | None, count: int | None, seed: int,
    no_wearing: bool, gap: bool, backend: str, device: str | None,
) -> None:  # fmt: skip
    """Measure a checkpoint on held-out images, against the true swaps if available.

    Without true swaps: the cycle error, and alpha against stored masks.
    """
    images = check_empty(folder) if folder else None
    model = weights.load_model(checkpoint, backend, device)

    def keep(numbers: Any, made: Images) -> None:
        if images:
            save_images(images, numbers, made, {"real": "x_i", "fake": OURS, "truth": "truth"})

    with held_out.open_split(data, model, TRIPLES) as held:
        here, trained = held.photos.x.shape[1:3], (model.config.height, model.config.width)
        if here != trained:
            click.echo(
                f"{held.path}: has images of {'x'.join(map(str, here))}, but the weights were trained at "
                f"{'x'.join(map(str, trained))}; the errors of the two sizes differ",
                err=True,
            )
        swaps = held_out.all_swaps(held, count, seed)
        if count is None and swaps.triple is None:
            swaps = swaps.take(slice(TRIPLES))
        measured = measure(model, held, swaps, keep=keep, wearing=not no_wearing, seed=seed)
        result = report(checkpoint, model, held, measured, seed)
        click.echo(
            f"{result['checkpoint']} (sha256 {result['sha256'][:12]}, step {result['step']}) on "
            f"{result['n']} held-out swaps of {result['data']}; low-pass: {result['low_pass']}\n"
            f"{result['people']} people, {result['garments']} new garments; {result['interval']}\n"
        )
        click.echo(table({OURS: result["measures"], **result["baselines"]}))
        if out:
            write_json(out, result)
        if images:
            click.echo(f"wrote {len(swaps.i)} swaps to {folder}")
        if gap:
            result |= measure_gap(model, held, measured[OURS], seed)
            click.echo("\nheld-out minus trained-on swaps:" + " unknown" * (not result["gap"]))
            for name, entry in result["gap"].items():
                click.echo(f"{name:<20}{as_cell(entry['gap']):>26}")
            if out:
                write_json(out, result)
