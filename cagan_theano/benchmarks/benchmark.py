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
from cagan_theano.network.networks import sized_networks
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
        environment = weights.child_environment() | {
            "CAGAN_THEANO_CACHE": f"{cache}/ours",
            "TORCHINDUCTOR_CACHE_DIR": f"{cache}/torch",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # several processes share a GPU
        }
        wanted = DEVICES.search(kind)
        if wanted and device == "cpu":  # a CPU is as many devices as the kind asks for
            flags = f"{environment.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={wanted[1]}"
            environment["XLA_FLAGS"] = flags.strip()
        words, pipe = tie([python, *WORKER, kind, json.dumps(about)]), subprocess.PIPE
        self.process = subprocess.Popen(
            words, text=True, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
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


def flops(case: Case, checkpoint) -> float:
    """Additions and multiplications of the convolutions only, by the direct method.

    A step: one forward pass of G for x_ij; for D's update, forward and backward passes of D on three
    inputs; for G's update, forward passes of the cycle through G and of D, a backward pass of D to its
    input, and two backward passes of G.  Raises ValueError for layers that are not the paper's.
    """
    if extra := [name for name in checkpoint.config.ours() if name in NETWORKS]:
        raise ValueError(f"{extra[0]}: only the paper's networks are benchmarked; give other weights")
    networks = sized_networks(checkpoint.config)

    def products(network, params):  # of one image in each layer, whose smaller side meets every weight
        kernels = [w for name, w in params.items() if name.endswith(".W")]
        sizes = [height * width for _, (_, height, width) in network.shapes(case.height, case.width)]
        return [np.prod(w.shape) * min(pair) for w, *pair in zip(kernels, sizes, sizes[1:], strict=False)]

    g, d = products(networks.G, checkpoint.G), products(networks.D, checkpoint.D)
    G, D = sum(g), sum(d)
    return 2.0 * case.batch * (G if case.task == "swap" else 6 * G - g[0] + 11 * D - 3 * d[0])


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
    named = (re.search(r"precision=(\w+)", kind) for kind in (worker.kind, first.kind))
    if not apart <= max(TOLERANCE[name[1] if name else "float32"] for name in named):
        return {"error": f"differs from {first.kind} by {apart:.1e}; not timed"}
    return {"warm": worker.first, "apart": apart, "seconds": []}


def table(results: list) -> str:
    """The results as Markdown: one table per case, with times relative to the first contender.

    A relative time is the median over the rounds.
    """
    parts = []
    for result in results:
        first = next((row for row in result["rows"] if row.get("seconds")), None)
        columns = f"ms | time vs. {first['kind'] if first else 'first'} | images/s | GFLOP/s | peak memory | "
        columns += "first result, cold | first result, warm | max abs difference"
        lines = [f"**{result['case']}**\n\n| | {columns} |\n" + "|---" * 9 + "|"]
        for row in result["rows"]:
            if first is None or "error" in row:
                lines.append(f"| {row['kind']} | {row['error'].replace('|', '/')}" + " | " * 8)
                continue
            seconds = float(np.median(row["seconds"]))
            ratio = float(np.median(np.array(row["seconds"]) / np.array(first["seconds"])))
            lines.append(
                f"| {row['kind']} | {1000 * seconds:.1f} | {ratio:.2f} | {result['batch'] / seconds:.1f} "
                f"| {result['flops'] / seconds / 1e9:.0f} | {row['memory'] / 2**20:.0f} MiB | "
                f"{row['cold']:.1f} s | {row['warm']:.1f} s | {row['apart']:.0e} |"
            )
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def describe_machine(device: str) -> str:
    """The machine and the package versions in one line."""
    from cagan_theano.compat import versions

    about = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: *(.+)", about.read_text() if about.is_file() else "")
    name = found[1].strip() if found else platform.processor() or platform.machine()
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
    work = {case: flops(case, loaded) for case in cases}
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
    text = json.dumps({"about": about, "results": results}, indent=1)
    for ending, content in ((".json", text + "\n"), (".md", f"{about}\n\n{table(results)}")):
        write_atomically(f"{path}{ending}", content)
        click.echo(f"wrote {path}{ending}")
