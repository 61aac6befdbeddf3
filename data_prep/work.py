"""The work file beside OUT: every developed photo at once on the disk, so that a run can go on."""

import contextlib
import json
import os
import sqlite3
import time

from data_prep.develop import Developed
from data_prep.text import printable

COMMIT = 2.0  # seconds of work that an interruption may cost
PAGE = 32768  # bytes: a photo is a page or few
COLUMNS = Developed._fields


class Work:
    """Photos by key in an SQLite file, a context manager.

    settings: a JSON-able value; a file of other settings is begun anew.  Raises ValueError for a
    file that is none of this program, or that another run holds.
    """

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
            raise ValueError(f"{self.path}: cannot be used ({error}); is another run writing it?"
                             ) from error
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{self.path}: is no work file of this program; remove it, or choose "
                             "another OUT") from error
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
            base.execute("DROP TABLE IF EXISTS photo")
            base.execute("DELETE FROM settings")
            base.execute("INSERT INTO settings VALUES (?)", (self.settings,))
        base.execute("CREATE TABLE IF NOT EXISTS photo (key TEXT PRIMARY KEY, stamp TEXT, "
                     + ", ".join(COLUMNS) + ")")
        base.commit()

    def stamps(self):
        """key -> stamp of every photo that is done."""
        return dict(self._base.execute("SELECT key, stamp FROM photo"))

    def put(self, key, stamp, developed):
        """Keep a `Developed`; it is safe on the disk within `COMMIT` seconds."""
        row = [printable(value) if isinstance(value, str) else value
               for value in developed._replace(phash=developed.phash.to_bytes(8, "big"))]
        marks = ", ".join("?" * (2 + len(COLUMNS)))
        self._base.execute(f"INSERT OR REPLACE INTO photo VALUES ({marks})", (key, stamp, *row))
        if time.monotonic() - self._saved > COMMIT:
            self.save()

    def save(self):
        """Write to the disk what was put."""
        self._base.commit()
        self._saved = time.monotonic()

    def facts(self, key):
        """The `Developed` of a key without its pictures."""
        names = ", ".join(COLUMNS[:-2])
        row = self._base.execute(f"SELECT {names} FROM photo WHERE key = ?", (key,)).fetchone()
        facts = Developed(*row)
        return facts._replace(phash=int.from_bytes(facts.phash, "big"))

    def pictures(self, key):
        """(pixels, mask) of a key, packed, each None where it has none."""
        return self._base.execute("SELECT pixels, mask FROM photo WHERE key = ?",
                                  (key,)).fetchone()

    def remove(self):
        """Delete the file: its work is in OUT."""
        self._base.close()
        os.unlink(self.path)
