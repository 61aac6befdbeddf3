"""Figure 5: the mask alpha, which the paper's method learns without mask supervision.

python replicate/figure5.py [--checkpoint H5] [--data H5] [--out FOLDER] [--seed N] [--truth]
"""

import click

from cagan_theano import options
from cagan_theano.figures.figure4 import make, rows_of_swaps
from cagan_theano.io.command import Command

LABELS = {
    "x_i": "$x_i$",
    "y_i": "$y_i$",
    "alpha": r"$\alpha_i^j$",
    "y_j": "$y_j$",
    "x_ij": "$x_i^j$ (generated)",
    "truth": "true swap",
}


def draw(x_i, y_i, alpha, y_j, x_ij, truth=None, note="", origin="none"):
    """The figure: one row for each human, five columns, and the true swap if given.

    Parameters: images [N, H, W, 3] uint8; alpha [N, H, W] in [0, 1], 1 plotted white; note, text
    under the caption; origin: key of ``LEARNED``.  Returns a matplotlib Figure.  Source: Figure 5 of the
    paper, whose panel order is unknown to us.
    """
    text = caption(*x_i.shape[1:3], truth is not None, origin)
    return rows_of_swaps(LABELS.values(), [x_i, y_i, alpha, y_j, x_ij, truth], text, note)


LEARNED = {
    "regions": "was trained on true regions of renderings",
    "none": "is learned without segmentation labels",
    "prior": "starts from a given mask of the worn garment",
    "overwrite": "is the given mask of the worn garment",
}
"""Where alpha comes from: true regions, or the option `mask`."""


def origin_of_alpha(config):
    """The key of ``LEARNED`` for a configuration."""
    return "regions" if config.gamma_region > 0 else config.mask


def caption(height, width, truth, origin):
    """The caption, in our words."""
    more = " The true swap is the rendered image, which the network never sees." if truth else ""
    return (
        rf"$\mathbf{{Figure~5.}}$ The mask $\alpha_i^j$ (white: repainted) {LEARNED[origin]}; "
        r"$x_i^j$ is $x_i$ repainted there with "
        rf"article $y_j$ instead of $y_i$.{more} Resolution {height}$\times${width}; "
        "held-out humans and articles sampled at random. Panel order reconstructed."
    )


@click.command(cls=Command)
@options.swap_figure_options("256x192", rows=2)
def command(**given):
    """Make Figure 5: x_i | y_i | alpha | y_j | x_i^j for randomly sampled humans."""
    make(5, draw, LABELS, lambda config: {"origin": origin_of_alpha(config)}, **given)
