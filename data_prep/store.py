"""The data file, version 1: human photos x_i and their articles y_i in HDF5.

Layout::

    /            attrs format, version, height, width, provenance (JSON)
    /train       x [N,H,W,3] uint8, y [N,H,W,3] uint8, mask [N,H,W] uint8 (optional: the
                 garment in x), y_mask [N,H,W] uint8 (optional: the garment in y),
                 person [N] int32, garment [N] int32, attributes/<name> [N] uint8,
                 x_file, y_file [N,L] uint8 (optional: the file names, zero-padded UTF-8)
    /test        the same
    /train/triples, /test/triples (optional): i [M], j [M] int32 (rows of the split), and,
                 if the true swaps are known, x_ij [M,H,W,3] uint8, mask [M,H,W] uint8

One image per chunk, gzip level 1 + shuffle + Fletcher-32 checksums, no timestamps: the same
contents give the same bytes.  A shipped file may hold each RGB image as a row of bytes [N,L] uint8
instead, zero-padded, in the code that the dataset's attribute ``coding`` names.
"""

import contextlib
import io
import json
import os
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import h5py
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from cagan_theano.io.files import HDF5, atomic_file, check_folder, check_kind
from cagan_theano.io.hdf5 import attribute, fault, open_file, quoted
from cagan_theano.io.metadata import check_provenance

FORMAT = "cagan_theano photos"
KIND = f"{HDF5} ({FORMAT})"
VERSION = 1
SPLITS = ("train", "test")
MULTIPLE = 16  # four convolutions of stride 2 halve each side four times
MAX_SIDE = 4096  # pixels; larger files are refused before anything is allocated
MAX_ROWS = 10_000_000
REMAKE = "make it again with `cagan data`"
CODING = "WEBP"  # of shipped images
MAX_NAME = 512  # bytes of a file name that are stored
TEXT_ROWS = 4096  # file names per chunk
# of images
CHUNKS: dict[str, Any] = dict(compression="gzip", compression_opts=1, shuffle=True, fletcher32=True)
# dataset -> axes of a row: H, W: the file's size; 3: colors; L: bytes of a file name; none: an int32
PAIRS = dict(x="HW3", y="HW3", mask="HW", y_mask="HW", person="", garment="", x_file="L", y_file="L")
SWAPS = dict(i="", j="", x_ij="HW3", mask="HW")
AXES = PAIRS | SWAPS
OPTIONAL = {"mask", "y_mask", "x_file", "y_file", "x_ij"}
IMAGES = tuple(name for name, axes in AXES.items() if "H" in axes)

Pixels: TypeAlias = NDArray[np.uint8]
FilePath: TypeAlias = str | os.PathLike[str]


def check_size(height: int, width: int, who: str = "size") -> None:
    """Raise ValueError unless both sides are multiples of 16 in 16..4096."""
    if any(side % MULTIPLE or not MULTIPLE <= side <= MAX_SIDE for side in (height, width)):
        right = f"both sides must be multiples of {MULTIPLE} from {MULTIPLE} to {MAX_SIDE}"
        raise ValueError(f"{who}: unsupported size {height}x{width}; {right}")


# ---------------------------------------------------------------- writing


class Packed(bytes):
    """An image in the encoding of an HDF5 chunk, from `pack`."""


Image: TypeAlias = Pixels | Packed


def pack(image: Pixels) -> Packed:
    """Encode a uint8 array as an HDF5 chunk: deflated, followed by its Fletcher-32 checksum.

    Done here rather than by HDF5, so that threads can compress while another one writes.
    """
    # photos contain hardly any repeated strings: Huffman coding alone takes half the time
    strategy = zlib.Z_HUFFMAN_ONLY if image.ndim == 3 else zlib.Z_DEFAULT_STRATEGY
    deflate = zlib.compressobj(1, strategy=strategy)
    data = deflate.compress(np.ascontiguousarray(image).data) + deflate.flush()
    return Packed(data + fletcher32(data).to_bytes(4, "little"))


def unpack(data: bytes, shape: tuple[int, ...]) -> Pixels:
    """Decode a packed chunk to a uint8 array of ``shape``; ValueError if it is damaged."""
    body, size = bytes(data[:-4]), int(np.prod(shape))
    try:
        if fletcher32(body).to_bytes(4, "little") != data[-4:]:
            raise ValueError("a packed picture is damaged")
        return np.frombuffer(zlib.decompressobj().decompress(body, size), np.uint8).reshape(shape)
    except zlib.error as error:
        raise ValueError("a packed picture is damaged") from error


def fletcher32(data: bytes) -> int:
    """HDF5's Fletcher-32 checksum of bytes: sums modulo 65535 of big-endian 16-bit words."""
    words = np.frombuffer(data + b"\0" * (len(data) % 2), ">u2").astype(np.uint64)
    sums = int(words.sum()), int((words * np.arange(len(words), 0, -1, dtype=np.uint64)).sum())
    low, high = ((s - 1) % 65535 + 1 if s else 0 for s in sums)  # HDF5 keeps 65535
    return high << 16 | low


class PhotoWriter:
    """Streaming writer: appends rows one by one, with constant memory.

    A context manager: the file appears at ``path`` atomically when the block ends without an
    error; an error or Ctrl-C leaves nothing behind.

    Parameters: path; height, width [pixels]; provenance, a JSON-serializable dict without times
    or paths (program, version, arguments, seed).
    Raises ValueError for an invalid size, FileNotFoundError or PermissionError for an invalid path.
    """

    def __init__(self, path: FilePath, height: int, width: int, provenance: dict[str, Any]) -> None:
        check_size(height, width, str(path))
        self.path, self.height, self.width = os.fspath(path), int(height), int(width)
        try:
            self._provenance = json.dumps(check_provenance(provenance), sort_keys=True)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        self._images: dict[str, h5py.Dataset] = {}
        self._columns: dict[str, list[int]] = {}
        self._texts: dict[str, list[bytes]] = {}
        self._names: dict[str, list[str]] = {}

    def __enter__(self) -> Self:
        check_target(self.path)
        attributes = dict(format=FORMAT, version=VERSION, height=self.height, width=self.width)
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(atomic_file(self.path))
            self._file = stack.enter_context(h5py.File(temporary, "w", locking=False))
            self._file.attrs.update(**attributes, provenance=self._provenance)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            with self._stack:
                self._write_columns()
        else:
            self._stack.__exit__(*error)

    def add(
        self,
        split: str,
        x: Image,
        y: Image,
        person: int,
        garment: int,
        mask: Image | None = None,
        attributes: Mapping[str, tuple[int, Sequence[str]]] | None = None,
        y_mask: Image | None = None,
        files: Sequence[str] | None = None,
    ) -> None:
        """Append one pair to ``split`` ("train" or "test").

        x, y: [H,W,3] uint8; mask, y_mask: [H,W] uint8 or None; each may also be `Packed`.
        person, garment: int ids; attributes: dict name -> (code, names), e.g.
        {"cut": (1, ["fitted", "regular"])}; files: file names of x and y, or None.
        """
        codes = {}
        for name, (code, names) in (attributes or {}).items():
            codes[f"attributes/{name}"] = code
            self._names[f"/{split}/attributes/{name}"] = list(names)
        images = {"x": x, "y": y, "mask": mask, "y_mask": y_mask}
        texts = dict(zip(("x_file", "y_file"), files or ()))
        self._append(f"/{split}", {**images, "person": person, "garment": garment, **codes, **texts})

    def add_triple(
        self, i: int, j: int, x_ij: Image | None = None, mask: Image | None = None, split: str = "test"
    ) -> None:
        """Append a swap to ``split``: the human of row ``i`` in the garment of row ``j``.

        x_ij, mask: the true image [H,W,3] and the garment's mask [H,W] in it, or None for all swaps.
        """
        self._append(f"/{split}/triples", {"i": i, "j": j, "x_ij": x_ij, "mask": mask})

    def _append(self, group: str, row: Mapping[str, Any]) -> None:
        for key, value in row.items():
            if value is None:
                continue
            name, axes = f"{group}/{key}", AXES.get(key, "")
            if axes == "L":
                self._texts.setdefault(name, []).append(value.encode("utf-8", "backslashreplace")[-MAX_NAME:])
            elif axes:
                self._append_image(name, value, (self.height, self.width, 3)[: len(axes)])
            else:
                self._columns.setdefault(name, []).append(int(value))

    def _append_image(self, name: str, image: Image, shape: tuple[int, ...]) -> None:
        if not isinstance(image, Packed):
            image = np.asarray(image)
            if image.shape != shape or image.dtype != np.uint8:
                found = f"{image.dtype} {list(image.shape)}"
                raise ValueError(f"{self.path}: {name} must be uint8 {list(shape)}, not {found}")
            image = pack(image)
        if name not in self._images:
            layout = dict(maxshape=(None, *shape), chunks=(1, *shape), **CHUNKS)
            self._images[name] = self._file.create_dataset(name, (0, *shape), "u1", **layout)
        rows = self._images[name].id
        row = rows.shape[0]
        rows.set_extent((row + 1, *shape))
        rows.write_direct_chunk((row,) + (0,) * len(shape), image)

    def _write_columns(self) -> None:
        for name, values in self._columns.items():
            data = np.asarray(values, "u1" if name in self._names else "i4")
            column = self._file.create_dataset(name, data=data, fletcher32=True, chunks=data.shape)
            if name in self._names:
                column.attrs["names"] = json.dumps(self._names[name])
        for name, texts in self._texts.items():
            text = np.asarray(texts, "S")
            text = text.view(np.uint8).reshape(len(text), text.itemsize)
            chunks = min(len(text), TEXT_ROWS), text.shape[1]
            self._file.create_dataset(name, data=text, fletcher32=True, compression="gzip", chunks=chunks)


def check_target(path: FilePath) -> None:
    """Raise ValueError or OSError, naming the cure, unless a file can be written to ``path``."""
    if os.path.isdir(path):
        raise ValueError(f"{path}: is a folder; give the path of a file")
    check_folder(path)
    if os.path.exists(path) and not os.access(path, os.W_OK):
        raise PermissionError(f"{path}: exists and is not writable; choose another name")
    check_kind(path, KIND)


# ---------------------------------------------------------------- reading


def decode(code: Pixels, size: tuple[int, ...]) -> Pixels:
    """The RGB image [H,W,3] of a zero-padded code.  Raises OSError if it has another size, mode or coding."""
    image = PIL.Image.open(io.BytesIO(code.tobytes()), formats=[CODING])
    if (image.height, image.width, image.mode) != (*size, "RGB"):
        raise OSError("a coded image has another size or mode")
    return np.asarray(image)


class Rows:
    """A lazy dataset: ``rows[a:b]`` reads rows a to b - 1, ``load()`` reads all rows."""

    def __init__(self, path: str, dataset: h5py.Dataset) -> None:
        self._path, self._dataset = path, dataset
        self._coded = "coding" in dataset.attrs
        self.shape: tuple[int, ...] = dataset.shape
        if self._coded:
            self.shape = (len(dataset), *(attribute(dataset.file, side) for side in ("height", "width")), 3)
        self.dtype: np.dtype[Any] = dataset.dtype
        self.chunk_rows: int = (dataset.chunks or dataset.shape)[0]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Any:
        try:
            found = self._dataset[rows]
            if not self._coded:
                return found
            images = [decode(code, self.shape[1:3]) for code in found.reshape(-1, found.shape[-1])]
            return np.reshape(images, (*found.shape[:-1], *self.shape[1:]))
        except OSError as error:  # h5py reports a failed checksum as OSError
            damage = "is damaged (failed checksum or chunk); copy the file again"
            raise ValueError(f"{self._path}: {self._dataset.name} {damage} or {REMAKE}") from error

    def load(self) -> NDArray[Any]:
        """All rows as one NumPy array."""
        rows: NDArray[Any] = self[...]
        return rows


@dataclass(frozen=True)
class Triples:
    """Swaps: i, j [M] int32 (rows of the split); x_ij [M,H,W,3] and mask [M,H,W] uint8, or None if
    the true swaps are unknown."""

    i: NDArray[np.int32]
    j: NDArray[np.int32]
    x_ij: Rows | None = None
    mask: Rows | None = None


@dataclass(frozen=True)
class Photos:
    """One split: x, y [N,H,W,3] uint8 Rows; mask, y_mask [N,H,W] uint8 Rows or None; person,
    garment [N] int32; attributes: name -> [N] uint8 codes; names: name -> list of words;
    x_file, y_file: [N] file names, or None."""

    x: Rows
    y: Rows
    person: NDArray[np.int32]
    garment: NDArray[np.int32]
    attributes: dict[str, NDArray[np.uint8]]
    names: dict[str, list[str]]
    triples: Triples | None = None
    mask: Rows | None = None
    y_mask: Rows | None = None
    x_file: list[str] | None = None
    y_file: list[str] | None = None

    def __len__(self) -> int:
        return len(self.x)


class PhotoFile:
    """Validating reader, a context manager.  Every fault raises a ValueError (or
    FileNotFoundError) of one line that names the file, the problem and the cure.

    Attributes: path, height, width [pixels], provenance (dict), splits (names present).
    """

    def __init__(self, path: FilePath) -> None:
        self.path = os.fspath(path)
        with contextlib.ExitStack() as stack:
            self._file = stack.enter_context(open_file(self.path, f"copy it again or {REMAKE}"))
            try:
                self._validate()
            except (KeyError, TypeError, OSError, RuntimeError) as error:  # raised by h5py
                raise ValueError(f"{self.path}: is damaged; copy it again or {REMAKE}") from error
            stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; its Rows can no longer be read."""
        self._file.close()

    def split(self, name: str) -> Photos:
        """The ``Photos`` of "train" or "test"; ValueError if the file lacks that split."""
        kept = ", ".join(self.splits) or "nothing"
        self._need(name in self.splits, f"has no {name} photos (only {kept})")
        group = self._file[name]
        codes = group.get("attributes", {})
        fields = {key: self._column(group[key], PAIRS[key]) for key in PAIRS if key in group}
        if "triples" in group:
            swaps = {key: self._column(data, SWAPS[key]) for key, data in group["triples"].items()}
            fields["triples"] = Triples(**swaps)
        return Photos(
            **fields,
            attributes={key: self._column(codes[key]) for key in codes},
            names={key: json.loads(attribute(codes[key], "names")) for key in codes},
        )

    def _column(self, data: h5py.Dataset, axes: str = "") -> Any:
        """A dataset: `Rows` of images, an array of numbers, or a list of file names."""
        rows = Rows(self.path, data)
        if "L" in axes:
            return [bytes(row).rstrip(b"\0").decode("utf-8", "replace") for row in rows.load()]
        return rows if axes else rows.load()

    def datasets(self) -> list[tuple[str, Rows]]:
        """(name, `Rows`) of every dataset in the file, sorted by name."""
        names: list[str] = []
        self._file.visit(names.append)
        items = [(name, self._file[name]) for name in sorted(names)]
        return [(name, Rows(self.path, item)) for name, item in items if isinstance(item, h5py.Dataset)]

    # ------------------------------------------------------------ validation

    def _need(self, condition: object, fault: str, cure: str = REMAKE) -> None:
        if not condition:
            raise ValueError(f"{self.path}: {fault}; {cure}")

    def _validate(self) -> None:
        names = "format", "version", "height", "width", "provenance"
        kind, version, self.height, self.width, origin = (attribute(self._file, name) for name in names)
        self._need(kind == FORMAT, "is not a photo file", "give one written by `cagan data`")
        other = f"has version {quoted(version)}, but this program reads version {VERSION}"
        self._need(version == VERSION, other)
        for side in ("height", "width"):
            self._need(isinstance(getattr(self, side), int), f"{side} is missing")
        check_size(self.height, self.width, self.path)
        self.provenance = self._json(origin, dict, "provenance")
        try:
            check_provenance(self.provenance)
        except ValueError as error:
            self._need(False, f"{error}: unsupported")
        self._check_members(self._file, SPLITS)
        self.splits = tuple(name for name in SPLITS if name in self._file)
        for name in self.splits:
            self._check_split(self._file[name])
        if len(self.splits) == 2:
            for key in ("person", "garment"):
                train, test = (self._column(self._file[name][key]) for name in SPLITS)
                self._need(not np.intersect1d(train, test).size, f"a {key} of test also occurs in train")

    def _json(self, text: Any, kind: type, what: str) -> Any:
        try:
            value = json.loads(text)
        except (TypeError, ValueError, RecursionError):
            value = None
        self._need(isinstance(value, kind), f"{what} is missing or not JSON")
        return value

    def _check_members(self, group: h5py.Group, allowed: Collection[str] | None) -> None:
        self._need(isinstance(group, h5py.Group), f"{group.name} is not a group")
        for key in group:
            link = group.get(key, getlink=True)
            self._need(isinstance(link, h5py.HardLink), f"{quoted(key)} is an external or soft link")
            self._need(allowed is None or key in allowed, f"unexpected entry {quoted(key)}")

    def _check_rows(
        self, group: h5py.Group, axes: Mapping[str, str], count: int = 0, ids: str = "int32"
    ) -> int:
        """Check datasets of `count` rows, by default of as many as the first one has; returns the number."""
        for key in axes:
            name, data = f"{group.name}/{key}", group.get(key)
            if data is None and key in OPTIONAL:
                continue
            self._need(isinstance(data, h5py.Dataset), f"{name} is missing")
            shape: tuple[int, ...] = data.shape or (0,)
            count = count or shape[0]
            self._need(0 < count <= MAX_ROWS, f"{name} has no rows, or too many")
            named = "L" not in axes[key] or 0 < shape[-1] <= MAX_NAME
            self._need(named, f"{name} must hold names of 1 to {MAX_NAME} bytes")
            sides = {"H": self.height, "W": self.width, "3": 3, "L": shape[-1]}
            expected, dtype = (count, *(sides[axis] for axis in axes[key])), "uint8" if axes[key] else ids
            if axes[key] == "HW3" and len(shape) == 2 and attribute(data, "coding") == CODING:
                expected = (count, min(shape[1], 3 * self.height * self.width + 1024))
            wrong = f"{name} is {data.dtype} {list(shape)}, expected {dtype} {list(expected)}"
            self._need(shape == expected and data.dtype == dtype, wrong)
            found = fault(data)
            self._need(found is None, f"{name} {found}")
        return count

    def _check_split(self, group: h5py.Group) -> None:
        self._check_members(group, {*PAIRS, "attributes", "triples"})
        count = self._check_rows(group, PAIRS)
        if "attributes" in group:
            codes = group["attributes"]
            self._check_members(codes, None)
            self._check_rows(codes, dict.fromkeys(codes, ""), count, "uint8")
            for key in codes:
                name = f"{codes.name}/{key}"
                words = self._json(attribute(codes[key], "names"), list, f"{name} names")
                self._need(all(isinstance(word, str) for word in words), f"{name} has a name that is no text")
                self._need(self._column(codes[key]).max() < len(words), f"{name} has a code without a name")
        if "triples" in group:
            part = group["triples"]
            self._check_members(part, SWAPS)
            self._check_rows(part, SWAPS)
            self._need(("x_ij" in part) == ("mask" in part), f"{part.name} has only one of x_ij and mask")
            i, j, garment = (self._column(data) for data in (part["i"], part["j"], group["garment"]))
            rows = np.concatenate([i, j])
            exist = 0 <= rows.min() and rows.max() < count
            self._need(exist, f"{part.name} points to rows that do not exist")
            self._need((garment[i] != garment[j]).all(), f"{part.name} swaps a garment with itself")
