"""Contact sheets: pairs of photos with captions, for people to look at."""

import textwrap
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

HEIGHT = 144  # pixels of a photo on the sheet
LEAST = 108  # pixels of a photo's width that a caption needs
COLUMNS = 6  # cells in a row
GAP, MARGIN, LINE = 14, 20, 15
INK, FAINT, TINT = "#1a1a1a", "#6b6b6b", (214, 40, 40)
SHORTENED = "..."


class Cell(NamedTuple):
    """One pair: photos [H,W,3] uint8 or None where there is none; lines of text under them."""

    photos: tuple
    caption: tuple[str, ...]


def tinted(photo, mask):
    """A photo with red laid over where its mask, [H,W] uint8, is."""
    if photo is None or mask is None:
        return photo
    share = mask[..., None] / 255 * .45
    return np.uint8(photo * (1 - share) + np.array(TINT) * share)


def draw_sheet(title, sections):
    """A PIL image: lines of title, then for each (heading, cells) its pairs in rows."""
    width, cell = sheet_size(sections)
    sections = [(heading, [wrapped(c, cell) for c in cells]) for heading, cells in sections if cells]
    height = 2 * MARGIN + LINE * (len(title) + 1) + sum(
        sum(row_height(row) for row in rows_of(cells)) + 3 * LINE for _, cells in sections)
    sheet = Image.new("RGB", (width, height), "white")
    pen, top = ImageDraw.Draw(sheet), MARGIN
    for number, line in enumerate(title):
        write(pen, MARGIN, top, line, INK if number == 0 else FAINT, 14 if number == 0 else 12)
        top += LINE + 3 * (number == 0)
    for heading, cells in sections:
        top += LINE
        write(pen, MARGIN, top, heading, INK, 13)
        top += LINE + 8
        for row in rows_of(cells):
            for column, one in enumerate(row):
                place(sheet, pen, MARGIN + column * (cell + GAP), top, one, cell)
            top += row_height(row)
    return sheet


def sheet_size(sections):
    """(width of the sheet, width of a cell) in pixels."""
    photos = [p for _, cells in sections for c in cells for p in c.photos if p is not None]
    wide = max([LEAST] + [round(p.shape[1] * HEIGHT / p.shape[0]) for p in photos[:1]])
    count = max([len(c.photos) for _, cells in sections for c in cells], default=2)
    cell = count * (wide + 2) - 2
    return 2 * MARGIN + COLUMNS * (cell + GAP) - GAP, cell


def rows_of(cells):
    """The cells in rows of COLUMNS."""
    return [cells[at:at + COLUMNS] for at in range(0, len(cells), COLUMNS)]


def row_height(row):
    """Pixels that a row of cells needs."""
    return HEIGHT + GAP + 4 + LINE * max(len(cell.caption) for cell in row)


def wrapped(cell, width):
    """The cell with its caption in lines that fit; a name that is too long loses its beginning."""
    letters = max(12, int(width / 6.1))
    lines = []
    for text in cell.caption:
        text = text.encode("utf-8", "backslashreplace").decode()
        short = text if len(text) <= 2 * letters else SHORTENED + text[3 - 2 * letters:]
        lines += textwrap.wrap(short, letters, break_long_words=True) or [""]
    return cell._replace(caption=tuple(lines))


def place(sheet, pen, left, top, cell, width):
    """Put one cell on the sheet."""
    step = (width + 2) // len(cell.photos)
    for number, photo in enumerate(cell.photos):
        x = left + number * step
        if photo is None:
            pen.rectangle((x, top, x + step - 3, top + HEIGHT - 1), fill="#eeeeee", outline="#cccccc")
            pen.text((x + step // 2, top + HEIGHT // 2), "none", FAINT, font(12), anchor="mm")
            continue
        image = Image.fromarray(photo)
        image.thumbnail((step - 2, HEIGHT), Image.Resampling.LANCZOS)
        sheet.paste(image, (x + (step - 2 - image.width) // 2, top + (HEIGHT - image.height) // 2))
    for number, line in enumerate(cell.caption):
        write(pen, left, top + HEIGHT + 4 + number * LINE, line, FAINT, 11)


def write(pen, left, top, text, color, size):
    """Write a line of text."""
    pen.text((left, top), text, color, font(size))


def font(size):
    """Pillow's own font."""
    return ImageFont.load_default(size)
