"""Files that are written whole or not at all."""

import contextlib
import errno
import os
import re
import tempfile
from pathlib import Path

# what file systems answer that know no permissions, or nothing of flushing (a folder)
UNKNOWN = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY}
DENIED = UNKNOWN | {errno.EPERM, errno.EACCES, errno.EISDIR, errno.EBADF}
TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.part")


@contextlib.contextmanager
def atomic_file(path):
    """Yield a path beside `path` that replaces it when the block succeeds.

    The file is flushed to the disk before it is renamed and the folder after,
    so that a reader (or a power cut) meets the old file or the new one, never a
    part.  On an error the temporary file goes.  Raises OSError naming `path`.
    """
    path = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part",
                                             dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        yield Path(temporary)
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
    return (f"{os.fsdecode(name) if isinstance(name, bytes) else name}: cannot be used "
            f"({error.strerror}); check the path, its permissions and the disk")


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
    return type(error)(f"{path}: cannot be written ({reason}); free some space or choose "
                       "another place")
