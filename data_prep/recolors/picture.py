"""Build the images of a swap from recolored photos: x, its mask, the article, the background."""

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

from data_prep.picture import fit
from data_prep.recolors.region import WHITE, connected_to_border

ARTICLE = 0.78  # share of the frame that an article fills
ARTICLE_BACKGROUND = (246, 246, 246)  # as in the photoshoot
DARK = 128  # of 255: darker pixels contain nothing of a white background


def fit_in_frame(image, size, share, fill):
    """Fit a photo or mask into the middle `share` of a frame: uint8 [H, W, 3] or [H, W].

    image: PIL, mode RGB or L; size: (height, width) of the frame; fill: its color.
    """
    height, width = (round(side * share) for side in size)
    canvas = Image.new(image.mode, size[::-1], fill)
    canvas.paste(fit(image, height, width, fill=fill), ((size[1] - width) // 2, (size[0] - height) // 2))
    return np.asarray(canvas)


def mask_image(region, size):
    """Resize a region to the (width, height) of a photo: a PIL image in mode L."""
    return Image.fromarray(np.where(region, np.uint8(255), np.uint8(0))).resize(
        size, Image.Resampling.BILINEAR
    )


def article(image, mask, size):
    """Cut the garment from a photo, mirrored and centered: (y [H, W, 3], its mask [H, W]).

    Mirrored and resized, so that none of its pixels coincide with the ground truth.  image: PIL, RGB;
    mask: PIL, L, of the same size; size: (height, width).
    """
    cut = Image.composite(image, Image.new("RGB", image.size, ARTICLE_BACKGROUND), mask)
    box = mask.getbbox()
    return tuple(
        fit_in_frame(ImageOps.mirror(part.crop(box)), size, ARTICLE, fill)
        for part, fill in ((cut, ARTICLE_BACKGROUND), (mask, 0))
    )


def with_gray_background(images, level):
    """Replace the white background of one style's images [N, H, W, 3] by a gray level of 255.

    A pixel's share of background comes from its darkest value over all colors.  Images that agree in a
    pixel therefore still agree in it, and a white garment stays white.
    """
    darkest = images.min(axis=(0, -1))
    background = ndimage.binary_dilation(connected_to_border(darkest >= WHITE))  # with the figure's soft edge
    share = np.where(background, np.clip((darkest - float(DARK)) / (255 - DARK), 0, 1), 0)[..., None]
    return np.uint8(np.rint(images * (1 - share * (1 - level / 255))))
