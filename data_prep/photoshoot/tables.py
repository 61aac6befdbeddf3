"""Tables of colors, shares and distributions, in TOML files beside the modules that sample from them."""

import tomllib
from pathlib import Path

import numpy as np

LONGEST = 65536  # bytes of a file that are read


def read_tables(path):
    """The tables of a TOML file."""
    with Path(path).open("rb") as file:
        return tomllib.loads(file.read(LONGEST).decode())


def sample(rng, entry, **words):
    """Sample an entry of a table.

    ["NAME", ARGUMENTS ...] calls a method of the Generator or a function of `OWN`; words: values of the
    arguments that are words.  Of another list or of a table, every entry is sampled, in order.  Anything else
    is itself.
    """
    if isinstance(entry, dict):
        return {name: sample(rng, part, **words) for name, part in entry.items()}
    if not isinstance(entry, list):
        return entry
    if not (entry and isinstance(entry[0], str)):
        return [sample(rng, part, **words) for part in entry]
    name, *arguments = (words.get(part, part) if isinstance(part, str) else part for part in entry)
    return OWN[name](rng, *arguments) if name in OWN else np.asarray(getattr(rng, name)(*arguments)).tolist()


def sample_steps(rng, *steps):
    """Sample the first step (limit, value) or (limit, start, end) whose limit exceeds a number in 0..1."""
    number = rng.random()
    _, start, *end = next(step for step in steps if number < step[0])
    return start + (end[0] - start) * rng.random() if end else start


def sample_clipped(rng, mean, deviation, low, high):
    """Sample a normal distribution, clipped to low..high."""
    return float(np.clip(rng.normal(mean, deviation), low, high))


def sample_small(rng, deviation, mean=0.0):
    """Sample a normal distribution within two standard deviations."""
    return mean + sample_clipped(rng, 0, deviation, -2 * deviation, 2 * deviation)


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


OWN = {
    "chance": lambda rng, share: rng.random() < share,
    "clipped": sample_clipped,
    "shares": sample_choice,
    "small": sample_small,
    "steps": sample_steps,
}
