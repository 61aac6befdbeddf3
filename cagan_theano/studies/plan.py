"""The plan of a study: a TOML file of trainings that each change one thing.

title = "..."
about = "..."
baseline = "paper"                 # the run with which the others are compared
steps = 10000
seeds = [0, 1]                     # each run is trained with each seed

[photoshoot]                       # training and held-out images, rendered once; defaults: SHOOT
pairs = 4000
size = "128x96"
wardrobe = "shop"
studio = "many"

[config]                           # options of every run (cagan_theano.config.Config)
batch_size = 16

[runs.no_cycle]
about = "without the cycle loss"
config = { gamma_c = 0.0 }         # what this run changes
photoshoot = { clutter = true }    # images other than the baseline's: those of the same people and garments
"""

import itertools
import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cagan_theano.config import Config
from cagan_theano.io.files import naming
from cagan_theano.io.hdf5 import quoted
from cagan_theano.io.text import one_line
from data_prep.photoshoot.camera.studio import STUDIOS, default_studio
from data_prep.photoshoot.clothes.garment import WARDROBES
from data_prep.store import check_size

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
MAX_BYTES = 1 << 20
PLANS = Path(__file__).with_name("plans")
TOP: dict[str, Any] = {"title": "", "about": "", "baseline": "", "steps": 0, "seeds": [0],
                       "photoshoot": {}, "config": {}, "runs": {}}  # fmt: skip
"""The keys of a plan, and what stands for those that it may lack."""

SHOOT: dict[str, Any] = {"pairs": 2000, "size": "128x96", "seed": 0, "held_out": 200, "wardrobe": "paper",
                         "studio": "", "true_swaps": 0, "clutter": False}  # fmt: skip
"""The [photoshoot] table with its defaults, where studio "" is that of the wardrobe."""

RUN: dict[str, Any] = {"about": "", "config": {}, "photoshoot": {}}
OF_RUN: dict[str, Any] = {"studio": "", "clutter": False}
"""What a run may change in the photoshoot: people and garments stay the same."""

FIXED = ("steps", "seed", "height", "width")
"""Options that are set elsewhere in the plan."""


@dataclass(frozen=True)
class Reading:
    """One run of a plan: its name, its description, the options that it changes, and its [photoshoot] table.

    shoot_changes: what this table changes in the plan's.
    """

    name: str
    about: str
    changes: dict[str, Any]
    shoot: dict[str, Any]
    shoot_changes: dict[str, Any]


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
    seeds: tuple[int, ...]
    shoot: dict[str, Any]
    common: dict[str, Any]
    runs: tuple[Reading, ...]
    data: str = ""

    def config(self, reading: Reading, seed: int) -> Config:
        """The `Config` of a run and a seed.  Raises ValueError."""
        height, width = self.shoot["size"]
        options = {"height": height, "width": width, **self.common, **reading.changes}
        try:
            return Config.from_json(json.dumps({**options, "steps": self.steps, "seed": seed}))
        except (TypeError, ValueError) as error:
            raise ValueError(f"run {reading.name}: {error}") from error

    def choose_runs(self, names: tuple[str, ...]) -> list[Reading]:
        """The runs with these names, in the plan's order; all without names.  Raises ValueError."""
        known = [reading.name for reading in self.runs]
        for name in names:
            need(name in known, f"{self.path}: has no run {name!r}; choose from {', '.join(known)}")
        return [reading for reading in self.runs if not names or reading.name in names]


def read_plan(path: str | Path) -> StudyPlan:
    """The `StudyPlan` of a TOML file, or of a shipped plan by name.

    Raises ValueError with the file and the error.
    """
    examples = "shipped plans are " + ", ".join(sorted(plan.stem for plan in PLANS.glob("*.toml")))
    shipped = PLANS / f"{path}.toml"
    if not Path(path).exists() and shipped in PLANS.glob("*.toml"):
        path = shipped
    need(Path(path).is_file(), f"{path}: no such plan; {examples}")
    need(Path(path).stat().st_size <= MAX_BYTES, f"{path}: is too large for a plan")
    with naming(path):
        try:
            table = tomllib.loads(Path(path).read_text("utf-8"))
        except (ValueError, RecursionError) as error:  # from TOML, UTF-8, or int for 4301 digits
            raise ValueError(f"is not TOML ({one_line(error)}); {examples}") from None
        return check_plan(str(path), table)


def check_plan(path: str, table: dict[str, Any]) -> StudyPlan:
    """The `StudyPlan` of a plan's table.  Raises ValueError without the path, as all functions below."""
    for key in ("baseline", "steps", "runs"):
        need(key in table, f"{key} is missing")
    given = complete({"title": Path(path).stem, **table}, TOP, "the plan")
    runs = tuple(read_run(name, run, given["photoshoot"]) for name, run in given["runs"].items())
    start = given["title"], given["about"], given["baseline"], given["steps"]
    seeds, shoot = tuple(given["seeds"]), read_shoot(given["photoshoot"])
    plan = StudyPlan(path, *start, seeds, shoot, given["config"], runs)
    need(plan.baseline in given["runs"], f"the baseline {plan.baseline!r} is none of the runs")
    whole = all(type(seed) is int for seed in seeds)
    need(seeds and whole and len(set(seeds)) == len(seeds), "seeds must be distinct integers")
    fault = "is the same for all runs: set steps and seeds at the top, size in [photoshoot]"
    for options in (plan.common, *(reading.changes for reading in runs)):
        for name in FIXED:
            need(name not in options, f"{name} {fault}")
    for reading, seed in itertools.product(runs, seeds):
        plan.config(reading, seed)
    return plan


def read_shoot(table: dict[str, Any]) -> dict[str, Any]:
    """The [photoshoot] table with its defaults, size as (height, width)."""
    shoot = complete(table, SHOOT, "[photoshoot]")
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", shoot["size"])
    if not match:
        raise ValueError(f"size {quoted(shoot['size'])} is not HEIGHTxWIDTH such as 128x96")
    shoot["size"] = int(match[1]), int(match[2])
    check_size(*shoot["size"])
    need(shoot["wardrobe"] in WARDROBES, f"wardrobe must be one of {', '.join(WARDROBES)}")
    need(shoot["studio"] in ("", *STUDIOS), f"studio must be one of {', '.join(STUDIOS)}")
    need(shoot["pairs"] >= 1, "pairs must be at least 1")
    enough = shoot["true_swaps"] == 0 or shoot["true_swaps"] > 0 and shoot["pairs"] >= 4
    need(enough, "true_swaps must be at least 0, and needs at least 4 pairs")
    need(shoot["held_out"] >= 4 and shoot["seed"] >= 0, "held_out must be at least 4, seed at least 0")
    return shoot | {"studio": shoot["studio"] or default_studio(shoot["wardrobe"])}


def read_run(name: str, table: Any, shoot: dict[str, Any]) -> Reading:
    """The `Reading` of one [runs.NAME] table; shoot: the plan's [photoshoot] table."""
    need(NAME.fullmatch(name), f"run {quoted(name)}: use lowercase letters, digits, _ . and - only")
    need(isinstance(table, dict), f"run {name} is not a table")
    given = complete(table, RUN, f"run {name}")
    changes = given["photoshoot"]
    complete(changes, OF_RUN, f"run {name}: photoshoot")
    return Reading(name, given["about"], given["config"], read_shoot(shoot | changes), changes)


def complete(table: dict[str, Any], defaults: dict[str, Any], what: str) -> dict[str, Any]:
    """A table with its defaults.  Raises ValueError for a key without one, or a value of another type."""
    for key, value in table.items():
        need(key in defaults, f"{what} has the unknown key {quoted(key)}; known keys: {', '.join(defaults)}")
        kind = type(defaults[key])
        need(type(value) is kind, f"{what}: {key} must be of type {kind.__name__}")
    return defaults | table


def need(condition: Any, fault: str) -> None:
    """Raise ValueError unless a condition holds."""
    if not condition:
        raise ValueError(fault)
