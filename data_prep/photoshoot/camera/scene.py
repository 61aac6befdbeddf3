"""Ray casting with Embree: visibility from a camera, and the light at the visible points.

A visible point is shaded from its ambient light (first-order spherical harmonics, four coefficients)
and the visible share of the key light.  Both are traced at the vertices of the meshes and interpolated,
which avoids noise and a ray per pixel and direction.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

AMBIENT_RAYS, KEY_RAYS = 28, 8
AMBIENT_MEAN, AMBIENT_TILT = 0.5, 0.25  # weights of the mean ambient light and of its direction
KEY_GAIN = 1.15  # of the key light at full strength
RAY_OFFSET = 0.004  # distance from the surface at which rays to the light start [m]
CAVITY_REACH = 0.006  # reach of the darkening of cavities in cloth [m]


def directions(count):
    """Unit vectors [count,3] distributed evenly over the sphere (Fibonacci spiral)."""
    k = np.arange(count) + 0.5
    polar, around = np.arccos(1 - 2 * k / count), np.pi * (1 + 5**0.5) * k
    level = np.sin(polar)
    return np.stack([np.cos(around) * level, np.sin(around) * level, np.cos(polar)], 1).astype(np.float32)


@dataclass(frozen=True)
class View:
    """A camera: origins and unit directions [h*w,3] of its rays; shape: (height, width)."""

    origins: np.ndarray
    rays: np.ndarray
    shape: tuple


def camera(size, span, center, distance, rise=0.0, roll=0.0):
    """A perspective `View` that covers a height of ``span`` meters at the distance of ``center`` [3].

    rise: height of the camera above the center, as a share of the distance; roll: angle [rad].
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
class Hits:
    """The k rays that hit a mesh.

    pixel [k]: flat indices; part [k]: index of the mesh; corners [k,3]: vertices of the triangle;
    weights [k,3]: barycentric; position, normal [k,3], the latter towards the camera; inside [k]: whether
    a back face was hit; ambient [k,4]: spherical harmonics; key [k]: visible share of the key light.
    """

    pixel: np.ndarray
    part: np.ndarray
    corners: np.ndarray
    weights: np.ndarray
    position: np.ndarray
    normal: np.ndarray
    inside: np.ndarray
    ambient: np.ndarray
    key: np.ndarray

    def of_part(self, index):
        """(rows, corners, weights) of the hits of one part."""
        rows = np.flatnonzero(self.part == index)
        return rows, self.corners[rows], self.weights[rows]


def interpolate(values, corners, weights):
    """Interpolate vertex values [n] or [n,...] at k points given by corners and weights [k,3]."""
    extra = (slice(None),) + (None,) * (values.ndim - 1)
    return sum(values[corners[:, n]] * weights[:, n][extra] for n in range(3))


def trace(parts, view, light, part_normals):
    """Trace the rays of a `View` to ``parts`` (with points and faces), and the light there: `Hits`."""
    from embreex import rtcore_scene
    from embreex.mesh_construction import TriangleMesh

    counts = np.cumsum([0] + [len(part.points) for part in parts])
    points = np.concatenate([part.points for part in parts]).astype(np.float32)
    faces = np.concatenate([part.faces + start for part, start in zip(parts, counts)]).astype(np.int32)
    normals = np.concatenate(part_normals).astype(np.float32)
    owner = np.repeat(np.arange(len(parts)), [len(part.faces) for part in parts])
    embree = rtcore_scene.EmbreeScene()
    TriangleMesh(embree, points, faces)
    hit = embree.run(view.origins, view.rays, output=1)
    pixel = np.flatnonzero(hit["primID"] >= 0)
    triangle, u, v = hit["primID"][pixel], hit["u"][pixel], hit["v"][pixel]
    corners = faces[triangle]
    weights = np.stack([1 - u - v, u, v], 1).astype(np.float32)
    position, normal = interpolate(points, corners, weights), interpolate(normals, corners, weights)
    face_normal = hit["Ng"][pixel]
    face_normal = face_normal * np.sign((face_normal * normal).sum(1, keepdims=True) + 1e-9)
    inside = (face_normal * view.rays[pixel]).sum(1) > 0
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    normal[inside] *= -1
    visible = np.zeros((2, len(points)), bool)
    visible[0, corners], visible[1, corners[inside]] = True, True
    outer, inner = (np.flatnonzero(side) for side in visible)
    ambient, key = np.zeros((2, len(points), 4), np.float32), np.zeros((2, len(points)), np.float32)
    # light is traced on the outer side of the vertices, and on the inner side only where it is visible
    ambient[0, outer], key[0, outer] = trace_light(embree, points[outer], normals[outer], light)
    if inside.any():
        ambient[1, inner], key[1, inner] = trace_light(embree, points[inner], -normals[inner], light)
    part, sided = owner[triangle], corners + inside[:, None] * len(points)
    light = [interpolate(level, sided, weights) for level in (ambient.reshape(-1, 4), key.ravel())]
    return Hits(pixel, part, corners - counts[part][:, None], weights, position, normal, inside, *light)


def trace_light(embree, points, normals, light):
    """Ambient light [n,4] and visible share of the key light [n] at points with normals [n,3]."""
    sky = directions(AMBIENT_RAYS)
    level = sky_level(sky, light)
    spread = directions(KEY_RAYS * 4)[:KEY_RAYS]
    keys = light["key"] + light["soft"] * spread
    keys = (keys / np.linalg.norm(keys, axis=1, keepdims=True)).astype(np.float32)
    rays = np.concatenate([sky, keys])
    start = points + RAY_OFFSET * normals
    facing = (normals @ rays.T) > -0.05
    n, k = np.nonzero(facing)
    occluded = embree.run(start[n], rays[k], query="OCCLUDED") >= 0
    visible = np.zeros(facing.shape, np.float32)
    visible[n, k] = ~occluded
    incoming = visible[:, : len(sky)] * level
    basis = np.concatenate([np.ones((len(sky), 1)), 2 * sky], 1).astype(np.float32)
    return 2 * incoming @ basis / len(sky), visible[:, len(sky) :].mean(1)


def sky_level(sky, light):
    """Brightness [rays] of the environment by direction: a bright room, darker below and behind."""
    low = 0.5 - 0.5 * sky[:, 2]
    behind = np.clip(sky[:, 1], 0, 1)
    level = light["ambient"] * (1 - low + low * light["floor"]) * (1 - 0.45 * behind)
    return (level * (1 + light["side"] * sky[:, 0])).astype(np.float32)


def exposure_reference(light):
    """The light on an unoccluded surface that faces the camera, for which an image is exposed."""
    sky = directions(AMBIENT_RAYS)
    level = sky_level(sky, light)
    ambient = 2 * (level @ np.concatenate([np.ones((len(sky), 1)), 2 * sky], 1)) / len(sky)
    key = light["strength"] * KEY_GAIN * -light["key"][1]
    return float(max(AMBIENT_MEAN * ambient[0] - AMBIENT_TILT * ambient[2], 0) + key)


def bump_normals(hits, relief, view):
    """Bump mapping: normals [k,3] tilted by a relief [k] in meters (Mikkelsen's surface gradient)."""
    height, width = view.shape
    grid = np.full((height + 1, width + 1), -1)
    row, column = np.divmod(hits.pixel, width)
    grid[row, column] = np.arange(len(hits.pixel))
    steps = []
    for ahead in (grid[row, column + 1], grid[row + 1, column]):
        valid = (ahead >= 0) & (hits.part[ahead] == hits.part)
        step = hits.position[ahead] - hits.position
        valid &= (step * step).sum(1) < 0.03**2
        rise = np.where(valid, relief[ahead] - relief, 0)
        steps.append((np.where(valid[:, None], step, 0), rise))
    (dx, rx), (dy, ry) = steps
    one, two = np.cross(dy, hits.normal), np.cross(hits.normal, dx)
    area = (dx * one).sum(1)
    slope = (rx[:, None] * one + ry[:, None] * two) / np.where(np.abs(area) < 1e-9, 1, area)[:, None]
    slope[np.abs(area) < 1e-9] = 0
    size = np.linalg.norm(slope, axis=1, keepdims=True)
    normal = hits.normal - slope / (1 + 0.6 * size)
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)


def cavity_shading(hits, relief, view):
    """Brightness factor [k] that darkens the cavities of folds."""
    height, width = view.shape
    field, weight = (np.zeros(height * width, np.float32) for _ in range(2))
    field[hits.pixel], weight[hits.pixel] = relief, 1
    pixel = np.linalg.norm(hits.position.max(0) - hits.position.min(0)) / max(height, width)
    sigma = max(CAVITY_REACH * 3 / max(pixel, 1e-4), 0.6)
    field, weight = (gaussian_filter(part.reshape(height, width), sigma) for part in (field, weight))
    soft = field / np.maximum(weight, 1e-3)
    return 1 + np.clip(11 * (relief - soft.ravel()[hits.pixel]), -0.22, 0.08)


def irradiance(hits, normal, light, wrap):
    """(ambient [k], key [k]) irradiance, about 1 in total for a surface that faces a bright room.

    wrap: [k] in 0..1, 0 for opaque materials, 1 for skin and thick cloth, in which light scatters.
    """
    tilted = AMBIENT_TILT * (hits.ambient[:, 1:] * normal).sum(1)
    ambient = np.maximum(hits.ambient[:, 0] * AMBIENT_MEAN + tilted, 0)
    facing = normal @ light["key"].astype(np.float32)
    lit = np.maximum((facing + 0.35 * wrap) / (1 + 0.35 * wrap), 0)
    return ambient, light["strength"] * KEY_GAIN * hits.key * lit
