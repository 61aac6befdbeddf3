"""The licences of what the pins install, from the installed packages' own metadata.

    python tests/licences.py docs/licences.md      (in an environment of the Makefile)
"""

import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PREFIX = "License :: "


def pins(path):
    """(name, version) of every pin of a requirements file that is installed here."""
    for line in path.read_text().splitlines():
        name, _, rest = line.partition("==")
        if rest and line[0] not in " #":
            try:
                yield name, metadata.version(name)
            except metadata.PackageNotFoundError:  # for another Python or system
                continue


def licence(name) -> str:
    """The licence of an installed package: its SPDX expression, its classifiers or its own words."""
    about = metadata.metadata(name)
    if about.get("License-Expression"):
        return about["License-Expression"]
    told = [c.split(" :: ")[-1] for c in about.get_all("Classifier") or [] if c.startswith(PREFIX)]
    if told:
        return ", ".join(dict.fromkeys(told))
    words = (about.get("License") or "").strip().splitlines()
    return words[0][:80] if words else "not stated in its metadata"


def document() -> str:
    """docs/licences.md."""
    rows = [f"| {name} | {version} | {licence(name)} |"
            for name, version in pins(ROOT / "requirements" / "reference.txt")]  # fmt: skip
    return "\n".join([
        "# Licences", "",
        "cagan_theano is under the MIT licence (`LICENSE`).  What `requirements/reference.txt` installs",
        "beside it, as each package's own metadata state (`python tests/licences.py",
        "docs/licences.md` writes this file):", "", "| package | version | licence |",
        "|---|---|---|", *rows, ""])  # fmt: skip


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document())
