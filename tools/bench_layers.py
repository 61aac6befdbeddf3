"""Time of each convolution layer of G and D: forward, gradient of the input, gradient of the kernels.

    python tools/bench_layers.py [--size 128x96] [--batch 16] [--repeats 10] [--every-way]

Layers of equal sizes are timed once.  A time is the shortest of the repeats, in which the operations
take turns.  GFLOP/s count the direct method's additions and multiplications, as in `benchmark`, and
are compared with those of a large matrix product.
"""

import itertools
import json
import sys
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cagan_theano.backends import lowering, native
from cagan_theano.benchmarks.benchmark import describe_machine
from cagan_theano.benchmarks.contenders import timed
from cagan_theano.config import Config
from cagan_theano.io.command import Command, main
from cagan_theano.network.discriminator import Discriminator
from cagan_theano.network.generator import Generator
from data_prep.options import parse_size

XLA = "XLA"
OPERATIONS = {"convolve": "forward", "deconvolve": "input gradient", "weight_gradient": "kernel gradient"}


class Layer(NamedTuple):
    """A convolution [n, inner, stride height, stride width] -> [n, outer, height, width].

    A deconvolution of G is the input gradient of such a convolution.
    """

    inner: int
    outer: int
    taps: int
    stride: int
    height: int
    width: int

    def __str__(self):
        x = f"{self.inner}x{self.stride * self.height}x{self.stride * self.width}"
        return f"{x} -> {self.outer}x{self.height}x{self.width}, {self.taps}x{self.taps}"

    @property
    def pad(self) -> int:
        """Zeros on each side of the input."""
        return (self.taps - 1) // 2

    def flops(self, n: int) -> float:
        """Additions and multiplications of any of the three operations by the direct method."""
        return 2.0 * n * self.inner * self.outer * self.taps**2 * self.height * self.width

    def ways(self, operation: str, n: int) -> tuple[str, ...]:
        """The way that an operation is computed, then the other possible ones."""
        if not native.is_supported((self.outer, self.inner, self.taps, self.taps), self.stride, self.pad):
            return (XLA,)
        sizes = n, self.height, self.width, self.inner, self.outer, self.taps
        taken = native.way_taken(operation, *sizes)
        return taken, *(way for way in native.WAYS[operation] if way != taken)


def layers(config: Config) -> dict[Layer, list[str]]:
    """The distinct convolutions of G and D, and the names of the layers that have them."""
    found: dict[Layer, list[str]] = {}
    for network in (Generator(config, None), Discriminator(config, None)):
        boxes = network.shapes(config.height, config.width)
        shapes = {name[:-2]: shape for name, shape in network.params.shapes.items() if name.endswith(".W")}
        for (name, (outer, inner, taps, _)), (box, after) in zip(shapes.items(), itertools.pairwise(boxes)):
            height, width = (min(sides) for sides in zip(box[1][1:], after[1][1:]))
            stride = max(box[1][1], after[1][1]) // height
            layer = Layer(inner, outer, taps, stride, height, width)
            found.setdefault(layer, []).append(f"{type(network).__name__[0]} {name}")
    return found


def task(layer: Layer, operation: str, way: str, n: int):
    """A function without arguments that performs an operation of a layer on random arrays."""
    import jax

    stride, pad, taps = layer.stride, layer.pad, layer.taps
    small = layer.height, layer.width
    large = stride * layer.height, stride * layer.width
    shapes = {
        "x": (n, layer.inner, *large),
        "w": (layer.outer, layer.inner, taps, taps),
        "dy": (n, layer.outer, *small),
    }
    rng = np.random.default_rng(0)
    reads = {"convolve": ("x", "w"), "deconvolve": ("dy", "w"), "weight_gradient": ("x", "dy")}[operation]
    arrays = [jax.device_put(rng.uniform(-1, 1, shapes[name]).astype(np.float32)) for name in reads]
    xla = {
        "convolve": lambda x, w: lowering.convolve(x, w, stride, pad),
        "deconvolve": lambda dy, w: lowering.deconvolve(dy, w, stride, pad, large),
        "weight_gradient": lambda x, dy: lowering.weight_gradient(x, dy, stride, pad, taps),
    }
    ours = {
        "convolve": lambda x, w: native.convolve(x, w, way),
        "deconvolve": lambda dy, w: native.deconvolve(dy, w, way),
        "weight_gradient": lambda x, dy: native.weight_gradient(x, dy, taps, way),
    }
    compiled = jax.jit((xla if way == XLA else ours)[operation])
    return lambda: jax.block_until_ready(compiled(*arrays))


def measure(layer: Layer, operation: str, n: int, repeats: int, every: bool) -> dict:
    """{way, ms, gflops} of an operation of a layer, and {way: ms} of the other ways if `every`."""
    ways = layer.ways(operation, n)[: None if every else 1]
    tasks = {way: task(layer, operation, way, n) for way in ways}
    times = {way: [] for way in ways}
    for run in tasks.values():
        run()
    for _ in range(repeats):
        for way, run in tasks.items():
            times[way].append(1e3 * timed(run))
    ms, *others = (min(times[way]) for way in ways)
    gflops = layer.flops(n) / ms / 1e6
    return {"way": ways[0], "ms": ms, "gflops": gflops, "others": dict(zip(ways[1:], others))}


def measure_matrix_product() -> float:
    """GFLOP/s of the product of two 2048x2048 matrices under XLA, the best of five."""
    import jax

    side = 2048
    a = jax.device_put(np.random.default_rng(0).random((side, side), np.float32))
    product = jax.jit(lambda m: m @ m)
    multiply = lambda: product(a).block_until_ready()  # noqa: E731
    multiply()
    return 2 * side**3 / min(timed(multiply) for _ in range(5)) / 1e9


def table(rows: list[dict], peak: float) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| layer | of | operation | way | ms | GFLOP/s | vs. matrix product | other ways, ms |",
        "|---" * 8 + "|",
    ]
    for row in rows:
        others = ", ".join(f"{way} {ms:.2f}" for way, ms in row["others"].items())
        lines.append(
            f"| {row['layer']} | {', '.join(row['names'])} | {OPERATIONS[row['operation']]} | {row['way']} "
            f"| {row['ms']:.2f} | {row['gflops']:.0f} | {row['gflops'] / peak:.2f} | {others} |"
        )
    for operation, words in OPERATIONS.items():
        total = sum(row["ms"] for row in rows if row["operation"] == operation)
        lines.append(f"| sum | | {words} | | {total:.2f} | | | |")
    return "\n".join(lines)


@click.command(cls=Command, context_settings={"max_content_width": 100})
@click.option(
    "--size",
    default="128x96",
    show_default=True,
    callback=parse_size,
    help="Image size, HEIGHTxWIDTH.",
)
@click.option("--batch", type=click.IntRange(1, 4096), default=16, show_default=True, help="Batch size.")
@click.option(
    "--repeats", type=click.IntRange(1), default=10, show_default=True, help="Runs, the shortest counts."
)
@click.option("--every-way", is_flag=True, help="Also time the ways that are not taken.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(size, batch, repeats, every_way, as_json):
    """Time the convolutions of each layer of G and D on the CPU."""
    if not native.registered():
        raise ValueError("the C++ kernels are not available; install a C++ compiler (c++, g++ or clang++)")
    found, rows = layers(Config(height=size[0], width=size[1])), []
    for layer, operation in tqdm(list(itertools.product(found, OPERATIONS)), unit="operation"):
        about = {"layer": str(layer), "names": found[layer], "operation": operation}
        rows.append(about | measure(layer, operation, batch, repeats, every_way))
    peak = measure_matrix_product()
    if as_json:
        about = {"about": describe_machine("cpu"), "size": size, "batch": batch, "matmul": peak, "rows": rows}
        click.echo(json.dumps(about, indent=1))
    else:
        click.echo(f"{describe_machine('cpu')}; batch {batch}; matrix product: {peak:.0f} GFLOP/s\n")
        click.echo(table(rows, peak))


if __name__ == "__main__":
    main(command)
