"""Checkpoints: one HDF5 file with named weights, their configuration and history.

``docs/checkpoint.md`` describes the format; ``tests/test_checkpoint.py`` holds
the two together.  Nothing in a checkpoint is executable and nothing in it is
found by position: every array has the name of its parameter.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from cagan_theano.config import AVERAGE, Config
from data_prep.files import HDF5, write_atomically
from data_prep.hdf5 import attribute, fault, heaps_are_whole, shown

FORMAT = "cagan_theano checkpoint"
KIND = f"{HDF5} ({FORMAT})"
VERSION = 1
GROUPS = ("G", "D", "optimizer")
TEXTS = ("config", "metadata", "sampler")
DTYPES = ("float16", "float32", "int64")

# Bounds of what is read: far above any checkpoint of ours (some 130 MB in
# 150 arrays), far below what would exhaust a machine.
MAX_ARRAYS = 4096
MAX_BYTES = 4 << 30
SMALL, RATIO = 16 << 20, 64  # a file may declare 16 MiB, or 64 times its own size
MAX_TEXT = 60_000  # HDF5 keeps an attribute of up to 64 KiB in the object header
NAME = re.compile(r"[A-Za-z0-9_.]{1,99}(/[A-Za-z0-9_.]{1,99}){0,3}")


@dataclass(frozen=True)
class Checkpoint:
    """What one training step left behind.

    config: the configuration of the run.  step: updates done.
    G, D: parameter name -> float32 array.  optimizer: "G/encoder1.W/m" -> array
    (Adam's moments and counters; "average/encoder1.W" ..., where there are
    moving averages of G), None in a shipped checkpoint.
    sampler: random state as JSON text, None in a shipped checkpoint.
    metadata: provenance of the data, versions, seconds, note (JSON values).
    sha256: digest of the contents as stored; filled in on reading.
    """

    config: Config
    step: int
    G: dict
    D: dict
    optimizer: dict | None = None
    sampler: str | None = None
    metadata: dict = field(default_factory=dict)
    sha256: str = ""

    def swapping_G(self):
        """Name -> array of the weights to swap with: moving averages where there are any, else G."""
        prefix = f"{AVERAGE}/"
        average = {name[len(prefix):]: array for name, array in (self.optimizer or {}).items()
                   if name.startswith(prefix)}
        return average or self.G


def save_checkpoint(path, checkpoint, dtype="float32"):
    """Write `checkpoint` to `path`, whole or not at all; return its sha256.

    dtype: "float32" keeps every bit; "float16" halves the file (weights only:
    moments would lose their small values, so they are refused).
    Raises ValueError when a value is not finite, OSError when the disk is full.
    """
    path = Path(path)
    if dtype not in ("float16", "float32"):
        raise ValueError(f"{path}: dtype {dtype!r} is unknown; use float32 or float16")
    if dtype == "float16" and checkpoint.optimizer is not None:
        raise ValueError(f"{path}: Adam's moments do not fit float16; drop them or use float32")
    texts = _texts_of(checkpoint, path)
    arrays = _arrays_of(checkpoint, dtype)
    _check_finite(arrays, path, "nothing was written")
    digest = contents_sha256(texts, checkpoint.step, arrays)
    write_atomically(path, _file_image(texts, checkpoint.step, arrays, digest, dtype == "float16"))
    return digest


def load_checkpoint(path):
    """Read and verify the checkpoint at `path`; weights come back as float32.

    Raises FileNotFoundError or ValueError, always one line: the file, what is
    wrong with it, the cure.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such checkpoint; check the path")
    if not os.access(path, os.R_OK):
        raise PermissionError(f"{path}: may not be read; change its permissions")
    if not heaps_are_whole(path):
        raise _damaged(path, "is no readable HDF5 file (its texts are damaged)")
    try:
        with h5py.File(path, "r", locking=False) as file:
            texts, step, arrays, claimed = _read(file, path)
    except (OSError, RuntimeError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise _damaged(path, "is no readable HDF5 file (truncated or damaged)") from error
    if contents_sha256(texts, step, arrays) != claimed:
        raise _damaged(path, "its contents do not match their sha256")
    _check_finite(arrays, path, "use an earlier checkpoint")
    return _checkpoint_of(path, texts, step, arrays, claimed)


def contents_sha256(texts, step, arrays):
    """Return the hexadecimal digest of everything that a checkpoint holds.

    texts: name -> str.  arrays: name -> array.  In order of their names, each
    text adds the JSON of [name, text], each array the JSON of
    [name, shape, dtype] and then its little-endian bytes in C order.
    """
    digest = hashlib.sha256(json.dumps(["step", int(step)]).encode())
    for name in sorted(texts):
        digest.update(json.dumps([name, texts[name]]).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(json.dumps([name, list(arrays[name].shape), array.dtype.name]).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


# --- writing ---------------------------------------------------------------


def _texts_of(checkpoint, path):
    texts = {"config": checkpoint.config.to_json(),
             "metadata": json.dumps(checkpoint.metadata, sort_keys=True)}
    if checkpoint.sampler is not None:
        texts["sampler"] = checkpoint.sampler
    for name, text in texts.items():
        if len(text.encode()) > MAX_TEXT:
            raise ValueError(f"{path}: {name} is longer than {MAX_TEXT} bytes; shorten it")
    return texts


def _arrays_of(checkpoint, dtype):
    arrays = {f"{network}/{name}": np.asarray(value).astype(dtype)
              for network in ("G", "D") for name, value in getattr(checkpoint, network).items()}
    for name, value in (checkpoint.optimizer or {}).items():
        arrays[f"optimizer/{name}"] = np.asarray(value)
    return arrays


def _file_image(texts, step, arrays, digest, compress):
    """Return the bytes of the HDF5 file.

    It is built in memory: a disk that fills up is then met by an ordinary
    write, not inside the HDF5 library, which cannot undo a half-written file.
    """
    # Random-looking float32 bits do not compress; float16 weights do, a little.
    filters = {"compression": "gzip", "shuffle": True} if compress else {}
    with h5py.File("checkpoint", "w", driver="core", backing_store=False) as file:
        file.attrs.update({"format": FORMAT, "version": VERSION, "step": int(step),
                           "sha256": digest, **texts})
        for name, array in arrays.items():
            file.create_dataset(name, data=array, **(filters if array.ndim else {}))
        file.flush()
        return file.id.get_file_image()


# --- reading ---------------------------------------------------------------


def _read(file, path):
    """Return (texts, step, arrays, sha256) of an open file, checked one by one."""
    if attribute(file, "format") != FORMAT:
        raise ValueError(f"{path}: is no checkpoint of cagan_theano; give a file that "
                         "the training wrote")
    version = _integer(file, "version", path)
    if version != VERSION:
        raise ValueError(f"{path}: has format version {version}, this program reads version "
                         f"{VERSION}; use the program's release that wrote it")
    texts = {name: _text(file, name, path) for name in TEXTS if name in file.attrs}
    if not {"config", "metadata"} <= set(texts):
        raise _damaged(path, "its configuration or metadata is missing")
    arrays = _arrays(file, path)
    return texts, _integer(file, "step", path), arrays, _text(file, "sha256", path)


def _text(file, name, path):
    value = attribute(file, name)
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise _damaged(path, f"its attribute {name} is not a short text")
    return value


def _integer(file, name, path):
    value = attribute(file, name)
    if not isinstance(value, int) or value < 0:
        raise _damaged(path, f"its attribute {name} is not a whole number")
    return value


def _arrays(file, path):
    """Return every dataset by name; refuse links, other groups and excess."""
    datasets, seen = {}, []
    for group in file:
        if group not in GROUPS:
            raise _damaged(path, f"it has an unknown group {shown(group)}")
        _collect(file, group, datasets, seen, path)
    size = sum(dataset.size * dataset.dtype.itemsize for dataset in datasets.values())
    limit = min(MAX_BYTES, max(SMALL, RATIO * path.stat().st_size))
    if size > limit:
        raise _damaged(path, f"it declares {size} bytes of arrays, the limit is {limit}")
    return {name: np.asarray(_checked(dataset, name, path)[()])
            for name, dataset in datasets.items()}


def _collect(parent, name, datasets, seen, path):
    """Add the dataset `name` of `parent`, or those below it, to `datasets`."""
    seen.append(name)
    if len(seen) > MAX_ARRAYS:
        raise _damaged(path, f"it has more than {MAX_ARRAYS} groups and arrays")
    if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
        raise _damaged(path, f"{shown(name)} is a link; links are not followed")
    item = parent[name]
    if isinstance(item, h5py.Group):
        if item.name.count("/") > 3:
            raise _damaged(path, "its groups are nested too deep")
        for child in item:
            _collect(item, child, datasets, seen, path)
        return
    full = item.name.lstrip("/")
    if not isinstance(item, h5py.Dataset) or not NAME.fullmatch(full):
        raise _damaged(path, f"{shown(full)} is no array of a checkpoint")
    if item.shape is None or item.dtype.name not in DTYPES:
        raise _damaged(path, f"{full} is not stored as plain {', '.join(DTYPES)}")
    datasets[full] = item


def _checked(dataset, name, path):
    """The dataset, when reading it is safe."""
    found = fault(dataset)
    if found:
        raise _damaged(path, f"{name} {found}")
    return dataset


def _checkpoint_of(path, texts, step, arrays, digest):
    try:
        config = Config.from_json(texts["config"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: its configuration is not understood ({_line(error)}); "
                         "use the program's release that wrote it") from error
    try:
        metadata = json.loads(texts["metadata"])
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "its metadata is not JSON") from error
    if not isinstance(metadata, dict):
        raise _damaged(path, "its metadata is not a JSON object")
    groups = {group: {} for group in GROUPS}
    for name, array in arrays.items():
        group, _, rest = name.partition("/")
        weights = group != "optimizer"
        groups[group][rest] = array.astype("float32") if weights else array
    return Checkpoint(config, step, groups["G"], groups["D"], groups["optimizer"] or None,
                      texts.get("sampler"), metadata, digest)


def _check_finite(arrays, path, cure):
    for name, array in arrays.items():
        if not np.all(np.isfinite(array)):
            raise ValueError(f"{path}: {name} holds values that are not finite (NaN or "
                             f"infinity); {cure}")


def _damaged(path, what):
    return ValueError(f"{path}: {what}; copy or download the file again, or use another "
                      "checkpoint")


def _line(error):
    return " ".join(str(error).split())
