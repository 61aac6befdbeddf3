"""Develop a photo file: fit it to the target size, read its mask, and run the checks."""

import hashlib
import io
from typing import NamedTuple

import numpy as np
from PIL import Image

from data_prep import checks
from data_prep.picture import decode, decode_labels, fit
from data_prep.store import pack

ASPECT = 0.02  # largest relative difference between the aspect ratios of a photo and its mask


class Task(NamedTuple):
    """A photo to develop.  role: "x" (person) or "y" (garment); photo: its path; mask: path of its
    label map or garment mask, or None; labels: the garment's labels in a label map, () for a mask."""

    role: str
    photo: str
    mask: str | None = None
    labels: tuple[int, ...] = ()


class Developed(NamedTuple):
    """A developed photo.

    fault: why it cannot be used; mask_fault: why its mask cannot be used; doubt: why it may not show
    a garment; each "KIND: detail" or None.  digest: SHA-256 of the file; phash, colors: see
    `checks.fingerprint`; enlarged: whether it is smaller than the target size; pixels, mask:
    `pack`ed or None.
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
    """Read, check and fit one photo of a `Source`: a `Developed`.  Bad files do not raise.

    size: (height, width) [pixels]; how: "pad" or "crop".
    """
    try:
        data = source.read(task.photo)
        image = decode(io.BytesIO(data), task.photo, size, how)
    except FileNotFoundError as error:
        return Developed(fault=f"missing: {error}")
    except ValueError as error:
        return Developed(fault=f"unreadable: {error}")
    thumbnail = checks.make_thumbnail(image)
    foreground = checks.find_foreground(thumbnail)
    phash, colors = checks.fingerprint(image)
    mask, mask_fault = read_mask(source, task, image, size, how)
    return Developed(
        checks.blank_fault(thumbnail, foreground),
        mask_fault,
        checks.person_doubt(image, thumbnail, foreground) if task.role == "y" else None,
        hashlib.sha256(data).digest(),
        phash,
        colors,
        image.height < size[0] and image.width < size[1],
        pack(fit(image, *size, how)),
        mask,
    )


def read_mask(source, task, image, size, how):
    """(packed mask, None), (None, why it cannot be used), or (None, None) if the task has no mask."""
    if task.mask is None:
        return None, None
    try:
        full = open_mask(io.BytesIO(source.read(task.mask)), task)
    except (FileNotFoundError, ValueError) as error:
        return None, f"mask: {error}"
    if abs(full.width * image.height / (full.height * image.width) - 1) > ASPECT:
        return None, (
            f"mask: {task.mask}: its size {full.width}x{full.height} does not match the photo's aspect ratio"
        )
    fitted = fit(full, *size, how, fill=0)
    fault = checks.mask_fault(full) or checks.mask_fault(fitted)  # a crop may cut the garment off
    return (None, fault) if fault else (pack(fitted), None)


def open_mask(stream, task):
    """The mask as a PIL image in mode L: 255 on the garment, 0 elsewhere."""
    if task.labels:
        inside = np.isin(decode_labels(stream, task.mask), task.labels)
    else:
        inside = np.asarray(decode(stream, task.mask).convert("L")) > 127
    return Image.fromarray(np.where(inside, np.uint8(255), np.uint8(0)))
