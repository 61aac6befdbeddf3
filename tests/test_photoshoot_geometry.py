"""The photoshoot's geometry: bones, cut cloth and rays, compared with loops and closed forms."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

from data_prep.photoshoot.body import pose
from data_prep.photoshoot.body.anatomy import LEVELS, PARTS, Build, anatomy, rotation, skinned, triangles
from data_prep.photoshoot.body.surface import Surface, averaging, border, cut, normals, subdivide, suit
from data_prep.photoshoot.camera import scene
from data_prep.photoshoot.camera.background import street
from data_prep.photoshoot.clothes import pattern
from data_prep.photoshoot.clothes.figure import Figure

BUILD = Build(
    0.3, 0.2, (0.2, 0.3, 0.5), muscle=0.4, weight=-0.3, height=0.5, cup=0.2, local={"nose-hump-incr": 0.5}
)
STILL = pose.Pose(
    0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.0, (0.0, 0.0), (("hang", (0.0,) * 8),) * 2, (0.0, 0.0)
)


def random_turns(seed):
    """Random rotations by up to a radian for a third of all bones: bone -> [3,3]."""
    rng = np.random.default_rng(seed)
    return {
        bone: rotation(rng.normal(size=3), rng.uniform(-1, 1))
        for bone in anatomy().bones
        if rng.random() < 0.33
    }


# ---------------------------------------------------------------- anatomy


def test_the_body_is_what_its_program_says():
    """Sizes and ranges of body.npz: the parts and shapes of the extraction, in float16 without overflow."""
    body = anatomy()
    assert (len(body.bones), len(body.names)) == (75, 82)
    assert {part: len(faces) for part, faces in body.faces.items()} == dict(
        body=10976, suit=1984, skirt=528, hair=198, eyes=140
    )
    assert {
        f"{s}-{a}-{m}muscle-{w}weight"
        for s in ("female", "male")
        for a in ("young", "old")
        for m in LEVELS
        for w in LEVELS
    } < set(body.names)
    for part in PARTS:
        faces, rows = body.faces[part], body.rows[part]
        assert sorted(set(faces.ravel())) == list(range(rows.stop - rows.start)), part
    moves = body._moves
    assert moves.shape == (82, 3 * (body.count + 2 * 75)) and np.isfinite(moves).all()
    assert np.abs(moves).max() < 1  # meters: far below the limit of float16, with a resolution of 1 mm
    still = {name for name, row in body.names.items() if np.abs(moves[row]).max() < 0.001}
    assert len(still) == 4 and all(name.endswith("averagemuscle-averageweight") for name in still)
    assert all(parent < row for row, parent in enumerate(body.parents)) and body.parents[0] == -1


def test_skin_weights_sum_to_one():
    weights = anatomy().weights
    assert weights.min() >= 0 and (np.count_nonzero(weights, axis=1) <= 4).all()
    np.testing.assert_allclose(weights.sum(1), 1, atol=2e-3)  # sums of four float16


def test_builds_are_about_as_tall_as_people():
    def height(**fields):
        return np.ptp(anatomy().shaped(dataclasses.replace(BUILD, **fields))[0][anatomy().rows["body"], 2])

    assert height(height=-0.8) < height(height=0) < height(height=0.8)
    assert height(male=0.0) < height(male=1.0) and 1.3 < height(height=0) < 1.9  # without feet


def test_a_rest_pose_moves_nothing():
    points, heads, _ = anatomy().shaped(BUILD)
    still = skinned(points, anatomy().weights, anatomy().transforms(heads, {}))
    np.testing.assert_allclose(still, points, atol=5e-3)  # rounding of the weights
    np.testing.assert_allclose(anatomy().transforms(heads, {})[:, :, :3], np.eye(3)[None].repeat(75, 0))


def test_forward_kinematics_against_a_loop_from_each_bone_to_the_root():
    body = anatomy()
    _, heads, _ = body.shaped(BUILD)
    turns = random_turns(0)
    transforms = body.transforms(heads, turns)
    for row in range(len(body.bones)):
        points = heads[row] + np.array([[0, 0, 0], [0.1, -0.05, 0.02]])
        moved, at = points.astype(float), row
        while at >= 0:  # rotate about each joint on the way to the root
            turn = turns.get(body.bones[at], np.eye(3))
            moved = np.array([turn @ (point - heads[at]) + heads[at] for point in moved])
            at = body.parents[at]
        np.testing.assert_allclose(
            points @ transforms[row, :, :3].T + transforms[row, :, 3], moved, atol=1e-5
        )


def test_skinning_against_a_loop():
    body = anatomy()
    points, heads, _ = body.shaped(BUILD)
    transforms, found = body.transforms(heads, random_turns(1)), None
    rows = np.random.default_rng(2).integers(0, body.count, 40)
    found = skinned(points[rows], body.weights[rows], transforms)
    for row, got in zip(rows, found):
        wanted = sum(
            body.weights[row, bone] * (transforms[bone, :, :3] @ points[row] + transforms[bone, :, 3])
            for bone in np.flatnonzero(body.weights[row])
        )
        np.testing.assert_allclose(got, wanted, atol=1e-5)


# ---------------------------------------------------------------- poses


@pytest.mark.parametrize("name", (*pose.ARMS, "mannequin"))
def test_wrists_reach_their_goals_and_arms_keep_their_length(name):
    numbers = tuple(np.random.default_rng(3).uniform(-1, 1, 8))
    figure = Figure(BUILD, dataclasses.replace(STILL, arms=((name, numbers),) * 2))
    rest = {bone: figure.heads[row] for row, bone in enumerate(anatomy().bones)}
    for letter, sign in (("L", 1), ("R", -1)):
        bones = [f"{bone}.{letter}" for bone in ("upperarm01", "lowerarm01", "wrist")]
        start, elbow, wrist = (figure.joint(bone) for bone in bones)
        lengths = [np.linalg.norm(rest[b] - rest[a]) for a, b in zip(bones, bones[1:])]
        np.testing.assert_allclose(
            [np.linalg.norm(elbow - start), np.linalg.norm(wrist - elbow)], lengths, atol=1e-4
        )
        goal = pose._goal(name, numbers, sign, rest[bones[0]].astype(float), sum(lengths), figure.marks)[0]
        away = np.linalg.norm(goal - start)
        reached = min(away, 0.998 * sum(lengths))  # the arm stretches towards goals out of reach
        np.testing.assert_allclose(wrist, start + (goal - start) * reached / away, atol=1e-3)


def test_elbows_do_not_bend_backwards():
    """The wrist is in front: the elbow lies behind the straight line from shoulder to wrist."""
    for name in ("hang", "ease", "hip", "thigh"):
        figure = Figure(BUILD, dataclasses.replace(STILL, arms=((name, (0.0,) * 8),) * 2))
        for letter in "LR":
            start, elbow, wrist = (
                figure.joint(f"{b}.{letter}") for b in ("upperarm01", "lowerarm01", "wrist")
            )
            middle = start + (wrist - start) * ((elbow - start) @ (wrist - start)) / (
                (wrist - start) @ (wrist - start)
            )
            assert (elbow - middle)[1] > -0.01, name  # y points away from the camera


# ---------------------------------------------------------------- cloth


def sheet(count, width=1.0):
    """A flat square `Surface` of 2 count^2 triangles, with coordinates x, z."""
    x, z = np.meshgrid(np.linspace(0, width, count + 1), np.linspace(0, width, count + 1))
    at = np.arange((count + 1) ** 2).reshape(count + 1, -1)
    quads = np.stack([at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1]], -1).reshape(-1, 4)
    return Surface(
        sparse.identity(x.size, format="csr"),
        triangles(quads).astype(np.int32),
        {"x": x.ravel(), "z": z.ravel()},
    ), quads


def area(points, faces):
    """Total area of triangles in space."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2


def flat(surface):
    """The points [n,3] of a `sheet`."""
    return np.stack([surface.coords["x"], np.zeros(len(surface)), surface.coords["z"]], 1)


def test_a_straight_cut_keeps_the_exact_area_and_ends_on_the_line():
    surface, _ = sheet(7)
    field = 1.1 - surface.coords["x"] - surface.coords["z"] * 0.8
    kept = cut(surface, field)
    points = flat(kept)
    wanted = (
        (1.1 * 1.1 - 0.1 * 0.1 - 0.3 * 0.3) / 0.8 / 2
    )  # the triangle below the line, minus its tips beyond x = 1 and z = 1
    assert area(points, kept.faces) == pytest.approx(wanted, abs=1e-6)
    made = kept.map.getnnz(axis=1) > 1  # points created by the cut
    rest = 1.1 - points[:, 0] - points[:, 2] * 0.8
    assert made.sum() > 5 and np.abs(rest[made]).max() < 1e-6 and rest.min() > -1e-6
    np.testing.assert_allclose(kept.map.sum(1), 1, atol=1e-6)


def test_a_round_cut_keeps_the_area_and_one_border():
    surface, _ = sheet(60)
    kept = cut(surface, 0.4 - np.hypot(surface.coords["x"] - 0.5, surface.coords["z"] - 0.5))
    assert area(flat(kept), kept.faces) == pytest.approx(np.pi * 0.4**2, rel=0.003)
    edges = border(kept.faces)
    assert len(np.unique(edges)) == len(edges)  # a closed curve: one incoming and one outgoing edge per point
    assert (np.sort(edges[:, 0]) == np.sort(edges[:, 1])).all()
    radius = np.hypot(*(flat(kept)[edges[:, 0]][:, [0, 2]] - 0.5).T)
    np.testing.assert_allclose(radius, 0.4, atol=0.001)


def test_a_cut_that_cuts_nothing_and_one_after_another():
    surface, _ = sheet(5)
    assert cut(surface, np.ones(len(surface))) is surface
    one = cut(surface, surface.coords["x"] - 0.33)
    both = cut(one, 0.71 - one.coords["z"])
    assert area(flat(both), both.faces) == pytest.approx(0.67 * 0.71, abs=1e-6)


def test_subdivision_parts_each_quad_in_four():
    surface, quads = sheet(4)
    made, faces = subdivide(quads, len(surface))
    points = made @ flat(surface)
    assert len(faces) == 8 * len(quads) and area(points, faces) == pytest.approx(1)
    np.testing.assert_allclose(made.sum(1), 1)
    sizes = [area(points, face[None]) for face in faces]
    np.testing.assert_allclose(sizes, 1 / len(faces))
    assert len(np.unique(points.round(9), axis=0)) == len(points) == 9**2  # midpoints are shared


def test_averaging_is_the_mean_of_neighbors():
    surface, _ = sheet(3)
    mean, values = averaging(surface.faces, len(surface)), np.random.default_rng(0).normal(size=len(surface))
    near = {n: set() for n in range(len(surface))}
    for a, b, c in surface.faces:
        for p, q in ((a, b), (b, c), (c, a)):
            near[p].add(q)
            near[q].add(p)
    np.testing.assert_allclose(mean @ values, [np.mean(values[sorted(near[n])]) for n in near], atol=1e-6)


def test_the_suit_is_left_and_right_alike_and_faces_outwards():
    points = suit().map @ anatomy().base[anatomy().rows["suit"]]
    out = normals(points, suit().faces)
    front = (
        (np.abs(suit().coords["round_torso"]) < 0.3)
        & (suit().coords["arm"] < 0.01)
        & (suit().coords["leg"] < 0.01)
    )
    assert front.sum() > 50 and np.median(out[front, 1]) < -0.8  # the chest faces the camera
    np.testing.assert_allclose(points[:, 0].min(), -points[:, 0].max(), atol=0.01)


# ---------------------------------------------------------------- rays and light

LIGHT = dict(key=np.array([0, -1, 0.0]), strength=0.5, soft=0.0, ambient=1.0, floor=1.0, side=0.0)


def trace_mesh(points, faces, view, light=LIGHT):
    """Trace the rays of a view to one mesh."""
    part = SimpleNamespace(points=points.astype(np.float32), faces=faces)
    return scene.trace([part], view, light, [normals(part.points, faces)])


def sphere(radius, count=60):
    """(points, faces) of a sphere around the origin."""
    polar, around = np.meshgrid(
        np.linspace(0, np.pi, count + 1), np.linspace(0, 2 * np.pi, 2 * count + 1), indexing="ij"
    )
    points = radius * np.stack(
        [np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)], -1
    )
    at = np.arange(points.shape[0] * points.shape[1]).reshape(points.shape[:2])
    quads = np.stack([at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]], -1).reshape(-1, 4)
    return points.reshape(-1, 3), triangles(quads).astype(np.int32)


def test_a_spheres_silhouette_and_normals():
    radius, distance = 0.3, 2.0
    view = scene.camera((64, 48), 0.9, np.zeros(3), distance)
    hits = trace_mesh(*sphere(radius), view)
    toward = view.rays @ np.array([0, 1, 0.0])  # cosine between each ray and the ray to the center
    limit = np.sqrt(1 - (radius / distance) ** 2)
    hit = np.zeros(len(view.rays), bool)
    hit[hits.pixel] = True
    assert (hit == (toward > limit))[np.abs(toward - limit) > 2e-4].all() and 500 < hit.sum() < 2000
    np.testing.assert_allclose(np.linalg.norm(hits.position, axis=1), radius, rtol=0.002)
    np.testing.assert_allclose(hits.normal, hits.position / radius, atol=0.03)
    assert not hits.inside.any()


def test_a_camera_shows_its_span():
    """Points at the upper and lower edge, at the distance of the center, are `span` apart."""
    view = scene.camera((40, 20), 1.2, np.array([0.1, 0.2, 0.3]), 3.0, rise=0.2, roll=0.1)
    rays = view.rays.reshape(40, 20, 3)
    ahead = rays[19:21, 9:11].mean((0, 1))
    ahead /= np.linalg.norm(ahead)
    np.testing.assert_allclose(view.origins[0] + ahead * 3.0 * np.hypot(1, 0.2), [0.1, 0.2, 0.3], atol=1e-5)
    edge = [ray / (ray @ ahead) for ray in (rays[0, 9:11].mean(0), rays[-1, 9:11].mean(0))]
    span = np.linalg.norm(edge[0] - edge[1]) * 3.0 * np.hypot(1, 0.2)
    assert span * 40 / 39 == pytest.approx(
        1.2, rel=1e-3
    )  # the centers of the outer of 40 pixels are 39 steps apart


def test_a_squares_hard_shadow_on_a_wall():
    surface, _ = sheet(80, 2.0)
    wall = flat(surface) + [-1, 1, -1]
    square = np.array([[-0.2, 0.5, -0.2], [0.2, 0.5, -0.2], [0.2, 0.5, 0.2], [-0.2, 0.5, 0.2]])
    key = np.array([0.5, -1, 0.4])
    light = LIGHT | {"key": key / np.linalg.norm(key)}
    back = SimpleNamespace(points=wall.astype(np.float32), faces=surface.faces)
    front = SimpleNamespace(
        points=square.astype(np.float32), faces=np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    )
    outs = [np.tile(np.float32([[0, -1, 0]]), (len(part.points), 1)) for part in (back, front)]
    hits = scene.trace([back, front], scene.camera((96, 96), 1.8, np.array([0, 1.0, 0]), 4.0), light, outs)
    at = hits.position[hits.part == 0]
    through = at + key / abs(key[1]) * 0.5  # where the ray to the light crosses the plane of the square
    off = np.abs(through[:, [0, 2]]).max(1) - 0.2  # negative in the shadow
    clear = np.abs(off) > 0.03  # farther from the shadow's border than the size of a triangle
    np.testing.assert_allclose(hits.key[hits.part == 0][clear], off[clear] > 0, atol=1e-6)
    assert (off[clear] < 0).sum() > 200


def test_ambient_light_of_the_open():
    """For a half space of unit light, twice the mean and four times the first moment are 1, from 28 rays."""
    surface, _ = sheet(8, 1.0)
    view = scene.camera((16, 16), 0.5, np.zeros(3), 2.0)
    hits = trace_mesh(flat(surface) - [0.5, 0, 0.5], surface.faces, view)
    np.testing.assert_allclose(hits.ambient, np.tile([1, 0, -1, 0], (len(hits.pixel), 1)), atol=0.1)
    _, key = scene.irradiance(hits, hits.normal, LIGHT, np.zeros(len(hits.pixel)))
    np.testing.assert_allclose(key, LIGHT["strength"] * 1.15, rtol=1e-5)


@pytest.mark.parametrize("slope", [(0.1, 0.0), (0.0, 0.2), (-0.15, 0.1)])
def test_bumped_normals_of_an_even_slope(slope):
    """A relief a x + b z on a wall tilts its normal by the gradient, damped as in scene.bump_normals."""
    surface, _ = sheet(4, 2.0)
    view = scene.camera((32, 32), 0.5, np.zeros(3), 3.0)
    hits = trace_mesh(flat(surface) - [1, 0, 1], surface.faces, view)
    relief = slope[0] * hits.position[:, 0] + slope[1] * hits.position[:, 2]
    size = np.hypot(*slope)
    wanted = np.array([0, -1, 0]) - np.array([slope[0], 0, slope[1]]) / (1 + 0.6 * size)
    inner = (hits.pixel // 32 < 31) & (hits.pixel % 32 < 31)  # the last row and column have no neighbor
    np.testing.assert_allclose(
        scene.bump_normals(hits, relief, view)[inner],
        np.tile(wanted / np.linalg.norm(wanted), (inner.sum(), 1)),
        atol=2e-3,
    )


def test_bumped_normals_of_a_wave():
    surface, _ = sheet(4, 2.0)
    view = scene.camera((16, 192), 0.1, np.zeros(3), 3.0)
    hits = trace_mesh(flat(surface) - [1, 0, 1], surface.faces, view)
    x, k = hits.position[:, 0], 2 * np.pi / 0.3
    tilt = scene.bump_normals(hits, 0.002 * np.sin(k * x), view)
    slope = 0.002 * k * np.cos(k * x)
    inner = (hits.pixel // 192 < 15) & (hits.pixel % 192 < 191)
    np.testing.assert_allclose(tilt[inner, 0], (-slope / np.sqrt(1 + slope**2))[inner], atol=0.003)


# ---------------------------------------------------------------- patterns and backgrounds


def dressed(kind, details):
    """The attributes that patterns read, of a garment in black, white and red."""
    return SimpleNamespace(
        pattern=kind,
        details=details,
        trim="none",
        seed=5,
        color=lambda _: np.zeros(3),
        colors=((0, 0, 0), (1, 1, 1), (1, 0, 0)),
    )


def test_stripes_have_their_period_and_share():
    details = dict(period=0.05, duty=0.4, phase=0.3, top=0.1, third=False)
    s = np.linspace(0, 0.6, 12001)
    color = pattern.albedo(dressed("stripes", details), np.zeros_like(s), s, 0.6, False)[:, 0]
    assert color[s < 0.098].max() == 0 and color[s > 0.1].mean() == pytest.approx(0.4, abs=0.01)
    assert (np.diff(color[s > 0.102] > 0.5) == 1).sum() in (19, 20)  # ten stripes, two borders each


def test_halves_and_yokes_lie_where_they_say():
    a, s = (grid.ravel() for grid in np.meshgrid(np.linspace(-0.2, 0.2, 41), np.linspace(0, 0.6, 61)))
    halves = pattern.albedo(dressed("blocks", dict(kind="halves", at=0.1, width=0.1)), a, s, 0.6, False)[:, 0]
    np.testing.assert_array_equal(halves[np.abs(a) > 0.005], (a > 0)[np.abs(a) > 0.005])
    yoke = pattern.albedo(dressed("blocks", dict(kind="yoke", at=0.155, width=0.1)), a, s, 0.6, True)[:, 0]
    np.testing.assert_array_equal(yoke, s < 0.155)  # also on the sleeves


@pytest.mark.parametrize("kind", range(10))
def test_a_print_stays_on_the_chest(kind):
    details = dict(kind=kind, at=0.145, size=0.04, letters=[0, 1, 2, 3], angle=0.2, side=0)
    a, s = (grid.ravel() for grid in np.meshgrid(np.linspace(-0.2, 0.2, 81), np.linspace(0, 0.6, 121)))
    printed = pattern.albedo(dressed("print", details), a, s, 0.6, False).max(1) > 0.5
    assert printed.sum() > 20 and np.hypot(a[printed], s[printed] - 0.145).max() < 0.04 * 1.45
    assert not pattern.albedo(dressed("print", details), a, s, 0.6, True).any()


def test_a_rib_knit_is_a_wave_across_and_level_along():
    garment = dressed("knit", dict(kind="rib", period=0.03))
    a = np.linspace(-0.1, 0.1, 1001)
    relief = pattern.knit(garment, a, np.zeros_like(a))
    np.testing.assert_allclose(relief, 0.0009 * np.cos(2 * np.pi * a / 0.03))
    np.testing.assert_array_equal(relief, pattern.knit(garment, a, np.full_like(a, 0.4)))
    assert np.ptp(pattern.knit(dressed("knit", dict(kind="cable", period=0.03)), a, a)) > 0.001
    assert pattern.knit(dressed("plain", {}), a, a) == 0


def test_streets_differ_by_seed_and_look_alike_at_any_size():
    small, large = street((32, 24), 7), street((128, 96), 7)
    assert small.shape == (32, 24, 3) and 0 <= small.min() and small.max() <= 1
    halved = large.reshape(32, 4, 24, 4, 3).mean((1, 3))
    assert np.abs(small - halved).mean() < 0.03 < np.abs(small - street((32, 24), 8)).mean()
    assert large.std((0, 1)).min() > 0.05  # not uniform
