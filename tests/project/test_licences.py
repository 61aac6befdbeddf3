"""What the README's commands install: the pins and nothing else, each with its licence listed."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def pins():
    """name -> version of requirements/reference.txt."""
    text = (ROOT / "requirements" / "reference.txt").read_text()
    return dict(re.findall(r"^([a-z0-9.-]+)(?:\[.*\])?==(\S+)", text, re.M))


def test_every_pin_has_its_licence_in_the_document():
    rows = re.findall(r"^\| (\S+) \| (\S+) \| (.+) \|$", (ROOT / "docs/licences.md").read_text(), re.M)
    listed = {name: version for name, version, licence in rows[1:] if licence.strip()}
    assert listed == pins(), "run: python tools/licences.py docs/licences.md"


def installs(path):
    """The commands of a file that install packages, continued lines joined."""
    text = (ROOT / path).read_text().replace("\\\n", " ")
    return re.findall(r"^.*\bpip install\b.*$", text, re.M)


def test_the_commands_of_the_readme_install_only_the_pins():
    assert not [
        line
        for line in installs("README.md")
        if "-r requirements/" not in line and line.split()[:3] != ["pip", "install", "."]
    ]
    # `make environment`, on which all other targets stand; then the two that say what they add
    ours, *others = installs("Makefile")
    assert "--require-hashes -r $<" in ours
    assert all("jax[cuda12]==" in line or line.rstrip().endswith(" uv") for line in others), others
