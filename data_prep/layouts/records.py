"""The records that a layout yields, and a reader of lists of pairs for all layouts."""

import itertools
import re
from typing import NamedTuple

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


def list_rows(source, path, exists=lambda column, name: True, folders=("", "")):
    """Yield the rows of a list of two or more columns: (line, [normalized path, ...]) or `Fault`s.

    Columns are separated by tabs, commas or whitespace; names may contain single spaces if
    `exists(column, name)` tells which files exist.  Windows separators, a byte order mark and a
    missing final newline are accepted.  Absolute paths become relative to the column's entry in
    `folders`.  Paths outside the folder and lines of one column are faults.
    """
    for number, line in source.lines(path):
        place = f"{path}, line {number}"
        try:
            columns = itertools.zip_longest(split_line(line, exists)[:COLUMNS], folders, fillvalue="")
            parts = [source.resolve(part, folder) for part, folder in columns if part]
        except ValueError as error:
            yield Fault(place, str(error))
            continue
        yield (place, parts) if len(parts) > 1 else Fault(place, "has one column; two are required")


def split_line(line, exists):
    """Split a line into columns, as described in `list_rows`."""
    for separator in "\t,":
        if separator in line:
            return [part.strip() for part in line.split(separator) if part.strip()]
    parts = line.split()
    if len(parts) < 3 or (exists(0, clean(parts[0])) and exists(1, clean(parts[1]))):
        return parts
    line = line.strip()
    for gap in itertools.islice(re.finditer(r"\s+", line), GAPS):  # bounded: each costs two lookups
        first, second = line[: gap.start()], line[gap.end() :]
        if exists(0, clean(first)) and exists(1, clean(second)):
            return [first, second]
    return parts


def clean(name):
    """A name with "/" as separator, whether the list uses Windows separators or not."""
    return name.replace("\\", "/")


def file_name(path):
    """The last component of a path."""
    return path.rpartition("/")[2]


def in_folder(source, folder, path):
    """The path in `folder` of a list's entry, whatever its file extension and leading folders."""
    inner = path.removeprefix(folder + "/")
    return source.twin(folder, file_name(inner)) or f"{folder}/{inner}"


def same_file(source, folder, name):
    """The path in `folder` of the image with the stem of `name`; folder/name if there is none."""
    return source.twin(folder, name) or f"{folder}/{name}"
