"""People: build, face and hair."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.photoshoot.body.anatomy import Build
from data_prep.photoshoot.tables import read_tables, sample, sample_choice, sample_clipped, sample_palette

PEOPLE = read_tables(Path(__file__).with_name("people.toml"))


@dataclass(frozen=True)
class Person:
    """An identity: body, face, hair.  Colors [3] in 0..1."""

    build: Build
    skin: np.ndarray
    hair: np.ndarray
    style: str
    volume: float
    length: float  # of long hair, below the chin [m]
    hairline: float
    fringe: bool
    beard: float
    lips: float
    eye: np.ndarray
    glasses: bool
    seed: int


def sample_person(rng, woman=False):
    """Sample a ``Person``; woman: always a woman."""
    woman = rng.random() < 0.56 or woman
    race = sample_choice(rng, {"caucasian": 0.5, "asian": 0.2, "african": 0.3})
    races = 0.12 * rng.random(3)
    races[("african", "asian", "caucasian").index(race)] += 0.8
    u = rng.uniform
    male = sample_clipped(rng, 0.06 if woman else 0.96, 0.06, 0, 1)
    local = {str(name): u(0, 0.7) for name in rng.choice(PEOPLE["face"], 5, replace=False)}
    build = Build(
        male,
        float(np.clip(rng.exponential(0.16), 0, 0.8)),
        tuple(races / races.sum()),
        muscle=sample_clipped(rng, 0.0 if woman else 0.2, 0.35, -1, 1),
        **sample(rng, PEOPLE["build"]),
        local=local,
    )
    style = sample_choice(rng, PEOPLE["long_styles"] if woman else PEOPLE["short_styles"])
    if not woman and rng.random() < 0.06:
        style = sample_choice(rng, PEOPLE["long_styles"])
    old = build.old > 0.45
    shares = np.array(PEOPLE["hair_shares"][race]) + (np.eye(9)[8] * 1.2 if old else 0)
    return Person(
        build,
        sample_palette(rng, PEOPLE["skins"][race], None, 0.014),
        sample_palette(rng, PEOPLE["hairs"], shares),
        style,
        volume=u(0.6, 1.4),
        length=u(0.02, 0.30),
        hairline=rng.normal(0, 0.006),
        fringe=bool(woman and rng.random() < 0.2),
        beard=float((not woman) * (rng.random() < 0.45) * u(0.2, 1)),
        lips=float(u(0.3, 1) if woman else u(0, 0.3)),
        eye=sample_palette(rng, PEOPLE["eyes"], (0.5, 0.2, 0.2, 0.1)),
        glasses=bool(rng.random() < 0.06),
        seed=int(rng.integers(2**31)),
    )
