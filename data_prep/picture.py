"""Reading one photo from an image file, whatever its format, mode, size and orientation."""

import contextlib
import ctypes
import functools
import logging
import math
import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

# Photos come in these.  Others that Pillow knows are left out, among them those that start
# another program (EPS).
FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
LABEL_FORMATS = ("BMP", "GIF", "PNG", "TIFF")  # those that keep every number
MAX_PIXELS = 100_000_000
FITS = ("pad", "crop")
# Large pictures are brought near their size by averaging (JPEGs by their decoder) and from this
# many times their size by a filter: many times faster than the filter alone.
GAP = 2.0
# Hamming's window shrinks nearly as well as the bicubic filter and takes two thirds of its time.
SHRINK, ENLARGE = Image.Resampling.HAMMING, Image.Resampling.BICUBIC
# What Pillow's decoders raise on bytes that are no picture.
DAMAGE = (
    OSError,
    SyntaxError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    OverflowError,
    ZeroDivisionError,
    MemoryError,
    struct.error,
)


def read_picture(path, height: int, width: int, how: str = "pad") -> np.ndarray:
    """The photo in a file as uint8 [height, width, 3] RGB.

    Turned as its EXIF says; transparency over white; any mode to RGB; 16 bits to 8.  Its aspect
    is kept: it is scaled, with antialiasing, and padded with the color of its border (or cut at
    two sides, with how="crop").
    Raises FileNotFoundError or ValueError, "FILE: what is wrong; the cure".
    """
    check_file(path)
    with quiet():
        return np.asarray(fit(decode(path, path, (height, width), how), height, width, how))


def open_rgb(path) -> Image.Image:
    """The photo in a file, upright, in mode RGB, in its own size.  Raises as `read_picture`."""
    check_file(path)
    with quiet():
        return decode(path, path)


def check_file(path) -> None:
    """Raise FileNotFoundError unless there is a file."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: there is no such file; check the path")


@contextlib.contextmanager
def quiet():
    """Without Pillow's warnings, which are about what is handled here.  Not for use in threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def decode(stream, name, size=None, how: str = "pad") -> Image.Image:
    """The photo in a path or binary stream, upright, in mode RGB.

    size: (height, width) that it is going to be fitted into, or None.  With a size, a JPEG may
    come in a half, a quarter or an eighth of its own size, never below GAP times what is needed.
    name: what to call it in errors.  Raises ValueError, "NAME: what is wrong; the cure".
    """
    with opened(stream, name, FORMATS) as image:
        if size is not None:
            image.draft(None, wanted(image, size, how))
        ImageOps.exif_transpose(image, in_place=True)
        return to_rgb(image)


@contextlib.contextmanager
def opened(stream, name, formats):
    """Open an image file; whatever is wrong with it becomes a ValueError of one line."""
    silence_decoders()
    try:
        with Image.open(stream, formats=formats) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            yield image
    except Image.UnidentifiedImageError as error:
        raise ValueError(
            f"{name}: is no image of a known format; give a {'PNG or JPEG' if 'JPEG' in formats else 'PNG'}"
        ) from error
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"{name}: has more than {MAX_PIXELS // 10**6} million pixels; scale it down"
        ) from error
    except DAMAGE as error:
        raise ValueError(f"{name}: is a damaged image ({error}); copy it again") from error


@functools.cache
def silence_decoders() -> None:
    """Keep back the lines that libtiff and Pillow's log would print beside the error."""
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        with contextlib.suppress(OSError, AttributeError):  # a Pillow without libtiff
            setter = getattr(ctypes.CDLL(Image.core.__file__), name)
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            setter(None)


def wanted(image: Image.Image, size, how: str) -> tuple[int, int]:
    """The (width, height) that a decoder must give at least, before EXIF turns the picture."""
    turned = image.getexif().get(0x0112) in (5, 6, 7, 8)
    height, width = image.size if turned else image.size[::-1]
    scale = GAP * scale_of(height, width, size, how)
    return math.ceil(image.width * scale), math.ceil(image.height * scale)


def scale_of(height: int, width: int, size, how: str) -> float:
    """The factor that fits height x width into size (pad) or over it (crop)."""
    return (min if how == "pad" else max)(size[0] / height, size[1] / width)


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB: palettes, CMYK converted; 16 bits scaled to 8; transparency over white."""
    if image.mode.startswith("I"):  # 16 bits of gray, which Pillow would clip, not scale
        image = Image.fromarray(np.clip(np.asarray(image) // 257, 0, 255).astype(np.uint8))
    elif image.mode == "F":
        raise OSError("its pixels are floating-point numbers, whose range is not known")
    if not image.has_transparency_data:
        image.load()
        return image if image.mode == "RGB" else image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def decode_labels(stream, name) -> np.ndarray:
    """The label map in a path or binary stream: uint8 [H, W], a number for each part of a person.

    A palette's numbers are the labels, its colors are not looked at.  Raises ValueError for what
    is damaged, in color, or of a format that does not keep every number (JPEG).
    """
    with opened(stream, name, LABEL_FORMATS) as image:
        mode = image.mode
        labels = np.asarray(image.convert("L") if mode == "1" else image)
    if mode not in ("P", "L", "1"):
        raise ValueError(
            f"{name}: is a picture in color (mode {mode}) and no label map; give one "
            "with a palette or in gray"
        )
    return labels


def fit(image: Image.Image, height: int, width: int, how: str = "pad", fill=None) -> Image.Image:
    """Scale, aspect kept, to width x height.

    how: "pad", all of the picture in the middle and what stays free in the color of its border
    (or in `fill`); or "crop", the middle of the picture, cut at two sides.
    """
    if how == "crop":
        return resize(image, (width, height), middle(image.size, width / height))
    scale = scale_of(image.height, image.width, (height, width), how)
    w, h = (max(1, round(side * scale)) for side in image.size)
    scaled = resize(image, (w, h))
    if (w, h) == (width, height):
        return scaled
    canvas = Image.new(image.mode, (width, height), border_color(np.asarray(image)) if fill is None else fill)
    canvas.paste(scaled, ((width - w) // 2, (height - h) // 2))
    return canvas


def resize(image: Image.Image, size, box=None) -> Image.Image:
    """Resample to (width, height) with antialiasing, after averaging where it is large."""
    left, top, right, bottom = box or (0, 0, *image.size)
    shrinks = size[0] <= right - left and size[1] <= bottom - top
    return image.resize(size, SHRINK if shrinks else ENLARGE, box, reducing_gap=GAP)


def middle(size, aspect: float) -> tuple[float, float, float, float]:
    """The largest box of an aspect (width / height) in the middle of (width, height)."""
    width, height = min(size[0], size[1] * aspect), min(size[1], size[0] / aspect)
    left, top = (size[0] - width) / 2, (size[1] - height) / 2
    return left, top, left + width, top + height


def border_color(pixels: np.ndarray):
    """The median color of the outermost pixels of [H, W, 3] or [H, W], as Pillow takes it."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    level = np.sort(border, axis=0)[len(border) // 2]
    return tuple(level.tolist()) if pixels.ndim == 3 else int(level)
