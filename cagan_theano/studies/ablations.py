"""Train and compare variants of the method, one change at a time, from a plan file.

    cagan ablations readings [--only NAME] [--list]

Trains only what is missing, so it can be interrupted and restarted at any time.  Each training is a
run folder of `cagan train`; the plan's format is described in cagan_theano/studies/plan.py.
"""

import dataclasses
import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cagan_theano import options, weights
from cagan_theano.backends import PRECISIONS
from cagan_theano.evaluation import evaluate, held_out, measures
from cagan_theano.evaluation.interval import GROUPS
from cagan_theano.io import metadata
from cagan_theano.io.command import Command
from cagan_theano.io.files import check_folder, digest_of, write_atomically
from cagan_theano.studies import document, pictures, trainings
from cagan_theano.studies.comparison import Results, compare
from cagan_theano.studies.plan import Reading, StudyPlan, read_plan

EXAMPLES = 4
"""Swaps in the grid."""

FORM = {"step": int, "version": int, "n": int, "people": int, "sha256": str, "swaps": {},
        "metadata": {"data": (dict, type(None))}}  # fmt: skip
"""The form of a stored evaluation, all of it required."""

Arrays = dict[str, NDArray[Any]]
Reports = dict[str, dict[int, dict[str, Any]]]
"""Run name -> seed -> the report of `evaluate_run`."""


def evaluate_run(
    plan: StudyPlan, out: Path, reading: Reading, seed: int, device: str | None, photos: str | None = None
) -> tuple[dict[str, Any], Arrays]:
    """(report, arrays of example swaps) of a finished run: read if stored, else computed and stored.

    photos: the photo file to evaluate on instead of the study's held-out images.  Raises ValueError if the
    run was trained on other images than the plan's: trainings of two data sets do not compare.
    """
    folder, ending = trainings.run_of(out, reading, seed), "" if photos is None else "_photos"
    stored, examples = folder.path / f"evaluation{ending}.json", folder.path / f"swaps{ending}.npz"
    found = read_evaluation(stored, examples, plan.steps, photos)
    if found is None:
        path = folder.checkpoint_path(plan.steps)
        model = weights.load_model(path, "auto", device)
        with held_out.open_split(photos or trainings.data_of(plan, reading, out), model) as held:
            report = evaluate.report(path, model, held, measures.measure(model, held))
            swaps = held_out.all_swaps(held, EXAMPLES)
            images = measures.read(held, swaps, np.arange(len(swaps.i)))
            inputs = (images[key] for key in ("x_i", "y_i", "y_j", "mask_i"))
            swap = held_out.dress(model, held, *inputs)
        arrays = {key: images[key] for key in ("x_i", "y_j", "truth") if images[key] is not None}
        arrays |= {"x_ij": swap.x_ij, "alpha": swap.alpha}
        report |= {"photos": None if photos is None else digest_of(photos)}
        data = io.BytesIO()
        np.savez_compressed(data, **arrays)
        write_atomically(examples, data.getvalue())
        write_atomically(stored, json.dumps(report, sort_keys=True, allow_nan=False) + "\n")
        found = json.loads(json.dumps(report)), arrays
    own = trainings.images_of(plan, reading, out)
    trained_with = (found[0]["metadata"].get("data") or {}).get("provenance")
    if trained_with not in (None, own.provenance):
        raise ValueError(
            f"{folder.path}: was trained on other images than {own.path.name}; give another --out, or "
            "remove it"
        )
    return found


def read_evaluation(
    stored: Path, examples: Path, steps: int, photos: str | None = None
) -> tuple[dict[str, Any], Arrays] | None:
    """What `evaluate_run` stored; None if it is damaged or of another step, version or photo file."""
    try:
        report = metadata.read_file(stored, FORM)
        current = (report["step"], report["version"]) == (steps, evaluate.VERSION)
        current = current and (photos is None or report["photos"] == digest_of(photos))
        columns = {name: np.array(values, float) for name, values in report["swaps"].items()}
        for name in report["measures"]:  # each can be taken again
            measures.known(columns)[name].of(columns, np.ones(report["n"]))
        whole = set(map(len, columns.values())) == {report["n"]} and FORM.keys() <= report.keys()
        if not (current and whole and {*GROUPS} <= report["swaps"].keys() and examples.is_file()):
            return None
        with np.load(examples, allow_pickle=False) as file:
            if sum(member.file_size for member in file.zip.infolist()) > metadata.MAX_BYTES:
                return None
            arrays = dict(file)
        shape = arrays["x_i"].shape
        shapes = {name: shape for name in {"x_i", "y_j", "x_ij", *arrays}} | {"alpha": shape[:3]}
        alike = len(shape) == 4 and shapes == {name: array.shape for name, array in arrays.items()}
        return (report, arrays) if alike else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, MemoryError, EOFError):
        return None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError):  # of a damaged archive
        return None


def evaluate_all(
    plan: StudyPlan, out: Path, done: dict[str, list[int]], device: str | None, photos: str | None = None
) -> tuple[Reports, dict[str, Arrays]]:
    """(`Reports`, run name -> swaps of its first seed) by `evaluate_run`.

    done: run name -> seeds; runs without any are left out.
    """
    todo = [(reading, seed) for reading in plan.runs for seed in done[reading.name]]
    where = "held-out swaps" if photos is None else Path(photos).name
    reports: Reports = {}
    grids: dict[str, Arrays] = {}
    for reading, seed in tqdm(todo, desc=f"measure on {where}", unit="training", leave=False):
        report, swaps = evaluate_run(plan, out, reading, seed, device, photos)
        reports.setdefault(reading.name, {})[seed] = report
        grids.setdefault(reading.name, swaps)
    return reports, grids


def comparable_seeds(plan: StudyPlan, out: Path) -> dict[str, list[int]]:
    """Run name -> its finished seeds that the baseline has finished, too: differences pair equal seeds.

    Raises ValueError if the baseline has no finished training.
    """

    def finished(reading: Reading) -> list[int]:
        return [seed for seed in plan.seeds if trainings.state_of(plan, out, reading, seed) == "done"]

    base = finished(*plan.choose_runs((plan.baseline,)))
    if not base:
        raise ValueError(
            f"{plan.path}: the baseline {plan.baseline} is not trained yet; omit --only, or include it"
        )
    return {one.name: [seed for seed in finished(one) if seed in base] for one in plan.runs}


def compare_all(baseline: str, reports: Reports) -> dict[str, dict[str, Any]]:
    """Run name -> `compare` with the baseline's trainings of the same seeds, all of which it has."""
    columns = {
        name: {
            seed: {
                key: np.array(values, float) for key, values in report["swaps"].items()
            }  # None becomes nan
            for seed, report in found.items()
        }
        for name, found in reports.items()
    }
    base = columns[baseline]
    return {name: compare([*runs.values()], [base[seed] for seed in runs]) for name, runs in columns.items()}


def collect_results(plan: StudyPlan, out: Path, reports: Reports) -> Results:
    """The results of a study for JSON: aggregates only, no values per swap."""
    compared, runs = compare_all(plan.baseline, reports), {}
    for reading in (one for one in plan.runs if one.name in reports):
        found = reports[reading.name]
        logs = [trainings.run_of(out, reading, seed).read_log() for seed in found]
        runs[reading.name] = {
            "about": reading.about,
            "changes": reading.changes,
            **({"photoshoot": reading.shoot_changes} if reading.shoot_changes else {}),
            "seeds": list(found),
            "sha256": [report["sha256"] for report in found.values()],
            "seconds": [report["metadata"].get("seconds") for report in found.values()],
            "measures": compared[reading.name],
            "curves": [trainings.condense_scores(log) for log in logs],
        }
    base = next(iter(reports[plan.baseline].values()))
    origin = (base["metadata"].get("data") or {}).get("provenance") or {}
    version = origin.get("version") if origin.get("program") == "data_prep photoshoot" else None
    missing = {r.name: [s for s in plan.seeds if s not in reports.get(r.name, {})] for r in plan.runs}
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
        "photoshoot": {**plan.shoot, "size": list(plan.shoot["size"]), "version": version},
        "config": plan.common,
        "versions": base["metadata"].get("versions"),
        "devices": sorted({trained_on(report) for found in reports.values() for report in found.values()}),
        "runs": runs,
        "missing": {name: seeds for name, seeds in missing.items() if seeds},
    }


def trained_on(report: dict[str, Any]) -> str:
    """The device and the precision of a run's training, for example "NVIDIA H200, tf32"."""
    about = report["metadata"]
    words = str(about.get("kernels")).split()  # see `backends.jax.kernels`; those in C++ have one precision
    precision = next((word for word in words if word in PRECISIONS), PRECISIONS[0])
    return f"{about.get('device', 'an unknown device')}, {precision}"


def write_study(
    plan: StudyPlan, out: Path, device: str | None, copy: str | None = None, photos: str | None = None
) -> None:
    """Evaluate every finished training; write OUT/results.json, table.md, grid.png and differences.png.

    copy: also results and plots there; photos: also measure on this photo file.
    Raises ValueError if the baseline has no finished training.
    """
    done = comparable_seeds(plan, out)
    reports, grids = evaluate_all(plan, out, done, device)
    results = collect_results(plan, out, reports)
    if photos is not None:
        there, _ = evaluate_all(plan, out, done, device, photos)
        base = next(iter(there[plan.baseline].values()))
        results["photos"] = {"data": Path(photos).name, "n": base["n"], "people": base["people"]}
        for name, entries in compare_all(plan.baseline, there).items():
            results["runs"][name]["photos"] = entries
    text = json.dumps(results, indent=1, sort_keys=False, allow_nan=False) + "\n"
    grid = pictures.draw_grid(grids, plan.baseline, f"{plan.title}; {plan.steps} steps, seed {plan.seeds[0]}")
    plot, markdown = pictures.plot_differences(results), document.write_study(results)
    files: dict[Path, str | bytes] = {
        out / "results.json": text,
        out / "table.md": markdown + "\n",
        out / "grid.png": grid,
        out / "differences.png": plot,
    }
    if copy:
        path = Path(copy)
        files |= {path: text, path.with_suffix(".png"): grid}
        files[path.with_name(f"{path.stem}_differences.png")] = plot
    for path, content in files.items():
        write_atomically(path, content)
        click.echo(f"wrote {path}")
    click.echo(markdown)


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
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of trainings at a time, each on its share of the cores. Small networks use one core "
    "well and several badly.",
)
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False),
    help="Train and evaluate on this photo file instead of the plan's photoshoot: on its first pairs, as "
    "many as the plan has, reduced to the plan's size, and on its whole test split.",
)
@options.device_option
@options.precision_option
def command(
    plan: str,
    out: str | None,
    only: tuple[str, ...],
    listed: bool,
    results: str | None,
    photos: str | None,
    jobs: int,
    data: str | None,
    device: str | None,
    precision: str,
) -> None:
    """Train the missing runs of PLAN, then evaluate and compare all runs.

    PLAN is a file or the name of a shipped plan, such as readings.  Writes results.json, table.md,
    grid.png (the same swaps for each run) and differences.png to --out.  --precision is that of the
    trainings; runs are evaluated in float32.
    """
    study = dataclasses.replace(read_plan(plan), data=data or "")
    names = ["ablations", Path(study.path).stem, *([Path(data).stem] if data else [])]
    folder = Path(out) if out else Path("runs") / "_".join(names)
    chosen = study.choose_runs(only)
    if results:  # before hours of training
        check_folder(results)
    if listed:
        for reading in chosen:
            for seed in study.seeds:
                state = trainings.state_of(study, folder, reading, seed)
                click.echo(f"{reading.name:<24}seed {seed:<4}{state:<9}{reading.about}")
        return
    how = [*(["--device", device] if device else []), "--precision", precision]
    trainings.train_missing(study, folder, chosen, how, jobs)
    write_study(study, folder, device, results, photos)
