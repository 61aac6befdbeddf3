"""Figure 6: (c) different articles on the same human, (d) the same article on different humans.

python replicate/figure6.py [--checkpoint H5] [--data H5] [--out FOLDER] [--seed N]
"""

import click
import numpy as np

from cagan_theano import options, weights
from cagan_theano.evaluation import held_out, provenance
from cagan_theano.io import sheet
from cagan_theano.io.command import Command

PANEL_HEIGHT = 384
SPACE = 70
"""Device pixels between part (c) and part (d)."""

CAPTION = (
    r"$\mathbf{Figure~6.}$ Combinations of humans and articles. (c) Different articles on the same "
    r"human: top row, the articles $y_j$; left column, the humans $x_i$ in their own garments; "
    r"elsewhere, the generated $x_i^j$. (d) The same article on different humans. Held-out humans and "
    "articles sampled at random; layout reconstructed, parts (a) and (b) of the paper are unknown."
)


def draw(humans, articles, matrix, article, others, row, note=""):
    """The figure: part (c) is a table of humans x articles, part (d) one row under its humans.

    Parameters, all uint8: humans [M, H, W, 3], articles [N, H, W, 3] and matrix
    [M, N, H, W, 3], human m in article n; article [H, W, 3], others [N, H, W, 3] and row
    [N, H, W, 3], other n in that article; note, text under the caption.  Returns a matplotlib Figure,
    panels named "c,row,column" and "d,row,column" with the margins as row and column 0.
    Source: section 3.2 on Figure 6(c), (d).
    """
    scale = sheet.scale_for(article, PANEL_HEIGHT)
    step_h, step_w = (side * scale + sheet.GAP for side in article.shape[:2])
    width = (len(articles) + 1) * step_w - sheet.GAP
    text = sheet.Caption(CAPTION, note, width)
    top_d = sheet.MARGIN + (len(humans) + 1) * step_h + SPACE
    bottom = top_d + 2 * step_h
    with sheet.style():
        figure = sheet.blank(width + 2 * sheet.MARGIN, bottom + text.height + sheet.MARGIN)
        table(
            figure,
            "c",
            articles,
            humans,
            matrix,
            sheet.MARGIN,
            scale,
            (r"articles $y_j$ $\rightarrow$", r"humans $x_i$ $\downarrow$"),
        )
        table(
            figure,
            "d",
            others,
            article[None],
            row[None],
            top_d,
            scale,
            (r"humans $x_i$ $\rightarrow$", r"article $y_j$ $\downarrow$"),
        )
        text.write(figure, sheet.MARGIN, bottom)
    return figure


def table(figure, part, above, left, inside, top, scale, words):
    """One part: images above, images to the left, and results at the intersections."""
    step_h, step_w = (side * scale + sheet.GAP for side in above.shape[1:3])
    cells = {(0, c): picture for c, picture in enumerate(above, start=1)}
    cells |= {(r, 0): picture for r, picture in enumerate(left, start=1)}
    cells |= {
        (r, c): picture for r, line in enumerate(inside, start=1) for c, picture in enumerate(line, start=1)
    }
    for (r, c), picture in cells.items():
        sheet.place(
            figure, picture, sheet.MARGIN + c * step_w, top + r * step_h, scale, name=f"{part},{r},{c}"
        )
    right, bottom = sheet.MARGIN + step_w - 2 * sheet.GAP, top + step_h - 2 * sheet.GAP
    sheet.write(figure, f"({part})", sheet.MARGIN, top, 11, va="top", fontweight="bold")
    sheet.write(figure, words[0], right, top + step_h // 2, 9, ha="right", va="center")
    sheet.write(figure, words[1], right, bottom, 9, ha="right", va="bottom")


def results(model, held, i, j):
    """x_ij for every human of i in every article of j: [M, N, H, W, 3] uint8."""
    pairs_i, pairs_j = (axis.ravel() for axis in np.meshgrid(i, j, indexing="ij"))
    x_ij = held_out.swap(model, held, pairs_i, pairs_j).x_ij
    return x_ij.reshape(len(i), len(j), *x_ij.shape[1:])


@click.command(cls=Command)
@options.figure_options("128x96")
@click.option(
    "--humans",
    type=click.IntRange(1, 20),
    default=2,
    show_default=True,
    help="Number of humans in part (c), one per row.",
)
@click.option(
    "--articles",
    type=click.IntRange(1, 20),
    default=5,
    show_default=True,
    help="Number of articles in part (c), and of humans in part (d).",
)
def command(checkpoint, backend, device, data, out, seed, humans, articles):
    """Make Figure 6: (c) different articles on the same human, (d) one article on several humans."""
    model = weights.load_model(checkpoint, backend, device)
    with held_out.open_split(data, model) as held:
        i, j = held_out.choose_matrix(held, humans, articles, seed)
        others, article = held_out.choose_matrix(held, articles, 1, seed + 1)
        matrix, row = results(model, held, i, j), results(model, held, others, article)[:, 0]
        photos, small = held.photos, provenance.note(checkpoint, model, seed)
        figure = draw(
            held_out.pictures(photos.x, i),
            held_out.pictures(photos.y, j),
            matrix,
            held_out.pictures(photos.y, article)[0],
            held_out.pictures(photos.x, others),
            row,
            small,
        )
        about = provenance.attributes(
            "Figure 6", checkpoint, model, held, seed, {"c_i": i, "c_j": j, "d_i": others, "d_j": article}
        )
    provenance.finish(figure, out, "figure6", about)
