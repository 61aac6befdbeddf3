"""What a data file holds: a summary in words, its checksums, a contact sheet."""

import json
from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

from cagan_theano.io.text import one_line
from data_prep.contact_sheet import COLUMNS, Cell, contact_sheet, outline_mask
from data_prep.store import PhotoFile, Photos


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
    yield (
        f"{name}: {len(part)} pairs, {len(np.unique(part.person))} persons, "
        f"{len(np.unique(part.garment))} garments{swaps}{masks}"
    )
    for key, codes in part.attributes.items():
        counts = np.bincount(codes, minlength=len(part.names[key]))
        words = (f"{one_line(word)} {count}" for word, count in zip(part.names[key], counts))
        yield f"  {one_line(key)}: " + " ".join(words)


def verify_chunks(photos: PhotoFile) -> int:
    """Verify the checksum of every chunk by reading it; returns the number of chunks.

    Raises ValueError for the first damaged chunk.
    """
    chunks = [
        (rows, start) for _, rows in photos.datasets() for start in range(0, len(rows), rows.chunk_rows)
    ]
    for rows, start in tqdm(chunks, desc="verifying", unit="chunk", leave=False):
        rows[start : start + rows.chunk_rows]
    return len(chunks)


def draw_sheet(photos: PhotoFile, rows: int) -> bytes:
    """The PNG of a contact sheet with some rows of pairs, evenly spaced within each split."""
    sections = []
    for name in photos.splits:
        part, count = photos.split(name), rows * COLUMNS // len(photos.splits)
        cells = []
        for row in np.unique(np.linspace(0, len(part) - 1, count).astype(int)).tolist():
            person = outline_mask(part.x[row], part.mask[row] if part.mask else None)
            garment = outline_mask(part.y[row], part.y_mask[row] if part.y_mask else None)
            files = [part.x_file[row], part.y_file[row]] if part.x_file and part.y_file else []
            place = f"row {row}: person {part.person[row]}, garment {part.garment[row]}"
            cells.append(Cell((person, garment), (*files, place)))
        sections.append((f"{name}: {len(cells)} of {len(part)} pairs, evenly spaced", cells))
    title = [photos.path.rpartition("/")[2], "person left, garment right; masks outlined in red"]
    return contact_sheet(title, sections)
