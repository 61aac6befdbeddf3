"""Checkpoints: one HDF5 file with named weights, their configuration and history.

``docs/checkpoint.md`` describes the format.  A checkpoint contains nothing executable, and every
array is identified by the name of its parameter, not by position.
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
from cagan_theano.io.files import HDF5, naming, write_atomically
from cagan_theano.io.hdf5 import DAMAGED, MAX_ARRAYS, attribute, bytes_of, open_file, quoted, read_arrays
from cagan_theano.io.metadata import LARGEST, NUMBER, check_form, check_provenance, is_storable, read_object
from cagan_theano.io.text import one_line, printable

FORMAT = "cagan_theano checkpoint"
KIND = f"{HDF5} ({FORMAT})"
VERSION = 1
GROUPS = ("G", "D", "optimizer")
TEXTS = ("config", "metadata", "sampler")
ATTRIBUTES = {"version": int, "step": int, "sha256": str, **dict.fromkeys(TEXTS, str)}
DTYPES = ("float16", "float32", "int64")

# Limits on reading: far above our checkpoints (about 130 MB in 150 arrays), far below a machine's.
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
NAME = re.compile(rf"({'|'.join(GROUPS)})(/(?=\.*[A-Za-z0-9_])[A-Za-z0-9_.]{{1,99}}){{0,3}}")
"""Of a group or array; HDF5 drops a part that consists of dots."""


@dataclass(frozen=True)
class Checkpoint:
    """The state of training after a step.

    G, D: parameter name -> float32 array.  optimizer: "G/encoder1.W/m" -> array (Adam's moments and
    counters, and "average/encoder1.W" ... if G has a moving average).  sampler: random state as JSON
    text.  Both are None in a shipped checkpoint.
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
        prefix, stored = f"{AVERAGE}/", self.optimizer or {}
        average = {name.removeprefix(prefix): stored[name] for name in stored if name.startswith(prefix)}
        return average or self.G


def save_checkpoint(path, checkpoint, dtype="float32"):
    """Write `checkpoint` to `path` atomically; return its sha256.

    dtype: "float32" is exact; "float16" halves the file and rejects moments, which would underflow.
    Raises ValueError if a value is not finite, OSError if the disk is full.
    """
    path = Path(path)
    if dtype not in ("float16", "float32"):
        raise ValueError(f"{path}: dtype {dtype!r} is unknown; use float32 or float16")
    if dtype == "float16" and checkpoint.optimizer is not None:
        raise ValueError(f"{path}: Adam's moments underflow in float16; drop them or use float32")
    texts, arrays = _contents_of(checkpoint, dtype)
    try:
        _check(texts, checkpoint.step, arrays)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; nothing was written") from error
    digest = contents_sha256(texts, checkpoint.step, arrays)
    attributes = {"format": FORMAT, "version": VERSION, "step": checkpoint.step, "sha256": digest, **texts}
    # in memory, so that a full disk fails an ordinary write: HDF5 cannot recover from a partial one
    with h5py.File("checkpoint", "w", driver="core", backing_store=False) as file:
        file.attrs.update(attributes)
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
        file.flush()
        image = file.id.get_file_image()
    write_atomically(path, image)
    return digest


def check_checkpoint(checkpoint):
    """Raise ValueError for a `Checkpoint` that cannot be written and read again."""
    texts, arrays = _contents_of(checkpoint, "float32")
    _check(texts, checkpoint.step, arrays)


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
    Raises FileNotFoundError or ValueError with a message of one line: the file, the problem, the cure.
    """
    path = weights.find(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint; give a file, or one of {weights.names()}")
    file = open_file(path, CURE)
    with naming(path):
        try:
            with file:
                attributes = _read_attributes(file)
                limit = min(MAX_BYTES, max(SMALL, RATIO * path.stat().st_size))
                arrays = read_arrays(file, NAME, DTYPES, limit, CURE)
        except (OSError, RuntimeError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise ValueError(f"{DAMAGED}; {CURE}") from error
        step, sha256 = attributes["step"], attributes["sha256"]
        texts = {name: attributes[name] for name in TEXTS if name in attributes}
        if contents_sha256(texts, step, arrays) != sha256:
            raise ValueError(f"its contents do not match their sha256; {CURE}")
        try:
            config = Config.from_json(texts["config"])
        except (TypeError, ValueError) as error:
            text = f"its configuration is invalid ({one_line(error)}); use the release that wrote it"
            raise ValueError(text) from error
        try:
            metadata = _check(texts, step, arrays)
        except ValueError as error:
            raise ValueError(f"{error}; {CURE}") from error
    groups = {group: {} for group in GROUPS}
    for name, array in arrays.items():
        group, _, rest = name.partition("/")
        groups[group][rest] = array if group == "optimizer" else array.astype("float32")
    G, D, optimizer = groups.values()
    return Checkpoint(config, step, G, D, optimizer or None, texts.get("sampler"), metadata, sha256)


def contents_sha256(texts, step, arrays):
    """The hexadecimal digest of texts and arrays, each by name.

    In order of their names, each text adds the JSON of [name, text], each array the JSON of [name, shape,
    dtype] and its little-endian bytes in C order.
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


def _check(texts, step, arrays):
    """Return the metadata of contents that can be written and read; ValueError for any others."""
    for name, text in texts.items():
        if not is_storable(text) or len(text.encode()) > MAX_TEXT:
            raise ValueError(f"{name} is not text of at most {MAX_TEXT} bytes without zero bytes; shorten it")
    if not isinstance(step, (int, np.integer)) or not 0 <= step < LARGEST:
        raise ValueError(f"step is {quoted(step)}, not an integer from 0 to 2^63 - 1")
    try:
        metadata = read_object(texts["metadata"], METADATA)
        check_provenance((metadata.get("data") or {}).get("provenance", {}))
        for name, version in metadata.get("versions", {}).items():
            check_form(version, str, f"versions.{name}")
        if metadata.get("seconds", 0) < 0:
            raise ValueError("seconds is below 0")
    except ValueError as error:
        raise ValueError(f"its metadata is invalid ({error})") from error
    if len(arrays) > MAX_ARRAYS:
        raise ValueError(f"has more than {MAX_ARRAYS} arrays")
    parents = {name[:place] for name in arrays for place, c in enumerate(name) if c == "/"}
    for name, array in arrays.items():
        if not NAME.fullmatch(name) or "/" not in name or name in parents:
            raise ValueError(f"has unexpected arrays, such as {quoted(name)}")
        if array.dtype.name not in DTYPES:
            raise ValueError(f"{name} has dtype {array.dtype}, not {', '.join(DTYPES)}")
        if not np.all(np.isfinite(array)):
            raise ValueError(f"{name} contains values that are not finite (NaN or infinity)")
    if bytes_of(arrays) > MAX_BYTES:
        raise ValueError(f"has {bytes_of(arrays)} bytes of arrays, the limit is {MAX_BYTES}")
    return metadata


def _contents_of(checkpoint, dtype):
    """(texts, arrays), each by name; weights as `dtype`."""
    metadata = json.dumps(checkpoint.metadata, sort_keys=True)
    texts = {"config": checkpoint.config.to_json(), "metadata": metadata}
    if checkpoint.sampler is not None:
        texts["sampler"] = checkpoint.sampler
    arrays = {f"G/{name}": np.asarray(value).astype(dtype) for name, value in checkpoint.G.items()}
    arrays |= {f"D/{name}": np.asarray(value).astype(dtype) for name, value in checkpoint.D.items()}
    arrays |= {f"optimizer/{name}": np.asarray(v) for name, v in (checkpoint.optimizer or {}).items()}
    return texts, arrays


def _read_attributes(file):
    """name -> text or integer, each of the type in `ATTRIBUTES`."""
    if attribute(file, "format") != FORMAT:
        raise ValueError("not a cagan_theano checkpoint; give a file that `cagan train` wrote")
    found = {name: attribute(file, name) for name in ATTRIBUTES if name in file.attrs or name != "sampler"}
    for name, value in found.items():
        if not isinstance(value, ATTRIBUTES[name]):
            words = "an integer" if ATTRIBUTES[name] is int else "a short text"
            raise ValueError(f"its attribute {name} is not {words}; {CURE}")
    if (version := found["version"]) != VERSION:
        raise ValueError(f"has format version {version}, not {VERSION}; use the release that wrote it")
    return found
