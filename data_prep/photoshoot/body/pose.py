"""Poses: rotations of spine and head, and arms that reach for goals (two-bone inverse kinematics)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.photoshoot.body.anatomy import frame, rotation
from data_prep.photoshoot.numeric import unit
from data_prep.photoshoot.tables import read_tables, sample_clipped

GOALS = read_tables(Path(__file__).with_name("poses.toml"))
ARMS = [name for name, goal in GOALS.items() if "share" in goal]
SHARES = [GOALS[name]["share"] for name in ARMS]
DROP = 0.10  # by which shoulders sink when the arms are low; at rest these are at 45 degrees [rad]


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
    n = rng.normal
    turn, both = sample_clipped(rng, 0, 0.30, -0.7, 0.7), rng.random() < 0.3
    names = [str(rng.choice(ARMS, p=SHARES)) for _ in range(2)]
    if both or "crossed" in names:
        names = ["crossed" if "crossed" in names else names[0]] * 2
    return Pose(
        turn,
        spine=(n(0, 0.05), n(0, 0.045), n(0, 0.12)),
        head=(n(0.02, 0.09), n(0, 0.07), sample_clipped(rng, -turn * 0.6, 0.28, -0.8, 0.8)),
        hips=n(0, 0.05),
        legs=(n(0, 0.05), n(0, 0.05)),
        arms=tuple((name, tuple(rng.uniform(-1, 1, 8))) for name in names),
        shrug=(n(0, 0.05), n(0, 0.05)),
    )


def mannequin_pose(rng):
    """Sample the pose of an invisible body."""
    numbers = rng.uniform(-1, 1, 8)
    return symmetric_pose(tuple(numbers), rng.normal(0, 0.05) * (rng.random() < 0.5))


def symmetric_pose(numbers, turn=0.0):
    """The pose of an invisible body: upright, both arms by the same numbers [8]."""
    return Pose(turn, (0.0,) * 3, (0.0,) * 3, 0.0, (0.0,) * 2, (("mannequin", numbers),) * 2, (0.0,) * 2)


def turns_of(pose, heads, bones, marks):
    """The rotations of a pose: bone -> [3,3].

    heads: [bones,3] heads of the bones at rest; marks: landmarks of the body (`figure.landmarks`).
    """
    at = {bone: row for row, bone in enumerate(bones)}
    forward, aside, twist = pose.spine
    nod, tilt, turn = pose.head
    turns = {bone: _bend(twist / 3, forward / 3, aside / 3) for bone in ("spine04", "spine03", "spine02")}
    turns |= {bone: _bend(turn / 2, nod / 2, tilt / 2) for bone in ("neck02", "head")}
    turns["root"] = rotation((0, 0, 1), pose.turn) @ rotation((0, 1, 0), pose.hips)
    for n, (letter, sign) in enumerate((("L", 1), ("R", -1))):
        turns[f"upperleg01.{letter}"] = rotation((0, 1, 0), -pose.hips + sign * (0.10 + pose.legs[n]))
        shrug = pose.shrug[n] - DROP * ("low" in GOALS[pose.arms[n][0]])
        turns[f"clavicle.{letter}"] = rotation((0, 1, 0), -sign * shrug)
        turns |= _arm(pose.arms[n], letter, sign, heads, at, marks)
    return turns


def _bend(turn, forward, aside):
    """The rotation [3,3] by a turn, a bend forward and one aside [rad]."""
    return rotation((0, 0, 1), turn) @ rotation((1, 0, 0), forward) @ rotation((0, 1, 0), aside)


def _goal(name, k, sign, S, reach, marks):
    """The goal of an arm: (wrist position, elbow direction, finger curl, wrist bend), in rest axes."""
    goal = GOALS[name]
    if name == "mannequin":
        to = S + reach * (0.985 + 0.01 * k[1]) * unit([sign, -0.1, -2.3 + 1.0 * k[0]])
    else:
        rows = enumerate(goal["to"])
        x, y, z = ((marks[mark] if mark else 0.0) + more + gain * k[n] for n, (mark, more, gain) in rows)
        to = np.array([sign * x, y - goal.get("across", 0) * sign, z])
    if "reach" in goal:
        share, gain = goal["reach"]
        to = S + reach * unit(to) * (share + gain * k[2])
    outward, away, gain, up = goal["elbow"]
    curl, by, number = goal["curl"]
    pole = np.array([sign * outward, away + gain * k[3], up])
    return to, pole, curl + by * k[number], goal["bend"]


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
    roll, bend = 0.5 * k[5] + GOALS[name].get("roll", 0), bend * (0.7 + 0.3 * k[6])
    turns[f"wrist.{letter}"] = rotation(forearm, sign * roll) @ rotation(knuckles, -sign * bend)
    for finger in range(2, 6):
        for link in (1, 2, 3):  # the outer fingers curl more
            turns[f"finger{finger}-{link}.{letter}"] = rotation(knuckles, -sign * curl * (0.8 + 0.1 * finger))
    return turns
