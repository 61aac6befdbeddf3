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

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cagan_theano.config import Config
from cagan_theano.io.hdf5 import quoted
from cagan_theano.io.text import one_line
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
    "clutter": False,
}
"""The [photoshoot] table with its defaults, where studio "" is that of the wardrobe."""

RUN = {"about": str, "config": dict, "photoshoot": dict}
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
            raise ValueError(f"{self.path}: run {reading.name}: {error}") from error

    def choose_runs(self, names: tuple[str, ...]) -> list[Reading]:
        """The runs with these names, in the plan's order; all without names.  Raises ValueError."""
        known = [reading.name for reading in self.runs]
        for name in names:
            need(name in known, self.path, f"has no run {name!r}; choose from {', '.join(known)}")
        return [reading for reading in self.runs if not names or reading.name in names]


def read_plan(path: str | Path) -> StudyPlan:
    """The `StudyPlan` of a TOML file, or of a shipped plan by name.

    Raises ValueError with the file and the error.
    """
    examples = "shipped plans are " + ", ".join(sorted(plan.stem for plan in PLANS.glob("*.toml")))
    shipped = PLANS / f"{path}.toml"
    if not Path(path).exists() and shipped in PLANS.glob("*.toml"):
        path = shipped
    need(Path(path).is_file(), path, f"no such plan; {examples}")
    need(Path(path).stat().st_size <= MAX_BYTES, path, "is too large for a plan")
    try:
        table = tomllib.loads(Path(path).read_text("utf-8"))
    except (ValueError, RecursionError) as error:  # from TOML, UTF-8, or int for 4301 digits
        raise ValueError(f"{path}: is not TOML ({one_line(error)}); {examples}") from None
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
    )
    check_plan(plan)
    return plan


def read_shoot(table: dict[str, Any], path: str | Path) -> dict[str, Any]:
    """The [photoshoot] table with its defaults, size as (height, width).  Raises ValueError."""
    allowed = {key: type(value) for key, value in SHOOT.items()}
    check_table(table, allowed, path, "[photoshoot]")
    shoot = {**SHOOT, **table}
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", str(shoot["size"]))
    if not match:
        raise ValueError(f"{path}: size {quoted(shoot['size'])} is not HEIGHTxWIDTH such as 128x96")
    size = int(match[1]), int(match[2])
    check_size(*size, str(path))
    shoot |= {"size": size}
    check_shoot(shoot, path)
    return shoot | {"studio": shoot["studio"] or default_studio(shoot["wardrobe"])}


def check_shoot(shoot: dict[str, Any], path: str | Path) -> None:
    """Raise ValueError for a value outside of its range in a [photoshoot] table."""
    need(shoot["wardrobe"] in WARDROBES, path, f"wardrobe must be one of {', '.join(WARDROBES)}")
    need(shoot["studio"] in ("", *STUDIOS), path, f"studio must be one of {', '.join(STUDIOS)}")
    need(shoot["pairs"] >= 1, path, "pairs must be at least 1")
    enough = shoot["true_swaps"] == 0 or shoot["true_swaps"] > 0 and shoot["pairs"] >= 4
    need(enough, path, "true_swaps must be at least 0, and needs at least 4 pairs")
    need(shoot["held_out"] >= 4 and shoot["seed"] >= 0, path, "held_out must be at least 4, seed at least 0")


def read_run(path: str | Path, name: str, table: Any, shoot: dict[str, Any]) -> Reading:
    """The `Reading` of one [runs.NAME] table; shoot: the plan's [photoshoot] table.  Raises ValueError."""
    need(NAME.fullmatch(name), path, f"run {quoted(name)}: use lowercase letters, digits, _ . and - only")
    need(isinstance(table, dict), path, f"run {name} is not a table")
    check_table(table, RUN, path, f"run {name}")
    changes = table.get("photoshoot", {})
    allowed: dict[str, type] = {"studio": str, "clutter": bool}  # people and garments stay the same
    check_table(changes, allowed, path, f"run {name}: photoshoot")
    own = {**shoot, **changes}
    check_shoot(own, path)
    return Reading(name, table.get("about", ""), table.get("config", {}), own, changes)


def check_table(table: dict[str, Any], allowed: Mapping[str, type], path: str | Path, what: str) -> None:
    """Raise ValueError for an unknown key or a value of the wrong type."""
    for key, value in table.items():
        known = ", ".join(allowed)
        need(key in allowed, path, f"{what} has the unknown key {quoted(key)}; known keys: {known}")
        need(type(value) is allowed[key], path, f"{what}: {key} must be of type {allowed[key].__name__}")


def check_plan(plan: StudyPlan) -> None:
    """Raise ValueError unless all runs have valid configurations and the baseline is one of them."""
    plan.choose_runs((plan.baseline,))
    whole = all(type(seed) is int for seed in plan.seeds)
    distinct = plan.seeds and whole and len(set(plan.seeds)) == len(plan.seeds)
    need(distinct, plan.path, "seeds must be distinct integers")
    fault = "is the same for all runs: set steps and seeds at the top, size in [photoshoot]"
    for options in (plan.common, *(reading.changes for reading in plan.runs)):
        for name in FIXED:
            need(name not in options, plan.path, f"{name} {fault}")
    for reading in plan.runs:
        for seed in plan.seeds:
            plan.config(reading, seed)


def need(condition: Any, path: str | Path, fault: str) -> None:
    """Raise ValueError with the plan's path unless a condition holds."""
    if not condition:
        raise ValueError(f"{path}: {fault}")
