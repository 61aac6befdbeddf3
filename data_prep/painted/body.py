"""The figure: where the torso and the limbs of a sitter lie, as profiles and tubes."""
import numpy as np
from scipy.interpolate import PchipInterpolator

from data_prep.painted.canvas import bent
from data_prep.painted.garment import EASE, STRAIGHT

NECK_Y = .205  # sides of the neck's base
SHOULDER_Y = .286  # joint of the arm
CHEST_Y, WAIST_Y, HIP_Y, CROTCH_Y = .335, .455, .600, .715
FLOOR = 1.3  # below the picture's lower edge
DEPTH = .075  # half the torso's depth


class Figure:
    """Geometry of one sitter's body, in body units.

    middle(y): the torso's middle line; body(y): its half-width; upright(x, y): y undone of
    the slopes of shoulders and hips.
    """

    def __init__(self, sitter):
        person = sitter.person
        self.sitter, self.feminine = sitter, person.feminine
        self.yaw, self.turn = sitter.yaw, np.sin(sitter.yaw)
        self.arms, self.slope, self.hips = sitter.arms, sitter.slope, sitter.hips
        self.arm_radius = (.0415 - .0075 * self.feminine) * (.4 + .6 * person.broad)
        self._lean = sitter.lean
        self.neck = (.036 - .006 * self.feminine) * (.5 + .5 * person.broad)
        self.joint = np.abs([arm.shoulder[0] for arm in self.arms])
        f, b = self.feminine, person.broad * (1 - .1 * self.turn ** 2)
        self.chest, self.waist, self.hip = ((.107 - .013 * f) * b, (.098 - .020 * f) * b,
                                            (.101 + .004 * f) * b)

    def middle(self, y):
        """x of the torso's middle line at height y."""
        return np.interp(y, [NECK_Y, CHEST_Y, HIP_Y, FLOOR],
                         [0, -.25 * self._lean, self._lean, .2 * self._lean])

    def upright(self, x, y):
        """y as it would be with level shoulders and hips."""
        low = np.clip((y - .3) / .3, 0, 1)
        return y - (self.slope * (1 - low) + self.hips * low) * x

    def collar(self, cloth):
        """Half-width of the neck opening of ``cloth``: at least this neck's."""
        return max(self.neck + .002, cloth.wide)

    def profile(self, side, cloth=None):
        """Half-width over y on ``side`` (0 left, 1 right) as sampled (ys, widths).

        cloth: a garment whose ease and cut widen the body's own profile, or None.
        """
        ease = EASE[cloth.cut] if cloth else 0
        straight = STRAIGHT[cloth.cut] if cloth else 0
        joint, r = self.joint[side], self.arm_radius + ease * .7
        start = self.collar(cloth) if cloth else self.neck + .002
        chest, hip = self.chest + ease, self.hip + ease
        waist = self.waist + ease
        waist += straight * max(0, (.5 * chest + .5 * hip) - waist)
        top = SHOULDER_Y - r  # the shoulder line runs onto the arm's roundness
        knots = [(.190, start * .95), (NECK_Y - .002, start + .001),
                 (.45 * NECK_Y + .55 * top, .45 * start + .55 * .8 * joint),
                 (top - .001, joint * .84), (top + .006, joint + r * .12),
                 (top + .020, joint + r * .42), (SHOULDER_Y, joint + r * .55),
                 (SHOULDER_Y + .03, max(joint + .002, chest)),
                 (CHEST_Y, chest), (WAIST_Y, waist), (.53, .45 * waist + .55 * hip),
                 (HIP_Y, hip), (.68, hip + .003), (FLOOR, hip + .003)]
        ys = np.linspace(.18, .8, 320)
        return ys, PchipInterpolator(*zip(*knots))(ys)

    def torso(self, x, y, cloth=None):
        """(distance inside, d, upright y): d is -1..1 across the torso at x, y."""
        upright = self.upright(x, y)
        off = x - self.middle(y)
        halves = [self.profile(side, cloth) for side in (0, 1)]
        ys = halves[0][0]
        width = np.where(off < 0, *(np.interp(upright, ys, h) for _, h in halves))
        steep = np.where(off < 0, *(np.interp(upright, ys, np.gradient(h, ys)) for _, h in halves))
        inside = (width - np.abs(off)) / np.sqrt(1 + steep ** 2)
        return inside.astype(np.float32), (off / width).astype(np.float32), upright

    def relief(self, d, upright, depth=DEPTH):
        """Height of the torso's surface at d, y [body units]."""
        surface = depth * np.sqrt(np.maximum(1 - np.abs(d) ** 2.3, 0))
        if self.feminine > .5:
            for side in (-.36, .36):
                bust = ((d - side - .3 * self.turn) / .36) ** 2 + ((upright - .352) / .042) ** 2
                surface = surface + .016 * np.exp(-bust)
        return surface

    def limb(self, arm, ease=0.0):
        """(points [n,2], radii [n]) of the arm from shoulder to wrist, widened by ``ease``."""
        points = bent([arm.shoulder, arm.elbow, arm.wrist])
        along = np.hypot(*np.diff(points, axis=0).T).cumsum()
        t = np.concatenate([[0], along / along[-1]])
        r = self.arm_radius
        bare = np.interp(t, [0, .3, .52, .68, 1], [r, .88 * r, .74 * r, .72 * r, .48 * r])
        return points, bare + ease * np.interp(t, [0, .5, .9, 1], [.7, .8, .6, .35])
