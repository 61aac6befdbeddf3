"""Head and face, softly painted."""
import numpy as np

from data_prep.painted.canvas import SKIN_TONE, blur, bump, smoothstep

HEAD_Y = .108  # middle of the head
HEAD_HALF = (.0500, .0740)  # half-width, half-height


class Head:
    """Head coordinates: u, v run -1..1 across and down the unrotated head."""

    def __init__(self, sitter):
        person = sitter.person
        self.sitter, self.person = sitter, person
        dx, dy, self.roll, self.yaw = sitter.head
        self.center = np.array([dx, HEAD_Y + dy])
        f = person.feminine
        self.half = np.array([HEAD_HALF[0] * (1.03 - .06 * f + .03 * person.face[0]),
                              HEAD_HALF[1] * (1 + .02 * person.face[1])]) * person.head
        self.turn = np.sin(self.yaw)

    def local(self, x, y):
        """(u, v) of picture points."""
        c, s = np.cos(self.roll), np.sin(self.roll)
        dx, dy = x - self.center[0], y - self.center[1]
        return (c * dx + s * dy) / self.half[0], (c * dy - s * dx) / self.half[1]

    def jaw(self, v):
        """Half-width of the face over v, relative to the head's."""
        p, f = self.person.face, self.person.feminine
        chin = .34 - .09 * f + .04 * p[2]
        knots = [(-1.0, .0), (-.93, .42), (-.75, .72), (-.4, .95), (-.05, 1.0), (.3, .93),
                 (.6, .78 - .05 * f), (.82, .56 - .08 * f + .03 * p[3]), (.95, chin), (1.0, .0)]
        return np.interp(v, *zip(*knots))


def paint_head(canvas, head, light):
    """Ears, skull, face; casts the chin's shadow first."""
    person = head.person
    x0, y0 = head.center
    where, x, y = canvas.window(x0 - .085, y0 - .1, x0 + .085, y0 + .12)
    u, v = head.local(x, y)
    inside = (head.jaw(v) - np.abs(u)) * head.half[0]
    inside = blur(inside.astype(np.float32), .0025 / canvas.px)
    alpha = canvas.coverage(inside)
    shadow = np.roll(blur(alpha, .008 / canvas.px), int(.014 / canvas.px), 0)
    canvas.darken(where, .5 * light.strength * shadow)
    if person.style in ("short", "quiff", "crop", "bald", "bun", "ponytail"):
        _ears(canvas, where, u, v, head, light)
    height = .05 * np.sqrt(np.clip(1 - .93 * (u / np.maximum(head.jaw(v), .2)) ** 2, 0, 1)
                           * np.clip(1 - .8 * np.abs(v) ** 3.5, .05, 1))
    fu = u - .42 * head.turn * np.sqrt(np.clip(1 - u * u, 0, 1))
    height += _features(fu, v, person)
    shade = light.shade(blur(height.astype(np.float32), .003 / canvas.px), canvas.px)
    color = _complexion(fu, v, person)
    canvas.paint(where, color * light.tint, alpha, np.clip(shade, .55, 1.3), tone=SKIN_TONE)
    _eyes(canvas, where, fu, v, head, alpha, light)
    _mouth(canvas, where, fu, v, head, alpha, light)


def _features(u, v, person):
    """Relief of nose, sockets, cheeks and lips [body units]."""
    nose = (.011 * bump(u, 0, .10 + .03 * np.clip(v, 0, .4)) * smoothstep(-.15, .30, v)
            * smoothstep(.42, .33, v))
    sockets = -.004 * (bump(u, -.4, .2) + bump(u, .4, .2)) * bump(v, -.03, .11)
    lips = .004 * bump(u, 0, .2) * bump(v, .55, .08)
    chin = .004 * bump(u, 0, .2) * bump(v, .84, .1)
    cheeks = .003 * (bump(u, -.55, .25) + bump(u, .55, .25)) * bump(v, .25, .2)
    return nose + sockets + lips + chin + cheeks


def _complexion(u, v, person):
    """Skin with blush, shadowed sockets and beard."""
    skin = person.skin
    blush = .10 * person.feminine * (bump(u, -.55, .24) + bump(u, .55, .24)) * bump(v, .28, .18)
    color = skin + blush[..., None] * (skin * [1.05, .72, .70] - skin)
    under = .12 * bump(v, .37, .035) * bump(u, 0, .17)  # below the nose
    nostrils = .25 * (bump(u, -.075, .04) + bump(u, .075, .04)) * bump(v, .335, .025)
    lids = .10 * (bump(u, -.4, .2) + bump(u, .4, .2)) * bump(v, -.06, .07)
    color = color * (1 - (under + nostrils + lids)[..., None] * [.8, 1, 1])
    if person.beard > .05:
        lips = bump(u, 0, .17) * bump(v, .55, .06)
        area = smoothstep(.18, .5, v + .25 * np.abs(u) ** 2) * (1 - .8 * lips)
        beard = (.55 * min(person.beard, 1) * area)[..., None]
        color = color + beard * (person.hair * .8 - color)
    return color


def _eyes(canvas, where, u, v, head, alpha, light):
    person = head.person
    p, f = person.face, person.feminine
    apart, level = .39 + .02 * p[4], -.02
    for side in (-1, 1):
        eu, ev = (u - side * apart) / (.175 + .015 * p[5]), (v - level) / (.050 + .008 * f)
        lid = 1 - eu * eu
        white = smoothstep(-.25, .25, lid - np.abs(ev)) * alpha
        canvas.paint(where, np.array([.93, .91, .89]) * light.tint * .97, .8 * white)
        iris = smoothstep(.5, .34, np.hypot(eu, ev * .42 + .02)) * white
        canvas.paint(where, person.eye, .9 * iris)
        pupil = smoothstep(.25, .15, np.hypot(eu, ev * .42)) * white
        canvas.paint(where, [.05, .04, .04], .8 * pupil)
        lash = bump(ev, -.95 + .75 * eu * eu, .38 + .15 * f) * (np.abs(eu) < 1.12) * alpha
        canvas.paint(where, [.12, .08, .07], (.55 + .3 * f) * lash)
        arch = level - .155 - .01 * p[6] + .035 * eu * eu
        brow = bump(v, arch, .024 + .008 * (1 - f))
        brow = brow * smoothstep(1.35, 1.0, np.abs(eu)) * alpha
        canvas.paint(where, person.hair * .72, (.62 + .15 * (1 - f)) * brow)


def _mouth(canvas, where, u, v, head, alpha, light):
    person = head.person
    width, f = .255 + .03 * person.face[7], person.feminine
    mu = u / width
    open_ = np.clip(1 - mu * mu, 0, 1)
    lip = smoothstep(-.015, .02, .052 * open_ * (.8 + .4 * f) - np.abs(v - .555)) * alpha
    color = person.skin * (np.array([.92, .62, .62]) - .06 * (1 - f))
    canvas.paint(where, color * light.tint, (.45 + .35 * f) * lip)
    line = bump(v, .548 - .012 * mu * mu, .012) * smoothstep(1.05, .8, np.abs(mu)) * alpha
    canvas.paint(where, person.skin * [.5, .3, .3], .65 * line)
    glint = .12 * bump(v, .585, .018) * bump(u, 0, .12) * alpha
    canvas.paint(where, [1, .96, .95], glint)


def _ears(canvas, where, u, v, head, light):
    for side in (-1, 1):
        shift = side * (1.02 - .12 * side * head.turn)
        r = np.hypot((u - shift) / .14, (v - .05) / .20)
        alpha = smoothstep(1.1, .9, r)
        shade = .92 - .2 * smoothstep(.8, .2, r)
        canvas.paint(where, head.person.skin * light.tint, alpha, shade)
