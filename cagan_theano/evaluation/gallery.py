"""Many swaps to look at, in one self-contained page: cagan gallery OUT.html"""

import io
from pathlib import Path

import click
import numpy as np
from PIL import Image

from cagan_theano import options, weights
from cagan_theano.evaluation import held_out, measures, provenance
from cagan_theano.io.color import as_bytes
from cagan_theano.io.command import Command, Output
from cagan_theano.io.files import write_atomically
from cagan_theano.io.page import data_uri, render
from cagan_theano.learning.samples import spaced
from cagan_theano.learning.scores import SCORES

QUALITY = 90  # of WebP; 200 swaps at 128x96 give a page of some 4 MB
SHEET_WIDTH = 420  # pixels of a training sheet in the page
MAX_SHEETS = 60
LABELS = ("y_i", "x_i", "alpha", "x_ij", "truth", "y_j")


class Strips:
    """Collects, as the `keep` of `measure`, one strip of images for each swap: the columns `LABELS`."""

    def __init__(self):
        self.strips = []

    def __call__(self, _first, images, swap):
        alpha = np.repeat(as_bytes(swap.alpha)[..., None], 3, axis=-1)
        columns = {**images, "alpha": alpha, "x_ij": swap.x_ij}
        columns = [columns[label] for label in LABELS if columns[label] is not None]
        self.strips += [np.concatenate(row, axis=1) for row in zip(*columns)]


def cards(columns, strips) -> list[dict]:
    """What the page says of each swap: image, row, kind of change and scores; a list of dicts.

    columns: of `measure`; without true swaps, the scores are missing.
    """
    count = len(strips)
    scores = SCORES if "error_inside" in columns else {}
    values = {name: of(columns, np.eye(count)) for name, of in scores.items()}
    kinds = [name for name in measures.KINDS if f"kind_{name}" in columns]
    return [
        {
            "row": n,
            "image": webp_uri(strip),
            "kind": next((kind for kind in kinds if columns[f"kind_{kind}"][n]), ""),
            "scores": {name: float(value[n]) for name, value in values.items()},
        }
        for n, strip in enumerate(strips)
    ]


def webp_uri(image: np.ndarray) -> str:
    """An image [H, W, 3] uint8 as a WebP in a data URI."""
    content = io.BytesIO()
    Image.fromarray(image).save(content, "WEBP", quality=QUALITY)
    return data_uri(content.getvalue(), "webp")


def training_sheets(run) -> list[dict]:
    """The sample sheets of a run folder, reduced: {step, image}, evenly spaced if there are many.

    Raises FileNotFoundError for a folder without any.
    """
    from data_prep.picture import open_rgb

    paths = sorted((Path(run) / "samples").glob("step_*.png"))
    if not paths:
        raise FileNotFoundError(f"{run}: contains no sample sheets; give the folder of a training run")
    sheets = []
    for path in (paths[n] for n in spaced(len(paths), MAX_SHEETS)):
        sheet = open_rgb(path)
        size = SHEET_WIDTH, round(sheet.height * SHEET_WIDTH / sheet.width)
        reduced = np.asarray(sheet.resize(size, Image.Resampling.LANCZOS))
        sheets.append(
            {"step": path.stem.removeprefix("step_").lstrip("0") or "0", "image": webp_uri(reduced)}
        )
    return sheets


def page(found: list[dict], sheets: list[dict], has_truth: bool, note: str, data: str) -> str:
    """The page as HTML."""
    kinds = [kind for kind in measures.KINDS if any(card["kind"] == kind for card in found)]
    labels = [label for label in LABELS if has_truth or label != "truth"]
    values = {
        "cards": found, "sheets": sheets, "kinds": kinds, "labels": labels, "note": note, "data": data,
        "scores": list(found[0]["scores"]) if found else [],
    }  # fmt: skip
    return render(Path(__file__).with_name("gallery.html"), values)


@click.command(cls=Command)
@click.argument("out", type=Output("HTML"))
@options.checkpoint_option("128x96")
@options.data_option
@click.option(
    "--swaps", "count", type=click.IntRange(1, 2000), default=200, show_default=True, help="Maximum number."
)
@options.seed_option
@click.option(
    "--run", type=click.Path(file_okay=False), help="Also show the sample sheets of this training run."
)
@options.backend_option
@options.device_option
def command(out, checkpoint, data, count, seed, run, backend, device):
    """Write OUT, an HTML page of held-out swaps beside the true ones, to sort and filter.

    Swaps are those that cagan evaluate measures.
    """
    sheets = training_sheets(run) if run else []
    model = weights.load_model(checkpoint, backend, device)
    with held_out.open_split(data, model, max(count, held_out.HELD_OUT)) as held:
        swaps = measures.all_swaps(held, count, seed)
        strips = Strips()
        columns = measures.measure(model, held, swaps, strips, cycle=False)
        name = Path(held.path).name
    found = cards(columns, strips.strips)
    text = page(found, sheets, "error_inside" in columns, provenance.note(checkpoint, model), name)
    write_atomically(out, text)
    click.echo(f"wrote {out} ({len(found)} swaps, {len(text) / 1e6:.1f} MB)")
