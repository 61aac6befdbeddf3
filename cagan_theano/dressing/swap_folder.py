"""Dress a folder of people in a folder of articles.

cagan swap-folder --humans people --wearing worn --articles shop --out dressed

`worn/anna.png` is the garment worn in `people/anna.jpg`.  Each person in each article is written to
`dressed/anna/ARTICLE.png`.  Existing results are skipped: the same command resumes after an interruption.
"""

import collections
import contextlib
import errno
import functools
import itertools
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import click
from tqdm import tqdm

from cagan_theano import options, weights
from cagan_theano.dressing.dress import Dressed, dress, fit_photo
from cagan_theano.io.command import Command
from cagan_theano.io.files import kind_of, same_file, write_atomically
from cagan_theano.io.image import encode_image
from cagan_theano.io.text import escape
from data_prep.layouts.records import split_line
from data_prep.photo_folder import ENDINGS, RESULTS, PhotoFolder
from data_prep.picture import ROOM

KEPT = 512  # cached images at the network's size: articles recur with every person
TOLD = 20  # lines of each kind that are printed
FOLDER, OUT = click.Path(file_okay=False), click.Path(file_okay=False, path_type=Path)
FORMAT, BATCH = click.Choice(["png", "jpg", "webp"]), click.IntRange(1, 1024)

# errors of the file system that concern one result; others, such as a full disk, end the command
ONE_RESULT = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EILSEQ}


class Job(NamedTuple):
    """One swap: paths of x_i, y_i ("": cut out of x_i) and y_j in their folders, and the result's ending."""

    human: str
    wearing: str
    article: str
    ending: str

    @property
    def result(self) -> str:
        """HUMAN/ARTICLE.ending, with subfolders of HUMAN."""
        human, article = (os.path.splitext(path)[0] for path in (self.human, self.article))
        return f"{human}/{article.replace('/', '_')}.{self.ending}"


class Folders(NamedTuple):
    """The folders of people, the articles that they wear (None: not given), and the articles to put on."""

    human: PhotoFolder
    wearing: PhotoFolder | None
    article: PhotoFolder

    def name(self, kind: str, path: str) -> str:
        """The path of a photo with that of its folder; kind: a field's name."""
        return os.path.join(getattr(self, kind).given, path)


def all_jobs(folders: Folders, ending: str, faults: list):
    """Yield every person in every article except the one they wear; faults: gets (path, fault) of others."""
    articles = list(folders.article.walk())
    for human in folders.human.walk():
        folder, _, name = human.rpartition("/")
        wearing = folders.wearing.twin(folder, name) if folders.wearing else ""
        if wearing is None:
            fault = "no image of the worn article; add one with the same name to --wearing"
            faults.append((folders.name("human", human), fault))
            continue
        worn = folders.wearing.locate(wearing) if folders.wearing else None
        for article in articles:
            if folders.article.locate(article) != worn:
                yield Job(human, wearing, article, ending)
    for kind in ("human", "article"):
        source = getattr(folders, kind)
        found = source.refused | dict.fromkeys(source.others, "is not a photo, by the ending of its name")
        faults += [(folders.name(kind, path), fault) for path, fault in found.items()]


def listed_jobs(folders: Folders, path, ending: str, faults: list):
    """The jobs of a list: lines of human, wearing, article, as `data_prep.layouts.records.list_rows` reads.

    Without a folder of worn articles, lines of human, article.
    """
    sources = [source for source in folders if source]
    columns = "human, wearing, article" if folders.wearing else "human, article"
    folder, name = os.path.split(os.path.abspath(path))
    for count, (number, line) in enumerate(PhotoFolder(folder).lines(name)):
        parts = split_line(line.strip(), lambda column, name: False)
        if not count and not any(part.lower().endswith(ENDINGS) for part in parts):
            continue  # a header
        try:
            if len(parts) != len(sources):
                raise ValueError(f"not a line of {columns}")
            human, *worn, article = (source.resolve(part) for source, part in zip(sources, parts))
            yield Job(human, worn[0] if worn else "", article, ending)
        except ValueError as error:
            faults.append((f"{path}:{number}", str(error)))


def sort_jobs(jobs, out: Path, folders: Folders, faults: list) -> tuple[list, int]:
    """(jobs without results, number of jobs with one); faults: gets (path, fault) of the others."""
    results: dict[str, Job] = {}
    todo, done = [], 0
    for job in jobs:
        if (other := results.setdefault(job.result, job)) != job:
            fault = f"has the same result {job.result} as {other.human}; rename one"
            faults.append((folders.name("human", job.human), fault))
        elif str(kind_of(out / job.result)).endswith("image"):
            done += 1
        else:
            todo.append(job)
    return todo, done


def prepare_folder(out: Path, settings: dict) -> None:
    """Create the folder.  Raises ValueError if it was begun with other settings."""
    out.mkdir(parents=True, exist_ok=True)
    path, known = out / RESULTS, None
    if not path.exists():
        return write_atomically(path, json.dumps(settings) + "\n")
    with contextlib.suppress(ValueError, RecursionError):
        known = json.loads(path.read_text())
    if known != settings:
        raise ValueError(f"{out}: was begun with another checkpoint, --size or --wearing; use another folder")


def work_ahead(pool: ThreadPoolExecutor, function, items, most: int):
    """Yield (item, future of function(*item)) in order, while up to `most` of them are under way."""
    begun = collections.deque()
    for item in items:
        begun.append((item, pool.submit(function, *item)))
        if len(begun) == most:
            yield begun.popleft()
    yield from begun


def run(model, folders: Folders, jobs: list, write, batch_size: int, done) -> tuple:
    """Read, swap and write concurrently, with a few batches in memory; OSError if nothing can be written.

    write: called with a job and its `Dressed`.  done: called with the number of finished jobs.
    Returns the number of results written, (path, fault) of the others, and path -> advice or None.
    """
    written, faults, notes = 0, {}, {}
    batch_size = min(batch_size, 1 << max(0, len(jobs) - 1).bit_length())
    size = model.config.height, model.config.width

    @functools.lru_cache(maxsize=KEPT)
    def read_photo(kind, path):
        return fit_photo(path, *size, read=getattr(folders, kind).read)

    def read(*job):
        """kind -> `FittedPhoto`, or (path, fault) of the first photo that cannot be read."""
        photos = {}
        for kind, path in zip(Folders._fields, job):
            if path:
                try:
                    photos[kind] = read_photo(kind, path)
                except (ValueError, OSError) as error:
                    return folders.name(kind, path), str(error).removeprefix(f"{path}: ")
        return photos

    def read_jobs():
        for job, future in work_ahead(decoders, read, jobs, 3 * batch_size):
            photos = future.result()
            if isinstance(photos, dict):
                yield job, photos
            else:
                faults[photos] = photos  # once, however many jobs it is in
                done(1)

    def dress_jobs():
        """Yield (job, `Dressed`); a batch is filled up with its last row, so that one size is compiled."""
        readable = read_jobs()
        while batch := list(itertools.islice(readable, batch_size)):
            rows = [photos for _, photos in batch] + [batch[-1][1]] * (batch_size - len(batch))
            lists = {kind: [photos[kind] for photos in rows] for kind in rows[0]}
            for (job, photos), dressed in zip(batch, dress(model, **lists, batch_size=batch_size)):
                for kind in photos:
                    path = folders.name(kind, getattr(job, kind))
                    if path not in notes:
                        notes[path] = dressed.note(kind)
                yield job, dressed

    threads = os.cpu_count()
    with ThreadPoolExecutor(threads) as decoders, ThreadPoolExecutor(threads) as encoders:
        for (job, _), future in work_ahead(encoders, write, dress_jobs(), 3 * batch_size):
            try:
                future.result()
                written += 1
            except (ValueError, OSError) as error:
                if not concerns_one_result(error):
                    raise
                path = folders.name("human", job.human)
                faults[path, job.result] = (path, str(error).removeprefix(f"{job.human}: "))
            done(1)
    return written, list(faults.values()), notes


def concerns_one_result(error: ValueError | OSError) -> bool:
    """Whether an error of a result, such as its name, leaves the others possible; not so a full disk."""
    if isinstance(error, ValueError | FileNotFoundError):  # of the photo, which is opened again
        return True
    return (error.errno or getattr(error.__cause__, "errno", None)) in ONE_RESULT


@click.command(cls=Command)
@click.option("--humans", type=FOLDER, required=True, help="Photos x_i of people.")
@click.option(
    "--wearing", type=FOLDER,
    help="Photos y_i of the article that each person wears, with the same names.  "
         "[default: cut out of the people's photos by a first pass]",
)  # fmt: skip
@click.option("--articles", type=FOLDER, required=True, help="Photos y_j of the articles to put on.")
@click.option("--out", type=OUT, required=True, help="Folder for the results.")
@click.option(
    "--pairs", type=click.Path(dir_okay=False),
    help="List of human, wearing, article, separated by tabs, semicolons, commas or spaces; each a path in "
         "its folder, relative or absolute.  [default: every human in every article]",
)  # fmt: skip
@click.option("--format", "ending", type=FORMAT, default="png", show_default=True, help="Of the results.")
@options.size_option
@click.option("--batch-size", type=BATCH, default=16, show_default=True, help="Images per batch.")
@options.checkpoint_option("128x96", "dress")
@options.backend_option
@options.device_option
def command(humans, wearing, articles, out, pairs, ending, size, batch_size, **given):
    """Dress a folder of people in a folder of articles."""
    for name, folder in {"--humans": humans, "--wearing": wearing, "--articles": articles}.items():
        if folder and same_file(folder, out):
            raise ValueError(f"{out}: is read by this command ({name} names it too); give another --out")
    given_folders = humans, wearing, articles
    folders = Folders(*(folder and PhotoFolder(folder, without=out) for folder in given_folders))
    start = time.monotonic()
    model = weights.load_model(given["checkpoint"], given["backend"], given["device"])
    settings = {"height": model.config.height, "width": model.config.width}
    settings |= {"checkpoint_sha256": model.sha256, "size": size, "wearing": bool(wearing)}
    prepare_folder(out, settings)
    faults: list[tuple[str, str]] = []
    jobs = listed_jobs(folders, pairs, ending, faults) if pairs else all_jobs(folders, ending, faults)
    todo, ready = sort_jobs(jobs, out, folders, faults)

    def write(job: Job, dressed: Dressed) -> None:
        path = out / job.result
        path.parent.mkdir(parents=True, exist_ok=True)
        with ROOM.shared():
            image = dressed.render()[0] if size == "photo" else dressed.x_ij
            write_atomically(path, encode_image(image, path, dressed.provenance))

    often = 0.5 if sys.stderr.isatty() else 30
    with tqdm(total=len(todo), unit="image", smoothing=0.05, mininterval=often) as bar:
        written, more, notes = run(model, folders, todo, write, batch_size, bar.update)
    faults += more
    tell(f"Note: {path} {note}" for path, note in sorted(notes.items()) if note)
    tell(f"skipped {path}: {fault}" for path, fault in faults)
    before, seconds = f" ({ready} were there already)" if ready else "", time.monotonic() - start
    told = f"wrote {written} images{before} to {out} in {seconds:.0f} s, skipped {len(faults)}"
    click.echo(escape(told))
    if not written + ready:
        cure = "see the skipped inputs above" if faults else "no photos were found in --humans or --articles"
        raise ValueError(f"{out}: nothing was written; {cure}")


def tell(lines) -> None:
    """Print up to TOLD lines on stderr, and how many more there are."""
    lines = list(lines)
    for line in lines[:TOLD]:
        click.echo(escape(line), err=True)
    if len(lines) > TOLD:
        click.echo(f"... and {len(lines) - TOLD} more", err=True)
