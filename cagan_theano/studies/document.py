"""Markdown from stored results alone: docs/claims.md, and the results of a study.

The same results give the same bytes.  What is not needed for a verdict stays in the results.
"""

from pathlib import Path
from typing import Any

from cagan_theano.evaluation.interval import PERCENT
from cagan_theano.io.page import render
from cagan_theano.io.text import one_line
from cagan_theano.studies import comparison, verdicts
from cagan_theano.studies.comparison import Results, compared_names, count_of, describe_marks, differences
from cagan_theano.studies.verdicts import Claim, Judgment, read_claims

FOLDER = Path(__file__).parent
WORDS = (verdicts.REPRODUCED, verdicts.PARTLY, verdicts.NOT, verdicts.UNKNOWN)


# --- the paper's claims


def write_claims(shipped: Results, studies: dict[str, Results], photos: Results | None = None) -> str:
    """docs/claims.md; photos: measures on real photos, or None."""
    claims: list[dict[str, Any]] = []
    for number, claim in enumerate(read_claims(), 1):
        here, there = claim.judge(shipped, studies), judge_on_photos(claim, studies, photos)
        found = [one for one in (here, there) if one]
        labels = dict.fromkeys(label for one in found for label in one.entries)
        heading = "".join(c for c in f"{number}. {claim.title}".lower() if c.isalnum() or c in " -_")
        about = {
            "number": number,
            "anchor": heading.replace(" ", "-"),  # that Markdown renderers give to the heading
            "claim": claim,
            "here": here,
            "photos": there,
            "rows": {label: [format_entry(one.entries.get(label)) for one in found] for label in labels},
            "commands": dict.fromkeys(one.command for one in found),
        }
        claims.append(about)
    words = [claim["here"].verdict for claim in claims]
    text = render(
        FOLDER / "claims.md.jinja",
        {
            "shipped": shipped,
            "steps": verdicts.STEPS,
            "min_seeds": comparison.MIN_SEEDS,
            "pairs": (shipped["metadata"].get("data") or {}).get("pairs", "an unknown number of"),
            "start": verdicts.started_from(shipped),
            "counts": ", ".join(f"{words.count(word)} {word}" for word in WORDS),
            "interval": PERCENT,
            "claims": claims,
            "studies": studies,
            "scale_of": verdicts.scale_of,
            "command_of": verdicts.command_of,
            "summarize": lambda study: write_study(study, numbers=False),
            "one_line": one_line,
        },
    )
    return text.rstrip() + "\n"


def judge_on_photos(claim: Claim, studies: dict[str, Results], photos: Results | None) -> Judgment | None:
    """The `Judgment` of a claim on real photos; None if it is not judged on them, or none were measured."""
    if claim.runs:
        judged = claim.judge({}, studies, "photos")
        return judged if judged.entries else None
    if not (photos and claim.on_photos):
        return None
    return claim.judge(photos)._replace(command="`cagan claims --photos luma_128x96.h5`")


# --- studies


def write_study(results: Results, numbers: bool = True) -> str:
    """What a study decided: the runs with a difference that counts, and the others.

    numbers: also a table of all numbers for each set of images.
    """
    sets = {"measures": "held-out swaps"}
    if "photos" in results:
        sets["photos"] = f"{results['photos']['n']} swaps in {one_line(results['photos']['data'])}"
    marks = {key: differences(results, key) for key in sets}
    words = [change.word for key in sets for run in marks[key].values() for change in run.values()]
    names = [name for name in results["runs"] if name != results["baseline"]]
    decided = {name: [describe_marks(marks[key][name]) for key in sets] for name in names}
    text = render(
        FOLDER / "study.md.jinja",
        {
            "study": results,
            "data": f" in {one_line(results['data'])}" if "data" in results else "",
            "counted": f"{sum(word != '-' for word in words)} of {len(words)}",
            "sets": sets,
            "decided": {name: texts for name, texts in decided.items() if any(texts)},
            "same": [f"`{name}`" for name, texts in decided.items() if not any(texts)],
            "tables": {key: tabulate(results, key) for key in sets} if numbers else {},
            "measures": {key: compared_names(results, key) for key in sets},
            "interval": PERCENT,
        },
    )
    return text.rstrip()


def tabulate(results: Results, key: str) -> dict[str, list[str]]:
    """The table of all runs and measures on one set of images: label of a run -> cells."""
    marks, rows = differences(results, key), {}
    for name, run in results["runs"].items():
        changed = run["changes"] | run.get("photoshoot", {})
        cells = [", ".join(f"{option}={value}" for option, value in changed.items()) or "nothing"]
        for measure in compared_names(results, key):
            if name == results["baseline"]:
                cells.append(format_entry(run[key][measure]))
            elif measure in marks[name]:
                difference = format_entry(marks[name][measure]._asdict(), "+")
                cells.append(f"{format_value(run[key][measure]['value'])}: {difference}")
            else:
                cells.append("-")
        rows[f"{name} ({count_of(len(run['seeds']), 'seed')})"] = cells
    return rows


def format_entry(entry: verdicts.Entry | None, sign: str = "") -> str:
    """A value, its interval, and its word if it is a difference that counts; "-" for None.

    sign: "+" to show that of positive numbers.
    """
    if entry is None:
        return "-"
    value, low, high = (format_value(entry[key], sign) for key in ("value", "low", "high"))
    word = entry.get("word", "-")
    return value + (f" ({low} to {high})" if low != "-" else "") + (f", {word}" if word != "-" else "")


def format_value(number: float | None, sign: str = "") -> str:
    """A number as text: none to four decimals by its size, "-" for None."""
    if number is None:
        return "-"
    size = abs(number)
    return f"{number:{sign}.{0 if size >= 100 else 1 if size >= 10 else 4 if size < 0.05 else 3}f}"
