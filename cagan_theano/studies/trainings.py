"""The trainings of a study: their images, their run folders, and the processes that train them."""

import contextlib
import dataclasses
import os
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path

from tqdm import tqdm

from cagan_theano import weights
from cagan_theano.config import Config
from cagan_theano.evaluation import held_out
from cagan_theano.evaluation.held_out import Source
from cagan_theano.io.signals import Children
from cagan_theano.studies.plan import SHOOT, Reading, StudyPlan
from cagan_theano.training.run_folder import RunFolder

SAMPLES = 10
"""Number of times that held-out scores are logged during a training."""


def images_of(plan: StudyPlan, reading: Reading, out: Path) -> Source:
    """The photo file of a run: from ``plan.data``, or one that the photoshoot renders.

    Raises ValueError, OSError.
    """
    if plan.data:
        return part_of_data(plan, reading, out)
    from data_prep.photoshoot.camera.studio import default_studio
    from data_prep.photoshoot.shoot import Setting

    given = reading.shoot
    (height, width), wardrobe = given["size"], given["wardrobe"]
    ending = "_clutter" * given["clutter"] + f"_{wardrobe}" * (wardrobe != SHOOT["wardrobe"])
    ending += f"_{given['studio']}" * (given["studio"] != default_studio(wardrobe))
    path = out / f"photos_{height}x{width}_{given['pairs']}_{given['seed']}{ending}.h5"
    setting = Setting(given["seed"], given["size"], given["clutter"], wardrobe, given["studio"])
    return held_out.photoshoot(path, setting, given["pairs"], given["held_out"], given["true_swaps"])


def part_of_data(plan: StudyPlan, reading: Reading, out: Path) -> Source:
    """The photo file of a run from ``plan.data``: at the plan's size, the plan's number of training pairs."""
    from data_prep.resize import reduction, resize_file
    from data_prep.store import PhotoFile

    if reading.shoot_changes:
        raise ValueError(
            f"{plan.path}: run {reading.name} changes the photoshoot, which --data replaces; omit --data, or "
            "choose other runs with --only"
        )
    size, pairs = plan.shoot["size"], plan.shoot["pairs"]
    path = out / f"{Path(plan.data).stem}_{size[0]}x{size[1]}_{pairs}.h5"
    with PhotoFile(plan.data) as file:
        provenance = reduction(file, size, pairs)
        if "test" not in file.splits:
            raise ValueError(
                f"{plan.data}: has no test split, on which the runs are compared; import the photos with one"
            )
        if (file.height, file.width, len(file.split("train"))) == (*size, pairs):
            return Source(Path(plan.data), file.provenance, None)  # as it is
    return Source(path, provenance, partial(resize_file, plan.data, path, size, pairs))


def run_of(out: Path, reading: Reading, seed: int) -> RunFolder:
    """The `RunFolder` of a training."""
    return RunFolder(out / f"{reading.name}_seed{seed}")


def state_of(plan: StudyPlan, out: Path, reading: Reading, seed: int) -> str:
    """ "done", "begun" or "missing".  Raises ValueError for a folder with another configuration."""
    folder, wanted = run_of(out, reading, seed), plan.config(reading, seed)
    if not (folder.path / "config.json").is_file():
        return "missing"
    # of a run of fewer steps, which a longer plan resumes, everything else must be equal
    if folder.read_config().replace(steps=plan.steps) != wanted:
        raise ValueError(
            f"{folder.path}: was trained with settings different from the plan's "
            f"{reading.name}; give another --out, or remove it"
        )
    return "done" if plan.steps in folder.steps() else "begun" if folder.steps() else "missing"


def training_command(
    plan: StudyPlan, out: Path, reading: Reading, seed: int, device_options: Sequence[str] = ()
) -> list[str]:
    """The command line, as a list of words, that trains or resumes a run.

    device_options: the words of it that choose the device and the precision, for example "--device", "gpu".
    """
    every = str(max(1, plan.steps // SAMPLES))
    data = images_of(plan, reading, out).made()
    words = [sys.executable, "-m", "cagan_theano", "train", "--data", str(data)]
    words += ["--run", str(run_of(out, reading, seed).path), "--steps", str(plan.steps), *device_options]
    words += ["--keep", "1", "--sample-every", every, "--checkpoint-every", every]
    if state_of(plan, out, reading, seed) == "begun":
        return [*words, "--resume"]
    return words + options_of(plan.config(reading, seed))


def options_of(config: Config) -> list[str]:
    """The options of the training command for a configuration, without defaults."""
    words = []
    for spec in dataclasses.fields(Config):
        value, flag = getattr(config, spec.name), spec.name.replace("_", "-")
        if spec.name in ("steps", "height", "width") or value == spec.default:
            continue
        if spec.type is bool:
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", ",".join(map(str, value)) if spec.type is tuple else str(value)]
    return words


def train_missing(
    plan: StudyPlan, out: Path, chosen: Sequence[Reading], device_options: Sequence[str] = (), jobs: int = 1
) -> None:
    """Train the missing runs of a plan, `jobs` at a time, each on its share of the processor's cores.

    device_options: see `training_command`.  All runs with one seed come before the next seed.  The
    output of several jobs is written to RUN.log beside the run's folder.  Raises ValueError after the first
    failure, when the other trainings that began have ended.
    """
    missing = [(r, seed) for seed in plan.seeds for r in chosen if state_of(plan, out, r, seed) != "done"]
    out.mkdir(parents=True, exist_ok=True)
    for reading, _ in missing:  # all before the first training, so that a fault is found at once
        images_of(plan, reading, out).made()
    # no part of a GPU's memory is reserved, so that several trainings can share it
    environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **weights.child_environment()}
    shares, failed = iter(shares_of_cores(jobs)), threading.Event()

    def start_thread() -> None:
        with contextlib.suppress(AttributeError, OSError):  # not on macOS; not in some containers
            os.sched_setaffinity(0, next(shares))  # of this thread; its child processes inherit it

    def train(reading: Reading, seed: int) -> None:
        if failed.is_set() or children.exit_code:
            return
        folder = run_of(out, reading, seed).path
        log = folder.with_name(f"{folder.name}.log") if jobs > 1 else None
        tqdm.write(f"training {reading.name}, seed {seed}")
        words = training_command(plan, out, reading, seed, device_options)
        with contextlib.nullcontext() if log is None else open(log, "ab") as output:
            code = children.run(words, env=environment, stdout=output, stderr=output)
        if code:
            failed.set()
            raise ValueError(
                f"{folder}: the training ended with exit code {code}, see "
                f"{'its message above' if log is None else log}; run the same command again to continue"
            )

    with (
        Children() as children,
        ThreadPoolExecutor(jobs, initializer=start_thread) as pool,
        tqdm(total=len(missing), unit="training", disable=jobs == 1) as bar,
    ):
        for done in as_completed([pool.submit(train, *one) for one in missing]):
            done.result()
            bar.update()


def shares_of_cores(jobs: int) -> list[set[int]]:
    """The cores that this process may use, divided among jobs, which share cores if there are too few."""
    cores = (
        sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    )
    return [set(cores[n::jobs]) or {cores[n % len(cores)]} for n in range(jobs)]
