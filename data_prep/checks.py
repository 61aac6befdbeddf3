"""What is looked at in every photo: what it resembles, whether it is blank, whether a person is in it."""

import functools
import threading

import imagehash
import numpy as np
from PIL import Image

from data_prep.picture import border_color

SIDE = 64  # photos are judged at SIDE x SIDE pixels, whatever their shape and the size wanted
THUMB = 8  # side of the colors that confirm a near repeat
FLAT = 2.0  # standard deviation [levels] below which a photo is blank
DIFFERENT = 12  # levels from the ground's color that are no shading of it
NEARLY = .01  # share of different pixels below which a photo is nearly blank
CUT = .25  # share of the lower edge that a body cut by it covers, at least
FREE = .1  # share of the upper edge that it covers at most
SKIN = .03  # share of skin-like pixels in the upper half below which no face is searched
FACE_HEIGHT = 192  # rows of the picture in which a face is searched
FACE_LEAST = 24  # side [pixels] of the smallest face that the detector knows
DEGENERATE = .002, .98  # a mask that covers less or more shows no garment

_detector = threading.local()


def small_of(image):
    """The photo at SIDE x SIDE, squeezed: a PIL image in RGB."""
    return image.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=1.0)


def print_of(small):
    """(64-bit perceptual hash as int, colors [THUMB*THUMB*3] as bytes) of a small photo."""
    bits = np.packbits(imagehash.phash(small).hash.ravel())
    colors = small.resize((THUMB, THUMB), Image.Resampling.BOX).tobytes()
    return int.from_bytes(bits.tobytes(), "big"), colors


def blankness(small):
    """"blank: ..." for a small photo that shows nothing, else None."""
    pixels = np.asarray(small, np.int16)
    if pixels.std(axis=(0, 1)).max() < FLAT:
        return "blank: one color all over"
    if away_from_ground(small, pixels).mean() < NEARLY:
        return f"blank: less than {NEARLY:.0%} differs from the ground"
    return None


def away_from_ground(small, pixels):
    """[SIDE, SIDE] bool: where a photo differs from the color of its border."""
    return np.abs(pixels - np.array(border_color(small))).max(-1) > DIFFERENT


def personhood(image, small):
    """"person: ..." for a garment's photo that seems to be one of a person, else None.

    Two signs: something cut by the lower edge only, as a body is and a garment is not; a face.
    """
    away = away_from_ground(small, np.asarray(small, np.int16))
    if away[-1].mean() >= CUT and away[0].mean() <= FREE:
        return "person: the lower edge cuts through what is shown, as in a photo of a person"
    if skin_share(small) >= SKIN and has_face(image):
        return "person: a face is in it"
    return None


def skin_share(small):
    """The share of pixels of the upper half whose color may be skin (bounds in YCbCr)."""
    y, cb, cr = np.moveaxis(np.asarray(small.convert("YCbCr"))[:SIDE // 2], -1, 0)
    return ((y > 50) & (cb > 80) & (cb < 128) & (cr > 134) & (cr < 180)).mean()


def has_face(image):
    """Whether scikit-image's cascade finds a frontal face in the upper half of a photo."""
    width = max(1, round(image.width * FACE_HEIGHT / image.height))
    upper = image.resize((width, FACE_HEIGHT), Image.Resampling.BOX).crop(
        (0, 0, width, FACE_HEIGHT // 2))
    if width < FACE_LEAST:
        return False
    found = detector().detect_multi_scale(
        img=np.ascontiguousarray(upper), scale_factor=1.2, step_ratio=1.5,
        min_size=(FACE_LEAST, FACE_LEAST), max_size=(FACE_HEIGHT // 2, FACE_HEIGHT // 2))
    return bool(found)


def detector():
    """The face detector of this thread, loaded once."""
    if not hasattr(_detector, "cascade"):
        from skimage.feature import Cascade
        _detector.cascade = Cascade(cascade_file())
    return _detector.cascade


@functools.cache
def cascade_file():
    """The file of the cascade that comes with scikit-image."""
    from skimage import data
    return data.lbp_frontal_face_cascade_filename()


def degenerate(mask):
    """"mask: ..." for a mask, uint8, that is empty or covers everything, else None."""
    share = (np.asarray(mask) > 127).mean()
    if share < DEGENERATE[0]:
        return "mask: shows no garment"
    return "mask: covers the whole photo" if share > DEGENERATE[1] else None
