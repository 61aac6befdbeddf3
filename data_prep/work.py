"""The work file beside OUT: every finished picture at once on the disk, so that a run can go on."""

import contextlib
import json
import os
import sqlite3
import time

from cagan_theano.io.text import printable
from data_prep.develop import Developed
from data_prep.store import Packed

COMMIT = 2.0  # seconds of work that an interruption may cost
PAGE = 32768  # bytes: a photo is a page or few
COLUMNS = Developed._fields
PICTURES = ("x", "y", "x_ij", "mask")


class Kept:
    """A table in an SQLite file, a context manager; subclasses say its name and columns.

    settings: a JSON-able value; a file of other settings is begun anew.  Raises ValueError for a
    file that is none of this program, or that another run holds.
    """

    TABLE, DEFINED = "", ""

    def __init__(self, path, settings):
        self.path, self.settings = os.fspath(path), json.dumps(settings, sort_keys=True)
        self._saved = time.monotonic()

    def __enter__(self):
        try:
            self._base = sqlite3.connect(self.path, timeout=0)
            self._base.execute(f"PRAGMA page_size = {PAGE}")
            self._base.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._begin()
        except sqlite3.OperationalError as error:
            raise ValueError(f"{self.path}: cannot be used ({error}); is another run writing it?") from error
        except sqlite3.DatabaseError as error:
            raise ValueError(
                f"{self.path}: is no work file of this program; remove it, or choose another OUT"
            ) from error
        return self

    def __exit__(self, *_):
        with contextlib.suppress(sqlite3.Error):
            self._base.commit()
        self._base.close()

    def _begin(self):
        base = self._base
        base.execute("CREATE TABLE IF NOT EXISTS settings (text TEXT)")
        found = base.execute("SELECT text FROM settings").fetchone()
        if found != (self.settings,):
            base.execute(f"DROP TABLE IF EXISTS {self.TABLE}")
            base.execute("DELETE FROM settings")
            base.execute("INSERT INTO settings VALUES (?)", (self.settings,))
        base.execute(f"CREATE TABLE IF NOT EXISTS {self.TABLE} ({self.DEFINED})")
        base.commit()

    def _insert(self, row):
        """Keep a row; it is safe on the disk within `COMMIT` seconds."""
        marks = ", ".join("?" * len(row))
        self._base.execute(f"INSERT OR REPLACE INTO {self.TABLE} VALUES ({marks})", row)
        if time.monotonic() - self._saved > COMMIT:
            self.save()

    def save(self):
        """Write to the disk what was put."""
        self._base.commit()
        self._saved = time.monotonic()

    def remove(self):
        """Delete the file: its work is in OUT."""
        self._base.close()
        os.unlink(self.path)


class Work(Kept):
    """Developed photos by key."""

    TABLE = "photo"
    DEFINED = "key TEXT PRIMARY KEY, stamp TEXT, " + ", ".join(COLUMNS)

    def stamps(self):
        """key -> stamp of every photo that is done."""
        return dict(self._base.execute("SELECT key, stamp FROM photo"))

    def put(self, key, stamp, developed):
        """Keep a `Developed`."""
        row = [
            printable(value) if isinstance(value, str) else value
            for value in developed._replace(phash=developed.phash.to_bytes(8, "big"))
        ]
        self._insert((key, stamp, *row))

    def facts(self, key):
        """The `Developed` of a key without its pictures."""
        names = ", ".join(COLUMNS[:-2])
        row = self._base.execute(f"SELECT {names} FROM photo WHERE key = ?", (key,)).fetchone()
        facts = Developed(*row)
        return facts._replace(phash=int.from_bytes(facts.phash, "big"))

    def pictures(self, key):
        """(pixels, mask) of a key, packed, each None where it has none."""
        return self._base.execute("SELECT pixels, mask FROM photo WHERE key = ?", (key,)).fetchone()


class Renders(Kept):
    """Rendered rows in order: the arguments of ``PhotoWriter.add`` or ``add_triple``."""

    TABLE = "row"
    DEFINED = "number INTEGER PRIMARY KEY, facts TEXT, " + ", ".join(PICTURES)

    def __len__(self):
        return self._base.execute("SELECT COUNT(*) FROM row").fetchone()[0]

    def put(self, row):
        """Keep the next row: a dict in which every picture is `pack`ed."""
        facts = {name: value for name, value in row.items() if name not in PICTURES}
        self._insert((None, json.dumps(facts), *map(row.get, PICTURES)))

    def __iter__(self):
        for facts, *pictures in self._base.execute(
            f"SELECT facts, {', '.join(PICTURES)} FROM row ORDER BY number"
        ):
            yield json.loads(facts) | {
                name: Packed(picture) for name, picture in zip(PICTURES, pictures) if picture is not None
            }
