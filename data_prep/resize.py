"""Reduce a data file to smaller images or fewer pairs, so that one rendering serves several studies."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from PIL import Image
from tqdm import tqdm

from data_prep.options import cpus
from data_prep.picture import resize
from data_prep.store import IMAGES, PhotoFile, PhotoWriter, pack

AT_ONCE = 64  # rows in memory


def resize_file(source, out, size, pairs=None):
    """Write a data file with the images of another, reduced with antialiasing as photos are.

    source, out: paths.  size: (height, width) [pixels], with the same ratio as the file's and not larger.
    pairs: number of training pairs, the first ones; None for all.
    All rows, ids, attributes, file names and swaps are kept, except training swaps with a pair that is
    left out.  Returns the number of images written.  Raises ValueError or OSError, naming the file and
    the cure.
    """
    with PhotoFile.open(source) as file:
        origin, parts = reduction(file, size, pairs), {name: file.split(name) for name in file.splits}
        rows = {name: pairs if pairs and name == "train" else len(part) for name, part in parts.items()}
        swaps = {name: swaps_among(part.triples, rows[name]) for name, part in parts.items()}
        total = sum(
            rows[name] * len(stored(part)) + len(swaps[name]) * len(stored(part.triples))
            for name, part in parts.items()
        )
        with (
            PhotoWriter(out, *size, origin) as writer,
            ThreadPoolExecutor(cpus()) as pool,
            tqdm(total=total, unit="image", desc="resizing") as bar,
        ):
            for name, part in parts.items():
                for row, images in reduced(part, range(rows[name]), size, pool, bar):
                    writer.add(name, **images, **columns(part, row))
                for row, images in reduced(part.triples, swaps[name], size, pool, bar):
                    i, j = part.triples.i[row], part.triples.j[row]
                    writer.add_triple(i, j, **images, split=name)
    return total


def reduction(file, size, pairs=None):
    """The provenance of an open `PhotoFile` after `resize_file`.  Raises ValueError if that is impossible."""
    height, width = file.height, file.width
    if height * size[1] != width * size[0] or size[0] > height:
        raise ValueError(
            f"{file.path}: has images of {height}x{width}, which cannot be reduced to {size[0]}x{size[1]}; "
            "give a smaller size of the same ratio"
        )
    origin = {**file.provenance, "resized": list(size)}
    if pairs is None:
        return origin
    count = len(file.split("train")) if "train" in file.splits else 0
    if pairs > count:
        raise ValueError(f"{file.path}: has {count} training pairs, not {pairs}; give fewer, or other data")
    return {**origin, "first_pairs": pairs}


def swaps_among(triples, rows):
    """The indices of the swaps between the first `rows` rows of a split; none without swaps."""
    if triples is None:
        return []
    return np.flatnonzero((np.asarray(triples.i) < rows) & (np.asarray(triples.j) < rows))


def columns(part, row):
    """What a row has besides its images: keyword arguments of ``PhotoWriter.add``."""
    files = (part.x_file, part.y_file)
    return dict(
        person=part.person[row],
        garment=part.garment[row],
        attributes={name: (codes[row], part.names[name]) for name, codes in part.attributes.items()},
        files=[names[row] for names in files] if all(files) else None,
    )


def stored(part):
    """The stored images of a `Photos` or `Triples` by name; none of None."""
    return {name: rows for name in IMAGES if (rows := getattr(part, name, None)) is not None}


def reduced(part, rows, size, pool, bar):
    """For each of these rows of a `Photos` or `Triples`: (row, its reduced and packed images by name)."""
    for start in range(0, len(rows), AT_ONCE):
        chosen = rows[start : start + AT_ONCE]
        packed = {
            name: list(pool.map(partial(reduce, size=size), [images[int(row)] for row in chosen]))
            for name, images in stored(part).items()
        }
        for n, row in enumerate(chosen):
            bar.update(len(packed))
            yield row, {name: images[n] for name, images in packed.items()}


def reduce(image, size):
    """An image [H, W, 3] or [H, W] reduced to a size (height, width), as `Packed`."""
    return pack(np.asarray(resize(Image.fromarray(image), size[::-1])))
