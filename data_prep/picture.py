"""Read a photo from an image file of any supported format, mode, size and orientation."""

import contextlib
import ctypes
import functools
import logging
import math
import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

# The supported formats.  Pillow's other ones are excluded, some of which run another program (EPS).
FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
LABEL_FORMATS = ("BMP", "GIF", "PNG", "TIFF")  # lossless formats
MAX_PIXELS = 100_000_000
FITS = ("pad", "crop")
# Large images are first reduced by averaging (JPEGs in the decoder) to at least this many times the
# target size, and from there by a filter: many times faster than the filter alone.
GAP = 2.0
# The Hamming filter shrinks nearly as well as the bicubic one and takes two thirds of its time.
SHRINK, ENLARGE = Image.Resampling.HAMMING, Image.Resampling.BICUBIC
ORIENTATION = 0x0112  # EXIF tag: where the first row and column of the stored image are seen
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Exceptions that Pillow's decoders raise on damaged data.
DAMAGE = (
    OSError,
    SyntaxError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    ZeroDivisionError,
    MemoryError,
    struct.error,
)


def read_picture(path, height: int, width: int, how: str = "pad") -> np.ndarray:
    """Read the photo in a file as uint8 [height, width, 3] RGB.

    Applies the EXIF orientation, blends transparency over white, and converts any mode to RGB and
    16 bits to 8.  Keeps the aspect ratio: the photo is resized with antialiasing and padded with the
    color of its border (or center-cropped, with how="crop").
    Raises FileNotFoundError or ValueError, "FILE: problem; cure".
    """
    check_file(path)
    with quiet():
        return np.asarray(fit(decode(path, path, (height, width), how), height, width, how))


def open_rgb(path) -> Image.Image:
    """Open the photo in a file, upright, in mode RGB, at its original size.  Raises as `read_picture`."""
    check_file(path)
    with quiet():
        return decode(path, path)


def check_file(path) -> None:
    """Raise FileNotFoundError unless the file exists."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; check the path")


@contextlib.contextmanager
def quiet():
    """Suppress Pillow's warnings about cases that are handled here.  Not thread-safe."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def decode(stream, name, size=None, how: str = "pad") -> Image.Image:
    """Decode the photo in a path or binary stream, upright, in mode RGB.

    name: used in error messages.  size: the (height, width) that it will be fitted to, or None.  Given
    a size, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, but never below GAP times the size
    needed.  Raises ValueError, "NAME: problem; cure".
    """
    with open_image(stream, name, FORMATS) as image:
        if size is not None:
            image.draft(None, draft_size(image, size, how))
        return to_rgb(upright(image))


def upright_rgb(image: Image.Image, name) -> Image.Image:
    """A PIL image of any mode, upright, in mode RGB.  Raises as `decode`."""
    with one_line_errors(name, FORMATS):
        check_pixels(image)
        return to_rgb(upright(image))


def upright(image: Image.Image) -> Image.Image:
    """An image turned as its EXIF orientation says, or itself.

    Pillow's exif_transpose also writes the other EXIF data anew, and fails on odd ones.
    """
    image.load()  # a TIFF is turned here already, and then no longer says so
    turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
    return image if turn is None else image.transpose(turn)


@contextlib.contextmanager
def open_image(stream, name, formats):
    """Open an image file; any problem with it raises a ValueError of one line."""
    silence_decoders()
    with one_line_errors(name, formats), Image.open(stream, formats=formats) as image:
        check_pixels(image)
        yield image


def check_pixels(image: Image.Image) -> None:
    """Raise Pillow's DecompressionBombError for an image that is too large."""
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError


@contextlib.contextmanager
def one_line_errors(name, formats):
    """Raise a ValueError of one line for any problem that Pillow has with an image."""
    try:
        yield
    except Image.UnidentifiedImageError as error:
        raise ValueError(
            f"{name}: not an image of a known format; give a {'PNG or JPEG' if 'JPEG' in formats else 'PNG'}"
        ) from error
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"{name}: has more than {MAX_PIXELS // 10**6} million pixels; scale it down"
        ) from error
    except DAMAGE as error:
        raise ValueError(f"{name}: is a damaged image ({error}); copy it again") from error


@functools.cache
def silence_decoders() -> None:
    """Suppress what libtiff and Pillow's logger would print in addition to the error."""
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        with contextlib.suppress(OSError, AttributeError):  # Pillow without libtiff
            setter = getattr(ctypes.CDLL(Image.core.__file__), name)
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            setter(None)


def draft_size(image: Image.Image, size, how: str) -> tuple[int, int]:
    """The smallest (width, height) that a decoder may give, before the EXIF orientation is applied."""
    transposed = image.getexif().get(0x0112) in (5, 6, 7, 8)
    height, width = image.size if transposed else image.size[::-1]
    scale = GAP * fit_scale(height, width, size, how)
    return math.ceil(image.width * scale), math.ceil(image.height * scale)


def fit_scale(height: int, width: int, size, how: str) -> float:
    """The factor by which height x width is scaled to fit into size (pad) or to cover it (crop)."""
    return (min if how == "pad" else max)(size[0] / height, size[1] / width)


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB: 16 bits are scaled to 8, transparency is blended over white."""
    if image.mode.startswith("I"):  # 16-bit gray, which Pillow would clip instead of scale
        image = Image.fromarray(np.clip(np.asarray(image) // 257, 0, 255).astype(np.uint8))
    elif image.mode == "F":
        raise OSError("floating-point pixels of unknown range")
    if not image.has_transparency_data:
        image.load()
        return image if image.mode == "RGB" else image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def decode_labels(stream, name) -> np.ndarray:
    """Decode the label map in a path or binary stream: uint8 [H, W], one label per body part.

    The labels of a palette image are its indices; its colors are ignored.  Raises ValueError if the
    image is damaged, in color, or in a lossy format (JPEG).
    """
    with open_image(stream, name, LABEL_FORMATS) as image:
        mode = image.mode
        labels = np.asarray(image.convert("L") if mode == "1" else image)
    if mode not in ("P", "L", "1"):
        raise ValueError(
            f"{name}: is a color image (mode {mode}), not a label map; give a palette or grayscale image"
        )
    return labels


def fit(image: Image.Image, height: int, width: int, how: str = "pad", fill=None) -> Image.Image:
    """Fit an image to height x width, keeping its aspect ratio.

    how: "pad", the whole image, centered and padded with the color of its border (or with `fill`);
    or "crop", the center of the image, cropped on two sides.
    """
    if how == "crop":
        return resize(image, (width, height), center_box(image.size, width / height))
    scale = fit_scale(image.height, image.width, (height, width), how)
    w, h = (max(1, round(side * scale)) for side in image.size)
    scaled = resize(image, (w, h))
    if (w, h) == (width, height):
        return scaled
    canvas = Image.new(image.mode, (width, height), border_color(np.asarray(image)) if fill is None else fill)
    canvas.paste(scaled, ((width - w) // 2, (height - h) // 2))
    return canvas


def resize(image: Image.Image, size, box=None) -> Image.Image:
    """Resize to (width, height) with antialiasing; large images are averaged first."""
    left, top, right, bottom = box or (0, 0, *image.size)
    shrinks = size[0] <= right - left and size[1] <= bottom - top
    return image.resize(size, SHRINK if shrinks else ENLARGE, box, reducing_gap=GAP)


def center_box(size, aspect: float) -> tuple[float, float, float, float]:
    """The largest centered box of an aspect ratio (width / height) in a size (width, height)."""
    width, height = min(size[0], size[1] * aspect), min(size[1], size[0] / aspect)
    left, top = (size[0] - width) / 2, (size[1] - height) / 2
    return left, top, left + width, top + height


def border_color(pixels: np.ndarray):
    """The median color of the outermost pixels of [H, W, 3] or [H, W], in Pillow's form."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    level = np.sort(border, axis=0)[len(border) // 2]
    return tuple(level.tolist()) if pixels.ndim == 3 else int(level)
