"""The work file next to OUT: finished rows are appended at once, so that an interrupted run can continue.

A line with the settings is followed by records: lengths, a checksum, the row's plain values as JSON, its
images.  A record that is cut off or damaged is discarded with all that follow, and their work is repeated.
"""

import contextlib
import json
import os
import struct
import time
import zlib
from collections.abc import Iterator
from typing import Any, Self

from cagan_theano.io.files import flush, lock, writing
from data_prep.store import Packed

MAGIC = b"data_prep work 2 "
HEADER = struct.Struct("<IQI")  # of a record: bytes of JSON, bytes of images, CRC-32 of both
MAX_LINE = 1 << 20  # bytes of the settings
MAX_RECORD = 1 << 30  # bytes of a row
SYNC = 2.0  # seconds of work that a power failure may lose


class WorkFile:
    """Rows in order, as a context manager.  A row is a dict of JSON values, bytes (images) and None.

    settings: a JSON-serializable value; a file with different settings is cleared.  values: of each row,
    without its images.  Raises ValueError if the file is not a work file or is in use by another run,
    OSError if it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], settings: object) -> None:
        self.path = os.fspath(path)
        self._settings = MAGIC + json.dumps(settings, sort_keys=True).encode() + b"\n"
        self.values: list[dict[str, Any]] = []
        self._images: list[tuple[int, dict[str, int]]] = []  # (offset, lengths by name) of each row
        self._saved = time.monotonic()

    def __enter__(self) -> Self:
        if os.path.exists(self.path) and not os.path.isfile(self.path):  # opening a pipe would block
            raise ValueError(f"{self.path}: is not a file; remove it, or choose another OUT")
        with writing(self.path), contextlib.ExitStack() as stack:
            self._file = stack.enter_context(open(self.path, "a+b"))
            try:
                lock(self._file)
            except BlockingIOError as error:
                raise ValueError(f"{self.path}: is in use by another run; wait, or stop it") from error
            self._load()
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # a full disk was already reported
            self._file.close()

    def _load(self) -> None:
        """Find the rows of an earlier run with the same settings, or begin anew."""
        self._file.seek(0)
        line = self._file.readline(MAX_LINE)
        if not (line.startswith(MAGIC) or MAGIC.startswith(line)):
            raise ValueError(f"{self.path}: is not a data_prep work file; remove it, or choose another OUT")
        if line != self._settings:
            self._file.truncate(0)
            self._file.write(self._settings)
            self.save()
            return
        end, size = len(line), os.path.getsize(self.path)
        while len(header := self._file.read(HEADER.size)) == HEADER.size:
            text, images, checksum = HEADER.unpack(header)
            if text + images > min(size, MAX_RECORD):
                break
            body = self._file.read(text + images)
            if zlib.crc32(body) != checksum:
                break
            self._add(end + HEADER.size + text, body[:text])
            end += HEADER.size + len(body)
        self._file.truncate(end)

    def _add(self, offset: int, text: bytes) -> None:
        values, lengths = json.loads(text)
        self.values.append(values)
        self._images.append((offset, lengths))

    def put(self, row: dict[str, Any]) -> None:
        """Append a row, flushed to disk after at most `SYNC` seconds of further work."""
        images = {name: value for name, value in row.items() if isinstance(value, bytes)}
        values = {name: value for name, value in row.items() if name not in images}
        text = json.dumps([values, {name: len(image) for name, image in images.items()}]).encode()
        body = text + b"".join(images.values())
        with writing(self.path):
            offset = self._file.seek(0, os.SEEK_END)
            self._file.write(HEADER.pack(len(text), len(body) - len(text), zlib.crc32(body)) + body)
        self._add(offset + HEADER.size + len(text), text)
        if time.monotonic() - self._saved > SYNC:
            self.save()

    def save(self) -> None:
        """Flush the rows to disk."""
        with writing(self.path):
            self._file.flush()
            flush(self._file.fileno())
        self._saved = time.monotonic()

    @contextlib.contextmanager
    def resumable(self) -> Iterator[None]:
        """Save the rows when Ctrl-C ends the block, and say that they are."""
        try:
            yield
        except KeyboardInterrupt:
            self.save()
            told = "interrupted; progress is saved, run the same command again to continue"
            raise KeyboardInterrupt(told) from None

    def __len__(self) -> int:
        return len(self.values)

    def images(self, number: int) -> dict[str, Packed]:
        """The images of a row by name."""
        offset, lengths = self._images[number]
        self._file.seek(offset)
        return {name: Packed(self._file.read(length)) for name, length in lengths.items()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for number, values in enumerate(self.values):
            yield values | self.images(number)

    def remove(self) -> None:
        """Delete the file, once OUT is complete."""
        self._file.close()
        os.unlink(self.path)
