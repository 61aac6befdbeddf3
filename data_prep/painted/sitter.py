"""Sitters: a person (face, skin, hair, build) and one sitting (pose, camera, light)."""
from dataclasses import dataclass

import numpy as np

from data_prep.painted.body import SHOULDER_Y

SKINS = [(244, 212, 190), (238, 198, 172), (228, 184, 154), (212, 164, 130), (186, 136, 104),
         (150, 104, 78), (112, 76, 58), (86, 58, 46)]  # sRGB, light to dark
SKIN_SHARES = (.17, .2, .19, .14, .1, .08, .07, .05)
HAIRS = [(28, 22, 20), (48, 34, 28), (78, 54, 38), (112, 78, 50), (150, 110, 68),
         (196, 158, 104), (222, 192, 144), (120, 56, 34), (140, 136, 134)]
HAIR_SHARES = (.2, .19, .17, .13, .1, .09, .06, .04, .02)
EYES = [(70, 46, 32), (96, 70, 44), (86, 112, 130), (98, 116, 84)]
TROUSERS = [(26, 26, 30), (34, 38, 50), (44, 58, 88), (72, 92, 126), (112, 134, 164),
            (62, 62, 66), (146, 132, 112), (196, 188, 176), (228, 226, 222), (82, 78, 60)]
TROUSER_SHARES = (.24, .1, .18, .14, .09, .08, .06, .04, .04, .03)
LONG_STYLES = ("long", "waves", "bob", "bun", "ponytail", "curls")
LONG_SHARES = (.34, .24, .14, .12, .08, .08)
SHORT_STYLES = ("short", "quiff", "crop", "bald", "curls")
SHORT_SHARES = (.4, .26, .2, .05, .09)
POSES = ("hang", "pocket", "hip", "across", "front", "thigh")
POSE_SHARES = (.50, .17, .09, .06, .04, .14)


@dataclass(frozen=True)
class Person:
    """Identity. feminine 0..1; sizes relative to 1; colors [3] in 0..1."""
    feminine: float
    broad: float
    head: float
    skin: np.ndarray
    hair: np.ndarray
    style: str
    volume: float
    fringe: float
    beard: float
    eye: np.ndarray
    face: np.ndarray  # eight numbers in -1..1 that vary the features
    seed: int


@dataclass(frozen=True)
class Arm:
    """elbow, wrist, tip [2]: joints in body units; hand: pose's name."""
    shoulder: np.ndarray
    elbow: np.ndarray
    wrist: np.ndarray
    tip: np.ndarray
    pose: str


@dataclass(frozen=True)
class Sitter:
    """A person in one sitting."""
    person: Person
    yaw: float  # turn of the torso [rad], positive: towards the picture's right
    lean: float  # sideways shift of the hips [body units]
    slope: float  # slope of the shoulders' line
    hips: float  # slope of the hips' line
    head: tuple  # (dx, dy, roll, yaw)
    arms: tuple  # left of the picture, right of the picture
    front_arm: int  # painted last
    scale: float
    shift: tuple
    light: tuple  # direction x, y; strength; warmth; ambient
    trousers: np.ndarray
    jeans: bool
    hair_front: tuple  # length of the hair in front of (left, right) shoulder, 0: none
    backdrop: float
    seed: int
    clutter: bool = False


def _color(rng, table, shares, spread=.02):
    color = np.array(table[rng.choice(len(table), p=np.array(shares) / sum(shares))]) / 255
    return np.clip(color * rng.uniform(.94, 1.06) + rng.normal(0, spread / 2, 3), .05, .98)


def sample_person(rng):
    """Draw a ``Person``: two in three women, as in shops' pictures."""
    woman = rng.random() < .64
    styles, shares = (LONG_STYLES, LONG_SHARES) if woman else (SHORT_STYLES, SHORT_SHARES)
    return Person(
        feminine=float(np.clip(rng.normal(.9 if woman else .08, .08), 0, 1)),
        broad=float(np.clip(rng.normal(1, .055), .88, 1.16)), head=rng.uniform(.96, 1.05),
        skin=_color(rng, SKINS, SKIN_SHARES, .014), hair=_color(rng, HAIRS, HAIR_SHARES),
        style=str(rng.choice(styles, p=shares)), volume=rng.uniform(.7, 1.3),
        fringe=float(woman and rng.random() < .22),
        beard=float(not woman) * max(0, rng.normal(.2, .35)),
        eye=_color(rng, EYES, (.5, .2, .2, .1)), face=rng.uniform(-1, 1, 8),
        seed=int(rng.integers(2 ** 31)))


def sample_sitter(rng, person=None, clutter=False):
    """Draw a ``Sitter``; a new person too unless one is given."""
    person = person or sample_person(rng)
    yaw, lean = np.clip(rng.normal(0, .2), -.45, .45), rng.normal(0, .013)
    slope, hips = rng.normal(0, .035), np.clip(-lean * 3 + rng.normal(0, .03), -.1, .1)
    arms = tuple(sample_arm(rng, person, side, slope, lean, yaw) for side in (-1, 1))
    return Sitter(
        person, float(yaw), float(lean), float(slope), float(hips),
        head=(rng.normal(0, .006), rng.uniform(-.003, .006), rng.normal(0, .045),
              float(np.clip(yaw * .5 + rng.normal(0, .2), -.5, .5))),
        arms=arms, front_arm=int(rng.integers(2)), scale=rng.uniform(1.08, 1.22),
        shift=(rng.normal(-.01, .018), rng.normal(.002, .006)),
        light=(rng.normal(0, .32), -rng.uniform(.3, .65), rng.uniform(.8, 1.2),
               rng.normal(.012, .016), rng.normal(1, .035)),
        trousers=_color(rng, TROUSERS, TROUSER_SHARES), jeans=rng.random() < .55,
        hair_front=sample_front(rng, person), backdrop=rng.normal(229, 3.5) / 255,
        seed=int(rng.integers(2 ** 31)), clutter=clutter)


def sample_front(rng, person):
    """y down to which hair falls in front of the (left, right) shoulder; 0: behind it."""
    if person.style not in ("long", "waves"):
        return (0.0, 0.0)
    down = rng.uniform(.30, .43)
    sides = rng.choice(4, p=[.25, .2, .2, .35])
    return tuple(float(down + rng.normal(0, .012)) if sides in (1 + n, 3) else 0.0
                 for n in range(2))


def shoulder_of(person, side, slope, yaw):
    """Shoulder joint [2]; a turned torso looks narrower on its far side."""
    across = (.108 - .014 * person.feminine) * person.broad
    across *= np.cos(yaw) - .12 * side * np.sin(yaw)
    return np.array([side * across, SHOULDER_Y + slope * side * across])


def sample_arm(rng, person, side, slope, lean, yaw):
    """Draw one ``Arm`` (side -1: left of the picture)."""
    pose = str(rng.choice(POSES, p=POSE_SHARES))
    start = shoulder_of(person, side, slope, yaw)
    hip = .103 * person.broad + side * lean
    out = {  # elbow and wrist as (outwards, down) from the body's middle, hand's direction
        "hang": ((.160, .455), (.168, .622), (-.02, .085)),
        "pocket": ((.192, .440), (hip + .010, .600), (-.030, .05)),
        "hip": ((.232, .430), (hip + .012, .535), (-.045, .03)),
        "across": ((.162, .450), (-.005, .480), (-.075, -.012)),
        "front": ((.172, .450), (.050, .598), (-.045, .055)),
        "thigh": ((.166, .455), (.140, .615), (-.028, .08)),
    }[pose]
    wide = (person.broad - 1) * .14 - .010 * person.feminine
    jitter = rng.normal(0, .009, (2, 2))
    elbow, wrist = (np.array([side * (p[0] + wide), p[1]]) for p in out[:2])
    elbow, wrist = elbow + jitter[0] + [0, slope * side * .12], wrist + jitter[1]
    tip = wrist + np.array([side * out[2][0], out[2][1]]) + rng.normal(0, .005, 2)
    return Arm(start, elbow, wrist, tip, pose)
