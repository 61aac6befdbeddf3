"""Any two folders, persons and garments, matched by name; also the folders of Keras CAGAN."""

import click

from data_prep.layouts.records import LIP, Fault, Pair, same_file
from data_prep.source import stem

NAME = "folders"
TITLE = "Two folders of your own, matched by name (--persons DIR --garments DIR)"
PARSE_OPTION = click.option("--parse", help="Folder of label maps called like the persons.")
OPTIONS = (
    click.option("--persons", required=True, help="Folder of the persons, within SRC."),
    click.option("--garments", required=True, help="Folder of the garments, within SRC."),
    PARSE_OPTION,
)


def matches(source):
    """Never by itself: which folder holds the persons must be said."""
    return False


def records(source, persons, garments, parse=None):
    """Every name that both folders have."""
    persons, garments = check_folder(source, persons), check_folder(source, garments)
    parse = check_folder(source, parse) if parse else None
    yield from match(source, persons, garments, lambda name: name, lambda name: name, parse)


def check_folder(source, folder):
    """The cleaned name of a folder; ValueError where there is none."""
    folder = source.resolve(folder)
    if not source.images(folder):
        raise ValueError(f"{folder}: holds no images; name a folder within SRC")
    return folder


def match(source, persons, garments, person_id, garment_id, parse=None):
    """Pairs of two folders by the ids that two functions take from the stems (None: no id)."""
    left, right = (by_id(source, folder, of) for folder, of in ((persons, person_id), (garments, garment_id)))
    for name in sorted(left.keys() | right.keys()):
        people, clothes = left.get(name, []), right.get(name, [])
        if len(people) == len(clothes) == 1:
            yield make_pair(source, people[0], clothes[0], name, parse)
        elif max(len(people), len(clothes)) > 1:
            yield from (Fault(path, f"two files for the id {name}") for path in people + clothes)
        else:
            why = "no garment of that name" if people else "no person of that name"
            yield Fault((people + clothes)[0], why)


def by_id(source, folder, of):
    """id -> paths of a folder."""
    table = {}
    for name in source.images(folder):
        table.setdefault(of(stem(name)) or stem(name), []).append(f"{folder}/{name}")
    return table


def make_pair(source, person, garment, name, parse):
    """The pair; its label map where a folder of them is given."""
    found = same_file(source, parse, stem(person) + ".png") if parse else None
    return Pair(person, garment, person, name, "", found, LIP if found else ())
