"""Shaders other than those of tops: skin and face, eyes, hair, trousers and skirts."""

import numpy as np

from data_prep.photoshoot.body.hair import head_marks, scalp_field
from data_prep.photoshoot.body.surface import template
from data_prep.photoshoot.clothes.pattern import smooth_noise
from data_prep.photoshoot.numeric import Coat, bump, look_up, smoothstep

LIP = np.array([0.74, 0.36, 0.36])


def skin(c, sitter):
    """(color [n,3], relief [n], gloss [n]) of the skin, including the face."""
    person, h = sitter.person, head_marks()
    n = len(c["x"])
    x, z = np.abs(c["x"]), c["z"] - h["eye"]
    front = (c["y"] < h["y"] - 0.02) & (c["head"] > 0.5)
    color = np.tile(person.skin.astype(np.float32), (n, 1))
    across = (c["x"] * 300 + c["y"] * 200) % 127
    noise = look_up(smooth_noise(person.seed % 997, 6), (c["z"] * 300) % 127, across)
    color *= 1 + 0.025 * noise[:, None] * np.array([0.6, 1, 1.2])
    cheeks = front * bump(x - 0.042, 0.022) * bump(z + 0.036, 0.02)
    nose = front * bump(x, 0.012) * bump(z + 0.045, 0.012)
    color *= 1 - (0.10 * cheeks + 0.06 * nose)[:, None] * np.array([0, 1, 0.9])
    hands = smoothstep(0.3, 0.9, c["hand"])
    color *= 1 - 0.06 * hands[:, None] * np.array([0, 1, 1])
    mouth = h["eye"] - 0.0715
    curve = 0.0025 * bump(x, 0.006) - 0.004 * (x / 0.025) ** 2
    off = np.abs(c["z"] - mouth - curve) + 0.010 * (x / 0.03) ** 2
    lips = front * smoothstep(0.0275, 0.022, x) * smoothstep(0.0095, 0.0060, off)
    coat = Coat(color, np.zeros(n))
    coat.mix((0.35 + 0.45 * person.lips) * lips, person.skin * LIP / 0.62)
    line = front * smoothstep(0.026, 0.020, x) * bump(c["z"] - mouth, 0.0014)
    coat.darken(0.45 * line)
    rise = 0.006 * smoothstep(0.012, 0.034, x) - 0.010 * smoothstep(0.034, 0.052, x)
    thick = (0.0030 if person.build.male < 0.5 else 0.0042) * (1 - 0.5 * smoothstep(0.03, 0.05, x))
    brow = front * smoothstep(0.010, 0.016, x) * smoothstep(0.052, 0.046, x) * bump(z - 0.0195 - rise, thick)
    coat.mix(0.6 * brow, person.hair * 0.8 + 0.06)
    coat.darken(0.14 * (front * bump(x - h["eye_x"], 0.017) * bump(z, 0.0115)))
    lash = front * bump(x - h["eye_x"], 0.0150) * bump(z - 0.0055 + 14 * (x - h["eye_x"]) ** 2, 0.0022)
    coat.darken(0.5 * lash)
    if person.beard:
        slope = z - 0.45 * np.maximum(c["y"] - h["front"] - 0.06, -0.02)
        jaw = (c["head"] > 0.3) * smoothstep(-0.052, -0.075, slope)
        jaw = jaw * smoothstep(h["y"] + 0.02, h["y"] - 0.015, c["y"]) * smoothstep(-0.150, -0.125, z)
        lip = front * bump(z + 0.058, 0.006) * smoothstep(0.036, 0.028, x)
        hairy = np.clip(np.maximum(jaw, lip * 0.9) - 0.8 * lips, 0, 1) * person.beard
        coat.mix(0.8 * hairy, person.hair * 0.9)
    bald = person.style == "bald"
    if not bald or person.build.male > 0.5:
        stubble = smoothstep(-0.004, 0.008, scalp_field(c, person.hairline))
        coat.mix(stubble * (0.35 if bald else 0.85), person.hair)
    if person.glasses:
        ring = np.abs(np.hypot((x - h["eye_x"]) / 1.15, z + 0.004) - 0.0215)
        frame = front * np.maximum(smoothstep(0.0032, 0.0018, ring), bump(z - 0.004, 0.002) * (x < 0.014))
        coat.mix(0.9 * frame, 0.08)
    return coat.color, coat.relief, np.full(n, 0.06)


def eyes(c, sitter):
    """(color, relief, gloss) of the eyeballs."""
    n = len(c["x"])
    r = np.hypot(c["x"], c["z"])
    r = np.where(c["y"] < 0, r, 1)
    color = np.tile(np.array([0.78, 0.75, 0.73]), (n, 1))
    color = color + smoothstep(0.0068, 0.0060, r)[:, None] * (sitter.person.eye - color)
    color = color * (1 - 0.9 * smoothstep(0.0030, 0.0024, r))[:, None]
    return color * 0.92, np.zeros(n), np.full(n, 0.5)


def hair(c, sitter):
    """(color, relief, gloss) of the hair, with strands along its direction."""
    person = sitter.person
    fine, coarse = (3, 1.2) if person.style != "curls" else (30, 30)
    across = c["side"] * 40
    strand = look_up(smooth_noise(person.seed % 991, 1.5), across % 127, (c["z"] * 60 * fine / 3) % 127)
    broad = look_up(smooth_noise(person.seed % 983, 5), across % 127, (c["z"] * 90 * coarse) % 127)
    level = np.clip(1 + 0.10 * strand + 0.14 * broad, 0.4, 1.7)
    color = person.hair * level[:, None]
    return color, 0.0006 * strand + 0.0014 * broad, np.full(len(level), 0.22)


def below(c, sitter):
    """(color, relief, gloss) of trousers, jeans, leggings, shorts or a skirt."""
    marks = template()[1]
    n = len(c["x"])
    seed = sitter.seed % 997
    color = np.tile(sitter.below_color.astype(np.float32), (n, 1))
    down = marks.hip + sitter.waist - c["z"]
    leg = np.abs(c["x"])
    wide = look_up(smooth_noise(seed, 5), (c["z"] * 240) % 127, (c["x"] * 160 + c["y"] * 90) % 127)
    fine = look_up(smooth_noise(seed + 1, 2), (c["z"] * 400) % 127, (c["x"] * 300 + c["y"] * 200) % 127)
    relief = 0.0022 * wide * (0.4 if sitter.below == "leggings" else 1) + 0.0006 * fine
    if sitter.below == "jeans":
        faded = 0.16 * bump(leg - 0.10, 0.05) * smoothstep(0.1, 0.25, down) * (c["y"] < marks.middle)
        color = color * (1 + 0.06 * fine + faded)[:, None]
    front = c["y"] < marks.middle
    if sitter.below in ("jeans", "trousers"):
        fly = front * bump(c["x"] - 0.004, 0.0022) * (down < 0.18)
        pocket = front * bump(leg - 0.10 - 0.5 * (down - 0.06), 0.0035) * (down < 0.14) * (down > 0.03)
        relief = relief - 0.002 * (fly + pocket)
        color = color * (1 - 0.25 * (fly + pocket))[:, None]
    band = smoothstep(0.042, 0.036, down)
    relief = relief + 0.002 * band
    if sitter.belt:
        color = color + (band * (down > 0.004))[:, None] * (np.array([0.16, 0.11, 0.08]) - color)
    return color, relief, np.full(n, 0.05)
