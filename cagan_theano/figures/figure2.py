"""Figure 2: the cycle x_i -> x_i^j -> x_i, with the error that L_cyc penalizes.

python replicate/figure2.py [--checkpoint H5] [--data H5] [--out FOLDER] [--seed N]
"""

import click
import numpy as np
from matplotlib.patches import FancyArrowPatch

from cagan_theano import options, weights
from cagan_theano.evaluation import held_out, provenance
from cagan_theano.io import sheet
from cagan_theano.io.command import Command

PANEL_HEIGHT, ARTICLE_HEIGHT = 384, 256
BETWEEN = 36
"""Device pixels of free space on each side of a pair of articles."""

CAPTION = (
    r"$\mathbf{Figure~2.}$ The cycle loss. (i) G swaps article $y_i$ for $y_j$ on the human $x_i$; "
    r"(ii) G swaps $y_j$ for $y_i$ on its own output, and the result should be $x_i$. "
    r"$L_{cyc}$ is the mean absolute difference of colors scaled to [-1,1], here for one held-out "
    "human and article sampled at random."
)


def cycle_error(x_i, back):
    """L_cyc of uint8 images: the mean absolute difference of colors scaled to [-1, 1].

    Source: section 2.3; L1, and the mean instead of a sum, are readings (docs/fidelity.md).
    """
    return float(np.abs(x_i.astype(float) - back.astype(float)).mean() * 2 / 255)


def draw(x_i, y_i, y_j, x_ij, back, error, note=""):
    """The figure: three humans in a row, with the articles and the arrows of G between them.

    Parameters: images [H, W, 3] uint8; error, the number at the return arrow; note, text under the
    caption.  Returns a matplotlib Figure.  Source: Figure 2 of the paper.
    """
    scale, small = (sheet.scale_for(x_i, size) for size in (PANEL_HEIGHT, ARTICLE_HEIGHT))
    (high, wide), low = (side * scale for side in x_i.shape[:2]), x_i.shape[1] * small
    step = wide + 2 * low + sheet.GAP + 2 * BETWEEN
    text = sheet.Caption(CAPTION, note, 2 * step + wide)
    bottom = sheet.MARGIN + high + 240
    with sheet.style():
        figure = sheet.blank(2 * step + wide + 2 * sheet.MARGIN, bottom + text.height + sheet.MARGIN)
        places = [sheet.MARGIN + n * step for n in range(3)]
        labels = ("$x_i$", r"$x_i^j=G(x_i,y_i,y_j)$", r"$G(x_i^j,y_j,y_i)$")
        for left, picture, label, name in zip(places, (x_i, x_ij, back), labels, HUMANS):
            sheet.place(figure, picture, left, sheet.MARGIN, scale, label, name)
        pass_of_g(figure, (y_i, y_j), places[0] + wide, small, high, "(i)", ("$y_i$", "$y_j$"))
        pass_of_g(figure, (y_j, y_i), places[1] + wide, small, high, "(ii)", ("$y_j$", "$y_i$"))
        way_back(figure, places[0] + wide // 2, places[2] + wide // 2, high, error)
        text.write(figure, sheet.MARGIN, bottom)
    return figure


HUMANS = ("x_i", "x_ij", "back")


def pass_of_g(figure, articles, left, scale, high, number, labels):
    """Between two humans: the article removed, the article put on, and the arrow of G below."""
    wide = articles[0].shape[1] * scale
    first = left + BETWEEN
    for n, (article, label) in enumerate(zip(articles, labels)):
        sheet.place(
            figure, article, first + n * (wide + sheet.GAP), sheet.MARGIN, scale, label, f"{number} {n}"
        )
    y = sheet.MARGIN + high - 40
    right = first + 2 * wide + sheet.GAP + BETWEEN
    arrow(figure, (left + 14, y), (right - 14, y))
    sheet.write(figure, f"{number} $G$", (left + right) / 2, y + 10, 10, ha="center", va="top")


def way_back(figure, left, right, high, error):
    """The bracket under the humans from the last to the first, labeled with the error."""
    top, y = sheet.MARGIN + high + sheet.LABEL_HEIGHT, sheet.MARGIN + high + 160
    arrow(figure, (right, y), (right, top), "-", sheet.ORANGE)
    arrow(figure, (right, y), (left, y), "-", sheet.ORANGE)
    arrow(figure, (left, y), (left, top), "-|>", sheet.ORANGE)
    sheet.write(
        figure,
        rf"$L_{{cyc}}=\|x_i-G(x_i^j,y_j,y_i)\|={error:.3f}$",
        (left + right) / 2,
        y + 12,
        10,
        ha="center",
        va="top",
        color=sheet.ORANGE,
    )


def arrow(figure, start, end, style="-|>", color=sheet.INK):
    """An arrow between two positions in device pixels."""
    width, height = figure.get_size_inches() * sheet.DPI
    start, end = ((x / width, 1 - y / height) for x, y in (start, end))
    figure.add_artist(
        FancyArrowPatch(
            start, end, arrowstyle=style, color=color, linewidth=0.9, mutation_scale=8, shrinkA=0, shrinkB=0
        )
    )


@click.command(cls=Command)
@options.figure_options("128x96")
def command(checkpoint, backend, device, data, out, seed):
    """Make Figure 2: swap y_i for y_j, swap back, and compare with x_i."""
    model = weights.load_model(checkpoint, backend, device)
    with held_out.open_split(data, model) as held:
        chosen = held_out.choose_swaps(held, 1, seed)
        x_i, y_i, mask = (
            held_out.rows_or_none(rows, chosen.i) for rows in (held.photos.x, held.photos.y, held.photos.mask)
        )
        y_j = held_out.pictures(held.photos.y, chosen.j)
        x_ij = held_out.dress(model, held, x_i, y_i, y_j, mask).x_ij
        back = held_out.dress(model, held, x_ij, y_j, y_i, mask).x_ij
        figure = draw(
            x_i[0],
            y_i[0],
            y_j[0],
            x_ij[0],
            back[0],
            cycle_error(x_i, back),
            provenance.note(checkpoint, model, seed),
        )
        about = provenance.attributes(
            "Figure 2", checkpoint, model, held, seed, {"i": chosen.i, "j": chosen.j}
        )
    provenance.finish(figure, out, "figure2", about)
