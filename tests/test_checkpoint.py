"""Checkpoints: exact round trips, one-line errors for every kind of damage, whole files only."""

import dataclasses
import hashlib
import json
import os
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import tiny_config

from cagan_theano import checkpoint as module
from cagan_theano.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cagan_theano.interop import convert
from cagan_theano.io.files import write_atomically

WEIGHTS = np.float32([[1.5, -1e-30], [np.pi, 3e7]])
SMALL = np.float32([[0.02, -0.75], [1e-3, 2.5]])


def example(**changes):
    """A checkpoint of a few numbers."""
    values = dict(
        config=tiny_config(), step=12, G={"encoder1.W": WEIGHTS.copy(), "head.b": SMALL.copy()},
        D={"head.W": SMALL.copy()}, sampler='{"state": 1}', metadata={"note": "é", "seconds": 0.5},
        optimizer={"G/encoder1.W/m": WEIGHTS.copy(), "G/t": np.array(12, np.int64)},
    )  # fmt: skip
    return Checkpoint(**{**values, **changes})


def test_float32_comes_back_bit_for_bit(tmp_path):
    path, saved = tmp_path / "a.h5", example()
    digest = save_checkpoint(path, saved)
    loaded = load_checkpoint(path)
    assert (loaded.config, loaded.step, loaded.sampler) == (saved.config, 12, saved.sampler)
    assert loaded.metadata == saved.metadata and loaded.sha256 == digest
    for group in ("G", "D", "optimizer"):
        before, after = getattr(saved, group), getattr(loaded, group)
        assert set(before) == set(after)
        for name, array in before.items():
            assert after[name].dtype == array.dtype and after[name].shape == array.shape
            assert after[name].tobytes() == array.tobytes()


def test_sha256_is_that_of_the_document(tmp_path):
    save_checkpoint(tmp_path / "a.h5", example(optimizer=None, sampler=None))
    with h5py.File(tmp_path / "a.h5") as file:
        parts = [json.dumps(["step", int(file.attrs["step"])]).encode()]
        parts += [json.dumps([n, file.attrs[n]]).encode() for n in ("config", "metadata")]
        for name in ("D/head.W", "G/encoder1.W", "G/head.b"):
            array = file[name][()]
            parts += [json.dumps([name, list(array.shape), "float32"]).encode()]
            parts += [array.astype("<f4").tobytes()]
        assert file.attrs["sha256"] == hashlib.sha256(b"".join(parts)).hexdigest()


def test_document_names_what_a_file_holds(tmp_path):
    text = (Path(__file__).parents[1] / "docs" / "checkpoint.md").read_text()
    save_checkpoint(tmp_path / "a.h5", example())
    with h5py.File(tmp_path / "a.h5") as file:
        documented = set(re.findall(r"^\| `(\w+)/?` \|", text, re.M))
        assert documented == set(file.attrs) | set(file)
    assert f"version {module.VERSION}" in text and module.FORMAT in text


def sign(file):
    """Give the file the digest of its present contents."""
    texts = {name: file.attrs[name] for name in module.TEXTS if name in file.attrs}
    arrays = {}
    file.visititems(lambda n, d: arrays.update({n: d[()]}) if isinstance(d, h5py.Dataset) else None)
    file.attrs["sha256"] = module.contents_sha256(texts, file.attrs["step"], arrays)


DAMAGES = {
    "not a cagan_theano checkpoint": lambda f: f.attrs.update(format="cagan_theano photos"),
    "has format version 2": lambda f: f.attrs.update(version=2),
    "version is not an integer": lambda f: f.attrs.update(version="x"),
    "step is -1": lambda f: (f.attrs.update(step=-1), sign(f)),
    "do not match their sha256": lambda f: f["D/head.W"].write_direct(SMALL * 2),
    "its contents do not match": lambda f: f.attrs.update(metadata="{}"),
    "not finite": lambda f: (f["D/head.W"].write_direct(SMALL * np.nan), sign(f)),
    "unknown configuration field 'flavour'": lambda f: (f.attrs.update(config='{"flavour": 3}'), sign(f)),
    "attribute config is not a short text": lambda f: f.attrs.pop("config"),
    "unexpected group or array, 'extra'": lambda f: f.create_group("extra"),
    "links are not followed": lambda f: f.update({"G/link": h5py.SoftLink("/D/head.W")}),
    "is a link": lambda f: f.update({"G/out": h5py.ExternalLink("other.h5", "/x")}),
    "is not stored as plain": lambda f: f.create_dataset("G/text", data=b"run me"),
    "bytes of arrays, the limit": lambda f: f.create_dataset("G/huge", (1 << 33,), "f4",
                                                             chunks=(1 << 20,)),
}  # fmt: skip


@pytest.mark.parametrize("fault", DAMAGES)
def test_damage_is_one_line_that_names_the_file(fault, tmp_path):
    path = tmp_path / "broken.h5"
    save_checkpoint(path, example())
    with h5py.File(path, "r+") as file:
        DAMAGES[fault](file)
    with pytest.raises(ValueError, match=re.escape(fault)) as caught:
        load_checkpoint(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and "\n" not in text and ";" in text


def test_missing_file_and_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.h5: no such checkpoint"):
        load_checkpoint(tmp_path / "none.h5")
    with pytest.raises(OSError, match="a.h5: cannot be written"):
        save_checkpoint(tmp_path / "nowhere" / "a.h5", example())


ONE = np.ones(1, "float32")


@pytest.mark.parametrize("fault, changes, dtype", [
    ("step is 1", {"step": 10**29}, "float32"), ("step is -1", {"step": -1}, "float32"),
    ("such as 'G/x'", {"G": {"x": ONE, "x/y": ONE}}, "float32"),
    ("such as 'G/../x'", {"G": {"../x": ONE}}, "float32"),
    ("sampler is not text", {"sampler": "a\0b"}, "float32"),
    ("sampler is not text", {"sampler": "x" * 70000}, "float32"),
    ("dtype complex64", {"optimizer": {"G/t": ONE.astype("complex64")}}, "float32"),
    ("dtype float64", {"optimizer": {"G/t": np.ones(1)}}, "float32"),
    ("not finite", {"G": {"x": np.inf * ONE}}, "float32"),
    ("not finite", {"G": {"x": 1e9 * ONE}, "optimizer": None}, "float16"),
    ("dtype 'float8' is unknown", {}, "float8"), ("moments underflow in float16", {}, "float16"),
])  # fmt: skip
def test_refused_saves_write_nothing(fault, changes, dtype, tmp_path):
    path = tmp_path / "a.h5"
    save_checkpoint(path, example(step=1))
    with pytest.raises(ValueError, match=f"a.h5: .*{fault}.*; "), np.errstate(over="ignore"):
        save_checkpoint(path, example(**changes), dtype)
    assert os.listdir(tmp_path) == ["a.h5"] and load_checkpoint(path).step == 1


def test_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.txt", "text")
    assert os.listdir(tmp_path) == []


def test_the_file_is_flushed_before_it_is_renamed_and_the_folder_after(tmp_path, monkeypatch):
    """The disk's own order: contents, name, and the folder that holds the name."""
    calls, fsync, replace = [], os.fsync, os.replace

    def flushed(handle):
        same = os.path.samestat(os.fstat(handle), os.stat(tmp_path))
        calls.append("folder" if same else os.fstat(handle).st_size)
        fsync(handle)

    def renamed(*places):
        calls.append("renamed")
        replace(*places)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    write_atomically(tmp_path / "a.txt", "text")
    assert calls == [4, "renamed", "folder"]


def test_converting_to_h5_writes_a_small_file_of_weights(tmp_path):
    run, out = tmp_path / "run.h5", tmp_path / "out.h5"
    big = {"a": np.random.default_rng(0).normal(0, 0.02, (100, 100)).astype(np.float32)}
    done = example(G=big, step=6, optimizer={"G/a/m": big["a"]})
    save_checkpoint(run, dataclasses.replace(done, config=tiny_config(steps=6)))
    result = CliRunner().invoke(convert.command, [str(run), str(out)])
    assert result.exit_code == 0, result.output
    loaded = load_checkpoint(out)
    assert loaded.optimizer is None and loaded.sampler is None and loaded.step == 6
    assert loaded.metadata == {**done.metadata, "finished": True}
    assert loaded.G["a"].dtype == np.float32 and (loaded.G["a"] != big["a"]).any()
    # half a unit in the last of float16's 11 bits, and of its smallest numbers
    np.testing.assert_allclose(loaded.G["a"], big["a"], rtol=2.0**-11, atol=2.0**-25)
    assert out.stat().st_size < run.stat().st_size / 2
    with h5py.File(out) as file:
        assert file["G/a"].dtype == np.float16 and "optimizer" not in file
