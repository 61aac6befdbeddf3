"""What a data file holds: a summary in words, its checksums, a contact sheet drawn as the figures are."""

import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from cagan_theano.io.image import encode_image
from cagan_theano.io.sheet import DPI, FAINT, INK, blank, render, write
from cagan_theano.io.text import one_line
from data_prep.store import PhotoFile, Photos

LEGEND = "person left, garment right; masks outlined in red"
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
TEXT = dict(va="top", family="DejaVu Sans", linespacing=1.1, parse_math=False)

Pixels: TypeAlias = NDArray[np.uint8]


def describe(photos: PhotoFile) -> Iterator[str]:
    """Yield lines: size, splits, schema and provenance."""
    yield f"{photos.path}: {photos.height}x{photos.width} pixels"
    for name in photos.splits:
        yield from describe_split(name, photos.split(name))
    yield "schema:"
    for name, rows in photos.datasets():
        yield f"  {name} {rows.dtype} {list(rows.shape)}"
    yield "provenance: " + json.dumps(photos.provenance, sort_keys=True)


def describe_split(name: str, part: Photos) -> Iterator[str]:
    """Yield lines: the counts of pairs, persons, garments and swaps, those of each attribute's values."""
    kind = "true swaps" if part.triples and part.triples.x_ij else "swaps to try"
    swaps = f", {len(part.triples.i)} {kind}" if part.triples else ""
    masks = (", masks" if part.mask else "") + (", garment masks" if part.y_mask else "")
    people, garments = (len(np.unique(ids)) for ids in (part.person, part.garment))
    yield f"{name}: {len(part)} pairs, {people} persons, {garments} garments{swaps}{masks}"
    for key, codes in part.attributes.items():
        counts = np.bincount(codes, minlength=len(part.names[key]))
        words = (f"{one_line(word)} {count}" for word, count in zip(part.names[key], counts))
        yield f"  {one_line(key)}: " + " ".join(words)


def verify_chunks(photos: PhotoFile) -> int:
    """Verify the checksum of every chunk by reading it; returns the number of chunks.

    Raises ValueError for the first damaged chunk.
    """
    parts = [(rows, n) for _, rows in photos.datasets() for n in range(0, len(rows), rows.chunk_rows)]
    for rows, start in tqdm(parts, desc="verifying", unit="chunk", leave=False):
        rows[start : start + rows.chunk_rows]
    return len(parts)


def choose_evenly(count: int, most: int) -> list[int]:
    """At most so many of the numbers below `count`, evenly spaced."""
    return sorted({int(number) for number in np.linspace(0, count - 1, most)})


def draw_sheet(photos: PhotoFile, rows: int) -> bytes:
    """The PNG of a contact sheet with some rows of pairs, evenly spaced within each split."""
    sections = []
    for name in photos.splits:
        part, cells = photos.split(name), []
        for row in choose_evenly(len(part), rows * COLUMNS // len(photos.splits)):
            person = outline_mask(part.x[row], part.mask[row] if part.mask else None)
            garment = outline_mask(part.y[row], part.y_mask[row] if part.y_mask else None)
            files = [part.x_file[row], part.y_file[row]] if part.x_file and part.y_file else []
            place = f"row {row}: person {part.person[row]}, garment {part.garment[row]}"
            cells.append(Cell((person, garment), (*files, place)))
        sections.append((f"{name}: {len(cells)} of {len(part)} pairs, evenly spaced", cells))
    return contact_sheet([photos.path.rpartition("/")[2], LEGEND], sections)


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
    shown = [photo for _, cells in sections for cell in cells for photo in cell.photos if photo is not None]
    height, width = shown[0].shape[:2] if shown else (HEIGHTS[1], WIDTH)
    scale = np.clip(height, *HEIGHTS) / height
    height, width = round(height * scale), round(width * scale)
    step = max(2 * width + 2, 2 * WIDTH) + GAP
    images: list[tuple[int, int, Pixels]] = []  # (top, left, pixels)
    texts = [(MARGIN + LINE * n, MARGIN, line, 14, FAINT if n else INK) for n, line in enumerate(title)]
    top = MARGIN + LINE * len(title)
    for heading, cells in sections:
        if not cells:
            continue
        texts.append((top + LINE, MARGIN, heading, 13, INK))
        top += 3 * LINE
        for start in range(0, len(cells), COLUMNS):
            row = [(cell.photos, wrap(cell.caption, step - GAP)) for cell in cells[start : start + COLUMNS]]
            for column, (photos, caption) in enumerate(row):
                left = MARGIN + column * step
                texts.append((top + height + 4, left, "\n".join(caption), 11, FAINT))
                for n, photo in enumerate(photos):
                    images.append((top, left + n * (width + 2), resize(photo, height, width)))
            top += height + GAP + LINE * max(len(caption) for _, caption in row)
    figure = blank(2 * MARGIN + COLUMNS * step - GAP, top + MARGIN)
    for top, left, text, size, color in texts:
        write(figure, text, left, top, size * POINT, color=color, **TEXT)
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
    longest = MAX_LINES * letters
    for text in caption:
        text = "".join(one if ord(one) < FIRST_MISSING else f"\\u{ord(one):x}" for one in text)
        if len(text) > longest:
            text = text[: longest - 3] + "..." if ": " in text else "..." + text[3 - longest :]
        lines += textwrap.wrap(text, letters) or [""]
    return lines
