"""Tables of colors and shares, which stand in TOML files beside the modules that sample from them."""

import tomllib
from pathlib import Path

import numpy as np

LONGEST = 65536  # bytes of a file that are read


def read_tables(path):
    """The tables of a TOML file."""
    with Path(path).open("rb") as file:
        return tomllib.loads(file.read(LONGEST).decode())


def sample_choice(rng, shares):
    """Sample a key of ``shares`` (word -> share) with a probability proportional to its share."""
    words = list(shares)
    share = np.array([shares[word] for word in words], float)
    return words[int(rng.choice(len(words), p=share / share.sum()))]


def sample_palette(rng, table, shares=None, spread=0.02):
    """Sample a color [3] in 0..1: a row of a table of sRGB levels, slightly varied."""
    row = rng.choice(len(table), p=None if shares is None else np.array(shares) / sum(shares))
    color = np.array(table[row]) / 255
    return np.clip(color * rng.uniform(0.93, 1.06) + rng.normal(0, spread / 2, 3), 0.03, 0.98)
