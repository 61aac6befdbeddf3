"""What an HDF5 file from a stranger may hold: small attributes and plain arrays, nothing else.

HDF5 can keep an array in another file, run plug-in filters, declare more than it holds and unpack
a kilobyte to a megabyte, again and again.  `open_file` is the one door of this project to them (a
test looks for others), `attribute` and `fault` are asked before anything is read.
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

MAX_TEXT = 65536  # bytes of an attribute: what HDF5 keeps in an object's header
MAX_CHUNK = 64 << 20  # bytes of a chunk: a picture of 4096x4096 RGB has 48 MiB
EXPANSION = 1032  # the most that deflate can unpack a byte to
TRUSTED = 256 << 10  # bytes of a stored chunk that can unpack to no more than 258 MiB
HEAP = b"GCOL\x01\0\0\0"  # how a global heap begins, which holds the texts of attributes
FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32"}


def open_file(path, cure):
    """The HDF5 file at ``path``, an `h5py.File` open for reading.

    cure: ends the message of a damaged file.  Raises FileNotFoundError, PermissionError, ValueError.
    """
    if not os.path.isfile(path):  # a pipe would be waited for
        raise FileNotFoundError(f"{path}: there is no such file; check the path")
    if not os.access(path, os.R_OK):
        raise PermissionError(f"{path}: may not be read; change its permissions")
    if not heaps_are_whole(path):
        raise ValueError(f"{path}: is no readable HDF5 file (its texts are damaged); {cure}")
    try:
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        raise ValueError(f"{path}: is no readable HDF5 file (truncated or damaged); {cure}") from error


def heaps_are_whole(path):
    """Whether every global heap in the file at ``path`` is a chain of objects that ends in its bounds.

    HDF5 (2.0 among others) goes round for ever in a heap that has an object of no size, and nothing
    in the process can stop it: a file is looked at here before HDF5 sees it.  The layout is that of
    the HDF5 file format specification, III.E.
    """
    if os.path.getsize(path) == 0:
        return True
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = data.find(HEAP)
        while place >= 0:
            if not _heap_is_whole(data, place):
                return False
            place = data.find(HEAP, place + len(HEAP))
    return True


def _heap_is_whole(data, start):
    """Whether the global heap that starts there is: 16 bytes of head, then objects with such heads."""
    if start + 16 > len(data):
        return False
    end = start + struct.unpack_from("<Q", data, start + 8)[0]
    place = start + 16
    if not place <= end <= len(data):
        return False
    while place + 16 <= end:
        index, size = struct.unpack_from("<H6xQ", data, place)
        # object 0 is what is free, its head included
        taken = 16 + (size + 7) // 8 * 8 if index else size
        if taken < 16 or place + taken > end:
            return False
        place += taken
    return True


def attribute(item, name):
    """The attribute ``name`` of an HDF5 object when it is a short text or a whole number; else None.

    Its type and size are looked at before its value is read.
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


def shown(name):
    """The name of a member for a message: quoted, and cut when it is long."""
    return reprlib.repr(name)


def fault(dataset):
    """What makes an HDF5 dataset unfit to be read ("is ...", "has ..."), None when nothing does.

    Fit is one that lies whole in its own file, uses no filter but gzip, shuffle and fletcher32,
    each once at most, and unpacks to what it declares.
    """
    if dataset.is_virtual or dataset.external:
        return "keeps its data in another file"
    plan = dataset.id.get_create_plist()
    filters = [plan.get_filter(n)[0] for n in range(plan.get_nfilters())]
    if not set(filters) <= set(FILTERS) or len(set(filters)) < len(filters):
        return f"uses filters other than {', '.join(FILTERS.values())}, each once"
    if dataset.shape is None or dataset.dtype.kind not in "iuf":
        return "holds no plain numbers"
    declared = math.prod(dataset.shape) * dataset.dtype.itemsize
    if declared > dataset.id.get_storage_size() * (EXPANSION if 1 in filters else 1):
        return f"declares {declared} bytes and does not hold them"
    gzip = 1 << filters.index(1) if 1 in filters else 0
    least = 5 if 3 in filters else 1  # HDF5 takes the 4 bytes of a checksum off whatever is there
    return _fault_of_chunks(dataset, gzip, least) if dataset.chunks else None


def _fault_of_chunks(dataset, gzip, least):
    """The fault of a dataset's chunks, None when each unpacks to its size.

    gzip: the bit that a chunk's mask has set where that filter was left out; 0 without the filter.
    least: the fewest bytes that a stored chunk can have.
    """
    size = math.prod(dataset.chunks) * dataset.dtype.itemsize
    if size > MAX_CHUNK:
        return f"has chunks of {size} bytes, more than {MAX_CHUNK}"
    stored = []
    dataset.id.chunk_iter(lambda chunk: stored.append((chunk.size, chunk.chunk_offset)))
    if len({offset for _, offset in stored}) < len(stored):
        return "has two chunks for one place"
    for length, offset in stored:
        if length < least:
            return f"has a chunk of {length} bytes"
        if length > size + size // 1000 + 64:  # gzip and a checksum add a little at worst
            return f"has a chunk of {length} bytes where {size} are declared"
        if gzip and length > TRUSTED and _unpacks_to_more(dataset, offset, size + 4, gzip):
            return f"has a chunk that unpacks to more than {size} bytes"
    return None


def _unpacks_to_more(dataset, offset, size, gzip):
    """Whether the gzip stream of the chunk at ``offset`` gives more than ``size`` bytes."""
    left_out, data = dataset.id.read_direct_chunk(offset)
    if left_out & gzip:
        return False
    stream = zlib.decompressobj()
    try:
        stream.decompress(data, size)
        return bool(stream.decompress(stream.unconsumed_tail, 1))
    except zlib.error:
        return False  # HDF5 will find it damaged
