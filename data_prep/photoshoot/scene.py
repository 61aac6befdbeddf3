"""The scene: rays from a camera to meshes (Embree), light that reaches them, and their picture.

What a ray meets is shaded from four numbers of its point's surroundings (ambient light by direction,
as spherical harmonics of the first order) and the visible share of the key light.  They are traced
for the meshes' points alone and interpolated: neither noise nor a ray for each pixel and direction.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

AMBIENT_RAYS, KEY_RAYS = 28, 8
EVEN, TILT = 0.5, 0.25  # weights of the ambient light and of its direction
KEY_GAIN = 1.15  # of the key light at full strength
LIFT = 0.004  # rays to the light start off the surface [m]
GRAIN = 0.006  # reach of the darkening of hollows in cloth [m]


def directions(count):
    """[count,3] unit vectors spread evenly over the sphere (a Fibonacci spiral)."""
    k = np.arange(count) + 0.5
    polar, around = np.arccos(1 - 2 * k / count), np.pi * (1 + 5**0.5) * k
    return np.stack(
        [np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)], 1
    ).astype(np.float32)


@dataclass(frozen=True)
class View:
    """A camera: the rays' origins and unit directions [h*w,3]."""

    origins: np.ndarray
    rays: np.ndarray
    shape: tuple


def camera(size, span, center, distance, rise=0.0, roll=0.0):
    """A perspective `View` of ``span`` meters of height at the distance of ``center`` [3].

    rise: the camera's height over the center as a share of the distance.
    """
    height, width = size
    eye = np.array([center[0], center[1] - distance, center[2] + rise * distance])
    ahead = center - eye
    ahead /= np.linalg.norm(ahead)
    right = np.cross(ahead, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, ahead)
    right, up = np.cos(roll) * right + np.sin(roll) * up, np.cos(roll) * up - np.sin(roll) * right
    far = np.linalg.norm(center - eye)
    v = (0.5 - (np.arange(height) + 0.5) / height) * span
    u = ((np.arange(width) + 0.5) / width - 0.5) * span * width / height
    rays = (ahead * far + u[None, :, None] * right + v[:, None, None] * up).reshape(-1, 3)
    rays = (rays / np.linalg.norm(rays, axis=1, keepdims=True)).astype(np.float32)
    return View(np.broadcast_to(eye.astype(np.float32), rays.shape).copy(), rays, (height, width))


@dataclass(frozen=True)
class Seen:
    """What the rays met: flat pixels [k], part [k], corners [k,3] (rows of the part's points),
    shares [k,3], place and normal [k,3] (towards the camera), inside [k] (a back face), ambient
    [k,4], key [k]."""

    pixel: np.ndarray
    part: np.ndarray
    corners: np.ndarray
    shares: np.ndarray
    place: np.ndarray
    normal: np.ndarray
    inside: np.ndarray
    ambient: np.ndarray
    key: np.ndarray

    def of(self, chosen):
        """(rows, corners, shares) of the points of one part."""
        rows = np.flatnonzero(self.part == chosen)
        return rows, self.corners[rows], self.shares[rows]


def blended(values, corners, shares):
    """Values [n] or [n,...] of a mesh's points, interpolated at points of triangles [k]."""
    extra = (slice(None),) + (None,) * (values.ndim - 1)
    return sum(values[corners[:, n]] * shares[:, n][extra] for n in range(3))


def look(parts, view, light, part_normals):
    """What a `View` sees of ``parts`` (with points and faces) in a light: `Seen`."""
    from embreex import rtcore_scene
    from embreex.mesh_construction import TriangleMesh

    counts = np.cumsum([0] + [len(part.points) for part in parts])
    points = np.concatenate([part.points for part in parts]).astype(np.float32)
    faces = np.concatenate([part.faces + start for part, start in zip(parts, counts)]).astype(np.int32)
    whole = np.concatenate(part_normals).astype(np.float32)
    owner = np.repeat(np.arange(len(parts)), [len(part.faces) for part in parts])
    world = rtcore_scene.EmbreeScene()
    TriangleMesh(world, points, faces)
    hit = world.run(view.origins, view.rays, output=1)
    pixel = np.flatnonzero(hit["primID"] >= 0)
    triangle, u, v = hit["primID"][pixel], hit["u"][pixel], hit["v"][pixel]
    corners = faces[triangle]
    shares = np.stack([1 - u - v, u, v], 1).astype(np.float32)
    place, normal = blended(points, corners, shares), blended(whole, corners, shares)
    flat = hit["Ng"][pixel]
    flat = flat * np.sign((flat * normal).sum(1, keepdims=True) + 1e-9)
    inside = (flat * view.rays[pixel]).sum(1) > 0
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    normal[inside] *= -1
    met = np.zeros((2, len(points)), bool)
    met[0, corners], met[1, corners[inside]] = True, True
    seen_points, behind = (np.flatnonzero(side) for side in met)
    ambient, key = np.zeros((2, len(points), 4), np.float32), np.zeros((2, len(points)), np.float32)
    # a point's light is that of its outer side; the inner side is traced only where it is seen
    ambient[0, seen_points], key[0, seen_points] = reached(
        world, points[seen_points], whole[seen_points], light
    )
    if inside.any():
        ambient[1, behind], key[1, behind] = reached(world, points[behind], -whole[behind], light)
    side = inside.astype(int)
    part = owner[triangle]
    return Seen(
        pixel,
        part,
        corners - counts[part][:, None],
        shares,
        place,
        normal,
        inside,
        blended(ambient.reshape(-1, 4), corners + side[:, None] * len(points), shares),
        blended(key.ravel(), corners + side[:, None] * len(points), shares),
    )


def reached(world, points, out, light):
    """Ambient light [n,4] and the key light's visible share [n] at points with normals ``out``."""
    sky = directions(AMBIENT_RAYS)
    level = sky_level(sky, light)
    around = directions(KEY_RAYS * 4)[:KEY_RAYS]
    keys = light["key"] + light["soft"] * around
    keys = (keys / np.linalg.norm(keys, axis=1, keepdims=True)).astype(np.float32)
    rays = np.concatenate([sky, keys])
    start = points + LIFT * out
    faces_it = (out @ rays.T) > -0.05
    n, k = np.nonzero(faces_it)
    shut = world.run(start[n], rays[k], query="OCCLUDED") >= 0
    open_ = np.zeros(faces_it.shape, np.float32)
    open_[n, k] = ~shut
    free = open_[:, : len(sky)] * level
    basis = np.concatenate([np.ones((len(sky), 1)), 2 * sky], 1).astype(np.float32)
    return 2 * free @ basis / len(sky), open_[:, len(sky) :].mean(1)


def sky_level(sky, light):
    """[rays] brightness of the surroundings by direction: a bright room, darker below and behind."""
    low = 0.5 - 0.5 * sky[:, 2]
    behind = np.clip(sky[:, 1], 0, 1)
    level = light["ambient"] * (1 - low + low * light["floor"]) * (1 - 0.45 * behind)
    return (level * (1 + light["side"] * sky[:, 0])).astype(np.float32)


def reference(light):
    """The light on an open surface that faces the camera: what a picture is exposed for."""
    sky = directions(AMBIENT_RAYS)
    level = sky_level(sky, light)
    ambient = 2 * (level @ np.concatenate([np.ones((len(sky), 1)), 2 * sky], 1)) / len(sky)
    facing = -light["key"][1]
    return float(max(EVEN * ambient[0] - TILT * ambient[2], 0) + light["strength"] * KEY_GAIN * facing)


def bumped(seen, relief, view):
    """Normals [k,3] tilted by a relief [k] in meters (Mikkelsen's surface gradient)."""
    height, width = view.shape
    grid = np.full(height * width, -1)
    grid[seen.pixel] = np.arange(len(seen.pixel))
    grid = grid.reshape(height, width)
    steps = []
    for axis in (1, 0):
        ahead = np.roll(grid, -1, axis)
        if axis == 1:
            ahead[:, -1] = -1
        else:
            ahead[-1] = -1
        ahead = ahead.ravel()[seen.pixel]
        fine = (ahead >= 0) & (seen.part[ahead] == seen.part)
        step = seen.place[ahead] - seen.place
        fine &= (step * step).sum(1) < 0.03**2
        rise = np.where(fine, relief[ahead] - relief, 0)
        steps.append((np.where(fine[:, None], step, 0), rise))
    (dx, rx), (dy, ry) = steps
    one, two = np.cross(dy, seen.normal), np.cross(seen.normal, dx)
    area = (dx * one).sum(1)
    slope = (rx[:, None] * one + ry[:, None] * two) / np.where(np.abs(area) < 1e-9, 1, area)[:, None]
    slope[np.abs(area) < 1e-9] = 0
    size = np.linalg.norm(slope, axis=1, keepdims=True)
    normal = seen.normal - slope / (1 + 0.6 * size)
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)


def hollows(seen, relief, view):
    """[k] brightness factor: folds darken their own hollows."""
    height, width = view.shape
    field, weight = (np.zeros(height * width, np.float32) for _ in range(2))
    field[seen.pixel], weight[seen.pixel] = relief, 1
    pixel = np.linalg.norm(seen.place.max(0) - seen.place.min(0)) / max(height, width)
    sigma = max(GRAIN * 3 / max(pixel, 1e-4), 0.6)
    soft = gaussian_filter(field.reshape(height, width), sigma) / np.maximum(
        gaussian_filter(weight.reshape(height, width), sigma), 1e-3
    )
    return 1 + np.clip(11 * (relief - soft.ravel()[seen.pixel]), -0.22, 0.08)


def irradiance(seen, normal, light, wrap):
    """[k] light that falls on the points, about 1 for a surface that faces a bright room.

    wrap: [k] 0 for hard matter .. 1 for skin and thick cloth, which light enters.
    """
    ambient = np.maximum(seen.ambient[:, 0] * EVEN + TILT * (seen.ambient[:, 1:] * normal).sum(1), 0)
    facing = normal @ light["key"].astype(np.float32)
    lit = np.maximum((facing + 0.35 * wrap) / (1 + 0.35 * wrap), 0)
    return ambient, light["strength"] * KEY_GAIN * seen.key * lit
