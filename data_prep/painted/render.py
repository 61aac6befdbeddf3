"""Rendering: a sitter wearing a garment, and a garment's product photo.

Everything that does not belong to the garment depends on the sitter alone, so the same
sitter in another garment is the true answer to the swap.
"""
import numpy as np

from data_prep.painted import background, collar, face, flesh, hair
from data_prep.painted.body import Figure
from data_prep.painted.canvas import Canvas, blur
from data_prep.painted.dress import Outfit
from data_prep.painted.light import Light
from data_prep.painted.mannequin import article_view
from data_prep.store import check_size

LENS = .32  # blur of the lens [output pixels at 128 rows]
NOISE = .0045  # standard deviation of the sensor's noise, share of white
ANCHOR = .03  # the head's top stays there at any camera scale


def render_worn(sitter, garment, size):
    """Photo of ``sitter`` wearing ``garment``.

    size: (height, width) [pixels]. Returns (photo [H,W,3] uint8, mask [H,W] uint8: the
    visible share of the garment, 0..255).
    """
    check_size(*size)
    canvas = Canvas(size, sitter.scale, sitter.shift, ANCHOR)
    light, figure, head = Light(*sitter.light), Figure(sitter), face.Head(sitter)
    outfit = Outfit(garment, figure, light, np.random.default_rng([sitter.seed, 3]))
    background.paint_backdrop(canvas, sitter)
    hair.paint_back(canvas, head, light)
    collar.paint_back(canvas, outfit, product=False)
    flesh.paint_trousers(canvas, sitter, figure, light)
    flesh.paint_neck(canvas, figure, light, sitter.person.skin)
    outfit.paint_torso(canvas)
    collar.paint_front(canvas, outfit)
    for side in (1 - sitter.front_arm, sitter.front_arm):
        flesh.paint_hand(canvas, sitter, figure, light, side, garment.sleeve_end - .08)
        outfit.paint_sleeve(canvas, side)
    face.paint_head(canvas, head, light)
    hair.paint_cap(canvas, head, light)
    hair.paint_front(canvas, head, figure, light)
    rgb, cloth = canvas.developed()
    return _expose(rgb, sitter.seed, size), np.round(cloth * 255).astype(np.uint8)


def render_article(garment, size):
    """The product photo [H,W,3] uint8 of ``garment``, worn by an invisible body."""
    check_size(*size)
    view = article_view(garment)
    canvas = Canvas(size, view.scale, view.shift, 0)
    canvas.rgb[:] = background.ARTICLE_LEVEL
    light = Light(-.12, -.45, 1.0)
    outfit = Outfit(garment, view.figure, light, np.random.default_rng(view.seed), .8)
    collar.paint_back(canvas, outfit, product=True)
    outfit.paint_torso(canvas)
    collar.paint_front(canvas, outfit)
    for side in (0, 1):
        outfit.paint_sleeve(canvas, side)
    return _expose(canvas.developed()[0], view.seed, size, noise=.3)


def _expose(rgb, seed, size, noise=1.0):
    """Lens, sensor noise and rounding to uint8."""
    sigma = LENS * size[0] / 128
    rgb = np.stack([blur(rgb[..., c], sigma) for c in range(3)], -1)
    grain = np.random.default_rng([seed, 4]).standard_normal(rgb.shape, np.float32)
    return np.clip(np.round((rgb + NOISE * noise * grain) * 255), 0, 255).astype(np.uint8)
