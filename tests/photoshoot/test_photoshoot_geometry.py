"""The photoshoot's geometry: bones and rays, compared with loops and closed forms."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from data_prep.photoshoot.body import pose
from data_prep.photoshoot.body.anatomy import Build, anatomy, apply_skinning, rotation, triangles
from data_prep.photoshoot.body.surface import normals
from data_prep.photoshoot.camera import scene
from data_prep.photoshoot.clothes.figure import Figure

SHAPE = dict(muscle=0.4, weight=-0.3, height=0.5, cup=0.2, local={"nose-hump-incr": 0.5})
BUILD = Build(0.3, 0.2, (0.2, 0.3, 0.5), **SHAPE)
STILL = pose.Pose(0.0, (0.0,) * 3, (0.0,) * 3, 0.0, (0.0,) * 2, (("hang", (0.0,) * 8),) * 2, (0.0,) * 2)


def test_kinematics_and_skinning_against_a_loop_from_each_bone_to_the_root():
    body, rng = anatomy(), np.random.default_rng(0)
    points, heads, _ = body.shape_build(BUILD)
    bent = [bone for bone in body.bones if rng.random() < 0.33]
    turns = {bone: rotation(rng.normal(size=3), rng.uniform(-1, 1)) for bone in bent}
    transforms = body.transforms(heads, turns)

    def move(point, at):
        while at >= 0:  # rotate about each joint on the way to the root
            point = turns.get(body.bones[at], np.eye(3)) @ (point - heads[at]) + heads[at]
            at = body.parents[at]
        return point

    for row in range(len(body.bones)):
        point = heads[row] + np.array([0.1, -0.05, 0.02])
        moved = transforms[row, :, :3] @ point + transforms[row, :, 3]
        np.testing.assert_allclose(moved, move(point, row), atol=1e-5)
    rows = rng.integers(0, body.count, 40)
    for row, found in zip(rows, apply_skinning(points[rows], body.weights[rows], transforms)):
        share = body.weights[row]
        wanted = sum(share[bone] * move(points[row], bone) for bone in np.flatnonzero(share))
        np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("name", (*pose.ARMS, "mannequin"))
def test_wrists_reach_their_goals_and_arms_keep_their_length(name):
    """And elbows do not bend backwards: y points away from the camera."""
    numbers = tuple(np.random.default_rng(3).uniform(-1, 1, 8))
    figure = Figure(BUILD, dataclasses.replace(STILL, arms=((name, numbers),) * 2))
    rest = dict(zip(anatomy().bones, figure.heads))
    for letter, sign in (("L", 1), ("R", -1)):
        bones = [f"{bone}.{letter}" for bone in ("upperarm01", "lowerarm01", "wrist")]
        start, elbow, wrist = (figure.joint(bone) for bone in bones)
        lengths = [np.linalg.norm(rest[b] - rest[a]) for a, b in zip(bones, bones[1:])]
        np.testing.assert_allclose(np.linalg.norm([elbow - start, wrist - elbow], axis=1), lengths, atol=1e-4)
        sunk = figure.transforms[anatomy().bones.index(f"clavicle.{letter}")]
        goal = pose._goal(name, numbers, sign, rest[bones[0]].astype(float), sum(lengths), figure.marks)[0]
        away = np.linalg.norm(goal - rest[bones[0]])
        reached = min(away, 0.998 * sum(lengths))  # the arm stretches towards goals out of reach
        wanted = rest[bones[0]] + (goal - rest[bones[0]]) * reached / away
        np.testing.assert_allclose(wrist, sunk[:, :3] @ wanted + sunk[:, 3], atol=1e-3)
        if name in ("hang", "ease", "hip", "thigh"):
            line = (wrist - start) / np.linalg.norm(wrist - start)
            assert (elbow - start - line * ((elbow - start) @ line))[1] > -0.01


def test_a_sphere_and_its_hard_shadow_on_a_wall():
    """Silhouette, normals and shadow against closed forms."""

    def mesh(points):
        at = np.arange(points[..., 0].size).reshape(points.shape[:2])
        quads = np.stack([at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]], -1).reshape(-1, 4)
        points = points.reshape(-1, 3).astype(np.float32)
        return SimpleNamespace(points=points, faces=triangles(quads).astype(np.int32))

    radius, distance, key = 0.3, 2.0, np.array([0.5, -1, 0.4])
    polar, around = np.meshgrid(np.linspace(0, np.pi, 61), np.linspace(0, 2 * np.pi, 121), indexing="ij")
    across = np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar)
    ball = mesh(radius * np.stack([*across, np.cos(polar)], -1))
    x, z = np.meshgrid(np.linspace(-1, 1, 81), np.linspace(-1, 1, 81))
    wall = mesh(np.stack([x, np.ones_like(x), z], -1))
    light = dict(key=key / np.linalg.norm(key), strength=0.5, soft=0.0, ambient=1.0, floor=1.0, side=0.0)
    view = scene.camera((96, 96), 1.6, np.zeros(3), distance)
    outs = np.tile(np.float32([[0, -1, 0]]), (x.size, 1)), normals(ball.points, ball.faces)
    hits = scene.trace([wall, ball], view, light, outs)
    on_ball = hits.part == 1
    toward = view.rays @ np.array([0, 1, 0.0])  # cosine between each ray and the ray to the center
    limit = np.sqrt(1 - (radius / distance) ** 2)
    hit = np.isin(np.arange(len(view.rays)), hits.pixel[on_ball])
    assert (hit == (toward > limit))[np.abs(toward - limit) > 2e-4].all() and 500 < hit.sum() < 2000
    np.testing.assert_allclose(np.linalg.norm(hits.position[on_ball], axis=1), radius, rtol=0.002)
    np.testing.assert_allclose(hits.normal[on_ball], hits.position[on_ball] / radius, atol=0.03)
    assert not hits.inside.any()
    off = (
        np.linalg.norm(np.cross(hits.position[~on_ball], light["key"]), axis=1) - radius
    )  # < 0 in the shadow
    clear = np.abs(off) > 0.036  # farther from the shadow's border than the size of a triangle
    np.testing.assert_allclose(hits.key[~on_ball][clear], off[clear] > 0, atol=1e-6)
    assert (off[clear] < 0).sum() > 200
