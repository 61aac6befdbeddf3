"""Hair: a mass behind the head, a cap above the forehead, strands before the shoulders."""
import numpy as np

from data_prep.painted.canvas import blur, bump, smoothstep, tube

CAP_VOLUME = {"crop": .02, "short": .07, "quiff": .13, "curls": .22}  # shares of the head
BACK_LENGTH = {"long": .34, "waves": .33, "bob": .205, "curls": .19, "bun": 0, "ponytail": .0}


def strands(across, along, seed, fine=1.0):
    """Brightness factor of hair: streaks along the strands plus one soft gloss."""
    rng = np.random.default_rng(seed)
    total = np.zeros_like(across)
    for _ in range(5):
        k, phase, bend = rng.uniform(5, 22) * fine, rng.uniform(0, 6.3), rng.normal(0, 1.2)
        total += np.sin(k * across + phase + bend * along)
    return 1 + .05 * total


def paint_back(canvas, head, light):
    """Hair behind neck and shoulders, and a bun."""
    person = head.person
    x0, y0 = head.center
    where, x, y = canvas.window(x0 - .13, y0 - .14, x0 + .13, .42)
    u, v = head.local(x, y)
    length = BACK_LENGTH.get(person.style, 0)
    if person.style == "bun":
        r = np.hypot(u / .42, (v + 1.12) / .26)
        _paint(canvas, where, person, light, smoothstep(1.05, .95, r), u, v, .85)
    if not length:
        return
    wide = (1.10 + .10 * person.volume) + .12 * smoothstep(-.4, .9, v)
    if person.style == "curls":
        wide = wide + .16 * person.volume + .05 * np.sin(9 * v) * np.sin(4 * u)
    if person.style == "waves":
        wide = wide + .07 * np.sin(5.5 * v + person.seed % 7)
    bottom = (length - y0) / head.half[1]
    wide = wide * np.sqrt(np.clip((bottom - v) / .35, 0, 1)) ** .6
    top = np.sqrt(np.clip(1 - (np.clip(-v, 0, 1.2) / (1.12 + .06 * person.volume)) ** 2, 0, 1))
    inside = (wide * top - np.abs(u) - .2 * (top <= 0)) * head.half[0]
    _paint(canvas, where, person, light, canvas.coverage(inside), u, v, .72)


def _paint(canvas, where, person, light, alpha, across, along, level):
    shade = strands(across, along, person.seed) * level
    shade = shade * (1 - .25 * np.clip(np.abs(across) - .6, 0, 1))
    canvas.paint(where, person.hair * light.tint, alpha, shade * light.ambient)


def paint_cap(canvas, head, light):
    """Hair on the skull down to the hairline, over the temples for long styles."""
    person = head.person
    if person.style == "bald":
        return
    x0, y0 = head.center
    where, x, y = canvas.window(x0 - .1, y0 - .14, x0 + .1, y0 + .1)
    u, v = head.local(x, y)
    volume = CAP_VOLUME.get(person.style, .085) * person.volume
    skull = 1 - np.hypot(u / (1.03 + .6 * volume), (v + .05) / (1.0 + volume))
    if person.style == "quiff":
        skull = np.maximum(skull, 1 - np.hypot((u - .15) / .8, (v + .82) / .34))
    if person.style == "curls":
        skull = skull + .035 * np.sin(11 * u + 2) * np.sin(10 * v)
    face = _hairline(u, v, head)
    inside = np.minimum(skull * head.half[0] * 1.1, face)
    alpha = canvas.coverage(blur(inside.astype(np.float32), .0012 / canvas.px))
    part = .25 * np.sign(person.face[5]) if person.feminine > .5 else 0
    across = np.arctan2(u - part, .35 - v) * 1.3
    gloss = 1 + .32 * bump(np.hypot(u * .8, v), .78, .13) * (v < -.2)
    shade = strands(across, v, person.seed, 1.4) * gloss * (1 - .3 * np.clip(np.abs(u) - .55, 0, 1))
    shadow = np.roll(blur(alpha, .004 / canvas.px), int(.005 / canvas.px), 0)
    canvas.darken(where, .28 * shadow * (1 - alpha))
    canvas.paint(where, person.hair * light.tint, alpha, np.clip(shade, .4, 1.7) * light.ambient)


def _hairline(u, v, head):
    """Signed distance above the hairline [body units]; styles differ at the temples."""
    person, p = head.person, head.person.face
    fu = u - .25 * head.turn
    if person.feminine > .5 and person.style != "curls":
        side = .25 * np.sign(p[5])  # the parting
        level = -.72 + .55 * np.abs(fu - side) ** 1.7 + .10 * p[4] * .5
        if person.style not in ("bun", "ponytail"):  # hair falls over the temples
            level = level + 5 * np.maximum(np.abs(fu) - .62, 0) ** 1.3
        if person.fringe:
            level = np.maximum(level, -.30 + .05 * np.cos(5 * fu))
    else:
        level = -.60 + .10 * fu ** 2 + .06 * p[4] + .5 * smoothstep(.72, .95, np.abs(fu))
    return (level - v) * head.half[1]


def paint_front(canvas, head, figure, light):
    """Long hair beside the face and in front of the shoulders."""
    person = head.person
    if person.style not in ("long", "waves", "bob"):
        return
    for n, side in enumerate((-1, 1)):
        _lock(canvas, head, light, side, n)


def _lock(canvas, head, light, side, n):
    """One lock from the parting over the temple, down to its end."""
    person, end = head.person, head.sitter.hair_front[n]
    points, radii = _lock_path(head, side, end)
    where, x, y = canvas.window(points[:, 0].min() - .04, points[:, 1].min() - .03,
                                points[:, 0].max() + .04, points[:, 1].max() + .03)
    inside, along, across, _ = tube(points, radii, x, y)
    alpha = canvas.coverage(inside)
    if end:
        shift = (int(.006 / canvas.px), int(side * .003 / canvas.px))
        shadow = np.roll(blur(alpha, .005 / canvas.px), shift, (0, 1))
        canvas.darken(where, .4 * shadow * (1 - alpha))
    shade = strands(across * 1.2, along * 3, person.seed + n)
    shade = shade * (1.03 - .25 * across ** 2) * (1 + .18 * bump(along, .22, .1))
    canvas.paint(where, person.hair * light.tint, alpha, shade * light.ambient)


def _lock_path(head, side, end):
    """(points [n,2], radii [n]) of a lock; ``end``: its lowest y, 0 to end behind the jaw."""
    person, w = head.person, head.person.volume
    wave = .006 if person.style == "waves" else .0015
    hug = np.array([(.30, -.97), (.66, -.80), (.90, -.48), (.99, -.12), (1.02, .3), (1.02, .7)])
    points = head.center + hug * [side, 1] * head.half
    radii = np.array([.006, .010, .012, .013, .014, .015]) * (.7 + .3 * w)
    low = end or (.200 if person.style == "bob" else .212)
    t = np.linspace(.12, 1, 9)[:, None]
    start = points[-1]
    out = start[0] + side * ((.016 * np.sin(np.pi * .6 * t) if end else -.010 * t)
                             + wave * np.sin(9 * t + person.seed % 5))
    fall = np.concatenate([out, start[1] + (low - start[1]) * t], 1)
    size = .016 + .009 * np.sin(np.pi * np.clip(t[:, 0] * .75, 0, 1)) if end else \
        .015 - .007 * t[:, 0]
    size = size * (.75 + .3 * w) * np.where(t[:, 0] > .8, 1 - 3.0 * (t[:, 0] - .8), 1)
    return np.concatenate([points, fall]), np.concatenate([radii, size])
