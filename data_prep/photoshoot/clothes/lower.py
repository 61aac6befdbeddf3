"""Lower garments: trousers are cut from the suit's legs; skirts hang from the hips around both legs."""

import functools
from dataclasses import replace

import numpy as np
from scipy import sparse
from scipy.ndimage import gaussian_filter1d

from data_prep.photoshoot.body import surface as mesh
from data_prep.photoshoot.body.anatomy import anatomy, triangles
from data_prep.photoshoot.clothes import tailor
from data_prep.photoshoot.numeric import smoothstep

CALF = 0.485  # the mesh is cut this far below the hip joints, where legs are extended down to ankles [m]
ANKLE, SHIN_RINGS = 0.815, 12  # where the legs end below the hip joints [m], and the rings down to there
ANKLE_SHARE = 0.62  # width of an ankle relative to the calf
THIGH = 0.088  # half-width of straight trousers at the crotch [m]
SKIRT_RINGS = 26
NORMALS = 64  # directions in which the legs' extent is measured
SLAB = 0.03  # half the height of the slice of the legs that a ring of a skirt encloses [m]


@functools.lru_cache(8)
def cut_waisted(garment):
    """Cut trousers, or the part of a skirt above `tailor.suit_end`."""
    surface = leggings() if garment.category == "trousers" else mesh.suit()
    c = surface.coords
    surface = mesh.cut(surface, np.where(c["arm"] > 0.5, -mesh.FAR, tailor.waist_height(garment) - c["z"]))
    surface = mesh.cut(surface, surface.coords["z"] - tailor.suit_end(garment))
    return tailor.Top(garment, surface, tailor.smoothing(surface, mesh.border(surface.faces)), None)


def sweep(faces, chosen, count):
    """Extend a mesh of n points at a part of its border by ``count`` rings of new points.

    chosen [n]: the points of that part.  Returns (rows [m] of it, faces [k,3] of the strip), in which
    point p of ring r has the index n + r m + p.
    """
    edges = mesh.border(faces)
    edges = edges[chosen[edges].all(1)]
    rows = np.unique(edges)
    a, b = np.searchsorted(rows, edges).T
    n, m = len(chosen), len(rows)
    index = np.concatenate([rows[None], n + np.arange(count * m).reshape(count, m)])
    quads = [np.stack([high[b], high[a], low[a], low[b]], 1) for high, low in zip(index[:-1], index[1:])]
    return rows, triangles(np.concatenate(quads))


@functools.cache
def leggings():
    """The suit with its legs extended from the calves to the ankles."""
    calf = mesh.template()[1].hip - CALF
    surface = mesh.suit()
    surface = mesh.cut(surface, surface.coords["z"] - calf)
    for side in (-1, 1):
        rim = np.abs(surface.coords["z"] - calf) < 1e-4
        surface = extend_leg(surface, side, rim, "suit")
    return surface


@functools.cache
def shins():
    """The body's legs between the calves, where its mesh ends, and the ankles: a `Surface` of its points."""
    faces, knee = triangles(anatomy().faces["body"]), mesh.template()[1].knee
    rim = np.zeros(len(mesh.part_surface("body")), bool)
    rim[mesh.border(faces)] = True
    surface = mesh.part_surface("body")
    rim &= surface.coords["z"] < knee
    for side in (-1, 1):
        surface = extend_leg(surface, side, np.pad(rim, (0, len(surface) - len(rim))), "body")
    used, faces = np.unique(surface.faces[len(faces) :], return_inverse=True)
    coords = {name: value[used] for name, value in surface.coords.items()}
    return mesh.Surface(surface.map[used], faces.reshape(-1, 3).astype(np.int32), coords)


def extend_leg(surface, side, rim, part):
    """A `Surface` with one leg extended from its rim to the ankle, narrowing; linear in the body's points.

    side: 1 for the left leg, -1 for the right one; rim [n]: the ends of both legs; part: of the anatomy,
    in whose points the surface is linear.
    """
    z, on_side = surface.coords["z"], surface.coords["x"] * side > 0
    ring, faces = sweep(surface.faces, on_side & rim, SHIN_RINGS)
    calf = z[ring].mean()

    def mean(chosen):
        return sparse.csr_matrix(surface.map[np.flatnonzero(chosen)].mean(0))

    seat = (surface.coords["arm"] < 0.1) & (np.abs(z - calf - 0.5) < 0.03)
    above = on_side & (np.abs(z - calf - 0.1) < 0.03)
    low = mean(on_side & rim)
    upright = (mean(rim) - mean(seat)) / (z[seat].mean() - calf)
    down = 0.5 * upright + 0.5 * (low - mean(above)) / (z[above].mean() - calf)
    ones, shin = sparse.csr_matrix(np.ones((len(ring), 1))), calf - (mesh.template()[1].hip - ANKLE)
    maps = [surface.map]
    for share in np.arange(1, SHIN_RINGS + 1) / SHIN_RINGS:
        size = 1 + (ANKLE_SHARE - 1) * smoothstep(0, 1, share)
        maps.append(size * surface.map[ring] + ones @ ((1 - size) * low + share * shin * down))
    longer = mesh.mapped_surface(sparse.vstack(maps).tocsr(), np.concatenate([surface.faces, faces]), part)
    return replace(longer, coords={name: value.astype(np.float32) for name, value in longer.coords.items()})


# ---------------------------------------------------------------- trousers


def drape_trousers(top, rest, joints):
    """Drape trousers on a body at rest: points [n,3].

    rest: points of the body's suit [suit,3]; joints [3,3]: ankle, knee and hip of the left leg.
    """
    g, c, marks = top.garment, top.surface.coords, mesh.template()[1]
    skin = (top.surface.map @ rest).astype(np.float32)
    out = mesh.normals(skin, top.surface.faces)
    side = np.where(c["x"] < 0, -1, 1)
    x, y = (np.interp(skin[:, 2], joints[:, 2], joints[:, axis]) for axis in (0, 1))
    axis = np.stack([side * x, y], 1)
    low = np.clip((marks.crotch - c["z"]) / (marks.crotch - tailor.hem_height(g)), 0, 1)
    leg = smoothstep(marks.crotch + 0.05, marks.crotch - 0.10, c["z"])
    down = smoothstep(tailor.waist_height(g), marks.crotch, c["z"])
    points = skin + (0.003 + g.ease * down)[:, None] * out
    wide = leg * (THIGH + low**0.6 * (g.opening - THIGH))
    points[:, :2] = widen(points[:, :2], axis, wide)
    tailor.settle(top, points, skin, out, 0.003 + 0.4 * g.ease * down, rounds=int(6 + 300 * g.ease))
    points[:, :2] = widen(points[:, :2], axis, 0.97 * wide)  # smoothing narrows the hems
    apart = (c["z"] < marks.crotch - 0.02) & (side * points[:, 0] < 0.004)
    points[apart, 0] = 0.004 * side[apart]
    if g.rib:
        up = c["z"] - tailor.hem_height(g)
        pull = 0.85 * (1 - smoothstep(g.rib * 0.7, g.rib + 0.04, up))
        points += pull[:, None] * (skin + tailor.SKIN_GAP * out - points)
    return points


def widen(points, axis, wide):
    """Move points [n,2] away from an axis [n,2] to distances of at least ``wide`` [n]."""
    off = points - axis
    far = np.maximum(np.linalg.norm(off, axis=1), 1e-6)
    return axis + (np.maximum(far, wide) / far)[:, None] * off


# ---------------------------------------------------------------- skirts


def drape_waist(top, rest):
    """Drape the part of a skirt above `tailor.suit_end` on a body at rest: points [n,3]."""
    g, c = top.garment, top.surface.coords
    skin = (top.surface.map @ rest).astype(np.float32)
    out = mesh.normals(skin, top.surface.faces)
    down = np.clip((tailor.waist_height(g) - c["z"]) / 0.10, 0, 1)
    swing = tailor.measure_swing(g, c["z"])[:, None] * tailor.level_direction(out)
    points = skin + (0.004 + g.ease * down)[:, None] * out + swing
    tailor.settle(top, points, skin, out, 0.003, rounds=6)
    return points


def hang_skirt(top, points, body, scale):
    """Let a skirt hang from the lower border of a posed garment, around both legs: (points, faces, coords).

    points: of the posed garment [n,3]; body: of the posed body [V,3]; scale: its leg length / template's.
    """
    g, c = top.garment, top.surface.coords
    end = tailor.suit_end(g)
    rows, faces = sweep(top.surface.faces, np.abs(c["z"] - end) < 1e-4, SKIRT_RINGS)
    long = end - tailor.hem_height(g)
    depths = long * np.arange(1, SKIRT_RINGS + 1) / SKIRT_RINGS
    rings, growth = hang_rings(g, points[rows], body[leg_rows()], depths * scale)
    added = {name: np.tile(value[rows], SKIRT_RINGS) for name, value in c.items()}
    added["x"] = added["x"] * growth.ravel()
    added["z"] = np.repeat(end - depths, len(rows))
    points = np.concatenate([points, rings.reshape(-1, 3)]).astype(np.float32)
    faces = np.concatenate([top.surface.faces, faces]).astype(np.int32)
    return points, faces, {n: np.concatenate([c[n], more]).astype(np.float32) for n, more in added.items()}


@functools.cache
def leg_rows():
    """The rows of the legs in the body part."""
    body = anatomy()
    chosen = [n for n, bone in enumerate(body.bones) if "leg" in bone or "foot" in bone]
    return np.flatnonzero(body.weights[body.rows["body"]][:, chosen].sum(1) > 0.5)


def hang_rings(garment, ring, legs, depths):
    """The rings of a skirt at depths [k] below its uppermost ring [m,3], outside the legs [n,3].

    Returns (points [k,m,3], their distance from the middle relative to that of the uppermost ring [k,m]).
    """
    low, high = ring.min(0), ring.max(0)
    first = (low + high) / 2
    off = ring[:, :2] - first[:2]
    turn, start = np.arctan2(off[:, 1], off[:, 0]), np.linalg.norm(off, axis=1)
    ahead = np.stack([np.cos(turn), np.sin(turn)], 1)
    centers, walls, slab = [], [], None
    for depth in depths:
        near = np.abs(legs[:, 2] - (first[2] - depth)) < SLAB
        slab = legs[near, :2] if near.sum() > 20 or slab is None else slab  # the mesh ends at the calves
        middle = first[:2] + 0.8 * ((slab.min(0) + slab.max(0)) / 2 - first[:2])
        centers.append(middle)
        walls.append(hull_radius(slab - middle, turn))
    walls = np.stack(walls) + 0.4 * garment.ease + 0.006
    wide = np.maximum(start + garment.swing * depths[:, None] + waves(garment, turn, depths), walls)
    wide = gaussian_filter1d(np.concatenate([start[None], wide]), 1.6, axis=0, mode="nearest")[1:]
    wide = np.maximum(wide, walls - 0.3 * garment.ease)
    xy = np.stack(centers)[:, None] + wide[..., None] * ahead
    return np.concatenate([xy, (ring[:, 2] - depths[:, None])[..., None]], 2), wide / start


def waves(garment, turn, depths):
    """By how much the folds of a skirt stand out [k,m] [m], in directions ``turn`` [m], at depths [k]."""
    share = smoothstep(0, 1, depths / depths[-1]) ** 0.5
    height = 0.35 * max(garment.swing, 0) * depths * share * 9 / max(garment.waves, 9)
    phases = np.random.default_rng([garment.seed, 15]).uniform(0, 2 * np.pi, 3)
    rows = zip((0.5, 0.35, 0.25), (garment.waves, round(garment.waves * 0.6), 3), phases)
    shape = sum(part * np.cos(count * turn + phase) for part, count, phase in rows)
    return height[:, None] * shape


def hull_radius(points, turn):
    """Distance [m] from the origin to the convex hull of points [n,2], in directions ``turn`` [m] [rad].

    The hull is the intersection of `NORMALS` half-planes.
    """
    angles = np.linspace(-np.pi, np.pi, NORMALS, endpoint=False)
    extent = (points @ np.stack([np.cos(angles), np.sin(angles)])).max(0)
    facing = np.cos(turn[:, None] - angles)
    return np.where(facing > 0.15, extent / np.maximum(facing, 0.15), np.inf).min(1)
