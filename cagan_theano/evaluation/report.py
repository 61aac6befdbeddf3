"""A checkpoint on one self-contained page, with its swaps to sort and filter: cagan report OUT.html"""

import dataclasses
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

import cagan_theano
from cagan_theano import options, weights
from cagan_theano.config import Config
from cagan_theano.evaluation import evaluate, held_out, measures
from cagan_theano.evaluation.interval import Measured
from cagan_theano.evaluation.measures import KINDS, MEASURES, OURS, Images
from cagan_theano.io.color import as_bytes
from cagan_theano.io.command import Command, Output
from cagan_theano.io.files import write_atomically
from cagan_theano.io.image import encode_image
from cagan_theano.io.page import data_uri, render
from cagan_theano.io.text import printable
from cagan_theano.training.preview import loss_curves, spaced
from cagan_theano.training.run_folder import RunFolder

STRIP = {"y_i": "y_i", "x_i": "x_i", "alpha": "alpha", "x_ij": OURS, "truth": "truth",
         "recoloring": "recoloring", "y_j": "y_j"}  # fmt: skip
"""Label -> name of the image, in the order of a swap's strip."""

SCORES = ("inside", "ssim_inside", "grain", "outside", "alpha_iou", "alpha_iou_worn")
"""Measures of each swap, those that are known."""

MAX_SWAPS = 500
MAX_SHEETS = 60
MAX_BYTES = 32 << 20  # of a figure's file
SHEET_WIDTH, FIGURE_WIDTH = 420, 1800  # pixels in the page


def join_strips(made: Images) -> Iterator[Any]:
    """One image for each of some swaps: those in `STRIP` that are known, side by side."""
    made = made | {"alpha": np.repeat(as_bytes(made["alpha"])[..., None], 3, axis=-1)}
    columns = [made[name] for name in STRIP.values() if made.get(name) is not None]
    return (np.concatenate(row, axis=1) for row in zip(*columns))


def describe_swaps(measured: Measured, strips: list[str]) -> list[dict[str, Any]]:
    """What the page says of each swap: row, image, kind of change and scores.

    strips: data URIs of the images.
    """
    known = measures.known(measured.columns)
    names = [name for name in SCORES if name in known and not (name[-5:] == "_worn" and "inside" in known)]
    values = {name: MEASURES[name].of(measured.columns, np.eye(len(measured))) for name in names}
    kinds = {kind: measured.columns.get(f"kind_{kind}", np.zeros(len(measured))) for kind in KINDS}
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
    """An image as a WebP in a data URI."""
    return data_uri(encode_image(np.asarray(image), "image.webp"), "webp")


def read_figures(folder: str | Path, sha256: str) -> list[dict[str, str]]:
    """The figures of a folder, in the order of their numbers, with where they come from.

    Raises ValueError for a file that is not a PNG image or is too large.
    """
    names = (
        (re.fullmatch(r"figure(\d+)(?:_.*)?|compare", path.stem), path) for path in Path(folder).glob("*.png")
    )
    found = []
    for _, path in sorted((int(name[1] or sys.maxsize), path) for name, path in names if name):
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"{path}: is larger than {MAX_BYTES >> 20} MB; give another --figures")
        try:
            with Image.open(io.BytesIO(path.read_bytes()), formats=("PNG",)) as image:
                about = {str(name): str(text) for name, text in image.info.items()}
                small = shrink(image.convert("RGB"), FIGURE_WIDTH)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError(f"{path}: is not a PNG file ({error}); generate it again") from error
        listed = [name for name in ("Checkpoint", "Step", "Seed", "Data") if name in about]
        other = about.get("Checkpoint-SHA256", sha256) != sha256
        found.append(
            {
                "title": about.get("Title", path.stem),
                "src": embed(small),
                "origin": "; ".join([path.name, *(f"{name.lower()} {about[name]}" for name in listed)]),
                "warning": "Made with other weights than those above." if other else "",
            }
        )
    return found


def shrink(image: Image.Image, width: int) -> Image.Image:
    """The image at most `width` pixels wide."""
    size = width, round(image.height * width / image.width)
    return image if image.width <= width else image.resize(size, Image.Resampling.LANCZOS)


def read_run(run: str | Path) -> dict[str, Any]:
    """The curves of a run folder as a data URI or "", and its sample sheets, evenly spaced if many.

    Raises FileNotFoundError for a folder that is not of a run.
    """
    from data_prep.picture import open_rgb

    folder = RunFolder(run)
    folder.check_old()
    curves = loss_curves(folder.read_log(), folder.path.resolve().name)
    paths = sorted(folder.samples.glob("step_*.png"))
    sheets = [
        {
            "step": path.stem.removeprefix("step_").lstrip("0") or "0",
            "image": embed(shrink(open_rgb(path), SHEET_WIDTH)),
        }
        for path in (paths[n] for n in spaced(len(paths), MAX_SHEETS))
    ]
    return {"curves": data_uri(curves, "png") if curves else "", "sheets": sheets}


@click.command(cls=Command)
@click.argument("out", type=Output("HTML"))
@options.checkpoint_option("128x96")
@options.data_option
@click.option(
    "--swaps",
    "count",
    type=click.IntRange(1, MAX_SWAPS),
    default=100,
    show_default=True,
    help="Maximum number of swaps.",
)
@options.seed_option
@click.option("--run", type=click.Path(), help="Also show the losses and sample sheets of this training run.")
@click.option(
    "--figures",
    type=click.Path(),
    default="figures",
    show_default=True,
    help="Folder with figures to show, if any.",
)
@options.backend_option
@options.device_option
def command(
    out: str,
    checkpoint: str,
    data: str | None,
    count: int,
    seed: int,
    run: str | None,
    figures: str,
    backend: str,
    device: str | None,
) -> None:
    """Write OUT, one HTML page about a checkpoint: swaps to sort and filter, measures, figures, curves.

    The page needs no other file and no network.
    """
    training = read_run(run) if run else {"curves": "", "sheets": []}
    model = weights.load_model(checkpoint, backend, device)
    shown = read_figures(figures, model.sha256)
    strips: list[str] = []

    def keep(_numbers: Any, made: Images) -> None:
        strips.extend(embed(strip) for strip in join_strips(made))

    with held_out.open_split(data, model) as held:
        swaps = held_out.all_swaps(held, count, seed)
        measured = measures.measure(model, held, swaps, keep=keep, cycle=False, seed=seed)
        result = evaluate.report(checkpoint, model, held, measured, seed)
    cards = describe_swaps(measured[OURS], strips)
    has_truth = bool(result["baselines"])
    values = {
        "title": f"CAGAN: {Path(checkpoint).stem}",
        "version": cagan_theano.__version__,
        "unfinished": model.step < model.config.steps,
        "result": result,
        "cards": cards,
        "kinds": [kind for kind in KINDS if any(card["kind"] == kind for card in cards)],
        "labels": [label for label in STRIP if has_truth or label not in ("truth", "recoloring")],
        "meanings": {name: MEASURES[name].meaning for name in cards[0]["scores"]},
        **training,
        "figures": shown,
        "settings": dataclasses.fields(Config),
        "config": model.config,
        "provenance": json.dumps(held_out.origin_of(model), indent=1, sort_keys=True),
    }
    text = printable(render(Path(__file__).with_name("report.html"), values))
    write_atomically(out, text)
    click.echo(f"wrote {out} ({len(cards)} swaps, {len(text.encode()) / 1e6:.1f} MB)")
