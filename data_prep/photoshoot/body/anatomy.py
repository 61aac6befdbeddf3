"""Anatomy: bodies of any build from blend shapes, posed by a skeleton (linear blend skinning).

Coordinates in meters: x to the image's right (the person's left), y away from the camera, z up.
"""

import functools
import itertools
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

PARTS = ("body", "suit", "skirt", "hair", "eyes")


@dataclass(frozen=True)
class Build:
    """Body shape parameters.  male, old: 0..1; muscle, weight, height, proportions, cup: -1..1."""

    male: float
    old: float
    races: tuple  # shares of African, Asian, Caucasian features
    muscle: float = 0.0
    weight: float = 0.0
    height: float = 0.0
    proportions: float = 0.0
    cup: float = 0.0
    local: dict = field(default_factory=dict)  # name of an additional shape -> its share


class Anatomy:
    """The base mesh: faces (part -> quads [F,4]), rows (part -> slice), bones, skin weights [V,bones]."""

    def __init__(self, data):
        self.bones = [str(name) for name in data["bones"]]
        self.parents = data["parents"].astype(int)
        self.names = {str(name): row for row, name in enumerate(data["shapes"])}
        self.base = data["base"].astype(np.float32)
        self._moves = data["moves"].astype(np.float32).reshape(len(self.names), -1)
        counts = [int(data[f"count/{part}"]) for part in PARTS]
        starts = np.concatenate([[0], np.cumsum(counts)])
        self.rows = {part: slice(a, b) for part, a, b in zip(PARTS, starts[:-1], starts[1:])}
        self.faces = {part: data[f"faces/{part}"].astype(np.int32) - a for part, a in zip(PARTS, starts[:-1])}
        self.count = int(starts[-1])
        self.weights = np.zeros((self.count, len(self.bones)), np.float32)
        np.put_along_axis(self.weights, data["skin_bones"].astype(int), data["skin_weights"], 1)

    def shares(self, build):
        """The share of every blend shape in a build: [shapes]."""
        ages = {"young": 1 - build.old, "old": build.old}
        muscle, weight = _levels(build.muscle), _levels(build.weight)
        body = dict(idealproportions=build.proportions, uncommonproportions=-build.proportions)
        body |= dict(maxheight=build.height, minheight=-build.height)
        shares = dict(build.local)
        for sex, s in (("female", 1 - build.male), ("male", build.male)):
            for age, a in ages.items():
                for race, r in zip(("african", "asian", "caucasian"), build.races):
                    shares[f"{race}-{sex}-{age}"] = s * a * r
                for m, w in itertools.product(muscle, weight):
                    shares[f"{sex}-{age}-{m}muscle-{w}weight"] = s * a * muscle[m] * weight[w]
            shares |= {f"{sex}-{name}": s * max(value, 0) for name, value in body.items()}
        for name, cup in (("maxcup", build.cup), ("mincup", -build.cup)):
            shares[name] = (1 - build.male) * max(cup, 0)
        share = np.zeros(len(self.names), np.float32)
        share[[self.names[name] for name in shares]] = list(shares.values())
        return share

    def shape_build(self, build):
        """(points [V,3], heads [bones,3], tails [bones,3]) of a build in rest pose, arms at 45 degrees."""
        moved = self.base + (self.shares(build) @ self._moves).reshape(-1, 3)
        ends = moved[self.count :].reshape(2, -1, 3)
        return moved[: self.count], ends[0], ends[1]

    def leg_axis(self, heads):
        """The joints of the left leg [3,3], from the ankle up to the hip."""
        return heads[[self.bones.index(f"{bone}.L") for bone in ("foot", "lowerleg01", "upperleg01")]]

    def transforms(self, heads, turns):
        """Affine maps [bones,3,4] of a pose.  turns: bone -> rotation [3,3] about its head, in rest axes."""
        transforms = np.zeros((len(self.bones), 3, 4), np.float32)
        for row, (bone, parent) in enumerate(zip(self.bones, self.parents)):
            turn = turns.get(bone, np.eye(3, dtype=np.float32))
            local = np.column_stack([turn, heads[row] - turn @ heads[row]])
            transforms[row] = local if parent < 0 else compose(transforms[parent], local)
        return transforms


def compose(outer, inner):
    """Compose affine maps [3,4]; ``inner`` is applied first."""
    return np.column_stack([outer[:, :3] @ inner[:, :3], outer[:, :3] @ inner[:, 3] + outer[:, 3]])


def apply_skinning(points, weights, transforms):
    """Linear blend skinning: posed points [n,3] of rest points [n,3], with weights [n,bones]."""
    maps = (weights @ transforms.reshape(len(transforms), 12)).reshape(-1, 3, 4)
    return np.einsum("nij,nj->ni", maps[:, :, :3], points) + maps[:, :, 3]


def _levels(value):
    """Interpolation weights of min, average and max for a value in -1..1."""
    return {"min": max(-value, 0), "average": 1 - abs(value), "max": max(value, 0)}


@functools.cache
def anatomy():
    """The `Anatomy`, loaded once."""
    with np.load(Path(__file__).with_name("body.npz"), allow_pickle=False) as data:
        return Anatomy(data)


def triangles(quads):
    """Split quads [F,4] into triangles [2F,3]."""
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def rotation(axis, angle):
    """Rotation matrix [3,3] by ``angle`` [rad] about ``axis`` [3] (Rodrigues)."""
    x, y, z = np.asarray(axis, float) / np.linalg.norm(axis)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return (np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k).astype(np.float32)


def frame(direction, normal):
    """Orthonormal frame [3,3]; columns: direction, normal orthogonalized to it, their cross product."""
    u = direction / np.linalg.norm(direction)
    v = normal - (normal @ u) * u
    v = v / np.linalg.norm(v)
    return np.stack([u, v, np.cross(u, v)], 1)
