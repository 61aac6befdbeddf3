"""The order of the modules: each imports only from those before it; importing does no work."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A module may import only from those before it in this list.
ORDER = (
    "data_prep.text", "data_prep.stated", "data_prep.hdf5", "data_prep.files", "data_prep.command",
    "data_prep.store", "data_prep.picture",
    "compat", "config", "color", "sampling", "scores", "batches", "layers",
    "encoder", "generator", "discriminator", "losses", "adam", "backends", "backends.cache",
    "backends.devices", "backends.expansion", "backends.recompute", "backends.native",
    "backends.lowering",
    "backends.jax", "backends.stablehlo", "backends.c",
    "functions", "training", "checkpoint", "model",
    "command", "run_folder", "signals", "samples", "train", "ship", "export",
)  # fmt: skip


def short(name):
    """The name of a module without the package's."""
    return name.removeprefix("cagan_theano.")


def imported(path):
    """Names of the project's modules that a file imports at any depth, by its syntax tree."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports relatively"
            within = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [name for name in within if short(name) in ORDER]
            names = found or [node.module]
        else:
            continue
        yield from (n for n in names if n.split(".")[0] in ("cagan_theano", "data_prep",
                                                            "replicate", "tests"))


def modules():
    """Short name -> file of every module of the package."""
    folder = ROOT / "cagan_theano"
    files = {p.relative_to(folder).with_suffix(""): p for p in folder.rglob("*.py")}
    names = {".".join(p.parts).removesuffix(".__init__"): file for p, file in files.items()}
    return {name: file for name, file in names.items() if name != "__init__"}


def test_the_order_knows_every_module():
    assert set(modules()) == {name for name in ORDER if not name.startswith("data_prep")}


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_module_imports_only_from_those_before_it(name):
    for other in set(imported(modules()[name])) - {"cagan_theano"}:  # which imports nothing
        assert short(other) in ORDER, f"{name} imports {other}"
        assert ORDER.index(short(other)) < ORDER.index(name), f"{name} imports {other}"


def test_the_data_do_not_know_the_networks():
    for path in (ROOT / "data_prep").rglob("*.py"):
        assert not [n for n in imported(path) if not n.startswith("data_prep")], path


# What the scripts may import of each other: those before them.
SCRIPTS = (
    "advice", "interval", "metrics", "onnx_network", "plan", "pytorch_network", "run_exported", "sheet",
    "vectors",
    "common", "conformance", "contenders", "convert", "features", "pytorch_adapter", "pytorch_train",
    "study", "benchmark", "figure2", "figure3", "figure4", "figure5", "figure6", "golden", "measures",
    "shoots", "swap", "chart", "check_gpu", "growth", "swap_folder", "verdicts", "evaluate", "ablations",
    "claims", "systems", "compare", "report",
)  # fmt: skip


def of_replicate(path):
    """Names of the scripts that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "replicate":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("replicate."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("replicate."))


def test_the_order_knows_every_script():
    assert {p.stem for p in (ROOT / "replicate").glob("*.py")} - {"__init__"} == set(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_imports_only_from_those_before_it(name):
    others = set(of_replicate(ROOT / "replicate" / f"{name}.py")) - {name}
    assert others <= set(SCRIPTS[:SCRIPTS.index(name)])


def test_nothing_below_knows_the_scripts():
    for top in ("cagan_theano", "data_prep"):
        for path in (ROOT / top).rglob("*.py"):
            assert not set(of_replicate(path)), path


def test_only_compat_imports_aesara_and_only_its_back_end_jax():
    users = {"aesara": set(), "jax": set()}
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            names = ([a.name for a in node.names] if isinstance(node, ast.Import) else
                     [node.module] if isinstance(node, ast.ImportFrom) else [])  # fmt: skip
            for top in {n.split(".")[0] for n in names} & set(users):
                users[top].add(name)
    allowed = {"compat", *(f"backends.{name}" for name in ("expansion", "recompute", "jax", "lowering", "c"))}
    assert "compat" in users["aesara"] and users["aesara"] <= allowed
    assert all(name.startswith("backends.") for name in users["jax"])


def test_importing_the_package_does_no_work():
    code = ("import sys, cagan_theano; cagan_theano.__version__; dir(cagan_theano); "
            "print(*{'aesara', 'jax', 'numpy', 'h5py', 'PIL', 'click'} & set(sys.modules))")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "")


def test_public_names_are_there():
    import cagan_theano

    for name in cagan_theano.__all__:
        assert getattr(cagan_theano, name)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = cagan_theano.nothing
