"""Examine a photo file: read it, run the checks, and fit it and its mask to the target size."""

import hashlib
import io
from typing import NamedTuple

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data_prep.photo_folder import PhotoFolder
from data_prep.picture import border_color, decode, decode_labels, fit
from data_prep.store import Packed, pack

SIDE = 64  # photos are checked at SIDE x SIDE pixels, whatever their shape and target size
HASHED_SIDE = 32  # side of the image that is hashed: that of imagehash.phash
COLOR_SIDE = 8  # side of the mean colors that confirm a near repeat
FLAT = 2.0  # standard deviation [levels] below which a photo is one color
DIFFERENT = 12  # levels: a larger difference from the background's color is not shading
FAINT = 2.5  # levels: a larger difference is not noise; a white garment on white has it
NEARLY_BLANK = 0.01  # share of foreground pixels below which a photo is blank
CUT = 0.25  # smallest share of the lower edge that a body cut off by it covers
FREE = 0.1  # largest share of the upper edge that such a body covers
MASK_SHARES = 0.002, 0.98  # smallest and largest share of the photo that a garment mask covers
ASPECT = 0.02  # largest relative difference between the aspect ratios of a photo and its mask


class Task(NamedTuple):
    """A photo to examine.  role: "x" (person) or "y" (garment); photo: its path; mask: path of its
    label map or garment mask, or None; labels: the garment's labels in a label map, () for a mask."""

    role: str
    photo: str
    mask: str | None = None
    labels: tuple[int, ...] = ()


class Examined(NamedTuple):
    """An examined photo.

    fault: why it cannot be used; mask_fault: why its mask cannot be used; doubt: why it may not show
    a garment; each "KIND: detail" or None.  digest: SHA-256 of the file; phash: 64-bit perceptual hash;
    colors: mean colors [COLOR_SIDE * COLOR_SIDE * 3]; enlarged: whether it is smaller than the target
    size; pixels, mask: packed, or None.
    """

    fault: str | None = None
    mask_fault: str | None = None
    doubt: str | None = None
    digest: str = ""
    phash: int = 0
    colors: tuple[int, ...] = ()
    enlarged: bool = False
    pixels: Packed | None = None
    mask: Packed | None = None


def examine(folder: PhotoFolder, task: Task, size: tuple[int, int], how: str) -> Examined:
    """Read, check and fit one photo.  A bad file does not raise.

    size: (height, width) [pixels]; how: "pad" or "crop".
    """
    try:
        data = folder.read(task.photo)
        image = decode(io.BytesIO(data), task.photo, size, how)
    except FileNotFoundError as error:
        return Examined(fault=f"missing: {error}")
    except ValueError as error:
        return Examined(fault=f"unreadable: {error}")
    thumbnail = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=1.0))
    mask, mask_fault = read_mask(folder, task, image, size, how)
    doubt = person_doubt(thumbnail) if task.role == "y" else None
    enlarged = image.height < size[0] and image.width < size[1]
    known = hashlib.sha256(data).hexdigest(), *fingerprint(image), enlarged
    pixels = pack(np.asarray(fit(image, *size, how)))
    return Examined(blank_fault(thumbnail), mask_fault, doubt, *known, pixels, mask)


def fingerprint(image: Image.Image) -> tuple[int, tuple[int, ...]]:
    """(64-bit perceptual hash, mean colors) of a photo."""
    even = image.resize((HASHED_SIDE, HASHED_SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0)
    bits = np.packbits(imagehash.phash(even).hash.ravel())
    colors = even.resize((COLOR_SIDE, COLOR_SIDE), Image.Resampling.BOX).tobytes()
    return int.from_bytes(bits.tobytes(), "big"), tuple(colors)


def differs(thumbnail: NDArray[np.uint8], levels: float) -> NDArray[np.bool_]:
    """Where a thumbnail [side, side, 3] differs from the color of its border by more than some levels."""
    distance = np.abs(thumbnail.astype(float) - np.array(border_color(thumbnail)))
    different: NDArray[np.bool_] = (distance > levels).any(axis=-1)
    return different


def blank_fault(thumbnail: NDArray[np.uint8]) -> str | None:
    """Return "blank: ..." for a blank photo, else None.  A white garment on white is not blank."""
    smooth = thumbnail.reshape(SIDE // 2, 2, SIDE // 2, 2, 3).mean(axis=(1, 3))  # less noise
    if differs(thumbnail, DIFFERENT).mean() >= NEARLY_BLANK or differs(smooth, FAINT).mean() >= NEARLY_BLANK:
        return None
    if thumbnail.std(axis=(0, 1)).max() < FLAT:
        return "blank: a single color"
    return f"blank: less than {NEARLY_BLANK:.0%} differs from the background"


def person_doubt(thumbnail: NDArray[np.uint8]) -> str | None:
    """Return "person: ..." for a garment's photo that appears to show a person, else None.

    The foreground is cut off by the lower edge only, as a body is and a garment is not.
    """
    foreground = differs(thumbnail, DIFFERENT)
    if foreground[-1].mean() >= CUT and foreground[0].mean() <= FREE:
        return "person: the foreground is cut off by the lower edge, as in a photo of a person"
    return None


def read_mask(
    folder: PhotoFolder, task: Task, image: Image.Image, size: tuple[int, int], how: str
) -> tuple[Packed | None, str | None]:
    """(packed mask, None), (None, why it cannot be used), or (None, None) if the task has no mask."""
    if task.mask is None:
        return None, None
    try:
        stream = io.BytesIO(folder.read(task.mask))
        if task.labels:
            inside = np.isin(decode_labels(stream, task.mask), task.labels)
        else:
            inside = np.asarray(decode(stream, task.mask).convert("L")) > 127
    except (FileNotFoundError, ValueError) as error:
        return None, f"mask: {error}"
    full = Image.fromarray(np.where(inside, np.uint8(255), np.uint8(0)))
    if abs(full.width * image.height / (full.height * image.width) - 1) > ASPECT:
        wrong = f"its size {full.width}x{full.height} does not match the photo's aspect ratio"
        return None, f"mask: {task.mask}: {wrong}"
    fitted = fit(full, *size, how, fill=0)
    for mask in (full, fitted):  # a crop may cut the garment off
        share = (np.asarray(mask) > 127).mean()
        if not MASK_SHARES[0] <= share <= MASK_SHARES[1]:
            fault = "contains no garment" if share < MASK_SHARES[0] else "covers the whole photo"
            return None, f"mask: {fault}"
    return pack(np.asarray(fitted)), None
