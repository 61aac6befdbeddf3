"""Reading one photo from an image file, whatever its format, mode, size and orientation."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

# Photos come in these.  Others that Pillow knows are left out, among them those that start
# another program (EPS).
FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
MAX_PIXELS = 100_000_000


def read_picture(path, height: int, width: int) -> np.ndarray:
    """The photo in a file as uint8 [height, width, 3] RGB.

    Turned as its EXIF says; transparency over white; any mode to RGB; 16 bits to 8.  Its aspect
    is kept: it is scaled, with antialiasing, and padded with the color of its border.
    Raises FileNotFoundError or ValueError, "FILE: what is wrong; the cure".
    """
    return np.asarray(fit(open_rgb(path), height, width))


def open_rgb(path) -> Image.Image:
    """The photo in a file, upright, in mode RGB."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file; check the path")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                check_size(path, image.size)
                return to_rgb(ImageOps.exif_transpose(image))
    except Image.UnidentifiedImageError as error:
        raise ValueError(f"{path}: is no image of a known format; give a PNG or JPEG") from error
    except Image.DecompressionBombError as error:
        raise too_large(path) from error
    except (OSError, SyntaxError, EOFError) as error:
        raise ValueError(f"{path}: is a damaged image ({error}); copy it again") from error


def check_size(path, size) -> None:
    """Raise ValueError for more pixels than a photo has: a decompression bomb."""
    if size[0] * size[1] > MAX_PIXELS:
        raise too_large(path)


def too_large(path) -> ValueError:
    """The error for a picture of too many pixels."""
    return ValueError(f"{path}: has more than {MAX_PIXELS // 10**6} million pixels; scale it down")


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB: palettes and CMYK converted, 16 bits scaled to 8, transparency over white."""
    if image.mode.startswith("I"):  # 16 bits of gray, which Pillow would clip, not scale
        image = Image.fromarray(np.clip(np.asarray(image) // 257, 0, 255).astype(np.uint8))
    elif image.mode == "F":
        raise OSError("its pixels are floating-point numbers, whose range is not known")
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def fit(image: Image.Image, height: int, width: int) -> Image.Image:
    """Scale, aspect kept, into width x height; what stays free gets the color of the border."""
    scale = min(height / image.height, width / image.width)
    w, h = (max(1, round(side * scale)) for side in image.size)
    canvas = Image.new("RGB", (width, height), border_color(image))
    scaled = image.resize((w, h), Image.Resampling.LANCZOS)
    canvas.paste(scaled, ((width - w) // 2, (height - h) // 2))
    return canvas


def border_color(image: Image.Image) -> tuple:
    """The median color of a picture's outermost pixels."""
    pixels = np.asarray(image)
    border = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    return tuple(int(level) for level in np.median(np.concatenate(border), axis=0))
