"""What comes from others is checked once, at the door: HDF5, metadata, plans, logs, lists, messages."""

import ast
import io
import json
import re
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import run_command, tiny_config
from figure_toys import write_photos
from PIL import Image

import cagan_theano
from cagan_theano.checkpoint import Checkpoint, contents_sha256, load_checkpoint, save_checkpoint
from cagan_theano.interop import convert
from cagan_theano.network import layers
from cagan_theano.network.networks import build_networks, sized_networks, values_of
from cagan_theano.training.command import train
from cagan_theano.training.preview import loss_curves
from cagan_theano.training.run_folder import RunFolder
from data_prep.ingest import find
from data_prep.layouts import LAYOUTS
from data_prep.photo_folder import PhotoFolder
from data_prep.picture import open_rgb
from data_prep.store import PhotoFile, PhotoWriter

ROOT = Path(__file__).parents[2]
SMALL = tiny_config(height=16, width=16, g_widths=(8, 8, 10, 10), d_widths=(8, 8, 10, 10))


def toy(**more):
    """A checkpoint of one number in G and in D."""
    one = {"a.W": np.ones(1, "float32")}
    return Checkpoint(**{"config": SMALL, "step": 1, "G": one, "D": one, **more})


def opened_files(path):
    """The modes of every call of h5py.File in a file, None where the mode is no plain text.

    No call may take a lock, which some network file systems refuse.
    """
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("h5py.File", "File", "h5f.open"):
            assert {"locking", "driver"} & {k.arg for k in node.keywords}, path
            given = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "mode")]
            yield given[0].value if given and isinstance(given[0], ast.Constant) else None


def test_one_door_opens_every_hdf5_file():
    """All others only write: a file that is read passes `cagan_theano.io.hdf5.open_file`."""
    tops = "cagan_theano", "data_prep", "replicate"
    paths = [path for top in tops for path in (ROOT / top).rglob("*.py")]
    found = {path.relative_to(ROOT).as_posix(): list(opened_files(path)) for path in paths}
    readers = {name for name, modes in found.items() if set(modes) - {"w"}}
    assert readers == {"cagan_theano/io/hdf5.py"} and sum(map(len, found.values())) > 3


@pytest.fixture
def no_weights(monkeypatch):
    """No network may be given weights."""

    def refuse(*_, **__):
        raise AssertionError("weights were made before they were compared")

    monkeypatch.setattr(layers.aesara, "shared", refuse)


def test_a_configuration_that_asks_for_gigabytes_is_compared_first(tmp_path, no_weights):
    path = tmp_path / "wide.h5"
    save_checkpoint(path, toy(config=SMALL.replace(g_widths=(8192,) * 4)))
    with pytest.raises(ValueError, match="wide.h5: (lacks|has the unknown) parameter"):
        cagan_theano.load(path, "jax", "cpu")
    with pytest.raises(ValueError, match="parameter"):
        convert.difference(load_checkpoint(path), None)


def test_a_run_folder_that_asks_for_gigabytes_is_compared_first(tmp_path, no_weights, capsys):
    data, run = write_photos(tmp_path / "a.h5", pairs=4, tests=2), RunFolder(tmp_path / "run")
    wide = tiny_config(g_widths=(8192,) * 4)
    with run:
        run.write_config(wide)
        save_checkpoint(run.checkpoint_path(1), toy(config=wide))
    words = "--data", data, "--run", run.path, "--resume", "--device", "cpu"
    assert run_command(train, *words) == 1 and "step_0000001.h5: " in capsys.readouterr().err


def test_shapes_without_weights_are_those_with(no_weights, monkeypatch):
    sized = sized_networks(SMALL)
    assert all(value is None for network in sized for value in network.params.values())
    monkeypatch.undo()
    for network, empty in zip(build_networks(SMALL), sized):
        assert {n: a.shape for n, a in values_of(network.params).items()} == empty.params.shapes


BAD = [{"data": []}, {"data": {"pairs": "9"}}, {"data": {"provenance": "x"}}, {"versions": {"numpy": 1}},
       {"seconds": "1"}, {"seconds": 10**4000}, {"other": [2**64]}, {"seconds": -1.0},
       {"seconds": float("nan")}, {"seconds": True}, {"finished": 1}, {"note": "\0"}, {"note": "\ud800"},
       {"other": [[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]},
       {"data": {"provenance": {"program": "data_prep photoshoot", "seed": 1}}}, [], None]  # fmt: skip


@pytest.mark.parametrize("metadata", BAD, ids=range(len(BAD)))
def test_metadata_of_wrong_types_are_refused_where_they_are_read_and_written(metadata, tmp_path):
    path = tmp_path / "a.h5"
    with pytest.raises(ValueError, match="a.h5: .*nothing was written"):
        save_checkpoint(path, toy(metadata=metadata))
    assert not path.exists()
    save_checkpoint(path, toy())
    with h5py.File(path, "r+") as file:
        text = json.dumps(metadata)
        arrays = {name: file[name][()] for name in ("G/a.W", "D/a.W")}
        file.attrs["metadata"] = text
        file.attrs["sha256"] = contents_sha256({"config": file.attrs["config"], "metadata": text}, 1, arrays)
    with pytest.raises(ValueError, match="a.h5: its metadata is invalid .*; copy or download"):
        load_checkpoint(path)


def test_good_metadata_and_unknown_keys_stay(tmp_path):
    data = {"pairs": 1, "provenance": {"program": "other", "counts": {"a": [1, None]}}}
    good = {"data": data, "seconds": 1, "versions": {"a": "1"}, "mine": {"x": [1.5]}}
    save_checkpoint(tmp_path / "a.h5", toy(metadata=good))
    assert load_checkpoint(tmp_path / "a.h5").metadata == good


def test_a_photo_file_s_provenance_is_checked_on_both_sides(tmp_path):
    bad = {"program": "data_prep photoshoot", "seed": "x"}
    with pytest.raises(ValueError, match="a.h5: provenance.seed is 'x', not an integer"):
        PhotoWriter(tmp_path / "a.h5", 16, 16, bad)
    write_photos(tmp_path / "a.h5", pairs=2, tests=0)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file.attrs["provenance"] = json.dumps(bad)
    with pytest.raises(ValueError, match="a.h5: provenance.seed is 'x'"):
        PhotoFile(tmp_path / "a.h5")


def test_highly_compressible_weights_are_stored_uncompressed(tmp_path):
    """A reader takes 64 times a file's size; zeros pack to a thousandth."""
    zeros = {"a.W": np.zeros(10 << 20, "float32")}
    save_checkpoint(tmp_path / "a.h5", toy(G=zeros), "float16")
    assert not load_checkpoint(tmp_path / "a.h5").G["a.W"].any()


LINES = [{"step": 1, "loss_D": {}}, {"step": 2, "loss_D": "x", "loss_G": 0.5}, {"step": 10**4000},
         {"step": True}, {"step": 3, "loss_G": 1.5, "inside": None}, [], None]  # fmt: skip


def test_a_log_of_wrong_types_is_read_for_its_numbers(tmp_path):
    assert loss_curves(LINES, "t").startswith(b"\x89PNG")
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, LINES[:2] + LINES[3:])))
    assert RunFolder(tmp_path).read_log()[-1]["loss_G"] == 1.5


@pytest.mark.parametrize("line, count", [("a " * 2047, 488), ("a b c", 50_000)])
def test_long_pair_list_is_read_in_linear_time(line, count, tmp_path):
    """2 MB; what took 2 s a megabyte for each line of spaces takes a hundredth of it."""
    (tmp_path / "pairs.txt").write_text((line + "\n") * count)
    began = time.process_time()
    find(LAYOUTS["list"], PhotoFolder(tmp_path), {"listed": "pairs.txt"})
    assert time.process_time() - began < 2


def test_finite_weights_with_non_finite_results_are_an_error(tmp_path):
    G, D = map(lambda network: values_of(network.params), build_networks(SMALL))
    G["encoder2.gain"][:] = -3e38
    save_checkpoint(tmp_path / "a.h5", Checkpoint(SMALL, 1, G, D))
    model = cagan_theano.load(tmp_path / "a.h5", "jax", "cpu")
    pictures = np.random.default_rng(0).integers(0, 256, (3, 1, 16, 16, 3), np.uint8)
    with pytest.raises(ValueError, match="a.h5: its finite weights give NaN or infinity"):
        model.swap(*pictures)


@pytest.mark.parametrize("words, said", [
    (["a\nb" + "c" * 200 + ".h5", "out.onnx"], r"a\\nb.*no such checkpoint; give a file"),
    (["a.h5", "b.h5", "--dtype"], "--dtype"),  # click writes its choices on several lines
])  # fmt: skip
def test_errors_of_names_and_choices_stay_on_one_line(words, said, capsys):
    assert run_command(convert.command, *words)
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and re.search(said, text)


def test_libtiff_prints_nothing(tmp_path, capfd):
    rng = np.random.default_rng(1)
    image, whole = Image.fromarray(rng.integers(0, 256, (33, 47, 3), np.uint8)), io.BytesIO()
    image.save(whole, "TIFF", compression="tiff_lzw")
    refused = 0
    for _ in range(60):
        data = bytearray(whole.getvalue())
        for place in rng.integers(0, len(data), 3):
            data[place] = rng.integers(256)
        (tmp_path / "a.tif").write_bytes(data)
        try:
            open_rgb(tmp_path / "a.tif")
        except ValueError:
            refused += 1
    assert refused and capfd.readouterr() == ("", "")
