"""Benchmark of this package against PyTorch and ONNX Runtime: time, memory and start-up in one run.

    cagan benchmark [--task step] [--size 128x96] [--batch 16] [--rounds 10]

Every contender runs in its own process and they take turns, so that all see the same machine load.
All start from the same checkpoint and images, and one whose outputs differ is not timed.  Writes
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
from cagan_theano.config import NETWORKS
from cagan_theano.io.command import Command
from cagan_theano.io.files import check_folder, check_markers, write_atomically, write_between
from data_prep.options import parse_size

WORKER = ("-m", "cagan_theano.benchmarks.contenders")
CONTENDERS = ("ours", "torch", "torch:channels_last=1", "torch:compiled=default",
              "torch:compiled=default,channels_last=1", "onnx")  # fmt: skip
TOLERANCE = {"float32": 1e-4, "tf32": 1e-2, "bfloat16": 5e-2}
BEGIN, END = "<!-- benchmark -->", "<!-- end of benchmark -->"
DEVICES = re.compile(r"\bdevices=(\d+)")


class Case(NamedTuple):
    """A task to time: "step" (D, then G) or "swap", at an image size and batch size."""

    task: str
    height: int
    width: int
    batch: int

    def __str__(self):
        return f"{self.task}, {self.height}x{self.width}, batch {self.batch}"


class Worker:
    """A contender's process, as a context manager; `first`: seconds to its first result."""

    def __init__(self, kind: str, case: Case, checkpoint, device: str, cache: str, python: str, **more):
        self.kind, about = kind, {**case._asdict(), "checkpoint": str(checkpoint), "device": device}
        caches = {
            "CAGAN_THEANO_CACHE": f"{cache}/ours",
            "TORCHINDUCTOR_CACHE_DIR": f"{cache}/torch",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        }  # no preallocation: several processes share a GPU
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
        """The next answer of the process."""
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"error": f"{self.kind} exited without an answer"}

    def ask(self, command: str):
        """The answer to a command.  Raises ValueError if the process has died."""
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
            found = self.answer()
        except BrokenPipeError:
            found = {"error": f"{self.kind} has exited"}
        if isinstance(found, dict):
            raise ValueError(f"{found['error']}: is there enough memory?")
        return found


def virtual_devices(kind: str, device: str) -> dict:
    """Environment variables that give a CPU as many devices as a KIND requires."""
    wanted = DEVICES.search(kind)
    if not wanted or device != "cpu":
        return {}
    given = os.environ.get("XLA_FLAGS", "")
    return {"XLA_FLAGS": f"{given} --xla_force_host_platform_device_count={wanted[1]}".strip()}


def flops(task: str, checkpoint, height: int, width: int, batch: int) -> float:
    """Additions and multiplications of the convolutions only, by the direct method.

    A step: one forward pass of G for x_ij; for D's update, forward and backward passes of D on three
    inputs; for G's update, forward passes of the cycle through G and of D, a backward pass of D to its
    input, and two backward passes of G.  Raises ValueError for layers that are not the paper's.
    """
    if extra := [name for name in checkpoint.config.ours() if name in NETWORKS]:
        raise ValueError(f"{extra[0]}: only the paper's networks are benchmarked; give other weights")

    def products(params, inner):  # for one image, per layer
        return {
            name: np.prod(w.shape) * (height >> level) * (width >> level)
            for name, w in params.items()
            if name.endswith(".W")
            for level in [inner(name)]
        }

    depth = len(checkpoint.config.d_widths)
    g = products(checkpoint.G, level_of_G)
    d = products(checkpoint.D, lambda name: depth if name == "head.W" else int(name[5]))
    G, D = sum(g.values()), sum(d.values())
    steps = 6 * G - g["encoder1.W"] + 11 * D - 3 * d["layer1.W"]
    return 2.0 * batch * (G if task == "swap" else steps)


def level_of_G(name: str) -> int:
    """Number of halvings of the image side at the smaller end of a layer of G (Figure 3)."""
    layer = name.split(".")[0]
    if layer == "output":
        return 1
    return int(layer[7:]) if layer.startswith("encoder") else 5 - int(layer[7:])


def compare(case: Case, kinds, checkpoint, device: str, rounds: int, repeats: int, pythons) -> list:
    """One row per contender: kind, seconds of each round, memory, cold and warm start.

    A contender that cannot run, or whose outputs differ from the first one's, has only an "error".
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
    """The start of a worker's row, or an "error" if its outputs differ from the first worker's."""
    if worker.error:
        return {"error": worker.error}
    reference = next((other for other in others if not other.error), worker)
    difference = (
        float(np.abs(worker.numbers - reference.numbers).max())
        if (worker.numbers.shape == reference.numbers.shape)
        else float("inf")
    )
    limit = max(limit_of(worker.kind), limit_of(reference.kind))
    if not difference <= limit:
        return {"error": f"differs from {reference.kind} by {difference:.1e}; not timed"}
    return {"warm": worker.first, "apart": difference, "seconds": []}


def limit_of(kind: str) -> float:
    """Maximum absolute difference of a kind's outputs from another's."""
    return next((v for name, v in TOLERANCE.items() if f"precision={name}" in kind), TOLERANCE["float32"])


def table(results: list) -> str:
    """The results as Markdown: one table per case, times relative to the first contender."""
    parts = []
    for result in results:
        peak = max((row.get("matmul") or 0 for row in result["rows"]), default=0)
        first = next((row for row in result["rows"] if row.get("seconds")), None)
        lines = [
            f"**{result['case']}**" + (f" (matrix product: {peak:.0f} GFLOP/s)" if peak else ""),
            "",
            f"| | ms | time vs. {first['kind'] if first else 'first'} | images/s | GFLOP/s | "
            "vs. matrix product | peak memory | first result, cold | first result, warm | "
            "max abs difference |",
            "|---" * 10 + "|",
        ]
        lines += [line(row, first, result, peak) for row in result["rows"]]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def line(row: dict, first: dict, result: dict, peak: float) -> str:
    """One row of a table; the relative time is the median over rounds."""
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
    """Plot the medians as bars with the minimum and maximum of the rounds; a matplotlib Figure."""
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
        axes.set_xlabel("milliseconds (median; minimum to maximum of the rounds)")
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(about, fontsize=9)
    return figure


def machine(device: str) -> str:
    """The machine and the package versions in one line."""
    from cagan_theano.compat import versions

    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        found = [text for text in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in text]
        name = found[0].split(":")[1].strip() if found else name
    known = versions()
    packages = ", ".join(f"{key} {known[key]}" for key in ("python", "jax", "aesara", "numpy"))
    return f"{gpu_name() if device == 'gpu' else device}; {os.cpu_count()} x {name}; {packages}"


def gpu_name() -> str:
    """The GPU's name by jax, "gpu" if it is not known.

    Asked in a process of its own: jax reserves most of a GPU's memory until the process that uses it ends.
    """
    ask = "import jax; print(jax.devices('gpu')[0].device_kind)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "gpu"


def result_options(command):
    """Decorator: the options that this command and `growth` share."""
    for option in (
        click.option(
            "--device",
            type=click.Choice(["cpu", "gpu"]),
            default="cpu",
            show_default=True,
            help="Device to measure on.",
        ),
        options.out_option,
        options.checkpoint_option("128x96"),
        click.option(
            "--update",
            "document",
            type=click.Path(dir_okay=False),
            help="Also insert the tables between the two markers of this document.",
        ),
    ):
        command = option(command)
    return command


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
    help="Image size, HEIGHTxWIDTH; may be repeated.",
)
@click.option(
    "--batch",
    "batches",
    type=click.IntRange(1, 4096),
    multiple=True,
    default=(16, 1),
    show_default=True,
    help="Batch size; may be repeated.",
)
@click.option(
    "--contender",
    "kinds",
    multiple=True,
    default=CONTENDERS,
    show_default=True,
    help="See the top of cagan_theano/benchmarks/contenders.py; may be repeated.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Number of turns for each contender.",
)
@click.option(
    "--repeats",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Runs per turn, of which the median is taken.",
)
@click.option(
    "--torch-python",
    type=click.Path(dir_okay=False),
    default=sys.executable,
    show_default="this one",
    help="Python with PyTorch and onnxruntime.",
)
@result_options
def command(tasks, sizes, batches, kinds, rounds, repeats, torch_python, document, checkpoint, out, device):
    """Time this package against PyTorch and ONNX Runtime."""
    loaded, about, out = load_checkpoint(checkpoint), machine(device), Path(out)
    pythons, results = {"torch": torch_python, "onnx": torch_python}, []
    cases = [Case(task, *size, batch) for size in sizes for task in tasks for batch in batches]
    work = {case: flops(case.task, loaded, *case[1:]) for case in cases}
    check_writable(out, document, (BEGIN, END))  # before an hour of measuring
    for case in cases:
        click.echo(f"{case} ...", err=True)
        contenders = [kind for kind in kinds if case.task == "swap" or not kind.startswith("onnx")]
        rows = compare(case, contenders, checkpoint, device, rounds, repeats, pythons)
        results.append({"case": str(case), "batch": case.batch, "rows": rows, "flops": work[case]})
        last = case == cases[-1]
        save(results, about, out, document if last else None, "" if last else "_unfinished")


def save(results: list, about: str, out: Path, document, ending: str = "") -> None:
    """Write performance.json, .md and .png, and insert the tables into the document.

    ending: appended to the names, for the cases so far, which an interruption then leaves.
    """
    timed = any(row.get("seconds") for result in results for row in result["rows"])
    figure = draw(results, about) if timed else None
    record = {"about": about, "results": results}
    write(out, f"performance{ending}", record, table(results), figure, document, (BEGIN, END))


def check_writable(out: Path, document, markers) -> None:
    """Raise ValueError or OSError unless `write` can write to the folder and the document."""
    out.mkdir(parents=True, exist_ok=True)
    check_folder(out / "performance.json")
    if document:
        check_markers(document, *markers)


def write(out: Path, name: str, record: dict, tables: str, figure, document, markers) -> None:
    """Write NAME.json, .md and, if there is a figure, .png, and the document's part; print the paths."""
    from cagan_theano.io.sheet import png

    out.mkdir(parents=True, exist_ok=True)
    text = f"{record['about']}\n\n{tables}"
    files = {f"{name}.json": json.dumps(record, indent=1) + "\n", f"{name}.md": text}
    if figure:
        files[f"{name}.png"] = png(figure, 150)
    for ending, content in files.items():
        write_atomically(out / ending, content)
        click.echo(f"wrote {out / ending}")
    if document:
        write_between(document, text, *markers)
        click.echo(f"wrote {document}")
