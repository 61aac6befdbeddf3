"""Figure 3: the architecture of G and D, drawn from the layer sizes that the networks report."""

from pathlib import Path
from typing import NamedTuple

import click
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle

from cagan_theano import options, weights
from cagan_theano.config import COPIED_CHANNELS
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
SPACE, SLOT, SIZE = 26, 54, 8
"""Between boxes; the least width for a box, which leaves space for its label; size of the labels."""
INSIDE = 2000
"""Width of the drawing in device pixels."""


class Box(NamedTuple):
    """A box of the figure: size (C, H, W), channels of its slices by kind, lower left corner of its front."""

    shape: tuple
    slices: dict
    x: float = 0.0
    y: float = 0.0

    @property
    def front(self):
        """Width of the front by the square root of the channels, so that 9 stay visible next to 512."""
        return 2.0 * self.shape[0] ** 0.5

    @property
    def span(self):
        """Width, including the depth."""
        return self.front + DEPTH[0] * self.shape[2]

    @property
    def height(self):
        """Height, including the depth."""
        return self.shape[1] + DEPTH[1] * self.shape[2]


def boxes_of(shapes, encoder, decoder=()):
    """The boxes of a network, from input to output, without places.  Source: Figure 3.

    shapes: as the network reports them.  encoder, decoder: its layers; a layer's box has the learned channels
    and then the copied ones, that of the decoder the skip connection's channels last.
    """
    sizes = [shape for _, shape in shapes]
    slices = [{"input": sizes[0][0]}]
    for layer, (channels, _, _) in zip(encoder, sizes[1:]):
        copies = {"copies": COPIED_CHANNELS} if layer.copied else {}
        slices.append({"learned": channels - sum(copies.values()), **copies})
    for layer, skipped in zip(decoder, slices[-2:0:-1]):
        slices.append({"deconvolution": layer.deconvolution.channels, **skipped})
    return [Box(*box) for box in zip(sizes, [*slices, {"output": sizes[-1][0]}], strict=True)]


def place(boxes, middle):
    """The boxes in a row around the height `middle`."""
    left, placed = 0, []
    for box in boxes:
        slot = max(box.span, SLOT)
        placed.append(box._replace(x=left + (slot - box.span) / 2, y=middle - box.height / 2))
        left += slot + SPACE
    return placed


def at_depth(x, y, depth):
    """The position of a point `depth` image pixels behind (x, y)."""
    return x + DEPTH[0] * depth, y + DEPTH[1] * depth


def side(x, bottom, height, width):
    """The corners of a box's right side, the image plane."""
    top = bottom + height
    return [(x, bottom), at_depth(x, bottom, width), at_depth(x, top, width), (x, top)]


def paint(axes, corners, kind, light):
    """Draw one face of a box, its color lightened or darkened."""
    color = [min(1.0, part * light) for part in to_rgb(COLORS[kind])]
    axes.add_patch(Polygon(corners, facecolor=color, edgecolor=sheet.INK, linewidth=0.35, joinstyle="round"))


def draw_box(axes, box):
    """Draw a box in front view, slices left to right, with its size below."""
    channels, height, width = box.shape
    bottom, top, end = box.y, box.y + height, box.x
    for kind, count in box.slices.items():
        start, end = end, end + max(count * box.front / channels, 1.2 if kind == "copies" else 0)
        roof = [(start, top), (end, top), at_depth(end, top, width), at_depth(start, top, width)]
        paint(axes, [(start, bottom), (end, bottom), (end, top), (start, top)], kind, 1.0)
        paint(axes, roof, kind, 1.12)
    paint(axes, side(end, bottom, height, width), kind, 0.86)
    label = r"$\times$".join(map(str, box.shape))
    axes.text(box.x + box.span / 2, bottom - 5, label, size=SIZE, ha="center", va="top")


def draw_row(axes, boxes, middle, ends):
    """Draw boxes in a row with arrows between and labels under the first and last."""
    for one, following in zip(boxes, boxes[1:]):
        arrow(axes, (one.x + one.span + 3, middle), (following.x - 3, middle))
    for box, words in zip((boxes[0], boxes[-1]), ends):
        axes.text(box.x + box.span / 2, box.y - 31, words, size=SIZE + 1, ha="center", va="baseline")
    for box in boxes:
        draw_box(axes, box)


def arrow(axes, start, end, **settings):
    """Draw a thin arrow."""
    line = {"linewidth": 0.7, "color": sheet.INK, "mutation_scale": 6, "shrinkA": 0, "shrinkB": 0, **settings}
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", **line))


def draw_skips(axes, boxes, encoders, decoders):
    """Draw G's skip connections above the boxes, the longest first: each joins boxes of the same size."""
    for n in range(decoders):
        ends = boxes[encoders - decoders + n], boxes[encoders + decoders - n]
        start, end = (box.x + box.span / 2 for box in ends)
        low, tip = (box.y + box.height + 2 for box in ends)
        level = max(box.y + box.height for box in boxes) + 12 - 11 * n
        line = {"color": SKIP, "linewidth": 0.8}
        axes.plot([start, start, end], [low, level, level], solid_joinstyle="round", **line)
        arrow(axes, (end, level), (end, tip), **line)


def draw_field(axes, boxes, field):
    """Draw the receptive field of one logit on D's input, and lines from its corners to that logit."""
    first, last = boxes[0], boxes[-1]
    (_, height, width), (_, rows, columns) = first.shape, last.shape
    corner = at_depth(first.x + first.front, first.y + (height - field) / 2, (width - field) / 2)
    square = side(*corner, field, field)
    axes.add_patch(Polygon(square, facecolor="none", edgecolor=FIELD, linewidth=1.1, zorder=5))
    cell = side(*at_depth(last.x + last.front, last.y + rows // 2, columns // 2), 1, 1)
    axes.add_patch(Polygon(cell, facecolor=FIELD, edgecolor=FIELD, linewidth=0.6, zorder=5))
    for corner, point in zip(square[1:3], cell[:1] + cell[3:]):
        axes.plot(*zip(corner, point), color=FIELD, lw=0.45, ls=(0, (4, 3)), zorder=4)


def draw_legend(axes, boxes, left, top):
    """Draw swatches of the kinds of channels that occur."""
    kinds = {kind for box in boxes for kind in box.slices}
    for n, (kind, words) in enumerate(entry for entry in LEGEND if entry[0] in kinds):
        line = {"facecolor": COLORS[kind], "edgecolor": sheet.INK, "linewidth": 0.35}
        axes.add_patch(Rectangle((left, top - 15 * n), 14, 8, **line))
        axes.text(left + 20, top - 15 * n + 4, words, size=SIZE, va="center_baseline")


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
    rise = height + DEPTH[1] * width  # of the tallest box
    middle = -1.5 * rise - 20
    upper = place(boxes_of(G.shapes(height, width), G.encoder, G.decoder), 0)
    lower = place(boxes_of(D.shapes(height, width), D.layers), middle)
    right, low, high = upper[-1].x + upper[-1].span, middle - rise / 2 - 41, rise / 2 + 40
    text = sheet.Caption(caption(G, D), note, INSIDE)
    tall = round(INSIDE / right * (high - low))
    with sheet.style():
        figure = sheet.blank(INSIDE + 2 * sheet.MARGIN, tall + text.height + 2 * sheet.MARGIN)
        wide, page = figure.get_size_inches() * sheet.DPI
        box = [sheet.MARGIN / wide, 1 - (sheet.MARGIN + tall) / page, INSIDE / wide, tall / page]
        axes = figure.add_axes(box, label="networks", xlim=(0, right), ylim=(low, high))
        axes.axis("off")
        draw_row(axes, upper, 0, (r"$x_i,\ y_i,\ y_j$", r"$\alpha_i^j,\ \tilde{x}_i^j$"))
        draw_skips(axes, upper, len(G.encoder), len(G.decoder))
        axes.text(0, high - 4, "Generator $G$", size=10, va="top", weight="bold")
        draw_row(axes, lower, middle, ("$x,\\ y$", r"$D_{\lambda,\mu}$"))
        draw_field(axes, lower, D.receptive_field())
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
