"""The folders of the Keras re-implementation of CAGAN: imgs/1 persons, imgs/5 articles."""

from data_prep.layouts.folders import match

NAME = "keras-cagan"
TITLE = "Keras CAGAN: imgs/1/ID_1.jpg (person) and imgs/5/ID_5.jpg (article)"


def folders(source):
    """The folders (persons, articles), in imgs/ or in SRC itself, or None."""
    for base in ("imgs/", ""):
        if source.images(f"{base}1") and source.images(f"{base}5"):
            return f"{base}1", f"{base}5"
    return None


def matches(source):
    """Whether there are folders 1 and 5 with names of this kind."""
    found = folders(source)
    return bool(found) and source.images(found[0])[0].rpartition(".")[0].endswith("_1")


def records(source):
    """Pairs matched by ID."""
    persons, articles = folders(source) or ("imgs/1", "imgs/5")
    return match(
        source, persons, articles, lambda name: name.removesuffix("_1"), lambda name: name.removesuffix("_5")
    )
