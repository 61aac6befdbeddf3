"""Garments: their attributes and the distributions of these in three wardrobes."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from data_prep.photoshoot.tables import read_tables, sample, sample_choice, sample_clipped

TABLES = read_tables(Path(__file__).with_name("garments.toml"))
ATTRIBUTES, CATEGORIES, LENGTHS = TABLES["attributes"], TABLES["categories"], TABLES["lengths"]
WITHOUT = dict(neckline=dict(none=1), sleeve=dict(sleeveless=1), front=dict(closed=1), thick=0.003)
KINDS = {kind: WITHOUT | table for kind, table in TABLES["kinds"].items()}
SHARES = TABLES["categories_of_all"]
BY_CATEGORY = {"upper": TABLES["wardrobes"]["shop"], **TABLES["kinds_of"]}  # category -> shares of its kinds
ALL = {kind: SHARES[word] * share for word, kinds in BY_CATEGORY.items() for kind, share in kinds.items()}
WARDROBES = TABLES["wardrobes"] | {"all": ALL}
CUTS, EASE, STRAIGHT, SLEEVE_END = (TABLES[name] for name in ("cuts", "ease", "straight", "sleeve_end"))


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

    def __hash__(self):  # its details are a dict, which is not hashable
        return hash((self.seed, self.hem, self.end, self.wide))

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


def sample_color(rng):
    """Sample a cloth color [3] in 0..1: white, black, a muted retail color or any hue."""
    kind = sample_choice(rng, TABLES["colors"])
    if kind == "retail":
        retail = TABLES["retail"]
        color = np.array(retail[rng.integers(len(retail))]) / 255 + rng.normal(0, 0.02, 3)
        return np.clip(color * rng.uniform(0.94, 1.08), *TABLES["reflectance"])
    hue, saturation, value = rng.random(), rng.beta(2.2, 1.4), rng.uniform(0.45, 1)
    if kind == "white":
        saturation, value = 0.06 * saturation, rng.uniform(0.86, 0.97)
    if kind == "black":
        saturation, value = 0.25 * saturation, rng.uniform(0.05, 0.16)
    ramp = np.clip(np.abs((hue + np.array([0, 2, 1]) / 3) % 1 * 6 - 3) - 1, 0, 1)
    return np.clip(value * (1 - saturation * (1 - ramp)), *TABLES["reflectance"])


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


def sample_garment(rng, wardrobe="paper", category=None, patterns=TABLES["patterns"]):
    """Sample a ``Garment`` of a wardrobe, a key of `WARDROBES`, with NumPy Generator ``rng``.

    category: one of `CATEGORIES`, for the wardrobe "all"; by default any.  patterns: their shares.
    """
    kind = sample_choice(rng, BY_CATEGORY[category] if category else WARDROBES[wardrobe])
    garment = sample_upper(rng, kind, patterns)
    return garment if garment.category == "upper" else lengthen(rng, garment)


def sample_upper(rng, kind, patterns=TABLES["patterns"]):
    """Sample a ``Garment`` of a kind, as long as an upper garment."""
    shares = KINDS[kind]
    neckline, sleeve, front = (sample_choice(rng, shares[name]) for name in ("neckline", "sleeve", "front"))
    cut = sample_choice(rng, CUTS)
    pattern = sample_choice(rng, patterns)
    if pattern == "knit" and kind not in ("pullover", "cardigan"):
        pattern = "melange"
    if front != "closed" and pattern == "print":
        pattern = "plain"
    necks = sample(rng, TABLES["necks"])
    wide, deep = necks.get(neckline, necks["crew"])
    hem = rng.normal(shares.get("drop", -0.01), 0.045) - (0.02 if cut == "oversized" else 0)
    sporty = kind in ("pullover", "hoodie", "zip hoodie", "cardigan", "jacket")
    ribs = [0, 0.035, 0.05, 0.065] if sporty else [0, 0, 0, 0.02]
    return Garment(
        *(kind, cut, neckline, sleeve, pattern, front),
        *(float(np.clip(hem, -0.045, 0.13)), wide, deep),
        rib=float(rng.choice(ribs, p=[0.2, 0.25, 0.35, 0.2])),
        ease=EASE[cut] * rng.uniform(0.7, 1.3) + shares["thick"],
        flare=max(0.0, rng.normal(0.03 if kind == "blouse" else 0, 0.03)),
        end=0.0 if sleeve == "sleeveless" else sample_clipped(rng, SLEEVE_END[sleeve], 0.03, 0, 1),
        stiff=rng.random(),
        shine=rng.random() ** 3,
        colors=sample_colors(rng),
        trim=sample_choice(rng, TABLES["trims"]),
        pocket=sample_choice(rng, shares.get("pocket", {"none": 1})),
        strings=neckline == "hood" and rng.random() < 0.8,
        raglan=rng.random() < 0.2,
        gap=rng.uniform(0.02, 0.085),
        details=sample(rng, TABLES["details"] | TABLES["pattern_details"].get(pattern, {})),
        seed=int(rng.integers(2**31)),
    )


def lengthen(rng, garment):
    """Trousers, a skirt or a dress: ``garment`` with a length and a shape of its kind."""
    kind, category = KINDS[garment.kind], garment.category
    cut = sample_choice(rng, kind["cut"])
    pattern, details = garment.pattern, garment.details
    chests = {"trousers": ("print", "blocks", "stripes"), "skirt": ("print", "blocks"), "dress": ()}
    if pattern == "knit" or pattern in chests[category]:
        pattern = "plain"
    if category == "trousers" and garment.kind in ("chinos", "joggers") and rng.random() < 0.15:
        pattern = "blocks"  # a stripe along the outer seam
    swing, opening = (rng.uniform(*kind[name][cut]) if name in kind else 0.0 for name in ("swing", "opening"))
    jeans, pleated = garment.kind == "jeans", rng.random() < 0.3
    colors = garment.colors
    if jeans or garment.kind in ("shorts", "A-line skirt") and rng.random() < 0.3:
        denim = np.array(TABLES["denim"][rng.integers(len(TABLES["denim"]))]) / 255 * rng.uniform(0.9, 1.12)
        colors = (tuple(np.clip(denim + rng.normal(0, 0.01, 3), 0.03, 0.95)), *colors[1:])
        pattern, details = "plain", details | dict(denim=float(rng.uniform(0.2, 1)))
    look = dict(cut=cut, pattern=pattern, colors=colors, details=details, swing=swing, opening=opening)
    return dataclasses.replace(
        garment,
        **look,
        hem=rng.uniform(*kind["hem"]),
        waist=rng.uniform(*kind.get("waist", (0, 0))),
        ease=EASE[cut] * rng.uniform(0.5, 0.9) + kind["thick"],
        rib=rng.uniform(0.03, 0.06) if garment.kind == "joggers" else 0.0,
        flare=0.0,
        trim="none" if category != "dress" or garment.trim == "cuffs" else garment.trim,
        pocket=sample_choice(rng, TABLES["trouser_pockets"]) if category == "trousers" else "none",
        strings=garment.kind == "joggers" or garment.kind == "shorts" and rng.random() < 0.3,
        waves=int(rng.integers(18, 32) if pleated else rng.integers(6, 13)) if swing > 0.05 else 0,
    )
