"""What a file from a stranger says of itself: JSON of plain values, each of the type that is asked for.

Checked once, where it is read (and before it is written), so that no reader of it meets another type.
"""

import json
import math
import reprlib

DEPTH = 16  # of lists and objects in each other
LARGEST = 2**63  # whole numbers stay below: those that other programs can hold
NUMBER = (int, float)

# A form is a type, a tuple of types, or a dict of key -> form for an object; keys that it does not
# name may hold any plain value, and none has to be there.
PROVENANCE = {"program": str, "version": int, "seed": int, "arguments": {}}
SHOT = "data_prep photoshoot"
OF_SHOOT = ("version", "seed", "arguments")  # what its pictures are made again from


def read_object(text, form):
    """The JSON object in ``text``, checked by ``check``; ValueError for what is none."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("is nested too deep") from None
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    return check(value, form)


def check(value, form, name="it"):
    """``value``, when it is plain and has its form; ValueError, "NAME ...", otherwise."""
    check_plain(value, name)
    check_form(value, form, name)
    return value


def check_plain(value, name="it", depth=DEPTH):
    """Raise ValueError unless a value consists of what JSON has, in bounds."""
    if isinstance(value, (dict, list, tuple)):
        if not depth:
            raise ValueError(f"{name} is nested too deep")
        if isinstance(value, dict):
            check_plain(list(value), name, depth)
            value = value.values()
        for part in value:
            check_plain(part, name, depth - 1)
    elif isinstance(value, str):
        if not fits(value):
            raise ValueError(f"{name} holds a text that cannot be stored, {reprlib.repr(value)}")
    elif isinstance(value, NUMBER):
        if not (math.isfinite(value) if isinstance(value, float) else abs(value) < LARGEST):
            raise ValueError(f"{name} holds a number out of range")
    elif value is not None:
        raise ValueError(f"{name} holds a {type(value).__name__}, which JSON has not")


def fits(text):
    """Whether HDF5 can hold a text: UTF-8 without a zero byte."""
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def check_form(value, form, name="it"):
    """Raise ValueError unless a plain value is of a form."""
    kinds = dict if isinstance(form, dict) else form
    if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
        raise ValueError(f"{name} is {reprlib.repr(value)}, not {named(kinds)}")
    for key in form if isinstance(form, dict) else ():
        if key in value:
            check_form(value[key], form[key], f"{name}.{key}" if name != "it" else key)


def named(kinds):
    """Types in words."""
    words = {
        dict: "an object",
        str: "a text",
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        type(None): "null",
    }
    return " or ".join(words[kind] for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))


def check_provenance(value, name="provenance"):
    """``value``, when it can be where pictures are from; ValueError otherwise.

    Of the photoshoot it must tell what its pictures are made again from.
    """
    check(value, PROVENANCE, name)
    if value.get("program") == SHOT:
        for key in OF_SHOOT:
            if key not in value:
                raise ValueError(f"{name} lacks {key}")
        check_form(value["arguments"].get("clutter"), bool, f"{name}.arguments.clutter")
        if not 0 <= value["seed"]:
            raise ValueError(f"{name}.seed is below 0")
    return value
