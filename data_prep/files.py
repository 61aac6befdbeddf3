"""Files that are written whole or not at all."""

import contextlib
import os
import re
import tempfile
from pathlib import Path

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
        _sync(temporary)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        _sync(path.parent)
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


def _sync(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unwritable(path, error):
    reason = error.strerror or str(error).splitlines()[0]
    return type(error)(f"{path}: cannot be written ({reason}); free some space or choose "
                       "another place")
