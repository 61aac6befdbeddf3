"""Figure 5: the mask alpha that CAGAN learns without mask supervision.

python replicate/figure5.py [--checkpoint H5] [--data H5] [--out FOLDER] [--seed N] [--truth]
"""

import click

from cagan_theano import options, weights
from cagan_theano.evaluation import held_out, provenance
from cagan_theano.io import sheet
from cagan_theano.io.command import Command

LABELS = ("$x_i$", "$y_i$", r"$\alpha_i^j$", "$y_j$", "$x_i^j$ (generated)")
PANEL_HEIGHT = 512


def draw(x_i, y_i, alpha, y_j, x_ij, truth=None, note=""):
    """The figure: one row for each human, five columns, and the true swap if given.

    Parameters: images [N, H, W, 3] uint8; alpha [N, H, W] in [0, 1], 1 plotted white; note, text
    under the caption.  Returns a matplotlib Figure.  Source: Figure 5 of the paper, whose panel
    order is unknown to us.
    """
    columns, labels = [x_i, y_i, alpha, y_j, x_ij], list(LABELS)
    if truth is not None:
        columns.append(truth)
        labels.append("true swap")
    height, width = x_i.shape[1:3]
    return sheet.grid(
        list(zip(*columns)),
        labels,
        caption(height, width, truth is not None),
        note,
        sheet.scale_for(x_i[0], PANEL_HEIGHT),
    )


def caption(height, width, truth):
    """The caption, in our words."""
    more = " The true swap is the rendered image, which the network never sees." if truth else ""
    return (
        r"$\mathbf{Figure~5.}$ The mask $\alpha_i^j$ (white: repainted) is learned "
        r"without segmentation labels; $x_i^j$ is $x_i$ repainted there with "
        rf"article $y_j$ instead of $y_i$.{more} Resolution {height}$\times${width}; "
        "held-out humans and articles sampled at random. Panel order reconstructed."
    )


@click.command(cls=Command)
@options.figure_options("256x192")
@click.option(
    "--rows", type=click.IntRange(1, 100), default=2, show_default=True, help="Number of humans, one per row."
)
@click.option("--truth", is_flag=True, help="Add a column with the true swap if available.")
def command(checkpoint, backend, device, data, out, seed, rows, truth):
    """Make Figure 5: x_i | y_i | alpha | y_j | x_i^j for randomly sampled humans."""
    model = weights.load_model(checkpoint, backend, device)
    with held_out.open_split(data, model) as held:
        chosen = held_out.choose_swaps(held, rows, seed)
        true = held_out.truth(held, chosen) if truth else None
        swap = held_out.swap(model, held, chosen.i, chosen.j)
        photos, small = held.photos, provenance.note(checkpoint, model, seed)
        figure = draw(
            held_out.pictures(photos.x, chosen.i),
            held_out.pictures(photos.y, chosen.i),
            swap.alpha,
            held_out.pictures(photos.y, chosen.j),
            swap.x_ij,
            true,
            small,
        )
        about = provenance.attributes(
            "Figure 5", checkpoint, model, held, seed, {"i": chosen.i, "j": chosen.j}
        )
    provenance.finish(figure, out, "figure5", about)
