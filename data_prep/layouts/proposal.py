"""Ordinary photos of a shop, in no known layout: which names or columns of a list pair them."""

import csv
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from data_prep.layouts.records import clean, read_header
from data_prep.photo_folder import ENDINGS, PhotoFolder, fold, join

ROLES = {
    "person": r"persons?|people|humans?|(on)?models?|worn|wear\w*|(wo)?m[ae]n|looks?|lifestyle",
    "garment": r"garments?|cloth\w*|articles?|products?|shop|tops?|flat\w*|items?|dress(es)?|packshots?",
    "neither": r"back|sides?|details?|\w*mask\w*|pars\w+|labels?|\w*pose\w*|seg\w*|thumbs?|agnostic\w*",
}
"""Words in names of folders, files and columns."""

Proposal: TypeAlias = tuple[str, dict[str, str], bool]
MOST_PHOTOS, MOST_NAMES, MOST_ROWS = 100_000, 24, 100  # that are looked at


def propose(folder: PhotoFolder) -> Proposal | None:
    """How the photos in a folder can be paired: by the columns of a list in it, else by their names.

    Returns (layout, its options, whether the names tell persons from garments).
    """
    for path in (name for name in folder.entries()[1] if name.lower().endswith((".csv", ".tsv", ".txt"))):
        if found := propose_columns(folder, path):
            return found
    ids: dict[str, set[Any]] = {}
    for photo in itertools.islice(folder.walk(), MOST_PHOTOS):
        for name, key in read_names(photo.rpartition(".")[0]):
            ids.setdefault(name, set()).add(key)
    if chosen := choose(ids):
        persons, garments, told = chosen
        options = {"persons": persons, "garments": garments}
        return "folders", {key: name.removesuffix("/{id}") for key, name in options.items()}, told
    return None


def propose_columns(folder: PhotoFolder, path: str) -> Proposal | None:
    """The proposal to read a list with a header of which two columns name photos."""
    try:
        header, rows = read_header(text for _, text in folder.lines(path))
        columns = dict(zip(header, zip(*itertools.islice(rows, MOST_ROWS))))
    except (ValueError, csv.Error):
        return None
    if any(fold(name).endswith(ENDINGS) for name in header):
        return None
    places: dict[str, str] = {}
    for name, inner in itertools.product(columns, ("", *folder.folders())):
        if sum(folder.has(join(inner, clean(cell.strip()))) for cell in columns[name]) * 2 > len(
            columns[name]
        ):
            places.setdefault(name, inner)
    if chosen := choose({name: set(range(len(columns[name]))) for name in places}):
        person, garment, told = chosen
        options = {"listed": path, "person_column": person, "garment_column": garment}
        inners = {"persons": places[person], "garments": places[garment]}
        return "list", options | {key: inner for key, inner in inners.items() if inner}, told
    return None


def read_names(path: str) -> Iterator[tuple[str, str]]:
    """Yield (path with {id}, id): the id is the name, the start of it, or its folder."""
    inner, _, name = path.rpartition("/")
    yield join(inner, "{id}"), name
    for end in [found.start() for found in re.finditer(r"(?<=.)[_\-. ]", name, re.DOTALL)][::-1]:
        yield join(inner, "{id}" + name[end:]), name[:end]
    if inner:
        outer, _, parent = inner.rpartition("/")
        yield join(outer, "{id}/" + name.replace(parent, "{id}")), parent


def choose(sets: Mapping[str, set[Any]]) -> tuple[str, str, bool] | None:
    """(persons, garments, whether their names tell) of the two names whose sets share most; None.

    Never two of one role, nor masks, backs and details.
    """
    largest = sorted(sets, key=lambda name: -len(sets[name]))[:MOST_NAMES]
    roles = {name: role_of(name) for name in largest}
    best: tuple[int, int] = (0, 0)
    chosen = None
    for a, b in itertools.combinations((name for name in largest if roles[name] != "neither"), 2):
        score = len(sets[a] & sets[b]), bool(roles[a]) + bool(roles[b])
        if score[0] and score > best and (roles[a] != roles[b] or not roles[a]):
            turned = roles[a] == "garment" or roles[b] == "person"
            best, chosen = score, (*((b, a) if turned else (a, b)), score[1] > 0)
    return chosen


def role_of(name: str) -> str:
    """The role that the words of a name tell, "" if it is none or several."""
    words = re.findall(r"[^\W\d_]+", name.lower())
    found = [role for role, pattern in ROLES.items() if any(re.fullmatch(pattern, word) for word in words)]
    return "neither" if "neither" in found else found[0] if len(found) == 1 else ""
