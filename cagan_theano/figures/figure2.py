"""Figure 2: the cycle x_i -> x_i^j -> x_i, with the error that L_cyc penalizes."""

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

HUMANS = {"x_i": "$x_i$", "x_ij": r"$x_i^j=G(x_i,y_i,y_j)$", "back": r"$G(x_i^j,y_j,y_i)$"}
CAPTION = (
    r"$\mathbf{Figure~2.}$ The cycle loss: (i) G swaps article $y_i$ for $y_j$; "
    r"(ii) G swaps back, and the result should be $x_i$."
)


def cycle_error(x_i, back):
    """L_cyc of uint8 images: the mean absolute difference of colors scaled to [-1, 1].

    Source: section 2.3; L1, and the mean instead of a sum, are readings (docs/fidelity.md).
    """
    return float(np.abs(x_i.astype(float) - back.astype(float)).mean() * 2 / 255)


def draw(x_i, y_i, y_j, x_ij, back, error, note=""):
    """The figure: three humans in a row, with the articles and the arrows of G between them.

    Images [H, W, 3] uint8; error: the number at the return arrow; note: text under the caption.
    Returns a matplotlib Figure.  Source: Figure 2 of the paper.
    """
    scale, small = (sheet.scale_for(x_i, size) for size in (PANEL_HEIGHT, ARTICLE_HEIGHT))
    (high, wide), low = (side * scale for side in x_i.shape[:2]), x_i.shape[1] * small
    step = wide + 2 * low + sheet.GAP + 2 * BETWEEN
    text = sheet.Caption(CAPTION, note, 2 * step + wide)
    bottom = sheet.MARGIN + high + 240
    with sheet.style():
        figure = sheet.blank(2 * step + wide + 2 * sheet.MARGIN, bottom + text.height + sheet.MARGIN)
        places = [sheet.MARGIN + n * step for n in range(3)]
        for left, image, (name, label) in zip(places, (x_i, x_ij, back), HUMANS.items()):
            sheet.place(figure, image, left, sheet.MARGIN, scale, label, name)
        for left, number, articles in (
            (places[0] + wide, "(i)", {"$y_i$": y_i, "$y_j$": y_j}),
            (places[1] + wide, "(ii)", {"$y_j$": y_j, "$y_i$": y_i}),
        ):
            for n, (label, article) in enumerate(articles.items()):
                x = left + BETWEEN + n * (low + sheet.GAP)
                sheet.place(figure, article, x, sheet.MARGIN, small, label, f"{number} {n}")
            y, right = sheet.MARGIN + high - 40, left + step - wide
            draw_arrow(figure, (left + 14, y), (right - 14, y))
            sheet.write(figure, f"{number} $G$", (left + right) / 2, y + 10, 10, ha="center", va="top")
        # the bracket under the humans from the last to the first, labeled with the error
        left, right = (place + wide // 2 for place in (places[0], places[2]))
        top, y = sheet.MARGIN + high + sheet.LABEL_HEIGHT, sheet.MARGIN + high + 160
        for start, end, tip in (
            ((right, y), (right, top), "-"),
            ((right, y), (left, y), "-"),
            ((left, y), (left, top), "-|>"),
        ):
            draw_arrow(figure, start, end, tip, sheet.ORANGE)
        label = rf"$L_{{cyc}}=\|x_i-G(x_i^j,y_j,y_i)\|={error:.3f}$"
        sheet.write(figure, label, (left + right) / 2, y + 12, 10, ha="center", va="top", color=sheet.ORANGE)
        text.write(figure, sheet.MARGIN, bottom)
    return figure


def draw_arrow(figure, start, end, style="-|>", color=sheet.INK):
    """An arrow between two positions in device pixels."""
    width, height = figure.get_size_inches() * sheet.DPI
    ends = [(x / width, 1 - y / height) for x, y in (start, end)]
    line = dict(arrowstyle=style, color=color, linewidth=0.9, mutation_scale=8, shrinkA=0, shrinkB=0)
    figure.add_artist(FancyArrowPatch(*ends, **line))


@click.command(cls=Command)
@options.figure_options("128x96")
def command(checkpoint, backend, device, data, out, seed):
    """Make Figure 2: swap y_i for y_j, swap back, and compare with x_i."""
    model = weights.load_model(checkpoint, backend, device)
    with held_out.open_split(data, model) as held:
        chosen = held_out.choose_swaps(held, 1, seed)
        images = held_out.read(held, chosen)
        images["x_ij"] = held_out.swap(model, held, images).x_ij
        images["back"] = held_out.swap_back(model, held, images, images["x_ij"])
        shown = {name: images[name][0] for name in ("x_i", "y_i", "y_j", "x_ij", "back")}
        error = cycle_error(shown["x_i"], shown["back"])
        figure = draw(**shown, error=error, note=provenance.note(checkpoint, model, seed))
        rows = {"i": chosen.i, "j": chosen.j}
        about = provenance.attributes("Figure 2", checkpoint, model, held, seed, rows)
    provenance.finish(figure, out, weights.name_output("figure2", checkpoint, "128x96"), about)
