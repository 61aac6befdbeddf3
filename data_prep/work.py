"""The work file next to OUT: finished images are saved at once, so that an interrupted run can continue."""

import contextlib
import json
import os
import sqlite3
import time

from cagan_theano.io.text import printable
from data_prep.develop import Developed
from data_prep.store import Packed

COMMIT = 2.0  # seconds of work that an interruption may lose
PAGE = 32768  # bytes: a photo takes one or a few pages
FIELDS = Developed._fields
IMAGES = ("x", "y", "x_ij", "mask")
TABLES = ("photo", "row")  # of the subclasses below
FOREIGN = "{}: not a data_prep work file; remove it, or choose another OUT"


class WorkFile:
    """A table in an SQLite file, as a context manager; subclasses define its name and columns.

    settings: a JSON-serializable value; a file with different settings is cleared.  Raises ValueError
    if the file is not a work file or is in use by another run.
    """

    TABLE, COLUMNS = "", ""

    def __init__(self, path, settings):
        self.path, self.settings = os.fspath(path), json.dumps(settings, sort_keys=True)
        self._saved = time.monotonic()

    def __enter__(self):
        try:
            self._base = sqlite3.connect(self.path, timeout=0)
            self._check_origin()
            self._base.execute(f"PRAGMA page_size = {PAGE}")
            self._base.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._begin()
        except sqlite3.OperationalError as error:
            raise ValueError(f"{self.path}: cannot be used ({error}); is another run writing it?") from error
        except sqlite3.DatabaseError as error:
            raise ValueError(FOREIGN.format(self.path)) from error
        return self

    @contextlib.contextmanager
    def _explained(self):
        """Turn an error of the database, such as a full disk, into a ValueError with the cure."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            cure = "remove it, which loses the progress" if damaged(error) else "free some space, or move OUT"
            raise ValueError(f"{self.path}: cannot be used ({error}); {cure}, and run again") from error

    def __exit__(self, *_):
        with contextlib.suppress(sqlite3.Error):
            self._base.commit()
        self._base.close()

    def _check_origin(self):
        """Raise ValueError if the file is a database that is not a work file, before anything is written."""
        names = self._base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = {name for (name,) in names}
        if tables and (not tables <= {"settings", *TABLES} or self._columns("settings") != ["text"]):
            self._base.close()
            raise ValueError(FOREIGN.format(self.path))

    def _columns(self, table):
        return [row[1] for row in self._base.execute(f"PRAGMA table_info({table})")]

    def _begin(self):
        base = self._base
        base.execute("CREATE TABLE IF NOT EXISTS settings (text TEXT)")
        found = base.execute("SELECT text FROM settings").fetchone()
        if found != (self.settings,):
            base.execute(f"DROP TABLE IF EXISTS {self.TABLE}")
            base.execute("DELETE FROM settings")
            base.execute("INSERT INTO settings VALUES (?)", (self.settings,))
        base.execute(f"CREATE TABLE IF NOT EXISTS {self.TABLE} ({self.COLUMNS})")
        base.commit()

    def _insert(self, row):
        """Insert a row, committed to disk after at most `COMMIT` seconds of further work."""
        marks = ", ".join("?" * len(row))
        with self._explained():
            self._base.execute(f"INSERT OR REPLACE INTO {self.TABLE} VALUES ({marks})", row)
        if time.monotonic() - self._saved > COMMIT:
            self.save()

    def save(self):
        """Commit the inserted rows to disk."""
        with self._explained():
            self._base.commit()
        self._saved = time.monotonic()

    def remove(self):
        """Delete the file, once OUT is complete."""
        self._base.close()
        os.unlink(self.path)


def damaged(error):
    """Whether an error of SQLite means that the file is damaged."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the details of an extended code
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class DevelopedPhotos(WorkFile):
    """`Developed` photos by key."""

    TABLE = "photo"
    COLUMNS = "key TEXT PRIMARY KEY, stamp TEXT, " + ", ".join(FIELDS)

    def stamps(self):
        """key -> stamp of every stored photo."""
        with self._explained():
            return dict(self._base.execute("SELECT key, stamp FROM photo"))

    def put(self, key, stamp, developed):
        """Store a `Developed`."""
        row = [
            printable(value) if isinstance(value, str) else value
            for value in developed._replace(phash=developed.phash.to_bytes(8, "big"))
        ]
        self._insert((key, stamp, *row))

    def metadata(self, key):
        """The `Developed` of a key, without its images."""
        names = ", ".join(FIELDS[:-2])
        with self._explained():
            row = self._base.execute(f"SELECT {names} FROM photo WHERE key = ?", (key,)).fetchone()
        developed = Developed(*row)
        return developed._replace(phash=int.from_bytes(developed.phash, "big"))

    def images(self, key):
        """The packed (pixels, mask) of a key; each may be None."""
        with self._explained():
            return self._base.execute("SELECT pixels, mask FROM photo WHERE key = ?", (key,)).fetchone()


class RenderedRows(WorkFile):
    """Rendered rows in order: keyword arguments of ``PhotoWriter.add`` or ``add_triple``."""

    TABLE = "row"
    COLUMNS = "number INTEGER PRIMARY KEY, scalars TEXT, " + ", ".join(IMAGES)

    def __len__(self):
        with self._explained():
            return self._base.execute("SELECT COUNT(*) FROM row").fetchone()[0]

    def put(self, row):
        """Append a row: a dict in which every image is `pack`ed."""
        scalars = {name: value for name, value in row.items() if name not in IMAGES}
        self._insert((None, json.dumps(scalars), *map(row.get, IMAGES)))

    def __iter__(self):
        with self._explained():
            for _, scalars, *images in self._base.execute("SELECT * FROM row ORDER BY number"):
                yield json.loads(scalars) | {
                    name: Packed(image) for name, image in zip(IMAGES, images) if image is not None
                }
