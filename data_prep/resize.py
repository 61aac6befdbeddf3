"""Reduce a data file to smaller images or fewer pairs, so that one rendering serves several studies."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from data_prep.options import cpus
from data_prep.picture import Size, resize
from data_prep.store import IMAGES, FilePath, Packed, PhotoFile, Photos, PhotoWriter, Rows, Triples, pack

AT_ONCE = 64  # rows in memory


def resize_file(source: FilePath, out: FilePath, size: Size, pairs: int | None = None) -> int:
    """Write a data file with the images of another, reduced with antialiasing as photos are.

    size: (height, width) [pixels], with the same ratio as the file's and not larger.
    pairs: number of training pairs, the first ones; None for all.
    All rows, ids, attributes, file names and swaps are kept, except training swaps with a pair that is
    left out.  Returns the number of images written.  Raises ValueError or OSError, naming the file and
    the cure.
    """
    with PhotoFile(source) as file:
        origin = reduction(file, size, pairs)
        todo: list[tuple[str, Photos | Triples, list[int]]] = []  # (split, part, rows to keep)
        for name in file.splits:
            part = file.split(name)
            count = pairs if pairs and name == "train" else len(part)
            todo.append((name, part, list(range(count))))
            if swaps := part.triples:
                todo.append((name, swaps, np.flatnonzero((swaps.i < count) & (swaps.j < count)).tolist()))
        total = sum(len(rows) * len(stored(part)) for _, part, rows in todo)
        with (
            PhotoWriter(out, *size, origin) as writer,
            ThreadPoolExecutor(cpus()) as pool,
            tqdm(total=total, unit="image", desc="resizing") as bar,
        ):
            for name, group, rows in todo:
                for row, images in reduced(group, rows, size, pool, bar):
                    if isinstance(group, Triples):
                        writer.add_triple(group.i[row], group.j[row], **images, split=name)
                        continue
                    files = [group.x_file[row], group.y_file[row]] if group.x_file and group.y_file else None
                    codes = {key: (code[row], group.names[key]) for key, code in group.attributes.items()}
                    ids: dict[str, Any] = {"person": group.person[row], "garment": group.garment[row]}
                    writer.add(name, **images, **ids, attributes=codes, files=files)
    return total


def stored(part: Photos | Triples) -> dict[str, Rows]:
    """The stored images of a split or its swaps by name."""
    return {name: rows for name in IMAGES if (rows := getattr(part, name, None)) is not None}


def reduced(
    part: Photos | Triples, rows: list[int], size: Size, pool: ThreadPoolExecutor, bar: "tqdm[Any]"
) -> Iterator[tuple[int, dict[str, Any]]]:
    """For each of these rows: (row, its reduced and packed images by name)."""

    def reduce(image: NDArray[np.uint8]) -> Packed:
        return pack(np.asarray(resize(Image.fromarray(image), size[::-1])))

    for start in range(0, len(rows), AT_ONCE):
        chosen = rows[start : start + AT_ONCE]
        packed = [pool.map(reduce, [images[row] for row in chosen]) for images in stored(part).values()]
        for row, *images in zip(chosen, *packed):
            bar.update(len(images))
            yield row, dict(zip(stored(part), images))


def reduction(file: PhotoFile, size: Size, pairs: int | None = None) -> dict[str, Any]:
    """The provenance of an open `PhotoFile` after `resize_file`.  Raises ValueError if that is impossible."""
    height, width = file.height, file.width
    if height * size[1] != width * size[0] or size[0] > height:
        other = f"has images of {height}x{width}, which cannot be reduced to {size[0]}x{size[1]}"
        raise ValueError(f"{file.path}: {other}; give a smaller size of the same ratio")
    origin = {**file.provenance, "resized": list(size)}
    if pairs is None:
        return origin
    count = len(file.split("train")) if "train" in file.splits else 0
    if pairs > count:
        raise ValueError(f"{file.path}: has {count} training pairs, not {pairs}; give fewer, or other data")
    return {**origin, "first_pairs": pairs}
