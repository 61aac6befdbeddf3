"""Any list of two columns: a person's photo and the photo of the garment worn in it.

Paths are relative to the column's folder (SRC by default), or absolute and inside it.
"""

import click

from data_prep.layouts.folders import PARSE_OPTION
from data_prep.layouts.records import LIP, Fault, Pair, list_rows, same_file
from data_prep.source import join, stem

NAME = "list"
TITLE = "Any list of two columns, person and garment (--list FILE)"
OPTIONS = (
    click.option("--list", "listed", required=True, help="The list, within SRC."),
    click.option("--persons", default="", help="Folder of the first column, within SRC."),
    click.option("--garments", default="", help="Folder of the second column."),
    PARSE_OPTION,
)


def matches(source):
    """Always False: the list must be named."""
    return False


def records(source, listed, persons="", garments="", parse=None):
    """Yield a pair for every row; the garment's path identifies the product."""
    folders = [source.resolve(folder) for folder in (persons, garments)]
    seen = {}

    def knows(column, name):
        try:
            return source.has(join(folders[column], source.resolve(name, folders[column])))
        except ValueError:
            return False

    for row in list_rows(source, source.resolve(listed), knows, folders):
        if isinstance(row, Fault):
            yield row
            continue
        line, (person, garment, *_) = row
        person, garment = join(folders[0], person), join(folders[1], garment)
        if seen.setdefault(person, garment) != garment:
            yield Fault(line, f"a second garment for {person}")
            continue
        found = same_file(source, source.resolve(parse), stem(person) + ".png") if parse else None
        yield Pair(person, garment, person, garment, "", found, LIP if found else ())
