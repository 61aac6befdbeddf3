"""The documents: links and anchors resolve, and commands exist with the options that are given to them."""

import re
import shlex

import click
import pytest
from test_environment import ROOT, text

from cagan_theano import cli

DOCUMENTS = ["README.md", "CONTRIBUTING.md", "checkpoints/README.md"]
DOCUMENTS += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))


def anchors(document):
    """The anchors of a document's headings, as GitHub and MkDocs write them."""
    headings = re.findall(r"^#+ (.+)$", text(document), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_named_files_exist(document):
    folder = (ROOT / document).parent
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text(document)):
        name, _, anchor = target.partition("#")
        path = (folder / name).resolve() if name else ROOT / document
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.relative_to(ROOT)), target
    roots = "cagan_theano|data_prep|replicate|tests|tools|docs|requirements"
    named = re.findall(rf"`((?:{roots})/[\w/.*-]*)`", text(document))
    named += re.findall(rf"\b(?:{roots})/[\w/]+\.(?:py|md|h5|npz|toml)\b", text(document))
    for name in named:
        assert list(ROOT.glob(name.rstrip("/"))), name


def commands(document):
    """The words after `cagan` of each command in a document's blocks and code spans."""
    joined = text(document).replace("\\\n", " ")
    lines = re.findall(r"^ *(?:\$ )?(?:cagan|python -m cagan_theano) (.+)$", joined, re.M)
    lines += re.findall(r"`(?:cagan|python -m cagan_theano) ([^`]+)`", joined.replace("\n", " "))
    return [shlex.split(line.replace("[", " ").replace("]", " "), comments=True) for line in lines]


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if commands(name)])
def test_commands_exist_with_their_options(document):
    for words in commands(document):
        if words[0].isupper() or words[0].startswith("-"):
            continue
        assert words[0] in cli.COMMANDS, words
        command = cli.find(words[0])
        if isinstance(command, click.Group) and len(words) > 1 and words[1].islower():
            command = command.get_command(click.Context(command), words[1])
            assert command, words
        known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        unknown = {word for word in words if word.startswith("--")} - known - {"--help"}
        assert not unknown, (words, unknown)


def test_the_test_finds_commands():
    assert ["figure4"] in commands("README.md")
    assert sum(len(commands(document)) for document in DOCUMENTS) > 50


def test_the_code_that_fidelity_names_exists():
    """In the table of the paper's sentences: `module.name` of network, method, training, or `config`."""
    rows = text("docs/fidelity.md").split("## Sentence by sentence")[1].split("\n## ")[0]
    cells = [line.split(" | ")[2] for line in rows.splitlines() if line.startswith("| ")][1:]
    places = [re.match(r"(\w+)\.(\w+)", name) for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
    found = [place.groups() for place in places if place]
    assert len(found) > 15
    for module, name in found:
        texts = [path.read_text() for path in (ROOT / "cagan_theano").glob(f"**/{module}.py")]
        assert any(re.search(rf"^(class|def) {name}\b", source, re.M) for source in texts), (module, name)


def test_the_tests_that_fidelity_names_are_there():
    named = set(re.findall(r"`(test_\w+)", text("docs/fidelity.md")))
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"^def (test_\w+)", tests, re.M))
    assert len(named) > 9 and named <= there, named - there
