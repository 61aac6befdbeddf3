"""Provenance of figures: their metadata and note, and saving them."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
from matplotlib.figure import Figure

from cagan_theano import weights
from cagan_theano.checkpoint import weights_metadata
from cagan_theano.evaluation.held_out import HeldOutSplit, Model
from cagan_theano.io import sheet
from cagan_theano.io.text import printable


def attributes(
    title: str,
    checkpoint: str | Path,
    model: Model,
    held: HeldOutSplit,
    seed: int,
    rows: Mapping[str, Iterable[Any]],
) -> dict[str, str]:
    """A figure's provenance for its metadata: a dict of str -> str without time or path.

    rows: name -> chosen rows of the test split.
    """
    return {
        "Title": title,
        **weights_metadata(checkpoint, model.sha256, model.step),
        "Checkpoint-Metadata": json.dumps(model.metadata, sort_keys=True),
        "Seed": str(seed),
        "Data": printable(Path(held.path).name),
        "Data-Provenance": json.dumps(held.provenance, sort_keys=True),
        "Rows": json.dumps({name: [int(row) for row in value] for name, value in rows.items()}),
    }


def method(model: Model) -> str:
    """How weights were trained: by the paper's method, with true swaps, or with which options of ours."""
    config, ours = model.config, model.config.ours()
    if config.needs_truth:
        return weights.FAMILIES["dress"]
    given = f", given masks (mask={config.mask})" if config.takes_mask else ""
    return (f"with options of ours: {', '.join(ours)}" if ours else weights.FAMILIES["cagan"]) + given


def note(checkpoint: str | Path, model: Model, seed: int | None = None) -> str:
    """The note under a figure: the weights, how they were trained, and the seed of the sampled images."""
    made_by = f"{Path(checkpoint).name} ({method(model)}), sha256 {model.sha256[:12]}, {steps(model)}"
    return made_by if seed is None else f"{made_by}; images sampled with seed {seed}"


def steps(model: Model) -> str:
    """The step of the weights, and that of the weights from which their training started, if any."""
    before = model.metadata.get("init", {}).get("step")
    return f"step {model.step}" + (f" after step {before} of another run" if before is not None else "")


def finish(figure: Figure, out: str | Path, name: str, about: dict[str, str]) -> None:
    """Save a figure as OUT/NAME.png and .pdf and print their paths."""
    for path in sheet.save(figure, Path(out) / name, about):
        click.echo(f"wrote {path}")
