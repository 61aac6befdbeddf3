"""Folds: reliefs of the torso and the sleeves as sums of smooth creases."""
import numpy as np

GRID = 72  # resolution of a fold map
TORSO_BOX = (-.115, .115, .19, .76)  # left, right, top, bottom in cloth units
SLEEVE_WIDTH = .09  # the sleeve's half girth unrolled [body units]
SLEEVE_LENGTH = .37
FOLD = 1.7  # depth of every crease, tuned by eye


def creases(x, y, strokes):
    """Sum of creases at x, y.

    strokes: rows of (x, y, angle, length, width, height, bow); a crease is a ridge with a
    hollow beside it, fading along its length.
    """
    total = np.zeros_like(x)
    for cx, cy, angle, length, width, height, bow in strokes:
        c, s = np.cos(angle), np.sin(angle)
        along = (x - cx) * c + (y - cy) * s
        off = ((y - cy) * c - (x - cx) * s + bow * along ** 2) / width
        fade = np.exp(-(along / length) ** 2)
        total += height * fade * (np.exp(-off ** 2) - .6 * np.exp(-(off - 1.5) ** 2))
    return FOLD * total


def torso_folds(garment, rng, amount=1.0):
    """[GRID,GRID] relief over TORSO_BOX: pulls at the armpits, crumples at the waist,
    long drapes in loose cloth, gathers above the hem's rib."""
    left, right, top, bottom = TORSO_BOX
    x, y = np.meshgrid(np.linspace(left, right, GRID), np.linspace(top, bottom, GRID))
    loose = {"fitted": .55, "regular": .85, "oversized": 1.25}[garment.cut]
    strokes = (_armpits(rng, loose) + _waist(rng, loose) + _drapes(rng, loose)
               + _gathers(rng, garment, loose))
    wide = .8 + .5 * garment.stiff
    scaled = [(a, b, c, d, e * wide, f * amount, g) for a, b, c, d, e, f, g in strokes]
    return creases(x, y, scaled).astype(np.float32)


def _armpits(rng, loose):
    return [(side * rng.uniform(.055, .085), rng.uniform(.29, .345),
             np.pi / 2 + side * rng.uniform(.2, .85), rng.uniform(.035, .065),
             rng.uniform(.0055, .0095), rng.uniform(.0018, .0042) * loose ** .5,
             side * rng.normal(3, 3)) for side in (-1, 1) for _ in range(3)]


def _waist(rng, loose):
    count = 3 + rng.integers(4)
    return [(side * rng.uniform(.02, .085), rng.uniform(.41, .56), side * rng.uniform(-.5, .35),
             rng.uniform(.025, .06), rng.uniform(.006, .011), rng.uniform(.0016, .004) * loose,
             rng.normal(-2, 3)) for side in (-1, 1) for _ in range(count)]


def _drapes(rng, loose):
    return [(rng.uniform(-.08, .08), rng.uniform(.42, .56), np.pi / 2 + rng.normal(0, .25),
             rng.uniform(.07, .14), rng.uniform(.009, .017), rng.uniform(.002, .0045) * loose,
             rng.normal(0, 1.5)) for _ in range(5)]


def _gathers(rng, garment, loose):
    if not garment.rib:
        return []
    y = garment.length - garment.rib
    return [(rng.uniform(-.1, .1), y - rng.uniform(.008, .03), np.pi / 2 + rng.normal(0, .3),
             rng.uniform(.015, .03), rng.uniform(.005, .009), rng.uniform(.001, .0026) * loose,
             0) for _ in range(9)]


def sleeve_folds(garment, rng, bend, amount=1.0):
    """[GRID,GRID] relief of a sleeve (rows: along 0..1, columns: across -1..1).

    bend: angle of the elbow [rad]; a bent elbow gathers more cloth.
    """
    across, along = np.meshgrid(np.linspace(-1, 1, GRID) * SLEEVE_WIDTH / 2,
                                np.linspace(0, 1, GRID) * SLEEVE_LENGTH)
    loose = {"fitted": .6, "regular": .85, "oversized": 1.15}[garment.cut]
    size = amount * loose
    strokes = []
    for _ in range(4 + int(3 * bend)):  # around the elbow
        strokes.append((rng.normal(0, .02), rng.normal(.5, .075) * SLEEVE_LENGTH,
                        rng.normal(0, .5), rng.uniform(.02, .04), rng.uniform(.005, .009),
                        size * rng.uniform(.0015, .0034) * (1 + .6 * bend), rng.normal(0, 6)))
    for _ in range(3 + int(3 * loose)):  # cloth stacked above the cuff
        strokes.append((rng.normal(0, .015), rng.uniform(.68, .93) * SLEEVE_LENGTH,
                        rng.normal(0, .35), rng.uniform(.02, .04), rng.uniform(.005, .008),
                        size * rng.uniform(.0012, .003), rng.normal(0, 6)))
    for _ in range(3):  # long pulls of the upper arm
        strokes.append((rng.normal(0, .02), rng.uniform(.08, .3) * SLEEVE_LENGTH,
                        np.pi / 2 + rng.normal(0, .5), rng.uniform(.03, .06),
                        rng.uniform(.007, .012), size * rng.uniform(.0015, .0032),
                        rng.normal(0, 3)))
    return creases(across, along, strokes).astype(np.float32)
