"""Contact sheets: pairs of photos with captions, for visual inspection."""

import functools
import os
import textwrap
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

MAX_HEIGHT, MIN_HEIGHT = 160, 96  # pixels: the heights of a photo on the sheet
MIN_WIDTH = 104  # pixels per photo that a caption needs
COLUMNS = 6  # cells per row
GAP, MARGIN, LINE = 16, 20, 15  # pixels
MAX_LINES = 4  # of one text in a caption
INK, FAINT, OUTLINE = "#1a1a1a", "#5a5a5a", (230, 20, 60)
FIRST_MISSING = 0x2E80  # the font has no glyphs from here on (East Asian scripts)


class Cell(NamedTuple):
    """One pair: photos, each [H,W,3] uint8 or None if missing; caption: lines of text below them."""

    photos: tuple
    caption: tuple[str, ...]


def outline_mask(photo, mask):
    """Outline a mask [H,W] uint8 in red on a photo [H,W,3] uint8; either may be None."""
    if photo is None or mask is None:
        return photo
    inside = np.pad(mask > 127, 1)
    interior = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    return np.where((inside[1:-1, 1:-1] & ~interior)[..., None], np.uint8(OUTLINE), photo)


class Sizes(NamedTuple):
    """Sizes in pixels: width and height of a photo, width of a cell."""

    width: int
    height: int
    cell: int


def render_sheet(title, sections):
    """Render a contact sheet as a PIL image.

    title: lines of text; sections: (heading, cells), whose pairs are laid out in rows.
    """
    sizes = sizes_of([cell for _, cells in sections for cell in cells])
    sections = [
        (heading, [wrap_caption(cell, sizes.cell) for cell in cells]) for heading, cells in sections if cells
    ]
    height = (
        2 * MARGIN
        + LINE * (len(title) + 1)
        + sum(sum(row_height(row, sizes) for row in rows_of(cells)) + 3 * LINE for _, cells in sections)
    )
    width = 2 * MARGIN + COLUMNS * (sizes.cell + GAP) - GAP
    sheet = Image.new("RGB", (width, height), "white")
    pen, top = ImageDraw.Draw(sheet), MARGIN
    for number, line in enumerate(title):
        write(pen, MARGIN, top, line, INK if number == 0 else FAINT, 14 if number == 0 else 12)
        top += LINE + 4 * (number == 0)
    for heading, cells in sections:
        write(pen, MARGIN, top + LINE, heading, INK, 13)
        top += 2 * LINE + 8
        for row in rows_of(cells):
            for column, cell in enumerate(row):
                paste_cell(sheet, pen, MARGIN + column * (sizes.cell + GAP), top, cell, sizes)
            top += row_height(row, sizes)
    return sheet


def sizes_of(cells):
    """The `Sizes` for cells whose photos all have the same size."""
    shapes = [photo.shape for cell in cells for photo in cell.photos if photo is not None]
    height, width = shapes[0][:2] if shapes else (MAX_HEIGHT, MIN_WIDTH)
    scale = -(-MIN_HEIGHT // height) if height < MIN_HEIGHT else min(1, MAX_HEIGHT / height)
    width, height = round(width * scale), round(height * scale)
    count = max((len(cell.photos) for cell in cells), default=2)
    return Sizes(width, height, max(count * (width + 2) - 2, count * MIN_WIDTH))


def rows_of(cells):
    """Split cells into rows of COLUMNS."""
    return [cells[at : at + COLUMNS] for at in range(0, len(cells), COLUMNS)]


def row_height(row, sizes):
    """The height of a row of cells in pixels."""
    return sizes.height + GAP + 4 + LINE * max(len(cell.caption) for cell in row)


def wrap_caption(cell, width):
    """The cell with its caption wrapped to a width in pixels."""
    letters = max(12, int(width / 6.4))
    lines = []
    for text in cell.caption:
        short = shorten(escape_missing_glyphs(text), MAX_LINES * letters)
        lines += textwrap.wrap(short, letters, break_long_words=True) or [""]
    return cell._replace(caption=tuple(lines))


def shorten(text, letters):
    """Shorten a text to a number of letters: a file name keeps its end, a reason its beginning."""
    if len(text) <= letters:
        return text
    return text[: letters - 3] + "..." if ": " in text else "..." + text[3 - letters :]


def escape_missing_glyphs(text):
    """Escape the letters for which the font has no glyph."""
    return "".join(letter if ord(letter) < FIRST_MISSING else f"\\u{ord(letter):x}" for letter in text)


def paste_cell(sheet, pen, left, top, cell, sizes):
    """Paste the photos and write the caption of one cell."""
    for number, photo in enumerate(cell.photos):
        x = left + number * (sizes.width + 2)
        if photo is None:
            pen.rectangle((x, top, x + sizes.width - 1, top + sizes.height - 1), "#eeeeee", "#cccccc")
            pen.text((x + sizes.width // 2, top + sizes.height // 2), "none", FAINT, font(12), "mm")
            continue
        resampling = Image.Resampling.NEAREST if sizes.height > photo.shape[0] else Image.Resampling.LANCZOS
        sheet.paste(Image.fromarray(photo).resize((sizes.width, sizes.height), resampling), (x, top))
    for number, line in enumerate(cell.caption):
        write(pen, left, top + sizes.height + 4 + number * LINE, line, FAINT, 11)


def write(pen, left, top, text, color, size):
    """Write one line of text."""
    pen.text((left, top), text, color, font(size))


@functools.cache
def font(size):
    """DejaVu Sans, which is part of matplotlib and covers most alphabets."""
    import matplotlib

    return ImageFont.truetype(
        os.path.join(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size
    )
