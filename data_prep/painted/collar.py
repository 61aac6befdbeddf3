"""Turtlenecks, hoods and the inside of the back collar."""
import numpy as np

from data_prep.painted.body import NECK_Y
from data_prep.painted.canvas import blur, smoothstep, tube


def paint_back(canvas, outfit, product):
    """What lies behind the neck: the hood, and in a product photo the collar's inside."""
    g = outfit.garment
    if g.neckline == "hood":
        _hood_back(canvas, outfit, product)
    elif product:
        _inside(canvas, outfit)


def _inside(canvas, outfit):
    g, light = outfit.garment, outfit.light
    where, x, y = canvas.window(-.08, .15, .08, .34)
    high = g.neckline == "turtleneck"
    rise = g.deep * .8 if high else .004
    half = np.full_like(x, g.wide + .003)
    back = NECK_Y - rise - .004 + .012 * (1 - (x / half) ** 2)
    opening = outfit.opening(x, y, y) if not high else .03 - np.abs(y - NECK_Y + .01)
    inside = np.minimum(np.minimum(half - np.abs(x), y - back), opening + .006)
    alpha = canvas.coverage(inside)
    shade = .60 + .12 * smoothstep(.02, .0, y - back) - .1 * np.abs(x / half) ** 2
    color = np.array(np.broadcast_to(g.color("body"), x.shape + (3,)), np.float32)
    rib = smoothstep(.014, .012, y - back)[..., None]
    color += rib * (g.color("collar") - color)
    canvas.paint(where, color * light.tint, alpha, shade, cloth=True)
    label = np.minimum(.009 - np.abs(x), .0045 - np.abs(y - back - .019))
    canvas.paint(where, [.86, .85, .83], canvas.coverage(label) * alpha, cloth=True)


def _hood_back(canvas, outfit, product):
    g = outfit.garment
    where, x, y = canvas.window(-.12, .06, .12, .28)
    u = (x - .012 * outfit.figure.turn)
    cy, rx, ry = (.185, .066, .062) if product else (.196, .070, .036)
    inside = (1 - np.sqrt((u / rx) ** 2 + ((y - cy) / ry) ** 2)) * min(rx, ry)
    alpha = canvas.coverage(inside)
    height = .05 * np.sqrt(np.clip(1 - (1 - inside / min(rx, ry)) ** 2, 0, 1))
    shade = outfit.light.shade(height, canvas.px) * .86
    color = np.array(np.broadcast_to(g.color("body"), x.shape + (3,)), np.float32)
    lining = smoothstep(.013, .017, inside)
    shade = shade * (1 - lining) + lining * (.56 + .1 * (y < cy))
    canvas.paint(where, color * outfit.light.tint, alpha, shade, cloth=True)


def paint_front(canvas, outfit):
    """Turtleneck's tube or the hood's front edge with its strings."""
    if outfit.garment.neckline == "turtleneck":
        _turtleneck(canvas, outfit)
    elif outfit.garment.neckline == "hood":
        _hood_front(canvas, outfit)
        if outfit.garment.strings:
            _strings(canvas, outfit)


def _turtleneck(canvas, outfit):
    g, fig, light = outfit.garment, outfit.figure, outfit.light
    where, x, y = canvas.window(-.1, .13, .1, .28)
    u = x - .008 * fig.turn
    top, bottom = NECK_Y - g.deep * .8, NECK_Y + .017
    t = (y - top) / (bottom - top)
    half = fig.neck + .007 + .006 * t ** 2
    curve = .008 * (1 - np.clip(u / half, -1, 1) ** 2)
    inside = np.minimum(half - np.abs(u), np.minimum(y - top - curve, bottom + curve - y))
    alpha = canvas.coverage(inside)
    across = np.clip(u / half, -1, 1)
    height = half * np.sqrt(1 - across ** 2)
    fold = .0025 * np.exp(-((t - .5 - .2 * across ** 2) / .1) ** 2)
    shade = light.shade(height, canvas.px, fold.astype(np.float32))
    shade *= 1 + .05 * np.cos(np.arcsin(across) * 22)
    _shadow(canvas, where, alpha, .4)
    canvas.paint(where, g.color("collar") * light.tint, alpha, shade, cloth=True)


def _hood_front(canvas, outfit):
    g, fig, light = outfit.garment, outfit.figure, outfit.light
    where, x, y = canvas.window(-.13, .14, .13, .32)
    mid = fig.turn * .018
    low = NECK_Y + g.deep
    for side in (-1, 1):
        points = [(side * (g.wide + .012), NECK_Y - .022), (side * (g.wide + .010), NECK_Y),
                  (side * g.wide * .62 + mid * .7, NECK_Y + .6 * g.deep), (mid, low + .008)]
        inside, t, across, radius = tube(np.array(points), [.012, .021, .017, .009], x, y)
        alpha = canvas.coverage(inside)
        height = radius * np.sqrt(np.maximum(1 - across ** 2, 0))
        shade = light.shade(height, canvas.px)
        _shadow(canvas, where, alpha, .4)
        canvas.paint(where, g.color("body") * light.tint, alpha, shade, cloth=True)


def _strings(canvas, outfit):
    g, fig = outfit.garment, outfit.figure
    mid, low = fig.turn * .018, NECK_Y + g.deep
    where, x, y = canvas.window(-.08, .2, .08, .42)
    color = np.array(g.colors[1] if g.trim != "none" else (.93, .93, .91))
    if np.abs(color - g.color("body")).sum() < .3:
        color = np.array([.15, .15, .16])
    for side, length in ((-1, .085), (1, .095)):
        start = np.array([mid + side * .014, low - .006])
        end = start + [side * .006, length]
        points = np.array([start, (start + end) / 2 + [side * .003, 0], end])
        inside = tube(points, [.0022, .0022, .0026], x, y)[0]
        alpha = canvas.coverage(inside)
        _shadow(canvas, where, alpha, .3, .003)
        canvas.paint(where, color * outfit.light.tint, alpha, cloth=True)


def _shadow(canvas, where, alpha, amount, size=.006):
    """Contact shadow of a raised part."""
    shadow = np.roll(blur(alpha, size / canvas.px), int(round(size / canvas.px)), axis=0)
    canvas.darken(where, amount * shadow * (1 - alpha))
