"""Contact sheets: pairs of photos with captions, for people to look at."""

import functools
import os
import textwrap
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

HIGH, LOW = 160, 96  # pixels: the heights of a photo on the sheet
LEAST = 104  # pixels of a photo's width that a caption needs
COLUMNS = 6  # cells in a row
GAP, MARGIN, LINE = 16, 20, 15
LINES = 4  # of one text under a pair
INK, FAINT, OUTLINE = "#1a1a1a", "#5a5a5a", (230, 20, 60)
DRAWN = 0x2E80  # letters from here on (East Asian) are not in the font


class Cell(NamedTuple):
    """One pair: photos [H,W,3] uint8 or None where there is none; lines of text under them."""

    photos: tuple
    caption: tuple[str, ...]


def outlined(photo, mask):
    """A photo with a red line around its mask, [H,W] uint8; either may be None."""
    if photo is None or mask is None:
        return photo
    inside = np.pad(mask > 127, 1)
    core = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    return np.where((inside[1:-1, 1:-1] & ~core)[..., None], np.uint8(OUTLINE), photo)


class Sizes(NamedTuple):
    """Pixels: width and height of a photo, width of a cell."""

    wide: int
    high: int
    cell: int


def draw_sheet(title, sections):
    """A PIL image: lines of title, then for each (heading, cells) its pairs in rows."""
    sizes = sizes_of([cell for _, cells in sections for cell in cells])
    sections = [
        (heading, [wrapped(cell, sizes.cell) for cell in cells]) for heading, cells in sections if cells
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
                place(sheet, pen, MARGIN + column * (sizes.cell + GAP), top, cell, sizes)
            top += row_height(row, sizes)
    return sheet


def sizes_of(cells):
    """The `Sizes` for some cells, of which all photos have one size."""
    shapes = [photo.shape for cell in cells for photo in cell.photos if photo is not None]
    height, width = shapes[0][:2] if shapes else (HIGH, LEAST)
    scale = -(-LOW // height) if height < LOW else min(1, HIGH / height)
    wide, high = round(width * scale), round(height * scale)
    count = max((len(cell.photos) for cell in cells), default=2)
    return Sizes(wide, high, max(count * (wide + 2) - 2, count * LEAST))


def rows_of(cells):
    """The cells in rows of COLUMNS."""
    return [cells[at : at + COLUMNS] for at in range(0, len(cells), COLUMNS)]


def row_height(row, sizes):
    """Pixels that a row of cells needs."""
    return sizes.high + GAP + 4 + LINE * max(len(cell.caption) for cell in row)


def wrapped(cell, width):
    """The cell with its caption in lines that fit."""
    letters = max(12, int(width / 6.4))
    lines = []
    for text in cell.caption:
        short = shortened(drawable(text), LINES * letters)
        lines += textwrap.wrap(short, letters, break_long_words=True) or [""]
    return cell._replace(caption=tuple(lines))


def shortened(text, letters):
    """A text of so many letters at most: a name keeps its end, a sentence its beginning."""
    if len(text) <= letters:
        return text
    return text[: letters - 3] + "..." if ": " in text else "..." + text[3 - letters :]


def drawable(text):
    """A text in which letters that the font lacks are written by their numbers."""
    return "".join(letter if ord(letter) < DRAWN else f"\\u{ord(letter):x}" for letter in text)


def place(sheet, pen, left, top, cell, sizes):
    """Put one cell on the sheet."""
    for number, photo in enumerate(cell.photos):
        x = left + number * (sizes.wide + 2)
        if photo is None:
            pen.rectangle((x, top, x + sizes.wide - 1, top + sizes.high - 1), "#eeeeee", "#cccccc")
            pen.text((x + sizes.wide // 2, top + sizes.high // 2), "none", FAINT, font(12), "mm")
            continue
        how = Image.Resampling.NEAREST if sizes.high > photo.shape[0] else Image.Resampling.LANCZOS
        sheet.paste(Image.fromarray(photo).resize((sizes.wide, sizes.high), how), (x, top))
    for number, line in enumerate(cell.caption):
        write(pen, left, top + sizes.high + 4 + number * LINE, line, FAINT, 11)


def write(pen, left, top, text, color, size):
    """Write a line of text."""
    pen.text((left, top), text, color, font(size))


@functools.cache
def font(size):
    """DejaVu Sans, which comes with matplotlib and knows most alphabets."""
    import matplotlib

    return ImageFont.truetype(
        os.path.join(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size
    )
