"""Measure a checkpoint on held-out images, with confidence intervals: cagan evaluate

docs/evaluation.md defines the measures.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np

from cagan_theano import options, weights
from cagan_theano.evaluation import held_out, metrics, provenance
from cagan_theano.evaluation.held_out import HeldOutSplit, Model
from cagan_theano.evaluation.interval import CONFIDENCE, PERCENT, Measured
from cagan_theano.evaluation.measures import BASELINES, GAP, MEASURES, OURS, Images, compare, known, measure
from cagan_theano.io.command import Command, Output
from cagan_theano.io.files import check_empty, write_atomically
from cagan_theano.io.image import encode_image
from cagan_theano.io.metadata import SHOT
from cagan_theano.io.text import format_number

VERSION = 3
"""Version of the measures: stored results of another version are made anew."""

TRIPLES = 200
"""Held-out swaps rendered without a data file."""

TRAINED = 100
"""Maximum number of training-set swaps for the comparison with held-out swaps."""


def report(
    checkpoint: str | Path,
    model: Model,
    held: HeldOutSplit,
    measured: Mapping[str, Measured],
    seed: int = 0,
    trained: Measured | None = None,
) -> dict[str, Any]:
    """The contents of the JSON file.

    measured: from `measures.measure`; trained: of the network on swaps of the training set, or None.
    """
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
        **summarize_gap(ours, trained),
        "swaps": {name: as_json(values) for name, values in ours.columns.items()},
    }


def summarize_gap(held: Measured, trained: Measured | None) -> dict[str, Any]:
    """Held-out vs. trained-on swaps: {gap: measure -> {held_out, trained, gap}, trained_n}."""
    if trained is None:
        return {"gap": {}, "trained_n": 0}
    both = [n for n in known(trained.columns) if n in GAP and n in known(held.columns)]
    gap = {
        name: {
            "held_out": held.estimate(MEASURES[name].of),
            "trained": trained.estimate(MEASURES[name].of),
            "gap": held.gap(MEASURES[name].of, trained),
        }
        for name in both
    }
    return {"gap": gap, "trained_n": len(trained)}


def as_json(values: Any) -> list[Any]:
    """A column as nested lists: numbers of six decimals, None for nan."""
    rounded = np.round(np.asarray(values, float), 6).astype(object)
    rounded[rounded != rounded] = None
    return list(rounded.tolist())


@contextmanager
def trained_on(model: Model, held: HeldOutSplit) -> Iterator[HeldOutSplit | None]:
    """People and garments that the network was trained on, as a `HeldOutSplit`, or None.

    If the network was trained on the photoshoot and is measured on its held-out split, the people
    and garments of the train split are rendered again, with true swaps; an older version of the
    photoshoot cannot be rendered again, which is reported on stderr.  Otherwise the train split of
    the data file if the network was trained on that file; it has no true swaps.
    """
    from cagan_theano.evaluation import shoots
    from data_prep.photoshoot import shoot
    from data_prep.store import PhotoFile

    origin = held_out.origin_of(model)
    shot, version = origin.get("program") == SHOT, origin.get("version", "unknown")
    if shot and version == shoot.VERSION:
        count = min(TRAINED, model.metadata["data"].get("pairs", 0))
        if count >= 4 and same_shoot(held.provenance, origin):
            with shoots.open_shoot("trained", count, model) as opened:
                yield opened
                return
    elif origin and held.provenance == origin:
        with PhotoFile(held.path) as file:
            if "train" in file.splits:
                yield HeldOutSplit(held.path, file.split("train"), file.provenance)
                return
    elif shot:
        click.echo(
            f"no comparison with the training set: it was rendered by version {version} of the photoshoot, "
            f"this is version {shoot.VERSION}",
            err=True,
        )
    yield None


def same_shoot(held: dict[str, Any], origin: dict[str, Any]) -> bool:
    """Whether two provenances differ only in the number of images of the photoshoot."""

    def common_part(provenance: dict[str, Any]) -> list[Any]:
        given = {"clutter": False, "wardrobe": "paper", "studio": "many"} | (
            provenance.get("arguments") or {}
        )
        own = [provenance.get(key) for key in ("program", "version", "seed")]
        return own + [given[key] for key in ("clutter", "wardrobe", "studio")]

    return common_part(held) == common_part(origin)


def table(result: dict[str, Any]) -> str:
    """The results as lines of text: each measure with its interval, and that of the baselines."""

    def start(name: str, entry: dict[str, Any]) -> str:
        value, low, high = (format_number(entry[key]) for key in ("value", "low", "high"))
        return f"{name:<22}{value:>9}   {low:>7} to {high:<9}"

    baselines = result["baselines"]
    names = "".join(f"{name:>12}" for name in baselines)
    lines = [
        f"{result['checkpoint']} (sha256 {result['sha256'][:12]}, step {result['step']}) on "
        f"{result['n']} held-out swaps of {result['data']}; low-pass: {result['low_pass']}",
        f"{result['people']} people, {result['garments']} new garments; {result['interval']}",
        "",
        f"{'measure':<22}{'value':>9}   {PERCENT + ' interval':<20}{names}",
    ]
    for name, entry in result["measures"].items():
        others = "".join(
            f"{format_number(of[name]['value']) if name in of else '':>12}" for of in baselines.values()
        )
        lines.append(f"{start(name, entry)}{others}   {entry['meaning']}".rstrip())
    for name, entry in result["gap"].items():
        values = " minus ".join(format_number(entry[key]["value"]) for key in ("held_out", "trained"))
        lines.append(f"{start(f'gap {name}', entry['gap'])}   held-out minus trained-on ({values})")
    return "\n".join(lines)


def save_images(folder: Path, numbers: Any, images: Images, names: Mapping[str, str]) -> None:
    """Write images of some swaps as FOLDER/NAME/000000.png ..., those that exist.

    names: name of the subfolder -> name in `images`.
    """
    for name, key in names.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, image in zip(numbers, () if images[key] is None else images[key]):
            write_atomically(folder / name / f"{number:06d}.png", encode_image(image))


@click.command(cls=Command)
@options.checkpoint_option("128x96")
@options.data_option
@click.option("--out", type=Output("JSON"), help="Also write all results as JSON.")
@click.option("--plot", type=Output("a PNG image"), help="Also plot a summary (PNG).")
@click.option(
    "--save-images",
    "folder",
    type=click.Path(),
    metavar="FOLDER",
    help="Also write real/, fake/ and truth/ as PNGs, for other metric tools.",
)
@click.option(
    "--swaps",
    "count",
    type=click.IntRange(1),
    default=None,
    help=f"Maximum number of swaps.  [default: all true swaps of the file; {TRIPLES} without true swaps]",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seed of the bootstrap, and of the sampled swaps without true swaps.",
)
@click.option(
    "--no-wearing",
    is_flag=True,
    help="Keep y_i from the model, which cuts out what the people wear by a first pass, as cagan swap "
    "does without --wearing.",
)
@click.option(
    "--gap",
    is_flag=True,
    help="Also measure swaps of the training set, if it is known, and the difference.",
)
@options.backend_option
@options.device_option
def command(
    checkpoint: str,
    data: str | None,
    out: str | None,
    plot: str | None,
    folder: str | None,
    count: int | None,
    seed: int,
    no_wearing: bool,
    gap: bool,
    backend: str,
    device: str | None,
) -> None:
    """Measure a checkpoint on held-out images, against the true swaps if available.

    Without true swaps: the cycle error, and alpha against stored masks.
    """
    images = check_empty(folder) if folder else None
    model = weights.load_model(checkpoint, backend, device)

    def keep(numbers: Any, made: Images) -> None:
        if images:
            save_images(images, numbers, made, {"real": "x_i", "fake": OURS, "truth": "truth"})

    with held_out.open_split(data, model, TRIPLES) as held:
        sizes = held.photos.x.shape[1:3], (model.config.height, model.config.width)
        if sizes[0] != sizes[1]:
            here, trained = ("x".join(map(str, size)) for size in sizes)
            click.echo(
                f"{held.path}: has images of {here}, but the weights were trained at {trained}; the errors "
                "of the two sizes differ",
                err=True,
            )
        swaps = held_out.all_swaps(held, count, seed)
        if count is None and swaps.triple is None:
            swaps = swaps.take(slice(TRIPLES))
        measured = measure(model, held, swaps, keep=keep, wearing=not no_wearing, seed=seed)
        result = report(checkpoint, model, held, measured, seed)
        click.echo(table(result))
        write_json(out, result)
        if images:
            click.echo(f"wrote {len(swaps.i)} swaps to {folder}")
        if gap:
            with trained_on(model, held) as source:
                if source:
                    swaps = held_out.all_swaps(source, TRAINED, seed)
                    result |= summarize_gap(
                        measured[OURS], measure(model, source, swaps, seed=seed + 1)[OURS]
                    )
            click.echo(table(result | {"measures": {}}))
            write_json(out, result)
    if plot:
        from cagan_theano.evaluation import chart

        write_atomically(plot, chart.summary(result))
        click.echo(f"wrote {plot}")


def write_json(path: str | Path | None, result: dict[str, Any]) -> None:
    """Write results as JSON and print the path; nothing without a path."""
    if path:
        write_atomically(path, json.dumps(result, indent=1, sort_keys=True, allow_nan=False) + "\n")
        click.echo(f"wrote {path}")
