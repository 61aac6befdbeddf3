"""Figure 3: the architecture of G and D, drawn from the layer sizes that the networks report."""

from pathlib import Path
from typing import NamedTuple

import click
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle

from cagan_theano import options, weights
from cagan_theano.evaluation import provenance
from cagan_theano.io import sheet
from cagan_theano.io.command import Command

COLORS = {
    "input": "#c9ccd1",
    "learned": "#6f9bc8",
    "deconvolution": "#7fb38a",
    "copies": "#e0893b",
    "output": "#b7a6d6",
}
LEGEND = (
    ("input", "images"),
    ("learned", "convolution of stride 2"),
    ("deconvolution", "deconvolution of stride 1/2"),
    ("copies", "downsampled copies, the last 6 channels"),
    ("output", "output of the last layer"),
)
FIELD, SKIP = "#b3202c", "#4d6f96"
DEPTH = (0.42, 0.26)
"""Horizontal and vertical offset on the figure per unit of depth (the image width)."""
SPACE, SIZE = 26, 8
INSIDE = 2000
"""Width of the drawing in device pixels."""


class Box(NamedTuple):
    """A box of the figure: name, size (C, H, W), and (kind, channels) of its slices."""

    name: str
    shape: tuple
    slices: tuple


def boxes_of_generator(G, height, width):
    """The boxes of G from input to output.  Source: Figure 3, left."""
    shapes = G.shapes(height, width)
    boxes = [Box(*shapes[0], (("input", shapes[0][1][0]),))]
    boxes += [
        Box(*box, learned("learned", box[1][0], layer.copied)) for layer, box in zip(G.encoder, shapes[1:])
    ]
    skips = boxes[1:-1]
    for layer, box in zip(G.decoder, shapes[len(boxes) :]):
        boxes.append(Box(*box, (("deconvolution", layer.deconvolution.channels), *skips.pop().slices)))
    return [*boxes, Box(*shapes[-1], (("output", shapes[-1][1][0]),))]


def boxes_of_discriminator(D, height, width):
    """The boxes of D from input to the field of logits.  Source: Figure 3, right."""
    shapes = D.shapes(height, width)
    boxes = [Box(*shapes[0], (("input", shapes[0][1][0]),))]
    boxes += [
        Box(*box, learned("learned", box[1][0], layer.copied)) for layer, box in zip(D.layers, shapes[1:])
    ]
    return [*boxes, Box(*shapes[-1], (("output", shapes[-1][1][0]),))]


def learned(kind, channels, copied):
    """The slices of a layer's box: the learned channels and then the copied ones."""
    from cagan_theano.config import COPIED_CHANNELS

    if not copied:
        return ((kind, channels),)
    return (kind, channels - COPIED_CHANNELS), ("copies", COPIED_CHANNELS)


def thickness(channels):
    """Width of a box by the square root of its channels, so that 9 stay visible next to 512."""
    return 2.0 * channels**0.5


def at_depth(x, y, depth):
    """The position of a point `depth` image pixels behind (x, y)."""
    return x + DEPTH[0] * depth, y + DEPTH[1] * depth


def span(box):
    """Width of a box, including its depth."""
    return thickness(box.shape[0]) + DEPTH[0] * box.shape[2]


def places(boxes, left):
    """x of each box in a row, with space for the label under each."""
    xs = []
    for box in boxes:
        slot = max(span(box), 54)
        xs.append(left + (slot - span(box)) / 2)
        left += slot + SPACE
    return xs


def draw_box(axes, box, x, middle):
    """Draw a box in front view, slices left to right, with its size below; returns its top."""
    channels, height, width = box.shape
    bottom, scale = middle - height / 2 - DEPTH[1] * width / 2, thickness(channels) / channels
    top, end = bottom + height, x
    for kind, count in box.slices:
        start, end = end, end + max(count * scale, 1.2 if kind == "copies" else 0)
        front = [(start, bottom), (end, bottom), (end, top), (start, top)]
        roof = [(start, top), (end, top), at_depth(end, top, width), at_depth(start, top, width)]
        paint(axes, front, kind, 1.0)
        paint(axes, roof, kind, 1.12)
    paint(axes, side(end, bottom, height, width), box.slices[-1][0], 0.86)
    label = r"$\times$".join(map(str, box.shape))
    axes.text(x + span(box) / 2, bottom - 5, label, size=SIZE, ha="center", va="top")
    return top + DEPTH[1] * width


def side(x, bottom, height, width):
    """The corners of a box's right side, the image plane."""
    top = bottom + height
    return [(x, bottom), at_depth(x, bottom, width), at_depth(x, top, width), (x, top)]


def paint(axes, corners, kind, light):
    """Draw one face of a box, its color lightened or darkened."""
    color = [min(1.0, part * light) for part in to_rgb(COLORS[kind])]
    axes.add_patch(Polygon(corners, facecolor=color, edgecolor=sheet.INK, linewidth=0.35, joinstyle="round"))


def draw_line(axes, boxes, xs, middle, ends):
    """Draw boxes in a row with arrows between and labels under the first and last; returns their tops."""
    for one, x, following in zip(boxes, xs, xs[1:]):
        arrow(axes, (x + span(one) + 3, middle), (following - 3, middle))
    for n, words in zip((0, -1), ends):
        (_, height, width), x = boxes[n].shape, xs[n] + span(boxes[n]) / 2
        low = middle - height / 2 - DEPTH[1] * width / 2
        axes.text(x, low - 31, words, size=SIZE + 1, ha="center", va="baseline")
    return [draw_box(axes, box, x, middle) for box, x in zip(boxes, xs)]


def arrow(axes, start, end, **settings):
    """Draw a thin arrow."""
    line = {"linewidth": 0.7, "color": sheet.INK, **settings}
    axes.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=6, shrinkA=0, shrinkB=0, **line)
    )


def skips_of(G):
    """(source, target) of G's skip connections as indices of boxes, the longest first."""
    last = len(G.encoder)
    return [(last - 1 - n, last + 1 + n) for n in range(len(G.decoder))][::-1]


def draw_skips(axes, boxes, xs, tops, skips):
    """Draw the skip connections above the boxes, from encoder boxes to decoder boxes of the same size."""
    for n, (source, target) in enumerate(skips):
        start, end = (xs[k] + span(boxes[k]) / 2 for k in (source, target))
        level = max(tops) + 12 - 11 * n
        heights = [tops[source] + 2, level, level]
        axes.plot([start, start, end], heights, color=SKIP, lw=0.8, solid_joinstyle="round")
        arrow(axes, (end, level), (end, tops[target] + 2), color=SKIP, linewidth=0.8)


def draw_field(axes, boxes, xs, middle, field):
    """Draw the receptive field of one logit on D's input, and lines from its corners to that logit."""
    (_, height, width), (_, rows, columns) = boxes[0].shape, boxes[-1].shape
    x = xs[0] + thickness(boxes[0].shape[0])
    bottom = middle - height / 2 - DEPTH[1] * width / 2
    low, near = (height - field) / 2, (width - field) / 2
    square = side(*at_depth(x, bottom + low, near), field, field)
    axes.add_patch(Polygon(square, facecolor="none", edgecolor=FIELD, linewidth=1.1, zorder=5))
    x = xs[-1] + thickness(boxes[-1].shape[0])
    bottom = middle - rows / 2 - DEPTH[1] * columns / 2
    cell = side(*at_depth(x, bottom + rows // 2, columns // 2), 1, 1)
    axes.add_patch(Polygon(cell, facecolor=FIELD, edgecolor=FIELD, linewidth=0.6, zorder=5))
    for corner, point in zip(square[1:3], cell[:1] + cell[3:]):
        axes.plot(*zip(corner, point), color=FIELD, lw=0.45, ls=(0, (4, 3)), zorder=4)


def draw_legend(axes, boxes, left, top):
    """Draw swatches of the kinds of channels that occur."""
    kinds = {kind for box in boxes for kind, _ in box.slices}
    for n, (kind, words) in enumerate(entry for entry in LEGEND if entry[0] in kinds):
        y = top - 15 * n
        axes.add_patch(
            Rectangle((left, y), 14, 8, facecolor=COLORS[kind], edgecolor=sheet.INK, linewidth=0.35)
        )
        axes.text(left + 20, y + 4, words, size=SIZE, va="center_baseline")


def caption(G, D):
    """The caption, in our words."""
    kernels = G.config.g_kernel, D.layers[0].convolution.kernel, D.head.kernel
    g_kernel, d_kernel, head = (rf"{kernel}$\times${kernel}" for kernel in kernels)
    field, stride = D.receptive_field(), D.head.stride
    code = " The encoders of the articles are not drawn." if G.config.article_code else ""
    return (
        r"$\mathbf{Figure~3.}$ The generator $G$ and the patch discriminator $D$; labels are "
        r"channels$\times$height$\times$width. "
        rf"Kernels: {g_kernel} in $G$, {d_kernel} in $D$, whose head is {head} of stride {stride}; "
        rf"the receptive field of a logit is {field}$\times${field} pixels (red).{code}"
    )


def draw(G, D, height, width, note=""):
    """The figure: G with its skip connections above, D with its receptive field below, and a legend.

    Parameters: the networks, whose ``shapes`` give every size; height, width in pixels; note, text
    under the caption.  Returns a matplotlib Figure, the drawing in the axes named "networks".
    Source: Figure 3 of the paper.
    """
    upper, lower = boxes_of_generator(G, height, width), boxes_of_discriminator(D, height, width)
    rise = height + DEPTH[1] * width  # of the tallest box
    xs, middle = places(upper, 0), -1.5 * rise - 20
    right, low, high = xs[-1] + span(upper[-1]), middle - rise / 2 - 41, rise / 2 + 40
    unit = INSIDE / right  # device pixels per image pixel
    text = sheet.Caption(caption(G, D), note, INSIDE)
    tall = round(unit * (high - low))
    with sheet.style():
        figure = sheet.blank(INSIDE + 2 * sheet.MARGIN, tall + text.height + 2 * sheet.MARGIN)
        wide, page = figure.get_size_inches() * sheet.DPI
        box = [sheet.MARGIN / wide, 1 - (sheet.MARGIN + tall) / page, INSIDE / wide, tall / page]
        axes = figure.add_axes(box, label="networks", xlim=(0, right), ylim=(low, high))
        axes.axis("off")
        ends = r"$x_i,\ y_i,\ y_j$", r"$\alpha_i^j,\ \tilde{x}_i^j$"
        tops = draw_line(axes, upper, xs, 0, ends)
        draw_skips(axes, upper, xs, tops, skips_of(G))
        axes.text(0, high - 4, "Generator $G$", size=10, va="top", weight="bold")
        xs = places(lower, 0)
        draw_line(axes, lower, xs, middle, ("$x,\\ y$", r"$D_{\lambda,\mu}$"))
        draw_field(axes, lower, xs, middle, D.receptive_field())
        axes.text(0, middle + rise / 2 + 22, "Discriminator $D$", size=10, weight="bold")
        draw_legend(axes, upper + lower, 0.69 * right, middle + 30)
        text.write(figure, sheet.MARGIN, tall + sheet.MARGIN)
    return figure


@click.command(cls=Command)
@options.checkpoint_option("128x96")
@options.out_option
def command(checkpoint, out):
    """Make Figure 3: the layers of G and D with their actual sizes."""
    from cagan_theano.checkpoint import load_checkpoint, weights_metadata
    from cagan_theano.network.networks import sized_networks

    stored = load_checkpoint(checkpoint)
    config, networks = stored.config, sized_networks(stored.config)
    note = f"{Path(checkpoint).name}, sha256 {stored.sha256[:12]}: sizes as reported by its layers"
    figure = draw(networks.G, networks.D, config.height, config.width, note)
    about = {
        "Title": "Figure 3",
        **weights_metadata(checkpoint, stored.sha256, stored.step),
        "Config": config.to_json(),
    }
    provenance.finish(figure, out, weights.name_output("figure3", checkpoint, "128x96"), about)
