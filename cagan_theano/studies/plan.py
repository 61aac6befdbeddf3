"""The plan of a study: a TOML file of trainings that each change one thing.

title = "..."
baseline = "paper"            # the run with which the others are compared
steps = 10000
seeds = [0, 1]                # each run is trained with each seed
by = ["pattern"]              # also compare by pattern or category of the article (default: neither)
convergence = true            # also list when each run reaches the baseline's last error (default: false)

[photoshoot]                  # the training and held-out images, rendered once
pairs = 4000
size = "128x96"
seed = 0
held_out = 200
wardrobe = "shop"             # or "all"; default: "paper"
studio = "many"               # or "one"; default: that of the wardrobe
true_swaps = 4000             # for runs that train on true swaps (default: 0)

[config]                      # options of every run (cagan_theano.config.Config)
batch_size = 16

[runs.no_cycle]
about = "without the cycle loss"
config = { gamma_c = 0.0 }    # changes of this run
clutter = true                # images with a street background (default: false)
pairs = 1000                  # training pairs of this run (default: those of [photoshoot])
"""

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from cagan_theano.config import Config
from cagan_theano.io.hdf5 import quoted
from cagan_theano.io.text import one_line
from cagan_theano.studies.study import GROUPED
from data_prep.photoshoot.camera.studio import STUDIOS, default_studio
from data_prep.photoshoot.clothes.garment import WARDROBES
from data_prep.store import check_size

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
MAX_BYTES = 1 << 20
PLANS = Path(__file__).with_name("plans")
TOP = {
    "title": str,
    "about": str,
    "baseline": str,
    "steps": int,
    "seeds": list,
    "by": list,
    "convergence": bool,
    "photoshoot": dict,
    "config": dict,
    "runs": dict,
}
SHOOT = {
    "pairs": 2000,
    "size": "128x96",
    "seed": 0,
    "held_out": 200,
    "wardrobe": "paper",
    "studio": "",
    "true_swaps": 0,
}
RUN = {"about": str, "config": dict, "clutter": bool, "pairs": int}
FIXED = ("steps", "seed", "height", "width")
"""Options that are set elsewhere in the plan."""


@dataclass(frozen=True)
class Reading:
    """One run of a plan: name, description, changed options, and its images.

    clutter: whether the background is a street; pairs: training pairs.
    """

    name: str
    about: str
    changes: dict
    clutter: bool
    pairs: int


@dataclass(frozen=True)
class StudyPlan:
    """A validated plan.

    shoot: the [photoshoot] table with size as (height, width); data: path of a photo file of at least
    that size, whose images replace the photoshoot's, or "".
    """

    path: str
    title: str
    about: str
    baseline: str
    steps: int
    seeds: tuple
    shoot: dict
    common: dict
    runs: tuple
    by: tuple = ()
    convergence: bool = False
    data: str = ""

    def config(self, reading, seed):
        """The `Config` of a run and a seed.  Raises ValueError."""
        height, width = self.shoot["size"]
        return made(
            {
                "height": height,
                "width": width,
                **self.common,
                **reading.changes,
                "steps": self.steps,
                "seed": seed,
            },
            f"{self.path}: run {reading.name}",
        )

    def named(self, names):
        """The runs with these names, in the plan's order; all without names.  Raises ValueError."""
        known = [reading.name for reading in self.runs]
        for name in names:
            need(name in known, self.path, f"has no run {name!r}; choose from {', '.join(known)}")
        return [reading for reading in self.runs if not names or reading.name in names]


def read_plan(path):
    """The `StudyPlan` of a TOML file, or of a shipped plan by name.

    Raises ValueError with the file and the error.
    """
    shipped = PLANS / f"{path}.toml"
    if not Path(path).exists() and shipped in PLANS.glob("*.toml"):
        path = shipped
    need(Path(path).is_file(), path, f"no such plan; {examples()}")
    need(Path(path).stat().st_size <= MAX_BYTES, path, "is too large for a plan")
    try:
        table = tomllib.loads(Path(path).read_text("utf-8"))
    except (ValueError, RecursionError) as error:  # from TOML, UTF-8, or int for 4301 digits
        raise ValueError(f"{path}: is not TOML ({one_line(error)}); {examples()}") from None
    check_table(table, TOP, path, "the plan")
    for key in ("baseline", "steps", "runs"):
        need(key in table, path, f"{key} is missing")
    shoot = read_shoot(table.get("photoshoot", {}), path)
    plan = StudyPlan(
        str(path),
        table.get("title", Path(path).stem),
        table.get("about", ""),
        table["baseline"],
        table["steps"],
        tuple(table.get("seeds", [0])),
        shoot,
        table.get("config", {}),
        tuple(read_run(path, name, run, shoot) for name, run in table["runs"].items()),
        tuple(table.get("by", [])),
        table.get("convergence", False),
    )
    check_plan(plan)
    return plan


def examples():
    """The names of the shipped plans, for messages."""
    return "shipped plans are " + ", ".join(sorted(plan.stem for plan in PLANS.glob("*.toml")))


def read_shoot(table, path):
    """The [photoshoot] table with its defaults, size as (height, width)."""
    check_table(table, {key: type(value) for key, value in SHOOT.items()}, path, "[photoshoot]")
    shoot = {**SHOOT, **table}
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", shoot["size"])
    need(match, path, f"size {quoted(shoot['size'])} is not HEIGHTxWIDTH such as 128x96")
    size = int(match[1]), int(match[2])
    check_size(*size, str(path))
    need(shoot["wardrobe"] in WARDROBES, path, f"wardrobe must be one of {', '.join(WARDROBES)}")
    shoot["studio"] = shoot["studio"] or default_studio(shoot["wardrobe"])
    need(shoot["studio"] in STUDIOS, path, f"studio must be one of {', '.join(STUDIOS)}")
    check_pairs(shoot["pairs"], shoot["true_swaps"], path)
    need(
        shoot["held_out"] >= 4 and shoot["seed"] >= 0,
        path,
        "held_out must be at least 4, seed at least 0",
    )
    return {**shoot, "size": size}


def check_pairs(pairs, true_swaps, path):
    """Raise ValueError unless a photoshoot can have so many pairs and true swaps."""
    need(pairs >= 1, path, "pairs must be at least 1")
    need(
        true_swaps == 0 or true_swaps > 0 and pairs >= 4,
        path,
        "true_swaps must be at least 0, and needs at least 4 pairs",
    )


def read_run(path, name, table, shoot):
    """The `Reading` of one [runs.NAME] table; shoot: the [photoshoot] table."""
    need(NAME.fullmatch(name), path, f"run {quoted(name)}: use lowercase letters, digits, _ . and - only")
    need(isinstance(table, dict), path, f"run {name} is not a table")
    check_table(table, RUN, path, f"run {name}")
    pairs = table.get("pairs", shoot["pairs"])
    check_pairs(pairs, shoot["true_swaps"], path)
    return Reading(name, table.get("about", ""), table.get("config", {}), table.get("clutter", False), pairs)


def check_table(table, allowed, path, what):
    """Raise ValueError for an unknown key or a value of the wrong type."""
    for key, value in table.items():
        known = ", ".join(allowed)
        need(key in allowed, path, f"{what} has the unknown key {quoted(key)}; known keys: {known}")
        need(type(value) is allowed[key], path, f"{what}: {key} must be of type {allowed[key].__name__}")


def check_plan(plan):
    """Raise ValueError unless all runs have valid configurations and the baseline is one of them."""
    plan.named([plan.baseline])
    whole = all(type(seed) is int for seed in plan.seeds)
    need(
        plan.seeds and whole and len(set(plan.seeds)) == len(plan.seeds),
        plan.path,
        "seeds must be distinct integers",
    )
    for attribute in plan.by:
        need(
            type(attribute) is str and attribute in GROUPED, plan.path, f"by must be of {', '.join(GROUPED)}"
        )
    for options in (plan.common, *(reading.changes for reading in plan.runs)):
        for name in FIXED:
            need(
                name not in options,
                plan.path,
                f"{name} is the same for all runs: set steps and seeds at the top, size in [photoshoot]",
            )
    for reading in plan.runs:
        for seed in plan.seeds:
            plan.config(reading, seed)


def made(options, what):
    """A `Config` from a dict.  Raises ValueError with a message that begins with `what`."""
    try:
        return Config.from_json(json.dumps(options))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what}: {error}") from error


def need(condition, path, fault):
    """Raise ValueError with the plan's path unless a condition holds."""
    if not condition:
        raise ValueError(f"{path}: {fault}")
