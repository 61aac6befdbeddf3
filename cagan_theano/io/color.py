"""Conversion between images and network inputs, in RGB or Lab (section 4, "e.g. Lab").

Both codings are in [-1, 1] and correspond to bytes: byte = (coding + 1) * 127.5.  RGB: byte = level.
Lab: bytes L * 255 / 100, a + 128, b + 128, which cover all of sRGB.
"""

import warnings

import numpy as np
from numpy.typing import NDArray

CODINGS = {
    "rgb": "R, G, B as byte / 127.5 - 1",
    "lab": "CIE Lab as bytes 255 L / 100, a + 128, b + 128, and these as byte / 127.5 - 1",
}
"""The codings in words."""

MASK_LEVEL = 127  # mask values above this are garment

Pixels = NDArray[np.uint8]


def encode(images: np.ndarray, color: str = "rgb") -> np.ndarray:
    """RGB images [..., 3], uint8 or float in [0, 1] -> float32 [..., 3] in [-1, 1].

    color: "rgb" or "lab".  In RGB, 0 -> -1 and 255 -> 1 exactly.
    """
    if color == "lab":
        images = to_bytes(images, color)
    levels = images if images.dtype == np.uint8 else images * 255.0
    return levels.astype(np.float32) / np.float32(127.5) - np.float32(1)


def to_bytes(images: np.ndarray, color: str = "rgb") -> np.ndarray:
    """RGB images [..., 3] -> the coding as uint8, for photos that stay on a device.

    Training stores these bytes, so `encode` computes Lab from them, too.
    """
    if color == "rgb":
        return images
    from skimage.color import rgb2lab

    lab = rgb2lab(images) * (2.55, 1, 1) + (0, 128, 128)
    coding = (lab / 127.5 - 1).astype(np.float32)
    return np.rint((coding + 1) * 127.5).astype(np.uint8)


def decode(coding: np.ndarray, color: str = "rgb") -> np.ndarray:
    """The output of `encode` -> RGB uint8, rounded and clipped."""
    levels = (np.asarray(coding) + np.float32(1)) * np.float32(127.5)
    if color == "lab":
        from skimage.color import lab2rgb

        with warnings.catch_warnings():  # a network's colors may lie outside sRGB; that is not an error
            warnings.simplefilter("ignore", UserWarning)
            levels = 255 * lab2rgb((levels.astype(np.float64) - (0, 128, 128)) / (2.55, 1, 1))
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def empty_pictures(shape) -> np.ndarray:
    """Uninitialized uint8 array, aligned to 64 bytes.

    On a CPU, jax uses an aligned array in place and copies any other.
    """
    size = int(np.prod(shape))
    room = np.empty(size + 63, np.uint8)
    first = -room.ctypes.data % 64
    return room[first : first + size].reshape(shape)


def as_bytes(image):
    """A float image in [0, 1] as uint8; uint8 is returned unchanged."""
    image = np.asarray(image)
    if image.dtype == np.uint8:
        return image
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)


def check_images(array, name: str, *axes) -> np.ndarray:
    """The array, if it is uint8 or float in [0, 1] and has these axes; ValueError otherwise.

    axes: a number for an axis of that size, "N" for any size, another letter for any size but 0.
    """
    array = np.asarray(array)
    fits = (
        size == axis if isinstance(axis, int) else size > 0 or axis == "N"
        for size, axis in zip(array.shape, axes)
    )  # fmt: skip
    if array.ndim != len(axes) or not all(fits):
        raise ValueError(f"{name} has shape {array.shape}, expected [{', '.join(map(str, axes))}]")
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise ValueError(f"{name} has dtype {array.dtype}; use uint8, or float in [0, 1]")
    if array.dtype != np.uint8 and not ((array >= 0) & (array <= 1)).all():  # also rejects NaN
        raise ValueError(f"{name} has values outside [0, 1]; use uint8, or float in [0, 1]")
    return array
