"""Files that are written whole or not at all."""

import codecs
import contextlib
import errno
import os
import re
import tempfile
from pathlib import Path

from cagan_theano.io.hdf5 import attribute, open_file

# what file systems answer that know no permissions, or nothing of flushing (a folder)
UNKNOWN = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY}
DENIED = UNKNOWN | {errno.EPERM, errno.EACCES, errno.EISDIR, errno.EBADF}
HDF5, DAMAGED = "an HDF5 file", "a damaged HDF5 file"
SIGNATURES = ((b"\x89HDF\r\n\x1a\n", HDF5), (b"\x89PNG", "a PNG picture"),
              (b"\xff\xd8\xff", "a JPEG picture"), (b"II*\0", "a TIFF picture"),
              (b"MM\0*", "a TIFF picture"), (b"GIF8", "a GIF picture"),
              (b"%PDF", "a PDF document"), (b"PK\3\4", "an archive"), (b"SQLite", "a database"))  # fmt: skip
JSON = re.compile(rb'\s*(\{\s*["}]|\[\s*[\[\]{"\d-])')
HTML = re.compile(rb"\s*<(!doctype|html)", re.IGNORECASE)
TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.part")


@contextlib.contextmanager
def atomic_file(path):
    """Yield a path beside `path` that replaces it when the block succeeds.

    The file is flushed to the disk before it is renamed and the folder after,
    so that a reader (or a power cut) meets the old file or the new one, never a
    part.  On an error the temporary file goes.  Raises OSError naming `path`, and ValueError where a
    file of another kind is there: whoever named it did not mean to lose it.
    """
    path = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        yield Path(temporary)
        if path.exists():
            check_kind(path, kind_of(temporary))
        _sync(temporary, UNKNOWN)
        with _unless(DENIED):
            os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        _sync(path.parent, DENIED)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def check_kind(path, new):
    """Raise ValueError unless a file is of the kind `new` (see `kind_of`), empty or not there."""
    old = kind_of(path)
    mended = old == DAMAGED and str(new).startswith(HDF5)
    if None not in (old, new) and old != new and not mended:
        raise ValueError(f"{path}: is {old}, which {new} would replace; name another file, or remove it")


def check_apart(outputs, inputs):
    """Raise ValueError where something would be written over what is read, or twice to one file.

    outputs, inputs: names (of an option) -> path.
    """
    for name, path in outputs.items():
        for other, one in [*inputs.items(), *((n, p) for n, p in outputs.items() if n != name)]:
            if same_file(path, one):
                does = "is read by this command" if other in inputs else "is to be written twice"
                raise ValueError(f"{path}: {does} ({other} names it too); name another file for {name}")


def same_file(a, b):
    """Whether two paths lead to one file, which need not exist."""
    with contextlib.suppress(OSError, ValueError):
        return os.path.samefile(a, b)
    return os.path.realpath(a) == os.path.realpath(b)


def check_absent(path, overwrite=False):
    """Raise ValueError where a file with contents is there, unless it may be written over."""
    if not overwrite and kind_of(path) is not None:
        raise ValueError(f"{path}: exists already; name another file, or give --overwrite to lose it")


def kind_of(path):
    """What a file is, in words: by its first bytes, of HDF5 by what it says of itself.

    None where there is no file, or nothing in it.
    """
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        head = file.read(4096)
    if not head:
        return None
    known = [kind for signature, kind in SIGNATURES if head.startswith(signature)]
    if known[:1] == [HDF5]:
        return _format(path)
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        known.append("a BMP picture")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        known.append("a WEBP picture")
    return known[0] if known else _text_kind(head)


def _text_kind(head):
    """What a file that begins so is, where no signature tells."""
    for known, kind in ((JSON, "JSON"), (HTML, "HTML")):  # also where the rest is damaged, as a log may be
        if known.match(head):
            return kind
    with contextlib.suppress(UnicodeDecodeError):
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut off
        if b"\0" not in head:
            return "a text"
    return "a file of an unknown kind"


def _format(path):
    """The kind of an HDF5 file, by what it says of its format."""
    with contextlib.suppress(OSError, RuntimeError, KeyError, TypeError, ValueError):
        with open_file(path, "") as file:
            said = attribute(file, "format")
            told = isinstance(said, str) and said.isprintable()
            return f"{HDF5} ({said[:60] if told else 'of unknown contents'})"
    return DAMAGED


def is_temporary(path):
    """Whether a file is one that `atomic_file` made and a killed process left behind."""
    return bool(TEMPORARY.fullmatch(Path(path).name))


def write_atomically(path, data):
    """Write the bytes or text `data` to `path` through `atomic_file`."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def writing(path):
    """Put the file's name, and a cure, into an OSError of the block."""
    try:
        yield
    except OSError as error:
        raise _unwritable(path, error) from error


def flush(handle):
    """Bring what was written through a file descriptor to the disk, where the file system can."""
    with _unless(UNKNOWN):
        os.fsync(handle)


def told(error):
    """The message of an error: ours as it is, a system's bare one with its file and a cure."""
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    name = error.filename if error.filename is not None else "a file or the terminal"
    return (
        f"{os.fsdecode(name) if isinstance(name, bytes) else name}: cannot be used "
        f"({error.strerror}); check the path, its permissions and the disk"
    )


@contextlib.contextmanager
def _unless(numbers):
    """Leave out an OSError of these numbers."""
    try:
        yield
    except OSError as error:
        if error.errno not in numbers:
            raise


def _sync(path, ignored):
    """Flush a file or folder; ignored: numbers of the errors that only say what cannot be done here."""
    with _unless(ignored):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _unwritable(path, error):
    reason = error.strerror or str(error).splitlines()[0]
    return type(error)(f"{path}: cannot be written ({reason}); free some space or choose another place")
