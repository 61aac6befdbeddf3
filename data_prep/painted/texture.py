"""Textures: a garment's colours and knit as functions of its own coordinates.

The torso's coordinates are (a, s): a runs across in body units of the unrolled cloth (0 at
the middle front), s down from the shoulders' neck point. A sleeve's s continues the torso's
at the armpit. Worn and lying flat, the garment is coloured by the same functions.
"""
import functools

import numpy as np

from data_prep.painted.canvas import look_up, smoothstep

PRINT_GRID = 96  # resolution of a print's stencil
EDGE = .0016  # softness of the borders between colours [body units]
SLEEVE_START = .055  # s at the top of the sleeve: stripes meet near the armpit


def torso_color(garment, a, s, hem):
    """Albedo [h,w,3] of the torso at a, s; ``hem`` is s of the hem."""
    share = PATTERNS[garment.pattern](garment, a, s, hem)
    return _mix(garment.color("body"), garment, share)


def sleeve_color(garment, s):
    """Albedo [h,w,3] of a sleeve at s."""
    base = garment.color("sleeve")
    if garment.trim == "sleeves" or garment.pattern in ("print", "knit", "plain"):
        return np.broadcast_to(base.astype(np.float32), s.shape + (3,))
    return _mix(base, garment, PATTERNS[garment.pattern](garment, None, s, .43))


def _mix(base, garment, share):
    """share: [h,w] of the second color, or a pair (of the second, of the third)."""
    base = base.astype(np.float32)
    if share is None:
        return base
    second, third = share if isinstance(share, tuple) else (share, None)
    color = base + second[..., None] * (np.asarray(garment.colors[1], np.float32) - base)
    if third is not None:
        color += third[..., None] * (np.asarray(garment.colors[2], np.float32) - color)
    return color


def _plain(garment, a, s, hem):
    return None


def _stripes(garment, a, s, hem):
    d = garment.details
    phase = s / d["period"] + d["phase"]
    soft = EDGE / d["period"]
    wave = np.abs((phase % 1) - .5)
    stripe = smoothstep(-soft, soft, d["duty"] / 2 - wave)
    stripe = stripe * smoothstep(-EDGE, EDGE, s - d["top"])
    if d["third"]:
        odd = (np.floor(phase) % 2).astype(np.float32)
        return stripe * (1 - odd), stripe * odd
    return stripe


def _blocks(garment, a, s, hem):
    d = garment.details
    inside = lambda value: smoothstep(-EDGE, EDGE, value)  # noqa: E731
    if d["kind"] == "yoke":
        return inside(d["at"] - s)
    if d["kind"] == "band":
        return inside(d["width"] / 2 - np.abs(s - d["at"] - .03))
    if d["kind"] == "hem":
        return inside(s - hem + d["width"] + .04)
    if a is None:  # sleeves stay in the first colour
        return np.zeros_like(s)
    return inside(a) if d["kind"] == "halves" else inside(a * .9 + (s - d["at"] - .06))


def _print(garment, a, s, hem):
    d = garment.details
    c, r = np.cos(d["angle"]), np.sin(d["angle"])
    if d["kind"] >= 6:  # letters and bands stay level
        c, r = 1, 0
    u, v = a / d["size"], (s - d["at"]) / d["size"]
    column = (.5 + .5 * (u * c + v * r)) * (PRINT_GRID - 1)
    row = (.5 + .5 * (v * c - u * r)) * (PRINT_GRID - 1)
    layers = stencil(d["kind"], tuple(d["letters"]))
    return tuple(look_up(layer, row, column) for layer in layers)


PATTERNS = {"plain": _plain, "stripes": _stripes, "blocks": _blocks, "print": _print,
            "knit": _plain}

GLYPHS = ("0110100111111001", "1110111010011110", "0111100010000111", "1111111010001111",
          "1001111110011001", "1000100010001111", "1111100110011111", "1001011001101001")


@functools.lru_cache(64)
def stencil(kind, letters):
    """Two [PRINT_GRID,PRINT_GRID] masks (second and third color) of a chest print."""
    v, u = np.mgrid[-1:1:PRINT_GRID * 1j, -1:1:PRINT_GRID * 1j]
    r, angle = np.hypot(u, v), np.arctan2(v, u)
    level = lambda value: smoothstep(-.03, .03, value)  # noqa: E731
    none = np.zeros_like(u)
    masks = [
        lambda: (level(.85 - r), level(.5 - r)),
        lambda: (level(.85 - r) - level(.6 - r), none),
        lambda: (level(.5 + .36 * np.cos(5 * (angle + np.pi / 2)) - r * .95), none),
        lambda: (level(.9 - np.abs(u) - np.abs(v)), level(.45 - np.abs(u) - np.abs(v))),
        lambda: (level(np.minimum(.7 - v, v + .8 - 1.6 * np.abs(u))), none),
        lambda: (level(.8 - np.maximum(np.abs(u), np.abs(v))), level(.8 - r) * level(v)),
        lambda: (level(.18 - np.abs(v - .35)) * level(.95 - np.abs(u)),
                 level(.18 - np.abs(v + .25)) * level(.95 - np.abs(u))),
        lambda: (level(.93 - r) * level(np.sin(v * 13)), none),
        lambda: (_letters(u, v, letters), none),
        lambda: (_letters(u, v, letters[:2]), level(.06 - np.abs(v - .75)) * level(.9 - np.abs(u))),
    ][kind]()
    return tuple((mask * (np.maximum(abs(u), abs(v)) < .97)).astype(np.float32) for mask in masks)


def _letters(u, v, letters):
    """Coarse 4x4 letters side by side."""
    tall = 2.0 / len(letters)
    slot = np.clip(((u + 1) / 2 * len(letters)).astype(int), 0, len(letters) - 1)
    column = (((u + 1) / 2 * len(letters)) % 1 * 5).astype(int)
    row = np.floor((v / tall + .5) * 4).astype(int)
    bits = np.array([[int(bit) for bit in GLYPHS[n]] for n in letters]).reshape(-1, 4, 4)
    valid = (column < 4) & (row >= 0) & (row < 4)
    return valid * bits[slot, np.clip(row, 0, 3), np.clip(column, 0, 3)].astype(float)


def knit(garment, a, s):
    """Relief [h,w] of the knit [body units]: cables, broad ribs or waffle; 0 otherwise."""
    if garment.pattern != "knit":
        return 0.0
    d = garment.details
    x = 2 * np.pi * a / d["period"]
    if d["kind"] == "rib":
        return .0009 * np.cos(x)
    if d["kind"] == "waffle":
        return .0008 * np.cos(x) * np.cos(2 * np.pi * s / d["period"])
    twist = np.sin(2 * np.pi * s / (1.6 * d["period"]))
    return .0010 * np.cos(x + .8 * twist * (np.cos(.5 * x) > 0)) * (np.cos(.5 * x + .8) > -.6)


def ribs(across):
    """Brightness factor of a rib knit, by the distance across it [body units]."""
    return 1 + .07 * np.cos(2 * np.pi * across / .0095)
