"""Hair: a cap on the scalp, long hair, buns and ponytails."""

import functools

import numpy as np

from data_prep.photoshoot.body import surface as mesh
from data_prep.photoshoot.body.anatomy import anatomy, triangles
from data_prep.photoshoot.body.person import PEOPLE

THICKNESS, TIED = PEOPLE["thickness"], PEOPLE["tied"]
LONG = ("long", "waves", "bob")


@functools.cache
def head_marks():
    """Landmarks of the template's head [m]: heights (top, low, eye), depths (front, y, back), eye_x."""
    body, (points, _) = anatomy(), mesh.template()
    share = body.weights[body.rows["body"], body.bones.index("head")]
    skull, eyes = points[body.rows["body"]][share > 0.9], points[body.rows["eyes"]]
    (_, front, low), (_, back, top) = skull.min(0), skull.max(0)
    marks = dict(top=top, y=(front + back) / 2, back=back, front=front, low=low)
    marks |= dict(eye=eyes[:, 2].mean(), eye_x=np.abs(eyes[:, 0]).mean())
    return {name: float(value) for name, value in marks.items()}


def scalp_field(c, line=0.0):
    """Height [m] above the hairline, negative on face and neck; line: shift of the hairline [m]."""
    h = head_marks()
    y = c["y"] - h["y"]
    ahead, above = np.transpose(PEOPLE["hairline"])
    low = np.interp(y, ahead, h["eye"] + above)
    return np.where(c["head"] > 0.5, c["z"] - low - line, -mesh.FAR)


@functools.lru_cache(32)
def scalp(line):
    """(scalp, a `Surface` over the body's points; its `averaging`).  line: shift of the hairline [m]."""
    surface = mesh.part_surface("body")
    surface = mesh.cut(surface, np.where(surface.coords["head"] > 0.5, 1.0, -1.0))
    surface = mesh.cut(surface, scalp_field(surface.coords, line))
    return surface, mesh.averaging(surface.faces, len(surface))


@functools.cache
def strands():
    """The anatomy's long hair as a subdivided `Surface`."""
    return mesh.mapped_surface(*mesh.subdivide("hair"), "hair")


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
    surface, mean = scalp(round(person.hairline, 3))
    points = (surface.map @ figure.points["body"]).astype(np.float32)
    out = mesh.normals(points, surface.faces)
    over = np.clip(scalp_field(surface.coords, person.hairline) / 0.05, 0, 1)
    noise = rng.normal(size=len(points)).astype(np.float32)
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


def hair_coordinates(c):
    """Coordinates across and along the strands, for their texture."""
    return {"x": c["x"], "y": c["y"], "z": c["z"], "side": np.arctan2(c["x"], c["y"] - head_marks()["y"])}


def long_hair(figure, sitter, rng):
    """Long hair behind the shoulders and, as the sitter specifies, in front of them."""
    person, h = sitter.person, head_marks()
    surface = strands()
    c = surface.coords
    end = h["low"] - (0.02 if person.style == "bob" else person.length)
    field = c["z"] - end - 0.02 * np.sin(40 * c["x"])
    face = (c["y"] < h["front"] + 0.075) & (np.abs(c["x"]) < 0.075) & (c["z"] > h["low"] - 0.06)
    if person.fringe:
        face &= c["z"] < h["eye"] + 0.030
    field = np.where(face, -1.0, field)
    for sign, in_front in zip((1, -1), sitter.front_hair):
        front = (c["y"] < h["y"] + 0.0) & (c["z"] < h["low"] + 0.02) & (c["x"] * sign > 0)
        if not in_front:
            field = np.where(front, -1.0, field)
    trimmed = mesh.cut(surface, field)
    rest = (trimmed.map @ figure.rest[anatomy().rows["hair"]]).astype(np.float32)
    out = rest - np.array([0, h["y"] + 0.01, 0])
    out[:, 2] = 0
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-3)
    per_meter, height = (70, 0.012) if person.style == "waves" else (25, 0.003)
    c = trimmed.coords
    wave = np.sin(c["z"] * per_meter + 3 * np.sign(c["x"]) + rng.uniform(0, 6))
    below = np.clip((h["low"] + 0.02 - c["z"]) / 0.06, 0, 1)
    rest += (0.006 * person.volume + height * wave - 0.008)[:, None] * out
    rest[:, 1] -= 0.040 * below * (c["y"] < h["y"])
    return figure.move(rest, trimmed, "hair"), trimmed.faces, hair_coordinates(c)


def tied_hair(figure, person, rng):
    """A bun on the crown or the nape, or a ponytail that may fall over a shoulder."""
    h = head_marks()
    start = np.array([0, h["back"] + 0.012, h["top"] - 0.075 + rng.uniform(-0.02, 0.075)])
    shape = TIED[person.style]
    path = np.array(shape["path"])
    if person.style == "ponytail":
        side = rng.choice([-1, 0, 1]) * rng.uniform(0.06, 0.12)
        path += np.outer(shape["aside"], [side, 0, 0]) + np.outer(shape["ahead"], [0, abs(side), 0])
    points, faces, coords = tube(start + path, np.array(shape["radius"]) * (0.8 + 0.4 * person.volume))
    transform = figure.transforms[anatomy().bones.index("head")]
    offset = np.array([0, 0, figure.rest[anatomy().rows["body"], 2].max() - h["top"]])
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
    wide, high = np.cos(angle)[None, :, None], np.sin(angle)[None, :, None]
    ring = line[:, None] + size[:, None, None] * (wide * first[:, None] + high * second[:, None])
    points = ring.reshape(-1, 3)
    coords = np.stack([*points.T, np.tile(angle, len(line))]).astype(np.float32)
    return points, triangles(mesh.grid_faces(len(line), around)), dict(zip(("x", "y", "z", "side"), coords))
