"""Checkpoints: one HDF5 file with named weights, their configuration and history.

``docs/checkpoint.md`` describes the format; ``tests/test_checkpoint.py`` checks
that both agree.  A checkpoint contains nothing executable, and every array is
identified by the name of its parameter, not by position.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from cagan_theano import weights
from cagan_theano.config import AVERAGE, Config
from cagan_theano.io.files import HDF5, write_atomically
from cagan_theano.io.hdf5 import DAMAGED, attribute, fault, open_file, quoted
from cagan_theano.io.metadata import LARGEST, NUMBER, check_provenance, is_storable, read_object
from cagan_theano.io.text import one_line, printable

FORMAT = "cagan_theano checkpoint"
KIND = f"{HDF5} ({FORMAT})"
VERSION = 1
GROUPS = ("G", "D", "optimizer")
TEXTS = ("config", "metadata", "sampler")
DTYPES = ("float16", "float32", "int64")

# Limits on reading: far above our checkpoints (about 130 MB in 150 arrays),
# far below what would exhaust a machine.
MAX_ARRAYS = 4096
MAX_BYTES = 4 << 30
SMALL, RATIO = 16 << 20, 64  # a file may declare 16 MiB, or 64 times its own size
MAX_TEXT = 60_000  # HDF5 stores attributes of up to 64 KiB in the object header
CURE = "copy or download the file again, or use another checkpoint"
METADATA = {
    "data": {"pairs": int, "height": int, "width": int, "provenance": {}},
    "versions": {},
    "init": {"sha256": str, "step": int, "height": int, "width": int, "note": str},
    **{"seconds": NUMBER, "seed": int, "finished": bool, "averaged": bool},
    **dict.fromkeys(("note", "backend", "device", "program"), str),
}
NAME = re.compile(r"[A-Za-z0-9_.]{1,99}(/[A-Za-z0-9_.]{1,99}){0,3}")


@dataclass(frozen=True)
class Checkpoint:
    """The state of training after a step.

    config: the configuration of the run.  step: completed steps.
    G, D: parameter name -> float32 array.  optimizer: "G/encoder1.W/m" -> array
    (Adam's moments and counters, and "average/encoder1.W" ... if G has a moving
    average), None in a shipped checkpoint.
    sampler: random state as JSON text, None in a shipped checkpoint.
    metadata: provenance of the data, versions, seconds, note (JSON values).
    sha256: digest of the contents as stored; set on reading.
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
        """Name -> array of the weights to swap with: the moving average if there is one, else G."""
        prefix = f"{AVERAGE}/"
        stored = self.optimizer or {}
        average = {name.removeprefix(prefix): stored[name] for name in stored if name.startswith(prefix)}
        return average or self.G


def save_checkpoint(path, checkpoint, dtype="float32"):
    """Write `checkpoint` to `path` atomically; return its sha256.

    dtype: "float32" is exact; "float16" halves the file and rejects moments,
    whose small values would underflow.
    Raises ValueError if a value is not finite, OSError if the disk is full.
    """
    path = Path(path)
    if dtype not in ("float16", "float32"):
        raise ValueError(f"{path}: dtype {dtype!r} is unknown; use float32 or float16")
    if dtype == "float16" and checkpoint.optimizer is not None:
        raise ValueError(f"{path}: Adam's moments underflow in float16; drop them or use float32")
    texts, arrays = _texts_of(checkpoint), _arrays_of(checkpoint, dtype)
    try:
        _check(texts, checkpoint.step, arrays)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; nothing was written") from error
    digest = contents_sha256(texts, checkpoint.step, arrays)
    image = _file_image(texts, checkpoint.step, arrays, digest, dtype == "float16")
    if _bytes_of(arrays) > _limit(len(image)):  # compressed so well that a reader would reject it
        image = _file_image(texts, checkpoint.step, arrays, digest, False)
    write_atomically(path, image)
    return digest


def check_checkpoint(checkpoint):
    """Raise ValueError for a `Checkpoint` that cannot be written and read again."""
    _check(_texts_of(checkpoint), checkpoint.step, _arrays_of(checkpoint, "float32"))


def weights_metadata(path, sha256: str, step: int) -> dict[str, str]:
    """The metadata of an image that weights made: str -> str, without time or folder."""
    return {
        "Software": "cagan_theano",
        "Checkpoint": printable(Path(path).name),
        "Checkpoint-SHA256": sha256,
        "Step": str(step),
    }


def load_checkpoint(path) -> Checkpoint:
    """Read and verify the checkpoint at `path`; weights are returned as float32.

    path: a file, or the name of shipped weights (`cagan_theano.weights.find`).
    Raises FileNotFoundError or ValueError with a message of one line: the file,
    the problem, the cure.
    """
    path = weights.find(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such checkpoint; give a file, or shipped weights by name: {weights.names()}"
        )
    file = open_file(path, CURE)
    try:
        with file:
            texts, step, arrays, claimed = _read(file, path)
    except (OSError, RuntimeError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise _damaged(path, DAMAGED) from error
    if contents_sha256(texts, step, arrays) != claimed:
        raise _damaged(path, "its contents do not match their sha256")
    for name, array in arrays.items():
        try:
            _check_finite(name, array)
        except ValueError as error:
            raise ValueError(f"{path}: {error}; use an earlier checkpoint") from error
    return _checkpoint_of(path, texts, step, arrays, claimed)


def contents_sha256(texts, step, arrays):
    """Return the hexadecimal digest of all contents of a checkpoint.

    texts: name -> str.  arrays: name -> array.  In order of their names, each
    text adds the JSON of [name, text], each array the JSON of
    [name, shape, dtype] followed by its little-endian bytes in C order.
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


def _texts_of(checkpoint):
    texts = {
        "config": checkpoint.config.to_json(),
        "metadata": json.dumps(checkpoint.metadata, sort_keys=True),
    }
    return texts if checkpoint.sampler is None else {**texts, "sampler": checkpoint.sampler}


def _check(texts, step, arrays):
    """Raise ValueError for contents that a reader would reject."""
    for name, text in texts.items():
        if not is_storable(text) or len(text.encode()) > MAX_TEXT:
            raise ValueError(f"{name} is not text of at most {MAX_TEXT} bytes without zero bytes; shorten it")
    if not isinstance(step, (int, np.integer)) or not 0 <= step < LARGEST:
        raise ValueError(f"step is {quoted(step)}, not an integer from 0 to 2^63 - 1")
    _metadata(texts["metadata"])
    _check_names(arrays)
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise ValueError(f"{name} has dtype {array.dtype}, not {', '.join(DTYPES)}")
        _check_finite(name, array)
    if _bytes_of(arrays) > MAX_BYTES:
        raise ValueError(f"has {_bytes_of(arrays)} bytes of arrays, the limit is {MAX_BYTES}")


def _check_names(names):
    """Raise ValueError unless all names are valid and none is the group of another."""
    if len(names) > MAX_ARRAYS:
        raise ValueError(f"has more than {MAX_ARRAYS} arrays")
    parents = {name[:place] for name in names for place, c in enumerate(name) if c == "/"}
    for name in names:
        group, *rest = name.split("/")
        known = group in GROUPS and any(rest) and all(part.strip(".") for part in rest)  # HDF5 drops "."
        if not known or not NAME.fullmatch(name) or name in parents:
            raise ValueError(f"has unexpected arrays, such as {quoted(name)}")


def _bytes_of(arrays):
    """Total bytes of arrays or datasets, as declared."""
    return sum(array.size * array.dtype.itemsize for array in arrays.values())


def _limit(size):
    """Bytes of arrays that a file of `size` bytes may declare."""
    return min(MAX_BYTES, max(SMALL, RATIO * size))


def _arrays_of(checkpoint, dtype):
    arrays = {
        f"{network}/{name}": np.asarray(value).astype(dtype)
        for network in ("G", "D")
        for name, value in getattr(checkpoint, network).items()
    }
    for name, value in (checkpoint.optimizer or {}).items():
        arrays[f"optimizer/{name}"] = np.asarray(value)
    return arrays


def _file_image(texts, step, arrays, digest, compress):
    """Return the bytes of the HDF5 file.

    The file is built in memory, so that a full disk fails an ordinary write and
    not the HDF5 library, which cannot recover from a partial write.
    """
    # The noisy bits of float32 weights do not compress; float16 weights compress a little.
    filters = {"compression": "gzip", "shuffle": True} if compress else {}
    with h5py.File("checkpoint", "w", driver="core", backing_store=False) as file:
        file.attrs.update(
            {"format": FORMAT, "version": VERSION, "step": int(step), "sha256": digest, **texts}
        )
        for name, array in arrays.items():
            file.create_dataset(name, data=array, **(filters if array.ndim else {}))
        file.flush()
        return file.id.get_file_image()


# --- reading ---------------------------------------------------------------


def _read(file, path):
    """Return (texts, step, arrays, sha256) of an open file, each checked."""
    if attribute(file, "format") != FORMAT:
        raise ValueError(f"{path}: not a cagan_theano checkpoint; give a file that `cagan train` wrote")
    version = _attribute(file, "version", path, int)
    if version != VERSION:
        raise ValueError(
            f"{path}: has format version {version}, but this release reads version "
            f"{VERSION}; use the release that wrote it"
        )
    texts = {name: _attribute(file, name, path, str) for name in TEXTS if name in file.attrs}
    if not {"config", "metadata"} <= set(texts):
        raise _damaged(path, "its configuration or metadata is missing")
    arrays = _arrays(file, path)
    return texts, _attribute(file, "step", path, int), arrays, _attribute(file, "sha256", path, str)


def _attribute(file, name, path, kind):
    """An attribute that must be a short text (kind str) or an integer of 63 bits (kind int)."""
    value, words = attribute(file, name), "a short text" if kind is str else "an integer"
    fits = isinstance(value, kind) and (len(value) <= MAX_TEXT if kind is str else 0 <= value < LARGEST)
    if not fits:
        raise _damaged(path, f"its attribute {name} is not {words}")
    return value


def _arrays(file, path):
    """Return every dataset by name; reject links, other groups and excessive sizes."""
    datasets, seen = {}, []
    for group in file:
        if group not in GROUPS:
            raise _damaged(path, f"it has an unknown group {quoted(group)}")
        _collect(file, group, datasets, seen, path)
    size, limit = _bytes_of(datasets), _limit(path.stat().st_size)
    if size > limit:
        raise _damaged(path, f"it declares {size} bytes of arrays, the limit is {limit}")
    for name, dataset in datasets.items():
        if found := fault(dataset):
            raise _damaged(path, f"{name} {found}")
    return {name: np.asarray(dataset[()]) for name, dataset in datasets.items()}


def _collect(parent, name, datasets, seen, path):
    """Add the dataset `name` of `parent`, or all datasets below it, to `datasets`."""
    seen.append(name)
    if len(seen) > MAX_ARRAYS:
        raise _damaged(path, f"it has more than {MAX_ARRAYS} groups and arrays")
    if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
        raise _damaged(path, f"{quoted(name)} is a link; links are not followed")
    item = parent[name]
    if isinstance(item, h5py.Group):
        if item.name.count("/") > 3:
            raise _damaged(path, "its groups are nested too deep")
        for child in item:
            _collect(item, child, datasets, seen, path)
        return
    full = item.name.lstrip("/")
    if not isinstance(item, h5py.Dataset) or not NAME.fullmatch(full):
        raise _damaged(path, f"{quoted(full)} is an unexpected array")
    if item.shape is None or item.dtype.name not in DTYPES:
        raise _damaged(path, f"{full} is not stored as plain {', '.join(DTYPES)}")
    datasets[full] = item


def _checkpoint_of(path, texts, step, arrays, digest):
    try:
        config = Config.from_json(texts["config"])
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: its configuration is invalid ({one_line(error)}); use the release that wrote it"
        ) from error
    try:
        metadata = _metadata(texts["metadata"])
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    groups = {group: {} for group in GROUPS}
    for name, array in arrays.items():
        group, _, rest = name.partition("/")
        groups[group][rest] = array if group == "optimizer" else array.astype("float32")
    G, D, optimizer = groups.values()
    return Checkpoint(config, step, G, D, optimizer or None, texts.get("sampler"), metadata, digest)


def _metadata(text):
    """Parse a checkpoint's metadata; ValueError if an entry has the wrong type."""
    try:
        metadata = read_object(text, METADATA)
        check_provenance((metadata.get("data") or {}).get("provenance", {}))
    except ValueError as error:
        raise ValueError(f"its metadata is invalid ({error})") from error
    if metadata.get("seconds", 0) < 0 or not all(
        isinstance(v, str) for v in metadata.get("versions", {}).values()
    ):
        raise ValueError("its metadata is invalid (seconds below 0, or a version that is not text)")
    return metadata


def _check_finite(name, array):
    """Raise ValueError if an array contains NaN or infinity."""
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} contains values that are not finite (NaN or infinity)")


def _damaged(path, what):
    return ValueError(f"{path}: {what}; {CURE}")
