"""Where a picture is from: the metadata and the small print of figures, and how they are saved."""

import json
from pathlib import Path

import click

from cagan_theano import weights
from cagan_theano.io import sheet
from cagan_theano.io.text import printable


def facts(title, checkpoint, model, held, seed, rows):
    """Where a figure is from, for its metadata: a dict of str -> str without time or path.

    rows: a dict that names the chosen rows of the test split.
    """
    return {
        "Title": title,
        **of_weights(checkpoint, model),
        "Checkpoint-Metadata": json.dumps(model.metadata, sort_keys=True),
        "Seed": str(seed),
        "Data": printable(Path(held.path).name),
        "Data-Provenance": json.dumps(held.provenance, sort_keys=True),
        "Rows": json.dumps({name: [int(row) for row in value] for name, value in rows.items()}),
    }


def of_weights(checkpoint, model):
    """Which weights made a picture: a dict of str -> str without time or path."""
    return {
        "Software": "cagan_theano",
        "Checkpoint": printable(Path(checkpoint).name),
        "Checkpoint-SHA256": model.sha256,
        "Step": str(model.step),
    }


def method(model):
    """How weights were trained: by the paper's method alone, or with terms of ours."""
    ours = [name for name in model.config.ours() if name.startswith("gamma_")]
    return weights.FAMILIES["dress"] if ours else weights.FAMILIES["cagan"]


def note(checkpoint, model, seed=None):
    """The small print under a figure: which weights, how trained, and which seed chose the pictures."""
    weights = f"{Path(checkpoint).name} ({method(model)}), sha256 {model.sha256[:12]}, step {model.step}"
    return weights if seed is None else f"{weights}; choice of pictures: seed {seed}"


def finish(figure, out, name, about):
    """Save a figure as OUT/NAME.png and .pdf and say so."""
    for path in sheet.save(figure, Path(out) / name, about):
        click.echo(f"wrote {path}")
