"""Read a photo from an image file of any supported format, mode, size, orientation and color profile."""

import contextlib
import ctypes
import functools
import io
import logging
import math
import os
import re
import struct
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageCms, JpegImagePlugin, features

from data_prep.image_bytes import endings, is_heic, read_bytes, without_metadata

# The supported formats.  Pillow's other ones are excluded, some of which run another program (EPS).
FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
LABEL_FORMATS = ("BMP", "GIF", "PNG", "TIFF")  # lossless formats
MAX_PIXELS = 100_000_000
"""Of one photo, and of all that threads work on at once."""
BAND = 1 << 18
"""Pixels of a large photo that are worked on at once."""
# Large images are first reduced by averaging (JPEGs in the decoder) to at least this many times the
# target size, and from there by a filter: many times faster than the filter alone.
GAP = 2.0
# The Hamming filter shrinks nearly as well as the bicubic one and takes two thirds of its time.
SHRINK, ENLARGE = Image.Resampling.HAMMING, Image.Resampling.BICUBIC
ORIENTATION = 0x0112  # EXIF tag: where the first row and column of the stored image are seen
SEEN = "FLIP_LEFT_RIGHT ROTATE_180 FLIP_TOP_BOTTOM TRANSPOSE ROTATE_270 TRANSVERSE ROTATE_90".split()
TURNS = dict(enumerate((Image.Transpose[name] for name in SEEN), 2))
TRANSPOSED = (5, 6, 7, 8)  # orientations that exchange width and height
# Exceptions that Pillow's decoders raise on damaged data.
DAMAGE = (OSError, SyntaxError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError,
          OverflowError, ZeroDivisionError, MemoryError, struct.error)  # fmt: skip
ROUNDING = 2  # levels by which a conversion from sRGB to sRGB may differ
PILLOW = re.compile("PIL")  # the modules whose warnings are about cases that are handled here
WHITES = (1, 255, 65535, 2**32 - 1)  # levels of white of gray images with 32 bits


class Room:
    """Room for the pixels of the photos that are open in full size; threads wait for theirs."""

    def __init__(self, pixels: int) -> None:
        self.free, self.changed, self.own = pixels, threading.Condition(), threading.local()

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Return what the thread takes in the block, which has one photo open at a time.

        A block within another belongs to it.
        """
        if hasattr(self.own, "taken"):
            yield
            return
        self.own.taken = 0
        try:
            yield
        finally:
            with self.changed:
                self.free += self.own.taken
                self.changed.notify_all()
            del self.own.taken

    def take(self, pixels: int) -> None:
        """Wait for room for so many pixels, at most MAX_PIXELS; a thread that has some gets more at once."""
        with self.changed:
            if not self.own.taken:
                self.changed.wait_for(lambda: self.free >= pixels)
            more = max(0, pixels - self.own.taken)
            self.free -= more
            self.own.taken += more


ROOM = Room(MAX_PIXELS)

FilePath: TypeAlias = str | os.PathLike[str]
Size: TypeAlias = tuple[int, int]
T = TypeVar("T")


def open_rgb(path: FilePath) -> Image.Image:
    """Open the photo in a file, upright, in sRGB, at its original size.

    Applies the EXIF orientation and the color profile, blends transparency over white, and converts any
    mode to RGB with 8 bits.  Raises FileNotFoundError or ValueError, "FILE: problem; cure".
    """
    check_file(path)
    return decode(path, path)


def check_file(path: FilePath) -> None:
    """Raise FileNotFoundError unless the file exists."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; check the path")


def decode(
    file: FilePath | BinaryIO, name: object, size: Size | None = None, how: str = "pad"
) -> Image.Image:
    """Decode the photo in a path or binary stream, upright, in sRGB.

    name: used in error messages.  size: the (height, width) that it will be fitted to, or None.  Given
    a size, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, but never below GAP times the size
    needed.  Raises ValueError, "NAME: problem; cure".
    """

    def decode_once(image: Image.Image) -> Image.Image:
        if size is not None and isinstance(image, JpegImagePlugin.JpegImageFile):
            width, height = image.size[::-1] if orientation(image) in TRANSPOSED else image.size
            scale = GAP * fit_scale(height, width, size, how)
            image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))
        return to_upright_rgb(image)

    with ROOM.shared():
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
        color = f"is a color image (mode {mode}), not a label map"
        raise ValueError(f"{name}: {color}; give a palette or grayscale image")
    return labels


def upright_rgb(image: Image.Image, name: object) -> Image.Image:
    """A PIL image of any mode, upright, in sRGB.  Raises as `decode`."""
    with ROOM.shared(), one_line_errors(name, FORMATS):
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
    if not any(kept[3] == PILLOW for kept in warnings.filters):
        warnings.filterwarnings("ignore", module=PILLOW.pattern)
    data = read_bytes(file, name)

    def decoded(data: bytes) -> T:
        with one_line_errors(name, formats), Image.open(io.BytesIO(data), formats=formats) as image:
            check_pixels(image)
            return function(image)

    try:
        return decoded(data)
    except ValueError as error:
        if is_heic(data):
            cure = "pip install pillow-heif, or save it as JPEG"
            raise ValueError(f"{name}: is a HEIC photo; {cure}") from error
        with contextlib.suppress(ValueError):
            if plain := without_metadata(data):
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
        most = MAX_PIXELS // 10**6
        raise ValueError(f"{name}: has more than {most} million pixels; scale it down") from error
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
    ROOM.take(image.width * image.height)
    image.load()  # a TIFF is turned here already, and then no longer says so
    turn = TURNS.get(orientation(image))
    image = to_rgb(image)
    return image if turn is None else image.transpose(turn)


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to sRGB with 8 bits, in bands; transparency is blended over white."""
    deep = image.mode == "F" or image.mode.startswith("I")
    to_8_bits = scale_to_8_bits(image) if deep else None
    transparent = not deep and image.has_transparency_data

    def source(band: Image.Image) -> Image.Image:
        if to_8_bits:
            return Image.fromarray(to_8_bits(np.asarray(band)).astype(np.uint8))
        if transparent:
            band = band.convert("RGBA")
        return band.convert("RGB") if transparent or band.mode == "P" else band

    transform = find_transform((source(band) for _, band in bands(image)), image.info.get("icc_profile"))
    if image.mode == "RGB" and not transparent and not transform:
        return image
    converted = Image.new("RGB", image.size)
    for top, band in bands(image):
        color = transform.apply(source(band)) if transform else source(band).convert("RGB")
        if transparent:
            color.putalpha(band.convert("RGBA").getchannel("A"))
            color = Image.alpha_composite(Image.new("RGBA", color.size, "white"), color).convert("RGB")
        converted.paste(color, (0, top))
    return converted


def scale_to_8_bits(image: Image.Image) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """What maps the gray levels of an image in Pillow's modes I and F to 0 ... 255.

    Formats other than TIFF have 16 bits; in a TIFF with 32, white is the first of WHITES that is high enough.
    """
    if image.mode.startswith("I;16") or image.mode == "I" and image.format not in ("TIFF", None):
        return lambda levels: np.clip(levels // 257, 0, 255)
    kind = np.uint32 if image.mode == "I" else np.float32  # Pillow takes the integers as signed
    levels = (np.asarray(band).view(kind) for _, band in bands(image))
    extremes = np.array([(each.min(), each.max()) for each in levels])
    if not 0 <= extremes.min() <= extremes.max() <= WHITES[-1]:  # also rejects NaN
        raise OSError("gray levels of unknown range")
    white = next(white for white in WHITES[image.mode == "I" :] if extremes.max() <= white)
    return lambda levels: np.rint(levels.view(kind) * (255.0 / white))


def find_transform(images: Iterable[Image.Image], profile: bytes | None) -> ImageCms.ImageCmsTransform | None:
    """The transform from a color profile to sRGB, or None if it cannot be used.

    images: the bands of one without transparency.  None also if it changes no pixel by more than rounding,
    as sRGB itself does.
    """
    with contextlib.suppress(ImageCms.PyCMSError, *DAMAGE):
        transform = None
        for image in images if profile else ():
            if transform is None:
                described = ImageCms.ImageCmsProfile(io.BytesIO(profile or b""))
                srgb = ImageCms.createProfile("sRGB")
                transform = ImageCms.buildTransform(described, srgb, image.mode, "RGB")
            difference = ImageChops.difference(transform.apply(image), image.convert("RGB"))
            if np.asarray(difference).max() > ROUNDING:
                return transform
    return None


def bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yield (first row, rows) of a photo, of about BAND pixels: work on them needs little memory."""
    rows = max(1, BAND // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


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
    canvas = Image.new(image.mode, (width, height), border_color(image) if fill is None else fill)
    canvas.paste(scaled, ((width - size[0]) // 2, (height - size[1]) // 2))
    return canvas


def resize(
    image: Image.Image, size: Size, box: tuple[float, float, float, float] | None = None
) -> Image.Image:
    """Resize to (width, height) with antialiasing; large images are averaged first."""
    left, top, right, bottom = box or (0, 0, *image.size)
    shrinks = size[0] <= right - left and size[1] <= bottom - top
    return image.resize(size, SHRINK if shrinks else ENLARGE, box, reducing_gap=GAP)


def border_color(pixels: Image.Image | NDArray[np.uint8]) -> tuple[int, ...] | int:
    """The median color of the outermost pixels of an image or of [H, W, 3] or [H, W], in Pillow's form."""
    if isinstance(pixels, Image.Image):
        w, h = pixels.size
        lines = (0, 0, w, 1), (0, h - 1, w, h), (0, 0, 1, h), (w - 1, 0, w, h)
        edges = [np.asarray(pixels.crop(line)) for line in lines]
        border = np.concatenate([edge.reshape(-1, *edge.shape[2:]) for edge in edges])
    else:
        border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    level = np.sort(border, axis=0)[len(border) // 2]
    return tuple(level.tolist()) if border.ndim == 2 else int(level)
