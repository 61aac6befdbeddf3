"""Garments: what varies from one pullover or hoodie to the next."""
from dataclasses import dataclass, field

import numpy as np

ATTRIBUTES = {
    "cut": ["fitted", "regular", "oversized"],
    "neckline": ["crew", "v-neck", "turtleneck", "hood"],
    "sleeve": ["long", "rolled", "three-quarter", "short"],
    "pattern": ["plain", "stripes", "blocks", "print", "knit"],
    "hood": ["no", "yes"],
}
SHARES = {  # how often each word occurs
    "cut": (.28, .47, .25), "neckline": (.46, .15, .13, .26),
    "sleeve": (.88, .05, .04, .03), "pattern": (.40, .17, .14, .16, .13),
}
EASE = {"fitted": .003, "regular": .010, "oversized": .023}  # cloth off the body
STRAIGHT = {"fitted": .15, "regular": .6, "oversized": 1.0}  # 0 follows the waist, 1 boxy
SLEEVE_END = {"long": 1.0, "rolled": .64, "three-quarter": .74, "short": .36}
RETAIL = [  # muted colours of a shop, sRGB
    (28, 28, 32), (36, 40, 56), (30, 44, 78), (60, 62, 68), (112, 114, 118), (158, 160, 163),
    (198, 196, 192), (233, 230, 224), (242, 240, 237), (212, 196, 170), (178, 152, 118),
    (122, 92, 66), (74, 54, 44), (92, 28, 38), (140, 36, 44), (86, 96, 70), (52, 68, 56),
    (120, 136, 152), (150, 176, 200), (214, 174, 172), (186, 128, 130), (196, 160, 78),
    (146, 128, 150), (64, 88, 118), (176, 96, 60)]
VIVID = [  # bright ones, sRGB
    (206, 38, 44), (232, 92, 40), (242, 186, 44), (44, 138, 82), (34, 98, 186), (24, 150, 168),
    (120, 60, 150), (222, 72, 128), (246, 150, 140), (132, 190, 120), (88, 176, 214),
    (250, 216, 96)]
VIVID_SHARE = .36
LIGHT_LIMIT = .93  # whiter cloth would vanish against the article's background


@dataclass(frozen=True)
class Garment:
    """One product. Lengths in body units, colours [3] float in 0..1 (sRGB)."""
    cut: str
    neckline: str
    sleeve: str
    pattern: str
    length: float  # y of the hem on a person of scale 1
    wide: float  # half-width of the neck opening
    deep: float  # depth of the neck opening below its sides
    rib: float  # height of hem and cuff ribs, 0 for a plain edge
    stiff: float  # 0 soft (many small folds) .. 1 stiff (few broad ones)
    colors: tuple = field(repr=False)  # main, second, third
    trim: str = "none"  # none | cuffs | sleeves | collar
    pocket: bool = False
    strings: bool = False
    raglan: bool = False
    details: dict = field(default_factory=dict, repr=False)  # the pattern's own numbers

    @property
    def hood(self):
        """"yes" or "no", the word of the attribute."""
        return "yes" if self.neckline == "hood" else "no"

    @property
    def sleeve_end(self):
        """Where the sleeve ends: 0 shoulder .. 1 wrist."""
        return SLEEVE_END[self.sleeve]

    def color(self, place):
        """Color of a ``place``: body, sleeve, cuff, collar or lining."""
        second = {"cuffs": ("cuff", "collar"), "sleeves": ("sleeve",), "collar": ("collar",)}
        chosen = 1 if place in second.get(self.trim, ()) else 0
        return np.asarray(self.colors[chosen])


def pick(rng, name):
    """A word of attribute ``name`` by its share."""
    return str(rng.choice(ATTRIBUTES[name], p=SHARES[name]))


def sample_color(rng):
    """A cloth color [3] in 0..1: retail mostly, a third vivid, each slightly varied."""
    table = VIVID if rng.random() < VIVID_SHARE else RETAIL
    color = np.array(table[rng.integers(len(table))]) / 255 + rng.normal(0, .02, 3)
    return np.clip(color * rng.uniform(.94, 1.05), .08, LIGHT_LIMIT)


def sample_colors(rng):
    """Three colors; the second and third differ from the first well enough to be seen."""
    first, rest = sample_color(rng), []
    while len(rest) < 2:
        other = sample_color(rng)
        if np.abs(other - first).sum() > .5:
            rest.append(tuple(other))
    return (tuple(first), *rest)


def sample_garment(rng):
    """Draw a ``Garment`` with numpy Generator ``rng``."""
    cut, neckline, sleeve = (pick(rng, name) for name in ("cut", "neckline", "sleeve"))
    pattern = pick(rng, "pattern")
    if neckline == "hood" and pattern == "knit":
        pattern = "plain"
    wide, deep = sample_neck(rng, neckline)
    trim = str(rng.choice(["none", "cuffs", "sleeves", "collar"], p=[.72, .12, .09, .07]))
    return Garment(cut, neckline, sleeve, pattern, sample_length(rng, cut), wide, deep,
                   rib=float(rng.choice([0, .022, .032, .042], p=[.12, .3, .38, .2])),
                   stiff=rng.random(), colors=sample_colors(rng), trim=trim,
                   pocket=bool(neckline == "hood" and rng.random() < .75),
                   strings=bool(neckline == "hood" and rng.random() < .85),
                   raglan=bool(rng.random() < .18),
                   details=sample_details(rng, pattern))


def sample_length(rng, cut):
    """y of the hem: cropped to long, loose cuts a little longer."""
    return float(np.clip(rng.normal(.628, .035) + {"oversized": .02}.get(cut, 0), .56, .74))


def sample_neck(rng, neckline):
    """(half-width, depth) of the opening in body units."""
    if neckline == "v-neck":
        return rng.uniform(.036, .046), rng.uniform(.06, .105)
    if neckline == "turtleneck":
        return .038, rng.uniform(.030, .048)  # depth here: height of the collar
    if neckline == "hood":
        return rng.uniform(.036, .042), rng.uniform(.036, .05)
    return rng.uniform(.034, .050), rng.uniform(.020, .036)


def sample_details(rng, pattern):
    """Numbers of the pattern, in body units from the collar down."""
    if pattern == "stripes":
        period = rng.uniform(.045, .11)
        return dict(period=period, duty=rng.uniform(.3, .6), phase=rng.random(),
                    top=rng.choice([0, .05, .1]), third=rng.random() < .3)
    if pattern == "blocks":
        return dict(kind=str(rng.choice(["yoke", "band", "halves", "hem", "diagonal"])),
                    at=rng.uniform(.10, .2), width=rng.uniform(.05, .12))
    if pattern == "print":
        return dict(kind=int(rng.integers(10)), at=rng.uniform(.125, .165),
                    size=rng.uniform(.032, .055), letters=rng.integers(0, 8, 4).tolist(),
                    angle=rng.uniform(-.3, .3))
    if pattern == "knit":
        return dict(kind=str(rng.choice(["cable", "rib", "waffle"])),
                    period=rng.uniform(.022, .036))
    return {}
