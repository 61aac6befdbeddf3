"""Reduce the images of a data file, so that one rendering serves several sizes."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from PIL import Image
from tqdm import tqdm

from data_prep.options import cpus
from data_prep.picture import resize
from data_prep.store import PhotoFile, PhotoWriter, pack

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
        splits = {name: file.split(name) for name in file.splits}
        total = sum(map(images_of, splits.values()))
        with PhotoWriter(out, *size, origin) as writer, ThreadPoolExecutor(cpus()) as pool:
            with tqdm(total=total, unit="image", desc="resizing") as bar:
                for name, part in splits.items():
                    reduced = partial(reduced_rows, size=size, pool=pool, bar=bar)
                    for row, images in enumerate(reduced(part, ("x", "y", "mask", "y_mask"))):
                        writer.add(name, **images, **columns(part, row))
                    if part.triples:
                        swaps = zip(part.triples.i, part.triples.j, reduced(part.triples, ("x_ij", "mask")))
                        for i, j, images in swaps:
                            writer.add_triple(i, j, **images, split=name)
    return total


def images_of(part):
    """The number of images in a split."""
    found = [part.x, part.y, part.mask, part.y_mask]
    found += [part.triples.x_ij, part.triples.mask] if part.triples else []
    return sum(len(rows) for rows in found if rows is not None)


def columns(part, row):
    """What a row has besides its images: keyword arguments of ``PhotoWriter.add``."""
    files = (part.x_file, part.y_file)
    return dict(
        person=part.person[row],
        garment=part.garment[row],
        attributes={name: (codes[row], part.names[name]) for name, codes in part.attributes.items()},
        files=[names[row] for names in files] if all(files) else None,
    )


def reduced_rows(part, names, size, pool, bar):
    """For each row, its reduced and packed images by name; {} for swaps without images.

    part: a `Photos` or `Triples`.  names: of its `Rows`, of which any may be None.
    """
    stored = {name: rows for name in names if (rows := getattr(part, name)) is not None}
    count = len(part.i) if "x_ij" in names else len(part)
    for start in range(0, count, AT_ONCE):
        blocks = {name: rows[start : start + AT_ONCE] for name, rows in stored.items()}
        packed = {name: list(pool.map(partial(reduce, size=size), block)) for name, block in blocks.items()}
        for row in range(min(AT_ONCE, count - start)):
            bar.update(len(packed))
            yield {name: images[row] for name, images in packed.items()}


def reduce(image, size):
    """An image [H, W, 3] or [H, W] reduced to a size (height, width), as `Packed`."""
    return pack(np.asarray(resize(Image.fromarray(image), size[::-1])))
