"""Skin other than the face (neck, forearms, hands) and the trousers."""
import numpy as np

from data_prep.painted.body import CROTCH_Y, FLOOR, NECK_Y
from data_prep.painted.canvas import SKIN_TONE, blur, smoothstep, tube

WAISTBAND_Y = .545


def paint_neck(canvas, figure, light, skin):
    """Neck and upper chest, with the chin's shadow and collar bones."""
    where, x, y = canvas.window(-.2, .12, .2, .42)
    dx = figure.sitter.head[0]
    cx = dx * np.clip((NECK_Y - y) / .06, 0, 1)
    t = (y - .13) / (NECK_Y - .13)
    half = figure.neck * (.93 + .07 * t ** 2)
    neck = np.where(y < NECK_Y + .03, half - np.abs(x - cx), -1)
    torso, d, upright = figure.torso(x, y)
    inside = np.maximum(neck, torso)
    across = np.clip((x - cx) / half, -1, 1)
    height = np.where(y < NECK_Y, half * np.sqrt(1 - across ** 2), .03)
    height = blur(height.astype(np.float32), .006 / canvas.px)
    shade = light.shade(height, canvas.px) * (1 - .30 * np.exp(-((y - .168) / .026) ** 2))
    bone = np.exp(-((upright - .236 - .10 * np.abs(x)) / .004) ** 2) * (np.abs(x) > .012)
    shade = shade * (1 - .08 * bone)
    canvas.paint(where, skin * light.tint, canvas.coverage(inside), shade, tone=SKIN_TONE)


def paint_trousers(canvas, sitter, figure, light):
    """Two legs from the waistband down; the free leg stands out a little."""
    where, x, y = canvas.window(-.25, .5, .25, FLOOR)
    upright = figure.upright(x, y)
    off = x - figure.middle(y)
    hip = figure.hip * np.interp(upright, [.5, .6, .68, 1.1], [.86, 1, 1.02, .92])
    gap = .010 * smoothstep(CROTCH_Y + .03, 1.1, upright)
    inside = np.minimum(hip - np.abs(off), upright - WAISTBAND_Y + .02)
    leg = np.where(upright > CROTCH_Y, np.abs(off) - gap, 9)
    inside = np.minimum(inside, leg)
    across = np.clip((np.abs(off) - hip / 2) / (hip / 2), -1, 1)
    belly = np.clip(off / hip, -1, 1)
    mix = smoothstep(CROTCH_Y - .05, CROTCH_Y + .05, upright)
    round_leg, round_belly = (np.sqrt(1 - d ** 2 * .96) for d in (across, belly))
    height = mix * .055 * round_leg + (1 - mix) * .07 * round_belly
    shade = light.shade(height.astype(np.float32), canvas.px, _wrinkles(sitter, off, upright))
    shade = shade * _stitches(np.abs(off), upright, hip)
    color = sitter.trousers
    if sitter.jeans:
        front = np.exp(-((np.abs(off) - hip / 2) / (.33 * hip)) ** 2)
        fade = .16 * front * smoothstep(.66, .9, upright)
        color = color + fade[..., None] * (1 - color)
    alpha = canvas.coverage(inside)
    canvas.paint(where, color * light.tint, alpha, shade)


def _stitches(off, upright, hip):
    """Brightness factor of side seams, fly and pockets; ``off`` is the distance off the middle."""
    fly = np.exp(-(off / .003) ** 2) * (upright < CROTCH_Y)
    seams = np.exp(-((off - .93 * hip) / .003) ** 2) + fly
    pocket = np.exp(-((off - .95 * hip + .9 * (upright - .585)) / .0035) ** 2)
    pocket = pocket * (upright > .585) * (upright < .65)
    return 1 - .12 * seams - .22 * pocket


def _wrinkles(sitter, off, upright):
    rng = np.random.default_rng(sitter.seed + 1)
    total = np.zeros_like(off)
    for _ in range(5):
        side, slope = rng.choice([-1, 1]), rng.uniform(.15, .8)
        line = upright - rng.uniform(.66, .80) - slope * (side * off - .03)
        total += .0025 * np.exp(-(line / .006) ** 2) * np.exp(-((side * off - .045) / .03) ** 2)
    return total.astype(np.float32)


def paint_hand(canvas, sitter, figure, light, side, start=0.0):
    """Bare arm from ``start`` (0 shoulder .. 1 wrist) and hand.

    A hand in a pocket ends at the pocket's edge.
    """
    arm, skin = figure.arms[side], sitter.person.skin
    points, radii = figure.limb(arm)
    pad = .06
    box = np.concatenate([points, [arm.tip + (arm.tip - arm.wrist) * .3]])
    where, x, y = canvas.window(box[:, 0].min() - pad, box[:, 1].min(),
                                box[:, 0].max() + pad, box[:, 1].max() + pad)
    inside, t, across, radius = tube(points, radii * .93, x, y)
    alpha = canvas.coverage(inside) * (t > start)
    shade = light.shade(radius * np.sqrt(np.maximum(1 - across ** 2, 0)), canvas.px)
    canvas.paint(where, skin * light.tint, alpha, shade, tone=SKIN_TONE)
    palm, fingers, thumb = _hand(arm, side, figure.arm_radius)
    inside = np.maximum(tube(*palm, x, y)[0], tube(*thumb, x, y)[0])
    finger, t, across, _ = tube(*fingers, x, y)
    inside = np.maximum(inside, finger)
    if arm.pose == "pocket":
        inside = np.minimum(inside, arm.wrist[1] + .030 - y)
    alpha = canvas.coverage(inside)
    height = .02 * np.sqrt(np.clip(inside / .012, 0, 1))
    shade = light.shade(blur(height.astype(np.float32), .002 / canvas.px), canvas.px)
    lines = np.cos(across * np.pi * 3.5) ** 8 * smoothstep(.1, .3, t) * (finger > 0)
    shadow = np.roll(blur(alpha, .006 / canvas.px), int(.006 / canvas.px), 0)
    canvas.darken(where, .35 * shadow * (1 - alpha))
    canvas.paint(where, skin * light.tint, alpha, shade * (1 - .16 * lines), tone=SKIN_TONE)


def _hand(arm, side, r):
    """Tubes (points, radii) of palm, fingers and thumb."""
    along = arm.tip - arm.wrist
    length = np.hypot(*along)
    along = along / length
    inner = np.array([along[1], -along[0]]) * -side  # towards the body's middle
    at = lambda far, off: arm.wrist + along * length * far + inner * off  # noqa: E731
    palm = [at(-.1, 0), at(.25, 0), at(.5, .001)], [.50 * r, .62 * r, .58 * r]
    fingers = [at(.4, .001), at(.75, .003), at(1.02, .008)], [.56 * r, .46 * r, .24 * r]
    thumb = [at(.15, .3 * r), at(.42, .72 * r), at(.6, .72 * r)], [.3 * r, .22 * r, .15 * r]
    return palm, fingers, thumb
