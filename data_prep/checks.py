"""Checks of every photo: its fingerprint, and whether it is blank or shows a person."""

import functools
import threading

import imagehash
import numpy as np
from PIL import Image

from data_prep.picture import border_color

SIDE = 64  # photos are checked at SIDE x SIDE pixels, whatever their shape and target size
HASHED_SIDE = 32  # side of the image that is hashed: that of imagehash.phash
COLOR_SIDE = 8  # side of the mean colors that confirm a near repeat
FLAT = 2.0  # standard deviation [levels] below which a photo is one color
DIFFERENT = 12  # levels: a larger difference from the background's color is not shading
NEARLY_BLANK = 0.01  # share of foreground pixels below which a photo is blank
CUT = 0.25  # smallest share of the lower edge that a body cut off by it covers
FREE = 0.1  # largest share of the upper edge that such a body covers
SKIN = 0.08  # share of skin-like pixels in the upper middle below which no face is searched for
FACE_HEIGHT = 176  # rows of the image in which a face is searched for
FACE_MIN, FACE_MAX = 24, 64  # side of a face [pixels]: the detector's smallest; that of a portrait
MASK_SHARES = 0.002, 0.98  # smallest and largest share of the photo that a garment mask covers

_detector = threading.local()


def make_thumbnail(image):
    """The photo resized to SIDE x SIDE, ignoring its aspect ratio: a PIL image in RGB."""
    return image.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=1.0)


def fingerprint(image):
    """(64-bit perceptual hash as int, mean colors [COLOR_SIDE*COLOR_SIDE*3] as bytes) of a photo."""
    even = image.resize((HASHED_SIDE, HASHED_SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0)
    bits = np.packbits(imagehash.phash(even).hash.ravel())
    colors = even.resize((COLOR_SIDE, COLOR_SIDE), Image.Resampling.BOX).tobytes()
    return int.from_bytes(bits.tobytes(), "big"), colors


def find_foreground(thumbnail):
    """bool [SIDE, SIDE]: where a thumbnail differs from the color of its border."""
    pixels = np.asarray(thumbnail)
    background = np.array(border_color(pixels), np.uint8)
    r, g, b = np.moveaxis(np.maximum(pixels, background) - np.minimum(pixels, background), -1, 0)
    return (r > DIFFERENT) | (g > DIFFERENT) | (b > DIFFERENT)


def blank_fault(thumbnail, foreground):
    """Return "blank: ..." for a blank photo, else None."""
    if foreground.mean() >= NEARLY_BLANK:
        return None
    if np.asarray(thumbnail).std(axis=(0, 1)).max() < FLAT:
        return "blank: a single color"
    return f"blank: less than {NEARLY_BLANK:.0%} differs from the background"


def person_doubt(image, thumbnail, foreground):
    """Return "person: ..." for a garment's photo that appears to show a person, else None.

    Two signs: the foreground is cut off by the lower edge only, as a body is and a garment is not;
    or there is a face.
    """
    if foreground[-1].mean() >= CUT and foreground[0].mean() <= FREE:
        return "person: the foreground is cut off by the lower edge, as in a photo of a person"
    if skin_share(thumbnail) >= SKIN and has_face(image):
        return "person: contains a face"
    return None


def skin_share(thumbnail):
    """The share of pixels in the upper middle with a skin-like color (bounds in YCbCr)."""
    middle = thumbnail.crop((SIDE // 4, 0, 3 * SIDE // 4, SIDE // 2)).convert("YCbCr")
    y, cb, cr = np.moveaxis(np.asarray(middle), -1, 0)
    return ((y > 50) & (cb > 80) & (cb < 128) & (cr > 134) & (cr < 180)).mean()


def has_face(image):
    """Whether scikit-image's cascade detects a frontal face in the upper middle of a photo.

    Photos of extreme proportions show none; reducing a very wide one by its height would take any memory.
    """
    width = max(1, round(image.width * FACE_HEIGHT / image.height))
    if not 2 * FACE_MIN <= width <= 4 * FACE_HEIGHT:
        return False
    upper = image.resize((width, FACE_HEIGHT), Image.Resampling.BOX).crop(
        (width // 6, 0, width - width // 6, FACE_HEIGHT // 2)
    )
    found = detector().detect_multi_scale(
        img=np.ascontiguousarray(upper),
        scale_factor=1.25,
        step_ratio=1.5,
        min_size=(FACE_MIN, FACE_MIN),
        max_size=(FACE_MAX, FACE_MAX),
    )
    return bool(found)


def detector():
    """The face detector of the current thread, loaded once."""
    if not hasattr(_detector, "cascade"):
        from skimage.feature import Cascade

        _detector.cascade = Cascade(cascade_file())
    return _detector.cascade


@functools.cache
def cascade_file():
    """Path of the cascade that is part of scikit-image."""
    from skimage import data

    return data.lbp_frontal_face_cascade_filename()


def mask_fault(mask):
    """Return "mask: ..." for a mask (uint8) that covers nothing or everything, else None."""
    share = (np.asarray(mask) > 127).mean()
    if share < MASK_SHARES[0]:
        return "mask: contains no garment"
    return "mask: covers the whole photo" if share > MASK_SHARES[1] else None
