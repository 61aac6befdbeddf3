"""Coverage per package, from the report of `coverage json`.

python tools/coverage_totals.py build/coverage.json      (make coverage runs it)
"""

import json
import sys
from collections import Counter
from pathlib import PurePath


def package(path: str) -> str:
    """The package of a file: its folder, to a depth of two."""
    return "/".join(PurePath(path).parent.parts[:2])


def totals(files: dict) -> dict[str, tuple[int, int]]:
    """Package -> (lines covered, lines), from the "files" of a report."""
    covered, lines = Counter(), Counter()
    for path, report in files.items():
        covered[package(path)] += report["summary"]["covered_lines"]
        lines[package(path)] += report["summary"]["num_statements"]
    return {name: (covered[name], lines[name]) for name in sorted(lines)}


def table(rows: dict[str, tuple[int, int]]) -> str:
    """One row per package, then the sum."""
    total = tuple(map(sum, zip(*rows.values())))
    return "\n".join(
        f"{name:30} {covered:6} of {lines:6} lines {100 * covered / max(lines, 1):6.1f} %"
        for name, (covered, lines) in {**rows, "total": total}.items()
    )


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as report:
        print(table(totals(json.load(report)["files"])))
