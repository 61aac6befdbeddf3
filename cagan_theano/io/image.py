"""Images encoded for files: the one encoder of every format that is written."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

WRITES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
PNG_LEVEL = 4  # swaps compress as well as at zlib's higher levels (measured), in half the time


def check_ending(path) -> str:
    """Pillow's name of the format that a file name asks for; ValueError unless it is one of `WRITES`."""
    ending = Path(path).suffix.lower()
    if ending not in WRITES:
        raise ValueError(f"{path}: not an image format that can be written; end it in " + ", ".join(WRITES))
    return Image.registered_extensions()[ending]


def encode_image(image, path="image.png", about: dict | None = None) -> bytes:
    """An image as the bytes of a file of the format that a file name asks for, tagged as sRGB.

    image: PIL image, or uint8 [H, W, 3] or [H, W].  about: str -> str for the text chunks of a PNG;
    other formats leave it out.  Raises ValueError for a name that does not end in one of `WRITES`.
    """
    format, content, chunks = check_ending(path), io.BytesIO(), PngInfo()
    if format == "PNG":
        chunks.add(b"sRGB", b"\0")
    for name, text in (about or {}).items():
        chunks.add_text(name, text)
    image = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))
    settings = {"quality": 95, "compress_level": PNG_LEVEL, "pnginfo": chunks}
    if format in ("JPEG", "WEBP", "TIFF") and image.mode == "RGB":
        settings["icc_profile"] = make_srgb_profile()
    image.save(content, format, **settings)
    return content.getvalue()


def make_srgb_profile() -> bytes:
    """An ICC profile of sRGB that is the same at any time."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes(12)  # the date of creation
    return bytes(profile)
