"""The promises of the packaging: exact pins with licences, both environments admitted, nothing private."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENVIRONMENTS = {"reference": ("3.11", "3.12"), "today": ("3.11", "3.12", "3.13")}
COMBINATIONS = [(environment, python) for environment, pythons in ENVIRONMENTS.items() for python in pythons]


def text(path):
    """The text of a file of the repository."""
    return (ROOT / path).read_text(encoding="utf-8")


def applies(requirement, python):
    """Whether the requirement's marker holds on Linux with that Python."""
    variables = dict(
        python_version=python, python_full_version=f"{python}.9", implementation_name="cpython",
        platform_python_implementation="CPython", sys_platform="linux", platform_system="Linux",
        platform_machine="x86_64", os_name="posix", extra="",
    )  # fmt: skip
    return requirement.marker is None or requirement.marker.evaluate(variables)


def entries(path):
    """The logical lines of a requirements file, continued ones joined, comments dropped."""
    joined = text(path).replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip() and line[0] != "#"]


def pinned(environment, python):
    """name -> version of the environment's pins on that Python."""
    found = {}
    for line in entries(f"requirements/{environment}.txt"):
        requirement = Requirement(line.split(" --hash")[0])
        if applies(requirement, python):
            name = canonicalize_name(requirement.name)
            assert name not in found, f"{name} is pinned twice for Python {python}"
            found[name] = str(requirement.specifier).removeprefix("==")
    return found


def project():
    """pyproject.toml's [project] table."""
    return tomllib.loads(text("pyproject.toml"))["project"]


@pytest.mark.parametrize("environment", [*ENVIRONMENTS, "docs", "witness"])
def test_every_pin_is_exact_and_hashed(environment):
    lines = entries(f"requirements/{environment}.txt")
    assert len(lines) > 30
    for line in lines:
        pin, *hashes = line.split(" --hash=sha256:")
        exact = r"[a-z0-9.-]+(\[[a-z,]+\])?==[0-9][0-9a-z.]*([+]cpu)?( ; [^;]+)?"
        assert re.fullmatch(exact, pin.strip()), pin
        assert hashes and all(re.fullmatch("[0-9a-f]{64}", h.strip()) for h in hashes), pin


@pytest.mark.parametrize("environment, python", COMBINATIONS)
def test_the_environment_and_the_project_admit_the_pins(environment, python):
    table, pins = project(), pinned(environment, python)
    for requirement in map(Requirement, entries(f"requirements/{environment}.in")):
        assert requirement.specifier.contains(pins[requirement.name]), requirement
    lines = table["dependencies"] + table["optional-dependencies"]["test"]
    wanted = [r for r in map(Requirement, lines) if applies(r, python)]
    assert len(wanted) > 10
    for requirement in wanted:
        version = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement}: {version} is pinned"
    assert Requirement(f"python{table['requires-python']}").specifier.contains(python)


def test_witness_is_the_reference_environment_and_cpu_pytorch():
    reference, witness = pinned("reference", "3.11"), pinned("witness", "3.11")
    assert reference.items() <= witness.items()
    assert witness["torch"].endswith("+cpu")
    for requirement in map(Requirement, project()["optional-dependencies"]["witness"]):
        assert requirement.specifier.contains(witness[requirement.name]), requirement


@pytest.mark.both_environments
def test_installed_versions_are_the_pins_which_are_closed_under_dependencies():
    """Each requirement of each pinned package, as installed, is pinned as well, and satisfied."""
    environment, python = pathlib.Path(sys.prefix).name, "{}.{}".format(*sys.version_info)
    if not (pathlib.Path(sys.prefix) / f"installed-{python}").exists():
        pytest.skip("not an environment of the Makefile")
    pins = pinned(environment, python)
    assert {name: metadata.version(name) for name in pins} == pins
    for name in pins:
        for requirement in map(Requirement, metadata.requires(name) or []):
            needed = canonicalize_name(requirement.name)
            if applies(requirement, python):
                assert needed in pins, f"{name} needs {requirement}"
                assert requirement.specifier.contains(pins[needed]), f"{name} needs {requirement}"


def test_every_pin_has_its_licence_in_the_document():
    rows = re.findall(r"^\| (\S+) \| (\S+) \| (.+) \|$", text("docs/licences.md"), re.M)
    listed = {name: version for name, version, licence in rows[1:] if licence.strip()}
    pins = re.findall(r"^([a-z0-9.-]+)(?:\[.*\])?==(\S+)", text("requirements/reference.txt"), re.M)
    assert listed == dict(pins), "run: python tools/licences.py docs/licences.md"


def test_the_readme_make_and_conda_install_only_the_pins():
    readme, (ours, *others) = (
        re.findall(r"^.*\bpip install\b.*$", text(path).replace("\\\n", " "), re.M)
        for path in ("README.md", "Makefile")
    )
    for line in readme:
        assert "-r requirements/" in line or line.split()[:3] == ["pip", "install", "."], line
    # `make environment`, on which all other targets stand; then the two that say what they add
    assert "--require-hashes -r $<" in ours
    assert all("jax[cuda12]==" in line or line.rstrip().endswith(" uv") for line in others), others
    assert "- python=3.11\n" in text("environment.yml")
    assert text("environment.yml").rstrip().endswith("- -r requirements/reference.txt")


# Spelled in two parts, so that this file does not contain what it forbids.
HOSTS = b"py" + b"pi.org", b"pythonho" + b"sted.org", b"registry.npm" + b"js"
PLACES = re.compile(rb"/(?<![\w.:/-]/)(?:home|root|work|Users)" + rb"/\w")


def test_no_tracked_file_names_a_registry_or_a_place_on_somebodys_disk():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a clone, or no git")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    names = [os.fsdecode(name) for name in listing.stdout.split(b"\0") if name]
    contents = {name: (ROOT / name).read_bytes() for name in names if (ROOT / name).is_file()}
    assert contents
    for name, content in contents.items():
        assert not PLACES.search(content) and not any(host in content for host in HOSTS), name


def test_one_version_everywhere():
    import cagan_theano

    assert project()["dynamic"] == ["version"]
    assert re.search(r"^version: (\S+)$", text("CITATION.cff"), re.M)[1] == cagan_theano.__version__


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_documents_name_only_targets_that_exist(document):
    named = set(re.findall(r"\bmake (?:[A-Z]+=\S+ )*([a-z]\w*)`", text(document)))
    named |= set(re.findall(r"^(?:\$ )?make (?:[A-Z]+=\S+ )*([a-z]\w*)", text(document), re.M))
    makefile = text("Makefile")
    figures = re.search(r"^FIGURES := (.*)$", makefile, re.M)[1].split()
    assert named and named <= {*re.findall(r"^([a-z0-9]+):", makefile, re.M), *figures}
    if document == "README.md":
        assert {"test", "figures"} <= named


def test_ci_runs_the_command_of_the_readme():
    commands = [line for line in text(".ci/run").splitlines() if line and line[0] != "#"]
    assert commands[0] == "set -euo pipefail"
    assert commands[2:] == ["make lint", "make test", "make test-slow", "make test-today"]
    assert os.access(ROOT / ".ci/run", os.X_OK)


@pytest.fixture
def make(tmp_path):
    """A function that runs make at the root with a command that answers like a Python of some version."""
    if shutil.which("make") is None:
        pytest.skip("no make")

    def run(version, *words):
        path = tmp_path / "fake-python"
        path.write_text(f"#!/bin/sh\ncase $2 in *version_info*) echo {version};; esac\n")
        path.chmod(0o755)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
        command = ["make", "--no-print-directory", f"PYTHON={path}", *map(str, words)]
        return subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True)

    return run


@pytest.mark.parametrize("version, target, fault", [
    ("3.14", "test", "Python 3.14; Python 3.11 to 3.13"),
    ("", "test", "not installed; Python 3.11 to 3.13"),
    ("3.12", "witness", "needs Python 3.11"),
])  # fmt: skip
def test_an_unsupported_python_is_one_line(make, version, target, fault):
    done = make(version, target)
    ours = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert done.returncode != 0 and done.stdout == ""
    assert len(ours) == 1 and ours[0].startswith("Error: ") and fault in ours[0]


@pytest.mark.parametrize("version, environments", [
    ("3.11", ["reference", "today"]), ("3.12", ["reference", "today"]), ("3.13", ["today"])])  # fmt: skip
def test_each_python_gets_the_supported_environments(make, tmp_path, version, environments):
    """What `make test test-today` would do, written out and not done, in a copy without environments."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    plan = make(version, "-C", tmp_path, "-n", "test", "test-today").stdout
    assert sorted(set(re.findall(r"-r requirements/(\w+)\.txt", plan))) == environments
    runs = re.findall(r"^\.venv/(\w+)/bin/python -m pytest -n 2 -m (.*)$", plan, re.M)
    assert runs == list(zip(environments, ['"not slow"', "both_environments"]))


def test_every_document_is_on_the_site():
    named = set(re.findall(r": (\w+\.md)$", text("mkdocs.yml"), re.M))
    assert named == {path.name for path in (ROOT / "docs").glob("*.md")}
