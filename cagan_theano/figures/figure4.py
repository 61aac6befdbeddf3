"""Figure 4: upper-body garments swapped at 128x96, y_i | x_i | x_i^j (generated) | y_j."""

import click

from cagan_theano import options, weights
from cagan_theano.evaluation import held_out, provenance
from cagan_theano.io import sheet
from cagan_theano.io.command import Command

LABELS = {
    "y_i": "$y_i$",
    "x_i": "$x_i$",
    "x_ij": "$x_i^j$ (generated)",
    "truth": "true swap",
    "y_j": "$y_j$",
}
CAPTION = (
    r"$\mathbf{Figure~4.}$ The human $x_i$, who wears article $y_i$, swapped into article $y_j$ by CAGAN: "
    "$x_i^j$."
)
TRUTH = " The true swap is rendered; the network never sees it."
PANEL_HEIGHT = 512


def draw(y_i, x_i, x_ij, y_j, truth=None, note=""):
    """The figure: one row for each human, four columns, and the true swap if given.

    Images [N, H, W, 3] uint8; note: text under the caption.  Returns a matplotlib Figure.
    Source: Figure 4 of the paper (order of columns, labels under them).
    """
    return draw_rows(LABELS.values(), [y_i, x_i, x_ij, truth, y_j], CAPTION, truth is not None, note)


def draw_rows(labels, columns, caption, with_truth, note):
    """A figure with one row for each human, of columns with labels; columns that are None are left out."""
    labels, columns = zip(*(pair for pair in zip(labels, columns) if pair[1] is not None))
    height, width = columns[0].shape[1:3]
    text = f"{caption}{TRUTH if with_truth else ''} {height}$\\times${width}; held-out images, at random."
    scale = sheet.scale_for(columns[0][0], PANEL_HEIGHT)
    return sheet.grid(list(zip(*columns)), labels, text, note, scale)


def draw_swaps(draw, panels, options, checkpoint, model, held, seed, rows, truth):
    """Figure 4 or 5 of randomly sampled swaps, and the rows of the test split that it shows.

    draw: takes images by the names in `panels`, truth None without --truth, note, and `options`.
    """
    chosen = held_out.choose_swaps(held, rows, seed)
    images = held_out.read(held, chosen)
    known = images["truth"] is not None or not truth
    held_out.need(held, known, "has no true swaps, which --truth requires")
    images |= held_out.swap(model, held, images)._asdict()
    shown = {name: images[name] for name in panels} | ({} if truth else {"truth": None})
    figure = draw(**shown, note=provenance.note(checkpoint, model, seed), **options)
    return figure, {"i": chosen.i, "j": chosen.j}


def make(number, size, draw, panels, options_of, checkpoint, backend, device, data, out, seed, rows, truth):
    """Make Figure 4 or 5; size: of the default weights; options_of: arguments of `draw` by configuration."""
    model = weights.load_model(checkpoint, backend, device)
    with held_out.open_split(data, model) as held:
        options = options_of(model.config)
        figure, chosen = draw_swaps(draw, panels, options, checkpoint, model, held, seed, rows, truth)
        about = provenance.attributes(f"Figure {number}", checkpoint, model, held, seed, chosen)
    provenance.finish(figure, out, weights.name_output(f"figure{number}", checkpoint, size), about)


@click.command(cls=Command)
@options.swap_figure_options("128x96", rows=3)
def command(**given):
    """Make Figure 4: y_i | x_i | x_i^j (generated) | y_j for randomly sampled humans."""
    make(4, "128x96", draw, LABELS, lambda config: {}, **given)
