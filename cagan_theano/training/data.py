"""The photos of a training: checked, described and read into memory.  No Aesara."""

import hashlib
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from cagan_theano.config import Config
from cagan_theano.io.color import Pixels, empty_pictures, to_bytes
from cagan_theano.io.files import naming
from cagan_theano.method.minibatch import Array, PhotoArrays
from cagan_theano.training.sampler import Sampler
from data_prep.store import PhotoFile, Photos, Rows


def check_data(file: PhotoFile, config: Config) -> None:
    """Raise ValueError if the photos do not fit the configuration."""
    photos = file.split("train")
    size, needed = f"{file.height}x{file.width}", f"{config.height}x{config.width}"
    if size != needed:
        cure = f"use another file, or train with --height {file.height} --width {file.width}"
        raise ValueError(f"{file.path}: has photos at {size}, not {needed}; {cure}")
    if config.needs_masks and photos.mask is None:
        option = f"--mask {config.mask}" if config.takes_mask else "--gamma-region"
        raise ValueError(f"{file.path}: has no masks, which {option} needs; use photos with masks or omit it")
    with naming(file.path):
        Sampler(config, photos.garment, photos.triples)


def update_digest(digest: "hashlib._Hash", array: Array | None) -> None:
    """Add an array or None to a digest, with dtype and shape to keep sequences of arrays distinct."""
    if array is None:
        digest.update(b"none")
        return
    digest.update(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)


def read_photos(photos: Photos, config: Config, digest: "hashlib._Hash | None" = None) -> PhotoArrays:
    """Load a split into memory, with images in the color space of config.color.

    digest: updated with all arrays as stored in the file.
    """
    digest = digest or hashlib.sha256()
    triples = photos.triples if config.needs_truth else None
    people = [rows for rows in (photos.x, triples.x_ij if triples else None) if rows is not None]
    masks = [rows for rows in (photos.mask, triples.mask if triples else None) if rows is not None]
    swaps = (triples.i, triples.j) if triples else ()
    total = sum(map(len, (*people, photos.y)))
    with tqdm(total=total, desc="reading", unit="photo", leave=False) as bar:
        x, y = (read_rows(columns, config.color, bar, digest) for columns in (people, [photos.y]))
    needed = config.needs_masks and photos.mask is not None
    mask = np.concatenate([rows.load() for rows in masks]) if needed else None
    for array in (mask, photos.garment, *swaps):
        update_digest(digest, array)
    return PhotoArrays(x, y, mask, photos.garment, triples)


def read_rows(
    columns: Sequence[Rows], color: str, bar: tqdm, digest: "hashlib._Hash", chunk: int = 256
) -> Pixels:
    """All rows of HDF5 columns of images, concatenated."""
    target = empty_pictures((sum(map(len, columns)), *columns[0].shape[1:]))
    rest = target
    for source in columns:
        for start in range(0, len(source), chunk):
            pixels = source[start : start + chunk]
            update_digest(digest, pixels)
            rest[start : start + chunk][: len(source) - start] = to_bytes(pixels, color)
            bar.update(min(chunk, len(source) - start))
        rest = rest[len(source) :]
    return target
