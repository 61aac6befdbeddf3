"""A checkpoint on one self-contained page, with its swaps to sort and filter: cagan report OUT.html"""

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

import click
import numpy as np

import cagan_theano
from cagan_theano import options, weights
from cagan_theano.config import Config
from cagan_theano.evaluation import evaluate, held_out, measures
from cagan_theano.evaluation.held_out import Images
from cagan_theano.evaluation.interval import Measured
from cagan_theano.evaluation.measures import KINDS, MEASURES, OURS
from cagan_theano.figures import figure4, figure6
from cagan_theano.io import sheet
from cagan_theano.io.color import as_bytes
from cagan_theano.io.command import Command, Output
from cagan_theano.io.files import write_atomically
from cagan_theano.io.image import encode_image
from cagan_theano.io.page import data_uri, render
from cagan_theano.io.text import one_line, printable
from cagan_theano.training.preview import loss_curves, spaced
from cagan_theano.training.run_folder import SAMPLE, RunFolder, numbered

STRIP = {"y_i": "y_i", "x_i": "x_i", "alpha": "alpha", "x_ij": OURS, "truth": "truth",
         "recoloring": "recoloring", "y_j": "y_j"}  # fmt: skip
"""Label -> name of the image, in the order of a swap's strip."""

SCORES = ("inside", "ssim_inside", "grain", "outside", "alpha_iou", "alpha_iou_worn")
"""Measures of each swap, those that are known."""

MAX_SWAPS = 500
MAX_SHEETS, SHEET_WIDTH = 60, 420  # pixels in the page
FIGURE_DPI = 150  # half of the figures' own, so that their pixels stay whole


def describe_swaps(measured: Measured, strips: list[str]) -> list[dict[str, Any]]:
    """What the page says of each swap: row, image, kind of change and scores.

    strips: data URIs of the images.
    """
    columns, count = measured.columns, len(measured)
    names = [name for name in SCORES if name in measures.known(columns)]
    if "inside" in names:
        names.remove("alpha_iou_worn")  # the IoU with the true region says more
    values = {name: MEASURES[name].of(columns, np.eye(count)) for name in names}
    kinds = {kind: columns.get(f"kind_{kind}", np.zeros(count)) for kind in KINDS}
    return [
        {
            "row": row,
            "image": strip,
            "kind": next((kind for kind, chosen in kinds.items() if chosen[row]), ""),
            "scores": {name: float(value[row]) for name, value in values.items()},
        }
        for row, strip in enumerate(strips)
    ]


def embed(image: Any) -> str:
    """An image [H, W, 3] or of PIL as a WebP in a data URI."""
    return data_uri(encode_image(np.asarray(image), "image.webp"), "webp")


def read_run(run: str | Path) -> dict[str, Any]:
    """The curves of a run folder as a data URI or "", and its sample sheets, evenly spaced if many.

    Raises FileNotFoundError for a folder that is not of a run.
    """
    from data_prep.picture import open_rgb

    folder = RunFolder(run)
    folder.check_old()
    curves = loss_curves(folder.read_log(), folder.path.resolve().name)
    paths, sheets = sorted(numbered(folder.samples, SAMPLE).items()), {}
    for step, path in (paths[n] for n in spaced(len(paths), MAX_SHEETS)):
        try:
            image = open_rgb(path)
        except (ValueError, OSError) as error:  # one picture; the page has the others
            click.echo(f"left out: {one_line(error)}", err=True)
            continue
        image.thumbnail((SHEET_WIDTH, image.height))
        sheets[step] = embed(image)
    return {"curves": data_uri(curves, "png") if curves else "", "sheets": sheets}


# fmt: off
@click.command(cls=Command)
@click.argument("out", type=Output("HTML"))
@options.checkpoint_option("128x96")
@options.data_option
@click.option("--swaps", "count", type=click.IntRange(1, MAX_SWAPS), default=100, show_default=True,
              help="Maximum number of swaps.")
@options.seed_option
@click.option("--run", type=click.Path(),
              help="Also show the losses and sample sheets of this training run.")
@options.backend_option
@options.device_option
# fmt: on
def command(
    out: str, checkpoint: str, data: str | None, count: int, seed: int, run: str | None, backend: str,
    device: str | None,
) -> None:  # fmt: skip
    """Write OUT, one HTML page about a checkpoint: figures, swaps to sort and filter, measures, curves.

    The page needs no other file and no network.
    """
    training = read_run(run) if run else {"curves": "", "sheets": {}}
    model = weights.load_model(checkpoint, backend, device)
    strips: list[str] = []
    labels: dict[str, Any] = {}

    def keep(_numbers: Any, made: Images) -> None:
        made = made | {"alpha": np.repeat(as_bytes(made["alpha"])[..., None], 3, axis=-1)}
        labels.update({label: made[name] for label, name in STRIP.items() if made.get(name) is not None})
        strips.extend(embed(np.concatenate(row, axis=1)) for row in zip(*labels.values()))

    with held_out.open_split(data, model) as held:
        swaps = held_out.all_swaps(held, count, seed)
        measured = measures.measure(model, held, swaps, keep=keep, cycle=False, seed=seed)
        result = evaluate.report(checkpoint, model, held, measured, seed)
        made = {}
        with contextlib.suppress(ValueError):  # too few people or garments for a figure
            made[4], _ = figure4.draw_swaps(
                figure4.draw, figure4.LABELS, {}, checkpoint, model, held, seed, rows=3, truth=False
            )
            made[6], _ = figure6.draw_matrix(checkpoint, model, held, seed, humans=2, articles=5)
    cards = describe_swaps(measured[OURS], strips)
    values = {
        "title": f"CAGAN: {Path(checkpoint).stem}",
        "version": cagan_theano.__version__,
        "unfinished": model.step < model.config.steps,
        "result": result,
        "cards": cards,
        "kinds": [kind for kind in KINDS if any(card["kind"] == kind for card in cards)],
        "labels": list(labels),
        "figures": {n: data_uri(sheet.encode(figure, dpi=FIGURE_DPI), "png") for n, figure in made.items()},
        "meanings": {name: MEASURES[name].meaning for name in cards[0]["scores"]},
        **training,
        "settings": dataclasses.fields(Config),
        "config": model.config,
        "provenance": json.dumps(held_out.origin_of(model), indent=1, sort_keys=True),
    }
    text = printable(render(Path(__file__).with_name("report.html"), values))
    write_atomically(out, text)
    click.echo(f"wrote {out} ({len(cards)} swaps, {len(text.encode()) / 1e6:.1f} MB)")
