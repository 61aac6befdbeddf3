"""Hair: a cap on the scalp, long hair, buns and ponytails."""

import functools

import numpy as np
from scipy import sparse

from data_prep.photoshoot.body.anatomy import anatomy, apply_skinning, triangles
from data_prep.photoshoot.body.surface import (
    FAR,
    Surface,
    averaging,
    coordinates,
    cut,
    normals,
    subdivide,
    template,
)

THICKNESS = {  # of the cap, by style [m]
    "long": 0.014,
    "waves": 0.020,
    "bob": 0.018,
    "bun": 0.010,
    "ponytail": 0.009,
    "curls": 0.042,
    "short": 0.016,
    "quiff": 0.022,
    "crop": 0.006,
    "bald": 0.0,
}
LONG = ("long", "waves", "bob")


@functools.cache
def head_marks():
    """Landmarks of the template's head [m]: heights (top, low, eye), depths (front, y, back), eye_x."""
    body, (points, _) = anatomy(), template()
    skull = points[body.rows["body"]]
    share = body.weights[body.rows["body"]][:, body.bones.index("head")]
    skull = skull[share > 0.9]
    eyes = points[body.rows["eyes"]]
    return dict(
        top=float(skull[:, 2].max()),
        y=float((skull[:, 1].min() + skull[:, 1].max()) / 2),
        back=float(skull[:, 1].max()),
        front=float(skull[:, 1].min()),
        eye=float(eyes[:, 2].mean()),
        eye_x=float(np.abs(eyes[:, 0]).mean()),
        low=float(skull[:, 2].min()),
    )


def scalp_field(c, line=0.0):
    """Height [m] above the hairline, negative on face and neck; line: shift of the hairline [m]."""
    h = head_marks()
    y = c["y"] - h["y"]
    low = np.interp(
        y,
        [-0.09, -0.055, -0.03, 0.005, 0.03, 0.10],
        [
            h["eye"] + 0.062,
            h["eye"] + 0.050,
            h["eye"] + 0.022,
            h["eye"] - 0.012,
            h["eye"] - 0.05,
            h["eye"] - 0.085,
        ],
    )
    return np.where(c["head"] > 0.5, c["z"] - low - line, -FAR)


@functools.lru_cache(32)
def scalp(line):
    """The scalp as a `Surface` over the body's points; line: shift of the hairline [m]."""
    body = anatomy()
    rows = body.rows["body"]
    count = rows.stop - rows.start
    surface = Surface(
        sparse.identity(count, format="csr"),
        triangles(body.faces["body"]).astype(np.int32),
        coordinates(template()[0][rows], body.weights[rows]),
    )
    surface = cut(surface, np.where(surface.coords["head"] > 0.5, 1.0, -1.0))
    return cut(surface, scalp_field(surface.coords, line))


@functools.cache
def strands():
    """The anatomy's long hair as a subdivided `Surface`."""
    body, rows = anatomy(), anatomy().rows["hair"]
    mapping, faces = subdivide(body.faces["hair"], rows.stop - rows.start)
    points = mapping @ template()[0][rows]
    return Surface(mapping.tocsr(), faces.astype(np.int32), coordinates(points, mapping @ body.weights[rows]))


def hair_parts(figure, sitter):
    """(points, faces, coords) of each part of a sitter's hair."""
    person = sitter.person
    rng = np.random.default_rng([person.seed, 5])
    parts = [cap(figure, person, rng)] if person.style != "bald" else []
    if person.style in LONG:
        parts.append(long_hair(figure, sitter, rng))
    if person.style in ("bun", "ponytail"):
        parts.append(tied_hair(figure, person, rng))
    return parts


def cap(figure, person, rng):
    """The hair on the scalp, thin at the hairline and thicker above."""
    surface = scalp(round(person.hairline, 3))
    points = (surface.map @ figure.points["body"]).astype(np.float32)
    out = normals(points, surface.faces)
    over = np.clip(scalp_field(surface.coords, person.hairline) / 0.05, 0, 1)
    noise = rng.normal(size=len(points)).astype(np.float32)
    mean = averaging_of(round(person.hairline, 3))
    for _ in range(2 if person.style == "curls" else 5):
        noise = mean @ noise
    noise /= noise.std()
    thick = THICKNESS[person.style] * person.volume
    if person.style == "quiff":
        front = np.clip((head_marks()["y"] - surface.coords["y"]) / 0.08, 0, 1)
        thick = thick * (0.5 + 1.4 * front * over)
    rough = 0.25 if person.style == "curls" else 0.10
    points += (0.002 + thick * np.sqrt(over) * (1 + rough * noise))[:, None] * out
    return points, surface.faces, hair_coordinates(surface.coords)


@functools.lru_cache(32)
def averaging_of(line):
    """The `averaging` matrix of a scalp."""
    surface = scalp(line)
    return averaging(surface.faces, len(surface))


def hair_coordinates(c):
    """Coordinates across and along the strands, for their texture."""
    return {"x": c["x"], "y": c["y"], "z": c["z"], "side": np.arctan2(c["x"], c["y"] - head_marks()["y"])}


def long_hair(figure, sitter, rng):
    """Long hair behind the shoulders and, as the sitter specifies, in front of them."""
    person, h, body = sitter.person, head_marks(), anatomy()
    surface = strands()
    c = surface.coords
    length = 0.02 if person.style == "bob" else person.length
    end = h["low"] - length
    field = c["z"] - end - 0.02 * np.sin(40 * c["x"])
    face = (c["y"] < h["front"] + 0.075) & (np.abs(c["x"]) < 0.075) & (c["z"] > h["low"] - 0.06)
    if person.fringe:
        face &= c["z"] < h["eye"] + 0.030
    field = np.where(face, -1.0, field)
    for sign, in_front in zip((1, -1), sitter.front_hair):
        front = (c["y"] < h["y"] + 0.0) & (c["z"] < h["low"] + 0.02) & (c["x"] * sign > 0)
        if not in_front:
            field = np.where(front, -1.0, field)
    trimmed = cut(surface, field)
    rows = body.rows["hair"]
    rest = (trimmed.map @ figure.rest[rows]).astype(np.float32)
    out = rest - np.array([0, h["y"] + 0.01, 0])
    out[:, 2] = 0
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-3)
    wave = np.sin(
        trimmed.coords["z"] * (70 if person.style == "waves" else 25)
        + 3 * np.sign(trimmed.coords["x"])
        + rng.uniform(0, 6)
    )
    size = 0.006 * person.volume + (0.012 if person.style == "waves" else 0.003) * wave
    below = np.clip((h["low"] + 0.02 - trimmed.coords["z"]) / 0.06, 0, 1)
    rest += (size - 0.008)[:, None] * out
    rest[:, 1] -= 0.040 * below * (trimmed.coords["y"] < h["y"])
    points = apply_skinning(rest, trimmed.map @ body.weights[rows], figure.transforms).astype(np.float32)
    return points, trimmed.faces, hair_coordinates(trimmed.coords)


def tied_hair(figure, person, rng):
    """A bun on the crown or the nape, or a ponytail that may fall over a shoulder."""
    h = head_marks()
    row = anatomy().bones.index("head")
    high = rng.uniform(-0.02, 0.075)
    start = np.array([0, h["back"] + 0.012, h["top"] - 0.075 + high])
    if person.style == "bun":
        path = start + np.array(
            [[0, 0.0, 0], [0, 0.012, 0.004], [0, 0.03, 0.008], [0, 0.048, 0.01], [0, 0.058, 0.01]]
        )
        radius = np.array([0.015, 0.035, 0.042, 0.032, 0.004]) * (0.8 + 0.4 * person.volume)
    else:
        side = rng.choice([-1, 0, 1]) * rng.uniform(0.06, 0.12)
        path = start + np.array(
            [
                [0, 0, 0],
                [side * 0.1, 0.035, -0.01],
                [side * 0.5, 0.045, -0.09],
                [side, 0.02, -0.19],
                [side * 1.15, -0.02 - 0.5 * abs(side), -0.29],
                [side * 1.15, -0.03 - abs(side), -0.34],
            ]
        )
        radius = np.array([0.015, 0.026, 0.032, 0.030, 0.022, 0.003]) * (0.8 + 0.4 * person.volume)
    points, faces, coords = tube(path, radius)
    transform = figure.transforms[row]
    rest = figure.rest[anatomy().rows["body"]]
    offset = np.array([0, 0, rest[:, 2].max() - h["top"]])
    posed = (points + offset) @ transform[:, :3].T + transform[:, 3]
    return posed.astype(np.float32), faces, coords


def tube(path, radius, around=14, rounds=5):
    """(points, faces, coords) of a smooth tube along a path [k,3] with radii [k]."""
    from scipy.interpolate import CubicSpline

    k = np.arange(len(path))
    fine = np.linspace(0, k[-1], rounds * len(path))
    line, size = CubicSpline(k, path)(fine), np.maximum(CubicSpline(k, radius)(fine), 0.002)
    step = np.gradient(line, axis=0)
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    first = np.cross(step, [1.0, 0.01, 0.02])
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(step, first)
    angle = np.linspace(0, 2 * np.pi, around)
    points = line[:, None] + size[:, None, None] * (
        np.cos(angle)[None, :, None] * first[:, None] + np.sin(angle)[None, :, None] * second[:, None]
    )
    index = np.arange(points.shape[0] * around).reshape(-1, around)
    quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], -1).reshape(-1, 4)
    flat = points.reshape(-1, 3)
    coords = {
        "x": flat[:, 0].astype(np.float32),
        "y": flat[:, 1].astype(np.float32),
        "z": flat[:, 2].astype(np.float32),
        "side": np.tile(angle, len(line)).astype(np.float32),
    }
    return flat, triangles(quads).astype(np.int32), coords
