"""How fast photos are read, against a loop that only decodes them.

    python -m data_prep.benchmark [--pairs N] [--size HxW] [--jobs N]

Makes JPEGs of 768x1024 pixels in a temporary folder, decodes them all with as many threads and
does nothing else, and then makes a data file of them with `data_prep folders`.
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
RENDERED = Setting(seed=0, size=(128, 96))  # what is rendered, and then enlarged
KINDS = ("people", "clothes")
FEW = 60  # pairs: more than the contact sheet shows


def jpeg(picture, seed):
    """A JPEG's bytes: a rendered picture enlarged, with the noise of a sensor."""
    large = Image.fromarray(picture).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    pixels = np.asarray(large) + np.random.default_rng(seed).normal(0, 3, (HEIGHT, WIDTH, 3))
    content = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(content, "JPEG", quality=90)
    return content.getvalue()


def make_photos(folder, pairs):
    """Write the photos of a small photoshoot; returns their paths."""
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
    """Decode one file and do nothing with it."""
    with Image.open(path) as image:
        image.load()


def seconds(work, rounds):
    """(wall, processor) seconds of the fastest of several turns of a function."""

    def once():
        start = time.perf_counter(), time.process_time()
        work()
        return time.perf_counter() - start[0], time.process_time() - start[1]

    turns = [once() for _ in range(rounds)]
    return tuple(min(spent) for spent in zip(*turns))


@click.command(cls=Command, context_settings={"show_default": True})
@click.option("--pairs", default=150, type=click.IntRange(1), help="Pairs of JPEGs.")
@size_option
@click.option("--jobs", default=2, type=click.IntRange(1), help="Threads of both.")
@click.option("--rounds", default=3, type=click.IntRange(1), help="Turns; the fastest counts.")
def benchmark(pairs, size, jobs, rounds):
    """Compare the making of a data file with a loop that only decodes the same photos.

    What a data file costs whatever its length (the contact sheet above all) is measured with few
    photos and told apart.
    """
    check_renderer()
    settings, options = Settings(size=size, jobs=jobs), dict(zip(("persons", "garments"), KINDS))
    with tempfile.TemporaryDirectory() as folder:
        few, many = os.path.join(folder, "few"), os.path.join(folder, "many")
        paths = make_photos(many, pairs)
        count = len(make_photos(few, FEW))
        bare = seconds(lambda: list(in_parallel(decode, paths, jobs)), rounds)
        start, whole = (
            seconds(lambda src=src: ingest("folders", src, f"{folder}/out.h5", settings, options), rounds)
            for src in (few, many)
        )
        mean = sum(map(os.path.getsize, paths)) / len(paths) / 1024
    click.echo(
        f"{len(paths)} JPEGs of {WIDTH}x{HEIGHT} ({mean:.0f} KiB each), {jobs} threads, "
        f"to {size[0]}x{size[1]}"
    )
    bare = np.array(bare) / len(paths)
    each = (np.array(whole) - start) / (len(paths) - count)
    for name, spent in (("decoding alone", bare), ("data_prep", each)):
        wall, processor = 1000 * spent
        click.echo(f"{name:<16}{wall:7.2f} ms a photo, {processor:7.2f} ms of processor time")
    fixed = np.array(start) - count * each
    click.echo(f"and {fixed[0]:.2f} s, {fixed[1]:.2f} s of processor time, whatever the number")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    click.echo(
        f"{each[0] / bare[0]:.2f} times the bare loop, {each[1] / bare[1]:.2f} times its "
        f"processor time; at most {peak:.0f} MiB of memory"
    )


if __name__ == "__main__":
    main(benchmark)
