"""Sheets: image panels, labels and a caption, placed at whole device pixels.

At 300 dpi each image pixel covers exactly ``scale`` x ``scale`` device pixels, so nothing is
interpolated: the PNG has the network's own pixels and the PDF embeds them.  Positions are in device
pixels, x from the left and y from the top.
"""

import io
import json
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle

from cagan_theano.io.files import write_atomically
from cagan_theano.io.text import literal

DPI = 300
MARGIN = 36
GAP = 18
BORDER = 2
LABEL_SIZE = 11
CAPTION_SIZE = 8.5
NOTE_SIZE = 6
LEADING = 1.3
LABEL_PAD = 14
LABEL_HEIGHT = 92  # of a line of labels below a panel
INK = "#1a1a1a"
FAINT = "#6b6b6b"
BLUE, ORANGE, GRAY = "#20639b", "#c2571a", "#9a9a9a"  # a plot's subject, its contrast, and references

STYLE = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.5,
    "axes.labelsize": LABEL_SIZE,
    "pdf.fonttype": 42,
    "savefig.dpi": DPI,
    "figure.dpi": DPI,
    "image.interpolation": "none",
    "text.usetex": False,
}
"""The fonts come with matplotlib, so that a figure looks the same on every machine."""


@contextmanager
def style():
    """Use the style of the figures instead of the user's matplotlib settings."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def blank(width, height):
    """An empty white figure of width x height device pixels."""
    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")


def place(figure, image, left, top, scale, label="", name=""):
    """Put an image on a figure with its top left corner at (left, top); returns its axes.

    image: [H, W, 3] uint8 or [H, W] float in [0, 1] (black to white).  scale: device pixels per image
    pixel.  label: placed below the panel.  name: the label of the axes, by which the panel can be found.
    """
    width, height = figure.get_size_inches() * DPI
    rows, columns = image.shape[:2]
    box = left / width, 1 - (top + rows * scale) / height, columns * scale / width, rows * scale / height
    axes = figure.add_axes(box, label=name)
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="none")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_xlabel(label, va="baseline", labelpad=LABEL_PAD)
    # a border outside of the pixels, which shows where a photo on white ends
    corner = (left - BORDER / 2) / width, 1 - (top + rows * scale + BORDER / 2) / height
    size = (columns * scale + BORDER) / width, (rows * scale + BORDER) / height
    line = dict(fill=False, edgecolor=GRAY, linewidth=72 / DPI * BORDER)
    figure.add_artist(Rectangle(corner, *size, **line))
    return axes


def write(figure, text, x, y, size=CAPTION_SIZE, **settings):
    """Write text with its anchor at (x, y) device pixels."""
    width, height = figure.get_size_inches() * DPI
    return figure.text(x / width, 1 - y / height, text, size=size, **settings)


def wrap(text, width, size=CAPTION_SIZE):
    """Wrap text into lines of at most ``width`` device pixels, unless a line is a single word.

    Words are separated by spaces; a formula between dollar signs must not contain spaces.
    """
    lines, renderer = [""], FigureCanvasAgg(blank(DPI, DPI)).get_renderer()
    font = FontProperties(family=STYLE["font.family"], size=size)
    with style():
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            needed, _, _ = renderer.get_text_width_height_descent(longer, font, ismath="$" in longer)
            if lines[-1] and needed > width:
                lines.append(word)
            else:
                lines[-1] = longer
    return lines


class Caption:
    """A caption and its small print, wrapped to a width in device pixels.

    The caption may contain formulas; the small print, which contains file names, is literal.
    `height` is the height needed, so that a figure can be made large enough beforehand.
    """

    def __init__(self, text, note, width):
        large, small = (size * LEADING * DPI / 72 for size in (CAPTION_SIZE, NOTE_SIZE))
        lines = wrap(text, width) if text else []
        notes = wrap(literal(note), width, NOTE_SIZE) if note else []
        self.lines = [(line, round((n + 1) * large), {}) for n, line in enumerate(lines)]
        start, style = len(lines) * large + 8, {"size": NOTE_SIZE, "color": FAINT}
        self.lines += [(line, round(start + (n + 1) * small), style) for n, line in enumerate(notes)]
        self.height = self.lines[-1][1] + 4 if self.lines else 0

    def write(self, figure, left, top):
        for line, y, style in self.lines:
            write(figure, line, left, top + y, va="baseline", **style)


def scale_for(image, height):
    """The integer scale that brings an image closest to a height in device pixels."""
    return max(1, round(height / image.shape[0]))


def grid(rows, labels, caption, note, scale, gap=GAP):
    """A `Figure` of images in rows and columns, as the paper's figures 4 and 5, with panels "row,column".

    rows: lists of images at one size.  labels: one per column, below the last row.  caption: text with
    formulas.  note: small print.  scale: device pixels per image pixel.
    """
    cell_h, cell_w = (side * scale for side in rows[0][0].shape[:2])
    inside = len(labels) * cell_w + (len(labels) - 1) * gap
    text = Caption(caption, note, inside)
    top = MARGIN + len(rows) * (cell_h + gap) - gap + LABEL_HEIGHT
    with style():
        figure = blank(inside + 2 * MARGIN, top + text.height + MARGIN)
        for r, row in enumerate(rows):
            for c, image in enumerate(row):
                x, y = MARGIN + c * (cell_w + gap), MARGIN + r * (cell_h + gap)
                place(figure, image, x, y, scale, labels[c] if r == len(rows) - 1 else "", f"{r},{c}")
        text.write(figure, MARGIN, top)
    return figure


def save(figure, base, metadata):
    """Write BASE.png and BASE.pdf atomically and reproducibly, byte for byte; returns the two paths.

    metadata: str -> str with the origin of the figure, including "Title".  PNG: one tEXt (or iTXt) chunk
    per entry.  PDF: all entries as JSON under Keywords, because PDF metadata has a fixed set of names.
    """
    base, keywords = Path(base), json.dumps(metadata, sort_keys=True)
    base.parent.mkdir(parents=True, exist_ok=True)
    about = {"Title": metadata["Title"], "Keywords": keywords, "CreationDate": None}
    paths = [base.with_name(base.name + ending) for ending in (".png", ".pdf")]
    for path, content in zip(paths, (encode(figure, "png", metadata), encode(figure, "pdf", about))):
        write_atomically(path, content)
    return paths


def encode(figure: Figure, format="png", metadata: dict | None = None, dpi: float = DPI) -> bytes:
    """A figure as the bytes of a PNG or PDF."""
    data = io.BytesIO()
    with style():
        figure.savefig(data, format=format, dpi=dpi, metadata=metadata)
    return data.getvalue()


def render(figure):
    """Render a figure to pixels [H, W, 3] uint8."""
    canvas = FigureCanvasAgg(figure)
    with style():
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
