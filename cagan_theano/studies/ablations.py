"""Train and compare variants of the method, one change at a time, from a plan file.

    cagan ablations readings [--only NAME] [--list]

Trains only what is missing, so it can be interrupted and restarted at any time.  Each training is a
run folder of `cagan train`; the plan's format is described in cagan_theano/studies/plan.py.
"""

import dataclasses
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cagan_theano import options, weights
from cagan_theano.backends import PRECISIONS
from cagan_theano.evaluation import evaluate, held_out, measures
from cagan_theano.io import metadata
from cagan_theano.io.command import Command
from cagan_theano.io.files import check_folder, digest_of, write_atomically
from cagan_theano.io.text import escape
from cagan_theano.studies import document, pictures, trainings
from cagan_theano.studies.comparison import Results, compare
from cagan_theano.studies.plan import Reading, StudyPlan, read_plan

EXAMPLES = 4
"""Swaps in the grid."""

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
    own, digest = trainings.images_of(plan, reading, out), None if photos is None else digest_of(photos)
    report = read_evaluation(stored, examples, step=plan.steps, version=evaluate.VERSION, photos=digest)
    if report is None:
        path = folder.checkpoint_path(plan.steps)
        model = weights.load_model(path, "auto", device)
        with held_out.open_split(photos or own.made(), model) as held:
            report = evaluate.report(path, model, held, measures.measure(model, held))
            images = held_out.read(held, held_out.all_swaps(held, EXAMPLES))
            images |= held_out.swap(model, held, images)._asdict()
        shown = {key: images[key] for key in ("x_i", "y_j", "truth", "x_ij", "alpha")}
        data = io.BytesIO()
        np.savez_compressed(data, **{key: image for key, image in shown.items() if image is not None})
        write_atomically(examples, data.getvalue())
        report = json.loads(json.dumps(report | {"photos": digest}))
        text = json.dumps(report | {"seal": seal(report, examples)}, sort_keys=True, allow_nan=False)
        write_atomically(stored, text + "\n")
    trained_with = (report["metadata"].get("data") or {}).get("provenance")
    if trained_with not in (None, own.provenance):
        raise ValueError(
            f"{folder.path}: was trained on other images than {own.path.name}; give another --out, or "
            "remove it"
        )
    with np.load(examples, allow_pickle=False) as file:
        return report, dict(file)


def read_evaluation(stored: Path, examples: Path, **wanted: Any) -> dict[str, Any] | None:
    """The report that `evaluate_run` stored; None if it or the examples are damaged, or others are wanted."""
    try:
        report: dict[str, Any] = metadata.read_file(stored, {})
        whole = examples.is_file() and report.pop("seal", "") == seal(report, examples)
        return report if whole and wanted.items() <= report.items() else None
    except (OSError, ValueError):
        return None


def seal(report: dict[str, Any], examples: Path) -> str:
    """A digest of a report and of the file of its examples, by which damage is noticed."""
    return hashlib.sha256(f"{json.dumps(report, sort_keys=True)} {digest_of(examples)}".encode()).hexdigest()


def evaluate_all(
    plan: StudyPlan, out: Path, device: str | None, photos: str | None = None
) -> tuple[Reports, dict[str, Arrays]]:
    """(`Reports`, run name -> swaps of its first seed) of all finished runs, by `evaluate_run`.

    Of the seeds that the baseline has finished, too: differences pair equal seeds.  Raises ValueError if the
    baseline has no finished training.
    """
    pairs = [(reading, seed) for reading in plan.runs for seed in plan.seeds]
    done = [(r, seed) for r, seed in pairs if trainings.state_of(plan, out, r, seed) == "done"]
    base = {seed for reading, seed in done if reading.name == plan.baseline}
    if not base:
        raise ValueError(
            f"{plan.path}: the baseline {plan.baseline} is not trained yet; omit --only, or include it"
        )
    where = "held-out swaps" if photos is None else Path(photos).name
    reports: Reports = {}
    grids: dict[str, Arrays] = {}
    todo = [(reading, seed) for reading, seed in done if seed in base]
    for reading, seed in tqdm(todo, desc=f"measure on {where}", unit="training", leave=False):
        report, swaps = evaluate_run(plan, out, reading, seed, device, photos)
        reports.setdefault(reading.name, {})[seed] = report
        grids.setdefault(reading.name, swaps)
    return reports, grids


def compare_all(baseline: str, reports: Reports) -> dict[str, dict[str, Any]]:
    """Run name -> `compare` with the baseline's trainings of the same seeds, all of which it has."""

    def columns(report: dict[str, Any]) -> dict[str, NDArray[Any]]:
        return {key: np.array(values, float) for key, values in report["swaps"].items()}  # None becomes nan

    found = {name: {seed: columns(one) for seed, one in runs.items()} for name, runs in reports.items()}
    return {
        name: compare([*runs.values()], [found[baseline][seed] for seed in runs])
        for name, runs in found.items()
    }


def collect_results(plan: StudyPlan, reports: Reports) -> Results:
    """The results of a study for JSON: aggregates only, no values per swap."""
    compared, runs = compare_all(plan.baseline, reports), {}
    for reading in (one for one in plan.runs if one.name in reports):
        found = reports[reading.name]
        runs[reading.name] = {
            "about": reading.about,
            "changes": reading.changes,
            **({"photoshoot": reading.shoot_changes} if reading.shoot_changes else {}),
            "seeds": list(found),
            "sha256": [report["sha256"] for report in found.values()],
            "seconds": [report["metadata"].get("seconds") for report in found.values()],
            "measures": compared[reading.name],
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
    reports, grids = evaluate_all(plan, out, device)
    results = collect_results(plan, reports)
    if photos is not None:
        there, _ = evaluate_all(plan, out, device, photos)
        base = next(iter(there[plan.baseline].values()))
        results["photos"] = {"data": Path(photos).name, "n": base["n"], "people": base["people"]}
        for name, entries in compare_all(plan.baseline, there).items():
            results["runs"][name]["photos"] = entries
    text = json.dumps(results, indent=1, sort_keys=False, allow_nan=False) + "\n"
    grid = pictures.draw_grid(grids, plan.baseline, f"{plan.title}; {plan.steps} steps, seed {plan.seeds[0]}")
    plot, markdown = pictures.plot_differences(results), document.write_study(results)
    files: dict[Path, str | bytes] = {out / "table.md": markdown + "\n", out / "results.json": text}
    files |= {out / "grid.png": grid, out / "differences.png": plot}
    if copy:
        path = Path(copy)
        files |= {path: text, path.with_suffix(".png"): grid}
        files[path.with_name(f"{path.stem}_differences.png")] = plot
    for path, content in files.items():
        write_atomically(path, content)
        click.echo(f"wrote {path}")
    click.echo(markdown)


# fmt: off
@click.command(cls=Command)
@click.argument("plan", type=click.Path(dir_okay=False))
@click.option("--out", type=click.Path(file_okay=False), default=None,
              help="Folder for run folders and results.  [default: runs/ablations_PLAN, or "
                   "runs/ablations_PLAN_DATA]")
@click.option("--only", multiple=True, metavar="NAME", help="Train only this run; may be repeated.")
@click.option("--list", "listed", is_flag=True, help="List which trainings are done, begun or missing.")
@click.option("--results", type=click.Path(dir_okay=False),
              help="Also write the results to this file and the plots next to it, for example "
                   "docs/results/ablations_NAME.json.")
@click.option("--photos", type=click.Path(exists=True, dir_okay=False),
              help="Also evaluate each run on the test split of this photo file, for example of real photos.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True,
              help="Number of trainings at a time, each on its share of the cores. Small networks use one "
                   "core well and several badly.")
@click.option("--data", type=click.Path(exists=True, dir_okay=False),
              help="Train and evaluate on this photo file instead of the plan's photoshoot: on its first "
                   "pairs, as many as the plan has, reduced to the plan's size, and on its whole test split.")
@options.device_option
@options.precision_option
# fmt: on
def command(
    plan: str, out: str | None, only: tuple[str, ...], listed: bool, results: str | None,
    photos: str | None, jobs: int, data: str | None, device: str | None, precision: str,
) -> None:  # fmt: skip
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
                click.echo(f"{reading.name:<24}seed {seed:<4}{state:<9}{escape(reading.about)}")
        return
    how = [*(["--device", device] if device else []), "--precision", precision]
    trainings.train_missing(study, folder, chosen, how, jobs)
    write_study(study, folder, device, results, photos)
