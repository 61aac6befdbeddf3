"""Provenance of figures: their metadata and note, and saving them."""

import json
from pathlib import Path

import click

from cagan_theano import weights
from cagan_theano.checkpoint import weights_metadata
from cagan_theano.io import sheet
from cagan_theano.io.text import printable


def attributes(title, checkpoint, model, held, seed, rows):
    """A figure's provenance for its metadata: a dict of str -> str without time or path.

    rows: name -> chosen rows of the test split.
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
    """The weights that made an image: a dict of str -> str without time or path."""
    return weights_metadata(checkpoint, model.sha256, model.step)


def method(model):
    """How weights were trained: by the paper's method, with true swaps, or with which options of ours."""
    config, ours = model.config, model.config.ours()
    if config.needs_truth:
        return weights.FAMILIES["dress"]
    given = f", given masks (mask={config.mask})" if config.takes_mask else ""
    return (f"with options of ours: {', '.join(ours)}" if ours else weights.FAMILIES["cagan"]) + given


def note(checkpoint, model, seed=None):
    """The note under a figure: the weights, how they were trained, and the seed of the sampled images."""
    weights = f"{Path(checkpoint).name} ({method(model)}), sha256 {model.sha256[:12]}, {steps(model)}"
    return weights if seed is None else f"{weights}; images sampled with seed {seed}"


def steps(model):
    """The step of the weights, and that of the weights from which their training started, if any."""
    before = model.metadata.get("init", {}).get("step")
    return f"step {model.step}" + (f" after step {before} of another run" if before is not None else "")


def finish(figure, out, name, about):
    """Save a figure as OUT/NAME.png and .pdf and print their paths."""
    for path in sheet.save(figure, Path(out) / name, about):
        click.echo(f"wrote {path}")
