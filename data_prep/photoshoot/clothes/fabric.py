"""Fabric: a garment's colors, patterns and folds as functions of garment coordinates.

Lengths are in body units of UNIT meters, about the height of an upright person from head to thighs.
The torso's coordinates are (a, s): a around the torso, 0 at the center front, s down from the shoulders.
"""

import functools
from pathlib import Path

import numpy as np

from data_prep.photoshoot.body.surface import template
from data_prep.photoshoot.clothes import pattern
from data_prep.photoshoot.clothes.tailor import hem_height, neck_field, top_height, waist_height
from data_prep.photoshoot.numeric import Coat, bump, look_up, smoothstep
from data_prep.photoshoot.tables import read_tables, sample

STROKE = ("x", "y", "angle", "length", "width", "height", "bow")
FOLDS = read_tables(Path(__file__).with_name("folds.toml"))
UNIT = 1.57  # meters in a body unit
AROUND = 0.0732  # body units per radian around the torso
SLEEVE_AROUND = 0.03  # body units per radian around a sleeve
REACH = 2.2  # lengths and widths up to which a fold is computed
GRID = 80  # resolution of a fold map
FRONT = (-0.23, 0.23, 0.0, 0.62)  # left, right, top, bottom of the torso's fold map [body units]
SLEEVE = 0.37  # length of a sleeve [body units]


def creases(x, y, strokes):
    """Sum of ridges with a valley next to each, on the grid of the axes x, y: [len(y),len(x)].

    strokes: (x, y, angle, length, width, height, bow); beyond `REACH` lengths and widths, a ridge is flat.
    """
    total = np.zeros((len(y), len(x)), np.float32)
    for cx, cy, angle, length, width, height, bow in np.asarray(strokes, np.float32):
        c, s = np.cos(angle), np.sin(angle)
        half = REACH * length
        far = half + (REACH + 1.5) * width + np.abs(bow) * half**2
        (left, right), (top, bottom) = (
            np.searchsorted(axis, (middle - far, middle + far)) for axis, middle in ((x, cx), (y, cy))
        )
        dx, dy = x[None, left:right] - cx, y[top:bottom, None] - cy
        along = dx * c + dy * s
        off = (dy * c - dx * s + bow * along**2) / width
        fade = np.exp(-((along / length) ** 2))
        ridge = np.exp(-(off**2)) - 0.6 * np.exp(-((off - 1.5) ** 2))
        total[top:bottom, left:right] += height * fade * ridge
    return total


def torso_folds(garment, rng):
    """Relief [GRID,GRID] over FRONT [body units] of the torso's front or rear."""
    loose, hem = looseness(garment), torso_length(garment)
    fold = functools.partial(sample_strokes, rng)

    def hang(top):
        """Down a skirt from ``top`` to the hem: long where it swings; across the thighs where it is tight."""
        swing = 0.5 + 2.5 * max(garment.swing, 0)
        down = fold("hangs", int(4 + 8 * swing), swing, top=top, hem=hem)
        return down + fold("thighs", 9 if garment.swing < 0.05 else 3, top=top, low=min(top + 0.15, hem))

    if garment.category == "skirt":
        strokes = hang(0.03)
    else:
        end = (template()[1].neck - template()[1].hip) / UNIT if garment.category == "dress" else hem
        strokes = fold("pulls", 4, loose**0.5, side=-1) + fold("pulls", 4, loose**0.5)
        many = int(4 + 5 * loose)
        strokes += fold("crumples", many, loose, side=-1, end=end) + fold("crumples", many, loose, end=end)
        strokes += fold("drapes", 6, loose, end=end)
    strokes += fold("scatter", 14, end=hem)
    if garment.category == "dress":
        strokes += hang(0.30)
    if garment.rib:
        strokes += fold("gathers", 14, loose, rib=hem - garment.rib / UNIT)
    left, right, top, bottom = FRONT
    across, down = np.linspace(left, right, GRID), np.linspace(top, bottom, GRID)
    return fold_map(across, down, strokes, width=0.8 + 0.6 * garment.stiff, height=2.4)


def sample_strokes(rng, kind, count, loose=1.0, bend=0.0, side=1, tall=1.0, **places):
    """Sample strokes of a kind of `FOLDS`, rows (x, y, angle, length, width, height, bow) [body units].

    loose: factor of their height, which a bend [rad] increases; side: -1 mirrors them; tall: factor of y;
    places: values of the table's words.
    """
    table, rows = FOLDS[kind], []
    for _ in range(count):
        x, y, angle, length, width, height, bow = (sample(rng, table[name], **places) for name in STROKE)
        y = places[table["above"]] - y if "above" in table else y * tall
        angle = np.pi / 2 + side * angle if "upright" in table else side * angle
        bow = side * bow if "mirrored_bow" in table else bow
        rows.append((side * x, y, angle, length, width, height * loose * (1 + 0.6 * bend), bow))
    return rows


def fold_map(across, down, strokes, width, height):
    """Relief [GRID,GRID] float32 of strokes on the grid of two axes [GRID] [body units].

    width, height: factors of the strokes' own.
    """
    rows = [(*q[:4], q[4] * width, q[5] * height, q[6]) for q in strokes]
    return creases(across.astype(np.float32), down.astype(np.float32), rows)


def looseness(garment):
    """By how much a garment's ease heightens its folds: 0.5 if it fits tightly."""
    return 0.5 + 30 * garment.ease


def torso_length(garment):
    """From the neck, or a skirt's waist, down to the hem [body units]."""
    return (top_height(garment) - hem_height(garment)) / UNIT


def sleeve_folds(garment, rng, bend):
    """Relief [GRID,GRID] (along, around) of a sleeve [body units]; bend: angle of the elbow [rad]."""
    loose = looseness(garment)
    strokes = sample_strokes(rng, "elbow", int(7 + 6 * bend), loose, bend, tall=SLEEVE)
    strokes += sample_strokes(rng, "forearm", int(6 + 4 * loose), loose, tall=SLEEVE)
    strokes += sample_strokes(rng, "arm", 6, loose, tall=SLEEVE)
    around, along = np.linspace(-0.11, 0.11, GRID), np.linspace(0, 1, GRID) * SLEEVE
    return fold_map(around, along, strokes, width=1, height=2.2)


class Fabric:
    """Color and relief of one garment in one sitting.

    rng: of the folds, which differ between sittings; bends: angles of the elbows (left, right) [rad].
    """

    def __init__(self, garment, rng, bends=(0.3, 0.3)):
        self.garment = garment
        self.front, self.rear = torso_folds(garment, rng), torso_folds(garment, rng)
        self.sleeves = [sleeve_folds(garment, rng, bend) for bend in bends]
        self.top, self.hem = top_height(garment), torso_length(garment)
        self.noise = np.random.default_rng([garment.seed, 7]).normal(0, 1, (128, 128)).astype(np.float32)

    def evaluate(self, c):
        """(color [n,3], relief [n] in meters, gloss [n]) at points with garment coordinates ``c``."""
        a, s = c["round_torso"] * AROUND, (self.top - c["z"]) / UNIT
        arm = smoothstep(0.35, 0.65, c["arm"])
        t = np.clip(c["t"], 0, 1)
        relief = (1 - arm) * self._torso(a, s) + arm * self._sleeve(c, t)
        across = np.where(c["arm"] > 0.5, c["round_arm"] * SLEEVE_AROUND, a)
        relief = relief + pattern.knit(self.garment, across, s + arm * t * SLEEVE)
        coat = Coat(self._colors(c, a, s, t), relief)
        self._trims(coat, c, a, s, t)
        return coat.color, coat.relief * UNIT, np.full(len(a), 0.04 + 0.3 * self.garment.shine**2)

    def _torso(self, a, s):
        left, right, top, bottom = FRONT
        n = GRID - 1
        row = (s - top) / (bottom - top) * n
        half = np.pi * AROUND
        front = look_up(self.front, row, (a - left) / (right - left) * n)
        behind = look_up(self.rear, row, (np.sign(a) * half - a - left) / (right - left) * n)
        back = smoothstep(0.10, 0.13, np.abs(a))
        return front + (behind - front) * back

    def _sleeve(self, c, t):
        n = GRID - 1
        column = (c["round_arm"] / np.pi * 0.5 + 0.5) * n
        left, right = (look_up(table, t * n, column) for table in self.sleeves)
        return np.where(c["x"] > 0, left, right)

    def on_sleeve(self, c):
        """Mask [n], 0 on the torso .. 1 on the sleeve, separated by the armhole or raglan seam."""
        if self.garment.raglan:
            high = template()[1].neck - c["z"]
            return smoothstep(-0.004, 0.004, np.abs(c["x"]) - np.interp(high, [0.0, 0.20], [0.07, 0.175]))
        return smoothstep(0.40, 0.47, c["arm"])

    def _colors(self, c, a, s, t):
        g = self.garment
        down = pattern.SLEEVE_START + t * SLEEVE
        sleeve = self.on_sleeve(c)
        body = pattern.albedo(g, a, s, self.hem, False)
        arm = pattern.albedo(g, c["round_arm"] * SLEEVE_AROUND, down, self.hem, True)
        color = body + sleeve[:, None] * (arm - body)
        if g.pattern == "melange":
            grain = look_up(self.noise, (s * 900) % 127, (c["round_torso"] * 60 + c["round_arm"] * 40) % 127)
            color = color * (1 + g.details["depth"] * grain[:, None])
        return color

    def _trims(self, coat, c, a, s, t):
        """Add ribs, hems, seams, zips, buttons, pockets and cords."""
        g, marks = self.garment, template()[1]
        arm = c["arm"] > 0.5
        up = np.where(arm, (g.end - t) * marks.reach, (self.hem - s) * UNIT)  # distance above hem or cuff [m]
        edge = np.where(arm & (g.sleeve not in ("long", "rolled")), 0, g.rib)  # short sleeves have no cuffs
        band = (edge > 0) * (1 - smoothstep(edge - 0.002, edge + 0.002, up))
        around = np.where(arm, c["round_arm"] * 0.028, a)
        coat.relief = coat.relief * (1 - 0.7 * band) + band * 0.0007 * np.cos(2 * np.pi * around / 0.0075)
        coat.raise_by(-0.0013 * bump(up - np.maximum(edge, 0.02), 0.003))  # seam of the hem
        if g.trim == "cuffs":
            coat.mix(band, g.color("cuff"))
        away = neck_field(c, g)
        if g.neckline in ("crew", "v-neck", "scoop"):
            rim = 0.022 if g.kind in ("pullover", "cardigan") else 0.012
            coat.mix(1 - smoothstep(rim - 0.002, rim + 0.002, away), g.color("collar"))
            coat.raise_by(-0.0012 * bump(away - rim, 0.003))
        if g.sleeve != "sleeveless":
            seam = self.on_sleeve(c)
            coat.raise_by(-0.0012 * 4 * seam * (1 - seam))
        if g.category == "skirt" or g.category == "dress" and g.swing >= 0.1 and g.cut == "fitted":
            seam = bump(waist_height(g) - c["z"] - (0.032 if g.category == "skirt" else 0), 0.004)
            coat.darken(0.18 * seam * (c["arm"] < 0.5))
            coat.raise_by(-0.002 * seam)
        front = (c["y"] < marks.middle) & (c["arm"] < 0.5)
        self._front(coat, c, s * UNIT, front)
        self._pockets(coat, c, s, front.astype(np.float32))

    def _front(self, coat, c, down, front):
        """Add a zip, buttons and cords; down [n]: from the neck [m]."""
        g = self.garment
        reach = {"zip": 9, "open": 9, "buttons": 9, "half-zip": 0.20, "placket": 0.16}.get(g.front, 0)
        on, x = front & (down < reach), np.abs(c["x"])
        if g.front in ("zip", "half-zip"):
            metal = np.array([0.62, 0.62, 0.63]) if g.details["lined"] else np.asarray(g.colors[0]) * 0.45
            coat.mix(0.85 * (on * np.exp(-((c["x"] / 0.0045) ** 4))), metal)
            coat.raise_by(-0.0012 * on * bump(x - 0.012, 0.003))
        if g.front in ("buttons", "placket"):
            coat.raise_by(-0.001 * on * bump(x - 0.014, 0.003))
            button = on * (np.hypot(c["x"], (down % 0.075) - 0.0375) < 0.0065)
            coat.mix(button * 0.8, np.asarray(g.colors[2]) * 0.5 + 0.3)
        for side in (-1, 1) if g.strings else ():
            cord = front * bump(c["x"] - side * (0.028 + 0.012 * np.sin(down * 14 + side)), 0.004)
            cord = cord * (down > g.deep * 0.6) * (down < g.deep + 0.13 + 0.03 * side)
            coat.mix(0.9 * cord, np.asarray(g.colors[2]) * 0.4 + 0.55)
            coat.raise_by(0.0022 * cord)

    def _pockets(self, coat, c, s, front):
        g = self.garment
        x, up = np.abs(c["x"]), (self.hem - s) * UNIT - g.rib
        if g.pocket == "kangaroo":
            t = np.clip((0.17 - up) / 0.17, 0, 1)
            half = 0.075 + 0.055 * smoothstep(0.1, 0.75, t)
            inner = np.minimum(half - x, np.minimum(0.17 - up, up + 0.001))
            coat.raise_by(front * 0.0016 * smoothstep(-0.002, 0.003, inner))
            coat.darken(front * 0.18 * bump(half - x, 0.005) * (t > 0.05) * (t < 0.8))
        if g.pocket == "welt":
            line = bump(x - 0.10 - 0.25 * (up - 0.12), 0.004) * (np.abs(up - 0.12) < 0.06)
            coat.darken(front * 0.4 * line)
            coat.raise_by(-front * 0.002 * line)
        if g.pocket == "chest":
            inner = np.minimum(0.05 - np.abs(c["x"] - 0.085), 0.055 - np.abs(s * UNIT - 0.20))
            coat.raise_by(front * 0.0012 * smoothstep(-0.002, 0.002, inner))
