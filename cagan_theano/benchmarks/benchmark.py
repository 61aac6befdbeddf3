"""This package beside PyTorch and ONNX Runtime: time, memory and start, side by side in one run.

    python replicate/benchmark.py [--task step] [--size 128x96] [--batch 16] [--rounds 10]

Every contender runs in a process of its own and they take turns, so that all see the same machine.
All start from the same checkpoint and pictures, and one whose numbers differ is not timed.  Writes
performance.json, .md and .png.
"""

import json
import os
import platform
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

from cagan_theano import options, weights
from cagan_theano.checkpoint import load_checkpoint
from cagan_theano.io.command import Command
from cagan_theano.io.files import write_atomically
from data_prep.options import parse_size

WORKER = ("-m", "cagan_theano.benchmarks.contenders")
CONTENDERS = ("ours", "torch", "torch:channels_last=1", "torch:compiled=default",
              "torch:compiled=default,channels_last=1", "onnx")  # fmt: skip
TOLERANCE = {"float32": 1e-4, "tf32": 1e-2, "bfloat16": 5e-2}
BEGIN, END = "<!-- benchmark -->", "<!-- end of benchmark -->"
DEVICES = re.compile(r"\bdevices=(\d+)")


class Case(NamedTuple):
    """What is timed: "step" (D, then G) or "swap", at a size and batch."""

    task: str
    height: int
    width: int
    batch: int

    def __str__(self):
        return f"{self.task}, {self.height}x{self.width}, batch {self.batch}"


class Worker:
    """A contender's process.  A context manager; `first`: seconds to its first result."""

    def __init__(self, kind: str, case: Case, checkpoint, device: str, cache: str, python: str, **more):
        self.kind, about = kind, {**case._asdict(), "checkpoint": str(checkpoint), "device": device}
        caches = {
            "CAGAN_THEANO_CACHE": f"{cache}/ours",
            "TORCHINDUCTOR_CACHE_DIR": f"{cache}/torch",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        }  # several share a GPU
        self.process = subprocess.Popen(
            [python, *WORKER, kind, json.dumps({**about, **more})],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**weights.child_environment(), **caches, **virtual_devices(kind, device)},
        )

    def __enter__(self):
        answer = self.answer()
        self.error = answer.get("error")
        self.first, self.numbers = answer.get("first"), np.array(answer.get("numbers", []))
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def answer(self):
        """The next line that the process says."""
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"error": f"{self.kind} ended without an answer"}

    def ask(self, command: str):
        """The answer to a command; ValueError when the process has died."""
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
            found = self.answer()
        except BrokenPipeError:
            found = {"error": f"{self.kind} has ended"}
        if isinstance(found, dict):
            raise ValueError(f"{found['error']}: is there enough memory?")
        return found


def virtual_devices(kind: str, device: str) -> dict:
    """The environment in which one CPU is as many devices as a KIND asks for."""
    wanted = DEVICES.search(kind)
    if not wanted or device != "cpu":
        return {}
    given = os.environ.get("XLA_FLAGS", "")
    return {"XLA_FLAGS": f"{given} --xla_force_host_platform_device_count={wanted[1]}".strip()}


def flops(task: str, checkpoint, height: int, width: int, batch: int) -> float:
    """Additions and multiplications of the convolutions alone, by the direct method.

    A step: G paints x_ij once; D's update takes D's three inputs forward and back; G's update takes
    the way back through G and D forward, D back to its input, and G back twice.
    """

    def products(params, inner):  # of one picture, per layer
        return {
            name: np.prod(w.shape) * (height >> level) * (width >> level)
            for name, w in params.items()
            if name.endswith(".W")
            for level in [inner(name)]
        }

    g = products(checkpoint.G, level_of_G)
    d = products(checkpoint.D, lambda name: 4 if name == "head.W" else int(name[5]))
    G, D = sum(g.values()), sum(d.values())
    steps = 6 * G - g["encoder1.W"] + 11 * D - 3 * d["layer1.W"]
    return 2.0 * batch * (G if task == "swap" else steps)


def level_of_G(name: str) -> int:
    """How often the side of the smaller end of a layer of G is halved (Figure 3)."""
    layer = name.split(".")[0]
    if layer == "output":
        return 1
    return int(layer[7:]) if layer.startswith("encoder") else 5 - int(layer[7:])


def compare(case: Case, kinds, checkpoint, device: str, rounds: int, repeats: int, pythons) -> list:
    """Rows, one for each contender: kind, seconds of each round, memory, cold and warm start.

    A contender that cannot run, or whose numbers are not the first one's, has an "error" alone.
    """
    rows, workers = [], []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for n, kind in enumerate(kinds):
                python = pythons.get(kind.split(":")[0], sys.executable)
                arguments = kind, case, checkpoint, device, f"{folder}/{n}", python
                with Worker(*arguments) as cold:
                    pass
                worker = Worker(*arguments).__enter__()
                rows.append({"kind": kind, **checked(worker, workers), "cold": cold.first})
                workers.append(worker)
            ready = [(r, w) for r, w in zip(rows, workers) if "error" not in r]
            for _ in range(rounds):
                for row, worker in random.sample(ready, len(ready)):
                    row["seconds"].append(float(np.median(worker.ask(f"run {repeats}"))))
            for row, worker in ready:
                row["memory"] = worker.ask("memory")
                row["matmul"] = 0 if row["kind"].startswith("onnx") else worker.ask("matmul")
        finally:
            for worker in workers:
                worker.__exit__()
    return rows


def checked(worker: Worker, others: list) -> dict:
    """The beginning of a worker's row, once its numbers agree with those of the first."""
    if worker.error:
        return {"error": worker.error}
    reference = others[0] if others else worker
    apart = (
        float(np.abs(worker.numbers - reference.numbers).max())
        if (worker.numbers.shape == reference.numbers.shape)
        else float("inf")
    )
    limit = max(limit_of(worker.kind), limit_of(reference.kind))
    if not apart <= limit:
        return {"error": f"differs from {reference.kind} by {apart:.1e}; not timed"}
    return {"warm": worker.first, "apart": apart, "seconds": []}


def limit_of(kind: str) -> float:
    """How far the numbers of a kind may be from another's."""
    return next((v for name, v in TOLERANCE.items() if f"precision={name}" in kind), TOLERANCE["float32"])


def table(results: list) -> str:
    """The results as Markdown: one table for each case, times relative to the first contender."""
    parts = []
    for result in results:
        peak = max((row.get("matmul") or 0 for row in result["rows"]), default=0)
        lines = [
            f"**{result['case']}**" + (f" (matrix product: {peak:.0f} GFLOP/s)" if peak else ""),
            "",
            "| | ms | of the first | pictures/s | GFLOP/s | of the product's | peak memory | "
            "first result, cold | warm | numbers apart |",
            "|---" * 10 + "|",
        ]
        first = next((row for row in result["rows"] if row.get("seconds")), None)
        lines += [line(row, first, result, peak) for row in result["rows"]]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def line(row: dict, first: dict, result: dict, peak: float) -> str:
    """One row of a table; the ratio is the median of the rounds' ratios."""
    if "error" in row:
        return f"| {row['kind']} | {row['error'].replace('|', '/')}" + " | " * 9
    seconds = float(np.median(row["seconds"]))
    ratio = float(np.median(np.array(row["seconds"]) / np.array(first["seconds"])))
    rate = result["flops"] / seconds / 1e9
    return (
        f"| {row['kind']} | {1000 * seconds:.1f} | {ratio:.2f} | {result['batch'] / seconds:.1f} "
        f"| {rate:.0f} | {rate / peak:.2f} | {row['memory'] / 2**20:.0f} MiB | "
        f"{row['cold']:.1f} s | {row['warm']:.1f} s | {row['apart']:.0e} |"
    )


def draw(results: list, about: str):
    """The medians as bars, with the least and the most of the rounds; a matplotlib Figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.8 + 2.4 * len(results)), layout="constrained")
    for axes, result in zip(figure.subplots(len(results), squeeze=False)[:, 0], results):
        rows = [row for row in result["rows"] if row.get("seconds")]
        times = [1000 * np.array(row["seconds"]) for row in rows]
        middle = [float(np.median(t)) for t in times]
        reach = [
            [m - t.min() for m, t in zip(middle, times)],
            [t.max() - m for m, t in zip(middle, times)],
        ]
        colors = ["#1f5f8b" if row["kind"].startswith("ours") else "#b9b9b9" for row in rows]
        axes.barh(
            range(len(rows)),
            middle,
            color=colors,
            xerr=reach,
            capsize=3,
            error_kw={"elinewidth": 1},
        )
        axes.set_yticks(range(len(rows)), [row["kind"] for row in rows])
        axes.invert_yaxis()
        axes.set_title(result["case"], loc="left", fontsize=10)
        axes.set_xlabel("milliseconds (median; least to most of the rounds)")
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(about, fontsize=9)
    return figure


def machine(device: str) -> str:
    """The machine and the versions in one line."""
    from cagan_theano.compat import versions

    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        found = [text for text in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in text]
        name = found[0].split(":")[1].strip() if found else name
    known = versions()
    shown = ", ".join(f"{key} {known[key]}" for key in ("python", "jax", "aesara", "numpy"))
    return f"{device}; {os.cpu_count()} x {name}; {shown}"


def update(path, text: str, begin: str, end: str) -> None:
    """Put the text between the two marks of a document."""
    whole = Path(path).read_text()
    if whole.count(begin) != 1 or whole.count(end) != 1:
        raise ValueError(f"{path}: has no place for the tables; it needs the lines {begin} and {end}")
    before, after = whole.split(begin)[0], whole.split(end)[1]
    write_atomically(path, f"{before}{begin}\n{text}\n{end}{after}")


@click.command(cls=Command, context_settings={"max_content_width": 100})
@click.option(
    "--task",
    "tasks",
    type=click.Choice(["step", "swap"]),
    multiple=True,
    default=("step", "swap"),
    show_default=True,
    help="What to time; may be repeated.",
)
@click.option(
    "--size",
    "sizes",
    multiple=True,
    default=("128x96", "256x192"),
    show_default=True,
    callback=lambda *given: [parse_size(*given[:2], text) for text in given[2]],
    help="Pictures, HEIGHTxWIDTH; may be repeated.",
)
@click.option(
    "--batch",
    "batches",
    type=click.IntRange(1, 4096),
    multiple=True,
    default=(16, 1),
    show_default=True,
    help="Minibatch; may be repeated.",
)
@click.option(
    "--contender",
    "kinds",
    multiple=True,
    default=CONTENDERS,
    show_default=True,
    help="As the head of cagan_theano/benchmarks/contenders.py says; may be repeated.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Turns that each contender has.",
)
@click.option(
    "--repeats",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Runs in a turn, whose median counts.",
)
@click.option(
    "--torch-python",
    type=click.Path(dir_okay=False),
    default=sys.executable,
    show_default="this one",
    help="Python that has PyTorch and onnxruntime.",
)
@click.option(
    "--update",
    "document",
    type=click.Path(dir_okay=False),
    help="Also put the tables into this document, between its two marks.",
)
@options.checkpoint_option("128x96")
@options.out_option
@click.option(
    "--device",
    type=click.Choice(["cpu", "gpu"]),
    default="cpu",
    show_default=True,
    help="Where all of them run.",
)
def command(tasks, sizes, batches, kinds, rounds, repeats, torch_python, document, checkpoint, out, device):
    """Time this package beside PyTorch and ONNX Runtime."""
    loaded, about, out = load_checkpoint(checkpoint), machine(device), Path(out)
    pythons, results = {"torch": torch_python, "onnx": torch_python}, []
    for case in [Case(task, *size, batch) for size in sizes for task in tasks for batch in batches]:
        click.echo(f"{case} ...", err=True)
        contenders = [kind for kind in kinds if case.task == "swap" or not kind.startswith("onnx")]
        rows = compare(case, contenders, checkpoint, device, rounds, repeats, pythons)
        results.append(
            {
                "case": str(case),
                "batch": case.batch,
                "rows": rows,
                "flops": flops(case.task, loaded, *case[1:]),
            }
        )
    save(results, about, out, document)


def save(results: list, about: str, out: Path, document) -> None:
    """Write performance.json, .md and .png, and the tables into the document."""
    timed = any(row.get("seconds") for result in results for row in result["rows"])
    picture = draw(results, about) if timed else None
    facts = {"about": about, "results": results}
    write(out, "performance", facts, table(results), picture, document, (BEGIN, END))


def write(out: Path, name: str, facts: dict, tables: str, picture, document, marks) -> None:
    """Write NAME.json, .md and, where there is a picture, .png; the document's part; say so."""
    from cagan_theano.io.sheet import png

    out.mkdir(parents=True, exist_ok=True)
    text = f"{facts['about']}\n\n{tables}"
    files = {f"{name}.json": json.dumps(facts, indent=1) + "\n", f"{name}.md": text}
    if picture:
        files[f"{name}.png"] = png(picture, 150)
    for ending, content in files.items():
        write_atomically(out / ending, content)
        click.echo(f"wrote {out / ending}")
    if document:
        update(document, text, *marks)
        click.echo(f"wrote {document}")
