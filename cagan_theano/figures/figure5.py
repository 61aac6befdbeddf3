"""Figure 5: the mask alpha, which the paper's method learns without mask supervision."""

import click

from cagan_theano import options
from cagan_theano.figures.figure4 import draw_rows, make
from cagan_theano.io.command import Command

LABELS = {
    "x_i": "$x_i$",
    "y_i": "$y_i$",
    "alpha": r"$\alpha_i^j$",
    "y_j": "$y_j$",
    "x_ij": "$x_i^j$ (generated)",
    "truth": "true swap",
}
ORIGINS = {
    "regions": "was trained on true regions of renderings",
    "none": "is learned without segmentation labels",
    "prior": "starts from a given mask of the worn garment",
    "overwrite": "is the given mask of the worn garment",
}
"""Where alpha comes from: true regions, or the option `mask`."""


def draw(x_i, y_i, alpha, y_j, x_ij, truth=None, note="", origin="none"):
    """The figure: one row for each human, five columns, and the true swap if given.

    Images [N, H, W, 3] uint8; alpha [N, H, W] in [0, 1], 1 plotted white; note: text under the
    caption; origin: key of `ORIGINS`.  Returns a matplotlib Figure.  Source: Figure 5 of the paper,
    whose panel order is unknown to us.
    """
    caption = (
        rf"$\mathbf{{Figure~5.}}$ The mask $\alpha_i^j$ (white: repainted) {ORIGINS[origin]}. "
        "Panel order reconstructed."
    )
    columns = [x_i, y_i, alpha, y_j, x_ij, truth]
    return draw_rows(LABELS.values(), columns, caption, truth is not None, note)


def origin_of_alpha(config):
    """The key of `ORIGINS` for a configuration."""
    return "regions" if config.gamma_region > 0 else config.mask


@click.command(cls=Command)
@options.swap_figure_options("256x192", rows=2)
def command(**given):
    """Make Figure 5: x_i | y_i | alpha | y_j | x_i^j for randomly sampled humans."""
    make(5, "256x192", draw, LABELS, lambda config: {"origin": origin_of_alpha(config)}, **given)
