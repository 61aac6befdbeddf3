"""Benchmark of this package against PyTorch and ONNX Runtime: time, memory and start-up in one run.

    cagan benchmark [--task step] [--size 128x96] [--batch 16] [--rounds 10]

Every contender runs in its own process, and they take turns, so that all see the same machine load.
All start from the same checkpoint and images; one whose outputs differ is not timed.  Writes
performance.json and .md.
"""

import contextlib
import json
import os
import platform
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

from cagan_theano import options, weights
from cagan_theano.checkpoint import load_checkpoint
from cagan_theano.config import NETWORKS
from cagan_theano.io.command import Command
from cagan_theano.io.files import check_folder, write_atomically
from cagan_theano.io.signals import tie
from data_prep.options import parse_size

WORKER = ("-m", "cagan_theano.benchmarks.contenders")
CONTENDERS = ("ours", "torch", "torch:channels_last=1", "torch:compiled=default",
              "torch:compiled=default,channels_last=1", "onnx")  # fmt: skip
TOLERANCE = {"float32": 1e-4, "tf32": 1e-2, "bfloat16": 5e-2}
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
    """A contender's process, as a context manager.

    error: why it cannot run, or None.  first: seconds to its first result; numbers: its outputs.
    """

    def __init__(self, kind: str, case: Case, checkpoint, device: str, cache: str, python: str):
        self.kind, about = kind, {**case._asdict(), "checkpoint": str(checkpoint), "device": device}
        caches = {
            "CAGAN_THEANO_CACHE": f"{cache}/ours",
            "TORCHINDUCTOR_CACHE_DIR": f"{cache}/torch",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        }  # no preallocation: several processes share a GPU
        self.process = subprocess.Popen(
            tie([python, *WORKER, kind, json.dumps(about)]),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**weights.child_environment(), **caches, **virtual_devices(kind, device)},
        )

    def __enter__(self) -> "Worker":
        answer = self._answer()
        self.error: str | None = answer.get("error")
        self.first, self.numbers = answer.get("first"), np.array(answer.get("numbers", []))
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def _answer(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"error": f"{self.kind} exited without an answer"}

    def ask(self, command: str):
        """The answer to a command.  Raises ValueError if the process has died."""
        try:
            print(command, file=self.process.stdin, flush=True)
            found = self._answer()
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

    def level_of_G(name):  # halvings of the image side at the smaller end of a layer (Figure 3)
        layer = name.split(".")[0]
        if layer == "output":
            return 1
        return int(layer[7:]) if layer.startswith("encoder") else 5 - int(layer[7:])

    depth = len(checkpoint.config.d_widths)
    g = products(checkpoint.G, level_of_G)
    d = products(checkpoint.D, lambda name: depth if name == "head.W" else int(name[5]))
    G, D = sum(g.values()), sum(d.values())
    steps = 6 * G - g["encoder1.W"] + 11 * D - 3 * d["layer1.W"]
    return 2.0 * batch * (G if task == "swap" else steps)


def compare(
    case: Case, kinds, checkpoint, device: str, rounds: int, repeats: int, pythons: dict[str, str]
) -> list[dict[str, Any]]:
    """One row per contender: kind, seconds of each round, memory, cold and warm start.

    A contender that cannot run, or whose outputs differ from the first one's, has only an "error".
    """
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        workers: list[Worker] = []
        for n, kind in enumerate(kinds):
            python = pythons.get(kind.split(":")[0], sys.executable)
            arguments = kind, case, checkpoint, device, f"{folder}/{n}", python
            with Worker(*arguments) as cold:
                pass
            worker = running.enter_context(Worker(*arguments))
            rows.append({"kind": kind, **check_numbers(worker, workers), "cold": cold.first})
            workers.append(worker)
        ready = [(row, worker) for row, worker in zip(rows, workers) if "error" not in row]
        for _ in range(rounds):
            for row, worker in random.sample(ready, len(ready)):
                row["seconds"].append(float(np.median(worker.ask(f"run {repeats}"))))
        for row, worker in ready:
            row["memory"] = worker.ask("memory")
    return rows


def check_numbers(worker: Worker, others: list[Worker]) -> dict[str, Any]:
    """The start of a worker's row, or an "error" if its outputs differ from the first worker's."""
    if worker.error:
        return {"error": worker.error}
    first = next((other for other in others if not other.error), worker)
    apart = float("inf")
    if worker.numbers.shape == first.numbers.shape:
        apart = float(np.abs(worker.numbers - first.numbers).max())
    if not apart <= max(limit_of(worker.kind), limit_of(first.kind)):
        return {"error": f"differs from {first.kind} by {apart:.1e}; not timed"}
    return {"warm": worker.first, "apart": apart, "seconds": []}


def limit_of(kind: str) -> float:
    """Maximum absolute difference of a kind's outputs from another's."""
    return next((v for name, v in TOLERANCE.items() if f"precision={name}" in kind), TOLERANCE["float32"])


def table(results: list) -> str:
    """The results as Markdown: one table per case, with times relative to the first contender.

    A relative time is the median over the rounds.
    """
    parts = []
    for result in results:
        first = next((row for row in result["rows"] if row.get("seconds")), None)
        lines = [
            f"**{result['case']}**",
            "",
            f"| | ms | time vs. {first['kind'] if first else 'first'} | images/s | GFLOP/s | "
            "peak memory | first result, cold | first result, warm | max abs difference |",
            "|---" * 9 + "|",
        ]
        for row in result["rows"]:
            if first is None or "error" in row:
                lines.append(f"| {row['kind']} | {row['error'].replace('|', '/')}" + " | " * 8)
                continue
            seconds = float(np.median(row["seconds"]))
            ratio = float(np.median(np.array(row["seconds"]) / np.array(first["seconds"])))
            rate = result["flops"] / seconds / 1e9
            lines.append(
                f"| {row['kind']} | {1000 * seconds:.1f} | {ratio:.2f} | {result['batch'] / seconds:.1f} "
                f"| {rate:.0f} | {row['memory'] / 2**20:.0f} MiB | "
                f"{row['cold']:.1f} s | {row['warm']:.1f} s | {row['apart']:.0e} |"
            )
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def describe_machine(device: str) -> str:
    """The machine and the package versions in one line."""
    from cagan_theano.compat import versions

    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        found = [text for text in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in text]
        name = found[0].split(":")[1].strip() if found else name
    known = versions()
    packages = ", ".join(f"{key} {known[key]}" for key in ("python", "jax", "aesara", "numpy"))
    where = device
    if device == "gpu":  # asked in a process of its own, since jax reserves most of a GPU's memory
        ask = "import jax; print(jax.devices('gpu')[0].device_kind)"
        done = subprocess.run(tie([sys.executable, "-c", ask]), capture_output=True, text=True, check=False)
        where = done.stdout.strip() if done.returncode == 0 else "gpu"
    return f"{where}; {os.cpu_count()} x {name}; {packages}"


# fmt: off
@click.command(cls=Command, context_settings={"max_content_width": 100, "show_default": True})
@click.option("--task", "tasks", type=click.Choice(["step", "swap"]), multiple=True, default=("step", "swap"),
              help="What to time; may be repeated.")
@click.option("--size", "sizes", multiple=True, default=("128x96", "256x192"),
              callback=lambda context, option, texts: [parse_size(context, option, text) for text in texts],
              help="Image size, HEIGHTxWIDTH; may be repeated.")
@click.option("--batch", "batches", type=click.IntRange(1, 4096), multiple=True, default=(16, 1),
              help="Batch size; may be repeated.")
@click.option("--contender", "kinds", multiple=True, default=CONTENDERS,
              help="See the top of cagan_theano/benchmarks/contenders.py; may be repeated.")
@click.option("--rounds", type=click.IntRange(1), default=10, help="Number of turns for each contender.")
@click.option("--repeats", type=click.IntRange(1), default=3,
              help="Runs per turn, of which the median is taken.")
@click.option("--torch-python", type=click.Path(dir_okay=False), default=sys.executable,
              show_default="this one", help="Python with PyTorch and onnxruntime.")
@options.checkpoint_option("128x96")
@options.out_option
@click.option("--device", type=click.Choice(["cpu", "gpu"]), default="cpu", help="Device to measure on.")
# fmt: on
def command(tasks, sizes, batches, kinds, rounds, repeats, torch_python, checkpoint, out, device):
    """Time this package against PyTorch and ONNX Runtime."""
    loaded, about, out = load_checkpoint(checkpoint), describe_machine(device), Path(out)
    pythons, results = {"torch": torch_python, "onnx": torch_python}, []
    cases = [Case(task, *size, batch) for size in sizes for task in tasks for batch in batches]
    work = {case: flops(case.task, loaded, *case[1:]) for case in cases}
    out.mkdir(parents=True, exist_ok=True)
    check_folder(out / "performance.json")  # before an hour of measuring
    for case in cases:
        click.echo(f"{case} ...", err=True)
        contenders = [kind for kind in kinds if case.task == "swap" or not kind.startswith("onnx")]
        rows = compare(case, contenders, checkpoint, device, rounds, repeats, pythons)
        results.append({"case": str(case), "batch": case.batch, "rows": rows, "flops": work[case]})
        save(results, about, out / ("performance" if case == cases[-1] else "performance_unfinished"))


def save(results: list, about: str, path: Path) -> None:
    """Write PATH.json and PATH.md.  The cases so far are written after each one, for an interruption."""
    files = {
        f"{path}.json": json.dumps({"about": about, "results": results}, indent=1) + "\n",
        f"{path}.md": f"{about}\n\n{table(results)}",
    }
    for name, content in files.items():
        write_atomically(name, content)
        click.echo(f"wrote {name}")
