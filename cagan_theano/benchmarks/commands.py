"""Time, memory and disk of every command, each in its own process.

    python -m cagan_theano.benchmarks.commands [--update docs/performance.md]

The commands run one after another in a temporary folder, on what the earlier ones wrote and with one
compile cache, which is empty at first.  Those that compile run twice, and the second run is timed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import click
from tqdm import tqdm

from cagan_theano import weights
from cagan_theano.benchmarks.benchmark import machine
from cagan_theano.io.command import Command, main
from cagan_theano.io.files import write_between
from cagan_theano.io.text import one_line

BEGIN, END = "<!-- commands -->", "<!-- end of commands -->"


class Run(NamedTuple):
    """A command line to measure.

    name: the command, and a remark after a comma.
    words: its arguments; {out}: this run's own folder; {work}: the folder of all runs' folders, which
    have the commands' names; {shipped}: the shipped files.
    amounts: two numbers for {n} in words, whose difference tells what one more `unit` takes.
    compiles: whether an earlier run saves compilation.
    """

    name: str
    words: str
    amounts: tuple = ()
    unit: str = ""
    compiles: bool = True

    @property
    def command(self) -> list:
        """The words of the command itself."""
        return self.name.partition(",")[0].split()


PEOPLE = "--humans {work}/samples/people --wearing {work}/samples/worn --articles {work}/samples/shop"
PHOTOS = "--human {work}/samples/people/person_1.png --article {work}/samples/shop/article_1.png"
SHOOT = "{work}/data-photoshoot/shoot.h5"
HELD_OUT = "--data {shipped}/heldout_128x96.h5"  # otherwise more are rendered, once

RUNS = (
    Run("samples", "{out} --people 4 --articles 4", compiles=False),
    Run("swap, 256x192", PHOTOS + " --out {out}/swapped.png --keep-size"),
    Run("swap-folder, 16 images at 256x192", PEOPLE + " --out {out}"),
    Run("advice-rates", "--people {work}/samples/people --articles {work}/samples/shop --count {n}",
        (1, 4), "photo"),
    Run("figure4", "--out {out}"),
    Run("figure2", "--out {out}"),
    Run("figure3", "--out {out}", compiles=False),
    Run("figure5, 256x192", "--out {out}"),
    Run("figure6", "--out {out}"),
    Run("data photoshoot", "{out}/shoot.h5 --pairs {n} --held-out 4", (16, 32), "pair", False),
    Run("data inspect", SHOOT + " --sheet {out}/sheet.png", compiles=False),
    Run("data folders", "{work}/samples {out}/own.h5 --persons people --garments worn --no-masks",
        compiles=False),
    Run("shoots, 4 true swaps", "clutter {out}/street.h5 --count 4", compiles=False),
    Run("train", "--data " + SHOOT + " --run {out}/run --steps {n}", (2, 8), "step"),
    Run("evaluate", HELD_OUT + " --swaps {n} --out {out}/measures.json --plot {out}/measures.png",
        (8, 24), "swap"),
    Run("gallery, 24 swaps", HELD_OUT + " {out}/gallery.html --swaps 24"),
    Run("report", "{out}/report.html --run {work}/train/run --figures {work}/figure4 "
        "--evaluation {work}/evaluate/measures.json", compiles=False),
    Run("compare, 24 swaps", HELD_OUT + " --against dress={shipped}/dress_128x96.h5 --swaps 24 --out {out}"),
    Run("golden", "{out}/golden.h5"),
    Run("convert", "{shipped}/cagan_128x96.h5 {out}/cagan.safetensors", compiles=False),
    Run("export-weights", "{work}/train/run/checkpoints/step_0000008.h5 {out}/mine.h5",
        compiles=False),
    Run("export-functions", "--checkpoint {shipped}/cagan_128x96.h5 --out {out}/exported", compiles=False),
    Run("run-exported swap, 16 swaps", "--functions {work}/export-functions/exported --data " + SHOOT
        + " --out {out}/swaps.npz"),
)  # fmt: skip

UNMEASURED = {
    "data detect": "needs a folder of a known layout; as `data inspect`",
    "data recolors": "needs a shop's recolored photos",
    "data resize": "as `data inspect`, which reads every image, too",
    "data, other layouts": "need their data sets; as `data folders`",
    "demo": "waits for a browser",
    "metrics": "needs weights that you supply",
    "claims": "a few minutes, of which most for rendering",
    "ablations": "many trainings: hours",
    "pytorch-train": "needs PyTorch, which is compared above",
    "run-exported train": "as `train`",
    "benchmark": "about an hour",
    "bench-layers": "several minutes",
    "growth": "several minutes",
    "check-gpu": "needs a GPU",
}
"""What is not measured, and why."""


class Cost(NamedTuple):
    """What a process took: seconds, bytes of memory at its peak, bytes of the files that it left."""

    seconds: float
    memory: int
    disk: int


class Row(NamedTuple):
    """A line of the table; first: seconds of the run that compiled; each: of one more unit; or None.

    cost: or, if a run failed, its error as text.
    """

    what: str
    cost: Cost | str
    first: float | None = None
    each: float | None = None


def cost_of(arguments: list, folder: Path, environment: dict) -> Cost:
    """Run a process in an empty folder and measure it.

    memory: of its largest process, if it starts others; on Linux at least that of this process.
    Raises ValueError with its last line if it fails.
    """
    with tempfile.TemporaryFile() as output:
        begin = time.perf_counter()
        process = subprocess.Popen(arguments, cwd=folder, env=environment, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            said = output.read().decode("utf-8", "replace").strip() or "no output"
            raise ValueError(
                f"{' '.join(arguments[1:])}: exit code {process.returncode}: {said.splitlines()[-1]}"
            )
    return Cost(seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024), size_of(folder))


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder and below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def once(run: Run, amount, work: Path, environment: dict) -> Cost:
    """The cost of a run with an amount, in its folder, which is emptied first."""
    out = work / "-".join(run.command)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    places = {"out": out, "work": work, "shipped": weights.folder(), "n": amount}
    words = [word.format(**places) for word in run.words.split()]
    return cost_of([sys.executable, "-m", "cagan_theano", *run.command, *words], out, environment)


def measure(run: Run, work: Path, environment: dict) -> Row:
    """All runs of a command; the files of the last one stay for later commands."""
    amounts = run.amounts or (None,)
    try:
        first = once(run, amounts[0], work, environment) if run.compiles else None
        costs = [once(run, amount, work, environment) for amount in amounts]
    except ValueError as error:
        return Row(run.name, one_line(error))
    memory = max(cost.memory for cost in (*costs, first) if cost)
    each = (costs[-1].seconds - costs[0].seconds) / (amounts[-1] - amounts[0]) if run.amounts else None
    what = f"{run.name}, {amounts[-1]} {run.unit}s" if run.amounts else run.name
    return Row(what, costs[-1]._replace(memory=memory), first and first.seconds, each)


def table(rows: list) -> str:
    """The rows as Markdown, and what is not measured."""
    lines = ["| command | first run | time | each further | peak memory | files |", "|" + "---|" * 6]
    for what, cost, first, each in rows:
        if isinstance(cost, str):
            lines.append(f"| {what} | failed: {cost.replace('|', '/')} |" + " |" * 4)
            continue
        times = [seconds_text(value) for value in (first, cost.seconds, each)]
        lines.append(f"| {' | '.join([what, *times, size_text(cost.memory), size_text(cost.disk)])} |")
    lines += ["", "| not measured | because |", "|---|---|"]
    return "\n".join(lines + [f"| {name} | {why} |" for name, why in UNMEASURED.items()])


def seconds_text(value: float | None) -> str:
    """A time as text, "" for None."""
    if value is None:
        return ""
    return f"{value:.1f} s" if value >= 2 else f"{1000 * value:.0f} ms"


def size_text(size: int) -> str:
    """A number of bytes as text, "" for 0."""
    if size >= 10 * 2**20:
        return f"{size / 2**20:.0f} MiB"
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.0f} KiB" if size else ""


@click.command(cls=Command)
@click.option(
    "--update",
    "document",
    type=click.Path(dir_okay=False),
    help="Also insert the tables between the two markers of this document.",
)
def command(document):
    """Measure the time, memory and disk of every command on the CPU."""
    with tempfile.TemporaryDirectory() as folder:
        work, cache = Path(folder) / "runs", Path(folder) / "cache"
        own = {"CAGAN_THEANO_CACHE": str(cache), "JAX_PLATFORMS": "cpu"}
        environment = {**weights.child_environment(), **own}
        rows = [measure(run, work, environment) for run in tqdm(RUNS, unit="command")]
        compiled = size_text(size_of(cache))
    text = f"{machine('cpu')}; the compile cache takes {compiled}\n\n{table(rows)}"
    click.echo(text)
    if document:
        write_between(document, text, BEGIN, END)


if __name__ == "__main__":
    main(command)
