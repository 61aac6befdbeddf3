"""A folder of photos that a stranger may have packed: nothing outside of it is ever read."""

import os
import posixpath
import unicodedata
from pathlib import PurePosixPath

ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".jp2", ".ppm")
MAX_FILE = 256 << 20  # bytes of an image file
MAX_LIST = 256 << 20  # bytes of a list of pairs
MAX_LINE = 4096  # characters of a line of a list


class Source:
    """The folder SRC of a data set; every path is relative to it and written with "/".

    Raises NotADirectoryError where there is no such folder.
    """

    def __init__(self, root, base=""):
        self.given, self.root, self.base = os.path.abspath(root), os.path.realpath(root), base
        if not os.path.isdir(self.root):
            raise NotADirectoryError(f"{root}: is no folder; give the folder of the data set")
        self.refused = []  # folders that are links out of SRC
        self._entries, self._stems = {}, {}

    def within(self, folder):
        """The source that begins at a folder of this one; links out of the whole stay refused."""
        return Source(self.given, f"{self.base}{self.resolve(folder)}/")

    def resolve(self, path, folder=""):
        """A path from a list, relative to `folder`: "/" between its parts, none of them "." or empty.

        Raises ValueError for a path with ".." and for an absolute one outside of `folder`.
        """
        text = path.replace("\\", "/")
        if text.startswith("/") or text[1:2] == ":":
            text = self._relative(text, folder)
            if text is None:
                raise ValueError(f"{path}: is an absolute path outside of its folder")
        parts = text.split("/")
        if "\0" in text or ".." in parts:
            raise ValueError(f"{path}: climbs out of the folder")
        return "/".join(part for part in parts if part not in ("", ".")) or text and "."

    def _relative(self, path, folder):
        """An absolute path relative to a folder, None outside of it; links are not followed.

        SRC counts by the path that was given and by its real path.
        """
        for top in (self.given, self.root):
            top = top.replace("\\", "/").rstrip("/")
            inside = posixpath.normpath(f"{top}/{self.base}{folder}").rstrip("/") + "/"
            if path.startswith(inside):
                return path.removeprefix(inside)
        return None

    def locate(self, path):
        """The place of a file or folder on the disk.

        Raises ValueError for one that climbs out of SRC, by its name or by a link.
        """
        place = os.path.realpath(os.path.join(self.root, self.base + self.resolve(path)))
        if place != self.root and not place.startswith(self.root.rstrip(os.sep) + os.sep):
            raise ValueError(f"{path}: is a link out of the folder")
        return place

    def read(self, path):
        """The bytes of a file.  Raises ValueError, "PATH: what is wrong"."""
        place = self.locate(path)
        if not os.path.isfile(place):  # a pipe would be waited for
            raise ValueError(f"{path}: there is no such file")
        try:
            if os.path.getsize(place) > MAX_FILE:
                raise ValueError(f"{path}: has more than {MAX_FILE >> 20} MiB")
            with open(place, "rb") as file:
                data = file.read()
        except OSError as error:
            raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
        if not data:
            raise ValueError(f"{path}: is an empty file")
        return data

    def stamp(self, path):
        """What changes when a file changes: its size and time; "" where there is none."""
        try:
            status = os.stat(self.locate(path))
        except (OSError, ValueError):
            return ""
        return f"{status.st_size} {status.st_mtime_ns}"

    def entries(self, folder=""):
        """(names of folders, names of files) in a folder, sorted, hidden ones left out."""
        if folder not in self._entries:
            self._entries[folder] = self._scan(folder)
        return self._entries[folder]

    def _scan(self, folder):
        try:
            place = self.locate(folder)
        except ValueError:
            self.refused.append(folder)
            return (), ()
        try:
            with os.scandir(place) as found:
                rows = sorted(
                    (entry.name, entry.is_dir()) for entry in found if not entry.name.startswith(".")
                )
        except OSError:
            return (), ()
        return (
            tuple(name for name, is_folder in rows if is_folder),
            tuple(name for name, is_folder in rows if not is_folder),
        )

    def folders(self, folder=""):
        """Names of the folders in a folder."""
        return self.entries(folder)[0]

    def images(self, folder=""):
        """Names of the files in a folder whose ending is that of an image."""
        return tuple(n for n in self.entries(folder)[1] if n.lower().endswith(ENDINGS))

    def has(self, path):
        """Whether there is a file or folder of this name."""
        head, _, tail = path.rpartition("/")
        return tail in self._names(head)

    def _names(self, folder):
        """All names in a folder as a set, which is asked for every line of a list."""
        key = ("names", folder)
        if key not in self._stems:
            self._stems[key] = {name for names in self.entries(folder) for name in names}
        return self._stems[key]

    def first(self, names):
        """The first of some names that there is, else None."""
        return next((name for name in names if self.has(name)), None)

    def by_stem(self, folder):
        """Image names of a folder by `stem`: a dict of stem -> list of names."""
        if folder not in self._stems:
            table = self._stems[folder] = {}
            for name in self.images(folder):
                table.setdefault(stem(name), []).append(name)
        return self._stems[folder]

    def twin(self, folder, name):
        """The path in `folder` of the file called like `name`, whatever its ending, or None.

        The very name is preferred; of several others the first is taken.
        """
        table = self.by_stem(folder).get(stem(name), ())
        if not table:
            return None
        return join(folder, name if name in table else table[0])

    def lines(self, path):
        """(number, text) of the lines of a list that are not empty, without their white space.

        Raises ValueError for a list that is missing or too large.
        """
        place = self.locate(path)
        if not os.path.isfile(place):
            raise ValueError(f"{path}: there is no such list; check the path")
        if os.path.getsize(place) > MAX_LIST:
            raise ValueError(f"{path}: has more than {MAX_LIST >> 20} MiB; is it a list of pairs?")
        with open(place, encoding="utf-8-sig", errors="surrogateescape") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line.strip("\r\n")[:MAX_LINE]


def stem(name):
    """A file's name without folder and ending, composed (NFC), to match names of two folders."""
    return unicodedata.normalize("NFC", PurePosixPath(name).stem)


def join(folder, name):
    """folder/name; the name alone where the folder is ""."""
    return f"{folder}/{name}" if folder else name
