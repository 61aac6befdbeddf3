"""Safe reading of untrusted HDF5 files: only small attributes and plain arrays are accepted.

An HDF5 file can store an array in another file, run plug-in filters, declare more data than it
contains, and expand a kilobyte to a megabyte repeatedly.  All files are opened with `open_file` (a
test enforces this); `attribute` and `fault` check an object before it is read.
"""

import math
import mmap
import os
import reprlib
import struct
import zlib

import h5py
import numpy as np
from h5py import h5t

MAX_TEXT = 65536  # bytes of an attribute: the limit of HDF5's object header
MAX_ARRAYS = 4096  # groups and arrays of a file
MAX_CHUNK = 64 << 20  # bytes of a chunk: an RGB image at 4096x4096 has 48 MiB
EXPANSION = 1032  # largest ratio of deflate
TRUSTED = 256 << 10  # bytes of a compressed chunk, which expands to at most 258 MiB
HEAP = b"GCOL\x01\0\0\0"  # signature of a global heap, which stores the strings of attributes
DAMAGED = "not a readable HDF5 file (truncated or damaged)"
FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32"}


def open_file(path, cure):
    """The HDF5 file at ``path``, an `h5py.File` open for reading; cure: for a damaged one.

    Raises FileNotFoundError, PermissionError, ValueError.
    """
    if not os.path.isfile(path):  # opening a pipe would block
        raise FileNotFoundError(f"{path}: no such file; check the path")
    if not os.access(path, os.R_OK):
        raise PermissionError(f"{path}: cannot be read; change its permissions")
    if not heaps_are_whole(path):
        raise ValueError(f"{path}: not a readable HDF5 file (its strings are damaged); {cure}")
    try:
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        fault = f"cannot be read ({error.strerror})" if error.errno else DAMAGED
        raise ValueError(f"{path}: {fault}; {cure}") from error


def heaps_are_whole(path):
    """Whether every global heap in the file is a chain of objects, with headers of 16 bytes, in its bounds.

    HDF5 (2.0 and others) enters an infinite loop on a heap object of size 0, which nothing in the process can
    interrupt, so this is checked before HDF5 opens the file.  Layout: HDF5 file format specification, III.E.
    """
    if os.path.getsize(path) == 0:
        return True
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = -1
        while (start := data.find(HEAP, start + 1)) >= 0:
            place = start + 16
            end = start + struct.unpack_from("<Q", data, start + 8)[0] if place <= len(data) else 0
            if not place <= end <= len(data):
                return False
            while place + 16 <= end:
                index, size = struct.unpack_from("<H6xQ", data, place)
                # object 0 is the free space, header included
                taken = 16 + (size + 7) // 8 * 8 if index else size
                if taken < 16 or place + taken > end:
                    return False
                place += taken
    return True


def attribute(item, name):
    """The attribute ``name`` of an HDF5 object if it is a short string or an integer; else None.

    Its type and size are checked before its value is read.
    """
    if name not in item.attrs:
        return None
    found = item.attrs.get_id(name)
    if found.shape != () or found.get_storage_size() > MAX_TEXT:
        return None
    if found.get_type().get_class() not in (h5t.INTEGER, h5t.STRING):
        return None  # HDF5 crashes on a damaged sequence
    value = item.attrs[name]
    if isinstance(value, np.integer):
        return int(value)
    return value if isinstance(value, str) and len(value) <= MAX_TEXT else None


def read_arrays(file, pattern, dtypes, limit, cure):
    """Every array of an open file by its full name; nothing is read if a ValueError is raised.

    pattern: that the names of groups and arrays match; dtypes: names of the allowed types; limit: bytes of
    all arrays; cure: last part of a message.  Links are not followed.
    """
    datasets, names = {}, list(file)
    for name in names:  # which grows by the members of each group
        if len(names) > MAX_ARRAYS:
            raise ValueError(f"it has more than {MAX_ARRAYS} groups and arrays; {cure}")
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{quoted(name)} is a link; links are not followed; {cure}")
        if not pattern.fullmatch(name):
            raise ValueError(f"it has an unexpected group or array, {quoted(name)}; {cure}")
        item = file[name]
        if isinstance(item, h5py.Group):
            names += [f"{name}/{child}" for child in item]
        elif isinstance(item, h5py.Dataset) and item.shape is not None and item.dtype.name in dtypes:
            datasets[name] = item
        else:
            raise ValueError(f"{quoted(name)} is not stored as plain {', '.join(dtypes)}; {cure}")
    if bytes_of(datasets) > limit:
        raise ValueError(f"it declares {bytes_of(datasets)} bytes of arrays, the limit is {limit}; {cure}")
    for name, dataset in datasets.items():
        if found := fault(dataset):
            raise ValueError(f"{name} {found}; {cure}")
    return {name: np.asarray(dataset[()]) for name, dataset in datasets.items()}


def bytes_of(arrays):
    """Total bytes of arrays or datasets by name, as declared."""
    return sum(array.size * array.dtype.itemsize for array in arrays.values())


def quoted(name):
    """The name of a member for a message: quoted, and shortened if long."""
    return reprlib.repr(name)


def fault(dataset):
    """The reason not to read an HDF5 dataset ("is ...", "has ..."), or None if it is safe.

    A safe dataset is stored entirely in its own file, uses only the filters gzip, shuffle and
    fletcher32, each at most once, and expands to its declared size.
    """
    if dataset.is_virtual or dataset.external:
        return "stores its data in another file"
    plan = dataset.id.get_create_plist()
    filters = [plan.get_filter(n)[0] for n in range(plan.get_nfilters())]
    if not set(filters) <= set(FILTERS) or len(set(filters)) < len(filters):
        return f"uses filters other than {', '.join(FILTERS.values())}, each once"
    if dataset.shape is None or dataset.dtype.kind not in "iuf":
        return "does not contain plain numbers"
    declared = math.prod(dataset.shape) * dataset.dtype.itemsize
    if declared > dataset.id.get_storage_size() * (EXPANSION if 1 in filters else 1):
        return f"declares {declared} bytes but does not contain them"
    gzip = 1 << filters.index(1) if 1 in filters else 0
    least = 5 if 3 in filters else 1  # HDF5 subtracts the 4 bytes of a checksum unchecked
    return _fault_of_chunks(dataset, gzip, least) if dataset.chunks else None


def _fault_of_chunks(dataset, gzip, least):
    """The reason not to read a dataset's chunks, or None if each expands to its size.

    gzip: the bit in a chunk's filter mask that marks gzip as skipped; 0 without that filter.
    least: smallest number of bytes of a stored chunk.
    """
    size = math.prod(dataset.chunks) * dataset.dtype.itemsize
    if size > MAX_CHUNK:
        return f"has chunks of {size} bytes, more than {MAX_CHUNK}"
    stored = []
    dataset.id.chunk_iter(lambda chunk: stored.append((chunk.size, chunk.chunk_offset)))
    if len({offset for _, offset in stored}) < len(stored):
        return "has two chunks at one offset"
    for length, offset in stored:
        if length < least:
            return f"has a chunk of {length} bytes"
        if length > size + size // 1000 + 64:  # gzip and a checksum can add a little
            return f"has a chunk of {length} bytes where {size} are declared"
        if gzip and length > TRUSTED and _unpacks_to_more(dataset, offset, size + 4, gzip):
            return f"has a chunk that expands to more than {size} bytes"
    return None


def _unpacks_to_more(dataset, offset, size, gzip):
    """Whether the gzip stream of the chunk at ``offset`` expands to more than ``size`` bytes."""
    skipped, data = dataset.id.read_direct_chunk(offset)
    if skipped & gzip:
        return False
    stream = zlib.decompressobj()
    try:
        stream.decompress(data, size)
        return bool(stream.decompress(stream.unconsumed_tail, 1))
    except zlib.error:
        return False  # HDF5 will report the damage
