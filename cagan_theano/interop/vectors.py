"""Golden vectors: one HDF5 file with inputs, weights and all values computed from them.

``docs/evaluation.md`` describes each array.  Reading requires neither Aesara nor JAX.
"""

import json
import re
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from cagan_theano import weights
from cagan_theano.config import Config
from cagan_theano.io.files import write_atomically
from cagan_theano.io.hdf5 import attribute, fault, open_file, quoted

FORMAT = "cagan_theano golden vectors"
VERSION = 1
SHIPPED = weights.golden()

CURE = "make the vectors again with cagan golden"

GROUP = re.compile(r"weights|inputs|layers|losses|gradients|updates|after[1-9]\d{0,3}")

# Limits on reading: a file of full-size networks has about 1.5 GB.
MAX_ARRAYS = 4096
MAX_BYTES = 4 << 30


class Vectors(NamedTuple):
    """Golden vectors in memory.

    config: of the networks.  arrays: full name, such as "weights/G/encoder1.W", -> float64 array,
    in order of computation.  about: provenance (JSON values).
    """

    config: Config
    arrays: dict
    about: dict

    def below(self, prefix: str) -> dict:
        """The arrays whose name starts with `prefix` and "/", by the rest of their name."""
        start = prefix + "/"
        return {
            name.removeprefix(start): array for name, array in self.arrays.items() if name.startswith(start)
        }


def write_vectors(path, vectors: Vectors) -> None:
    """Write golden vectors to `path` atomically.  Raises OSError."""
    with h5py.File("golden", "w", driver="core", backing_store=False) as file:
        file.attrs.update(
            format=FORMAT,
            version=VERSION,
            config=vectors.config.to_json(),
            about=json.dumps(vectors.about, sort_keys=True),
            order=json.dumps(list(vectors.arrays)),
        )
        for name, array in vectors.arrays.items():
            filters = {"compression": "gzip", "shuffle": True} if array.ndim else {}
            file.create_dataset(name, data=array, **filters)
        file.flush()
        image = file.id.get_file_image()
    write_atomically(path, image)


def read_vectors(path) -> Vectors:
    """Read golden vectors; links in the file are not followed.

    Raises FileNotFoundError or ValueError with a message of one line: the file, the problem, the cure.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such golden vectors; check the path")
    file = open_file(path, CURE)
    try:
        with file:
            return _read(file, path)
    except (OSError, RuntimeError, KeyError, TypeError) as error:
        raise _damaged(path, "not a readable HDF5 file (truncated or damaged)") from error


def _read(file, path):
    if attribute(file, "format") != FORMAT or attribute(file, "version") != VERSION:
        raise _damaged(path, f"not a file of {FORMAT}, version {VERSION}")
    try:
        config = Config.from_json(_text(file, "config", path))
        about, order = (json.loads(_text(file, name, path)) for name in ("about", "order"))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "its configuration, history or order is invalid") from error
    if not isinstance(order, list) or len(order) > MAX_ARRAYS or not isinstance(about, dict):
        raise _damaged(path, "its history or order has the wrong form")
    datasets = {str(name): _dataset(file, str(name), path) for name in order}
    size = sum(dataset.size * 8 for dataset in datasets.values())
    if size > MAX_BYTES:
        raise _damaged(path, f"it declares {size} bytes of arrays, the limit is {MAX_BYTES}")
    try:
        check_arrays(config, {name: dataset.shape for name, dataset in datasets.items()})
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    return Vectors(config, {name: dataset[()] for name, dataset in datasets.items()}, about)


def check_arrays(config, shapes):
    """Raise ValueError unless arrays, full name -> shape, can be compared.

    Required are all inputs at the configuration's size, only groups that the document describes, and for
    each parameter after updates its initial weight.
    """
    for name, channels in inputs_of(config).items():
        wanted = config.batch_size, channels, config.height, config.width
        if shapes.get(f"inputs/{name}") != wanted:
            raise ValueError(f"inputs/{name} of shape {wanted} is missing")
    for name, shape in shapes.items():
        if not GROUP.fullmatch(name.partition("/")[0]):
            raise ValueError(f"{quoted(name)} is in an unknown group")
        if name.startswith("after") and shapes.get("weights/" + name.partition("/")[2]) != shape:
            raise ValueError(f"{quoted(name)} has no initial weights of its shape")


def inputs_of(config):
    """Name -> channels of the input images of a configuration."""
    return {
        "x_i": 3,
        "y_i": 3,
        "y_j": 3,
        **({"y_k": 3} if config.mismatch == "apart" else {}),
        **({"m_i": 1} if config.takes_mask else {}),
    }


def _text(file, name, path):
    value = attribute(file, name)
    if not isinstance(value, str):
        raise _damaged(path, f"its attribute {name} is not a short text")
    return value


def _dataset(file, name, path):
    """The dataset with a full name, without following soft or external links."""
    item = file
    for part in name.split("/"):
        inside = isinstance(item, h5py.Group) and part not in ("", ".", "..")
        if not inside or not isinstance(item.get(part, getlink=True), h5py.HardLink):
            raise _damaged(path, f"{quoted(name)} is missing, or a link")
        item = item[part]
    if not isinstance(item, h5py.Dataset) or item.dtype != np.float64:
        raise _damaged(path, f"{quoted(name)} is not stored as plain float64")
    if found := fault(item):
        raise _damaged(path, f"{quoted(name)} {found}")
    return item


def _damaged(path, what):
    return ValueError(f"{path}: {what}; {CURE}")
