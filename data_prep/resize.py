"""Reduce the images of a data file, so that one rendering serves several sizes."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from PIL import Image
from tqdm import tqdm

from data_prep.options import cpus
from data_prep.picture import resize
from data_prep.store import IMAGES, PhotoFile, PhotoWriter, pack

AT_ONCE = 64  # rows in memory


def resize_file(source, out, size):
    """Write a data file with the images of another, reduced with antialiasing as photos are.

    source, out: paths.  size: (height, width) [pixels], with the same ratio as the file's and not larger.
    All rows, ids, attributes, file names and swaps are kept; the provenance adds "resized".
    Returns the number of images written.  Raises ValueError or OSError, naming the file and the cure.
    """
    with PhotoFile.open(source) as file:
        height, width = file.height, file.width
        if height * size[1] != width * size[0] or size[0] > height:
            raise ValueError(
                f"{source}: has images of {height}x{width}, which cannot be reduced to {size[0]}x{size[1]}; "
                "give a smaller size of the same ratio"
            )
        origin = {**file.provenance, "resized": list(size)}
        total = sum(len(rows) for name, rows in file.datasets() if name.rpartition("/")[2] in IMAGES)
        with (
            PhotoWriter(out, *size, origin) as writer,
            ThreadPoolExecutor(cpus()) as pool,
            tqdm(total=total, unit="image", desc="resizing") as bar,
        ):
            for name in file.splits:
                part = file.split(name)
                for row, images in enumerate(reduced(part, len(part), size, pool, bar)):
                    writer.add(name, **images, **columns(part, row))
                swaps = part.triples
                for row, images in enumerate(reduced(swaps, len(swaps.i), size, pool, bar) if swaps else ()):
                    writer.add_triple(swaps.i[row], swaps.j[row], **images, split=name)
    return total


def columns(part, row):
    """What a row has besides its images: keyword arguments of ``PhotoWriter.add``."""
    files = (part.x_file, part.y_file)
    return dict(
        person=part.person[row],
        garment=part.garment[row],
        attributes={name: (codes[row], part.names[name]) for name, codes in part.attributes.items()},
        files=[names[row] for names in files] if all(files) else None,
    )


def reduced(part, count, size, pool, bar):
    """For each of the ``count`` rows of a `Photos` or `Triples`, its reduced and packed images by name."""
    stored = {name: rows for name in IMAGES if (rows := getattr(part, name, None)) is not None}
    for start in range(0, count, AT_ONCE):
        blocks = {name: rows[start : start + AT_ONCE] for name, rows in stored.items()}
        packed = {name: list(pool.map(partial(reduce, size=size), block)) for name, block in blocks.items()}
        for row in range(min(AT_ONCE, count - start)):
            bar.update(len(packed))
            yield {name: images[row] for name, images in packed.items()}


def reduce(image, size):
    """An image [H, W, 3] or [H, W] reduced to a size (height, width), as `Packed`."""
    return pack(np.asarray(resize(Image.fromarray(image), size[::-1])))
