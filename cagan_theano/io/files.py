"""Atomic writing of files, and checks that protect existing files."""

import codecs
import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
from pathlib import Path

from cagan_theano.io.hdf5 import attribute, open_file

# errors of file systems that do not support permissions or the flushing of a folder
UNKNOWN = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY, errno.ENOLCK}
DENIED = UNKNOWN | {errno.EPERM, errno.EACCES, errno.EISDIR, errno.EBADF}
HDF5, DAMAGED = "an HDF5 file", "a damaged HDF5 file"
KINDS = {
    rb"\x89HDF\r\n\x1a\n": HDF5,
    rb"\x89PNG": "a PNG image",
    rb"\xff\xd8\xff": "a JPEG image",
    rb"RIFF.{4}WEBP": "a WEBP image",
    rb"BM.{4}\0{4}": "a BMP image",
    rb"II\*\0|MM\0\*": "a TIFF image",
    rb"GIF8": "a GIF image",
    rb"%PDF": "a PDF document",
    rb"PK\x03\x04": "an archive",
    rb"SQLite": "a database",
    rb'\s*(\{\s*["}]|\[\s*[\[\]{"\d-])': "JSON",  # even if the rest is damaged, as a log may be
    rb"(?i)\s*<(!doctype|html)": "HTML",
}
"""Pattern of a file's first bytes -> its kind in words."""
TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.part")


@contextlib.contextmanager
def atomic_file(path):
    """Yield a temporary path in the same folder, renamed to `path` if the block succeeds.

    The file is flushed to disk before the rename and the folder after it, so that a reader, even after
    a power failure, sees either the old or the new file.  On an error the temporary file is removed.
    Raises OSError with the path, and ValueError if `path` is a file of another kind, which was
    probably named by mistake.
    """
    path = Path(path)
    start = os.fsdecode(os.fsencode(path.name)[:200])  # names have at most 255 bytes
    temporary = path.with_name(f".{start}.{secrets.token_hex(4)}.part")
    with writing(path):
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL, 0o666))  # the system applies the umask
        try:
            yield temporary
            if path.exists():
                check_kind(path, kind_of(temporary))
            flush(temporary)
            os.replace(temporary, path)
            flush(path.parent, DENIED)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)


def check_kind(path, new):
    """Raise ValueError unless a file is of the kind `new` (see `kind_of`), empty or missing."""
    old = kind_of(path)
    mended = old == DAMAGED and str(new).startswith(HDF5)
    if None not in (old, new) and old != new and not mended:
        raise ValueError(f"{path}: is {old}, which {new} would replace; choose another file, or remove it")


def check_folder(path):
    """Raise OSError unless the folder of a file that will be written exists and is writable."""
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(f"{path}: the folder {folder} does not exist; create it first")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{path}: the folder {folder} is not writable; choose another place")


def check_apart(outputs, inputs):
    """Raise ValueError if an output is also an input, or if two outputs are the same file.

    outputs, inputs: option name -> path.
    """
    for name, path in outputs.items():
        for other, one in [*inputs.items(), *((n, p) for n, p in outputs.items() if n != name)]:
            if same_file(path, one):
                use = "is read by this command" if other in inputs else "would be written twice"
                raise ValueError(f"{path}: {use} ({other} names it too); choose another file for {name}")


def same_file(a, b):
    """Whether two paths refer to the same file, which need not exist."""
    with contextlib.suppress(OSError, ValueError):
        return os.path.samefile(a, b)
    return os.path.realpath(a) == os.path.realpath(b)


def check_absent(path, overwrite=False):
    """Raise ValueError if a non-empty file exists, unless `overwrite`."""
    if not overwrite and kind_of(path) is not None:
        raise ValueError(f"{path}: exists already; choose another file, or replace it with --overwrite")


def check_empty(folder):
    """The folder's path.  Raises ValueError unless it is missing or empty."""
    path = Path(folder)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(f"{folder}: exists and is not empty; name another folder")
    return path


@contextlib.contextmanager
def atomic_folder(path):
    """Yield a temporary folder, renamed to `path`, which must be missing or empty, if the block succeeds."""
    path = check_empty(path)
    check_folder(path)
    temporary = path.with_name(f".{path.name[:50]}.{secrets.token_hex(4)}.part")
    with writing(path):
        temporary.mkdir()
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def kind_of(path):
    """The kind of a file in words, from its first bytes or, for HDF5, from its format attribute.

    None for a missing or empty file.
    """
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        head = file.read(4096)
    if not head:
        return None
    for pattern, kind in KINDS.items():
        if re.match(pattern, head, re.DOTALL):
            return _hdf5_kind(path) if kind == HDF5 else kind
    with contextlib.suppress(UnicodeDecodeError):
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be truncated
        if b"\0" not in head:
            return "a text"
    return "a file of an unknown kind"


def _hdf5_kind(path):
    with contextlib.suppress(OSError, RuntimeError, KeyError, TypeError, ValueError):
        with open_file(path, "") as file:
            name = attribute(file, "format")
            known = isinstance(name, str) and name.isprintable()
            return f"{HDF5} ({name[:60] if known else 'of unknown contents'})"
    return DAMAGED


def digest_of(path):
    """The SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_temporary(path):
    """Whether a file is one of `atomic_file`, left by a killed process."""
    return bool(TEMPORARY.fullmatch(Path(path).name))


def write_atomically(path, data):
    """Write the bytes or text `data` to `path` with `atomic_file`."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


@contextlib.contextmanager
def writing(path):
    """Add the file's name and a cure to an OSError raised in the block."""
    try:
        yield
    except OSError as error:
        text = f"{path}: cannot be written ({error.strerror or str(error).splitlines()[0]}); "
        raise type(error)(text + "free some space or choose another folder") from error


def flush(place, ignored=UNKNOWN):
    """Flush a file descriptor, or the file or folder at a path, to disk; ignored: numbers of errors."""
    with unsupported(ignored):
        handle = place if isinstance(place, int) else os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            if handle is not place:
                os.close(handle)


def lock(file):
    """Lock an open file until it is closed; BlockingIOError if another process holds its lock.

    On a file system without locks nothing is locked, and a second user goes unnoticed.
    """
    import fcntl  # Unix only, as are the commands that lock

    with unsupported():
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def unsupported(numbers=UNKNOWN):
    """Suppress the OSError of an operation that the file system does not support, by its number."""
    try:
        yield
    except OSError as error:
        if error.errno not in numbers:
            raise


@contextlib.contextmanager
def naming(path):
    """Prefix the message of a ValueError with the file's path."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
