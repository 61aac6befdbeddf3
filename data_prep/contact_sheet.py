"""Contact sheets: pairs of photos with captions, for visual inspection, drawn as the figures are."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cagan_theano.io.image import encode_image
from cagan_theano.io.sheet import DPI, FAINT, INK, blank, render, write

POINT = 72 / DPI  # the size of a letter of one pixel
HEIGHTS = 96, 160  # pixels: the smallest and largest height of a photo on the sheet
WIDTH = 104  # pixels per photo that a caption needs
COLUMNS = 6  # pairs per row
GAP, MARGIN, LINE = 16, 20, 15  # pixels
LETTERS = 6.4  # pixels per letter
MAX_LINES = 4  # of one text in a caption
OUTLINE = np.array((230, 20, 60), np.uint8)
EMPTY = np.uint8(238)  # gray in the place of a photo that is missing
FIRST_MISSING = 0x2E80  # the font has no glyphs from here on (East Asian scripts)

Pixels: TypeAlias = NDArray[np.uint8]


class Cell(NamedTuple):
    """One pair: photos, each [H, W, 3] uint8 or None if missing; caption: lines of text below them."""

    photos: tuple[Pixels | None, ...]
    caption: tuple[str, ...]


def outline_mask(photo: Pixels | None, mask: Pixels | None) -> Pixels | None:
    """Outline a mask [H, W] uint8 in red on a photo [H, W, 3] uint8; either may be None."""
    if photo is None or mask is None:
        return photo
    inside = np.pad(mask > 127, 1)
    interior = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    return np.where((inside[1:-1, 1:-1] & ~interior)[..., None], OUTLINE, photo)


def contact_sheet(title: Sequence[str], sections: Sequence[tuple[str, Sequence[Cell]]]) -> bytes:
    """The PNG of a contact sheet.

    title: lines of text; sections: (heading, pairs), which are laid out in rows.  All photos have one size.
    """
    sections = [(heading, cells) for heading, cells in sections if cells]
    shapes = [photo.shape for _, cells in sections for cell in cells for photo in cell.photos
              if photo is not None]  # fmt: skip
    height, width = shapes[0][:2] if shapes else (HEIGHTS[1], WIDTH)
    scale = np.clip(height, *HEIGHTS) / height
    height, width = round(height * scale), round(width * scale)
    step = max(2 * width + 2, 2 * WIDTH) + GAP
    images: list[tuple[int, int, Pixels]] = []  # (top, left, pixels)
    texts = [(MARGIN + LINE * n, MARGIN, line, 14, FAINT if n else INK) for n, line in enumerate(title)]
    top = MARGIN + LINE * len(title)
    for heading, cells in sections:
        texts.append((top + LINE, MARGIN, heading, 13, INK))
        top += 3 * LINE
        for start in range(0, len(cells), COLUMNS):
            row = [(cell.photos, wrap(cell.caption, step - GAP)) for cell in cells[start : start + COLUMNS]]
            for column, (photos, caption) in enumerate(row):
                left = MARGIN + column * step
                for n, photo in enumerate(photos):
                    images.append((top, left + n * (width + 2), resize(photo, height, width)))
                texts.append((top + height + 4, left, "\n".join(caption), 11, FAINT))
            top += height + GAP + LINE * max(len(caption) for _, caption in row)
    figure = blank(2 * MARGIN + COLUMNS * step - GAP, top + MARGIN)
    for top, left, text, size, color in texts:
        write(figure, text, left, top, size * POINT, color=color, va="top", family="DejaVu Sans",
              linespacing=1.1, parse_math=False)  # fmt: skip
    sheet = render(figure)
    for top, left, pixels in images:
        sheet[top : top + height, left : left + width] = pixels
    return encode_image(sheet)


def resize(photo: Pixels | None, height: int, width: int) -> Pixels:
    """A photo at its size on the sheet."""
    if photo is None:
        return np.full((height, width, 3), EMPTY)
    enlarges = height > photo.shape[0]
    method = Image.Resampling.NEAREST if enlarges else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(photo).resize((width, height), method))


def wrap(caption: Sequence[str], width: int) -> list[str]:
    """The lines of a caption, wrapped to a width in pixels.

    A long file name keeps its end, a long reason its beginning.  Letters that the font lacks are escaped.
    """
    letters, lines = int(width / LETTERS), []
    for text in caption:
        text = "".join(one if ord(one) < FIRST_MISSING else f"\\u{ord(one):x}" for one in text)
        longest = MAX_LINES * letters
        if len(text) > longest:
            text = text[: longest - 3] + "..." if ": " in text else "..." + text[3 - longest :]
        lines += textwrap.wrap(text, letters) or [""]
    return lines
