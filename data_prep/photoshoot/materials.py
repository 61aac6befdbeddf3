"""Materials other than the garments': skin and face, eyes, hair, trousers and skirts."""

import numpy as np

from data_prep.photoshoot.cloth import template
from data_prep.photoshoot.hair import head_marks, scalp_field
from data_prep.photoshoot.numeric import look_up, smoothstep
from data_prep.photoshoot.pattern import blots

LIP = np.array([.74, .36, .36])


def bell(value, width):
    """A Gaussian of height 1."""
    return np.exp(-(value / width) ** 2)


def skin(c, sitter):
    """(color [n,3], relief [n], gloss [n]) of skin with its face."""
    person, h = sitter.person, head_marks()
    n = len(c["x"])
    x, z = np.abs(c["x"]), c["z"] - h["eye"]
    front = (c["y"] < h["y"] - .02) & (c["head"] > .5)
    color = np.tile(person.skin.astype(np.float32), (n, 1))
    noise = look_up(blots(person.seed % 997, 6), (c["z"] * 300) % 127, (c["x"] * 300 + c["y"] * 200) % 127)
    color *= 1 + .025 * noise[:, None] * np.array([.6, 1, 1.2])
    cheeks = front * bell(x - .042, .022) * bell(z + .036, .02)
    nose = front * bell(x, .012) * bell(z + .045, .012)
    color *= 1 - (.10 * cheeks + .06 * nose)[:, None] * np.array([0, 1, .9])
    hands = smoothstep(.3, .9, c["hand"])
    color *= 1 - .06 * hands[:, None] * np.array([0, 1, 1])
    mouth = h["eye"] - .0715
    curve = .0025 * bell(x, .006) - .004 * (x / .025) ** 2
    lips = front * smoothstep(.0275, .022, x) * smoothstep(.0095, .0060, np.abs(c["z"] - mouth - curve) + .010 * (x / .03) ** 2)
    share = (.35 + .45 * person.lips) * lips
    color = color + share[:, None] * (person.skin * LIP / .62 - color)
    line = front * smoothstep(.026, .020, x) * bell(c["z"] - mouth, .0014)
    color *= 1 - .45 * line[:, None]
    rise = .006 * smoothstep(.012, .034, x) - .010 * smoothstep(.034, .052, x)
    thick = (.0030 if person.build.male < .5 else .0042) * (1 - .5 * smoothstep(.03, .05, x))
    brow = front * smoothstep(.010, .016, x) * smoothstep(.052, .046, x) * bell(z - .0195 - rise, thick)
    color = color + (.6 * brow)[:, None] * (person.hair * .8 + .06 - color)
    eye = front * bell(x - h["eye_x"], .017) * bell(z, .0115)
    color *= 1 - (.14 * eye)[:, None]
    lash = front * bell(x - h["eye_x"], .0150) * bell(z - .0055 + 14 * (x - h["eye_x"]) ** 2, .0022)
    color *= 1 - (.5 * lash)[:, None]
    if person.beard:
        jaw = (c["head"] > .3) * smoothstep(-.052, -.075, z - .45 * np.maximum(c["y"] - h["front"] - .06, -.02)) \
            * smoothstep(h["y"] + .02, h["y"] - .015, c["y"]) * smoothstep(-.150, -.125, z)
        lip = front * bell(z + .058, .006) * smoothstep(.036, .028, x)
        hairy = np.clip(np.maximum(jaw, lip * .9) - .8 * lips, 0, 1) * person.beard
        color = color + (.8 * hairy)[:, None] * (person.hair * .9 - color)
    stubble = smoothstep(-.004, .008, scalp_field(c, person.hairline)) * (.35 if person.style == "bald" else .85)
    color = color + stubble[:, None] * (person.hair - color) * (person.style != "bald" or person.build.male > .5)
    if person.glasses:
        ring = np.abs(np.hypot((x - h["eye_x"]) / 1.15, z + .004) - .0215)
        frame = front * np.maximum(smoothstep(.0032, .0018, ring), bell(z - .004, .002) * (x < .014))
        color = color + (.9 * frame)[:, None] * (.08 - color)
    return color, np.zeros(n), np.full(n, .06)


def eyes(c, sitter):
    """(color, relief, gloss) of the eyeballs."""
    n = len(c["x"])
    r = np.hypot(c["x"], c["z"])
    r = np.where(c["y"] < 0, r, 1)
    color = np.tile(np.array([.78, .75, .73]), (n, 1))
    color = color + smoothstep(.0068, .0060, r)[:, None] * (sitter.person.eye - color)
    color = color * (1 - .9 * smoothstep(.0030, .0024, r))[:, None]
    return color * .92, np.zeros(n), np.full(n, .5)


def hair(c, sitter):
    """(color, relief, gloss): strands along the fall of the hair."""
    person = sitter.person
    fine, coarse = (3, 1.2) if person.style != "curls" else (30, 30)
    across = c["side"] * 40
    strand = look_up(blots(person.seed % 991, 1.5), across % 127, (c["z"] * 60 * fine / 3) % 127)
    broad = look_up(blots(person.seed % 983, 5), across % 127, (c["z"] * 90 * coarse) % 127)
    level = np.clip(1 + .10 * strand + .14 * broad, .4, 1.7)
    color = person.hair * level[:, None]
    return color, .0006 * strand + .0014 * broad, np.full(len(level), .22)


def below(c, sitter):
    """(color, relief, gloss) of trousers, jeans, leggings, shorts or a skirt."""
    marks = template()[1]
    n = len(c["x"])
    seed = sitter.seed % 997
    color = np.tile(sitter.below_color.astype(np.float32), (n, 1))
    down = marks.hip + sitter.waist - c["z"]
    leg = np.abs(c["x"])
    wide = look_up(blots(seed, 5), (c["z"] * 240) % 127, (c["x"] * 160 + c["y"] * 90) % 127)
    fine = look_up(blots(seed + 1, 2), (c["z"] * 400) % 127, (c["x"] * 300 + c["y"] * 200) % 127)
    relief = .0022 * wide * (.4 if sitter.below == "leggings" else 1) + .0006 * fine
    if sitter.below == "jeans":
        faded = .16 * bell(leg - .10, .05) * smoothstep(.1, .25, down) * (c["y"] < marks.middle)
        color = color * (1 + .06 * fine + faded)[:, None]
    front = c["y"] < marks.middle
    if sitter.below in ("jeans", "trousers"):
        fly = front * bell(c["x"] - .004, .0022) * (down < .18)
        pocket = front * bell(leg - .10 - .5 * (down - .06), .0035) * (down < .14) * (down > .03)
        relief = relief - .002 * (fly + pocket)
        color = color * (1 - .25 * (fly + pocket))[:, None]
    band = smoothstep(.042, .036, down)
    relief = relief + .002 * band
    if sitter.belt:
        color = color + (band * (down > .004))[:, None] * (np.array([.16, .11, .08]) - color)
    return color, relief, np.full(n, .05)
