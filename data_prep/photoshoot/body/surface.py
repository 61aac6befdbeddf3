"""Cloth surfaces: the subdivided mesh of the suit with garment coordinates; cut and smooth meshes."""

import functools
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from data_prep.photoshoot.body.anatomy import Build, anatomy, triangles

FAR = 9.0  # value of a field where it never cuts [m]


@dataclass(frozen=True)
class Surface:
    """A triangle mesh whose points are linear combinations of the suit's points.

    map: sparse [n,suit], from the suit's points to the mesh's; faces [m,3]; coords: name -> [n].
    """

    map: sparse.csr_matrix
    faces: np.ndarray
    coords: dict

    def __len__(self):
        return self.map.shape[0]


def subdivide(part):
    """Split every quad of a part in four at the midpoints of edges and quads: (map [n,part], triangles)."""
    quads, rows = anatomy().faces[part], anatomy().rows[part]
    count = rows.stop - rows.start
    edges = np.sort(np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)]), 1).astype(np.int64)
    unique, inverse = np.unique(edges[:, 0] * count + edges[:, 1], return_inverse=True)
    unique = np.stack([unique // count, unique % count], 1)
    inverse = inverse.reshape(4, -1)
    e, f = len(unique), len(quads)
    row = np.repeat(np.arange(count + e + f), [1] * count + [2] * e + [4] * f)
    column = np.concatenate([np.arange(count), unique.ravel(), quads.ravel()])
    value = np.concatenate([np.ones(count), np.full(2 * e, 0.5), np.full(4 * f, 0.25)])
    mapping = sparse.csr_matrix((value, (row, column)), (count + e + f, count))
    corner, middle = quads.T, count + e + np.arange(f)
    small = [np.stack([corner[k], count + inverse[k], middle, count + inverse[k - 1]], 1) for k in range(4)]
    return mapping, triangles(np.concatenate(small))


def edges_of(faces):
    """The directed edges [3m,2] of triangles [m,3]."""
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def grid_faces(rows, columns):
    """The quads [(rows-1)(columns-1),4] between the points of a grid, counted along the columns."""
    at = np.arange(rows * columns).reshape(rows, columns)
    return np.stack([at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]], -1).reshape(-1, 4)


def averaging(faces, count):
    """Sparse [count,count] matrix that averages the neighbors of each point."""
    a = edges_of(faces)
    both = np.concatenate([a, a[:, ::-1]])
    near = sparse.csr_matrix((np.ones(len(both)), (both[:, 0], both[:, 1])), (count, count))
    near.data[:] = 1
    total = np.maximum(np.asarray(near.sum(1)).ravel(), 1)
    return (sparse.diags(1 / total) @ near).tocsr().astype(np.float32)


def normals(points, faces):
    """Unit vertex normals [n,3] of a mesh."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    flat = np.cross(b - a, c - a)
    total = np.empty_like(points)
    for axis in range(3):
        total[:, axis] = sum(np.bincount(faces[:, k], flat[:, axis], len(points)) for k in range(3))
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def cut(surface, field):
    """Cut a surface to where ``field`` [n] is positive, with new points on the border."""
    keep = field > 0
    if keep.all():
        return surface
    inside = keep[surface.faces].sum(1)
    whole = surface.faces[inside == 3]
    parts, a, b = [whole], [], []
    for count in (1, 2):
        rows = surface.faces[inside == count]
        lone = np.argmax(keep[rows] == (count == 1), axis=1)  # the corner on the other side of the cut
        p, q, r = (np.take_along_axis(rows, ((lone + k) % 3)[:, None], 1)[:, 0] for k in range(3))
        pq, pr = len(surface) + sum(map(len, a)) + np.arange(2 * len(rows)).reshape(2, -1)
        a += [p, p]
        b += [q, r]
        corners = [(p, pq, pr)] if count == 1 else [(pq, q, r), (pq, r, pr)]
        parts += [np.stack(three, 1) for three in corners]
    a, b = np.concatenate(a), np.concatenate(b)
    t = field[a] / (field[a] - field[b])
    n = len(surface)
    place = np.tile(np.arange(len(a)), 2), np.concatenate([a, b])
    new = sparse.csr_matrix((np.concatenate([1 - t, t]), place), (len(a), n))
    mapping = sparse.vstack([sparse.identity(n, format="csr"), new]).tocsr()
    return prune(mapping, np.concatenate(parts), surface)


def prune(mapping, faces, surface):
    """The surface of the used rows of ``mapping`` [total,n] of another surface; merges duplicates."""
    n, total = len(surface), mapping.shape[0]
    key = np.arange(total)
    if total > n:  # cuts of an edge from its two triangles are the same point
        ends = np.sort(mapping[n:].indices.reshape(-1, 2), 1).astype(np.int64)
        _, first, back = np.unique(ends[:, 0] * n + ends[:, 1], return_index=True, return_inverse=True)
        key[n:] = n + first[back.ravel()]
    faces = key[faces]
    used = np.zeros(total, bool)
    used[faces] = True
    renumbered = np.cumsum(used) - 1
    chosen = mapping[np.flatnonzero(used)]
    coords = {name: (chosen @ value).astype(np.float32) for name, value in surface.coords.items()}
    return Surface((chosen @ surface.map).tocsr(), renumbered[faces].astype(np.int32), coords)


def border(faces):
    """Directed border edges [k,2]: those of a single triangle."""
    edges = edges_of(faces).astype(np.int64)
    key = edges.min(1) * (faces.max() + 1) + edges.max(1)
    _, index, count = np.unique(key, return_index=True, return_counts=True)
    return edges[index[count == 1]]


@dataclass(frozen=True)
class Landmarks:
    """Heights and positions on the template body [m] by which garments are cut."""

    neck: float  # height where the neck meets the shoulders
    chest: float
    waist: float
    hip: float
    crotch: float
    knee: float
    shoulder: np.ndarray  # the left shoulder joint
    arm: np.ndarray  # unit vector along the left arm
    reach: float  # length from shoulder to wrist
    middle: float  # y of the torso's axis
    leg: np.ndarray  # joints of the left leg


@functools.cache
def template():
    """The average body on which garments are cut: (points of all parts at rest, `Landmarks`)."""
    body = anatomy()
    points, heads, _ = body.shape_build(Build(0.5, 0.15, (1 / 3, 1 / 3, 1 / 3)))
    at = {bone: heads[row].astype(float) for row, bone in enumerate(body.bones)}
    shoulder, hip = at["upperarm01.L"], at["upperleg01.L"][2]
    arm = at["wrist.L"] - shoulder
    reach = float(np.linalg.norm(arm))
    heights = dict(neck=at["neck01"][2] + 0.035, chest=at["spine01"][2], waist=at["spine03"][2])
    heights |= dict(hip=hip, crotch=hip - 0.075, knee=float(at["lowerleg01.L"][2]))
    along = dict(shoulder=shoulder, arm=arm / reach, reach=reach, leg=body.leg_axis(heads))
    return points, Landmarks(**heights, **along, middle=float(at["spine02"][1]) - 0.02)


def coordinates(points, weights):
    """Garment coordinates of points on the template: name -> [n].

    x, y, z [m]; arm: 0 torso .. 1 arm; t: along the arm, 0 shoulder .. 1 wrist; round_torso, round_arm:
    angle around torso and arm [rad], 0 in front; head, hand, leg: share of that part in 0..1.
    """
    bones, (_, marks) = anatomy().bones, template()

    def share(*words):
        return weights[:, [any(w in b for w in words) for b in bones]].sum(1)

    arm = share("upperarm", "lowerarm", "wrist", "finger", "metacarpal")
    mirrored = points * np.where(points[:, :1] < 0, [[-1, 1, 1]], [[1, 1, 1]])
    off = mirrored - marks.shoulder
    t = off @ marks.arm / marks.reach
    across = off - (t * marks.reach)[:, None] * marks.arm
    # the angle around the arm increases from the front over the outer and upper side
    outer = np.array([marks.arm[2], 0, -marks.arm[0]]) * -1
    round_arm = np.arctan2(across @ outer, -across[:, 1])
    x, y, z = points.T
    angles = dict(round_arm=round_arm, round_torso=np.arctan2(x, -(y - marks.middle)))
    parts = dict(head=("head", "neck03", "jaw"), hand=("wrist", "finger", "metacarpal"), leg=("leg", "foot"))
    return dict(x=x, y=y, z=z, arm=arm, t=t, **angles) | {name: share(*parts[name]) for name in parts}


@functools.cache
def part_surface(part):
    """A part of the anatomy as a `Surface`."""
    body, rows = anatomy(), anatomy().rows[part]
    points, weights = template()[0][rows], body.weights[rows]
    mapping = sparse.identity(len(points), format="csr")
    return Surface(mapping, triangles(body.faces[part]), coordinates(points, weights))


def mapped_surface(mapping, faces, part):
    """A `Surface` whose points are linear in those of a part of the anatomy, as mapping [n,part] tells."""
    rows = anatomy().rows[part]
    points, weights = mapping @ template()[0][rows], mapping @ anatomy().weights[rows]
    return Surface(mapping, faces.astype(np.int32), coordinates(points, weights))


@functools.cache
def suit():
    """The whole suit as a `Surface`, subdivided and smoothed."""
    mapping, faces = subdivide("suit")
    smooth = averaging(faces, mapping.shape[0])
    inner = np.ones(mapping.shape[0], np.float32)
    inner[border(faces).ravel()] = 0
    for _ in range(2):  # smooth the facets
        mapping = sparse.diags(1 - 0.5 * inner) @ mapping + sparse.diags(0.5 * inner) @ (smooth @ mapping)
    return mapped_surface(mapping.tocsr(), faces, "suit")
