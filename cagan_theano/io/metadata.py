"""Validation of JSON metadata from untrusted files against expected types.

Metadata are validated once, on reading and before writing, so that other code can rely on the types.
"""

import json
import math
import reprlib
from pathlib import Path

DEPTH = 16  # largest nesting of lists and objects
LARGEST = 2**63  # integers must be smaller, to fit 64 bits in other programs
NUMBER = (int, float)
MAX_BYTES = 1 << 24  # of a file of results

WORDS = {dict: "an object", str: "a string", int: "an integer", float: "a number", bool: "true or false",
         list: "a list", type(None): "null"}  # fmt: skip

# A form is a type, a tuple of types, or a dict of key -> form for an object; all keys are optional,
# and other keys may have any plain value.
PROVENANCE = {"program": str, "version": int, "seed": int, "arguments": {}, "resized": list,
              "first_pairs": int}  # fmt: skip
SHOT = "data_prep photoshoot"


def read_object(text, form):
    """The JSON object in ``text``, of plain values and a form; ValueError for anything else."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("is nested too deep") from None
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    check_plain(value)
    check_form(value, form)
    return value


def read_file(path, form):
    """`read_object` of a file of at most ``MAX_BYTES``; ValueError without the path, or OSError."""
    path = Path(path)
    if path.exists() and not path.is_file():
        raise ValueError("is not a regular file")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES >> 20} MB")
    return read_object(path.read_text("utf-8"), form)


def check_plain(value, name="it", depth=DEPTH):
    """Raise ValueError unless a value consists of JSON types within bounds."""
    if isinstance(value, (dict, list, tuple)):
        if not depth:
            raise ValueError(f"{name} is nested too deep")
        for part in [*value, *value.values()] if isinstance(value, dict) else value:
            check_plain(part, name, depth - 1)
    elif isinstance(value, str):
        if not is_storable(value):
            raise ValueError(f"{name} contains text that cannot be stored, {reprlib.repr(value)}")
    elif isinstance(value, NUMBER):
        if not (math.isfinite(value) if isinstance(value, float) else abs(value) < LARGEST):
            raise ValueError(f"{name} contains a number out of range")
    elif value is not None:
        raise ValueError(f"{name} contains a {type(value).__name__}, which is not a JSON type")


def is_storable(text):
    """Whether HDF5 can store a string: UTF-8 without a zero byte."""
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def check_form(value, form, name="it"):
    """Raise ValueError unless a plain value has a form."""
    kinds = dict if isinstance(form, dict) else form
    if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
        words = " or ".join(WORDS[kind] for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
        raise ValueError(f"{name} is {reprlib.repr(value)}, not {words}")
    for key in form if isinstance(form, dict) else ():
        if key in value:
            check_form(value[key], form[key], f"{name}.{key}" if name != "it" else key)


def check_provenance(value, name="provenance"):
    """Return ``value`` if it is a valid provenance of images; ValueError otherwise.

    The provenance of a photoshoot must contain everything that is required to render it again.
    """
    check_plain(value, name)
    check_form(value, PROVENANCE, name)
    if value.get("program") == SHOT:
        for key in ("version", "seed", "arguments"):
            if key not in value:
                raise ValueError(f"{name} lacks {key}")
        given = value["arguments"]
        check_form(given.get("clutter"), bool, f"{name}.arguments.clutter")
        check_form(given.get("size", []), list, f"{name}.arguments.size")
        if value["seed"] < 0:
            raise ValueError(f"{name}.seed is below 0")
    return value
