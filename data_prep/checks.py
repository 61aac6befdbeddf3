"""What is looked at in every photo: what it resembles, whether it is blank or of a person."""

import functools
import threading

import imagehash
import numpy as np
from PIL import Image

from data_prep.picture import border_color

SIDE = 64  # photos are judged at SIDE x SIDE pixels, whatever their shape and the size wanted
PRINT = 32  # side of the picture that is hashed: that of imagehash.phash
THUMB = 8  # side of the colors that confirm a near repeat
FLAT = 2.0  # standard deviation [levels] below which a photo is blank
DIFFERENT = 12  # levels from the ground's color that are no shading of it
NEARLY = 0.01  # share of different pixels below which a photo is nearly blank
CUT = 0.25  # share of the lower edge that a body cut by it covers, at least
FREE = 0.1  # share of the upper edge that it covers at most
SKIN = 0.08  # share of skin-like pixels in the upper middle below which no face is searched
FACE_HEIGHT = 176  # rows of the picture in which a face is searched
FACE_LEAST, FACE_MOST = 24, 64  # side [pixels]: the smallest that the detector knows; a portrait
DEGENERATE = 0.002, 0.98  # a mask that covers less or more shows no garment

_detector = threading.local()


def small_of(image):
    """The photo at SIDE x SIDE, squeezed: a PIL image in RGB."""
    return image.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=1.0)


def print_of(image):
    """(64-bit perceptual hash as int, colors [THUMB*THUMB*3] as bytes) of a photo of any size."""
    even = image.resize((PRINT, PRINT), Image.Resampling.BICUBIC, reducing_gap=2.0)
    bits = np.packbits(imagehash.phash(even).hash.ravel())
    colors = even.resize((THUMB, THUMB), Image.Resampling.BOX).tobytes()
    return int.from_bytes(bits.tobytes(), "big"), colors


def away_from_ground(small):
    """[SIDE, SIDE] bool: where a small photo differs from the color of its border."""
    pixels = np.asarray(small)
    ground = np.array(border_color(pixels), np.uint8)
    r, g, b = np.moveaxis(np.maximum(pixels, ground) - np.minimum(pixels, ground), -1, 0)
    return (r > DIFFERENT) | (g > DIFFERENT) | (b > DIFFERENT)


def blankness(small, away):
    """ "blank: ..." for a small photo that shows nothing, else None; away: `away_from_ground`."""
    if away.mean() >= NEARLY:
        return None
    if np.asarray(small).std(axis=(0, 1)).max() < FLAT:
        return "blank: one color all over"
    return f"blank: less than {NEARLY:.0%} differs from the ground"


def personhood(image, small, away):
    """ "person: ..." for a garment's photo that seems to be one of a person, else None.

    Two signs: something cut by the lower edge only, as a body is and a garment is not; a face.
    """
    if away[-1].mean() >= CUT and away[0].mean() <= FREE:
        return "person: the lower edge cuts through what is shown, as in a photo of a person"
    if skin_share(small) >= SKIN and has_face(image):
        return "person: a face is in it"
    return None


def skin_share(small):
    """The share of pixels in the upper middle whose color may be skin (bounds in YCbCr)."""
    middle = small.crop((SIDE // 4, 0, 3 * SIDE // 4, SIDE // 2)).convert("YCbCr")
    y, cb, cr = np.moveaxis(np.asarray(middle), -1, 0)
    return ((y > 50) & (cb > 80) & (cb < 128) & (cr > 134) & (cr < 180)).mean()


def has_face(image):
    """Whether scikit-image's cascade finds a frontal face in the upper middle of a photo."""
    width = max(1, round(image.width * FACE_HEIGHT / image.height))
    if width < 2 * FACE_LEAST:
        return False
    upper = image.resize((width, FACE_HEIGHT), Image.Resampling.BOX).crop(
        (width // 6, 0, width - width // 6, FACE_HEIGHT // 2)
    )
    found = detector().detect_multi_scale(
        img=np.ascontiguousarray(upper),
        scale_factor=1.25,
        step_ratio=1.5,
        min_size=(FACE_LEAST, FACE_LEAST),
        max_size=(FACE_MOST, FACE_MOST),
    )
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
    """ "mask: ..." for a mask, uint8, that is empty or covers everything, else None."""
    share = (np.asarray(mask) > 127).mean()
    if share < DEGENERATE[0]:
        return "mask: shows no garment"
    return "mask: covers the whole photo" if share > DEGENERATE[1] else None
