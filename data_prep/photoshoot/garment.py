"""Garments: what varies from one top to the next, in two wardrobes."""

from dataclasses import dataclass, field

import numpy as np

ATTRIBUTES = {
    "cut": ["fitted", "regular", "oversized"],
    "neckline": ["crew", "v-neck", "scoop", "turtleneck", "hood", "collar", "stand"],
    "sleeve": ["long", "rolled", "three-quarter", "short", "sleeveless"],
    "pattern": ["plain", "melange", "stripes", "blocks", "print", "knit", "all-over"],
    "front": ["closed", "zip", "half-zip", "buttons", "placket", "open"],
    "hood": ["no", "yes"],
}
KINDS = {  # kind -> neckline, sleeve, front and pattern by share, cloth's thickness [m]
    "pullover": dict(neckline=dict(crew=.6, turtleneck=.18, **{"v-neck": .22}),
                     sleeve={"long": .88, "rolled": .05, "three-quarter": .04, "short": .03},
                     front={"closed": .95, "half-zip": .05}, thick=.006),
    "hoodie": dict(neckline=dict(hood=1), sleeve={"long": .95, "rolled": .05},
                   front={"closed": .94, "half-zip": .06}, thick=.008),
    "zip hoodie": dict(neckline=dict(hood=.85, stand=.15), sleeve={"long": 1},
                       front={"zip": .75, "open": .25}, thick=.008),
    "cardigan": dict(neckline={"v-neck": .8, "crew": .2}, sleeve={"long": 1},
                     front={"open": .5, "buttons": .5}, thick=.006),
    "jacket": dict(neckline=dict(stand=.6, collar=.25, hood=.15), sleeve={"long": 1},
                   front={"zip": .72, "open": .2, "buttons": .08}, thick=.010),
    "shirt": dict(neckline=dict(collar=1), sleeve={"long": .7, "rolled": .15, "short": .15},
                  front={"buttons": 1}, thick=.003),
    "polo": dict(neckline=dict(collar=.9, stand=.1), sleeve={"short": .8, "long": .2},
                 front={"placket": .75, "half-zip": .25}, thick=.003),
    "t-shirt": dict(neckline={"crew": .55, "v-neck": .25, "scoop": .2},
                    sleeve={"short": .78, "three-quarter": .06, "long": .16},
                    front={"closed": 1}, thick=.002),
    "blouse": dict(neckline={"crew": .3, "v-neck": .4, "scoop": .3},
                   sleeve={"long": .4, "three-quarter": .25, "short": .2, "sleeveless": .15},
                   front={"closed": .8, "buttons": .2}, thick=.002),
    "tank": dict(neckline={"scoop": .6, "crew": .2, "v-neck": .2}, sleeve={"sleeveless": 1},
                 front={"closed": 1}, thick=.002),
}
WARDROBES = {  # section 3.1: "pullovers/hoodies"; and what shops sell
    "paper": {"pullover": .66, "hoodie": .34},
    "shop": {"pullover": .26, "hoodie": .16, "zip hoodie": .10, "cardigan": .04, "jacket": .11, "shirt": .05,
             "polo": .05, "t-shirt": .13, "blouse": .03, "tank": .07},
}
CUTS = {"fitted": .3, "regular": .47, "oversized": .23}
PATTERNS = {"plain": .52, "melange": .12, "stripes": .10, "blocks": .09, "print": .08, "knit": .05, "all-over": .04}
EASE = {"fitted": .003, "regular": .012, "oversized": .026}  # cloth off the body [m]
STRAIGHT = {"fitted": .15, "regular": .6, "oversized": .95}  # 0 follows the waist, 1 hangs straight
SLEEVE_END = {"long": .985, "rolled": .60, "three-quarter": .70, "short": .34, "sleeveless": 0.0}
RETAIL = [  # muted colors of a shop, sRGB
    (28, 28, 32), (36, 40, 56), (30, 44, 78), (60, 62, 68), (112, 114, 118), (158, 160, 163),
    (198, 196, 192), (233, 230, 224), (242, 240, 237), (212, 196, 170), (178, 152, 118),
    (122, 92, 66), (74, 54, 44), (92, 28, 38), (140, 36, 44), (86, 96, 70), (52, 68, 56),
    (120, 136, 152), (150, 176, 200), (214, 174, 172), (186, 128, 130), (196, 160, 78),
    (146, 128, 150), (64, 88, 118), (176, 96, 60)]


@dataclass(frozen=True)
class Garment:
    """One product. Lengths in meters, colors [3] float in 0..1 (sRGB)."""

    kind: str
    cut: str
    neckline: str
    sleeve: str
    pattern: str
    front: str
    hem: float  # height of the hem above the hips' joints, negative below
    wide: float  # half-width of the neck opening
    deep: float  # depth of the neck opening in front
    rib: float  # height of hem and cuff ribs, 0 for a plain edge
    ease: float  # cloth off the body
    flare: float  # how much wider the hem is than the body
    end: float  # where the sleeve ends: 0 shoulder .. 1 wrist
    stiff: float  # 0 soft (many small folds) .. 1 stiff (few broad ones)
    shine: float  # 0 matte .. 1 satin
    colors: tuple = field(repr=False)  # main, second, third
    trim: str = "none"  # none | cuffs | sleeves | collar
    pocket: str = "none"  # none | kangaroo | chest | welt
    strings: bool = False
    raglan: bool = False
    gap: float = .04  # half-width of an open front
    details: dict = field(default_factory=dict, repr=False)  # the pattern's own numbers
    seed: int = 0

    @property
    def hood(self):
        """"yes" or "no", the word of the attribute."""
        return "yes" if self.neckline == "hood" else "no"

    def color(self, place):
        """Color of a ``place``: body, sleeve, cuff, collar or lining."""
        second = {"cuffs": ("cuff", "collar"), "sleeves": ("sleeve",), "collar": ("collar",)}
        chosen = 1 if place in second.get(self.trim, ()) else 0
        if place == "lining":
            return np.asarray(self.colors[2 if self.details.get("lined") else chosen])
        return np.asarray(self.colors[chosen])


def pick(rng, shares):
    """A key of ``shares`` (word -> share)."""
    words = list(shares)
    share = np.array([shares[word] for word in words], float)
    return words[int(rng.choice(len(words), p=share / share.sum()))]


def sample_color(rng):
    """A cloth color [3] in 0..1: a shop's muted ones, and any hue at all."""
    if rng.random() < .55:
        color = np.array(RETAIL[rng.integers(len(RETAIL))]) / 255 + rng.normal(0, .02, 3)
        return np.clip(color * rng.uniform(.94, 1.05), .06, .95)
    hue, rich, bright = rng.random(), rng.beta(2.2, 1.4), rng.uniform(.35, .98)
    ramp = np.clip(np.abs((hue + np.array([0, 2, 1]) / 3) % 1 * 6 - 3) - 1, 0, 1)
    return np.clip(bright * (1 - rich * (1 - ramp)), .04, .95)


def sample_colors(rng):
    """Three colors; the second and third differ from the first well enough to be seen."""
    first, rest = sample_color(rng), []
    while len(rest) < 2:
        other = sample_color(rng)
        if np.abs(other - first).sum() > .5:
            rest.append(tuple(other))
    return (tuple(first), *rest)


def sample_garment(rng, wardrobe="paper"):
    """Draw a ``Garment`` of a wardrobe, "paper" or "shop", with numpy Generator ``rng``."""
    kind = pick(rng, WARDROBES[wardrobe])
    shares = KINDS[kind]
    neckline, sleeve, front = (pick(rng, shares[name]) for name in ("neckline", "sleeve", "front"))
    cut = pick(rng, CUTS)
    pattern = pick(rng, PATTERNS)
    if pattern == "knit" and kind not in ("pullover", "cardigan"):
        pattern = "melange"
    if front != "closed" and pattern == "print":
        pattern = "plain"
    wide, deep = sample_neck(rng, neckline)
    sporty = kind in ("pullover", "hoodie", "zip hoodie", "cardigan", "jacket")
    ribs = [0, .035, .05, .065] if sporty else [0, 0, 0, .02]
    return Garment(
        kind, cut, neckline, sleeve, pattern, front, hem=sample_hem(rng, cut, kind), wide=wide, deep=deep,
        rib=float(rng.choice(ribs, p=[.2, .25, .35, .2])),
        ease=float(EASE[cut] * rng.uniform(.7, 1.3) + shares["thick"]),
        flare=float(max(0, rng.normal(.0, .03) + (.03 if kind == "blouse" else 0))),
        end=float(np.clip(SLEEVE_END[sleeve] + rng.normal(0, .03), 0, 1.0)) if sleeve != "sleeveless" else 0.,
        stiff=rng.random(), shine=float(rng.random() ** 3), colors=sample_colors(rng),
        trim=pick(rng, {"none": .70, "cuffs": .10, "sleeves": .10, "collar": .10}),
        pocket=sample_pocket(rng, kind), strings=bool(neckline == "hood" and rng.random() < .8),
        raglan=bool(rng.random() < .2), gap=float(rng.uniform(.02, .085)),
        details=sample_details(rng, pattern), seed=int(rng.integers(2 ** 31)))


def sample_hem(rng, cut, kind):
    """Height of the hem above the hips' joints: cropped to long."""
    low = {"shirt": -.06, "t-shirt": -.02, "tank": -.02, "blouse": -.03}.get(kind, -.01)
    return float(np.clip(rng.normal(low, .045) - {"oversized": .02}.get(cut, 0), -.045, .13))


def sample_neck(rng, neckline):
    """(half-width, depth) of the opening."""
    return {"v-neck": (rng.uniform(.070, .085), rng.uniform(.09, .18)),
            "scoop": (rng.uniform(.080, .115), rng.uniform(.09, .17)),
            "turtleneck": (.075, rng.uniform(.03, .07)),  # depth here: height of the collar
            "hood": (rng.uniform(.074, .084), rng.uniform(.05, .09)),
            "collar": (rng.uniform(.068, .076), rng.uniform(.035, .09)),
            "stand": (rng.uniform(.068, .078), rng.uniform(.03, .06)),
            }.get(neckline, (rng.uniform(.070, .092), rng.uniform(.035, .07)))


def sample_pocket(rng, kind):
    """The kind of pocket."""
    return pick(rng, {"hoodie": dict(kangaroo=.8, none=.2), "zip hoodie": dict(welt=.7, kangaroo=.1, none=.2),
                      "jacket": dict(welt=.7, none=.2, chest=.1), "shirt": dict(chest=.5, none=.5),
                      "t-shirt": dict(chest=.12, none=.88)}.get(kind, dict(none=1)))


def sample_details(rng, pattern):
    """Numbers of the pattern, in body units from the collar down, and whether the inside is lined."""
    d = dict(lined=bool(rng.random() < .25), depth=float(rng.uniform(.04, .16)), scale=float(rng.uniform(.6, 1.6)))
    if pattern == "stripes":
        return d | dict(period=rng.uniform(.018, .11), duty=rng.uniform(.25, .6), phase=rng.random(),
                        top=float(rng.choice([0, .05, .1])), third=bool(rng.random() < .3))
    if pattern == "blocks":
        return d | dict(kind=str(rng.choice(["yoke", "band", "halves", "hem", "diagonal", "sides"])),
                        at=rng.uniform(.10, .2), width=rng.uniform(.05, .12))
    if pattern == "print":
        return d | dict(kind=int(rng.integers(10)), at=rng.uniform(.125, .165), size=rng.uniform(.02, .055),
                        letters=rng.integers(0, 8, 4).tolist(), angle=rng.uniform(-.3, .3),
                        side=float(rng.choice([0, 0, .045])))
    if pattern == "knit":
        return d | dict(kind=str(rng.choice(["cable", "rib", "waffle"])), period=rng.uniform(.018, .036))
    if pattern == "all-over":
        return d | dict(period=rng.uniform(.02, .06), kind=str(rng.choice(["dots", "checks", "flowers", "camouflage"])))
    return d
