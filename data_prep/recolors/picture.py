"""The pictures of a swap that are made of recolored photos: x, its mask, the article, the ground."""

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

from data_prep.picture import fit
from data_prep.recolors.region import GROUND, reaching

ARTICLE = 0.78  # share of the frame into which an article is fitted
PAPER = (246, 246, 246)  # the ground of an article, that of the photoshoot
DARK = 128  # of 255: as light as a pixel must be to have something of a white ground in it


def framed(image, size, share, fill):
    """A photo or mask fitted into `share` of a frame, in its middle; uint8 [H, W, 3] or [H, W].

    image: PIL, mode RGB or L; size: (height, width) of the frame; fill: its color.
    """
    height, width = (round(side * share) for side in size)
    canvas = Image.new(image.mode, size[::-1], fill)
    canvas.paste(fit(image, height, width, fill=fill), ((size[1] - width) // 2, (size[0] - height) // 2))
    return np.asarray(canvas)


def mask_image(region, size):
    """A region as a PIL image in mode L, as large as the photo: size (width, height)."""
    return Image.fromarray(np.where(region, np.uint8(255), np.uint8(0))).resize(
        size, Image.Resampling.BILINEAR
    )


def article(image, mask, size):
    """(y [H, W, 3], its mask [H, W]): the garment cut from a photo, mirrored, in the middle.

    Mirrored and fitted anew, so that no pixel of it lies where the answer has it.  image: PIL, RGB;
    mask: PIL, L, as large; size: (height, width).
    """
    cut = Image.composite(image, Image.new("RGB", image.size, PAPER), mask)
    box = mask.getbbox()
    return tuple(
        framed(ImageOps.mirror(part.crop(box)), size, ARTICLE, fill)
        for part, fill in ((cut, PAPER), (mask, 0))
    )


def grounded(pictures, level):
    """Pictures of one style [N, H, W, 3] with their white ground in a gray: level of 255.

    How much of a pixel is ground is asked of all colors together, the darkest deciding, so that
    x and its truth stay the same wherever they were the same, and a white garment stays white.
    """
    light = pictures.min(axis=(0, -1))
    ground = ndimage.binary_dilation(reaching(light >= GROUND))  # with the soft edge of the figure
    share = np.where(ground, np.clip((light - float(DARK)) / (255 - DARK), 0, 1), 0)[..., None]
    return np.uint8(np.rint(pictures * (1 - share * (1 - level / 255))))
