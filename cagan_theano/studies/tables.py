"""The results of a study as Markdown."""

from collections.abc import Sequence
from typing import Any

from cagan_theano.evaluation.interval import PERCENT
from cagan_theano.io.text import format_number, one_line
from cagan_theano.studies.comparison import (
    Difference,
    Results,
    compared_names,
    count_of,
    describe_marks,
    differences,
)

NOTE = (
    "A difference counts if it survives Holm's correction at 5 % for all comparisons on the same images; its "
    "standard error contains people, garments and seeds."
)


def summarize_marks(results: Results) -> str:
    """What a study decided, as Markdown: the runs with a difference that counts, and the others."""
    sets = image_sets(results)
    marks = {key: differences(results, key) for key in sets}
    names = [name for name in results["runs"] if name != results["baseline"]]
    rows = {name: [describe_marks(marks[key][name]) for key in sets] for name in names}
    decided = [[f"`{name}`", *(text or "-" for text in row)] for name, row in rows.items() if any(row)]
    same = [f"`{name}`" for name, row in rows.items() if not any(row)]
    words = [change.word for key in sets for run in marks[key].values() for change in run.values()]
    counted = f"{sum(word != '-' for word in words)} of {len(words)} differences from the baseline count."
    lines = [f"{title(results)} {counted}", ""]
    lines += [*table(["run", *sets.values()], decided), ""] if decided else []
    lines += [f"Not told apart from `{results['baseline']}`: {', '.join(same)}.", ""] if same else []
    return "\n".join([*lines, NOTE])


def write_markdown(results: Results) -> str:
    """`summarize_marks`, and a table of all numbers for each set of images."""
    lines = [summarize_marks(results), ""]
    for key, where in image_sets(results).items():
        lines += [f"On {where}; differences from `{results['baseline']}` with {PERCENT} intervals:", ""]
        lines += [*table_of_numbers(results, key), ""]
    missing = [f"{name} ({seeds})" for name, seeds in results["missing"].items()]
    lines += [f"Not compared yet: {', '.join(missing)}.", ""] if missing else []
    return "\n".join(lines[:-1])


def title(results: Results) -> str:
    """The title of a study with its size."""
    where = f" in {one_line(results['data'])}" if "data" in results else ""
    return (
        f"{results['title']}: {results['trainings']} trainings of {results['steps']} steps; "
        f"{results['n']} held-out swaps of {results['people']} people{where}."
    )


def image_sets(results: Results) -> dict[str, str]:
    """Where the runs were measured: key of their results -> the images in words."""
    sets = {"measures": "held-out swaps"}
    if "photos" in results:
        photos = results["photos"]
        sets["photos"] = f"{photos['n']} swaps in {one_line(photos['data'])}"
    return sets


def table_of_numbers(results: Results, key: str) -> list[str]:
    """The lines of a table of all runs and measures on one set of images."""
    marks, names = differences(results, key), compared_names(results, key)
    rows = []
    for name, run in results["runs"].items():
        cells = []
        for measure in names:
            if name == results["baseline"]:
                cells.append(format_range(run[key][measure], ".3f"))
            elif measure in marks[name]:
                cells.append(format_difference(run[key][measure]["value"], marks[name][measure]))
            else:
                cells.append("-")
        rows.append([f"{name} ({count_of(len(run['seeds']), 'seed')})", describe_changes(run), *cells])
    return table(["run", "changed", *names], rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table as lines."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def describe_changes(run: dict[str, Any]) -> str:
    """The changes of a run, as text."""
    changed = run["changes"] | run.get("photoshoot", {})
    return ", ".join(f"{key}={value}" for key, value in changed.items()) or "nothing"


def format_difference(value: float, change: Difference) -> str:
    """One cell of the table: a run's value, and its difference from the baseline."""
    text = f"{format_number(value, '.3f')}: {format_range(change._asdict(), '+.3f')}"
    return text if change.word == "-" else f"{text} **{change.word}**"


def format_range(entry: dict[str, Any], form: str) -> str:
    """A value with its interval as text."""
    value, low, high = (format_number(entry[key], form) for key in ("value", "low", "high"))
    return value if low == "-" else f"{value} ({low} to {high})"
