"""From a file to what is kept of it: the photo in its size, its mask, and what the checks say."""

import hashlib
import io
from typing import NamedTuple

import numpy as np
from PIL import Image

from data_prep import checks
from data_prep.picture import decode, decode_labels, fit
from data_prep.store import pack

ASPECT = 0.02  # the most that the shapes of a photo and of its mask may differ


class Task(NamedTuple):
    """A photo to develop.  role: "x" (person) or "y" (garment); mask: its label map or garment
    mask or None; labels: those of a label map that are the garment, () for a garment mask."""

    role: str
    photo: str
    mask: str | None = None
    labels: tuple[int, ...] = ()


class Developed(NamedTuple):
    """What is kept of a photo.

    fault: why it cannot be used; mask_fault: why its mask cannot; doubt: why it may be no photo
    of a garment; each "KIND: ..." or None.  digest: of the file's bytes; phash, colors: see
    `checks.print_of`; enlarged: it is smaller than wanted; pixels, mask: `pack`ed or None.
    """

    fault: str | None = None
    mask_fault: str | None = None
    doubt: str | None = None
    digest: bytes = b""
    phash: int = 0
    colors: bytes = b""
    enlarged: bool = False
    pixels: bytes | None = None
    mask: bytes | None = None


def develop(source, task, size, how):
    """Read, check and fit one photo of a `Source`: a `Developed`.  Never raises for bad files.

    size: (height, width) [pixels]; how: "pad" or "crop".
    """
    try:
        data = source.read(task.photo)
        image = decode(io.BytesIO(data), task.photo, size, how)
    except ValueError as error:
        return Developed(fault=f"{kind_of(error)}: {error}")
    small = checks.small_of(image)
    away = checks.away_from_ground(small)
    phash, colors = checks.print_of(image)
    mask, mask_fault = read_mask(source, task, image, size, how)
    return Developed(
        checks.blankness(small, away),
        mask_fault,
        checks.personhood(image, small, away) if task.role == "y" else None,
        hashlib.sha256(data).digest(),
        phash,
        colors,
        image.height < size[0] and image.width < size[1],
        pack(fit(image, *size, how)),
        mask,
    )


def kind_of(error):
    """The kind of an unreadable file, by its error."""
    return "missing" if "there is no such file" in str(error) else "unreadable"


def read_mask(source, task, image, size, how):
    """(packed mask, None), (None, why not), or (None, None) where there is none to read."""
    if task.mask is None:
        return None, None
    try:
        whole = open_mask(io.BytesIO(source.read(task.mask)), task)
    except ValueError as error:
        return None, f"mask: {error}"
    if abs(whole.width * image.height / (whole.height * image.width) - 1) > ASPECT:
        return None, (
            f"mask: {task.mask}: is {whole.width}x{whole.height}, which is not the shape of the photo"
        )
    fault = checks.degenerate(whole)
    return (None, fault) if fault else (pack(fit(whole, *size, how, fill=0)), None)


def open_mask(stream, task):
    """The mask as a PIL image in mode L, 255 where the garment is."""
    if task.labels:
        inside = np.isin(decode_labels(stream, task.mask), task.labels)
    else:
        inside = np.asarray(decode(stream, task.mask).convert("L")) > 127
    return Image.fromarray(np.where(inside, np.uint8(255), np.uint8(0)))
