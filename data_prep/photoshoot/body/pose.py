"""Poses: rotations of spine and head, and arms that reach for goals (two-bone inverse kinematics)."""

from dataclasses import dataclass

import numpy as np

from data_prep.photoshoot.body.anatomy import frame, rotation
from data_prep.photoshoot.numeric import unit

ARMS = ("hang", "ease", "hip", "pocket", "front", "crossed", "face", "back", "thigh", "collar")
LOW = ("hang", "ease", "hip", "pocket", "thigh", "back", "mannequin")
DROP = 0.10  # by which shoulders sink when the arms are low; at rest these are at 45 degrees [rad]
SHARES = (0.30, 0.16, 0.15, 0.13, 0.06, 0.05, 0.04, 0.05, 0.04, 0.02)


@dataclass(frozen=True)
class Pose:
    """A pose; angles in radians."""

    turn: float  # of the whole person about the vertical axis
    spine: tuple  # (bend forward, bend sideways, twist)
    head: tuple  # (nod, tilt, turn)
    hips: float  # sideways tilt of the pelvis, with the weight on one leg
    legs: tuple  # outward angle of each leg
    arms: tuple  # (name of the goal, parameters [8] in -1..1) for left, right
    shrug: tuple  # of each shoulder


def sample_pose(rng):
    """Sample a ``Pose``: mostly frontal, turned by up to 40 degrees."""
    turn = np.clip(rng.normal(0, 0.30), -0.7, 0.7)
    both = rng.random() < 0.3
    names = [str(rng.choice(ARMS, p=SHARES)) for _ in range(2)]
    if both or "crossed" in names:
        name = "crossed" if "crossed" in names else names[0]
        names = [name, name]
    return Pose(
        turn=float(turn),
        spine=(rng.normal(0, 0.05), rng.normal(0, 0.045), rng.normal(0, 0.12)),
        head=(
            rng.normal(0.02, 0.09),
            rng.normal(0, 0.07),
            float(np.clip(rng.normal(-turn * 0.6, 0.28), -0.8, 0.8)),
        ),
        hips=rng.normal(0, 0.05),
        legs=(rng.normal(0, 0.05), rng.normal(0, 0.05)),
        arms=tuple((name, tuple(rng.uniform(-1, 1, 8))) for name in names),
        shrug=(rng.normal(0, 0.05), rng.normal(0, 0.05)),
    )


def mannequin_pose(rng):
    """Sample the pose of an invisible body: upright, both arms symmetric."""
    numbers = rng.uniform(-1, 1, 8)
    return Pose(
        rng.normal(0, 0.05) * (rng.random() < 0.5),
        (0.0, 0.0, 0.0),
        (0.0, 0.0, 0.0),
        0.0,
        (0.0, 0.0),
        (("mannequin", tuple(numbers)),) * 2,
        (0.0, 0.0),
    )


def turns_of(pose, heads, bones, marks):
    """The rotations of a pose: bone -> [3,3].

    heads: [bones,3] heads of the bones at rest; marks: landmarks of the body (`figure.landmarks`).
    """
    at = {bone: row for row, bone in enumerate(bones)}
    forward, side, twist = pose.spine
    turns = {}
    for bone in ("spine04", "spine03", "spine02"):
        turns[bone] = (
            rotation((0, 0, 1), twist / 3) @ rotation((1, 0, 0), forward / 3) @ rotation((0, 1, 0), side / 3)
        )
    nod, tilt, turn = pose.head
    for bone in ("neck02", "head"):
        turns[bone] = (
            rotation((0, 0, 1), turn / 2) @ rotation((1, 0, 0), nod / 2) @ rotation((0, 1, 0), tilt / 2)
        )
    turns["root"] = rotation((0, 0, 1), pose.turn) @ rotation((0, 1, 0), pose.hips)
    for n, (letter, sign) in enumerate((("L", 1), ("R", -1))):
        turns[f"upperleg01.{letter}"] = rotation((0, 1, 0), -pose.hips + sign * (0.10 + pose.legs[n]))
        shrug = pose.shrug[n] - DROP * (pose.arms[n][0] in LOW)
        turns[f"clavicle.{letter}"] = rotation((0, 1, 0), -sign * shrug)
        turns |= _arm(pose.arms[n], letter, sign, heads, at, marks)
    return turns


def body_ring(points, arm_weights, z):
    """Extent of the torso at height z [m]: half-width x, front and back.

    points: [n,3] of the suit at rest; arm_weights: its skin weights of the arms [n].
    """
    near = (np.abs(points[:, 2] - z) < 0.025) & (arm_weights < 0.3)
    part = points[near]
    return dict(x=np.abs(part[:, 0]).max(), front=part[:, 1].min(), back=part[:, 1].max())


def _goal(name, k, sign, S, reach, marks):
    """The goal of an arm: (wrist position, elbow direction, finger curl, wrist bend), in rest axes."""
    hip, waist, chest = marks["hip"], marks["waist"], marks["chest"]
    out = np.array([sign, 0.0, 0.0])
    if name == "hang":
        to = S + reach * unit([sign * (0.075 + 0.05 * k[0]), -0.02 + 0.05 * k[1], -1]) * (0.985 + 0.01 * k[2])
        return to, out * 0.3 + [0, 1, 0], 0.45 + 0.2 * k[3], 0.05
    if name == "ease":
        to = S + reach * unit([sign * (0.12 + 0.08 * k[0]), -0.16 + 0.14 * k[1], -1]) * (0.95 + 0.03 * k[2])
        return to, out * 0.8 + [0, 1, 0], 0.5 + 0.2 * k[3], 0.1
    if name == "thigh":
        to = np.array(
            [sign * (hip["x"] - 0.0 + 0.03 * k[0]), hip["front"] - 0.055, hip["z"] - 0.04 + 0.03 * k[2]]
        )
        return to, out * 0.9 + [0, 1, 0], 0.25 + 0.2 * k[3], 0.15
    if name == "hip":
        to = np.array(
            [
                sign * (waist["x"] + 0.085 + 0.02 * k[0]),
                -0.050 + 0.03 * k[1],
                waist["z"] - 0.07 + 0.045 * k[2],
            ]
        )
        return to, out + [0, 0.35 + 0.3 * k[3], 0.0], 0.5 + 0.2 * k[4], 0.55
    if name == "pocket":
        to = np.array(
            [sign * (hip["x"] - 0.002 + 0.02 * k[0]), -0.055 + 0.03 * k[1], hip["z"] + 0.055 + 0.03 * k[2]]
        )
        return to, out + [0, 0.7 + 0.3 * k[3], 0], 0.5, 0.1
    if name == "front":
        to = np.array([sign * (0.055 + 0.025 * k[0]), waist["front"] - 0.07, waist["z"] - 0.10 + 0.06 * k[2]])
        return to, out + [0, 0.5, -0.3], 0.6 + 0.2 * k[3], 0.2
    if name == "crossed":
        over = 0.03 * sign
        to = np.array(
            [-sign * (0.10 + 0.02 * k[0]), chest["front"] - 0.075 - over, chest["z"] - 0.13 + 0.03 * k[2]]
        )
        return to, out + [0, 0.1, -0.8], 0.3, 0.0
    if name == "face":
        to = np.array([sign * (0.115 + 0.03 * k[0]), -0.07 + 0.03 * k[1], marks["chin"] + 0.02 + 0.07 * k[2]])
        return to, out * 0.8 + [0, -0.2, -1], 0.6, 0.1
    if name == "back":
        to = np.array([sign * (0.07 + 0.04 * k[0]), waist["back"] + 0.05, waist["z"] - 0.03 + 0.06 * k[2]])
        return to, out + [0, 0.6, 0], 0.4, 0.1
    if name == "collar":
        to = np.array([sign * (0.07 + 0.03 * k[0]), chest["front"] - 0.06, chest["z"] + 0.05 + 0.05 * k[2]])
        return to, out + [0, 0, -1], 0.7, 0.2
    down = -2.3 + 1.0 * k[0]  # a mannequin's arms: slightly spread, nearly straight
    return S + reach * (0.985 + 0.01 * k[1]) * unit([sign, -0.1, down]), out * 0.2 + [0, 1, 0], 0.2, 0.0


def _arm(arm, letter, sign, heads, at, marks):
    """The rotations of the bones of one arm: bone -> [3,3]."""
    name, k = arm
    S, E, W = (heads[at[f"{bone}.{letter}"]].astype(float) for bone in ("upperarm01", "lowerarm01", "wrist"))
    upper, lower = np.linalg.norm(E - S), np.linalg.norm(W - E)
    goal, pole, curl, bend = _goal(name, k, sign, S, upper + lower, marks)
    gap = goal - S
    far = np.clip(np.linalg.norm(gap), abs(upper - lower) + 0.02, (upper + lower) * 0.998)
    axis = unit(gap)
    along = (upper**2 - lower**2 + far**2) / (2 * far)
    height = np.sqrt(max(upper**2 - along**2, 1e-6))
    pole = pole - (pole @ axis) * axis
    elbow = S + along * axis + height * unit(pole)
    wrist = S + far * axis
    plane = np.cross(elbow - S, wrist - elbow)
    # the arm is nearly straight at rest; its elbow would flex forward
    rest_plane = np.cross(E - S, np.array([0, -1.0, 0]))
    first = frame(elbow - S, plane) @ frame(E - S, rest_plane).T
    second = frame(wrist - elbow, plane) @ frame(W - E, rest_plane).T
    turns = {
        f"upperarm01.{letter}": first.astype(np.float32),
        f"lowerarm01.{letter}": (first.T @ second).astype(np.float32),
    }
    forearm = unit(W - E)
    knuckles = unit(heads[at[f"metacarpal4.{letter}"]] - heads[at[f"metacarpal1.{letter}"]])
    roll = 0.5 * k[5] + {"hang": -0.9, "ease": -0.9, "hip": -0.3, "crossed": 0.2}.get(name, 0)
    turns[f"wrist.{letter}"] = rotation(forearm, sign * roll) @ rotation(
        knuckles, -sign * bend * (0.7 + 0.3 * k[6])
    )
    for finger in range(2, 6):
        for link in (1, 2, 3):  # the outer fingers curl more
            turns[f"finger{finger}-{link}.{letter}"] = rotation(knuckles, -sign * curl * (0.8 + 0.1 * finger))
    return turns
