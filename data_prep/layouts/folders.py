"""Any two folders, persons and garments, matched by file name; Keras CAGAN uses `match` as well."""

import click

from data_prep.layouts.records import LIP, Fault, Pair, same_file
from data_prep.source import stem

NAME = "folders"
TITLE = "Two folders of your own, matched by name (--persons DIR --garments DIR)"
PARSE_OPTION = click.option("--parse", help="Folder of label maps with the names of the persons' photos.")
OPTIONS = (
    click.option("--persons", required=True, help="Folder of the persons' photos, within SRC."),
    click.option("--garments", required=True, help="Folder of the garments' photos, within SRC."),
    PARSE_OPTION,
)


def matches(source):
    """Always False: the folder of the persons must be named."""
    return False


def records(source, persons, garments, parse=None):
    """Yield a pair for every name that occurs in both folders."""
    persons, garments = check_folder(source, persons), check_folder(source, garments)
    parse = check_folder(source, parse) if parse else None
    yield from match(source, persons, garments, lambda name: name, lambda name: name, parse)


def check_folder(source, folder):
    """The normalized path of a folder; ValueError if it contains no images."""
    folder = source.resolve(folder)
    if not source.images(folder):
        raise ValueError(f"{folder}: contains no images; give a folder within SRC")
    return folder


def match(source, persons, garments, person_id, garment_id, parse=None):
    """Yield pairs of two folders by the ids that two functions extract from stems (None: the stem)."""
    left, right = by_id(source, persons, person_id), by_id(source, garments, garment_id)
    for name in sorted(left.keys() | right.keys()):
        people, clothes = left.get(name, []), right.get(name, [])
        if len(people) == len(clothes) == 1:
            yield make_pair(source, people[0], clothes[0], name, parse)
        elif max(len(people), len(clothes)) > 1:
            yield from (Fault(path, f"more than one file for the id {name}") for path in people + clothes)
        else:
            why = "no garment with that name" if people else "no person with that name"
            yield Fault((people + clothes)[0], why)


def by_id(source, folder, get_id):
    """The images of a folder: a dict of id -> paths."""
    table = {}
    for name in source.images(folder):
        table.setdefault(get_id(stem(name)) or stem(name), []).append(f"{folder}/{name}")
    return table


def make_pair(source, person, garment, name, parse):
    """The `Pair` of two photos, with a label map if their folder is given."""
    found = same_file(source, parse, stem(person) + ".png") if parse else None
    return Pair(person, garment, person, name, "", found, LIP if found else ())
