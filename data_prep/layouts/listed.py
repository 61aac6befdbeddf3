"""Any list of two columns: a person's photo and the photo of the garment worn in it.

Paths are relative to the column's folder (SRC by default), or absolute and inside it.
"""

from collections.abc import Iterator

import click

from data_prep.layouts.folders import PARSE_OPTION
from data_prep.layouts.records import LIP, Fault, Layout, Pair, Record, list_rows, same_file
from data_prep.photo_folder import PhotoFolder, join, stem


def records(
    folder: PhotoFolder, listed: str, persons: str = "", garments: str = "", parse: str | None = None
) -> Iterator[Record]:
    """Yield a pair for every row; the garment's path identifies the product."""
    inners = [folder.resolve(inner) for inner in (persons, garments)]
    seen: dict[str, str] = {}

    def exists(column: int, name: str) -> bool:
        try:
            return folder.has(join(inners[column], folder.resolve(name, inners[column])))
        except ValueError:
            return False

    for row in list_rows(folder, folder.resolve(listed), exists, inners):
        if isinstance(row, Fault):
            yield row
            continue
        line, columns = row
        person, garment = (folder.actual(join(inner, name)) for inner, name in zip(inners, columns))
        if seen.setdefault(person, garment) != garment:
            yield Fault(line, f"a second garment for {person}")
            continue
        found = same_file(folder, folder.resolve(parse), stem(person) + ".png") if parse else None
        yield Pair(person, garment, person, garment, "", found, LIP if found else ())


LIST = Layout(
    "list",
    "Any list of two columns, person and garment (--list FILE)",
    records,
    options=(
        click.option("--list", "listed", required=True, help="The list, within SRC."),
        click.option("--persons", default="", help="Folder of the first column, within SRC."),
        click.option("--garments", default="", help="Folder of the second column."),
        PARSE_OPTION,
    ),
)
