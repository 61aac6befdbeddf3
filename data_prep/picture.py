"""Read a photo from an image file of any supported format, mode, size, orientation and color profile."""

import contextlib
import ctypes
import functools
import io
import logging
import math
import os
import struct
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageCms, features

from data_prep.image_bytes import endings, is_heic, read_bytes, without_metadata

# The supported formats.  Pillow's other ones are excluded, some of which run another program (EPS).
FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
LABEL_FORMATS = ("BMP", "GIF", "PNG", "TIFF")  # lossless formats
MAX_PIXELS = 100_000_000
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
TRANSPOSED = (5, 6, 7, 8)  # orientations that exchange width and height
# Exceptions that Pillow's decoders raise on damaged data.
DAMAGE = (OSError, SyntaxError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError,
          OverflowError, ZeroDivisionError, MemoryError, struct.error)  # fmt: skip
ROUNDING = 2  # levels by which a conversion from sRGB to sRGB may differ
WHITES = (1, 255, 65535, 2**32 - 1)  # levels of white of gray images with 32 bits

FilePath: TypeAlias = str | os.PathLike[str]
Size: TypeAlias = tuple[int, int]
T = TypeVar("T")


def open_rgb(path: FilePath) -> Image.Image:
    """Open the photo in a file, upright, in sRGB, at its original size.

    Applies the EXIF orientation and the color profile, blends transparency over white, and converts any
    mode to RGB with 8 bits.  Raises FileNotFoundError or ValueError, "FILE: problem; cure".
    """
    check_file(path)
    with quiet():
        return decode(path, path)


def check_file(path: FilePath) -> None:
    """Raise FileNotFoundError unless the file exists."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; check the path")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress Pillow's warnings about cases that are handled here.  Not thread-safe."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def decode(
    file: FilePath | BinaryIO, name: object, size: Size | None = None, how: str = "pad"
) -> Image.Image:
    """Decode the photo in a path or binary stream, upright, in sRGB.

    name: used in error messages.  size: the (height, width) that it will be fitted to, or None.  Given
    a size, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, but never below GAP times the size
    needed.  Raises ValueError, "NAME: problem; cure".
    """

    def decode_once(image: Image.Image) -> Image.Image:
        if size is not None:
            width, height = image.size[::-1] if orientation(image) in TRANSPOSED else image.size
            scale = GAP * fit_scale(height, width, size, how)
            image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))
        return to_upright_rgb(image)

    return open_image(file, name, photo_formats(), decode_once)


def decode_labels(file: FilePath | BinaryIO, name: object) -> NDArray[np.uint8]:
    """Decode the label map in a path or binary stream: uint8 [H, W], one label per body part.

    The labels of a palette image are its indices; its colors are ignored.  Raises ValueError if the
    image is damaged, in color, or in a lossy format (JPEG).
    """

    def decode_once(image: Image.Image) -> tuple[str, NDArray[np.uint8]]:
        return image.mode, np.asarray(image.convert("L") if image.mode == "1" else image)

    mode, labels = open_image(file, name, LABEL_FORMATS, decode_once)
    if mode not in ("P", "L", "1"):
        raise ValueError(
            f"{name}: is a color image (mode {mode}), not a label map; give a palette or grayscale image"
        )
    return labels


def upright_rgb(image: Image.Image, name: object) -> Image.Image:
    """A PIL image of any mode, upright, in sRGB.  Raises as `decode`."""
    with one_line_errors(name, FORMATS):
        check_pixels(image)
        return to_upright_rgb(image)


def open_image(
    file: FilePath | BinaryIO, name: object, formats: tuple[str, ...], function: Callable[[Image.Image], T]
) -> T:
    """Apply a function to an image file; any problem with it raises a ValueError of one line.

    Metadata are not pixels: a file that cannot be decoded is tried again without them, and a JPEG
    without its end marker.
    """
    silence_decoders()
    data = read_bytes(file, name)

    def decoded(data: bytes) -> T:
        with one_line_errors(name, formats), Image.open(io.BytesIO(data), formats=formats) as image:
            check_pixels(image)
            return function(image)

    try:
        return decoded(data)
    except ValueError as error:
        if is_heic(data):
            raise ValueError(
                f"{name}: is a HEIC photo; pip install pillow-heif, or save it as JPEG"
            ) from error
        with contextlib.suppress(ValueError):
            plain = without_metadata(data)
            if plain is not None:
                return decoded(plain)
        with contextlib.suppress(ValueError):
            if ends := endings(data):
                one, other = map(decoded, ends)
                if np.array_equal(np.asarray(one), np.asarray(other)):
                    return one
        raise


@functools.cache
def photo_formats() -> tuple[str, ...]:
    """FORMATS, AVIF if this Pillow reads it, and HEIC if the package pillow-heif is installed."""
    more: tuple[str, ...] = ("AVIF",) if "avif" in features.modules and features.check("avif") else ()
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
        more += ("HEIF",)
    return FORMATS + more


def check_pixels(image: Image.Image) -> None:
    """Raise Pillow's DecompressionBombError for an image that is too large."""
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError


@contextlib.contextmanager
def one_line_errors(name: object, formats: tuple[str, ...]) -> Iterator[None]:
    """Raise a ValueError of one line for any problem that Pillow has with an image."""
    try:
        yield
    except Image.UnidentifiedImageError as error:
        known = "PNG or JPEG" if "JPEG" in formats else "PNG"
        raise ValueError(f"{name}: not an image of a known format; give a {known}") from error
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


# ---------------------------------------------------------------- pixels


def orientation(image: Image.Image) -> int:
    """The EXIF orientation of an image, 1 (upright) if it has none that can be read."""
    with contextlib.suppress(*DAMAGE):
        return int(image.getexif().get(ORIENTATION, 1))
    return 1


def to_upright_rgb(image: Image.Image) -> Image.Image:
    """An image of any mode in sRGB, turned as its EXIF orientation says.

    Pillow's exif_transpose also writes the other EXIF data anew, and fails on odd ones.
    """
    image.load()  # a TIFF is turned here already, and then no longer says so
    turn = TURNS.get(orientation(image))
    image = to_rgb(image)
    return image if turn is None else image.transpose(turn)


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to sRGB with 8 bits; transparency is blended over white."""
    profile = image.info.get("icc_profile")
    if image.mode == "F" or image.mode.startswith("I"):
        image = Image.fromarray(to_8_bits(np.asarray(image), image.mode, image.format))
    if not image.has_transparency_data:
        return to_srgb(image, profile)
    image = image.convert("RGBA")
    color = to_srgb(image.convert("RGB"), profile)
    color.putalpha(image.getchannel("A"))
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), color).convert("RGB")


def to_8_bits(levels: NDArray[Any], mode: str, source: str | None) -> NDArray[np.uint8]:
    """Gray levels of an image in Pillow's modes I and F as uint8.

    Formats other than TIFF have 16 bits; in a TIFF with 32, white is the first of WHITES that is high enough.
    """
    if mode.startswith("I;16") or mode == "I" and source not in ("TIFF", None):
        return np.clip(levels // 257, 0, 255).astype(np.uint8)
    if mode == "I":
        levels = levels.view(np.uint32)  # Pillow takes them as signed
    if not 0 <= levels.min() <= levels.max() <= WHITES[-1]:
        raise OSError("gray levels of unknown range")
    white = next(white for white in WHITES[mode == "I" :] if levels.max() <= white)
    scaled: NDArray[np.uint8] = np.rint(levels * (255.0 / white)).astype(np.uint8)
    return scaled


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert an image without transparency to RGB by its color profile, if it has one that can be used.

    Pixels that a profile changes by no more than rounding, as sRGB itself does, stay as they are.
    """
    plain = image if image.mode == "RGB" else image.convert("RGB")
    if profile:
        with contextlib.suppress(ImageCms.PyCMSError, *DAMAGE):
            described = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            source = plain if image.mode == "P" else image
            srgb = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(source, described, srgb, outputMode="RGB")
            if converted and np.asarray(ImageChops.difference(converted, plain)).max() > ROUNDING:
                return converted
    return plain


def fit_scale(height: int, width: int, size: Size, how: str) -> float:
    """The factor by which height x width is scaled to fit into size (pad) or to cover it (crop)."""
    return (min if how == "pad" else max)(size[0] / height, size[1] / width)


def fit(image: Image.Image, height: int, width: int, how: str = "pad", fill: Any = None) -> Image.Image:
    """Fit an image to height x width, keeping its aspect ratio.

    how: "pad", the whole image, centered and padded with the color of its border (or with `fill`);
    or "crop", the center of the image, cropped on two sides.
    """
    if how == "crop":
        aspect = width / height
        w, h = min(image.width, image.height * aspect), min(image.height, image.width / aspect)
        left, top = (image.width - w) / 2, (image.height - h) / 2
        return resize(image, (width, height), (left, top, left + w, top + h))
    scale = fit_scale(image.height, image.width, (height, width), how)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    scaled = resize(image, size)
    if size == (width, height):
        return scaled
    canvas = Image.new(image.mode, (width, height), border_color(np.asarray(image)) if fill is None else fill)
    canvas.paste(scaled, ((width - size[0]) // 2, (height - size[1]) // 2))
    return canvas


def resize(
    image: Image.Image, size: Size, box: tuple[float, float, float, float] | None = None
) -> Image.Image:
    """Resize to (width, height) with antialiasing; large images are averaged first."""
    left, top, right, bottom = box or (0, 0, *image.size)
    shrinks = size[0] <= right - left and size[1] <= bottom - top
    return image.resize(size, SHRINK if shrinks else ENLARGE, box, reducing_gap=GAP)


def border_color(pixels: NDArray[np.uint8]) -> tuple[int, ...] | int:
    """The median color of the outermost pixels of [H, W, 3] or [H, W], in Pillow's form."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    level = np.sort(border, axis=0)[len(border) // 2]
    return tuple(level.tolist()) if pixels.ndim == 3 else int(level)
