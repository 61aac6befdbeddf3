"""The order of the modules: each imports only from those before it; importing does no work."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# A package may import from those before it in this list, and from itself.  A name of a module stands
# for itself, the name of a package for all that is in it and not named apart.
ORDER = (
    "cagan_theano", "cagan_theano.weights", "cagan_theano.io", "data_prep",
    "data_prep.photoshoot.numeric", "data_prep.photoshoot.tables", "data_prep.photoshoot.body",
    "data_prep.photoshoot.clothes", "data_prep.photoshoot.camera", "data_prep.photoshoot.shoot",
    "data_prep.__main__",
    "cagan_theano.config", "cagan_theano.compat", "cagan_theano.network",
    "cagan_theano.backends", "cagan_theano.method", "cagan_theano.checkpoint",
    "cagan_theano.dressing.paste", "cagan_theano.dressing.advice", "cagan_theano.dressing.dress",
    "cagan_theano.model", "cagan_theano.options", "cagan_theano.training", "cagan_theano.evaluation",
    "cagan_theano.figures", "cagan_theano.dressing", "cagan_theano.interop", "cagan_theano.studies",
    "cagan_theano.benchmarks", "cagan_theano.cli", "cagan_theano.__main__",
)  # fmt: skip


MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for top in ("cagan_theano", "data_prep")
    for path in (ROOT / top).rglob("*.py")
}


def names_in(path):
    """(module, names that are taken from it) of every import in a file at any depth, by its syntax tree."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports relatively"
            yield node.module, [alias.name for alias in node.names]


def imported(path):
    """Names of the project's modules that a file imports."""
    found = set()
    for module, names in names_in(path):
        within = [f"{module}.{name}" for name in names] or [module]
        found |= {name if name in MODULES else module for name in within}
    return found & set(MODULES)


def place(name):
    """Where a module stands in ``ORDER``."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if length > 1 or len(parts) == 1 or parts[0] == "data_prep":
            known = ".".join(parts[:length])
            if known in ORDER:
                return ORDER.index(known)
    raise AssertionError(f"{name} is not in the order")


def test_a_module_imports_only_from_those_before_it():
    for name, path in MODULES.items():
        for other in imported(path):
            assert place(other) <= place(name), f"{name} imports {other}"
    graph = {name: imported(path) - {"cagan_theano"} for name, path in MODULES.items()}
    graphlib.TopologicalSorter(graph).prepare()  # a cycle is an error, which shows it


def test_commands_hold_nothing_else():
    from cagan_theano.cli import COMMANDS

    for path in (ROOT / "replicate").glob("*.py"):
        assert path.name == "_clone.py" or len(path.read_text().splitlines()) <= 8, path
        if path.name != "_clone.py":
            assert f'run("{path.stem.replace("_", "-")}")' in path.read_text()
            assert path.stem.replace("_", "-") in COMMANDS


def test_only_compat_imports_aesara_and_only_its_back_end_jax():
    users = {"aesara": set(), "jax": set(), "replicate": set()}
    for name, path in MODULES.items():
        for top in {module.split(".")[0] for module, _ in names_in(path)} & set(users):
            users[top].add(name)
    linkers = ("rewrites", "jax", "lowering", "c")
    allowed = {"cagan_theano.compat", *(f"cagan_theano.backends.{name}" for name in linkers)}
    around = ("cagan_theano.backends.", "cagan_theano.interop.", "cagan_theano.benchmarks.")
    assert "cagan_theano.compat" in users["aesara"] and users["aesara"] <= allowed
    assert all(name.startswith(around) for name in users["jax"])
    assert not users["replicate"]


def test_importing_the_package_does_no_work():
    code = (
        "import sys, cagan_theano; cagan_theano.__version__; dir(cagan_theano); "
        "print(*{'aesara', 'jax', 'numpy', 'h5py', 'PIL', 'click'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "")


def test_public_names_are_there():
    import cagan_theano

    for name in cagan_theano.__all__:
        assert getattr(cagan_theano, name)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = cagan_theano.nothing
