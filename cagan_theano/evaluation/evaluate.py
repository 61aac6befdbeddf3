"""Measure a checkpoint on held-out images, with confidence intervals.

    python replicate/evaluate.py [--checkpoint H5] [--data H5] [--out JSON] [--plot PNG]
                                 [--save-images FOLDER]

docs/evaluation.md defines the measures.
"""

import contextlib
import json
from pathlib import Path

import click
import numpy as np

from cagan_theano import options, weights
from cagan_theano.evaluation import held_out, interval, metrics, provenance
from cagan_theano.evaluation.interval import CONFIDENCE, PERCENT, RESAMPLES, average, number, ratio
from cagan_theano.evaluation.measures import (
    BAND_NAMES,
    GAP,
    GROUPED,
    KINDS,
    MEASURES,
    Measure,
    all_swaps,
    band_measures,
    kind_measures,
    known,
    measure,
    words_of,
)
from cagan_theano.io.command import Command, Output
from cagan_theano.io.files import write_atomically
from cagan_theano.io.text import one_line

__all__ = ["BAND_NAMES", "MEASURES", "Measure", "average", "measure", "report", "ratio", "summarize", "table"]

VERSION = 2
"""Version of the measures: stored results of another version are made anew."""

TRIPLES = 200
"""Held-out swaps rendered without a data file."""

TRAINED = 100
"""Maximum number of training-set swaps for the comparison with held-out swaps."""


def summarize(columns, seed=0, resamples=RESAMPLES):
    """Each measure's value and 95 % interval: a dict of name -> {value, low, high, meaning}.

    The interval is the wider of two percentile bootstraps, over people and over garments; low and
    high are None for fewer than two swaps.
    """
    weights = interval.bootstrap_weights(columns, seed, resamples)
    return {
        m.name: {**interval.estimate(m.of, columns, weights), "meaning": m.meaning} for m in known(columns)
    }


def summarize_bands(columns, seed=0):
    """The relative errors of each frequency band in `BAND_NAMES`; {} without true swaps."""
    if "band_finest" not in columns:
        return {}
    weights = interval.bootstrap_weights(columns, seed)
    return {
        name: {key: interval.estimate(of, columns, weights) for key, of in shares.items()}
        for name, shares in band_measures()
    }


def summarize_kinds(columns, seed=0):
    """Measures of each kind of change that occurs: {n, changed, inside, alpha_iou}; {} if unknown."""
    weights, found = interval.bootstrap_weights(columns, seed), {}
    for kind in KINDS:
        count = int(columns.get(f"kind_{kind}", np.zeros(1)).sum())
        if count and "iou" in columns:
            found[kind] = {"n": count} | {
                name: interval.estimate(of, columns, weights) for name, of in kind_measures(kind).items()
            }
    return found


def summarize_groups(columns, seed=0):
    """The measures in `GROUPED`: attribute -> word -> {n, measure ...}; without attributes not stored."""
    weights, found = interval.bootstrap_weights(columns, seed), {}
    for attribute, chosen in GROUPED.items():
        for word, column in words_of(attribute, columns).items():
            found.setdefault(attribute, {})[word] = {"n": int(columns[column].sum())} | {
                m.name: interval.estimate(interval.within(m.of, column), columns, weights)
                for m in known(columns)
                if m.name in chosen
            }
    return found


def summarize_gap(held_out, trained, seed=0):
    """Held-out vs. trained-on swaps: a dict of measure -> {held_out, trained, gap}."""
    weights = interval.bootstrap_weights(held_out, seed), interval.bootstrap_weights(trained, seed + 1)
    return {
        m.name: {
            "held_out": interval.estimate(m.of, held_out, weights[0]),
            "trained": interval.estimate(m.of, trained, weights[1]),
            "gap": interval.gap(m.of, held_out, weights[0], trained, weights[1]),
        }
        for m in known(trained)
        if m.name in GAP and m in known(held_out)
    }


def curve(columns):
    """Alpha's precision and recall by threshold, {} without true swaps.

    Thresholds: "alpha > t" for t of -0.01 (everything), 0, 0.01 ... 0.99.
    """
    if "alpha_counts" not in columns:
        return {}
    precision, recall = metrics.precision_recall(columns["alpha_counts"].sum(axis=0))
    thresholds = np.arange(-1, metrics.ALPHA_LEVELS) / metrics.ALPHA_LEVELS
    return {"threshold": numbers(thresholds), "precision": numbers(precision), "recall": numbers(recall)}


@contextlib.contextmanager
def trained_on(model, held):
    """People and garments that the network was trained on, as a `HeldOutSplit`, or None.

    If the network was trained on the photoshoot and is measured on its held-out split, the people
    and garments of the train split are rendered again, with true swaps; an older version of the
    photoshoot cannot be rendered again, which is reported on stderr.  Otherwise the train split of
    the data file if the network was trained on that file; it has no true swaps.
    """
    from cagan_theano.evaluation import shoots
    from data_prep.store import PhotoFile

    origin = held_out.origin_of(model)
    if shoots.was_shot(model):
        count = min(TRAINED, model.metadata["data"].get("pairs", 0))
        if count >= 4 and same_shoot(held.provenance, origin):
            with shoots.opened("trained", count, model) as opened:
                yield opened
                return
    elif origin and held.provenance == origin:
        with PhotoFile.open(held.path) as file:
            if "train" in file.splits:
                yield held_out.HeldOutSplit(held.path, file.split("train"), file.provenance)
                return
    elif reason := shoots.older(model):
        click.echo(f"no comparison with the training set: {reason}", err=True)
    yield None


def same_shoot(held, origin):
    """Whether two provenances differ only in the number of images of the photoshoot."""

    def common_part(provenance):
        given = provenance.get("arguments") or {}
        return [provenance.get(key) for key in ("program", "version", "seed")] + [
            given.get("clutter", False),
            given.get("wardrobe", "paper"),
        ]

    return common_part(held) == common_part(origin)


def numbers(row):
    """A float or nested floats, rounded for JSON."""
    if np.ndim(row):
        return [numbers(part) for part in row]
    return number(round(float(row), 6))


def report(checkpoint, model, held, columns, seed, trained=None):
    """The contents of the JSON file.

    columns: from `measure`; trained: the columns of swaps of the training set, or None.
    """
    about = provenance.attributes("Evaluation", checkpoint, model, held, seed, {})
    return {
        "version": VERSION,
        "checkpoint": about["Checkpoint"],
        "sha256": model.sha256,
        "step": model.step,
        "config": json.loads(model.config.to_json()),
        "metadata": model.metadata,
        "data": about["Data"],
        "provenance": held.provenance,
        "n": len(columns["person"]),
        "people": len(np.unique(columns["person"])),
        "garments": len(np.unique(columns["article"])),
        "interval": f"{CONFIDENCE:.0%} percentile bootstrap, the wider of people and garments "
        f"resampled, seed {seed}",
        "low_pass": f"box of {metrics.low_pass_size(held.photos.x.shape[1])} pixels",
        "measures": summarize(columns, seed),
        "bands": summarize_bands(columns, seed),
        "kinds": summarize_kinds(columns, seed),
        "groups": summarize_groups(columns, seed),
        "gap": {} if trained is None else summarize_gap(columns, trained, seed),
        "trained_n": 0 if trained is None else len(trained["person"]),
        "precision_recall": curve(columns),
        "swaps": {
            name: [numbers(row) for row in values]
            for name, values in columns.items()
            if name != "alpha_counts"
        },
    }


def table(result):
    """The measures as lines of text."""
    lines = [
        f"{result['checkpoint']} (sha256 {result['sha256'][:12]}, step {result['step']}) on "
        f"{result['n']} held-out swaps of {result['data']}; low-pass: {result['low_pass']}",
        f"{result['people']} people, {result['garments']} new garments; {result['interval']}",
        "",
        line("measure", None),
    ]
    lines += [line(name, entry, entry["meaning"]) for name, entry in result["measures"].items()]
    lines += [
        line(
            f"band {name}",
            entry["of_unchanged"],
            f"error / unchanged image's; / flat fill's: {formatted(entry['of_flat']['value'])}",
        )
        for name, entry in result["bands"].items()
    ]
    lines += [
        line(
            f"kind {name}",
            entry["changed"],
            f"`changed` of these {entry['n']} swaps; alpha_iou {formatted(entry['alpha_iou']['value'])}",
        )
        for name, entry in result["kinds"].items()
    ]
    lines += [
        group_line(attribute, word, entry)
        for attribute, words in result["groups"].items()
        for word, entry in words.items()
    ]
    lines += [
        line(
            f"gap {name}",
            entry["gap"],
            f"held-out minus trained-on "
            f"({formatted(entry['held_out']['value'])} minus {formatted(entry['trained']['value'])})",
        )
        for name, entry in result["gap"].items()
    ]
    return "\n".join(lines)


def group_line(attribute, word, entry):
    """One line of the table: a group's first measure with its interval, and the values of the others."""
    first, *others = (key for key in GROUPED[attribute] if key in entry)
    values = "".join(f"; {key} {formatted(entry[key]['value'])}" for key in others)
    return line(
        one_line(f"{attribute} {word}"), entry[first], f"`{first}` of these {entry['n']} swaps{values}"
    )


def line(name, entry, meaning=""):
    """One line of the table; its header without an entry."""
    if entry is None:
        return f"{name:<24}{'value':>8}   {PERCENT} interval"
    value, low, high = (formatted(entry[key]) for key in ("value", "low", "high"))
    return f"{name:<24}{value:>8}   {low:>7} to {high:>7}   {meaning}".rstrip()


def formatted(value):
    """A number to four digits, or "-"."""
    return "-" if value is None else f"{value:.4f}"


class ImageFolders:
    """Writes FOLDER/real, fake and truth as numbered PNGs for other metric tools.

    Raises ValueError for a folder that is not empty.
    """

    def __init__(self, folder):
        self.folder, self.written = Path(folder), 0
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise ValueError(f"{folder}: exists and is not empty; name another folder")

    def __call__(self, first, images, swap):
        """Write one part of the swaps (`keep` of `measure`)."""
        for name, pictures in (("real", images["x_i"]), ("fake", swap.x_ij), ("truth", images["truth"])):
            for n, picture in enumerate(() if pictures is None else pictures):
                path = self.folder / name / f"{first + n:06d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, png(picture))
        self.written += len(swap.x_ij)


def png(picture):
    """An image [H, W, 3] uint8 as PNG bytes."""
    import io

    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(picture).save(data, "PNG")
    return data.getvalue()


def evaluate(checkpoint, model, held, seed=0, count=None, keep=None):
    """Measure, compare with the training set, and return everything as one dict (`report`).

    keep: callback for each part of the swaps, as `keep` of `measure`, or None.
    """
    columns = measure(model, held, all_swaps(held, limit(held, count), seed), keep)
    with trained_on(model, held) as source:
        trained = source and measure(model, source, all_swaps(source, TRAINED, seed))
    return report(checkpoint, model, held, columns, seed, trained)


def limit(held, count):
    """Maximum number of swaps: `count`; by default all true swaps (None), or `TRIPLES` without them."""
    triples = held.photos.triples
    truthless = triples is None or triples.x_ij is None
    return TRIPLES if count is None and truthless else count


@click.command(cls=Command)
@options.checkpoint_option("128x96")
@options.data_option
@click.option("--out", type=Output("JSON"), help="Also write all results as JSON.")
@click.option("--plot", type=Output("a PNG image"), help="Also plot a summary (PNG).")
@click.option(
    "--save-images",
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
@options.backend_option
@options.device_option
def command(checkpoint, data, out, plot, save_images, count, seed, no_wearing, backend, device):
    """Measure a checkpoint on held-out images, against the true swaps if available.

    Without true swaps: the cycle error, and alpha against stored masks.
    """
    images = ImageFolders(save_images) if save_images else None
    model = weights.load_model(checkpoint, backend, device)
    if no_wearing:
        model = WithoutWearing(model)
    with held_out.open_split(data, model, TRIPLES) as held:
        tell_size(held, model)
        result = evaluate(checkpoint, model, held, seed, count, images)
    click.echo(table(result))
    if images:
        click.echo(f"wrote {images.written} swaps to {save_images}")
    write_results(result, out, plot)


def tell_size(held, model):
    """Print a line if the images do not have the size that the weights were trained at."""
    here = held.photos.x.shape[1:3]
    trained = model.config.height, model.config.width
    if here != trained:
        here, trained = ("x".join(map(str, size)) for size in (here, trained))
        click.echo(
            f"{held.path}: has images of {here}, but the weights were trained at {trained}; the errors of "
            "the two sizes differ",
            err=True,
        )


class WithoutWearing:
    """A model that makes y_i itself, by `Model.worn`; everything else is the given model's."""

    def __init__(self, model):
        self.model = model

    def __getattr__(self, name):
        return getattr(self.model, name)

    def swap(self, x_i, y_i, y_j, mask=None, **settings):
        """`Model.swap` with an y_i that is cut out of x_i."""
        return self.model.swap(x_i, self.model.worn(x_i, y_j), y_j, mask, **settings)


def write_results(result, out, plot):
    """Write the requested JSON and plot, and print their paths."""
    if out:
        write_atomically(out, json.dumps(result, indent=1, sort_keys=True, allow_nan=False) + "\n")
        click.echo(f"wrote {out}")
    if plot:
        from cagan_theano.evaluation.chart import summary

        write_atomically(plot, summary(result))
        click.echo(f"wrote {plot}")
