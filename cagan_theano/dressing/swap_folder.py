"""Dress a folder of people in a folder of articles.

    python replicate/swap_folder.py --humans people --wearing worn --articles shop --out dressed

`worn/anna.png` is the garment worn in `people/anna.jpg`.  Each person in each article is written to
`dressed/anna/ARTICLE.png`; --pairs gives a list instead of all combinations.  Reading and writing
overlap with the network; existing results are skipped, so the same command resumes after an
interruption.
"""

import collections
import functools
import io
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from tqdm import tqdm

from cagan_theano import options, weights
from cagan_theano.dressing import advice
from cagan_theano.dressing.photo import image_bytes, paste
from cagan_theano.io.command import Command
from cagan_theano.io.files import write_atomically
from cagan_theano.io.text import printable
from data_prep.picture import decode, fit, quiet
from data_prep.source import Source

KEPT = 512  # cached decoded images: articles recur with every person
SETTINGS = "swap_folder.json"
TOLD = 20  # lines of each kind that are printed


class Job(NamedTuple):
    """One swap: paths of x_i, y_i and y_j in their folders, and of the result.

    wearing: "" if the worn article is cut out of the person's photo.
    """

    human: str
    wearing: str
    article: str
    result: str


class Folders(NamedTuple):
    """The folders of people, the articles that they wear (None: not given), and the articles to put on."""

    humans: Source
    wearing: Source | None
    articles: Source


class Unread(NamedTuple):
    """A photo that cannot be read: the number of its folder in `Folders`, its path there, and why."""

    folder: int
    path: str
    fault: str


class Outcome(NamedTuple):
    """The result of all jobs: number painted, (path, fault) of skipped inputs, total seconds.

    notes: (path, advice) of photos unlike the training data.
    """

    painted: int
    faults: list
    seconds: float
    notes: list


def all_jobs(folders: Folders, ending: str):
    """(job, None) or (path, fault): every person in every article except the one they wear."""
    articles = list(folders.articles.walk())
    for human in folders.humans.walk():
        folder, _, name = human.rpartition("/")
        wearing = folders.wearing.twin(folder, name) if folders.wearing else ""
        if wearing is None:
            fault = "no image of the worn article; add one with the same name to --wearing"
            yield place(folders.humans, human), fault
            continue
        for article in articles:
            if not same(folders, wearing, article):
                yield job(human, wearing, article, ending), None


def place(source: Source, path: str) -> str:
    """The path of a photo, with that of its folder."""
    return os.path.join(source.given, path)


def same(folders: Folders, wearing: str, article: str) -> bool:
    """Whether the article to put on is the same file as the worn article."""
    if folders.wearing is None:
        return False
    return folders.wearing.locate(wearing) == folders.articles.locate(article)


def listed_jobs(folders: Folders, path, ending: str):
    """The jobs of a list: lines of human, wearing, article, separated by tabs or commas.

    Without a folder of worn articles, lines of human, article.
    """
    sources = [source for source in folders if source]
    columns = "human, wearing, article" if folders.wearing else "human, article"
    folder, name = os.path.split(os.path.abspath(path))
    for number, line in Source(folder).lines(name):
        parts = [part.strip() for part in line.split("\t" if "\t" in line else ",")]
        if len(parts) != len(sources) or not all(parts):
            yield f"{path}:{number}", f"not a line of {columns}"
            continue
        try:
            human, *worn, article = (source.resolve(part) for source, part in zip(sources, parts))
            yield job(human, worn[0] if worn else "", article, ending), None
        except ValueError as error:
            yield f"{path}:{number}", str(error)


def job(human: str, wearing: str, article: str, ending: str) -> Job:
    """The job with the result HUMAN/ARTICLE.ending, with subfolders of HUMAN."""
    human_name, article_name = (os.path.splitext(path)[0] for path in (human, article))
    return Job(human, wearing, article, f"{human_name}/{article_name.replace('/', '_')}.{ending}")


class Notes:
    """Advice on the photos of the folders, once for each; a person's is that of the first swap.

    lines: path on disk -> advice or None.
    """

    def __init__(self, folders: Folders):
        self.folders, self.lines = folders, {}
        self._sizes: dict[str, tuple] = {}

    def read(self, source: Source, path: str, size, image) -> None:
        """Note a photo that was read: size (W, H); image [h, w, 3], as the network sees it."""
        if source is self.folders.humans:
            self._sizes[path] = size
        else:
            self.lines.setdefault(source.locate(path), advice.on_photo("article", size, image))

    def painted(self, job: Job, x_i, alpha) -> None:
        """Note the person of a job: x_i [h, w, 3] and alpha [h, w]."""
        path = self.folders.humans.locate(job.human)
        if path not in self.lines:
            self.lines[path] = advice.on_photo("human", self._sizes[job.human], x_i, alpha)

    def given(self) -> list:
        """(path, advice) of the photos that need it, sorted."""
        return sorted((path, line) for path, line in self.lines.items() if line)


def readers(folders: Folders, height: int, width: int, read_one=lambda *_: None):
    """Cached functions path -> uint8 [height, width, 3], one for each folder; blank for a missing one.

    read_one: called with the folder, the path, the photo's size (W, H) and the image.
    """
    blank = np.full((height, width, 3), 255, np.uint8)

    def reader(source):
        if source is None:
            return lambda path: blank

        @functools.lru_cache(maxsize=KEPT)
        def read(path):
            picture = decode(io.BytesIO(source.read(path)), path, (height, width))
            image = np.asarray(fit(picture, height, width))
            read_one(source, path, picture.size, image)
            return image

        return read

    return tuple(map(reader, folders))


def read(job: Job, reads) -> "tuple | Unread":
    """The three images of a job, or the first that cannot be read."""
    pictures = []
    for number, (path, reader) in enumerate(zip(job, reads)):
        try:
            pictures.append(reader(path))
        except (ValueError, FileNotFoundError) as error:
            return Unread(number, path, str(error).removeprefix(f"{path}: "))
    return tuple(pictures)


def write(out: Path, job: Job, picture) -> None:
    """Write a result atomically."""
    path = out / job.result
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, image_bytes(picture, path))


def write_large(out: Path, humans: Source, job: Job, painted) -> None:
    """Composite (alpha, x_tilde_ij) into the photo at its own resolution and write the result."""
    original = decode(io.BytesIO(humans.read(job.human)), job.human)
    write(out, job, paste(original, *painted)[0])


def dress(jobs, reads, paint, write, batch_size: int, threads: int, done=lambda n: None) -> tuple:
    """Read, paint and write jobs concurrently; returns (number written, list of `Unread`).

    jobs: iterable of `Job`.  reads: see `read`.  paint: arrays x_i, y_i, y_j [batch_size, H, W, 3]
    -> a result for each.  write: called with a job and its result.  done: called with the number of
    finished jobs.  Memory is bounded by a few batches, independent of the number of jobs.
    """
    written, unread, jobs = 0, {}, iter(jobs)
    ahead, behind, batch = collections.deque(), collections.deque(), []
    with ThreadPoolExecutor(threads) as decoders, ThreadPoolExecutor(threads) as encoders:

        def fill():
            while len(ahead) < 3 * batch_size and (next_job := next(jobs, None)) is not None:
                ahead.append((next_job, decoders.submit(read, next_job, reads)))

        def settle(most):
            nonlocal written
            while len(behind) > most:
                behind.popleft().result()  # raises the exceptions of writing
                written += 1
                done(1)

        def flush():
            rows = [*batch, *[batch[-1]] * (batch_size - len(batch))]  # one batch size, compiled once
            results = paint(*(np.stack(part) for part in zip(*(pictures for _, pictures in rows))))
            for (painted, _), result in zip(batch, results):
                behind.append(encoders.submit(write, painted, result))
            batch.clear()
            settle(3 * batch_size)

        fill()
        while ahead:
            current, future = ahead.popleft()
            found = future.result()
            if isinstance(found, Unread):
                unread[found[:2]] = found  # once, however many jobs it is in
                done(1)
            else:
                batch.append((current, found))
            fill()
            if len(batch) == batch_size:
                flush()
        if batch:
            flush()
        settle(0)
    return written, list(unread.values())


def unfinished(found, out: Path, faults: list, humans: Source):
    """The jobs without results; faults of the list are appended to `faults`."""
    results = {}
    for entry, fault in found:
        if fault is not None:
            faults.append((entry, fault))
        elif results.setdefault(entry.result, entry) != entry:
            other = results[entry.result].human
            fault = f"has the same result {entry.result} as {other}; rename one"
            faults.append((place(humans, entry.human), fault))
        elif not (out / entry.result).exists():
            yield entry


def check_settings(out: Path, model, keep_size: bool, wearing: bool) -> None:
    """Create the folder.  Raises ValueError if it was begun with other weights or settings."""
    settings = {
        "checkpoint_sha256": model.sha256,
        "height": model.config.height,
        "width": model.config.width,
        **({"keep_size": True} if keep_size else {}),
        "wearing": wearing,
    }
    out.mkdir(parents=True, exist_ok=True)
    path = out / SETTINGS
    if path.exists():
        try:
            stored = json.loads(path.read_text())
            known = {"wearing": wearing, **stored} == settings  # older folders do not say
        except (ValueError, TypeError, RecursionError):
            known = False
        if not known:
            raise ValueError(
                f"{out}: was begun with another checkpoint, --keep-size or --wearing; give another folder"
            )
    else:
        write_atomically(path, json.dumps(settings) + "\n")


def measure(jobs: list, reads, paint, write, batch_size: int, threads: int) -> dict:
    """Images per second of reading, painting and writing separately, and of all at once.

    Writes the results.  The caches of `reads` are cleared before each.  Raises ValueError if no job can be
    read.
    """

    def timed(work):
        for reader in reads:
            getattr(reader, "cache_clear", lambda: None)()
        start = time.perf_counter()
        made = work()
        return made, len(jobs) / (time.perf_counter() - start)

    def paint_all():
        return [
            result
            for start in range(0, len(jobs), batch_size)
            for result in paint(*(np.stack(p) for p in zip(*padded(pictures[start : start + batch_size]))))
        ]

    def padded(rows):
        return [*rows, *[rows[-1]] * (batch_size - len(rows))]

    with ThreadPoolExecutor(threads) as pool:
        found, reading = timed(lambda: list(pool.map(lambda j: read(j, reads), jobs)))
        jobs = [job for job, part in zip(jobs, found) if not isinstance(part, Unread)]
        pictures = [part for part in found if not isinstance(part, Unread)]
        if not jobs:
            raise ValueError("--measure: no photos to measure with are left; give other folders or --out")
        paint(*(np.stack(p) for p in zip(*padded(pictures[:1]))))  # compiles
        results, painting = timed(paint_all)
        _, writing = timed(lambda: list(pool.map(write, jobs, results)))
    _, whole = timed(lambda: dress(jobs, reads, paint, write, batch_size, threads))
    return {"reading": reading, "painting": painting, "writing": writing, "all at once": whole}


@click.command(cls=Command)
@click.option("--humans", type=click.Path(file_okay=False), required=True, help="Photos x_i of people.")
@click.option(
    "--wearing",
    type=click.Path(file_okay=False),
    help="Photos y_i of the article that each person wears, with the same names.  "
    "[default: cut out of the people's photos by a first pass]",
)
@click.option(
    "--articles",
    type=click.Path(file_okay=False),
    required=True,
    help="Photos y_j of the articles to put on.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the results.",
)
@click.option(
    "--pairs",
    type=click.Path(dir_okay=False),
    help="List of human, wearing, article (tabs or commas), each a path in its "
    "folder, relative or absolute.  [default: every human in every article]",
)
@click.option(
    "--format",
    "ending",
    type=click.Choice(["png", "jpg", "webp"]),
    default="png",
    show_default=True,
    help="Format of the results.",
)
@click.option(
    "--keep-size",
    is_flag=True,
    help="Composite into the photos at their own resolution.  [default: the checkpoint's size]",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1, 1024),
    default=16,
    show_default=True,
    help="Images per batch.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    default=os.cpu_count() or 1,
    show_default="one per processor",
    help="Number of threads that read, and of threads that write.",
)
@click.option(
    "--measure",
    "measured",
    type=click.IntRange(1),
    help="Only measure the speed of each part and of all at once, on this many images.",
)
@options.checkpoint_option("128x96", "dress")
@options.backend_option
@options.device_option
def command(
    humans,
    wearing,
    articles,
    out,
    pairs,
    ending,
    keep_size,
    batch_size,
    threads,
    measured,
    checkpoint,
    backend,
    device,
):
    """Dress a folder of people in a folder of articles."""
    folders = Folders(Source(humans), Source(wearing) if wearing else None, Source(articles))
    model = weights.load_model(checkpoint, backend, device)
    if model.config.takes_mask:
        raise ValueError(
            f"{checkpoint}: requires masks (mask={model.config.mask}), which folders of "
            "photos do not have; give another checkpoint"
        )
    check_settings(out, model, keep_size, bool(wearing))
    faults, start = [], time.monotonic()
    found = listed_jobs(folders, pairs, ending) if pairs else all_jobs(folders, ending)
    todo = list(unfinished(found, out, faults, folders.humans))
    notes = Notes(folders)
    reads = readers(folders, model.config.height, model.config.width, notes.read)

    def paint(x_i, y_i, y_j):
        if not wearing:
            y_i = model.worn(x_i, y_j, batch_size)
        swap = model.swap(x_i, y_i, y_j, batch_size=batch_size)
        results = zip(swap.alpha, swap.x_tilde_ij) if keep_size else swap.x_ij
        return list(zip(x_i, swap.alpha, results))

    def keep(job, result):
        x_i, alpha, painted = result
        notes.painted(job, x_i, alpha)
        if keep_size:
            write_large(out, folders.humans, job, painted)
        else:
            write(out, job, painted)

    parts = reads, paint, keep, batch_size, threads
    if measured:
        return print_rates(measure(todo[:measured], *parts))
    with (
        quiet(),
        tqdm(
            total=len(todo),
            unit="image",
            smoothing=0.05,
            mininterval=0.5 if sys.stderr.isatty() else 30,
        ) as bar,
    ):
        written, unread = dress(todo, *parts, done=bar.update)
    faults += [(place(folders[number], path), fault) for number, path, fault in unread]
    return finish(Outcome(written, faults, time.monotonic() - start, notes.given()), out)


def print_rates(rates: dict) -> int:
    """Print the rates of `measure` and the total time relative to the slowest part."""
    for name, rate in rates.items():
        click.echo(f"{name:12} {rate:10.1f} images/s")
    *parts, whole = rates.values()
    click.echo(f"total time / time of the slowest part: {min(parts) / whole:.2f}")
    return 0


def tell(lines: list) -> None:
    """Print up to TOLD lines on stderr, and how many more there are."""
    for line in lines[:TOLD]:
        click.echo(printable(line), err=True)
    if len(lines) > TOLD:
        click.echo(f"... and {len(lines) - TOLD} more", err=True)


def finish(outcome: Outcome, out: Path) -> int:
    """Print a summary; returns 0.  Raises ValueError if everything was skipped."""
    tell([f"Note: {path} {line}" for path, line in outcome.notes])
    tell([f"skipped {path}: {fault}" for path, fault in outcome.faults])
    click.echo(
        f"wrote {outcome.painted} images to {out} in {outcome.seconds:.0f} s, skipped {len(outcome.faults)}"
    )
    if outcome.faults and not outcome.painted:
        raise ValueError(f"{out}: nothing was written; see the skipped inputs above")
    return 0
