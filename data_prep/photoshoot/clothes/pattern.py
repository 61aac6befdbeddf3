"""Patterns: stripes, blocks, prints and knits as functions of garment coordinates.

Coordinates in body units (`fabric.UNIT` meters): on the torso, a runs around, 0 at the center front, and
s down from the shoulders; a sleeve's s continues that of the torso at the armpit.  A garment's pattern
therefore does not depend on how it is worn or photographed.
"""

import functools

import numpy as np
from scipy.ndimage import gaussian_filter

from data_prep.photoshoot.clothes.garment import TABLES
from data_prep.photoshoot.numeric import look_up, smoothstep

PRINT_GRID = 96  # resolution of a print's stencil
EDGE = 0.0016  # softness of the borders between colors [body units]
SLEEVE_START = 0.055  # s at the top of the sleeve: stripes meet near the armpit
CHEST = 0.12  # half-width of the region of a print [body units]
NOISE = 128  # resolution of `smooth_noise`


def albedo(garment, a, s, hem, sleeve):
    """Color [n,3] in 0..1 of the torso or a sleeve at a, s [n]; ``hem``: s of the hem."""
    base = garment.color("sleeve" if sleeve else "body").astype(np.float32)
    plain = np.broadcast_to(base, s.shape + (3,)).astype(np.float32)
    bare = sleeve and (garment.trim == "sleeves" or garment.pattern == "print")
    if garment.pattern not in PATTERNS or bare:
        return plain
    return mix_colors(plain, garment, *PATTERNS[garment.pattern](garment, a, s, hem, sleeve))


def mix_colors(base, garment, second, third=0.0):
    """Mix ``base`` [n,3] with shares [n] of the garment's second and third color."""
    color = base + np.asarray(second)[..., None] * (np.asarray(garment.colors[1], np.float32) - base)
    return color + np.asarray(third)[..., None] * (np.asarray(garment.colors[2], np.float32) - color)


def _above(value):
    """Soft step: 1 where a distance [body units] is positive."""
    return smoothstep(-EDGE, EDGE, value)


def stripes(garment, _a, s, _hem, _sleeve):
    """Shares of the second and third color: stripes below the yoke, in one color or alternating in two."""
    d = garment.details
    phase = s / d["period"] + d["phase"]
    soft = EDGE / d["period"]
    stripe = smoothstep(-soft, soft, d["duty"] / 2 - np.abs(phase % 1 - 0.5)) * _above(s - d["top"])
    odd = np.floor(phase) % 2 if d["third"] else 0.0
    return stripe * (1 - odd), stripe * odd


def blocks(garment, a, s, hem, sleeve):
    """Share of the second color: a yoke, band or hem all around; halves, sides or diagonal on the torso."""
    d = garment.details
    kind = d["kind"]
    if sleeve and kind in ("halves", "sides", "diagonal"):
        return (np.zeros_like(s),)
    inside = {
        "yoke": d["at"] - s,
        "band": d["width"] / 2 - np.abs(s - d["at"] - 0.03),
        "hem": s - hem + d["width"] + 0.04,
        "halves": a,
        "sides": np.abs(a) - 0.07,
        "diagonal": a * 0.9 + (s - d["at"] - 0.06),
    }
    return (_above(inside[kind]),)


def chest_print(garment, a, s, _hem, _sleeve):
    """Shares of the second and third color: a stencil on the chest."""
    d = garment.details
    c, r = (np.cos(d["angle"]), np.sin(d["angle"])) if d["kind"] < 6 else (1, 0)  # letters are not rotated
    u = np.where(np.abs(a) < CHEST, a - d.get("side", 0), 9) / d["size"]
    v = (s - d["at"]) / d["size"]
    column = (0.5 + 0.5 * (u * c + v * r)) * (PRINT_GRID - 1)
    row = (0.5 + 0.5 * (v * c - u * r)) * (PRINT_GRID - 1)
    return tuple(look_up(layer, row, column) for layer in stencil(d["kind"], tuple(d["letters"])))


def all_over(garment, a, s, _hem, _sleeve):
    """Shares of the second and third color: dots, checks, flowers or camouflage all over the cloth."""
    kind, period = garment.details["kind"], garment.details["period"]
    u, v = a / period, s / period
    if kind == "dots":
        return (smoothstep(0.36, 0.30, np.hypot(u % 1 - 0.5, v % 1 - 0.5)),)
    if kind == "checks":
        return (0.5 * (u % 1 < 0.5) + 0.5 * (v % 1 < 0.5),)
    noise = smooth_noise(garment.seed % 1000, 4 if kind == "flowers" else 7)
    field = look_up(noise, v * 18 % (NOISE - 1), u * 18 % (NOISE - 1))
    return smoothstep(0.5, 0.6, field), smoothstep(0.6, 0.7, -field)


PATTERNS = {"stripes": stripes, "blocks": blocks, "print": chest_print, "all-over": all_over}


@functools.lru_cache(64)
def stencil(kind, letters):
    """Masks [PRINT_GRID,PRINT_GRID] of the second and third color of print ``kind`` in 0..9."""
    v, u = np.mgrid[-1 : 1 : PRINT_GRID * 1j, -1 : 1 : PRINT_GRID * 1j]
    r, angle = np.hypot(u, v), np.arctan2(v, u)
    none = np.zeros_like(u)

    def level(value):
        return smoothstep(-0.03, 0.03, value)

    masks = [
        lambda: (level(0.85 - r), level(0.5 - r)),
        lambda: (level(0.85 - r) - level(0.6 - r), none),
        lambda: (level(0.5 + 0.36 * np.cos(5 * (angle + np.pi / 2)) - r * 0.95), none),
        lambda: (level(0.9 - np.abs(u) - np.abs(v)), level(0.45 - np.abs(u) - np.abs(v))),
        lambda: (level(np.minimum(0.7 - v, v + 0.8 - 1.6 * np.abs(u))), none),
        lambda: (level(0.8 - np.maximum(np.abs(u), np.abs(v))), level(0.8 - r) * level(v)),
        lambda: tuple(level(0.18 - np.abs(v - z)) * level(0.95 - np.abs(u)) for z in (0.35, -0.25)),
        lambda: (level(0.93 - r) * level(np.sin(v * 13)), none),
        lambda: (word(u, v, letters), none),
        lambda: (word(u, v, letters[:2]), level(0.06 - np.abs(v - 0.75)) * level(0.9 - np.abs(u))),
    ][kind]()
    return tuple((mask * (np.maximum(abs(u), abs(v)) < 0.97)).astype(np.float32) for mask in masks)


def word(u, v, letters):
    """Mask of 4x4 letters (indices of the glyphs) side by side, at u, v in -1..1."""
    tall = 2.0 / len(letters)
    slot = np.clip(((u + 1) / 2 * len(letters)).astype(int), 0, len(letters) - 1)
    column = (((u + 1) / 2 * len(letters)) % 1 * 5).astype(int)
    row = np.floor((v / tall + 0.5) * 4).astype(int)
    bits = np.array([[int(bit) for bit in TABLES["glyphs"][n]] for n in letters]).reshape(-1, 4, 4)
    valid = (column < 4) & (row >= 0) & (row < 4)
    return valid * bits[slot, np.clip(row, 0, 3), np.clip(column, 0, 3)].astype(float)


def knit(garment, a, s):
    """Relief [n] of a knit [body units]: cables, wide ribs or waffle; 0 for other patterns."""
    if garment.pattern != "knit":
        return 0.0
    d = garment.details
    x = 2 * np.pi * a / d["period"]
    if d["kind"] == "rib":
        return 0.0009 * np.cos(x)
    if d["kind"] == "waffle":
        return 0.0008 * np.cos(x) * np.cos(2 * np.pi * s / d["period"])
    twist = np.sin(2 * np.pi * s / (1.6 * d["period"]))
    return 0.0010 * np.cos(x + 0.8 * twist * (np.cos(0.5 * x) > 0)) * (np.cos(0.5 * x + 0.8) > -0.6)


@functools.lru_cache(64)
def smooth_noise(seed, smooth):
    """Smooth periodic noise [NOISE,NOISE] of mean 0 and standard deviation 1."""
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(NOISE, NOISE)), smooth, mode="wrap")
    return ((field - field.mean()) / field.std()).astype(np.float32)
