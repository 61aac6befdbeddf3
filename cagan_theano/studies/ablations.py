"""Train and compare variants of the method, one change at a time, from a plan file.

    python replicate/ablations.py first [--only NAME] [--list]

Trains only what is missing, so it can be interrupted and restarted at any time.  Each training is a
run folder of `cagan train`; the plan's format is described in cagan_theano/studies/plan.py.
"""

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import queue
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from tqdm import tqdm

from cagan_theano import options, weights
from cagan_theano.config import Config
from cagan_theano.evaluation import evaluate, held_out, measures
from cagan_theano.io.command import Command
from cagan_theano.io.files import write_atomically, write_between
from cagan_theano.learning.run_folder import RunFolder
from cagan_theano.studies import study
from cagan_theano.studies.agreement import agreement, read_differences
from cagan_theano.studies.plan import read_plan

EXAMPLES = 4
"""Swaps in the grid."""

MARKERS = "<!-- study {} -->", "<!-- end of study {} -->"
"""Around the tables of a plan in a document, with the name of the plan."""

EVALUATION = 2
"""Version of the stored evaluations; evaluations of another version are made anew."""

SAMPLES = 10
"""Number of times that held-out scores are logged during a training."""


class Images(NamedTuple):
    """The photo file of a run: its path, its provenance, and a function that writes it there, if needed."""

    path: Path
    provenance: dict
    make: Callable | None


def images_of(plan, reading, out):
    """The `Images` of a run: of the plan's photoshoot, or of ``plan.data``.  Raises ValueError, OSError."""
    return part_of_data(plan, reading, out) if plan.data else photoshoot_of(plan, reading, out)


def photoshoot_of(plan, reading, out):
    """The `Images` that the plan's photoshoot renders for a run."""
    from data_prep.photoshoot import shoot

    given, ending = plan.shoot, "_clutter" if reading.clutter else ""
    height, width = given["size"]
    ending += "" if given["wardrobe"] == "paper" else f"_{given['wardrobe']}"
    path = out / f"photos_{height}x{width}_{reading.pairs}_{given['seed']}{ending}.h5"
    setting = shoot.Setting(given["seed"], (height, width), reading.clutter, given["wardrobe"])
    counts = dict(pairs=reading.pairs, held_out=given["held_out"], true_swaps=given["true_swaps"])
    options = dict(clutter=setting.clutter, wardrobe=setting.wardrobe, **counts)
    make = partial(shoot.shoot, path, size=setting.size, seed=setting.seed, **options)
    return Images(path, shoot.provenance(setting, **counts), make)


def part_of_data(plan, reading, out):
    """The `Images` of a run from ``plan.data``: at the plan's size, the run's number of training pairs."""
    from data_prep.resize import reduction, resize_file
    from data_prep.store import PhotoFile

    if reading.clutter:
        raise ValueError(
            f"{plan.path}: run {reading.name} needs the photoshoot's street; omit --data, or choose other "
            "runs with --only"
        )
    size, pairs = plan.shoot["size"], reading.pairs
    path = out / f"{Path(plan.data).stem}_{size[0]}x{size[1]}_{pairs}.h5"
    with PhotoFile.open(plan.data) as file:
        provenance = reduction(file, size, pairs)
        if (file.height, file.width, len(file.split("train"))) == (*size, pairs):
            return Images(Path(plan.data), file.provenance, None)  # as it is
    return Images(path, provenance, partial(resize_file, plan.data, path, size, pairs))


def data_of(plan, reading, out):
    """Path of the photo file of a run, which is made if missing.  Raises OSError or ValueError."""
    images = images_of(plan, reading, out)
    if not held_out.is_made(images.path, images.provenance):
        images.path.parent.mkdir(parents=True, exist_ok=True)
        images.make()
    return images.path


def run_of(out, reading, seed):
    """The `RunFolder` of a training."""
    return RunFolder(out / f"{reading.name}_seed{seed}")


def state(plan, out, reading, seed):
    """ "done", "begun" or "missing".  Raises ValueError for a folder with another configuration."""
    folder, wanted = run_of(out, reading, seed), plan.config(reading, seed)
    if not (folder.path / "config.json").is_file():
        return "missing"
    same = {"steps": plan.steps}  # a longer plan resumes a shorter one
    if folder.read_config().replace(**same) != wanted:
        raise ValueError(
            f"{folder.path}: was trained with settings different from the plan's "
            f"{reading.name}; give another --out, or remove it"
        )
    return "done" if plan.steps in folder.steps() else "begun" if folder.steps() else "missing"


def training_command(plan, out, reading, seed, device=None):
    """The command line, as a list of words, that trains or resumes a run."""
    folder = run_of(out, reading, seed).path
    words = [
        sys.executable,
        "-m",
        "cagan_theano",
        "train",
        "--data",
        str(data_of(plan, reading, out)),
        "--run",
        str(folder),
        "--steps",
        str(plan.steps),
    ]
    words += ["--device", device] if device else []
    every = str(max(1, plan.steps // SAMPLES))
    words += ["--keep", "1", "--sample-every", every, "--checkpoint-every", every]
    if state(plan, out, reading, seed) == "begun":
        return [*words, "--resume"]
    return words + options_of(plan.config(reading, seed))


def options_of(config):
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


def train(plan, out, reading, seed, device, log=None):
    """Train one run to its last step in a child process.  Raises ValueError if that fails.

    log: a path for the output of the child process, or None for this process's own output.
    """
    tqdm.write(f"training {reading.name}, seed {seed}")
    words = training_command(plan, out, reading, seed, device)
    with contextlib.nullcontext() if log is None else open(log, "ab") as output:
        done = subprocess.run(
            words, env=weights.child_environment(), check=False, stdout=output, stderr=output
        )
    if done.returncode:
        raise ValueError(
            f"{run_of(out, reading, seed).path}: the training ended with exit code {done.returncode}, see "
            f"{'its message above' if log is None else log}; run the same command again to continue"
        )


def train_missing(plan, out, chosen, device, jobs):
    """Train the missing runs of a plan, `jobs` at a time, each on its share of the processor's cores.

    All runs with one seed come before the next seed.  With several jobs the output of each training
    goes to RUN.log beside its folder.  Raises ValueError after the first failure, when the other
    trainings that have begun have ended.
    """
    missing = [(r, seed) for seed in plan.seeds for r in chosen if state(plan, out, r, seed) != "done"]
    out.mkdir(parents=True, exist_ok=True)
    for reading, _ in missing:  # all before the first training, so that a fault is found at once
        data_of(plan, reading, out)
    if jobs == 1:
        for reading, seed in missing:
            train(plan, out, reading, seed, device)
        return
    shares = queue.SimpleQueue()
    for share in shares_of_cores(jobs):
        shares.put(share)

    def work(reading, seed):
        cores = shares.get()
        with contextlib.suppress(AttributeError, OSError):  # not on macOS; not in some containers
            os.sched_setaffinity(0, cores)  # of this thread; its child process inherits it
        try:
            train(plan, out, reading, seed, device, out / f"{reading.name}_seed{seed}.log")
        finally:
            shares.put(cores)

    with ThreadPoolExecutor(jobs) as pool, tqdm(total=len(missing), unit="training") as bar:
        try:
            for done in as_completed([pool.submit(work, *one) for one in missing]):
                done.result()
                bar.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def shares_of_cores(jobs):
    """The cores that this process may use, divided among jobs: a list of sets, which share if too few."""
    cores = (
        sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    )
    return [set(cores[n::jobs]) or {cores[n % len(cores)]} for n in range(jobs)]


def evaluated(plan, out, reading, seed, device, photos=None):
    """(report, arrays of example swaps) of a finished run: read if stored, else computed and stored.

    photos: the photo file to evaluate on instead of the study's held-out images.
    """
    folder, ending = run_of(out, reading, seed), "" if photos is None else "_photos"
    path, stored = folder.checkpoint_path(plan.steps), folder.path / f"evaluation{ending}.json"
    examples = folder.path / f"swaps{ending}.npz"
    if not (current(stored, plan.steps, photos) and examples.is_file()):
        model = weights.load_model(path, "auto", device)
        with held_out.open_split(photos or data_of(plan, reading, out), model) as held:
            report, arrays = measured(path, model, held)
        report |= {"photos": None if photos is None else data_digest(photos), "version": EVALUATION}
        write_atomically(examples, packed(arrays))
        write_atomically(stored, json.dumps(report, sort_keys=True, allow_nan=False) + "\n")
    report = json.loads(stored.read_text())
    check_images(report, images_of(plan, reading, out), folder)
    with np.load(examples, allow_pickle=False) as arrays:
        return report, dict(arrays)


def check_images(report, images, folder):
    """Raise ValueError if a run was trained on other images: trainings of two data sets do not compare."""
    known = (report["metadata"].get("data") or {}).get("provenance")
    if known is not None and known != images.provenance:
        raise ValueError(
            f"{folder.path}: was trained on other images than {images.path.name}; give another --out, or "
            "remove it"
        )


def data_digest(photos):
    """The SHA-256 of a data file."""
    with open(photos, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def current(path, steps, photos=None):
    """Whether a stored evaluation is of the last step, of this version, and of the same photos."""
    try:
        stored = json.loads(path.read_text())
        if (stored["step"], stored["version"]) != (steps, EVALUATION):
            return False
        return photos is None or stored["photos"] == data_digest(photos)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def measured(path, model, held):
    """The report of a run on its held-out swaps, and the swaps of `examples` as arrays."""
    columns = measures.measure(model, held)
    report = evaluate.report(path, model, held, columns, 0)
    swaps = examples(held)
    pictures = measures.read(held, swaps, np.arange(len(swaps.i)))
    swap = held_out.dress(model, held, pictures["x_i"], pictures["y_i"], pictures["y_j"], pictures["mask_i"])
    arrays = {key: pictures[key] for key in ("x_i", "y_j", "truth") if pictures[key] is not None}
    return report, arrays | {"x_ij": swap.x_ij, "alpha": swap.alpha}


def examples(held):
    """``EXAMPLES`` of a split's swaps: the first of each category of articles, then the first of all."""
    swaps = measures.all_swaps(held)
    groups = measures.groups_of(held.photos, swaps)
    categories = measures.words_of("category", groups).values()
    first = [int(np.flatnonzero(groups[name])[0]) for name in categories]
    rows = list(dict.fromkeys([*first, *range(len(swaps.i))]))[:EXAMPLES]
    return measures.Swaps(*(part if part is None else part[rows] for part in swaps))


def packed(arrays):
    """Arrays as the bytes of an NPZ file."""
    data = io.BytesIO()
    np.savez_compressed(data, **arrays)
    return data.getvalue()


def gather(plan, out, device=None, photos=None):
    """Evaluate every finished training: (results for the JSON, images, rows of the grid).

    photos: a photo file on which every training is evaluated, too, or None.

    Raises ValueError if the baseline has no finished training.
    """
    done = {r.name: [s for s in plan.seeds if state(plan, out, r, s) == "done"] for r in plan.runs}
    if not done[plan.baseline]:
        raise ValueError(
            f"{plan.path}: the baseline {plan.baseline} is not trained yet; omit --only, or include it"
        )
    reports, grids = {}, {}
    for reading in (r for r in plan.runs if done[r.name]):
        found = [evaluated(plan, out, reading, seed, device) for seed in done[reading.name]]
        reports[reading.name], grids[reading.name] = [f[0] for f in found], found[0][1]
    first = grids[plan.baseline]
    found = results(plan, out, done, reports)
    if photos is not None:
        add_photos(found, plan, out, photos, device)
    return (
        found,
        {key: first.get(key) for key in ("x_i", "y_j", "truth")},
        {name: (arrays["x_ij"], arrays["alpha"]) for name, arrays in grids.items()},
    )


def results(plan, out, done, reports):
    """The results of a study for JSON: aggregates only, no values per swap."""
    base, runs = reports[plan.baseline][0], {}
    compared = compare(plan, done, reports)
    by = {attribute: compare(plan, done, reports, attribute) for attribute in plan.by}
    first = study.columns_of(base)
    for reading in (r for r in plan.runs if r.name in reports):
        seeds = done[reading.name]
        runs[reading.name] = {
            "about": reading.about,
            "changes": reading.changes,
            "clutter": reading.clutter,
            **({} if reading.pairs == plan.shoot["pairs"] else {"pairs": reading.pairs}),
            "seeds": seeds,
            "sha256": [r["sha256"] for r in reports[reading.name]],
            "seconds": [r["metadata"].get("seconds") for r in reports[reading.name]],
            "measures": compared[reading.name],
            **({"by": {one: of[reading.name] for one, of in by.items()}} if by else {}),
            "curves": [study.curves(run_of(out, reading, seed).read_log()) for seed in seeds],
        }
    missing = {r.name: [s for s in plan.seeds if s not in done[r.name]] for r in plan.runs}
    return {
        "title": plan.title,
        "about": plan.about,
        "plan": Path(plan.path).name,
        "baseline": plan.baseline,
        "steps": plan.steps,
        "n": base["n"],
        "people": base["people"],
        "trainings": sum(map(len, reports.values())),
        **({"data": Path(plan.data).name} if plan.data else {}),
        "photoshoot": {**plan.shoot, "size": list(plan.shoot["size"])},
        "config": plan.common,
        **({"by": {one: study.counts_by(one, first) for one in by}} if by else {}),
        **({"convergence": True} if plan.convergence else {}),
        "versions": base["metadata"].get("versions"),
        "runs": runs,
        "missing": {name: seeds for name, seeds in missing.items() if seeds},
    }


def compare(plan, done, reports, attribute=None):
    """Run name -> `study.compared` with the baseline's trainings of the same seeds.

    done: run name -> its finished seeds; reports: run name -> the evaluation of each of these;
    attribute: `study.compared_by` this attribute instead.
    """
    columns = {name: [study.columns_of(r) for r in found] for name, found in reports.items()}
    base, compared = columns[plan.baseline], {}
    for name, runs in columns.items():
        paired = [found for seed, found in zip(done[plan.baseline], base) if seed in done[name]]
        given = (runs, paired or base)
        compared[name] = study.compared_by(attribute, *given) if attribute else study.compared(*given)
    return compared


def add_photos(found, plan, out, photos, device):
    """Add each run's measures on a photo file to the results of a study."""
    runs = {r.name: r for r in plan.runs if r.name in found["runs"]}
    done = {name: found["runs"][name]["seeds"] for name in runs}
    reports = {
        name: [evaluated(plan, out, run, seed, device, photos)[0] for seed in done[name]]
        for name, run in runs.items()
    }
    base = reports[plan.baseline][0]
    found["photos"] = {"data": Path(photos).name, "n": base["n"], "people": base["people"]}
    for name, measures_there in compare(plan, done, reports).items():
        found["runs"][name]["photos"] = measures_there


def list_state(plan, out, chosen):
    """Print the run, seed and state of each training."""
    for reading in chosen:
        for seed in plan.seeds:
            click.echo(f"{reading.name:<24}seed {seed:<4}{state(plan, out, reading, seed):<9}{reading.about}")


def write_study(plan, out, device, copy=None, photos=None, document=None, against=()):
    """Write OUT/results.json, table.md, grid.png and differences.png.

    copy: also results and plots there; photos: also measure on this photo file; document: also insert
    the table there; against: results of other studies, with which the order of the runs is compared.
    """
    found, pictures, rows = gather(plan, out, device, photos)
    if against:
        found["agreement"] = agreement(found, against)
    text = json.dumps(found, indent=1, sort_keys=False, allow_nan=False) + "\n"
    note = f"{plan.title}; {plan.steps} steps, seed {plan.seeds[0]}"
    grid = study.grid(pictures, rows, note)
    plot = study.plot(found)
    files = {
        out / "results.json": text,
        out / "table.md": study.markdown(found) + "\n",
        out / "grid.png": grid,
        out / "differences.png": plot,
    }
    if copy:
        copy = Path(copy)
        files |= {
            copy: text,
            copy.with_suffix(".png"): grid,
            copy.with_name(f"{copy.stem}_differences.png"): plot,
        }
    for path, content in files.items():
        write_atomically(path, content)
        click.echo(f"wrote {path}")
    if document:
        name = Path(plan.path).stem
        write_between(document, study.markdown(found), *(marker.format(name) for marker in MARKERS))
        click.echo(f"wrote {document}")
    click.echo(study.markdown(found))


@click.command(cls=Command)
@click.argument("plan", type=click.Path(dir_okay=False))
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    default=None,
    help="Folder for run folders and results.  [default: runs/ablations_PLAN, or runs/ablations_PLAN_DATA]",
)
@click.option("--only", multiple=True, metavar="NAME", help="Train only this run; may be repeated.")
@click.option("--list", "listed", is_flag=True, help="List which trainings are done, begun or missing.")
@click.option("--no-training", is_flag=True, help="Compare the finished trainings without training any.")
@click.option(
    "--results",
    type=click.Path(dir_okay=False),
    help="Also write the results to this file and the plots next to it, for example "
    "docs/results/ablations_NAME.json.",
)
@click.option(
    "--photos",
    type=click.Path(exists=True, dir_okay=False),
    help="Also evaluate each run on the test split of this photo file, for example of real photos.",
)
@click.option(
    "--update",
    "document",
    type=click.Path(dir_okay=False),
    help=f"Also insert the tables in this document, between {' and '.join(MARKERS).format('PLAN', 'PLAN')}.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of trainings at a time, each on its share of the cores. Small networks use one core "
    "well and several badly.",
)
@click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False),
    multiple=True,
    help="Also compare the order of the runs with that in these results of another study, for example of "
    "smaller networks; may be repeated.",
)
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False),
    help="Train and evaluate on this photo file instead of the plan's photoshoot: on its first pairs, as "
    "many as the plan has, reduced to the plan's size, and on its whole test split.",
)
@options.device_option
def command(plan, out, only, listed, no_training, results, photos, document, jobs, against, data, device):
    """Train the missing runs of PLAN, then evaluate and compare all runs.

    Writes results.json, table.md, grid.png (the same swaps for each run) and differences.png to
    --out.
    """
    plan = dataclasses.replace(read_plan(plan), data=data or "")
    names = ["ablations", Path(plan.path).stem, *([Path(data).stem] if data else [])]
    out = Path(out) if out else Path("runs") / "_".join(names)
    chosen = plan.named(only)
    for path in against:
        read_differences(path, plan.baseline)  # before hours of training
    if listed:
        list_state(plan, out, chosen)
        return
    if not no_training:
        train_missing(plan, out, chosen, device, jobs)
    write_study(plan, out, device, results, photos, document, against)
