"""A replication as one HTML file: weights, claims, measures, curves, figures, how to make it again.

    python replicate/report.py OUT.html [--checkpoint H5] [--run FOLDER] [--figures FOLDER]
                               [--results FOLDER] [--evaluation JSON]

What is not there is left out.  The file needs nothing else, loads nothing and runs nothing.
"""

import base64
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
from cagan_theano import options
from cagan_theano.checkpoint import load_checkpoint
from cagan_theano.config import Config
from cagan_theano.io.command import Command, Output
from cagan_theano.io.files import write_atomically
from cagan_theano.io.text import one_line, printable
from cagan_theano.learning.run_folder import RunFolder
from cagan_theano.learning.scores import condensed_log

MAX_BYTES = 32 << 20
"""Larger pictures and JSON files are refused."""

SECTIONS = (
    ("weights", "Weights"),
    ("claims", "Claims"),
    ("measures", "Measures"),
    ("comparison", "Other systems"),
    ("curves", "Training"),
    ("figures", "Figures"),
    ("settings", "Settings"),
    ("commands", "To make it again"),
)
ANCHORS = {"curves": "training", "commands": "again"}


class Files:
    """Reads files and remembers their hashes, which the report lists."""

    def __init__(self):
        self.digests = {}

    def read(self, path) -> bytes:
        """The bytes of a file; ValueError where it is too large, OSError where it is not there."""
        path = Path(path)
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"{path}: is larger than {MAX_BYTES >> 20} MB; give another file")
        content = path.read_bytes()
        self.digests[path.name] = hashlib.sha256(content).hexdigest()
        return content

    def json(self, path):
        """The object in a JSON file, None where there is no file; ValueError where it is none."""
        if not Path(path).is_file():
            return None
        try:
            value = json.loads(self.read(path))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: is not JSON ({error}); make it again") from error
        if not isinstance(value, dict):
            raise ValueError(f"{path}: holds no JSON object; make it again")
        return value


def picture_source(content: bytes) -> str:
    """PNG bytes as the source of an HTML image."""
    return "data:image/png;base64," + base64.b64encode(content).decode()


def shown(value) -> str:
    """A number to four places (one, where it is large), a text as it is, "-" for none."""
    if value is None:
        return "-"
    return f"{value:.{4 if abs(value) < 100 else 1}f}" if isinstance(value, float) else str(value)


def estimate(entry) -> dict:
    """{value, low, high} as texts; low is None where there is no interval."""
    low, high = entry.get("low"), entry.get("high")
    return {
        "value": shown(entry["value"]),
        "low": low is not None and shown(low) or None,
        "high": shown(high),
    }


def weights_of(path, checkpoint) -> list:
    """Rows (name, value) about the weights."""
    data, config = checkpoint.metadata.get("data") or {}, checkpoint.config
    rows = [
        ("file", Path(path).name),
        ("sha256 of the contents", checkpoint.sha256),
        ("steps", f"{checkpoint.step} of {config.steps}"),
        ("pictures", f"{config.height}x{config.width}, minibatches of {config.batch_size}"),
        ("training pairs", data.get("pairs", "not known")),
    ]
    seconds = checkpoint.metadata.get("seconds")
    if isinstance(seconds, (int, float)):
        rows.append(("training time", f"{seconds / 3600:.2f} hours"))
    kept, known = ("backend", "device", "seed", "note"), checkpoint.metadata
    return rows + [(name, known[name]) for name in kept if name in known]


def notices_of(checkpoint) -> list:
    """What a reader must know before the pictures."""
    if checkpoint.step >= checkpoint.config.steps and checkpoint.metadata.get("finished", True):
        return []
    return [
        f"Unfinished weights: training stopped at step {checkpoint.step} of "
        f"{checkpoint.config.steps}. What falls short here says nothing against the paper."
    ]


def settings_of(config: Config) -> list:
    """Every setting with its default and its source in the paper."""
    return [
        {
            "name": spec.name,
            "value": written(getattr(config, spec.name)),
            "default": written(spec.default),
            "source": spec.metadata["source"],
            "changed": getattr(config, spec.name) != spec.default,
        }
        for spec in dataclasses.fields(Config)
    ]


def written(value) -> str:
    """A setting's value as the command line takes it."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def claims_of(files, results) -> list:
    """The claims with their verdicts, from a results folder; [] where nothing was measured."""
    folder = Path(results)
    measured = files.json(folder / "shipped.json")
    if measured is None:
        return []
    from cagan_theano.studies import verdicts

    studies = {path.name: files.json(path) for path in sorted(folder.glob("ablations_*.json"))}
    training = training_of(files, folder)
    return [claim_of(claim, claim.judge(measured, studies, training)) for claim in verdicts.CLAIMS]


def training_of(files, results):
    """The condensed log of a results folder, {points, samples}; None where there is none."""
    path = Path(results) / "training.json"
    stored = files.json(path)
    try:
        return stored and condensed_log(stored)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; make it again with claims.py --log") from error


def claim_of(claim, numbers) -> dict:
    """One claim with its verdict as texts, without Markdown."""
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
    """A text without Markdown's backticks and links."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text.replace("`", ""))


def measures_of(evaluation) -> list:
    """The measures of an evaluation as texts, in the order of its own table."""
    from cagan_theano.evaluation.measures import MEASURES

    found, order = evaluation["measures"], [measure.name for measure in MEASURES]
    names = [name for name in order if name in found] + sorted(set(found) - set(order))
    return [
        {"name": name, "meaning": found[name].get("meaning", ""), **estimate(found[name])} for name in names
    ]


def measured_on(evaluation, checkpoint) -> str:
    """What an evaluation was made on, and whether with these weights."""
    return (
        f"{evaluation['n']} held-out swaps of {evaluation['data']}; {evaluation['interval']}."
        + other_weights(evaluation, checkpoint)
    )


def other_weights(evaluation, checkpoint) -> str:
    """A sentence that says so where an evaluation is of other weights than the report's."""
    if evaluation["sha256"] == checkpoint.sha256:
        return ""
    return (
        f" Of OTHER weights: {evaluation['checkpoint']}, step {evaluation['step']}, sha256 "
        f"{evaluation['sha256'][:12]}."
    )


def comparison_of(stored) -> dict:
    """The table of `compare.json`: ours, the others, the baselines."""
    from cagan_theano.evaluation.systems import BASELINES, WITHOUT_ALPHA, cell

    measures = stored["measures"]
    names = [stored["ours"], *stored["systems"], *BASELINES]
    return {
        "n": stored["n"],
        "names": names,
        "rows": [(name, [cell(measures[system][name]) for system in names]) for name in WITHOUT_ALPHA],
    }


def curves_of(files, run, results) -> list:
    """The loss curves and the newest samples of a run folder, else of training.json."""
    from cagan_theano.learning.samples import loss_curves

    if run is None:
        stored = training_of(files, results) or {"points": [], "samples": []}
        lines = stored["points"] + stored["samples"]
        drawn = loss_curves(lines, "training, means between points")
        title = "Losses and held-out scores by step"
        return [{"title": title, "src": picture_source(drawn)}] if drawn else []
    folder = RunFolder(run)
    folder.check_old()
    found, samples = [], sorted(folder.samples.glob("step_*.png"))
    log = folder.path / "log.jsonl"
    if log.is_file():
        files.read(log)
    drawn = loss_curves(folder.read_log(), folder.path.resolve().name)
    if drawn:
        found.append({"title": "Losses and held-out scores by step", "src": picture_source(drawn)})
    return found + [
        {"title": f"Held-out swaps while training: {path.name}", "src": picture_source(files.read(path))}
        for path in samples[-1:]
    ]


def figures_of(files, folder, checkpoint) -> list:
    """The figures of a folder with what their PNG says of itself, in the order of their numbers."""
    names = ((re.fullmatch(r"figure(\d+)|compare", path.stem), path) for path in Path(folder).glob("*.png"))
    ordered = sorted((int(name[1] or sys.maxsize), path) for name, path in names if name)
    return [figure_of(path, files.read(path), checkpoint) for _, path in ordered]


def figure_of(path, content, checkpoint) -> dict:
    """One figure; warns where it was drawn with other weights."""
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            facts = dict(image.text)
    except (OSError, ValueError, SyntaxError) as error:
        raise ValueError(f"{path}: is no PNG ({error}); draw it again") from error
    shown = [name for name in ("Checkpoint", "Step", "Seed", "Data") if name in facts]
    sha256 = facts.get("Checkpoint-SHA256", checkpoint.sha256)
    warning = f"Drawn with OTHER weights: sha256 {sha256[:12]}."
    return {
        "name": path.name,
        "title": facts.get("Title", path.stem),
        "src": picture_source(content),
        "origin": "".join(f"; {name.lower()} {facts[name]}" for name in shown),
        "warning": warning if sha256 != checkpoint.sha256 else "",
    }


def commands_of(path, checkpoint, figures) -> list:
    """Command lines that make the data, the weights, the figures and the numbers again."""
    from cagan_theano.evaluation import shoots

    data = checkpoint.metadata.get("data") or {}
    size, lines = f"{checkpoint.config.height}x{checkpoint.config.width}", []
    origin = data.get("provenance") or {}
    if origin.get("program") == "data_prep photoshoot":
        given = origin.get("arguments") or {}
        held_out = ["--held-out", given["held_out"]] if "held_out" in given else []
        if "version" in origin and (reason := shoots.older(checkpoint)):
            lines.append(
                shell("# the nearest to the training data, which are not to be had again:", one_line(reason))
            )  # quoted too: not every shell knows comments
        wardrobe = ["--wardrobe", given["wardrobe"]] if given.get("wardrobe", "paper") != "paper" else []
        swaps = ["--true-swaps", given["true_swaps"]] if "true_swaps" in given else []
        lines.append(
            shell(
                "python -m data_prep photoshoot train.h5 --pairs",
                data.get("pairs"),
                "--size",
                size,
                "--seed",
                origin.get("seed"),
                *held_out,
                *wardrobe,
                *swaps,
                *["--clutter"] * bool(given.get("clutter")),
            )
        )
    changed = [
        option for row in settings_of(checkpoint.config) if row["changed"] for option in option_of(row)
    ]
    lines.append(shell("python -m cagan_theano train --data train.h5 --run runs/again", *changed))
    name = f"checkpoints/{Path(path).name}"
    programs = [Path(figure["name"]).stem for figure in figures if figure["name"].startswith("figure")]
    return [
        *lines,
        *(
            shell("python", f"replicate/{program}.py", "--checkpoint", name)
            for program in (*programs, "evaluate", "claims")
        ),
        shell("python replicate/report.py report.html --checkpoint", name),
    ]


def shell(begin, *words) -> str:
    """A command line: `begin` as it is, then words that are data, each quoted for the shell."""
    return " ".join([begin, *(shlex.quote(str(word)) for word in words)])


def option_of(row) -> list:
    """A changed setting as the words of the training command."""
    switches = {("norm_affine", "False"): ["--no-norm-affine"], ("copies_d", "False"): ["--no-copies-d"]}
    usual = [f"--{row['name'].replace('_', '-')}", row["value"]]
    return switches.get((row["name"], row["value"]), usual)


def versions_of(checkpoint) -> list:
    """Rows (package, version in training, version now)."""
    from cagan_theano.compat import versions

    then, now = checkpoint.metadata.get("versions") or {}, versions()
    names = dict.fromkeys([*then, *now])
    return [(name, then.get(name, "-"), now.get(name, "-")) for name in names]


def contents(values) -> list:
    """Anchors and names of the sections that there are."""
    return [(ANCHORS.get(key, key), name) for key, name in SECTIONS if values.get(key)]


def page(path, run=None, figures=None, results=None, evaluation=None) -> str:
    """The report on a checkpoint as HTML.

    Parameters: paths; figures, results: folders that may be missing; run, evaluation: None or
    there.  Raises FileNotFoundError, ValueError.
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
    return render(values | {"contents": contents(values)})


def numbers_of(files, checkpoint, figures, results, evaluation) -> dict:
    """The claims and the tables of measures and of other systems, where they are."""
    if evaluation is not None and not Path(evaluation).is_file():
        raise FileNotFoundError(f"{evaluation}: there is no such file; evaluate.py --out makes it")
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
            f"{source}: has not the form of its program's results ({error!r}); make it again"
        ) from error
    return found


def render(values: dict) -> str:
    """The page; everything that is put into it is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.ChainableUndefined,
        trim_blocks=True,
    )
    return environment.get_template("report.html").render(values)


@click.command(cls=Command)
@click.argument("out", type=Output("HTML"))
@options.checkpoint_option("128x96")
@click.option("--run", type=click.Path(), help="Run folder of the training: curves, samples.")
@click.option(
    "--figures",
    type=click.Path(),
    default="figures",
    show_default=True,
    help="Folder of the figures and of compare.py's results.",
)
@click.option(
    "--results",
    type=click.Path(),
    default="docs/results",
    show_default=True,
    help="Folder of the claims' numbers (claims.py).",
)
@click.option(
    "--evaluation",
    type=click.Path(),
    help="Measures: JSON of evaluate.py --out.  [default: the results' shipped.json]",
)
def command(out, checkpoint, run, figures, results, evaluation):
    """Write OUT, one HTML file about a checkpoint and all that was measured and drawn with it."""
    text = printable(page(checkpoint, run, figures, results, evaluation))
    write_atomically(out, text)
    click.echo(f"wrote {out} ({len(text.encode()) / 1e6:.1f} MB)")
