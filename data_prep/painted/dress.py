"""Painting a garment on a figure: torso, neckline, sleeves. Worn and product photo alike."""
import numpy as np

from data_prep.painted import cloth, texture
from data_prep.painted.body import NECK_Y, SHOULDER_Y
from data_prep.painted.canvas import blur, look_up, smoothstep, tube
from data_prep.painted.garment import EASE

RIB_GATHER = .0045  # by how much a rib draws the cloth in [body units]
COLLAR_TOP = .199  # nothing of the torso rises above it
COLLAR = .0125  # width of the neckline's rib [body units]
SEAM = .10  # darkness of a seam
ARMPIT_Y = .348
# the armhole's seam, then the crease between arm and chest: y; off in shares of the joint's
ARMHOLE = ((.225, .26, .30, ARMPIT_Y, .40, .46), (.97, .89, .87, .96, .90, .6))


class Outfit:
    """A garment on a figure with its folds; ``rng`` draws the folds' places."""

    def __init__(self, garment, figure, light, rng, amount=1.0):
        self.garment, self.figure, self.light = garment, figure, light
        self.ease = EASE[garment.cut]
        self.folds = cloth.torso_folds(garment, rng, amount)
        self.sleeves = [cloth.sleeve_folds(garment, rng, _bend(arm), amount)
                        for arm in figure.arms]

    # ---------------------------------------------------------------- torso

    def paint_torso(self, canvas):
        """The torso with its neck opening left free, collar and pocket."""
        g, fig = self.garment, self.figure
        where, x, y = canvas.window(-.2, .17, .2, g.length + .05)
        inside, d, upright = fig.torso(x, y, g)
        relief = self._torso_relief(d, upright)
        gather = self._gather(upright)
        inside = inside + relief * .8 - gather
        height = fig.relief(d, upright)
        for arm in fig.arms:
            inside, height = self._cap(x, y, arm, inside, height)
        hem = g.length + .006 * np.cos(d * 1.6) - .006 + relief
        inside = np.minimum(inside, np.minimum(hem - upright, upright - COLLAR_TOP))
        opening = self.opening(x, y, upright)
        alpha = canvas.coverage(np.minimum(inside, -opening)) if g.neckline != "turtleneck" \
            else canvas.coverage(inside)
        a, s = self._coordinates(d, upright)
        color = texture.torso_color(g, a, s, g.length - NECK_Y)
        color = np.array(np.broadcast_to(color, x.shape + (3,)))
        hole = self._armhole(x, y, upright)
        beyond = smoothstep(-.001, .001, hole) * (upright < ARMPIT_Y + .03)
        cap = texture.sleeve_color(g, texture.SLEEVE_START + (upright - SHOULDER_Y))
        color += beyond[..., None] * (cap - color)
        shade = self.light.shade(height, canvas.px, relief + texture.knit(g, a, s))
        shade = shade * (1 - 1.3 * SEAM * np.exp(-(hole / .002) ** 2) * (upright < ARMPIT_Y))
        color, shade = self._finish(canvas, color, shade, a, x, upright, opening)
        self._contact(canvas, where, alpha)
        canvas.paint(where, color * self.light.tint, alpha, shade, cloth=True)

    def _torso_relief(self, d, upright):
        left, right, top, bottom = cloth.TORSO_BOX
        a = np.clip(d, -1, 1) * .1
        n = cloth.GRID - 1
        return look_up(self.folds, (upright - top) / (bottom - top) * n,
                       (a - left) / (right - left) * n)

    def _gather(self, upright):
        g = self.garment
        if not g.rib:
            return 0.0
        start = g.length - g.rib
        return RIB_GATHER * (1 + 60 * self.ease) * smoothstep(start - .012, start + .004, upright)

    def _cap(self, x, y, arm, inside, height):
        """Round off the shoulder with the arm's own roundness."""
        r = .97 * (self.figure.arm_radius + .7 * self.ease)
        off = np.hypot(x - arm.shoulder[0], y - arm.shoulder[1])
        ball = np.sqrt(np.maximum(r * r - off * off, 0)) * 1.2
        joined = .5 * (height + ball + np.sqrt((height - ball) ** 2 + 1e-4))
        return np.maximum(inside, r - off), joined

    def _coordinates(self, d, upright):
        """(a, s) of the torso: d unrolled about the body's axis and turned with it."""
        a = .1 * (np.arcsin(np.clip(d, -1, 1)) / (np.pi / 2) * 1.3 - 1.0 * self.figure.turn)
        return a.astype(np.float32), (upright - NECK_Y).astype(np.float32)

    def opening(self, x, y, upright):
        """Signed distance to the neck's opening, negative outside [body units]."""
        g = self.garment
        wide = self.figure.collar(g)
        u = (x - self.figure.middle(y) - self._front()) / wide
        v = (upright - NECK_Y + .003) / g.deep
        if g.neckline == "v-neck":
            level = np.minimum(1 - np.abs(u) * 1.0 - v * 1.0 * (v > 0), 9)
            return level * wide * .8
        level = 1 - np.sqrt(u * u + np.where(v > 0, v, .3 * v) ** 2)
        return level * min(wide, g.deep)

    def _front(self):
        return .018 * self.figure.turn

    def _finish(self, canvas, color, shade, a, x, upright, opening):
        """Ribs at hem and collar, their seams, the pocket."""
        g = self.garment
        if g.rib:
            start = g.length - g.rib
            band = smoothstep(start - .001, start + .001, upright)
            shade = shade * (1 + band * (texture.ribs(a) - 1.02))
            shade = shade * (1 - 1.5 * SEAM * np.exp(-((upright - start) / .0025) ** 2))
            if g.trim == "cuffs":
                color += band[..., None] * (g.color("cuff") - color)
        else:
            shade = shade * (1 - SEAM * np.exp(-((upright - g.length + .014) / .002) ** 2))
        if g.neckline in ("crew", "v-neck"):
            band = smoothstep(-COLLAR - .001, -COLLAR + .001, opening)
            color += band[..., None] * (g.color("collar") - color)
            edge = np.exp(-((opening + COLLAR) / .002) ** 2)
            shade = shade * (1 - 1.8 * SEAM * edge) * (1 + .05 * band)
        if g.pocket:
            shade = shade * self._pocket(a, upright)
        return color, shade

    def _pocket(self, a, upright):
        """Brightness factor of the kangaroo pocket's edges."""
        bottom = self.garment.length - self.garment.rib - .004
        top = bottom - .095
        t = np.clip((upright - top) / (bottom - top), 0, 1)
        half = .043 + .034 * smoothstep(.1, .75, t)
        inner = np.minimum(half - np.abs(a), np.minimum(upright - top, bottom - upright))
        line = np.exp(-(inner / .0022) ** 2)
        mouth = np.exp(-((half - np.abs(a)) / .004) ** 2) * (t > .05) * (t < .8)
        return 1 - .16 * line - .18 * mouth + .03 * smoothstep(0, .01, inner)

    def _contact(self, canvas, where, alpha):
        """The soft shadow below hem and collar."""
        below = np.roll(blur(alpha, .008 / canvas.px), int(.008 / canvas.px), axis=0)
        canvas.darken(where, .5 * below * (1 - alpha))

    # ---------------------------------------------------------------- sleeves

    def paint_sleeve(self, canvas, side):
        """One sleeve with cuff, seam and its shadow on what lies behind."""
        g, arm = self.garment, self.figure.arms[side]
        points, radii = self.figure.limb(arm, self.ease + .004)
        points, radii, end = _shorten(points, radii, g.sleeve_end)
        pad = .075
        where, x, y = canvas.window(points[:, 0].min() - pad, points[:, 1].min() - pad,
                                    points[:, 0].max() + pad, points[:, 1].max() + pad)
        inside, t, across, radius = tube(points, radii, x, y)
        t = t * end
        relief = look_up(self.sleeves[side], t * (cloth.GRID - 1),
                         (np.clip(across, -1, 1) * .5 + .5) * (cloth.GRID - 1))
        inside = np.minimum(inside + .9 * relief, _beyond(points, x, y, radius))
        alpha = canvas.coverage(inside) * self._joined(arm, points, x, y, t)
        height = radius * np.sqrt(np.maximum(1 - across ** 2, 0))
        s = texture.SLEEVE_START + t * cloth.SLEEVE_LENGTH
        color = np.array(np.broadcast_to(texture.sleeve_color(g, s), x.shape + (3,)))
        shade = self.light.shade(height, canvas.px,
                                 relief + texture.knit(g, across * .05, s))
        color, shade = self._cuff(color, shade, t, across, end)
        self._cast(canvas, where, alpha)
        canvas.paint(where, color * self.light.tint, alpha, shade, cloth=True)

    def _armhole(self, x, y, upright):
        """Signed distance outside the armhole's seam (or a raglan's), on either side."""
        off = np.abs(x - self.figure.middle(y))
        joint = np.where(x < self.figure.middle(y), *self.figure.joint)
        if self.garment.raglan:
            seam = np.interp(upright, [.19, .345], [.25, .92])
        else:
            seam = np.interp(upright, ARMHOLE[0], ARMHOLE[1])
        return (off - seam * joint).astype(np.float32)

    def _joined(self, arm, points, x, y, t):
        """Share of the sleeve's own surface: it grows out of the torso at the armhole."""
        along = points[1] - points[0]
        along = along / np.hypot(*along)
        s = (x - points[0, 0]) * along[0] + (y - points[0, 1]) * along[1]
        upright = self.figure.upright(x, y)
        off = np.abs(x - self.figure.middle(y))
        seam = np.interp(upright, ARMHOLE[0], ARMHOLE[1]) * np.abs(arm.shoulder[0])
        free = np.maximum(smoothstep(.0, .006, off - seam), smoothstep(.40, .50, t))
        return smoothstep(-.002, .016, s) * free

    def _cuff(self, color, shade, t, across, end):
        g = self.garment
        rolled = g.sleeve == "rolled"
        size = max(g.rib, .02) / cloth.SLEEVE_LENGTH * (1.4 if rolled else 1)
        start = end - size
        band = smoothstep(start - .004, start + .004, t)
        shade = shade * (1 - 2 * SEAM * np.exp(-((t - start) / .008) ** 2))
        if g.rib:
            shade = shade * (1 + band * (texture.ribs(across * .035) - 1))
        if g.trim == "cuffs":
            color = color + band[..., None] * (g.color("cuff") - color)
        return color, shade

    def _cast(self, canvas, where, alpha):
        """The arm's shadow: soft, away from the light."""
        light = self.light.direction
        shift = (int(round(.010 / canvas.px)), int(round(-.022 * light[0] / canvas.px)))
        shadow = np.roll(blur(alpha, .009 / canvas.px), shift, (0, 1))
        canvas.darken(where, .42 * self.light.strength * shadow * (1 - alpha))


def _bend(arm):
    """Angle by which the elbow is bent [rad]."""
    a, b = arm.elbow - arm.shoulder, arm.wrist - arm.elbow
    return float(np.arccos(np.clip(a @ b / np.hypot(*a) / np.hypot(*b), -1, 1)))


def _beyond(points, x, y, radius):
    """Signed distance before the sleeve's straight end, which curves around the wrist."""
    along = (points[-1] - points[-2]) / np.hypot(*(points[-1] - points[-2]))
    dx, dy = x - points[-1, 0], y - points[-1, 1]
    off = np.clip((dx * along[1] - dy * along[0]) / radius, -1, 1)
    near = np.hypot(dx, dy) < .06
    return np.where(near, .004 * np.sqrt(1 - off ** 2) - (dx * along[0] + dy * along[1]), 9)


def _shorten(points, radii, end):
    """The part of a limb up to ``end`` of its length: (points, radii, end)."""
    if end >= 1:
        return points, radii, 1.0
    t = np.concatenate([[0], np.hypot(*np.diff(points, axis=0).T).cumsum()])
    t /= t[-1]
    at = np.concatenate([t[t < end], [end]])
    points = np.stack([np.interp(at, t, points[:, axis]) for axis in (0, 1)], 1)
    return points, np.interp(at, t, radii), end
