"""Command-line options shared by several commands."""

import os
from typing import Any

import click

from data_prep.store import check_size


def parse_size(_context: Any, _parameter: Any, text: str) -> tuple[int, int]:
    """Parse "128x96" as (128, 96): height and width in pixels."""
    try:
        height, width = (int(side) for side in text.lower().split("x"))
        check_size(height, width)
    except ValueError as error:
        form = "HEIGHTxWIDTH such as 128x96, both multiples of 16"
        raise click.BadParameter(f"{text!r}: give {form}") from error
    return height, width


def cpus() -> int:
    """The number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


size_option = click.option("--size", default="128x96", callback=parse_size, help="HEIGHTxWIDTH in pixels.")
