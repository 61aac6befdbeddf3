"""Fabric: a garment's colors, patterns and folds as functions of garment coordinates.

Lengths are in body units of UNIT meters, about the height of an upright person from head to thighs.
The torso's coordinates are (a, s): a around the torso, 0 at the center front, s down from the shoulders.
"""

import numpy as np

from data_prep.photoshoot.body.surface import template
from data_prep.photoshoot.clothes import pattern
from data_prep.photoshoot.clothes.tailor import hem_height, neck_field, top_height, waist_height
from data_prep.photoshoot.numeric import look_up, smoothstep

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
    left, right, top, bottom = FRONT
    loose, hem = looseness(garment), torso_length(garment)
    if garment.category == "skirt":
        strokes = [*hangs(rng, garment, 0.03, hem), *scatter(rng, hem)]
    else:
        end = (template()[1].neck - template()[1].hip) / UNIT if garment.category == "dress" else hem
        strokes = [
            *pulls(rng, loose),
            *crumples(rng, loose, end),
            *drapes(rng, loose, end),
            *scatter(rng, hem),
        ]
    if garment.category == "dress":
        strokes += hangs(rng, garment, 0.30, hem)
    if garment.rib:
        strokes += gathers(rng, loose, hem - garment.rib / UNIT)
    across, down = np.linspace(left, right, GRID), np.linspace(top, bottom, GRID)
    return fold_map(across, down, strokes, width=0.8 + 0.6 * garment.stiff, height=2.4)


def fold_map(across, down, strokes, width, height):
    """Relief [GRID,GRID] float32 of strokes on the grid of two axes [GRID] [body units].

    width, height: factors of the strokes' own.
    """
    return creases(
        across.astype(np.float32),
        down.astype(np.float32),
        [(*q[:4], q[4] * width, q[5] * height, q[6]) for q in strokes],
    )


def looseness(garment):
    """By how much a garment's ease heightens its folds: 0.5 if it fits tightly."""
    return 0.5 + 30 * garment.ease


def torso_length(garment):
    """From the neck, or a skirt's waist, down to the hem [body units]."""
    return (top_height(garment) - hem_height(garment)) / UNIT


# Each function below samples strokes of one kind.  Random numbers are used in the order written.


def pulls(rng, loose):
    """From both armpits down and inward."""
    u, n = rng.uniform, rng.normal
    return [
        (side * u(0.07, 0.13), u(0.12, 0.21), np.pi / 2 + side * u(0.1, 0.9), u(0.035, 0.08),
         u(0.006, 0.011), u(0.0015, 0.005) * loose**0.5, side * n(3, 3))
        for side in (-1, 1) for _ in range(4)
    ]  # fmt: skip


def crumples(rng, loose, hem):
    """Across both sides of the waist, more in loose cloth."""
    u, n = rng.uniform, rng.normal
    return [
        (side * u(0.0, 0.14), u(0.24, hem), side * u(-0.6, 0.5), u(0.025, 0.08),
         u(0.006, 0.013), u(0.0015, 0.0045) * loose, n(-2, 3))
        for side in (-1, 1) for _ in range(int(4 + 5 * loose))
    ]  # fmt: skip


def drapes(rng, loose, hem):
    """Long and downward, high in loose cloth."""
    u, n = rng.uniform, rng.normal
    return [
        (u(-0.14, 0.14), u(0.20, hem), np.pi / 2 + n(0, 0.3), u(0.06, 0.15),
         u(0.010, 0.020), u(0.002, 0.0055) * loose, n(0, 1.5))
        for _ in range(6)
    ]  # fmt: skip


def hangs(rng, garment, top, hem):
    """Down a skirt, from ``top`` to the hem: long where it swings; across the thighs where it is tight."""
    u, n = rng.uniform, rng.normal
    loose = 0.5 + 2.5 * max(garment.swing, 0)
    down = [
        (u(-0.2, 0.2), u(top, hem), np.pi / 2 + n(0, 0.08), u(0.06, 0.16),
         u(0.007, 0.014), u(0.001, 0.004) * loose, n(0, 0.6))
        for _ in range(int(4 + 8 * loose))
    ]  # fmt: skip
    return down + [
        (u(-0.16, 0.16), u(top, min(top + 0.15, hem)), n(0, 0.4), u(0.03, 0.08),
         u(0.005, 0.010), u(0.001, 0.0028), n(0, 3))
        for _ in range(9 if garment.swing < 0.05 else 3)
    ]  # fmt: skip


def scatter(rng, hem):
    """Small, anywhere, in any direction."""
    u, n = rng.uniform, rng.normal
    return [
        (u(-0.2, 0.2), u(0.0, hem), u(0, np.pi), u(0.02, 0.06), u(0.005, 0.010), u(0.0005, 0.0025), n(0, 4))
        for _ in range(14)
    ]


def gathers(rng, loose, rib):
    """Short and downward, just above a rib, which begins at s = rib."""
    u, n = rng.uniform, rng.normal
    return [
        (u(-0.14, 0.14), rib - u(0.008, 0.03), np.pi / 2 + n(0, 0.3), u(0.012, 0.03),
         u(0.005, 0.009), u(0.001, 0.003) * loose, 0)
        for _ in range(14)
    ]  # fmt: skip


def sleeve_folds(garment, rng, bend):
    """Relief [GRID,GRID] (along, around) of a sleeve [body units]; bend: angle of the elbow [rad].

    Folds at the elbow, more if it is bent; across the forearm; along the upper arm.
    """
    loose = looseness(garment)
    u, n = rng.uniform, rng.normal
    strokes = [
        (u(-0.11, 0.11), n(0.5, 0.08) * SLEEVE, n(0, 0.5), u(0.02, 0.05),
         u(0.005, 0.010), u(0.0015, 0.0036) * loose * (1 + 0.6 * bend), n(0, 6))
        for _ in range(int(7 + 6 * bend))
    ]  # fmt: skip
    strokes += [
        (u(-0.11, 0.11), u(0.62, 0.95) * SLEEVE, n(0, 0.35), u(0.02, 0.05),
         u(0.005, 0.009), u(0.0012, 0.0034) * loose, n(0, 6))
        for _ in range(int(6 + 4 * loose))
    ]  # fmt: skip
    strokes += [
        (u(-0.11, 0.11), u(0.05, 0.35) * SLEEVE, np.pi / 2 + n(0, 0.5), u(0.03, 0.07),
         u(0.007, 0.012), u(0.0015, 0.0036) * loose, n(0, 3))
        for _ in range(6)
    ]  # fmt: skip
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
        color = self._colors(c, a, s, t)
        color, relief = self._trims(c, a, s, t, color, relief)
        return color, relief * UNIT, np.full(len(a), 0.04 + 0.3 * self.garment.shine**2)

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

    def _trims(self, c, a, s, t, color, relief):
        """Add ribs, hems, seams, zips, buttons, pockets and cords."""
        g, marks = self.garment, template()[1]
        arm = c["arm"] > 0.5
        up = np.where(arm, (g.end - t) * marks.reach, (self.hem - s) * UNIT)  # distance above hem or cuff [m]
        edge = np.where(arm & (g.sleeve not in ("long", "rolled")), 0, g.rib)  # short sleeves have no cuffs
        band = (edge > 0) * (1 - smoothstep(edge - 0.002, edge + 0.002, up))
        around = np.where(arm, c["round_arm"] * 0.028, a)
        relief = relief * (1 - 0.7 * band) + band * 0.0007 * np.cos(2 * np.pi * around / 0.0075)
        relief = relief - 0.0013 * np.exp(-(((up - np.maximum(edge, 0.02)) / 0.003) ** 2))  # seam of the hem
        if g.trim == "cuffs":
            color = color + band[:, None] * (g.color("cuff") - color)
        away = neck_field(c, g)
        if g.neckline in ("crew", "v-neck", "scoop"):
            rim = 0.022 if g.kind in ("pullover", "cardigan") else 0.012
            near = 1 - smoothstep(rim - 0.002, rim + 0.002, away)
            color = color + near[:, None] * (g.color("collar") - color)
            relief = relief - 0.0012 * np.exp(-(((away - rim) / 0.003) ** 2))
        if g.sleeve != "sleeveless":
            seam = self.on_sleeve(c)
            relief = relief - 0.0012 * 4 * seam * (1 - seam)
        if g.category != "upper":
            color, relief = self._waist(c, s, color, relief)
        color, relief = self._front(c, s, color, relief)
        return self._pockets(c, a, s, color, relief)

    def _waist(self, c, s, color, relief):
        """Add a skirt's waistband, or the seam at the waist of a dress."""
        g = self.garment
        low = waist_height(g) - c["z"]
        seam = np.exp(-(((low - (0.032 if g.category == "skirt" else 0)) / 0.004) ** 2))
        if g.category == "dress" and (g.swing < 0.1 or g.cut != "fitted"):
            return color, relief
        color = color * (1 - 0.18 * seam * (c["arm"] < 0.5))[:, None]
        return color, relief - 0.002 * seam

    def _front(self, c, s, color, relief):
        g, marks = self.garment, template()[1]
        front = (c["y"] < marks.middle) & (c["arm"] < 0.5)
        down = s * UNIT
        reach = {"zip": 9, "open": 9, "buttons": 9, "half-zip": 0.20, "placket": 0.16}.get(g.front, 0)
        on = front & (down < reach)
        x = np.abs(c["x"])
        if g.front in ("zip", "half-zip"):
            teeth = on * np.exp(-((c["x"] / 0.0045) ** 4))
            metal = np.array([0.62, 0.62, 0.63]) if g.details["lined"] else np.asarray(g.colors[0]) * 0.45
            color = color + (0.85 * teeth)[:, None] * (metal - color)
            relief = relief - 0.0012 * on * np.exp(-(((x - 0.012) / 0.003) ** 2))
        if g.front in ("buttons", "placket"):
            relief = relief - 0.001 * on * np.exp(-(((x - 0.014) / 0.003) ** 2))
            row = (down % 0.075) - 0.0375
            button = on * (np.hypot(c["x"], row) < 0.0065)
            color = color + (button * 0.8)[:, None] * (np.asarray(g.colors[2]) * 0.5 + 0.3 - color)
        if g.strings:
            for side in (-1, 1):
                cord = front * np.exp(
                    -(((c["x"] - side * (0.028 + 0.012 * np.sin(down * 14 + side))) / 0.004) ** 2)
                )
                cord = cord * (down > g.deep * 0.6) * (down < g.deep + 0.13 + 0.03 * side)
                color = color + (0.9 * cord)[:, None] * (np.asarray(g.colors[2]) * 0.4 + 0.55 - color)
                relief = relief + 0.0022 * cord
        return color, relief

    def _pockets(self, c, a, s, color, relief):
        g, marks = self.garment, template()[1]
        front = ((c["y"] < marks.middle) & (c["arm"] < 0.5)).astype(np.float32)
        x, up = np.abs(c["x"]), (self.hem - s) * UNIT - g.rib
        if g.pocket == "kangaroo":
            t = np.clip((0.17 - up) / 0.17, 0, 1)
            half = 0.075 + 0.055 * smoothstep(0.1, 0.75, t)
            inner = np.minimum(half - x, np.minimum(0.17 - up, up + 0.001))
            relief = relief + front * 0.0016 * smoothstep(-0.002, 0.003, inner)
            color = (
                color
                * (1 - front * 0.18 * np.exp(-(((half - x) / 0.005) ** 2)) * (t > 0.05) * (t < 0.8))[:, None]
            )
        if g.pocket == "welt":
            line = np.exp(-(((x - 0.10 - 0.25 * (up - 0.12)) / 0.004) ** 2)) * (np.abs(up - 0.12) < 0.06)
            color = color * (1 - front * 0.4 * line)[:, None]
            relief = relief - front * 0.002 * line
        if g.pocket == "chest":
            inner = np.minimum(0.05 - np.abs(c["x"] - 0.085), 0.055 - np.abs(s * UNIT - 0.20))
            relief = relief + front * 0.0012 * smoothstep(-0.002, 0.002, inner)
        return color, relief
