"""What a layout yields, and the reading of lists of pairs, which stands once for all layouts."""

import itertools
import re
from typing import NamedTuple

COLUMNS = 8  # of a list that are looked at; no layout has more
GAPS = 64  # spaces of a line at which two names are looked for
LIP = (5, 6, 7)  # upper clothes, dress, coat in label maps of the LIP kind


class Pair(NamedTuple):
    """A true pair: the person wears that very garment.  Paths are relative to SRC.

    person, garment: the photos.  person_id, product: who and what is shown, as far as the data
    set tells; pairs that share one never part.  split: "train", "test" or "" where the data set
    has none.  parse: label map of `person`, in which `labels` are the garment; garment_mask: mask
    of `garment`; each None where the layout has none, and a path that need not exist where it has.
    """

    person: str
    garment: str
    person_id: str
    product: str
    split: str = ""
    parse: str | None = None
    labels: tuple[int, ...] = ()
    garment_mask: str | None = None


class Unpaired(NamedTuple):
    """A test swap without a known truth: the person of one pair, the garment of another."""

    person: str
    garment: str


class Fault(NamedTuple):
    """Something that cannot be used: a file or a line of a list, and why."""

    what: str
    why: str


def list_rows(source, path, knows=lambda column, name: True, folders=("", "")):
    """The rows of a list of two or more columns: (line's place, [cleaned path, ...]) or `Fault`s.

    Columns stand apart by tabs, commas or any white space; names may hold single spaces when
    `knows(column, name)` tells which files there are.  Windows separators, a byte-order mark and
    a missing last newline are fine.  Absolute paths become relative to the column's entry in
    `folders`.  Paths that leave the folder and lines of one column are faults.
    """
    for number, line in source.lines(path):
        place = f"{path}, line {number}"
        try:
            columns = itertools.zip_longest(split_line(line, knows)[:COLUMNS], folders, fillvalue="")
            parts = [source.resolve(part, folder) for part, folder in columns if part]
        except ValueError as error:
            yield Fault(place, str(error))
            continue
        yield (place, parts) if len(parts) > 1 else Fault(place, "has one column; two are needed")


def split_line(line, knows):
    """The columns of a line, see `list_rows`."""
    for separator in "\t,":
        if separator in line:
            return [part.strip() for part in line.split(separator) if part.strip()]
    parts = line.split()
    if len(parts) < 3 or (knows(0, clean(parts[0])) and knows(1, clean(parts[1]))):
        return parts
    line = line.strip()
    for gap in itertools.islice(re.finditer(r"\s+", line), GAPS):  # each asks for names as long as the line
        first, second = line[: gap.start()], line[gap.end() :]
        if knows(0, clean(first)) and knows(1, clean(second)):
            return [first, second]
    return parts


def clean(name):
    """A name as lists of Windows and of others write it, with "/"."""
    return name.replace("\\", "/")


def file_name(path):
    """The last part of a path."""
    return path.rpartition("/")[2]


def in_folder(source, folder, path):
    """The path in `folder` that a list's entry means, whatever its ending and leading folders."""
    inner = path.removeprefix(folder + "/")
    return source.twin(folder, file_name(inner)) or f"{folder}/{inner}"


def same_file(source, folder, name):
    """The path in `folder` called like `name`, whatever its ending; one that is missing else."""
    return source.twin(folder, name) or f"{folder}/{name}"
