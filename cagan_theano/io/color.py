"""Pictures to and from the coding that the networks see: RGB, or Lab (section 4, "e.g. Lab").

Either coding lies in [-1, 1] and fits a byte: byte = (coding + 1) * 127.5.  RGB: byte = level.
Lab: bytes L * 255 / 100, a + 128, b + 128, which hold all of sRGB.
"""

import numpy as np


def encode(pictures: np.ndarray, color: str = "rgb") -> np.ndarray:
    """RGB pictures [..., 3], uint8 or float in [0, 1] -> float32 in [-1, 1], last axis the coding.

    color: "rgb" or "lab".  0 -> -1 and 255 -> 1 exactly in RGB.
    """
    if color == "rgb":
        levels = pictures if pictures.dtype == np.uint8 else pictures * 255.0
        return levels.astype(np.float32) / np.float32(127.5) - np.float32(1)
    return to_bytes_of_lab(pictures).astype(np.float32) / np.float32(127.5) - np.float32(1)


def to_bytes_of_lab(pictures: np.ndarray) -> np.ndarray:
    """RGB pictures as bytes of Lab, which a training keeps and so a swap must see, too."""
    from skimage.color import rgb2lab

    lab = rgb2lab(pictures) * (2.55, 1, 1) + (0, 128, 128)
    coding = (lab / 127.5 - 1).astype(np.float32)
    return np.rint((coding + 1) * 127.5).astype(np.uint8)


def decode(coding: np.ndarray, color: str = "rgb") -> np.ndarray:
    """The coding of `encode` [..., 3] -> RGB uint8, rounded; values outside are clipped."""
    levels = (np.asarray(coding) + np.float32(1)) * np.float32(127.5)
    if color != "rgb":
        levels = 255 * rgb_of_lab(levels)
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def rgb_of_lab(levels: np.ndarray) -> np.ndarray:
    """Lab levels 0..255 [..., 3] -> RGB in [0, 1]; colors that sRGB lacks come to its border."""
    import warnings

    from skimage.color import lab2rgb

    with warnings.catch_warnings():  # a network's colors may lie outside; that is no fault
        warnings.simplefilter("ignore", UserWarning)
        return lab2rgb((levels.astype(np.float64) - (0, 128, 128)) / (2.55, 1, 1))


def to_bytes(pictures: np.ndarray, color: str = "rgb") -> np.ndarray:
    """RGB uint8 [..., 3] -> the coding as bytes, for photos that stay resident on a device."""
    return pictures if color == "rgb" else to_bytes_of_lab(pictures)


def empty_pictures(shape) -> np.ndarray:
    """Uninitialized uint8 of a shape, from a multiple of 64 bytes on.

    On a CPU jax takes such an array as it is; of any other it makes a copy.
    """
    size = int(np.prod(shape))
    room = np.empty(size + 63, np.uint8)
    first = -room.ctypes.data % 64
    return room[first : first + size].reshape(shape)
