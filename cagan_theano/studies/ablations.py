"""Train and compare readings of the paper, one thing changed at a time, from a plan file.

    python replicate/ablations.py first [--only NAME] [--list]

Runs what is missing and can be stopped and started again at any time.  Each training is a run
folder of `cagan train`; the plan's format: cagan_theano/studies/plan.py.
"""

import dataclasses
import io
import json
import subprocess
import sys
from pathlib import Path

import click
import numpy as np

from cagan_theano import options, weights
from cagan_theano.config import Config
from cagan_theano.evaluation import evaluate, held_out, measures
from cagan_theano.io.command import Command
from cagan_theano.io.files import write_atomically
from cagan_theano.learning.run_folder import RunFolder
from cagan_theano.studies import study
from cagan_theano.studies.plan import read_plan

SHOWN = 4
"""Swaps of the grid."""

SAMPLES = 10
"""Held-out scores along a training, for the curves."""


def data_of(plan, reading, out):
    """Path of the photo file of a run; rendered where it is missing.  Raises OSError."""
    from data_prep.photoshoot import shoot

    given, ending = plan.shoot, "_clutter" if reading.clutter else ""
    height, width = given["size"]
    path = out / f"photos_{height}x{width}_{given['pairs']}_{given['seed']}{ending}.h5"
    setting = shoot.Setting(given["seed"], (height, width), reading.clutter)
    if not held_out.is_made(path, shoot.provenance(setting, given["pairs"], given["held_out"])):
        path.parent.mkdir(parents=True, exist_ok=True)
        shoot.shoot(path, given["pairs"], given["size"], given["seed"], given["held_out"], reading.clutter)
    return path


def run_of(out, reading, seed):
    """The run folder of a training."""
    return RunFolder(out / f"{reading.name}_seed{seed}")


def state(plan, out, reading, seed):
    """ "done", "begun" or "missing"; ValueError for a folder of another configuration."""
    folder, wanted = run_of(out, reading, seed), plan.config(reading, seed)
    if not (folder.path / "config.json").is_file():
        return "missing"
    same = {"steps": plan.steps}  # a longer plan resumes a shorter one
    if folder.read_config().replace(**same) != wanted:
        raise ValueError(
            f"{folder.path}: was trained with other settings than the plan's "
            f"{reading.name}; give another --out, or remove it"
        )
    return "done" if plan.steps in folder.steps() else "begun" if folder.steps() else "missing"


def training_command(plan, out, reading, seed, device=None):
    """The command line, as a list of words, that trains a run or continues it."""
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
    """The options of the training command that give a configuration, defaults left out."""
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


def train(plan, out, reading, seed, device):
    """Train one run to its end, in a process of its own; ValueError when that fails."""
    click.echo(f"training {reading.name}, seed {seed}")
    words = training_command(plan, out, reading, seed, device)
    failed = subprocess.run(words, env=weights.child_environment(), check=False).returncode
    if failed:
        raise ValueError(
            f"{run_of(out, reading, seed).path}: the training ended with exit code "
            f"{failed}; its own message is above; the same command goes on"
        )


def evaluated(plan, out, reading, seed, device):
    """The evaluation of a finished run, read where it is stored, else made; and its swaps."""
    folder = run_of(out, reading, seed)
    path, stored = folder.checkpoint_path(plan.steps), folder.path / "evaluation.json"
    pictures = folder.path / "swaps.npz"
    if not (current(stored, plan.steps) and pictures.is_file()):
        model = weights.load_model(path, "auto", device)
        with held_out.open_split(data_of(plan, reading, out), model) as held:
            report, shown = measured(path, model, held)
        write_atomically(pictures, packed(shown))
        write_atomically(stored, json.dumps(report, sort_keys=True, allow_nan=False) + "\n")
    with np.load(pictures, allow_pickle=False) as shown:
        return json.loads(stored.read_text()), dict(shown)


def current(path, steps):
    """Whether a stored evaluation is that of the last step."""
    try:
        return json.loads(path.read_text())["step"] == steps
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def measured(path, model, held):
    """The report of a run on its held-out swaps, and the first few of them as arrays."""
    columns = measures.measure(model, held)
    report = evaluate.report(path, model, held, columns, 0)
    swaps = measures.all_swaps(held, SHOWN)
    pictures = measures.read(held, swaps, np.arange(len(swaps.i)))
    swap = held_out.dress(model, held, pictures["x_i"], pictures["y_i"], pictures["y_j"], pictures["mask_i"])
    shown = {key: pictures[key] for key in ("x_i", "y_j", "truth")}
    return report, shown | {"x_ij": swap.x_ij, "alpha": swap.alpha}


def packed(arrays):
    """Arrays as the bytes of an NPZ file."""
    data = io.BytesIO()
    np.savez_compressed(data, **arrays)
    return data.getvalue()


def gather(plan, out, device=None):
    """Evaluate every finished training: (results for the JSON, pictures, rows of the grid).

    Raises ValueError while the baseline has no finished training.
    """
    done = {r.name: [s for s in plan.seeds if state(plan, out, r, s) == "done"] for r in plan.runs}
    if not done[plan.baseline]:
        raise ValueError(
            f"{plan.path}: the baseline {plan.baseline} is not trained yet; leave --only out, or name it"
        )
    reports, grids = {}, {}
    for reading in (r for r in plan.runs if done[r.name]):
        found = [evaluated(plan, out, reading, seed, device) for seed in done[reading.name]]
        reports[reading.name], grids[reading.name] = [f[0] for f in found], found[0][1]
    first = grids[plan.baseline]
    return (
        results(plan, out, done, reports),
        {key: first[key] for key in ("x_i", "y_j", "truth")},
        {name: (shown["x_ij"], shown["alpha"]) for name, shown in grids.items()},
    )


def results(plan, out, done, reports):
    """The results of a study as JSON: small, without any swap's own numbers."""
    columns = {name: [study.columns_of(r) for r in found] for name, found in reports.items()}
    base, runs = reports[plan.baseline][0], {}
    for reading in (r for r in plan.runs if r.name in reports):
        seeds = done[reading.name]
        paired = [
            columns[plan.baseline][k] for k, seed in enumerate(done[plan.baseline]) if seed in seeds
        ] or columns[plan.baseline]
        runs[reading.name] = {
            "about": reading.about,
            "changes": reading.changes,
            "clutter": reading.clutter,
            "seeds": seeds,
            "sha256": [r["sha256"] for r in reports[reading.name]],
            "seconds": [r["metadata"].get("seconds") for r in reports[reading.name]],
            "measures": study.compared(columns[reading.name], paired),
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
        "photoshoot": {**plan.shoot, "size": list(plan.shoot["size"])},
        "config": plan.common,
        "versions": base["metadata"].get("versions"),
        "runs": runs,
        "missing": {name: seeds for name, seeds in missing.items() if seeds},
    }


def show_state(plan, out, chosen):
    """One line for each training: its run, seed and state."""
    for reading in chosen:
        for seed in plan.seeds:
            click.echo(f"{reading.name:<24}seed {seed:<4}{state(plan, out, reading, seed):<9}{reading.about}")


def write_study(plan, out, device, copy=None):
    """Write OUT/results.json, table.md, grid.png and differences.png, and copies of the results."""
    found, pictures, rows = gather(plan, out, device)
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
    click.echo(study.markdown(found))


@click.command(cls=Command)
@click.argument("plan", type=click.Path(dir_okay=False))
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    default=None,
    help="Folder of run folders and results.  [default: runs/ablations_PLAN]",
)
@click.option(
    "--only", multiple=True, metavar="NAME", help="Train this run only; may be given several times."
)
@click.option("--list", "listed", is_flag=True, help="Show what is done and what is missing.")
@click.option("--no-training", is_flag=True, help="Compare what is there; train nothing.")
@click.option(
    "--results",
    type=click.Path(dir_okay=False),
    help="A second place for the results and, beside it, their pictures, such as "
    "docs/results/ablations_NAME.json.",
)
@options.device_option
def command(plan, out, only, listed, no_training, results, device):
    """Train every run of PLAN that is missing, evaluate all, and compare them.

    Writes results.json, table.md, grid.png (the same swaps under each run) and differences.png
    into --out.
    """
    plan = read_plan(plan)
    out = Path(out) if out else Path("runs") / f"ablations_{Path(plan.path).stem}"
    chosen = plan.named(only)
    if listed:
        show_state(plan, out, chosen)
        return
    for seed in plan.seeds if not no_training else ():  # a seed of every run before the next seed
        for reading in chosen:
            if state(plan, out, reading, seed) != "done":
                train(plan, out, reading, seed, device)
    write_study(plan, out, device, results)
