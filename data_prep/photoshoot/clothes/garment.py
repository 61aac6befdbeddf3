"""Garments: their attributes and the distributions of these in three wardrobes."""

import dataclasses
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
CATEGORIES = ["upper", "trousers", "skirt", "dress"]
LENGTHS = {"hip": -0.10, "short": -0.33, "knee": -0.46, "long": -9}  # lowest hem above the hip joints [m]
KINDS = {  # kind -> shares of necklines, sleeves and fronts; thickness of the cloth [m]
    "pullover": dict(
        neckline=dict(crew=0.6, turtleneck=0.18, **{"v-neck": 0.22}),
        sleeve={"long": 0.88, "rolled": 0.05, "three-quarter": 0.04, "short": 0.03},
        front={"closed": 0.95, "half-zip": 0.05},
        thick=0.006,
    ),
    "hoodie": dict(
        neckline=dict(hood=1),
        sleeve={"long": 0.95, "rolled": 0.05},
        front={"closed": 0.94, "half-zip": 0.06},
        thick=0.008,
    ),
    "zip hoodie": dict(
        neckline=dict(hood=0.85, stand=0.15),
        sleeve={"long": 1},
        front={"zip": 0.75, "open": 0.25},
        thick=0.008,
    ),
    "cardigan": dict(
        neckline={"v-neck": 0.8, "crew": 0.2},
        sleeve={"long": 1},
        front={"open": 0.5, "buttons": 0.5},
        thick=0.006,
    ),
    "jacket": dict(
        neckline=dict(stand=0.6, collar=0.25, hood=0.15),
        sleeve={"long": 1},
        front={"zip": 0.72, "open": 0.2, "buttons": 0.08},
        thick=0.010,
    ),
    "shirt": dict(
        neckline=dict(collar=1),
        sleeve={"long": 0.7, "rolled": 0.15, "short": 0.15},
        front={"buttons": 1},
        thick=0.003,
    ),
    "polo": dict(
        neckline=dict(collar=0.9, stand=0.1),
        sleeve={"short": 0.8, "long": 0.2},
        front={"placket": 0.75, "half-zip": 0.25},
        thick=0.003,
    ),
    "t-shirt": dict(
        neckline={"crew": 0.55, "v-neck": 0.25, "scoop": 0.2},
        sleeve={"short": 0.78, "three-quarter": 0.06, "long": 0.16},
        front={"closed": 1},
        thick=0.002,
    ),
    "blouse": dict(
        neckline={"crew": 0.3, "v-neck": 0.4, "scoop": 0.3},
        sleeve={"long": 0.4, "three-quarter": 0.25, "short": 0.2, "sleeveless": 0.15},
        front={"closed": 0.8, "buttons": 0.2},
        thick=0.002,
    ),
    "tank": dict(
        neckline={"scoop": 0.6, "crew": 0.2, "v-neck": 0.2},
        sleeve={"sleeveless": 1},
        front={"closed": 1},
        thick=0.002,
    ),
}
WITHOUT = dict(neckline=dict(none=1), sleeve=dict(sleeveless=1), front=dict(closed=1), thick=0.003)
# category, shares of cuts, ranges of hem and waist above the hip joints [m], and of the half-width of a
# leg's hem [m] or the swing of a skirt [m/m]
KINDS |= {
    "jeans": WITHOUT
    | dict(
        category="trousers",
        cut=dict(fitted=0.45, regular=0.4, oversized=0.15),
        hem=(-0.79, -0.70),
        waist=(0.05, 0.14),
        opening=dict(fitted=(0.048, 0.058), regular=(0.066, 0.08), oversized=(0.09, 0.115)),
    ),
    "chinos": WITHOUT
    | dict(
        category="trousers",
        cut=dict(fitted=0.35, regular=0.65),
        hem=(-0.78, -0.68),
        waist=(0.07, 0.14),
        opening=dict(fitted=(0.05, 0.06), regular=(0.064, 0.08)),
    ),
    "wide trousers": WITHOUT
    | dict(
        category="trousers",
        cut=dict(oversized=1),
        hem=(-0.79, -0.52),
        waist=(0.10, 0.16),
        opening=dict(oversized=(0.10, 0.135)),
    ),
    "joggers": WITHOUT
    | dict(
        category="trousers",
        cut=dict(regular=0.7, oversized=0.3),
        hem=(-0.76, -0.70),
        waist=(0.07, 0.13),
        opening=dict(regular=(0.07, 0.085), oversized=(0.09, 0.105)),
    ),
    "shorts": WITHOUT
    | dict(
        category="trousers",
        cut=dict(fitted=0.2, regular=0.5, oversized=0.3),
        hem=(-0.41, -0.17),
        waist=(0.06, 0.14),
        opening=dict(fitted=(0.08, 0.09), regular=(0.09, 0.105), oversized=(0.105, 0.125)),
    ),
    "pencil skirt": WITHOUT
    | dict(
        category="skirt",
        cut=dict(fitted=1),
        hem=(-0.50, -0.27),
        waist=(0.10, 0.17),
        swing=dict(fitted=(-0.16, -0.02)),
    ),
    "A-line skirt": WITHOUT
    | dict(
        category="skirt",
        front=dict(closed=0.75, buttons=0.25),
        cut=dict(regular=1),
        hem=(-0.52, -0.20),
        waist=(0.10, 0.17),
        swing=dict(regular=(0.08, 0.26)),
    ),
    "full skirt": WITHOUT
    | dict(
        category="skirt",
        cut=dict(oversized=1),
        hem=(-0.66, -0.22),
        waist=(0.12, 0.17),
        swing=dict(oversized=(0.22, 0.50)),
    ),
    "sheath": dict(
        category="dress",
        neckline={"crew": 0.35, "v-neck": 0.3, "scoop": 0.25, "turtleneck": 0.1},
        sleeve={"sleeveless": 0.4, "short": 0.3, "three-quarter": 0.1, "long": 0.2},
        front=dict(closed=1),
        thick=0.003,
        cut=dict(fitted=1),
        hem=(-0.50, -0.24),
        swing=dict(fitted=(-0.16, -0.02)),
    ),
    "shift": dict(
        category="dress",
        neckline={"crew": 0.6, "v-neck": 0.2, "scoop": 0.1, "turtleneck": 0.1},
        sleeve={"sleeveless": 0.25, "short": 0.4, "three-quarter": 0.15, "long": 0.2},
        front=dict(closed=1),
        thick=0.003,
        cut=dict(regular=0.75, oversized=0.25),
        hem=(-0.46, -0.18),
        swing=dict(regular=(0.0, 0.14), oversized=(0.0, 0.14)),
    ),
    "flared dress": dict(
        category="dress",
        neckline={"crew": 0.3, "v-neck": 0.4, "scoop": 0.3},
        sleeve={"sleeveless": 0.5, "short": 0.3, "three-quarter": 0.1, "long": 0.1},
        front=dict(closed=0.9, buttons=0.1),
        thick=0.002,
        cut=dict(fitted=1),
        hem=(-0.62, -0.22),
        swing=dict(fitted=(0.22, 0.50)),
    ),
    "shirt dress": dict(
        category="dress",
        neckline=dict(collar=1),
        sleeve={"long": 0.4, "rolled": 0.2, "short": 0.4},
        front=dict(buttons=1),
        thick=0.003,
        cut=dict(fitted=0.3, regular=0.7),
        hem=(-0.52, -0.22),
        swing=dict(fitted=(0.05, 0.25), regular=(0.0, 0.18)),
    ),
}
WARDROBES = {  # paper: "pullovers/hoodies", section 3.1; shop: the range of tops in shops
    "paper": {"pullover": 0.66, "hoodie": 0.34},
    "shop": {
        "pullover": 0.26,
        "hoodie": 0.16,
        "zip hoodie": 0.10,
        "cardigan": 0.04,
        "jacket": 0.11,
        "shirt": 0.05,
        "polo": 0.05,
        "t-shirt": 0.13,
        "blouse": 0.03,
        "tank": 0.07,
    },
}
SHARES = {"upper": 0.3, "trousers": 0.3, "skirt": 0.2, "dress": 0.2}  # of the categories in the wardrobe all
BY_CATEGORY = {  # category -> shares of its kinds, each category's adding up to 1
    "upper": WARDROBES["shop"],
    "trousers": {
        "jeans": 0.36,
        "chinos": 0.22,
        "wide trousers": 0.12,
        "joggers": 0.12,
        "shorts": 0.18,
    },
    "skirt": {"pencil skirt": 0.3, "A-line skirt": 0.4, "full skirt": 0.3},
    "dress": {"sheath": 0.25, "shift": 0.25, "flared dress": 0.3, "shirt dress": 0.2},
}
WARDROBES["all"] = {
    kind: SHARES[category] * share for category, kinds in BY_CATEGORY.items() for kind, share in kinds.items()
}
CUTS = {"fitted": 0.3, "regular": 0.47, "oversized": 0.23}
PATTERNS = {
    "plain": 0.52,
    "melange": 0.12,
    "stripes": 0.10,
    "blocks": 0.09,
    "print": 0.08,
    "knit": 0.05,
    "all-over": 0.04,
}
EASE = {"fitted": 0.003, "regular": 0.012, "oversized": 0.026}  # distance of the cloth from the body [m]
STRAIGHT = {"fitted": 0.15, "regular": 0.6, "oversized": 0.95}  # 0 follows the waist, 1 hangs straight
SLEEVE_END = {"long": 0.985, "rolled": 0.60, "three-quarter": 0.70, "short": 0.34, "sleeveless": 0.0}
DENIM = [(30, 40, 66), (48, 66, 102), (84, 108, 148), (132, 158, 190), (34, 34, 40), (92, 94, 100)]
COLORS = {"white": 0.12, "black": 0.13, "retail": 0.35, "hue": 0.40}  # shares of the colors
REFLECTANCE = 0.03, 0.97  # of the blackest and of the whitest cloth, in sRGB
RETAIL = [  # muted retail colors, sRGB
    (28, 28, 32),
    (36, 40, 56),
    (30, 44, 78),
    (60, 62, 68),
    (112, 114, 118),
    (158, 160, 163),
    (198, 196, 192),
    (233, 230, 224),
    (242, 240, 237),
    (212, 196, 170),
    (178, 152, 118),
    (122, 92, 66),
    (74, 54, 44),
    (92, 28, 38),
    (140, 36, 44),
    (86, 96, 70),
    (52, 68, 56),
    (120, 136, 152),
    (150, 176, 200),
    (214, 174, 172),
    (186, 128, 130),
    (196, 160, 78),
    (146, 128, 150),
    (64, 88, 118),
    (176, 96, 60),
]


@dataclass(frozen=True)
class Garment:
    """A product.  Lengths in meters, colors [3] float in 0..1 (sRGB)."""

    kind: str
    cut: str
    neckline: str
    sleeve: str
    pattern: str
    front: str
    hem: float  # height of the hem above the hip joints, negative below
    wide: float  # half-width of the neck opening
    deep: float  # depth of the neck opening in front
    rib: float  # height of hem and cuff ribs, 0 for a plain edge
    ease: float  # distance of the cloth from the body
    flare: float  # how much wider the hem is than the body
    end: float  # where the sleeve ends: 0 shoulder .. 1 wrist
    stiff: float  # 0 soft (narrow folds) .. 1 stiff (broad folds)
    shine: float  # 0 matte .. 1 satin
    colors: tuple = field(repr=False)  # main, second, third
    trim: str = "none"  # none | cuffs | sleeves | collar
    pocket: str = "none"  # none | kangaroo | chest | welt
    strings: bool = False
    raglan: bool = False
    gap: float = 0.04  # half-width of an open front
    details: dict = field(default_factory=dict, repr=False)  # parameters of the pattern
    seed: int = 0
    waist: float = 0.0  # of trousers and skirts: height of the waist above the hip joints
    opening: float = 0.0  # half-width of the hem of a trouser leg
    swing: float = 0.0  # by how much a skirt widens, per meter of its length
    waves: int = 0  # folds around the hem of a skirt

    @property
    def category(self):
        """One of `CATEGORIES`."""
        return KINDS[self.kind].get("category", "upper")

    @property
    def length(self):
        """The length as a word, a key of `LENGTHS`."""
        return next(word for word, lowest in LENGTHS.items() if self.hem >= lowest)

    @property
    def hood(self):
        """The value of the attribute, "yes" or "no"."""
        return "yes" if self.neckline == "hood" else "no"

    def color(self, place):
        """The color [3] of a ``place``: body, sleeve, cuff, collar or lining."""
        second = {"cuffs": ("cuff", "collar"), "sleeves": ("sleeve",), "collar": ("collar",)}
        chosen = 1 if place in second.get(self.trim, ()) else 0
        if place == "lining":
            return np.asarray(self.colors[2 if self.details.get("lined") else chosen])
        return np.asarray(self.colors[chosen])


def sample_choice(rng, shares):
    """Sample a key of ``shares`` (word -> share) with a probability proportional to its share."""
    words = list(shares)
    share = np.array([shares[word] for word in words], float)
    return words[int(rng.choice(len(words), p=share / share.sum()))]


def sample_color(rng):
    """Sample a cloth color [3] in 0..1: white, black, a muted retail color or any hue."""
    kind = sample_choice(rng, COLORS)
    if kind == "retail":
        color = np.array(RETAIL[rng.integers(len(RETAIL))]) / 255 + rng.normal(0, 0.02, 3)
        return np.clip(color * rng.uniform(0.94, 1.08), *REFLECTANCE)
    hue, saturation, value = rng.random(), rng.beta(2.2, 1.4), rng.uniform(0.45, 1)
    if kind == "white":
        saturation, value = 0.06 * saturation, rng.uniform(0.86, 0.97)
    if kind == "black":
        saturation, value = 0.25 * saturation, rng.uniform(0.05, 0.16)
    ramp = np.clip(np.abs((hue + np.array([0, 2, 1]) / 3) % 1 * 6 - 3) - 1, 0, 1)
    return np.clip(value * (1 - saturation * (1 - ramp)), *REFLECTANCE)


def sample_colors(rng):
    """Sample three colors; the second and third differ visibly from the first."""
    first, rest = sample_color(rng), []
    while len(rest) < 2:
        other = sample_color(rng)
        if np.abs(other - first).sum() > 0.5:
            rest.append(tuple(other))
    return (tuple(first), *rest)


def attributes_of(wardrobe):
    """The attributes that are stored of a wardrobe's garments: name -> words."""
    if wardrobe != "all":
        return ATTRIBUTES
    necklines = [*ATTRIBUTES["neckline"], "none"]
    return {**ATTRIBUTES, "neckline": necklines, "category": CATEGORIES, "length": list(LENGTHS)}


def sample_garment(rng, wardrobe="paper", category=None, patterns=PATTERNS):
    """Sample a ``Garment`` of a wardrobe, a key of `WARDROBES`, with NumPy Generator ``rng``.

    category: one of `CATEGORIES`, for the wardrobe "all"; by default any.  patterns: their shares.
    """
    kind = sample_choice(rng, BY_CATEGORY[category] if category else WARDROBES[wardrobe])
    garment = sample_upper(rng, kind, patterns)
    return garment if garment.category == "upper" else lengthened(rng, garment)


def sample_upper(rng, kind, patterns=PATTERNS):
    """Sample a ``Garment`` of a kind, as long as an upper garment."""
    shares = KINDS[kind]
    neckline, sleeve, front = (sample_choice(rng, shares[name]) for name in ("neckline", "sleeve", "front"))
    cut = sample_choice(rng, CUTS)
    pattern = sample_choice(rng, patterns)
    if pattern == "knit" and kind not in ("pullover", "cardigan"):
        pattern = "melange"
    if front != "closed" and pattern == "print":
        pattern = "plain"
    wide, deep = sample_neck(rng, neckline)
    sporty = kind in ("pullover", "hoodie", "zip hoodie", "cardigan", "jacket")
    ribs = [0, 0.035, 0.05, 0.065] if sporty else [0, 0, 0, 0.02]
    return Garment(
        kind,
        cut,
        neckline,
        sleeve,
        pattern,
        front,
        hem=sample_hem(rng, cut, kind),
        wide=wide,
        deep=deep,
        rib=float(rng.choice(ribs, p=[0.2, 0.25, 0.35, 0.2])),
        ease=float(EASE[cut] * rng.uniform(0.7, 1.3) + shares["thick"]),
        flare=float(max(0, rng.normal(0.0, 0.03) + (0.03 if kind == "blouse" else 0))),
        end=float(np.clip(SLEEVE_END[sleeve] + rng.normal(0, 0.03), 0, 1.0))
        if sleeve != "sleeveless"
        else 0.0,
        stiff=rng.random(),
        shine=float(rng.random() ** 3),
        colors=sample_colors(rng),
        trim=sample_choice(rng, {"none": 0.70, "cuffs": 0.10, "sleeves": 0.10, "collar": 0.10}),
        pocket=sample_pocket(rng, kind),
        strings=bool(neckline == "hood" and rng.random() < 0.8),
        raglan=bool(rng.random() < 0.2),
        gap=float(rng.uniform(0.02, 0.085)),
        details=sample_details(rng, pattern),
        seed=int(rng.integers(2**31)),
    )


def lengthened(rng, garment):
    """Trousers, a skirt or a dress: ``garment`` with a length and a shape of its kind."""
    kind, category = KINDS[garment.kind], garment.category
    cut = sample_choice(rng, kind["cut"])
    pattern, details = garment.pattern, garment.details
    chests = {"trousers": ("print", "blocks", "stripes"), "skirt": ("print", "blocks"), "dress": ()}
    if pattern == "knit" or pattern in chests[category]:
        pattern = "plain"
    if category == "trousers" and garment.kind in ("chinos", "joggers") and rng.random() < 0.15:
        pattern = "blocks"  # a stripe along the outer seam
    swing, opening = (
        float(rng.uniform(*kind[name][cut])) if name in kind else 0.0 for name in ("swing", "opening")
    )
    jeans, pleated = garment.kind == "jeans", rng.random() < 0.3
    colors = garment.colors
    if jeans or garment.kind in ("shorts", "A-line skirt") and rng.random() < 0.3:
        denim = np.array(DENIM[rng.integers(len(DENIM))]) / 255 * rng.uniform(0.9, 1.12)
        colors = (tuple(np.clip(denim + rng.normal(0, 0.01, 3), 0.03, 0.95)), *colors[1:])
        pattern, details = "plain", details | dict(denim=float(rng.uniform(0.2, 1)))
    return dataclasses.replace(
        garment,
        cut=cut,
        pattern=pattern,
        colors=colors,
        hem=float(rng.uniform(*kind["hem"])),
        waist=float(rng.uniform(*kind.get("waist", (0, 0)))),
        ease=float(EASE[cut] * rng.uniform(0.5, 0.9) + kind["thick"]),
        rib=float(rng.uniform(0.03, 0.06)) if garment.kind == "joggers" else 0.0,
        flare=0.0,
        trim="none" if category != "dress" or garment.trim == "cuffs" else garment.trim,
        pocket=sample_choice(rng, dict(slant=0.75, cargo=0.12, none=0.13))
        if category == "trousers"
        else "none",
        strings=garment.kind == "joggers" or garment.kind == "shorts" and rng.random() < 0.3,
        swing=swing,
        opening=opening,
        waves=int(rng.integers(18, 32) if pleated else rng.integers(6, 13)) if swing > 0.05 else 0,
        details=details,
    )


def sample_hem(rng, cut, kind):
    """Sample the height of the hem above the hip joints [m], from long to cropped."""
    low = {"shirt": -0.06, "t-shirt": -0.02, "tank": -0.02, "blouse": -0.03}.get(kind, -0.01)
    return float(np.clip(rng.normal(low, 0.045) - {"oversized": 0.02}.get(cut, 0), -0.045, 0.13))


def sample_neck(rng, neckline):
    """Sample (half-width, depth) of the neck opening [m]."""
    return {
        "v-neck": (rng.uniform(0.070, 0.085), rng.uniform(0.09, 0.18)),
        "scoop": (rng.uniform(0.080, 0.115), rng.uniform(0.09, 0.17)),
        "turtleneck": (0.075, rng.uniform(0.03, 0.07)),  # depth here: height of the collar
        "hood": (rng.uniform(0.074, 0.084), rng.uniform(0.05, 0.09)),
        "collar": (rng.uniform(0.068, 0.076), rng.uniform(0.035, 0.09)),
        "stand": (rng.uniform(0.068, 0.078), rng.uniform(0.03, 0.06)),
    }.get(neckline, (rng.uniform(0.070, 0.092), rng.uniform(0.035, 0.07)))


def sample_pocket(rng, kind):
    """Sample the kind of pocket."""
    return sample_choice(
        rng,
        {
            "hoodie": dict(kangaroo=0.8, none=0.2),
            "zip hoodie": dict(welt=0.7, kangaroo=0.1, none=0.2),
            "jacket": dict(welt=0.7, none=0.2, chest=0.1),
            "shirt": dict(chest=0.5, none=0.5),
            "t-shirt": dict(chest=0.12, none=0.88),
        }.get(kind, dict(none=1)),
    )


def sample_details(rng, pattern):
    """Sample the parameters of a pattern, lengths in body units, and whether the inside is lined."""
    d = dict(
        lined=bool(rng.random() < 0.25),
        depth=float(rng.uniform(0.04, 0.16)),
        scale=float(rng.uniform(0.6, 1.6)),
    )
    if pattern == "stripes":
        return d | dict(
            period=rng.uniform(0.018, 0.11),
            duty=rng.uniform(0.25, 0.6),
            phase=rng.random(),
            top=float(rng.choice([0, 0.05, 0.1])),
            third=bool(rng.random() < 0.3),
        )
    if pattern == "blocks":
        return d | dict(
            kind=str(rng.choice(["yoke", "band", "halves", "hem", "diagonal", "sides"])),
            at=rng.uniform(0.10, 0.2),
            width=rng.uniform(0.05, 0.12),
        )
    if pattern == "print":
        return d | dict(
            kind=int(rng.integers(10)),
            at=rng.uniform(0.125, 0.165),
            size=rng.uniform(0.02, 0.055),
            letters=rng.integers(0, 8, 4).tolist(),
            angle=rng.uniform(-0.3, 0.3),
            side=float(rng.choice([0, 0, 0.045])),
        )
    if pattern == "knit":
        return d | dict(kind=str(rng.choice(["cable", "rib", "waffle"])), period=rng.uniform(0.018, 0.036))
    if pattern == "all-over":
        return d | dict(
            period=rng.uniform(0.02, 0.06), kind=str(rng.choice(["dots", "checks", "flowers", "camouflage"]))
        )
    return d
