"""Exported functions: the same numbers without Aesara, for CUDA too, and one-line errors."""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from network_toys import small_config

from cagan_theano.checkpoint import load_checkpoint, save_checkpoint
from cagan_theano.interop import export_functions as export
from cagan_theano.interop import run_exported
from cagan_theano.io.command import main
from cagan_theano.learning.trainer import Trainer
from cagan_theano.model import load
from data_prep.store import PhotoFile, PhotoWriter

ROOT = Path(__file__).parents[1]
CONFIG = small_config(schedule="alternate", batch_size=4, init_std=0.1)

# The runner where no Aesara can be imported.
WITHOUT = """
import sys
for name in ("aesara", "PIL", "flatbuffers"):
    sys.modules[name] = None
from cagan_theano.interop.run_exported import command
from cagan_theano.io.command import main
main(command, sys.argv[1:])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Exported update_D and swap of two pictures of a tiny network, with initial weights."""
    path = tmp_path_factory.mktemp("exported") / "functions"
    trainer = export.prepare(CONFIG, None, None)
    export.export_folder(trainer, None, path, swap_batch=(2,), updates=("update_D",))
    return path


def run(*words, program=WITHOUT):
    """A finished process of the runner."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", program, *map(str, words), "--device", "cpu"],
                          env=environment, capture_output=True, text=True)  # fmt: skip


def test_the_manifest_tells_all(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["functions"]) == {"update_D", "swap_2"}
    update = manifest["functions"]["update_D"]
    names = [value["name"] for value in update["inputs"]]
    assert len(set(names)) == len(names)
    assert {"i", "j", "k", "photos/x", "photos/y", "G/encoder1.W", "optimizer/D/t"} <= set(names)
    shapes = {value["name"]: value["shape"] for value in update["inputs"]}
    assert shapes["photos/x"] == [None, 32, 32, 3] and shapes["i"] == [4]
    replaced = set(update["replaces"].values())
    assert replaced == {name for name in names if name.startswith(("D/", "optimizer/D/"))}
    state = load_checkpoint(folder / "state.h5")
    assert state.config == CONFIG and state.optimizer and state.step == 0
    assert manifest["checkpoint"]["state_sha256"] == state.sha256


@pytest.mark.slow
def test_training_and_swaps_without_aesara_are_those_with_it(
    folder, tiny_data, tiny_photos, tmp_path, jax_backend
):
    trained, swaps = tmp_path / "trained.h5", tmp_path / "swaps.npz"
    done = run("train", "--functions", folder, "--data", tiny_data, "--out", trained, "--steps", 1)
    assert done.returncode == 0, done.stderr
    trainer = Trainer(CONFIG, tiny_photos, jax_backend)
    losses = trainer.advance()
    logged = json.loads(Path(f"{trained}.jsonl").read_text())
    assert logged == pytest.approx({"step": 1, **losses}, abs=1e-6)
    found, expected = load_checkpoint(trained), trainer.state()
    assert found.step == 1 and found.sampler == expected["sampler"]
    for group in ("G", "D", "optimizer"):
        for name, array in getattr(found, group).items():
            np.testing.assert_allclose(array, expected[group][name], atol=1e-6, err_msg=name)
    done = run(
        "swap",
        "--functions",
        folder,
        "--state",
        trained,
        "--data",
        tiny_data,
        "--out",
        swaps,
        "--count",
        3,
    )
    assert done.returncode == 0, done.stderr
    made = np.load(swaps, allow_pickle=False)
    swap = load(trained, "jax", "cpu").swap(made["x_i"], made["y_i"], made["y_j"], batch_size=2)
    assert np.ptp(swap.alpha) > 0.01
    np.testing.assert_allclose(made["alpha"], swap.alpha, atol=1e-6)
    assert np.abs(made["x_ij"].astype(int) - swap.x_ij).max() <= 1
    with PhotoFile(tiny_data) as file:
        np.testing.assert_array_equal(made["y_j"], [file.split("test").y[int(j)] for j in made["j"]])


def test_the_programs_for_cuda_are_read_back(folder):
    functions = run_exported.Functions(folder, "cpu")
    functions.platform = "cuda"
    for name in ("update_D", "swap_2"):
        exported = functions.exported(name)
        inputs = functions.manifest["functions"][name]["inputs"]
        assert exported.platforms == ("cuda",) and len(exported.in_avals) == len(inputs)
        # nothing of the machine that wrote it: no call of a CPU's own code, no folder
        text = exported.mlir_module()
        assert set(re.findall(r"custom_call @(\w+)", text)) <= {"shape_assertion"}  # jax's own
        assert str(ROOT).encode() not in (folder / f"{name}.cuda.stablehlo").read_bytes()
    assert "lhs_dilate = [2, 2]" in text  # whole, as cuDNN takes it


@pytest.mark.parametrize("fault, break_it", [
    ("no such file", lambda path: shutil.rmtree(path)),
    ("not a manifest", lambda path: (path / "manifest.json").write_text("{}")),
    ("not a manifest", lambda path: (path / "manifest.json").write_text("[" * 100_000)),
    ("is missing or damaged", lambda path: (path / "swap_2.cpu.stablehlo").write_bytes(b"x")),
])  # fmt: skip
def test_a_damaged_folder_is_one_line(folder, tiny_data, tmp_path, capsys, fault, break_it):
    copy = shutil.copytree(folder, tmp_path / "copy")
    break_it(copy)
    words = ["swap", "--functions", copy, "--data", tiny_data, "--device", "cpu"]
    words += ["--out", tmp_path / "o.npz", "--state", folder / "state.h5"]
    with pytest.raises(SystemExit) as left:
        main(run_exported.command, [str(word) for word in words])
    error = capsys.readouterr().err
    assert left.value.code == 1 and error.startswith("Error: ") and fault in error and error.count("\n") == 1


def line_of(folder, tiny_data, tmp_path, capsys, state=None):
    """The one line on which a swap with a folder of functions ends."""
    words = ["swap", "--functions", folder, "--data", tiny_data, "--device", "cpu",
             "--out", tmp_path / "o.npz", "--state", state or folder / "state.h5"]  # fmt: skip
    with pytest.raises(SystemExit) as left:
        main(run_exported.command, [str(word) for word in words])
    error = capsys.readouterr().err
    assert (
        left.value.code == 1 and error.startswith("Error: ") and error.count("\n") == 1 and len(error) < 500
    )
    assert not (tmp_path / "o.npz").exists()
    return error


def test_photos_of_another_size_are_one_line(folder, tmp_path, capsys):
    path, picture = tmp_path / "tall.h5", np.zeros((48, 32, 3), np.uint8)
    with PhotoWriter(path, 48, 32, {}) as writer:
        for n in range(2):
            writer.add("test", picture, picture, n, n)
    error = line_of(folder, path, tmp_path, capsys)
    assert "tall.h5: has photos at 48x32, not 32x32; use another file" in error


def places(value, path=()):
    """The path of every entry of a JSON value."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(
        value, list) else ()  # fmt: skip
    for key, inner in entries:
        yield (*path, key)
        yield from places(inner, (*path, key))


def changed(manifest, path, value):
    """A copy with another value at a path; None: without the entry."""
    copy = json.loads(json.dumps(manifest))
    parent = copy
    for key in path[:-1]:
        parent = parent[key]
    if value is None:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return copy


def test_no_manifest_is_anything_but_read_or_refused(folder):
    """Each entry missing or of another type: ValueError or nothing, and always where it is `true`."""
    manifest = json.loads((folder / "manifest.json").read_text())
    run_exported.check_manifest(manifest)
    del manifest["functions"]["update_D"]["programs"]["cuda"]["kept"][3:]
    needed = ("format", "version", "files", "functions")
    for path in [path for path in places(manifest) if path[0] in needed]:
        for value in (None, "x", -1, [], {}, 1.5):
            with contextlib.suppress(ValueError):
                run_exported.check_manifest(changed(manifest, path, value))
        for value in (True, [True], {"a": True}):
            with pytest.raises(ValueError, match="missing, or not as expected"):
                run_exported.check_manifest(changed(manifest, path, value))


@pytest.mark.parametrize("part", ["programs", "replaces", "inputs", "outputs"])
@pytest.mark.parametrize("value", [None, True])
def test_a_manifest_with_a_hole_is_one_line(part, value, folder, tiny_data, tmp_path, capsys):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    manifest = json.loads((copy / "manifest.json").read_text())
    text = json.dumps(changed(manifest, ("functions", "swap_2", part), value))
    (copy / "manifest.json").write_text(text)
    assert "not a manifest" in line_of(copy, tiny_data, tmp_path, capsys)


def replaced(folder, tmp_path, program: bytes):
    """A copy of a folder with another program for the swap, and the digest that belongs to it."""
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "swap_2.cpu.stablehlo").write_bytes(program)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"]["swap_2.cpu.stablehlo"] = hashlib.sha256(program).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


def test_a_program_that_calls_the_host_is_refused_before_it_is_compiled(folder, tiny_data, tmp_path, capsys):
    import jax

    manifest = json.loads((folder / "manifest.json").read_text())
    kinds = [jax.ShapeDtypeStruct(v["shape"], v["dtype"])
             for v in manifest["functions"]["swap_2"]["inputs"]]  # fmt: skip

    def evil(x_i, *_):
        like = jax.ShapeDtypeStruct(x_i.shape, x_i.dtype)
        x = jax.pure_callback(lambda x: os.mkdir(tmp_path / "pwned") or x, like, x_i)
        return x[:, :1], x, x

    # an `Exported` refuses callbacks when it is made, not when it is read: so the module alone
    from jax.extend.mlir import serialize_portable_artifact

    text = jax.jit(evil, keep_unused=True).lower(*kinds).as_text()
    program = serialize_portable_artifact(text, "1.0.0")
    said = line_of(replaced(folder, tmp_path, program), tiny_data, tmp_path, capsys)
    assert "swap_2 cannot be run (it calls" in said and "callback" in said
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("program", [b"", b"ML\xefR", b"x" * 5000])
def test_a_program_that_is_none_is_one_line(program, folder, tiny_data, tmp_path, capsys):
    copy = replaced(folder, tmp_path, program)
    assert "swap_2 cannot be run" in line_of(copy, tiny_data, tmp_path, capsys)


def test_a_state_of_other_names_is_one_line(folder, tiny_data, tmp_path, capsys):
    whole = load_checkpoint(folder / "state.h5")
    other = tmp_path / "other.h5"
    save_checkpoint(other, dataclasses.replace(whole, G={"encoder1.W": whole.G["encoder1.W"]}))
    said = line_of(folder, tiny_data, tmp_path, capsys, state=other)
    assert "reads 'G/" in said and "export again" in said


@pytest.mark.parametrize("text, refused", [
    ("%1 = stablehlo.custom_call @shape_assertion(%0)", False),
    ('%1 = stablehlo.custom_call @"xla python"(%0)', True),
    ('"stablehlo.custom_call"(%0) <{call_target_name = "x"}>', True),
    ('%1 = "stablehlo.send"(%0, %t)', True), ("stablehlo.outfeed", True), ("stablehlo.add", False),
])  # fmt: skip
def test_what_a_program_may_do(text, refused):
    with pytest.raises(ValueError) if refused else contextlib.nullcontext():
        run_exported.check_program(text)


# Written by jax 0.7.1 in the reference environment, by tests/make_golden_export.py.
GOLDEN = Path(__file__).parent / "golden" / "exported"


@pytest.mark.both_environments
def test_what_jax_0_7_1_wrote_runs(tmp_path):
    functions = run_exported.Functions(GOLDEN, "cpu")
    assert functions.manifest["versions"]["jax"] == "0.7.1"
    checkpoint = load_checkpoint(GOLDEN / "state.h5")
    functions.put({f"G/{name}": array for name, array in checkpoint.G.items()})
    rng = np.random.default_rng(0)
    given = {name: rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8) for name in ("x_i", "y_i", "y_j")}
    made = run_exported.swap_with(functions, list(given.values()), None, "rgb")
    swap = load(GOLDEN / "state.h5", "jax", "cpu").swap(*given.values(), batch_size=2)
    assert np.ptp(swap.alpha) > 0.01
    np.testing.assert_allclose(made.alpha, swap.alpha, atol=1e-6)
    assert np.abs(made.x_ij.astype(int) - swap.x_ij).max() <= 1
