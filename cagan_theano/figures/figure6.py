"""Figure 6: (c) different articles on the same human, (d) the same article on different humans."""

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
    r"$\mathbf{Figure~6.}$ (c) Different articles $y_j$ on the same human $x_i$; (d) the same article on "
    "different humans.  Held-out images, at random; layout reconstructed, parts (a) and (b) are unknown."
)


def draw(humans, articles, matrix, article, others, row, note=""):
    """The figure: part (c) is a table of humans x articles, part (d) one row under its humans.

    All uint8: humans [M, H, W, 3], articles [N, H, W, 3] and matrix [M, N, H, W, 3], human m in
    article n; article [H, W, 3], others [N, H, W, 3] and row [N, H, W, 3], other n in that article;
    note: text under the caption.  Returns a matplotlib Figure, panels named "c,row,column" and
    "d,row,column" with the margins as row and column 0.  Source: section 3.2 on Figure 6(c), (d).
    """
    scale = sheet.scale_for(article, PANEL_HEIGHT)
    step_h, step_w = (side * scale + sheet.GAP for side in article.shape[:2])
    width = (len(articles) + 1) * step_w - sheet.GAP
    text = sheet.Caption(CAPTION, note, width)
    top_d = sheet.MARGIN + (len(humans) + 1) * step_h + SPACE
    bottom = top_d + 2 * step_h
    words_c = r"articles $y_j$ $\rightarrow$", r"humans $x_i$ $\downarrow$"
    words_d = r"humans $x_i$ $\rightarrow$", r"article $y_j$ $\downarrow$"
    with sheet.style():
        figure = sheet.blank(width + 2 * sheet.MARGIN, bottom + text.height + sheet.MARGIN)
        draw_table(figure, "c", articles, humans, matrix, sheet.MARGIN, scale, words_c)
        draw_table(figure, "d", others, article[None], row[None], top_d, scale, words_d)
        text.write(figure, sheet.MARGIN, bottom)
    return figure


def draw_table(figure, part, above, left, inside, top, scale, words):
    """One part: images above, images to the left, and results at the intersections."""
    step_h, step_w = (side * scale + sheet.GAP for side in above.shape[1:3])
    rows = [[None, *above], *([first, *others] for first, others in zip(left, inside))]
    for r, row in enumerate(rows):
        for c, image in enumerate(row):
            if image is not None:
                x, y = sheet.MARGIN + c * step_w, top + r * step_h
                sheet.place(figure, image, x, y, scale, name=f"{part},{r},{c}")
    right, bottom = sheet.MARGIN + step_w - 2 * sheet.GAP, top + step_h - 2 * sheet.GAP
    sheet.write(figure, f"({part})", sheet.MARGIN, top, 11, va="top", fontweight="bold")
    sheet.write(figure, words[0], right, top + step_h // 2, 9, ha="right", va="center")
    sheet.write(figure, words[1], right, bottom, 9, ha="right", va="bottom")


def swap_all(model, held, i, j):
    """x_i [M, H, W, 3], y_j [N, H, W, 3], and x_ij [M, N, H, W, 3] of every human in every article; uint8."""
    pairs = held_out.Swaps(*(axis.ravel() for axis in np.meshgrid(i, j, indexing="ij")))
    images = held_out.read(held, pairs)
    x_ij = held_out.swap(model, held, images).x_ij.reshape(len(i), len(j), *images["x_i"].shape[1:])
    return images["x_i"][:: len(j)], images["y_j"][: len(j)], x_ij


def draw_matrix(checkpoint, model, held, seed, humans, articles):
    """Figure 6 of randomly sampled swaps, and the rows of the test split that it shows."""
    i, j = held_out.choose_matrix(held, humans, articles, seed)
    others, article = held_out.choose_matrix(held, articles, 1, seed + 1)
    c, d = swap_all(model, held, i, j), swap_all(model, held, others, article)
    figure = draw(*c, d[1][0], d[0], d[2][:, 0], provenance.note(checkpoint, model, seed))
    return figure, {"c_i": i, "c_j": j, "d_i": others, "d_j": article}


# fmt: off
@click.command(cls=Command)
@options.figure_options("128x96")
@click.option("--humans", type=click.IntRange(1, 20), default=2, show_default=True,
              help="Number of humans in part (c), one per row.")
@click.option("--articles", type=click.IntRange(1, 20), default=5, show_default=True,
              help="Number of articles in part (c), and of humans in part (d).")
# fmt: on
def command(checkpoint, backend, device, data, out, seed, humans, articles):
    """Make Figure 6: (c) different articles on the same human, (d) one article on several humans."""
    model = weights.load_model(checkpoint, backend, device)
    with held_out.open_split(data, model) as held:
        figure, rows = draw_matrix(checkpoint, model, held, seed, humans, articles)
        about = provenance.attributes("Figure 6", checkpoint, model, held, seed, rows)
    provenance.finish(figure, out, weights.name_output("figure6", checkpoint, "128x96"), about)
