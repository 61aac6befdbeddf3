"""A replication as one HTML file: weights, claims, measures, curves, figures, commands to reproduce it.

    python replicate/report.py OUT.html [--checkpoint H5] [--run FOLDER] [--figures FOLDER]
                               [--results FOLDER] [--evaluation JSON]

Missing parts are left out.  The file is self-contained: it loads and runs nothing.
"""

import dataclasses
import hashlib
import io
import json
import re
import shlex
import sys
from pathlib import Path

import click
import jinja2
from PIL import Image

import cagan_theano
from cagan_theano import options, weights
from cagan_theano.checkpoint import load_checkpoint
from cagan_theano.config import Config
from cagan_theano.io.command import Command, Output
from cagan_theano.io.files import write_atomically
from cagan_theano.io.metadata import SHOT
from cagan_theano.io.page import data_uri, render
from cagan_theano.io.text import one_line, printable
from cagan_theano.learning.run_folder import RunFolder
from cagan_theano.learning.scores import condensed_log
from cagan_theano.studies.trainings import options_of

MAX_BYTES = 32 << 20
"""Larger images and JSON files are refused."""

SECTIONS = (
    ("weights", "Weights"),
    ("claims", "Claims"),
    ("measures", "Measures"),
    ("comparison", "Other systems"),
    ("curves", "Training"),
    ("figures", "Figures"),
    ("settings", "Settings"),
    ("commands", "How to reproduce it"),
)
ANCHORS = {"curves": "training", "commands": "reproduce"}


class Files:
    """Reads files and records their SHA-256, which the report lists."""

    def __init__(self):
        self.digests = {}

    def read(self, path) -> bytes:
        """The bytes of a file.  Raises ValueError if it is too large, OSError if it is missing."""
        path = Path(path)
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"{path}: is larger than {MAX_BYTES >> 20} MB; give another file")
        content = path.read_bytes()
        self.digests[path.name] = hashlib.sha256(content).hexdigest()
        return content

    def json(self, path):
        """The object in a JSON file, None if there is no file.  Raises ValueError for any other content."""
        if not Path(path).is_file():
            return None
        try:
            value = json.loads(self.read(path))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: is not JSON ({error}); generate it again") from error
        if not isinstance(value, dict):
            raise ValueError(f"{path}: does not contain a JSON object; generate it again")
        return value


def formatted(value) -> str:
    """A float with four decimals (one if it is large), other values as text, "-" for None."""
    if value is None:
        return "-"
    return f"{value:.{4 if abs(value) < 100 else 1}f}" if isinstance(value, float) else str(value)


def estimate(entry) -> dict:
    """{value, low, high} as strings; low is None if there is no interval."""
    low, high = entry.get("low"), entry.get("high")
    return {
        "value": formatted(entry["value"]),
        "low": low is not None and formatted(low) or None,
        "high": formatted(high),
    }


def weights_of(path, checkpoint) -> list:
    """Rows (name, value) about the weights."""
    data, config = checkpoint.metadata.get("data") or {}, checkpoint.config
    rows = [
        ("file", Path(path).name),
        ("sha256 of the contents", checkpoint.sha256),
        ("steps", f"{checkpoint.step} of {config.steps}"),
        ("images", f"{config.height}x{config.width}, minibatches of {config.batch_size}"),
        ("training pairs", data.get("pairs", "unknown")),
    ]
    seconds = checkpoint.metadata.get("seconds")
    if isinstance(seconds, (int, float)):
        rows.append(("training time", f"{seconds / 3600:.2f} hours"))
    kept, known = ("backend", "device", "seed", "note"), checkpoint.metadata
    return rows + [(name, known[name]) for name in kept if name in known]


def notices_of(checkpoint) -> list:
    """Warnings at the top of the report."""
    if checkpoint.step >= checkpoint.config.steps and checkpoint.metadata.get("finished", True):
        return []
    return [
        f"Unfinished weights: training stopped at step {checkpoint.step} of "
        f"{checkpoint.config.steps}. Poor results here are no evidence against the paper."
    ]


def settings_of(config: Config) -> list:
    """Every setting with its default and its source in the paper."""
    return [
        {
            "name": spec.name,
            "value": option_value(getattr(config, spec.name)),
            "default": option_value(spec.default),
            "source": spec.metadata["source"],
            "changed": getattr(config, spec.name) != spec.default,
        }
        for spec in dataclasses.fields(Config)
    ]


def option_value(value) -> str:
    """A setting's value as written on the command line."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def claims_of(files, results) -> list:
    """The claims with their verdicts, from a results folder; [] without measurements."""
    folder = Path(results)
    measured = files.json(folder / "shipped.json")
    if measured is None:
        return []
    from cagan_theano.studies import verdicts

    studies = {path.name: files.json(path) for path in sorted(folder.glob("ablations_*.json"))}
    training = training_of(files, folder)
    return [claim_of(claim, claim.judge(measured, studies, training)) for claim in verdicts.CLAIMS]


def training_of(files, results):
    """The condensed log of a results folder, {points, samples}, or None."""
    path = Path(results) / "training.json"
    stored = files.json(path)
    try:
        return stored and condensed_log(stored)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; generate it again with claims.py --log") from error


def claim_of(claim, numbers) -> dict:
    """One claim with its verdict as plain text."""
    entries = [(plain(label), estimate(entry)) for label, entry in numbers.entries.items()]
    return {
        "title": claim.title,
        "where": claim.where,
        "rule": claim.rule,
        "verdict": numbers.verdict,
        "remark": plain(numbers.remark),
        "entries": entries,
    }


def plain(text) -> str:
    """Text without the backticks and links of Markdown."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text.replace("`", ""))


def measures_of(evaluation) -> list:
    """The measures of an evaluation as strings, in the order of its table."""
    from cagan_theano.evaluation.measures import MEASURES

    found, order = evaluation["measures"], [measure.name for measure in MEASURES]
    names = [name for name in order if name in found] + sorted(set(found) - set(order))
    return [
        {"name": name, "meaning": found[name].get("meaning", ""), **estimate(found[name])} for name in names
    ]


def measured_on(evaluation, checkpoint) -> str:
    """The data of an evaluation, and a warning if it used other weights."""
    return (
        f"{evaluation['n']} held-out swaps of {evaluation['data']}; {evaluation['interval']}."
        + other_weights(evaluation, checkpoint)
    )


def other_weights(evaluation, checkpoint) -> str:
    """A warning if an evaluation used weights different from the report's, else ""."""
    if evaluation["sha256"] == checkpoint.sha256:
        return ""
    return (
        f" Measured with OTHER weights: {evaluation['checkpoint']}, step {evaluation['step']}, sha256 "
        f"{evaluation['sha256'][:12]}."
    )


def comparison_of(stored) -> dict:
    """The table of `compare.json`: this system, the others, the baselines."""
    from cagan_theano.evaluation.systems import BASELINES, WITHOUT_ALPHA, cell

    measures = stored["measures"]
    names = [stored["ours"], *stored["systems"], *BASELINES]
    return {
        "n": stored["n"],
        "names": names,
        "rows": [(name, [cell(measures[system][name]) for system in names]) for name in WITHOUT_ALPHA],
    }


def curves_of(files, run, results) -> list:
    """Loss curves and the latest samples of a run folder, or the curves of training.json."""
    from cagan_theano.learning.samples import loss_curves

    if run is None:
        stored = training_of(files, results) or {"points": [], "samples": []}
        lines = stored["points"] + stored["samples"]
        plot = loss_curves(lines, "training, means between points")
        title = "Losses and held-out scores by step"
        return [{"title": title, "src": data_uri(plot, "png")}] if plot else []
    folder = RunFolder(run)
    folder.check_old()
    found, samples = [], sorted(folder.samples.glob("step_*.png"))
    log = folder.path / "log.jsonl"
    if log.is_file():
        files.read(log)
    plot = loss_curves(folder.read_log(), folder.path.resolve().name)
    if plot:
        found.append({"title": "Losses and held-out scores by step", "src": data_uri(plot, "png")})
    return found + [
        {"title": f"Held-out swaps during training: {path.name}", "src": data_uri(files.read(path), "png")}
        for path in samples[-1:]
    ]


def figures_of(files, folder, checkpoint) -> list:
    """The figures of a folder with their PNG metadata, in the order of their numbers."""
    names = ((re.fullmatch(r"figure(\d+)|compare", path.stem), path) for path in Path(folder).glob("*.png"))
    ordered = sorted((int(name[1] or sys.maxsize), path) for name, path in names if name)
    return [figure_of(path, files.read(path), checkpoint) for _, path in ordered]


def figure_of(path, content, checkpoint) -> dict:
    """One figure and the weights it was made with: the report's, other shipped ones, or unknown ones."""
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            attributes = dict(image.text)
    except (OSError, ValueError, SyntaxError) as error:
        raise ValueError(f"{path}: is not a PNG file ({error}); generate it again") from error
    listed = [name for name in ("Checkpoint", "Step", "Seed", "Data") if name in attributes]
    sha256, name = attributes.get("Checkpoint-SHA256", checkpoint.sha256), attributes.get("Checkpoint", "")
    same = sha256 == checkpoint.sha256
    shipped = not same and is_shipped(name, sha256)
    return {
        "name": path.name,
        "title": attributes.get("Title", path.stem),
        "src": data_uri(content, "png"),
        "origin": "".join(f"; {name.lower()} {attributes[name]}" for name in listed),
        "checkpoint": name if shipped else None,
        "note": f"Made with other shipped weights than this report's: {name}." if shipped else "",
        "warning": "" if same or shipped else f"Made with OTHER weights: sha256 {sha256[:12]}.",
    }


def is_shipped(name, sha256) -> bool:
    """Whether shipped weights have this file name and digest, such as those of 256x192 for Figure 5."""
    path = weights.folder() / Path(name).name
    known = path.suffix == ".h5" and weights.NAMES.fullmatch(path.stem) and path.is_file()
    return bool(known) and load_checkpoint(path).sha256 == sha256


def commands_of(path, checkpoint, figures) -> list:
    """Command lines that reproduce the data, the weights, the figures and the numbers."""
    name = f"checkpoints/{Path(path).name}"
    programs = [
        (Path(figure["name"]).stem, figure.get("checkpoint"))
        for figure in figures
        if figure["name"].startswith("figure")
    ]
    return [
        *data_commands(checkpoint),
        *training_commands(checkpoint),
        *(
            shell("python", f"replicate/{program}.py", "--checkpoint", f"checkpoints/{own}" if own else name)
            for program, own in (*programs, ("evaluate", None), ("claims", None))
        ),
        shell("python replicate/report.py report.html --checkpoint", name),
    ]


def data_commands(checkpoint) -> list:
    """Command lines that render the training data again, as train.h5; [] for other data."""
    from cagan_theano.evaluation import shoots

    data, lines = checkpoint.metadata.get("data") or {}, []
    origin = data.get("provenance") or {}
    if origin.get("program") != SHOT:
        return []
    given = origin.get("arguments") or {}
    if "version" in origin and (reason := shoots.older(checkpoint)):
        lines.append(
            shell("# the closest to the training data, which cannot be rendered again:", one_line(reason))
        )  # quoted too: not every shell supports comments
    reduced = "resized" in origin
    size = f"{checkpoint.config.height}x{checkpoint.config.width}"
    words = ["--pairs", given.get("pairs", data.get("pairs"))]
    words += [
        "--size",
        "x".join(map(str, given.get("size", []))) if reduced else size,
        "--seed",
        origin.get("seed"),
    ]
    words += ["--held-out", given["held_out"]] if "held_out" in given else []
    words += ["--wardrobe", given["wardrobe"]] if given.get("wardrobe", "paper") != "paper" else []
    words += ["--true-swaps", given["true_swaps"]] if "true_swaps" in given else []
    words += ["--clutter"] * bool(given.get("clutter"))
    shot = "rendered.h5" if reduced else "train.h5"
    lines.append(shell(f"python -m data_prep photoshoot {shot}", *words))
    if reduced:
        pairs = ["--pairs", origin["first_pairs"]] if "first_pairs" in origin else []
        lines.append(shell("python -m data_prep resize rendered.h5 train.h5 --size", size, *pairs))
    return lines


def training_commands(checkpoint) -> list:
    """The command line that trains the weights again; before it, what it starts from, if not shipped."""
    config, init, lines = checkpoint.config, checkpoint.metadata.get("init"), []
    words = options_of(config) + ([] if config.steps == Config().steps else ["--steps", config.steps])
    if init:
        start = shipped_name(init.get("sha256"))
        if start is None:
            start = "start.h5"
            about = f"weights of step {init.get('step')}, sha256 {init.get('sha256')}, which are not shipped"
            lines.append(shell("# start.h5:", one_line(about)))
        words += ["--init", start]
    return [*lines, shell("python -m cagan_theano train --data train.h5 --run runs/again", *words)]


def shipped_name(sha256):
    """The name of the shipped weights with this digest, or None."""
    names = (path.stem for path in sorted(weights.folder().glob("*.h5")))
    return next((name for name in names if is_shipped(f"{name}.h5", sha256)), None)


def shell(begin, *words) -> str:
    """A command line: `begin` as is, then untrusted words, each quoted for the shell."""
    return " ".join([begin, *(shlex.quote(str(word)) for word in words)])


def versions_of(checkpoint) -> list:
    """Rows (package, version in training, version now)."""
    from cagan_theano.compat import versions

    then, now = checkpoint.metadata.get("versions") or {}, versions()
    names = dict.fromkeys([*then, *now])
    return [(name, then.get(name, "-"), now.get(name, "-")) for name in names]


def contents(values) -> list:
    """Anchors and names of the sections present."""
    return [(ANCHORS.get(key, key), name) for key, name in SECTIONS if values.get(key)]


def page(path, run=None, figures=None, results=None, evaluation=None) -> str:
    """The report on a checkpoint as HTML.

    Parameters: paths; figures, results: folders that may be missing; run, evaluation: existing
    paths or None.  Raises FileNotFoundError, ValueError.
    """
    files, checkpoint = Files(), load_checkpoint(path)
    values = {
        "title": f"CAGAN replicated: {Path(path).stem}",
        "version": cagan_theano.__version__,
        "notices": notices_of(checkpoint),
        "weights": weights_of(path, checkpoint),
        "settings": settings_of(checkpoint.config),
        "versions": versions_of(checkpoint),
        "curves": curves_of(files, run, results),
        "figures": figures_of(files, figures, checkpoint),
    }
    values |= numbers_of(files, checkpoint, figures, results, evaluation)
    origin = (checkpoint.metadata.get("data") or {}).get("provenance")
    values |= {
        "provenance": json.dumps(origin, indent=1, sort_keys=True),
        "commands": commands_of(path, checkpoint, values["figures"]),
        "files": sorted(files.digests.items()),
    }
    template = Path(__file__).with_name("report.html")
    return render(template, values | {"contents": contents(values)}, jinja2.ChainableUndefined)


def numbers_of(files, checkpoint, figures, results, evaluation) -> dict:
    """The claims and the tables of measures and of other systems, if available."""
    if evaluation is not None and not Path(evaluation).is_file():
        raise FileNotFoundError(f"{evaluation}: no such file; evaluate.py --out writes it")
    source = Path(results) / "shipped.json"
    try:
        found = {"claims": claims_of(files, results)}
        if found["claims"]:
            found["claims_warning"] = other_weights(files.json(source), checkpoint)
        source = evaluation or source
        stored = files.json(source)
        if stored:
            found |= {"measures": measures_of(stored), "measured_on": measured_on(stored, checkpoint)}
        source = Path(figures) / "compare.json"
        compared = files.json(source)
        if compared and compared["measures"]:
            found["comparison"] = comparison_of(compared)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{source}: is not in the format of its program's results ({error!r}); generate it again"
        ) from error
    return found


@click.command(cls=Command)
@click.argument("out", type=Output("HTML"))
@options.checkpoint_option("128x96")
@click.option("--run", type=click.Path(), help="Run folder of the training, for curves and samples.")
@click.option(
    "--figures",
    type=click.Path(),
    default="figures",
    show_default=True,
    help="Folder with the figures and the results of compare.py.",
)
@click.option(
    "--results",
    type=click.Path(),
    default="docs/results",
    show_default=True,
    help="Folder with the results of claims.py.",
)
@click.option(
    "--evaluation",
    type=click.Path(),
    help="Measures: JSON written by evaluate.py --out.  [default: shipped.json in --results]",
)
def command(out, checkpoint, run, figures, results, evaluation):
    """Write OUT, one HTML report on a checkpoint with its measurements and figures."""
    text = printable(page(checkpoint, run, figures, results, evaluation))
    write_atomically(out, text)
    click.echo(f"wrote {out} ({len(text.encode()) / 1e6:.1f} MB)")
