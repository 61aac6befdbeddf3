"""The fabric of trousers: colors, seams, pockets and folds along the legs.

The coordinates of a leg are (a, s) in body units (`fabric.UNIT` meters): a around the leg, 0 in front and
positive outward, and s down from the waist.
"""

import functools

import numpy as np

from data_prep.photoshoot.body.surface import template
from data_prep.photoshoot.clothes import pattern
from data_prep.photoshoot.clothes.fabric import GRID, UNIT, fold_map, looseness, sample_strokes
from data_prep.photoshoot.clothes.tailor import hem_height, waist_height
from data_prep.photoshoot.numeric import Coat, bump, look_up, smoothstep

AROUND = 0.055  # body units per radian around a leg
BAND = 0.038  # height of the waistband [m]
THREAD = np.array([0.72, 0.50, 0.26])  # color of the seams of jeans


def leg_folds(garment, rng, marks, bottom):
    """Relief [GRID,GRID] (down, around) of one leg [body units]; bottom: s of the grid's lower edge."""
    loose = looseness(garment) * (0.8 if garment.cut == "fitted" else 1.1)
    top, fold = waist_height(garment), functools.partial(sample_strokes, rng)
    hip, crotch, knee = ((top - z) / UNIT for z in (marks.hip, marks.crotch, marks.knee))
    hem, wide = (top - hem_height(garment)) / UNIT, 0.5 + 8 * max(garment.opening - 0.06, 0)
    strokes = fold("whiskers", 8, loose, hip=hip, crotch=crotch + 0.05) + fold("knee", 9, loose, knee=knee)
    strokes += fold("leg", 9, wide, high=crotch, low=max(hem, crotch + 0.05))
    strokes += fold("ankle", 10 if hem > knee + 0.1 else 0, loose, hem=hem)
    half, down = np.pi * AROUND, np.linspace(0, bottom, GRID)
    return fold_map(np.linspace(-half, half, GRID), down, strokes, width=1, height=2.2)


class TrousersFabric:
    """Color and relief of trousers in one sitting; rng: of the folds, which differ between sittings."""

    def __init__(self, garment, rng):
        self.garment, self.marks = garment, template()[1]
        self.top, self.end = waist_height(garment), hem_height(garment)
        self.bottom = (self.top - self.end) / UNIT + 0.01
        self.legs = [leg_folds(garment, rng, self.marks, self.bottom) for _ in range(2)]
        self.noise = np.random.default_rng([garment.seed, 7]).normal(0, 1, (128, 128)).astype(np.float32)

    def evaluate(self, c):
        """(color [n,3], relief [n] in meters, gloss [n]) at points with garment coordinates ``c``."""
        x, z = np.abs(c["x"]), c["z"]
        aside, behind, heights = self.marks.leg.T
        across, depth = x - np.interp(z, heights, aside), np.interp(z, heights, behind) - c["y"]
        turn, s = np.arctan2(across, depth), (self.top - z) / UNIT
        relief = self._folds(c["x"], turn, s) * UNIT
        coat = Coat(self._cloth(self._albedo(turn, s), c, turn, s), relief)
        self._seams(coat, x, z, turn)
        front = c["y"] < self.marks.middle
        self._front(coat, c["x"], z, front)
        self._pockets(coat, x, z, turn, front)
        return coat.color, coat.relief, np.full(len(s), 0.04 + 0.2 * self.garment.shine**2)

    def _folds(self, x, turn, s):
        n = GRID - 1
        column, row = (turn / np.pi * 0.5 + 0.5) * n, s / self.bottom * n
        left, right = (look_up(table, row, column) for table in self.legs)
        return np.where(x > 0, left, right)

    def _albedo(self, turn, s):
        g = self.garment
        if g.pattern != "blocks":
            return pattern.albedo(g, turn * AROUND, s, self.bottom, False)
        stripe = 1 - smoothstep(0.15, 0.18, np.abs(turn - np.pi / 2))  # down the outer seam
        return pattern.mix_colors(np.tile(g.color("body").astype(np.float32), (len(s), 1)), g, stripe)

    def _cloth(self, color, c, turn, s):
        """Weave, melange, and the faded thighs and knees of denim."""
        g = self.garment
        denim = g.details.get("denim", 0)
        if not denim and g.pattern != "melange":
            return color
        grain = look_up(self.noise, (s * 900) % 127, (turn * 60 + 64) % 127)
        color = color * (1 + (0.05 if denim else g.details["depth"]) * grain[:, None])
        if denim:
            thigh = bump(c["z"] - 0.5 * (self.marks.crotch + self.marks.knee), 0.17)
            knee = 0.6 * bump(c["z"] - self.marks.knee, 0.07)
            faded = denim * np.maximum(thigh, knee) * bump(turn, 0.75)
            color = color + (0.5 * faded)[:, None] * (0.45 + 0.5 * color - color)
        return color

    def _seams(self, coat, x, z, turn):
        """Side seams, the waistband, and hems or cuffs."""
        g = self.garment
        inner = bump(turn + np.pi / 2, 0.05) * (z < self.marks.crotch)
        seam = np.maximum(bump(turn - np.pi / 2, 0.05), inner)
        up, low = z - self.end, self.top - z
        band = 1 - smoothstep(BAND - 0.002, BAND + 0.002, low)
        edges = np.maximum(bump(low - BAND, 0.003), bump(up - (g.rib or 0.02), 0.003))
        line = np.maximum(seam, edges)
        coat.relief = coat.relief * (1 - 0.8 * band) - 0.0012 * line + 0.001 * band
        if g.kind == "joggers":
            cuff = 1 - smoothstep(g.rib - 0.002, g.rib + 0.002, up)
            coat.relief = coat.relief * (1 - 0.7 * cuff) + 0.0008 * np.cos(turn * 45) * np.maximum(cuff, band)
        if g.details.get("denim", 0) > 0.4 and g.kind == "jeans":
            coat.mix(0.4 * np.maximum(bump(turn - np.pi / 2 + 0.07, 0.02), edges), THREAD)
        else:
            coat.darken(0.22 * line)

    def _front(self, coat, x, z, front):
        """Fly and button, or cords; the crease of chinos."""
        g, low = self.garment, self.top - z
        for side in (-1, 1) if g.strings else ():
            cord = front * bump(x - side * (0.012 + 0.1 * np.maximum(low - 0.02, 0)), 0.004)
            cord = cord * (low > 0.012) * (low < 0.11 + 0.02 * side)
            coat.mix(0.9 * cord, np.asarray(g.colors[2]) * 0.3 + 0.6)
            coat.raise_by(0.002 * cord)
        if g.strings:
            return
        stop = self.top - self.marks.crotch - 0.03
        curve = bump(x - 0.032 * np.sqrt(np.clip(1 - low / stop, 0, 1)), 0.003)
        fly = front * (low > BAND) * (low < stop) * curve
        middle = front * (low < stop + 0.05) * bump(x, 0.0025)
        coat.raise_by(-0.0018 * np.maximum(fly, middle))
        coat.darken(0.3 * np.maximum(0.8 * fly, middle))
        button = front * (np.hypot(x - 0.004, low - BAND / 2) < 0.008)
        metal = np.array([0.62, 0.56, 0.46]) if g.kind == "jeans" else np.asarray(g.colors[0]) * 0.6 + 0.1
        coat.mix(0.9 * button, metal)

    def _pockets(self, coat, x, z, turn, front):
        """Slanted pockets at the hips, and the large ones of cargo trousers on the thighs."""
        g, low = self.garment, self.top - z
        if g.pocket == "none":
            return
        curve, deep = 0.055 + 0.62 * (low - BAND), 0.14
        if g.kind == "jeans":
            deep = 0.075
            curve = 0.155 - 0.085 * np.sqrt(np.clip(1 - ((low - BAND) / deep) ** 2, 0, 1))
        line = front * (low > BAND) * (low < BAND + deep) * bump(x - curve - 0.03, 0.004)
        coat.darken(0.35 * line)
        coat.raise_by(-0.002 * line)
        if g.pocket == "cargo":
            away = np.maximum(np.abs(turn - 1.25) - 0.5, np.abs(z - self.marks.crotch + 0.13) / 0.2 - 0.45)
            flap = bump(z - self.marks.crotch + 0.075, 0.004) * (away < 0)
            coat.relief = coat.relief + 0.003 * smoothstep(0.02, -0.02, away) - 0.001 * flap
            coat.color = coat.color * (1 - 0.25 * bump(away, 0.03) - 0.25 * flap)[:, None]
