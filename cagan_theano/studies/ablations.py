"""Train and compare variants of the method, one change at a time, from a plan file.

    python replicate/ablations.py first [--only NAME] [--list]

Trains only what is missing, so it can be interrupted and restarted at any time.  Each training is a
run folder of `cagan train`; the plan's format is described in cagan_theano/studies/plan.py.
"""

import dataclasses
import io
import json
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from cagan_theano import options, weights
from cagan_theano.backends import PRECISIONS
from cagan_theano.evaluation import evaluate, held_out, measures
from cagan_theano.io.command import Command
from cagan_theano.io.files import check_folder, check_markers, digest_of, write_atomically, write_between
from cagan_theano.studies import scaling, study, trainings
from cagan_theano.studies.agreement import agreement, read_studies
from cagan_theano.studies.plan import read_plan

EXAMPLES = 4
"""Swaps in the grid."""

MARKERS = "<!-- study {} -->", "<!-- end of study {} -->"
"""Around the tables of a plan in a document, with the name of the plan."""


def markers_of(plan):
    """The ``MARKERS`` of a plan."""
    return [marker.format(Path(plan.path).stem) for marker in MARKERS]


def evaluated(plan, out, reading, seed, device, photos=None):
    """(report, arrays of example swaps) of a finished run: read if stored, else computed and stored.

    photos: the photo file to evaluate on instead of the study's held-out images.
    """
    folder, ending = trainings.run_of(out, reading, seed), "" if photos is None else "_photos"
    path, stored = folder.checkpoint_path(plan.steps), folder.path / f"evaluation{ending}.json"
    examples = folder.path / f"swaps{ending}.npz"
    if not (current(stored, plan.steps, photos) and examples.is_file()):
        model = weights.load_model(path, "auto", device)
        with held_out.open_split(photos or trainings.data_of(plan, reading, out), model) as held:
            report, arrays = measured(path, model, held)
        report |= {"photos": None if photos is None else digest_of(photos)}
        write_atomically(examples, packed(arrays))
        write_atomically(stored, json.dumps(report, sort_keys=True, allow_nan=False) + "\n")
    report = json.loads(stored.read_text())
    check_images(report, trainings.images_of(plan, reading, out), folder)
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


def current(path, steps, photos=None):
    """Whether a stored evaluation is of the last step, of this version, and of the same photos."""
    try:
        stored = json.loads(path.read_text())
        if (stored["step"], stored["version"]) != (steps, evaluate.VERSION):
            return False
        return photos is None or stored["photos"] == digest_of(photos)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def measured(path, model, held):
    """The report of a run on its held-out swaps, and the swaps of `examples` as arrays."""
    report = evaluate.report(path, model, held, measures.measure(model, held))
    swaps = examples(held)
    pictures = measures.read(held, swaps, np.arange(len(swaps.i)))
    swap = held_out.dress(model, held, pictures["x_i"], pictures["y_i"], pictures["y_j"], pictures["mask_i"])
    arrays = {key: pictures[key] for key in ("x_i", "y_j", "truth") if pictures[key] is not None}
    return report, arrays | {"x_ij": swap.x_ij, "alpha": swap.alpha}


def examples(held):
    """The first ``EXAMPLES`` of a split's swaps."""
    return held_out.all_swaps(held, EXAMPLES)


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
    done = comparable_seeds(plan, out)
    reports, grids = evaluate_all(plan, out, done, device)
    first = grids[plan.baseline]
    found = results(plan, out, done, reports)
    if photos is not None:
        add_photos(found, plan, out, photos, device)
    return (
        found,
        {key: first.get(key) for key in ("x_i", "y_j", "truth")},
        {name: (arrays["x_ij"], arrays["alpha"]) for name, arrays in grids.items()},
    )


def evaluate_all(plan, out, done, device, photos=None):
    """(run name -> report of each of its seeds, run name -> swaps of the first) by `evaluated`.

    done: run name -> seeds; runs without any are left out.  photos: see `evaluated`.
    """
    todo = [(reading, seed) for reading in plan.runs for seed in done.get(reading.name, [])]
    where, reports, grids = "held-out swaps" if photos is None else Path(photos).name, {}, {}
    with tqdm(total=len(todo), desc=f"measure on {where}", unit="training", leave=False) as bar:
        for reading, seed in todo:
            report, swaps = evaluated(plan, out, reading, seed, device, photos)
            reports.setdefault(reading.name, []).append(report)
            grids.setdefault(reading.name, swaps)
            bar.update()
    return reports, grids


def comparable_seeds(plan, out):
    """Run name -> its finished seeds that the baseline has finished, too: differences pair equal seeds.

    Tells which others are left out.  Raises ValueError if the baseline has no finished training.
    """
    done = {r.name: [s for s in plan.seeds if trainings.state(plan, out, r, s) == "done"] for r in plan.runs}
    base = done[plan.baseline]
    if not base:
        raise ValueError(
            f"{plan.path}: the baseline {plan.baseline} is not trained yet; omit --only, or include it"
        )
    for name, seeds in done.items():
        if apart := [str(s) for s in seeds if s not in base]:
            click.echo(f"{name}: seed {', '.join(apart)} left out, which {plan.baseline} lacks", err=True)
    return {name: [s for s in seeds if s in base] for name, seeds in done.items()}


def results(plan, out, done, reports):
    """The results of a study for JSON: aggregates only, no values per swap."""
    base, runs = reports[plan.baseline][0], {}
    compared = compare(plan, done, reports)
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
            "curves": [study.curves(trainings.run_of(out, reading, seed).read_log()) for seed in seeds],
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
        "photoshoot": {**plan.shoot, "size": list(plan.shoot["size"]), "version": photoshoot_version(base)},
        "config": plan.common,
        **({"convergence": True} if plan.convergence else {}),
        "versions": base["metadata"].get("versions"),
        "devices": sorted({trained_on(r) for found in reports.values() for r in found}),
        "runs": runs,
        "missing": {name: seeds for name, seeds in missing.items() if seeds},
    }


def photoshoot_version(report):
    """The version of the photoshoot that rendered a run's training images; None if they are others."""
    origin = (report["metadata"].get("data") or {}).get("provenance") or {}
    return origin.get("version") if origin.get("program") == "data_prep photoshoot" else None


def trained_on(report):
    """The device and the precision of a run's training, for example "NVIDIA H200, tf32"."""
    about = report["metadata"]
    words = str(about.get("kernels")).split()  # see `backends.jax.kernels`; those in C++ have one precision
    precision = next((word for word in words if word in PRECISIONS), PRECISIONS[0])
    return f"{about.get('device', 'an unknown device')}, {precision}"


def compare(plan, done, reports):
    """Run name -> `study.compared` with the baseline's trainings of the same seeds.

    done: run name -> its seeds, all of which the baseline has; reports: run name -> the evaluation of
    each of these.
    """
    columns = {name: [study.columns_of(r) for r in found] for name, found in reports.items()}
    base, compared = columns[plan.baseline], {}
    for name, runs in columns.items():
        paired = [found for seed, found in zip(done[plan.baseline], base) if seed in done[name]]
        compared[name] = study.compared(runs, paired)
    return compared


def add_photos(found, plan, out, photos, device):
    """Add each run's measures on a photo file to the results of a study."""
    done = {name: run["seeds"] for name, run in found["runs"].items()}
    reports, _ = evaluate_all(plan, out, done, device, photos)
    base = reports[plan.baseline][0]
    found["photos"] = {"data": Path(photos).name, "n": base["n"], "people": base["people"]}
    for name, measures_there in compare(plan, done, reports).items():
        found["runs"][name]["photos"] = measures_there


def list_state(plan, out, chosen):
    """Print the run, seed and state of each training."""
    for reading in chosen:
        for seed in plan.seeds:
            found = trainings.state(plan, out, reading, seed)
            click.echo(f"{reading.name:<24}seed {seed:<4}{found:<9}{reading.about}")


def write_study(plan, out, device, copy=None, photos=None, document=None, against=()):
    """Write OUT/results.json, table.md, grid.png and differences.png, and pairs.png of a study of pairs.

    copy: also results and plots there; photos: also measure on this photo file; document: also insert
    the table there; against: `read_studies` of others, with which the order of the runs is compared.
    """
    found, pictures, rows = gather(plan, out, device, photos)
    if against:
        found["agreement"] = agreement(found, against)
    text = json.dumps(found, indent=1, sort_keys=False, allow_nan=False) + "\n"
    note = f"{plan.title}; {plan.steps} steps, seed {plan.seeds[0]}"
    grid = study.grid(pictures, rows, note)
    plots = {"differences": study.plot(found)}
    if scaling.pairs_of(found):
        plots["pairs"] = scaling.plot(found)
    files = {
        out / "results.json": text,
        out / "table.md": study.markdown(found) + "\n",
        out / "grid.png": grid,
        **{out / f"{name}.png": plot for name, plot in plots.items()},
    }
    if copy:
        copy = Path(copy)
        files |= {copy: text, copy.with_suffix(".png"): grid}
        files |= {copy.with_name(f"{copy.stem}_{name}.png"): plot for name, plot in plots.items()}
    for path, content in files.items():
        write_atomically(path, content)
        click.echo(f"wrote {path}")
    if document:
        write_between(document, study.markdown(found), *markers_of(plan))
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
@options.precision_option
def command(
    plan, out, only, listed, no_training, results, photos, document, jobs, against, data, device, precision
):
    """Train the missing runs of PLAN, then evaluate and compare all runs.

    Writes results.json, table.md, grid.png (the same swaps for each run) and differences.png to
    --out.  --precision is that of the trainings; runs are evaluated in float32.
    """
    plan = dataclasses.replace(read_plan(plan), data=data or "")
    names = ["ablations", Path(plan.path).stem, *([Path(data).stem] if data else [])]
    out = Path(out) if out else Path("runs") / "_".join(names)
    chosen = plan.named(only)
    studies = read_studies(against, plan.baseline)  # these before hours of training
    if document:
        check_markers(document, *markers_of(plan))
    if results:
        check_folder(results)
    if listed:
        list_state(plan, out, chosen)
        return
    if not no_training:
        how = [*(["--device", device] if device else []), "--precision", precision]
        trainings.train_missing(plan, out, chosen, how, jobs)
    write_study(plan, out, device, results, photos, document, studies)
