"""The tailor: cut a garment from the suit, drape it on a body, and sew collars and hoods to its neck."""

import functools
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from data_prep.photoshoot.body import surface as mesh
from data_prep.photoshoot.body.anatomy import apply_skinning, triangles
from data_prep.photoshoot.clothes.garment import STRAIGHT, TABLES
from data_prep.photoshoot.numeric import smoothstep

COLLARS = TABLES["collars"]
LOOP = 56  # points around the neck
NECK_TOLERANCE = 0.004  # largest distance of the loop's points from the neck's border [m]
NECK_SLOPE = 0.45  # of the suit's upper border, which is higher behind [m/m]
SKIN_GAP = 0.005  # smallest distance of cloth from skin [m]
SEAT = 0.035  # height above the crotch below which a skirt is not cut from the suit [m]


def neck_field(c, garment):
    """Signed distance [m] to the neck opening, negative inside it; c: garment coordinates."""
    marks = mesh.template()[1]
    if garment.neckline == "turtleneck":
        high = c["z"] - marks.neck - NECK_SLOPE * (c["y"] + 0.034)
        return np.where(c["arm"] < 0.3, -0.003 - high, mesh.FAR)
    back = smoothstep(-0.02, 0.05, c["y"] - marks.middle)
    deep = garment.deep + (0.022 - garment.deep) * back
    u = np.abs(c["x"]) / garment.wide
    v = (marks.neck - c["z"]) / deep
    level = 1 - np.sqrt(u * u + np.where(v > 0, v, 0.25 * v) ** 2)
    if garment.neckline == "v-neck":
        front = np.where(v > 0, 1.15 - u - v, 1.15 - np.sqrt(u * u + (0.2 * v) ** 2))
        level = front + (level - front) * back
    return np.where(c["arm"] < 0.5, -level * min(garment.wide, 0.08), mesh.FAR)


def opening_field(c, garment, unzipped):
    """Signed distance [m] to an open front; ``unzipped`` in 0..1: how far zip or buttons are open."""
    marks = mesh.template()[1]
    if garment.front == "closed" or (garment.front != "open" and unzipped <= 0):
        return np.full_like(c["z"], mesh.FAR)
    top = marks.neck - 0.02
    if garment.front == "open":
        low = smoothstep(top, marks.hip, c["z"])
        wide = garment.gap * (0.55 + 0.75 * low) + 0.012
    else:
        reach = {"zip": 0.34, "half-zip": 0.16, "placket": 0.12, "buttons": 0.12}[garment.front]
        bottom = top - reach * unzipped
        wide = 0.055 * np.clip((c["z"] - bottom) / (top - bottom + 1e-6), 0, 1.2) - 1e-4
        wide = np.where(c["z"] < bottom, -0.01, wide)
    front = (c["y"] < marks.middle) & (c["arm"] < 0.5)
    return np.where(front, np.abs(c["x"]) - wide, mesh.FAR)


def armhole_field(c):
    """Signed distance [m] to the armholes of a sleeveless garment, negative on the arm."""
    marks = mesh.template()[1]
    limit = marks.shoulder[0] - 0.012 + 0.28 * np.clip(marks.shoulder[2] - 0.03 - c["z"], 0, 0.5)
    return limit - np.abs(c["x"])


def hem_height(garment):
    """Height of the hem on the template [m]."""
    return mesh.template()[1].hip + garment.hem


def waist_height(garment):
    """Height of the waist of trousers and skirts on the template [m]; that of a dress is the body's."""
    marks = mesh.template()[1]
    return marks.waist if garment.category == "dress" else marks.hip + garment.waist


def top_height(garment):
    """Height from which a garment's length is measured [m]: the waist of trousers and skirts, or the neck."""
    return waist_height(garment) if garment.category in ("trousers", "skirt") else mesh.template()[1].neck


def suit_end(garment):
    """Height of the lower end of what is cut from the suit [m]: below, a skirt hangs free."""
    swept = garment.category in ("skirt", "dress")
    return mesh.template()[1].crotch + SEAT if swept else hem_height(garment)


@functools.lru_cache(8)
def cut_closed(garment):
    """Cut the `Surface` of a garment with a closed front: hem, cuffs or armholes, and neck."""
    surface, reach = mesh.suit(), mesh.template()[1].reach
    above = surface.coords["z"] - suit_end(garment)
    surface = mesh.cut(surface, np.where(surface.coords["arm"] > 0.5, mesh.FAR, above))
    c = surface.coords
    sleeve = np.where(c["arm"] > 0.5, (garment.end - c["t"]) * reach, mesh.FAR)
    surface = mesh.cut(surface, armhole_field(c) if garment.sleeve == "sleeveless" else sleeve)
    return mesh.cut(surface, neck_field(surface.coords, garment))


@functools.lru_cache(8)
def cut_top(garment, unzipped):
    """Cut the `Top` of a garment whose front is open as far as ``unzipped``."""
    surface = cut_closed(garment)
    surface = mesh.cut(surface, opening_field(surface.coords, garment, unzipped))
    edges = mesh.border(surface.faces)
    return Top(garment, surface, smoothing(surface, edges), neck_loop(surface, garment, edges))


def smoothing(surface, edges):
    """The `averaging` of a cut surface, where border points average over the border only."""
    mean = mesh.averaging(surface.faces, len(surface))
    both = np.concatenate([edges, edges[:, ::-1]])
    rim = sparse.csr_matrix((np.full(len(both), 0.5, np.float32), (both[:, 0], both[:, 1])), mean.shape)
    inner = np.ones(len(surface), np.float32)
    inner[edges] = 0
    return (sparse.diags(inner) @ mean + rim).tocsr()


@dataclass(frozen=True)
class Top:
    """A cut garment: surface, mean [n,n] (`smoothing`), loop [LOOP,n] (points around the neck) or None."""

    garment: object
    surface: mesh.Surface
    mean: sparse.csr_matrix
    loop: object


def neck_loop(surface, garment, edges):
    """Sparse [LOOP,n] that interpolates points around the neck, at angles from -pi to pi (front: 0)."""
    c = surface.coords
    rows = np.unique(edges)
    rows = rows[np.abs(neck_field({k: v[rows] for k, v in c.items()}, garment)) < NECK_TOLERANCE]
    if len(rows) < 12:
        return None
    x, y = c["x"][rows], c["y"][rows]
    angle = np.arctan2(x, (y.min() + y.max()) / 2 - y)
    order = np.argsort(angle)
    rows, angle = rows[order], angle[order]
    wanted = np.linspace(-np.pi, np.pi, LOOP)
    after = np.searchsorted(angle, wanted) % len(rows)
    before = after - 1
    gap = (angle[after] - angle[before]) % (2 * np.pi)
    past = (wanted - angle[before] + np.pi) % (2 * np.pi) - np.pi
    share = np.clip(past / np.maximum(gap, 1e-6), 0, 1)
    column = np.concatenate([rows[before], rows[after]])
    value = np.concatenate([1 - share, share])
    return sparse.csr_matrix((value, (np.tile(np.arange(LOOP), 2), column)), (LOOP, len(surface)))


def drape(top, rest, ring):
    """Drape a garment on a body at rest: points [n,3].

    rest: points of the body's suit [suit,3]; ring: landmarks of the body (`figure.landmarks`).
    """
    g, c = top.garment, top.surface.coords
    skin = (top.surface.map @ rest).astype(np.float32)
    out = mesh.normals(skin, top.surface.faces)
    torso = 1 - smoothstep(0.2, 0.8, c["arm"])
    marks = mesh.template()[1]
    hem = suit_end(g)
    low = np.clip((marks.neck - c["z"]) / (marks.neck - hem), 0, 1)  # 0 neck .. 1 hem
    sleeve = 0.1 + 0.9 * smoothstep(0.05, 0.55, c["t"])  # cloth lies on the shoulder and hangs off the arm
    ease = g.ease * (torso * (0.35 + 0.9 * smoothstep(0.1, 0.6, low)) + (1 - torso) * sleeve)
    points = skin + (SKIN_GAP + ease)[:, None] * out
    away = torso * _hang_distance(points, c, g, ring) * smoothstep(0.2, 0.45, low)
    points += away[:, None] * (out * np.float32([1, 1, 0]))
    level = smoothstep(0.5, 1, low) * torso * (g.flare - 0.014)
    points[:, 0] += np.sign(points[:, 0]) * level * np.abs(out[:, 0])
    if g.swing:
        points += (torso * measure_swing(g, c["z"]))[:, None] * level_direction(out)
    settle(top, points, skin, out, SKIN_GAP + 0.25 * ease, rounds=int(6 + 900 * g.ease), every=3)
    return _gather(points, skin, out, c, torso, g, hem)


def settle(top, points, skin, out, gap, rounds, every=1):
    """Smooth a garment's points [n,3] in place, and at times keep them at a gap [n] from the skin."""
    for n in range(1, rounds + 1):
        points += 0.6 * (top.mean @ points - points)
        if n % every == 0 or n == rounds:
            points += np.maximum(gap - ((points - skin) * out).sum(1), 0)[:, None] * out


def _hang_distance(points, c, g, ring):
    """Distance [n] at which cloth hangs off a narrow waist: towards the line from chest to hips."""
    high, low = ring["chest z"], ring["hip z"]
    share = np.clip((high - points[:, 2]) / (high - low), 0, 1)

    def line(side, factor=1.0):
        start = ring[f"chest {side}"] * factor
        return start + (ring[f"hip {side}"] - start) * share

    side = np.abs(np.sin(c["round_torso"]))
    line_x = line("x", 0.96)
    line_y = np.where(c["round_torso"] ** 2 < 2.4, -line("front"), line("back"))
    own_x, own_y = np.abs(points[:, 0]), np.abs(points[:, 1])
    gap = np.maximum(line_x - own_x, 0) * side**4 + np.maximum(np.abs(line_y) - own_y, 0) * (1 - side**2) ** 2
    return STRAIGHT[g.cut] * gap


def _gather(points, skin, out, c, torso, g, hem):
    """Gather hem and cuffs at their ribs; the cloth above bulges slightly."""
    if g.rib:
        up = c["z"] - hem
        pull = torso * (1 - smoothstep(g.rib * 0.7, g.rib + 0.03, up))
        close = skin + (SKIN_GAP + 0.35 * g.ease) * out
        points += (0.75 * pull)[:, None] * (close - points)
        over = torso * np.exp(-(((up - g.rib - 0.025) / 0.03) ** 2))
        points[:, 2] -= 0.9 * g.ease * over
        points += (0.25 * g.ease * over)[:, None] * out
    if g.sleeve in ("long", "rolled"):
        back, cuff = (g.end - c["t"]) * mesh.template()[1].reach, max(g.rib, 0.02)
        pull = (1 - torso) * (1 - smoothstep(cuff * 0.7, cuff + 0.03, back))
        points += (0.8 * pull)[:, None] * (skin + (SKIN_GAP + 0.2 * g.ease) * out - points)
    return points


def measure_swing(garment, z):
    """By how much a skirt has widened at height z on the template [n], down to `suit_end` [m]."""
    return 0.7 * max(garment.swing, 0) * np.maximum(waist_height(garment) - z, 0)


def level_direction(out):
    """The horizontal part of directions [n,3], of length 1."""
    level = out * [1, 1, 0]
    return (level / np.maximum(np.linalg.norm(level, axis=1, keepdims=True), 0.1)).astype(np.float32)


def pose_cloth(top, points, weights, transforms):
    """Pose a garment with the body that it is draped on: points [n,3].

    points: draped on the body at rest; weights: skin weights of the suit [suit,bones].
    """
    moved = weights.any(0)  # face and fingers do not move cloth
    share = top.surface.map @ weights[:, moved]
    for _ in range(int(2 + 150 * top.garment.ease)):
        share = share + 0.5 * (top.mean @ share - share)
    points = apply_skinning(points, share, transforms[moved]).astype(np.float32)
    out = mesh.normals(points, top.surface.faces)
    sag = top.garment.ease * np.maximum(-out[:, 2], 0) * smoothstep(0.2, 0.8, top.surface.coords["arm"])
    points[:, 2] -= 0.9 * sag
    return points


# ---------------------------------------------------------------- collars and hoods


def profile(garment, turn, rng):
    """Profile of a collar or hood: points [LOOP,k,2] (outward, upward) [m], or None; turn: angles [LOOP]."""
    if garment.neckline not in COLLARS:
        return None
    back = smoothstep(0.5, 2.6, np.abs(turn))[:, None]
    out, up = np.transpose(COLLARS[garment.neckline])
    wide = tall = wave = 1.0 + 0 * back
    if garment.neckline == "turtleneck":
        up, wide, tall = up * (0.035 + 0.4 * garment.deep), 0.65 + 0.35 * back, 0.65 + 0.35 * back
    elif garment.neckline == "stand":
        up = up * (0.035 + garment.deep * 0.5)
    elif garment.neckline == "collar":
        tips = 1 - smoothstep(0.0, 0.9, np.abs(turn))[:, None]
        wide, tall = 1 + tips * rng.uniform(0.2, 0.9), 1 + 0.2 * back
    elif garment.neckline == "hood":
        tall = 0.30 + 0.70 * back
        wide = tall * rng.uniform(0.8, 1.15)
        wave = 1 + 0.12 * np.sin(3 * turn + rng.uniform(0, 6))[:, None]
    return np.stack([out * wide * wave, up * tall * wave], 2)


def collar(top, points, axis, unzipped, rng):
    """The collar or hood of a worn garment: (points [k,3], faces, coords), or None.

    points: posed points of the garment [n,3]; axis [3]: direction of the neck.
    """
    turn = np.linspace(-np.pi, np.pi, LOOP)
    shape = None if top.loop is None else profile(top.garment, turn, rng)
    if shape is None:
        return None
    ring = top.loop @ points
    center = ring.mean(0)
    off = ring - center
    off -= (off @ axis)[:, None] * axis
    off /= np.maximum(np.linalg.norm(off, axis=1, keepdims=True), 1e-6)
    swept = ring[:, None] + shape[:, :, :1] * off[:, None] + shape[:, :, 1:] * axis
    k = shape.shape[1]
    gap = {"closed": 0.0, "open": 0.55}.get(top.garment.front, 0.10 + 0.5 * unzipped)
    apart = np.abs(turn[:-1] + turn[1:]) / 2 >= gap
    faces = triangles(mesh.grid_faces(LOOP, k)[np.repeat(apart, k - 1)]).astype(np.int32)
    along = np.tile(np.linspace(0, 1, k), LOOP)
    coords = {"turn": np.repeat(turn, k).astype(np.float32), "along": along.astype(np.float32)}
    return swept.reshape(-1, 3).astype(np.float32), faces, coords
