"""The data file, version 1: human photos x_i and their articles y_i in HDF5.

Layout::

    /            attrs format, version, height, width, provenance (JSON)
    /train       x [N,H,W,3] uint8, y [N,H,W,3] uint8, mask [N,H,W] uint8 (optional),
                 person [N] int32, garment [N] int32, attributes/<name> [N] uint8
    /test        the same, and optionally triples: i [M], j [M] int32 (rows of test),
                 x_ij [M,H,W,3] uint8 (the true swap), mask [M,H,W] uint8

One image per chunk, gzip 1 + shuffle + fletcher32 checksums, no timestamps: the same
contents give the same file.
"""
import contextlib
import json
import os
import tempfile
from dataclasses import dataclass

import h5py
import numpy as np

FORMAT = "cagan_theano photos"
VERSION = 1
SPLITS = ("train", "test")
MULTIPLE = 16  # four convolutions of stride 2 halve each side four times
MAX_SIDE = 4096  # pixels; refuses absurd files before anything is allocated
MAX_ROWS = 10_000_000
ANY = "written by `python -m data_prep`"
REMAKE = "make it anew with `python -m data_prep`"
IMAGES = {"x": 3, "y": 3, "mask": 0, "x_ij": 3}  # dataset -> channels (0: no channel axis)


def check_size(height, width, who="size"):
    """Raise ValueError unless 16 divides both sides and both are in 16..4096."""
    for side in (height, width):
        if side % MULTIPLE or not MULTIPLE <= side <= MAX_SIDE:
            raise ValueError(f"{who}: {height}x{width} is not usable; both sides must be "
                             f"multiples of {MULTIPLE} from {MULTIPLE} to {MAX_SIDE}")


# ---------------------------------------------------------------- writing

class PhotoWriter:
    """Streaming writer: rows are appended one by one, memory stays constant.

    Used as a context manager: the file appears at ``path`` (atomically) only when the
    block ends without an error; on an error or Ctrl-C nothing is left behind.

    Parameters: path; height, width [pixels]; provenance, a JSON-able dict without time
    or path (program, version, arguments, seed).
    Raises ValueError for a bad size, FileNotFoundError or PermissionError for a bad path.
    """

    def __init__(self, path, height, width, provenance):
        check_size(height, width, str(path))
        self.path, self.height, self.width = os.fspath(path), int(height), int(width)
        self._provenance = json.dumps(provenance, sort_keys=True)
        self._columns, self._names = {}, {}
        self._file = self._partial = None

    def __enter__(self):
        folder = os.path.dirname(os.path.abspath(self.path))
        _check_target(self.path, folder)
        handle, self._partial = tempfile.mkstemp(".partial", os.path.basename(self.path) + ".",
                                                 folder)
        os.close(handle)
        self._file = h5py.File(self._partial, "w")
        self._file.attrs.update(format=FORMAT, version=VERSION, height=self.height,
                                width=self.width, provenance=self._provenance)
        return self

    def add(self, split, x, y, person, garment, mask=None, attributes=None):
        """Append one pair to ``split`` ("train" or "test").

        x, y: [H,W,3] uint8; mask: [H,W] uint8 or None; person, garment: int ids;
        attributes: dict name -> (code, names), e.g. {"cut": (1, ["fitted", "regular"])}.
        """
        images = {"x": x, "y": y} if mask is None else {"x": x, "y": y, "mask": mask}
        columns = {"person": person, "garment": garment}
        for name, (code, names) in (attributes or {}).items():
            columns[f"attributes/{name}"] = code
            self._names[f"/{split}/attributes/{name}"] = list(names)
        self._append(f"/{split}", images, columns)

    def add_triple(self, i, j, x_ij, mask):
        """Append a true swap: the human of test row ``i`` wearing the garment of row ``j``."""
        self._append("/test/triples", {"x_ij": x_ij, "mask": mask}, {"i": i, "j": j})

    def _append(self, group, images, columns):
        for name, image in images.items():
            self._append_image(f"{group}/{name}", np.asarray(image), IMAGES[name])
        for name, value in columns.items():
            self._columns.setdefault(f"{group}/{name}", []).append(int(value))

    def _append_image(self, name, image, channels):
        shape = (self.height, self.width) + ((channels,) if channels else ())
        if image.shape != shape or image.dtype != np.uint8:
            raise ValueError(f"{self.path}: {name} must be uint8 {list(shape)}, "
                             f"not {image.dtype} {list(image.shape)}")
        if name not in self._file:
            self._file.create_dataset(name, (0,) + shape, "u1", maxshape=(None,) + shape,
                                      chunks=(1,) + shape, compression="gzip",
                                      compression_opts=1, shuffle=True, fletcher32=True)
        rows = self._file[name]
        rows.resize(len(rows) + 1, axis=0)
        rows[-1] = image

    def _write_columns(self):
        for name, values in self._columns.items():
            dtype = "u1" if "/attributes/" in name else "i4"
            column = self._file.create_dataset(name, data=np.asarray(values, dtype),
                                               fletcher32=True, chunks=(len(values),))
            if name in self._names:
                column.attrs["names"] = json.dumps(self._names[name])

    def __exit__(self, kind, error, trace):
        try:
            if kind is None:
                self._write_columns()
            self._file.close()
            if kind is None:
                _replace(self._partial, self.path)
        finally:
            with contextlib.suppress(OSError):
                self._file.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._partial)


def _check_target(path, folder):
    if os.path.isdir(path):
        raise ValueError(f"{path}: is a folder; name a file to write")
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"{path}: the folder {folder} does not exist; create it first")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{path}: the folder is not writable; choose another place")
    if os.path.exists(path) and not os.access(path, os.W_OK):
        raise PermissionError(f"{path}: exists and is not writable; choose another name")


def _replace(partial, path):
    """fsync ``partial``, give it ordinary permissions and move it to ``path``."""
    with open(partial, "rb+") as handle:
        os.fsync(handle.fileno())
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(partial, 0o666 & ~mask)
    os.replace(partial, path)


# ---------------------------------------------------------------- reading

class Rows:
    """A dataset read lazily: ``rows[a:b]`` reads rows a..b; ``load()`` reads them all."""

    def __init__(self, path, dataset):
        self._path, self._dataset = path, dataset
        self.shape, self.dtype = dataset.shape, dataset.dtype

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        try:
            return self._dataset[rows]
        except OSError as error:  # h5py reports a failed checksum as OSError
            raise ValueError(f"{self._path}: {self._dataset.name} is damaged (a checksum "
                             f"or a chunk failed); copy the file again or {REMAKE}") from error

    def load(self):
        """All rows as one numpy array."""
        return self[...]


@dataclass(frozen=True)
class Triples:
    """True swaps: i, j [M] int32 (rows of the split); x_ij [M,H,W,3], mask [M,H,W] uint8."""
    i: np.ndarray
    j: np.ndarray
    x_ij: Rows
    mask: Rows


@dataclass(frozen=True)
class Photos:
    """One split: x, y [N,H,W,3] uint8 Rows; mask [N,H,W] uint8 Rows or None; person,
    garment [N] int32; attributes: name -> [N] uint8 codes, names: name -> list of words."""
    x: Rows
    y: Rows
    mask: Rows | None
    person: np.ndarray
    garment: np.ndarray
    attributes: dict[str, np.ndarray]
    names: dict[str, list]
    triples: Triples | None

    def __len__(self):
        return len(self.x)


class PhotoFile:
    """Validated reader, a context manager. Every fault is a ValueError (or
    FileNotFoundError) of one line that names the file, the fault and the cure.

    Attributes: path, height, width, provenance (dict), splits (names present).
    """

    def __init__(self, path):
        self.path = os.fspath(path)
        if not os.path.exists(self.path):
            raise FileNotFoundError(f"{self.path}: no such file; {REMAKE}")
        self._file = self._open()
        try:
            self._validate()
        except (KeyError, TypeError, OSError, RuntimeError) as error:  # h5py's own complaints
            self._file.close()
            raise ValueError(f"{self.path}: is damaged inside; copy it again or "
                             f"{REMAKE}") from error
        except BaseException:
            self._file.close()
            raise

    open = classmethod(lambda cls, path: cls(path))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Close the file; Rows of it can no longer be read."""
        self._file.close()

    def split(self, name):
        """The ``Photos`` of "train" or "test"; ValueError if the file has none of it."""
        if name not in self.splits:
            raise ValueError(f"{self.path}: has no {name} photos (only "
                             f"{', '.join(self.splits) or 'nothing'}); {REMAKE}")
        group = self._file[name]
        rows = lambda key: Rows(self.path, group[key]) if key in group else None  # noqa: E731
        codes = group.get("attributes", {})
        return Photos(rows("x"), rows("y"), rows("mask"), self._read(group["person"]),
                      self._read(group["garment"]),
                      {key: self._read(codes[key]) for key in codes},
                      {key: json.loads(codes[key].attrs["names"]) for key in codes},
                      self._triples(group))

    def _triples(self, group):
        if "triples" not in group:
            return None
        part = group["triples"]
        return Triples(self._read(part["i"]), self._read(part["j"]),
                       Rows(self.path, part["x_ij"]), Rows(self.path, part["mask"]))

    def _read(self, dataset):
        return Rows(self.path, dataset).load()

    def _open(self):
        try:
            return h5py.File(self.path, "r")
        except OSError as error:
            raise ValueError(f"{self.path}: is not a complete HDF5 file; copy it again or "
                             f"{REMAKE}") from error

    def _need(self, condition, fault, cure=REMAKE):
        if not condition:
            raise ValueError(f"{self.path}: {fault}; {cure}")

    # ------------------------------------------------------------ validation

    def _validate(self):
        attrs = dict(self._file.attrs)
        self._need(attrs.get("format") == FORMAT, "is not a photo file of this program",
                   f"give a file {ANY}")
        self._need(attrs.get("version") == VERSION,
                   f"has version {attrs.get('version')}, this program reads {VERSION}")
        self.height, self.width = (self._side(attrs, key) for key in ("height", "width"))
        check_size(self.height, self.width, self.path)
        self.provenance = self._json(attrs.get("provenance"), dict, "provenance")
        self._check_links(self._file, set(SPLITS))
        self.splits = tuple(name for name in SPLITS if name in self._file)
        for name in self.splits:
            self._check_split(name)
        if len(self.splits) == 2:
            self._check_disjoint()

    def _side(self, attrs, key):
        self._need(isinstance(attrs.get(key), (int, np.integer)), f"{key} is missing")
        return int(attrs[key])

    def _json(self, text, kind, what):
        try:
            value = json.loads(text)
        except (TypeError, ValueError):
            value = None
        self._need(isinstance(value, kind), f"{what} is missing or not JSON")
        return value

    def _check_links(self, group, allowed):
        for key in group:
            link = group.get(key, getlink=True)
            self._need(isinstance(link, h5py.HardLink), f"{key!r} is an external or soft link")
            self._need(allowed is None or key in allowed, f"unexpected entry {key!r}")

    def _check_split(self, name):
        group = self._file[name]
        self._need(isinstance(group, h5py.Group), f"{name} is not a group")
        allowed = {"x", "y", "mask", "person", "garment", "attributes"}
        self._check_links(group, allowed | {"triples"} if name == "test" else allowed)
        rows = self._rows(group, "x")
        self._check_images(group, ("x", "y"), rows)
        if "mask" in group:
            self._check_images(group, ("mask",), rows)
        for key in ("person", "garment"):
            self._check(group, key, (rows,), "i4")
        self._check_attributes(group, rows)
        if "triples" in group:
            self._check_triples(group, rows)

    def _rows(self, group, key):
        self._need(isinstance(group.get(key), h5py.Dataset), f"{group.name}/{key} is missing")
        shape = group[key].shape
        self._need(bool(shape) and 0 < shape[0] <= MAX_ROWS,
                   f"{group.name}/{key} has no rows or too many")
        return shape[0]

    def _check_images(self, group, keys, rows):
        for key in keys:
            tail = (IMAGES[key],) if IMAGES[key] else ()
            self._check(group, key, (rows, self.height, self.width) + tail, "u1")

    def _check(self, group, key, shape, dtype):
        name, data = f"{group.name}/{key}", group.get(key)
        self._need(isinstance(data, h5py.Dataset), f"{name} is missing")
        self._need(data.shape == shape and data.dtype == np.dtype(dtype),
                   f"{name} is {data.dtype} {list(data.shape or ())}, "
                   f"expected {np.dtype(dtype)} {list(shape)}")
        self._need(not data.is_virtual and not data.external,
                   f"{name} keeps its data in another file")

    def _check_attributes(self, group, rows):
        codes = group.get("attributes", {})
        self._need(not isinstance(codes, h5py.Dataset), f"{group.name}/attributes is no group")
        if codes:
            self._check_links(codes, None)
        for key in codes:
            self._check(codes, key, (rows,), "u1")
            names = self._json(codes[key].attrs.get("names"), list, f"{codes.name}/{key} names")
            self._need(self._read(codes[key]).max() < len(names),
                       f"{codes.name}/{key} has a code without a name")

    def _check_triples(self, group, rows):
        part = group["triples"]
        self._need(isinstance(part, h5py.Group), f"{group.name}/triples is not a group")
        self._check_links(part, {"i", "j", "x_ij", "mask"})
        count = self._rows(part, "x_ij")
        self._check_images(part, ("x_ij", "mask"), count)
        for key in ("i", "j"):
            self._check(part, key, (count,), "i4")
        i, j = self._read(part["i"]), self._read(part["j"])
        self._need(min(i.min(), j.min()) >= 0 and max(i.max(), j.max()) < rows,
                   f"{part.name} points to rows that do not exist")
        garment = self._read(group["garment"])
        self._need((garment[i] != garment[j]).all(), f"{part.name} swaps a garment with itself")

    def _check_disjoint(self):
        for key in ("person", "garment"):
            train, test = (self._read(self._file[name][key]) for name in SPLITS)
            self._need(not np.intersect1d(train, test).size,
                       f"a {key} of test also occurs in train")
