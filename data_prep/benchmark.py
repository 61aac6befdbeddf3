"""Benchmark the ingestion of photos against a loop that only decodes them.

    python -m data_prep.benchmark [--pairs N] [--size HxW] [--jobs N]

Writes JPEGs of 768x1024 pixels to a temporary folder, measures a loop that only decodes them with the
same number of threads, and then `data_prep folders`, which builds a data file from them.
"""

import io
import os
import resource
import tempfile
import time

import click
import numpy as np
from PIL import Image
from tqdm import tqdm

from cagan_theano.io.command import Command, main
from data_prep.ingest import Settings, in_parallel, ingest
from data_prep.options import size_option
from data_prep.photoshoot.shoot import Setting, check_renderer, make_pair

WIDTH, HEIGHT = 768, 1024
RENDERED = Setting(seed=0, size=(128, 96))  # photos are rendered at this size and enlarged
KINDS = ("people", "clothes")
FEW = 60  # pairs: more than fit on the contact sheet


def jpeg(image, seed):
    """The bytes of a JPEG: a rendered image, enlarged, with sensor-like noise."""
    large = Image.fromarray(image).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    pixels = np.asarray(large) + np.random.default_rng(seed).normal(0, 3, (HEIGHT, WIDTH, 3))
    content = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(content, "JPEG", quality=90)
    return content.getvalue()


def make_photos(folder, pairs):
    """Write the photos of a small photoshoot to a folder; returns their paths."""
    paths = []
    for kind in KINDS:
        os.makedirs(os.path.join(folder, kind))
    for number in tqdm(range(pairs), desc="rendering", unit="pair", leave=False):
        pair = make_pair(RENDERED, "train", number)
        for kind, name in zip(KINDS, "xy"):
            paths.append(os.path.join(folder, kind, f"{number:06d}.jpg"))
            with open(paths[-1], "wb") as file:
                file.write(jpeg(pair[name], number))
    return paths


def decode(path):
    """Decode one file and discard the pixels."""
    with Image.open(path) as image:
        image.load()


def seconds(function, rounds):
    """(wall, CPU) time [s] of a function: the minima over several rounds."""

    def once():
        start = time.perf_counter(), time.process_time()
        function()
        return time.perf_counter() - start[0], time.process_time() - start[1]

    times = [once() for _ in range(rounds)]
    return tuple(min(column) for column in zip(*times))


@click.command(cls=Command, context_settings={"show_default": True})
@click.option("--pairs", default=150, type=click.IntRange(2 * FEW), help="Number of pairs of JPEGs.")
@size_option
@click.option("--jobs", default=2, type=click.IntRange(1), help="Threads of both loops.")
@click.option("--rounds", default=3, type=click.IntRange(1), help="Repetitions; the minimum counts.")
def benchmark(pairs, size, jobs, rounds):
    """Compare building a data file with a loop that only decodes the same photos.

    The fixed cost of a data file (mostly its contact sheet) is measured with few photos and reported
    separately.
    """
    check_renderer()
    settings, options = Settings(size=size, jobs=jobs), dict(zip(("persons", "garments"), KINDS))
    with tempfile.TemporaryDirectory() as folder:
        few, many = os.path.join(folder, "few"), os.path.join(folder, "many")
        paths = make_photos(many, pairs)
        count = len(make_photos(few, FEW))
        decoding = seconds(lambda: list(in_parallel(decode, paths, jobs)), rounds)
        start, whole = (
            seconds(lambda src=src: ingest("folders", src, f"{folder}/out.h5", settings, options), rounds)
            for src in (few, many)
        )
        mean = sum(map(os.path.getsize, paths)) / len(paths) / 1024
    click.echo(
        f"{len(paths)} JPEGs of {WIDTH}x{HEIGHT} ({mean:.0f} KiB each), {jobs} threads, "
        f"to {size[0]}x{size[1]}"
    )
    decoding = np.array(decoding) / len(paths)
    each = (np.array(whole) - start) / (len(paths) - count)
    for name, spent in (("decoding alone", decoding), ("data_prep", each)):
        wall, cpu = 1000 * spent
        click.echo(f"{name:<16}{wall:7.2f} ms per photo, {cpu:7.2f} ms of CPU time")
    fixed = np.array(start) - count * each
    click.echo(f"fixed cost: {fixed[0]:.2f} s, {fixed[1]:.2f} s of CPU time")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    click.echo(
        f"{each[0] / decoding[0]:.2f} times the decoding loop, {each[1] / decoding[1]:.2f} times its "
        f"CPU time; peak memory {peak:.0f} MiB"
    )


if __name__ == "__main__":
    main(benchmark)
