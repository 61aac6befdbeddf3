"""What a layout is, the records that it yields, and the reader of every list of pairs."""

import csv
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from data_prep.photo_folder import ENDINGS, PhotoFolder, fold

COLUMNS = 8  # maximum columns of a list that are read; no layout has more
GAPS = 64  # maximum spaces of a line at which a split into two names is tried
LIP = (5, 6, 7)  # upper clothes, dress and coat in LIP label maps


class Pair(NamedTuple):
    """A true pair: the person wears exactly this garment.  Paths are relative to SRC.

    person, garment: the photos.  person_id, product: identities, as far as the dataset gives them;
    pairs that share one are kept in the same split.  split: "train", "test", or "" if the dataset has
    none.  parse: label map of `person`, in which `labels` mark the garment; garment_mask: mask of
    `garment`; each None if the layout has none, else a path that need not exist.  category: the
    garment's in the dataset's own words, or "".
    """

    person: str
    garment: str
    person_id: str
    product: str
    split: str = ""
    parse: str | None = None
    labels: tuple[int, ...] = ()
    garment_mask: str | None = None
    category: str = ""


class Unpaired(NamedTuple):
    """A test swap without ground truth: the person of one pair, the garment of another."""

    person: str
    garment: str


class Fault(NamedTuple):
    """An unusable file or line of a list, and why."""

    what: str
    why: str


Record: TypeAlias = Pair | Unpaired | Fault
Exists: TypeAlias = Callable[[int, str], bool]


class Layout(NamedTuple):
    """A layout of a dataset on disk: which photos belong together.

    records: yields the records of a folder, given the values of `options` (click options); matches: whether
    a folder has this layout, for `detect`.
    """

    name: str
    title: str
    records: Callable[..., Iterator[Record]]
    matches: Callable[[PhotoFolder], bool] = lambda folder: False
    options: Sequence[Callable[[Any], Any]] = ()


def list_rows(
    folder: PhotoFolder,
    path: str,
    exists: Exists = lambda column, name: False,
    folders: Sequence[str] = ("", ""),
) -> Iterator[tuple[str, list[str]] | Fault]:
    """Yield the rows of a list of two or more columns: (line, [normalized path, ...]) or `Fault`s.

    Columns are separated by tabs, semicolons, commas or spaces, in this order unless
    `exists(column, name)` tells another; names with spaces are quoted or told by `exists`.  Windows
    separators, a byte order mark, a header and a missing final newline are accepted.  Absolute paths
    become relative to the column's entry in `folders`.  Paths outside the folder and lines of one column
    are faults.
    """
    for count, (number, line) in enumerate(folder.lines(path)):
        place = f"{path}, line {number}"
        try:
            columns = split_line(line.strip(), exists)[:COLUMNS]
            names = [(n, column) for n, column in enumerate(columns[:2])]
            if (
                count == 0
                and len(columns) > 1
                and not any(fold(name).endswith(ENDINGS) or exists(n, clean(name)) for n, name in names)
            ):
                continue  # a header
            rooted = itertools.zip_longest(columns, folders, fillvalue="")
            parts = [folder.resolve(part, within) for part, within in rooted if part]
        except ValueError as error:
            yield Fault(place, str(error))
            continue
        yield (place, parts) if len(parts) > 1 else Fault(place, "has one column; two are required")


def named_rows(
    folder: PhotoFolder, path: str, columns: Sequence[str], folders: Sequence[str]
) -> Iterator[tuple[str, list[str]] | Fault]:
    """Yield as `list_rows` two named columns of a list with a header, which determines the separator.

    Raises ValueError if the list does not have these columns.
    """
    texts = (text for _, text in folder.lines(path, csv.field_size_limit()))
    header, rows = read_header(texts)
    if unknown := [name for name in columns if name not in header]:
        raise ValueError(f"{path}: has no column {unknown[0]!r}, only {', '.join(map(repr, header))}")
    places = [header.index(name) for name in columns]
    try:
        for number, row in enumerate(rows, 2):
            names = [row[n].strip() for n in places if n < len(row)]
            try:
                if not all(names) or len(names) < len(places):
                    raise ValueError("has an empty column")
                yield f"{path}, row {number}", list(map(folder.resolve, names, folders))
            except ValueError as error:
                yield Fault(f"{path}, row {number}", str(error))
    except csv.Error as error:
        raise ValueError(f"{path}: is not a list ({error})") from error


def read_header(texts: Iterator[str]) -> tuple[list[str], Iterator[list[str]]]:
    """(names of the columns, the other rows) of the lines of a list separated by comma, semicolon or tab."""
    line = next(texts, "")
    rows = csv.reader(itertools.chain([line], texts), delimiter=max(",;\t", key=line.count))
    return [name.strip() for name in next(rows, [])], rows


def split_line(line: str, exists: Exists) -> list[str]:
    """Split a line into columns, as described in `list_rows`."""
    found = []
    for separator in filter(line.__contains__, "\t;, "):
        parts = line.split(separator)
        if '"' in line:
            try:
                parts = next(csv.reader([line], delimiter=separator, skipinitialspace=True, strict=True))
            except csv.Error:  # quotes that belong to another separator
                continue
        columns = [part.strip() for part in parts if part.strip()]
        if len(columns) > 1:
            found.append(columns)
    gaps = itertools.islice(re.finditer(r"\s+", line), GAPS)  # bounded: each costs two lookups
    names = ([line[: gap.start()], line[gap.end() :]] for gap in gaps)
    known = (
        row for row in itertools.chain(found, names) if exists(0, clean(row[0])) and exists(1, clean(row[1]))
    )
    return next(known, found[0] if found else [line])


def clean(name: str) -> str:
    """A name with "/" as separator, whether the list uses Windows separators or not."""
    return name.replace("\\", "/")


def same_file(folder: PhotoFolder, inner: str, name: str) -> str:
    """The path in a folder of the image with the stem of `name`; inner/name if there is none."""
    return folder.twin(inner, name) or f"{inner}/{name}"
