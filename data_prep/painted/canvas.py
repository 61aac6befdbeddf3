"""The canvas: a supersampled picture painted part by part in body units.

Body units: the height of the picture is 1 at camera scale 1; x = 0 is the body's middle.
"""
import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

SUPERSAMPLE = 2  # inner pixels per output pixel along each side


def smoothstep(low, high, value):
    """0 below ``low``, 1 above ``high``, smooth between; works with arrays."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def bump(value, center, width):
    """A Gaussian bell of height 1."""
    return np.exp(-((value - center) / width) ** 2)


def blur(field, sigma):
    """Gaussian blur by ``sigma`` inner pixels (no-op below a tenth of a pixel)."""
    return gaussian_filter(field, sigma, mode="nearest", truncate=2.5) if sigma > .1 else field


def look_up(table, rows, columns):
    """Bilinear samples of a 2-D ``table`` at fractional ``rows``, ``columns`` (clamped)."""
    return map_coordinates(table, [rows, columns], np.float32, order=1, mode="nearest")


class Canvas:
    """rgb [h,w,3] float32 in 0..1; solid [h,w] what of the person is painted already;
    cloth [h,w] visible share of the garment. ``px`` is an inner pixel in body units."""

    def __init__(self, size, scale=1.0, shift=(0.0, 0.0), anchor=0.0):
        height, width = (side * SUPERSAMPLE for side in size)
        self.px = 1.0 / (height * scale)
        y = ((np.arange(height) + .5) / height - anchor - shift[1]) / scale + anchor
        x = ((np.arange(width) + .5 - width / 2) / height - shift[0]) / scale
        self._x, self._y = x.astype(np.float32), y.astype(np.float32)
        self.rgb = np.zeros((height, width, 3), np.float32)
        self.solid = np.zeros((height, width), np.float32)
        self.cloth = np.zeros((height, width), np.float32)

    def window(self, left, top, right, bottom):
        """(slices, X, Y) of the inner pixels within the given box of body units."""
        rows = slice(*np.searchsorted(self._y, (top, bottom)))
        columns = slice(*np.searchsorted(self._x, (left, right)))
        x, y = np.meshgrid(self._x[columns], self._y[rows])
        return (rows, columns), x, y

    def coverage(self, distance):
        """Antialiased coverage of a signed ``distance`` [body units], positive inside."""
        return np.clip(distance / self.px + .5, 0, 1)

    def paint(self, where, color, alpha, shade=None, cloth=False, tone=None):
        """Paint ``color`` ([3] or [h,w,3]) times ``shade`` over window ``where``.

        tone: exponents [3] of the shade per channel (skin keeps its red in the dark).
        """
        color = np.asarray(color, np.float32)
        if shade is not None:
            color = color * (shade[..., None] if tone is None else shade[..., None] ** tone)
        target = self.rgb[where]
        target += alpha[..., None] * (color - target)
        self.solid[where] = np.maximum(self.solid[where], alpha)
        seen = self.cloth[where]
        seen += alpha * ((1.0 if cloth else 0.0) - seen)

    def darken(self, where, amount):
        """Cast a shadow: what is solid already loses the share ``amount`` of its light."""
        amount = amount * self.solid[where]
        self.rgb[where] *= 1 - amount[..., None] * SHADOW_TINT

    def developed(self):
        """(rgb, cloth) area-averaged down to the size of the picture."""
        return _halve(self.rgb), _halve(self.cloth)


SKIN_TONE = np.array([.75, 1.08, 1.25], np.float32)  # light scatters red within skin
SHADOW_TINT = np.array([.94, 1.0, 1.03], np.float32)  # shadows keep a little more red


def _halve(field):
    s = SUPERSAMPLE
    shape = (field.shape[0] // s, s, field.shape[1] // s, s) + field.shape[2:]
    return field.reshape(shape).mean(axis=(1, 3))


def tube(points, radii, x, y):
    """A tapered tube along a polyline.

    points: [n,2] body units; radii: [n]. Returns (distance inside [positive], t along
    0..1 by arc length, side -1..1 across, radius) at every x, y.
    """
    points, radii = np.asarray(points, np.float32), np.asarray(radii, np.float32)
    start, step = points[:-1, :, None], np.diff(points, axis=0)[:, :, None]
    length = np.hypot(step[:, 0], step[:, 1])
    along = np.concatenate([[0], np.cumsum(length[:, 0])]).astype(np.float32)
    rx, ry = x.ravel()[None] - start[:, 0], y.ravel()[None] - start[:, 1]
    s = np.clip((rx * step[:, 0] + ry * step[:, 1]) / length ** 2, 0, 1)
    off = np.hypot(rx - s * step[:, 0], ry - s * step[:, 1])
    inside = radii[:-1, None] * (1 - s) + radii[1:, None] * s - off
    best = np.argmax(inside, axis=0)[None]
    pick = lambda field: np.take_along_axis(field, best, 0)[0]  # noqa: E731
    cross = np.sign(pick(rx) * step[best[0], 1, 0] - pick(ry) * step[best[0], 0, 0])
    t = (along[best[0]] + pick(s) * length[best[0], 0]) / along[-1]
    radius = pick(inside) + pick(off)
    side = cross * pick(off) / radius
    return tuple(f.reshape(x.shape) for f in (pick(inside), t, side, radius))


def bent(points, turns=8):
    """Round the corners of a polyline [n,2]: quadratic arcs between the edges' middles."""
    points = np.asarray(points, float)
    path = [points[:1]]
    s = np.linspace(0, 1, turns)[:, None]
    for before, corner, after in zip(points[:-2], points[1:-1], points[2:]):
        a, b = corner + .42 * (before - corner), corner + .42 * (after - corner)
        path.append((1 - s) ** 2 * a + 2 * s * (1 - s) * corner + s ** 2 * b)
    return np.concatenate(path + [points[-1:]])
