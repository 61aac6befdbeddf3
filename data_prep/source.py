"""An untrusted folder of photos: nothing outside of it is ever read."""

import os
import posixpath
import unicodedata
from pathlib import PurePosixPath

ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".jp2", ".ppm",
           ".avif", ".heic", ".heif")  # fmt: skip
MAX_FILE = 256 << 20  # bytes of an image file
MAX_LIST = 256 << 20  # bytes of a list of pairs
MAX_LINE = 4096  # characters kept of a line of a list


class Source:
    """The folder SRC of a dataset; all paths are relative to it and use "/" as separator.

    without: a folder of results, which `walk` leaves out.
    Raises NotADirectoryError if the folder does not exist.
    """

    def __init__(self, root, base="", without=None):
        self.given, self.root, self.base = os.path.abspath(root), os.path.realpath(root), base
        if not os.path.isdir(self.root):
            raise NotADirectoryError(f"{root}: not a folder; give the folder of the dataset")
        self.without = without and os.path.realpath(without)
        self.refused = {}  # folder -> why nothing in it is read
        self.others = []  # files without the ending of a photo, in the folders that `walk` visited
        self._entries, self._stems = {}, {}

    def within(self, folder):
        """The `Source` of a subfolder; links outside SRC are still refused."""
        return Source(self.given, f"{self.base}{self.resolve(folder)}/", self.without)

    def resolve(self, path, folder=""):
        """Normalize a path of a list relative to `folder`: "/" as separator, no "." or empty parts.

        Raises ValueError for a path that contains ".." and for an absolute one outside `folder`.
        """
        text = path.replace("\\", "/")
        if text.startswith("/") or text[1:2] == ":":
            text = self._relative(text, folder)
            if text is None:
                raise ValueError(f"{path}: is an absolute path outside its folder")
        parts = text.split("/")
        if "\0" in text or ".." in parts:
            raise ValueError(f"{path}: points outside the folder")
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
        """The absolute path of a file or folder on disk.

        Raises ValueError if it is outside SRC, by its name or through a link.
        """
        absolute = os.path.realpath(os.path.join(self.root, self.base + self.resolve(path)))
        if absolute != self.root and not absolute.startswith(self.root.rstrip(os.sep) + os.sep):
            raise ValueError(f"{path}: links outside the folder")
        return absolute

    def read(self, path):
        """The bytes of a file.  Raises FileNotFoundError or ValueError, "PATH: problem"."""
        absolute = self.locate(path)
        if not os.path.isfile(absolute):  # reading a pipe would block
            raise FileNotFoundError(f"{path}: no such file")
        try:
            if os.path.getsize(absolute) > MAX_FILE:
                raise ValueError(f"{path}: is larger than {MAX_FILE >> 20} MiB")
            with open(absolute, "rb") as file:
                data = file.read()
        except OSError as error:
            raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
        if not data:
            raise ValueError(f"{path}: is an empty file")
        return data

    def stamp(self, path):
        """Size and modification time of a file as a string, "" if it does not exist."""
        try:
            status = os.stat(self.locate(path))
        except (OSError, ValueError):
            return ""
        return f"{status.st_size} {status.st_mtime_ns}"

    def entries(self, folder=""):
        """(names of subfolders, names of files) in a folder, sorted, without hidden ones."""
        if folder not in self._entries:
            self._entries[folder] = self._scan(folder)
        return self._entries[folder]

    def _scan(self, folder):
        try:
            absolute = self.locate(folder)
        except ValueError:
            self.refused[folder] = "links outside SRC (not followed)"
            return (), ()
        try:
            with os.scandir(absolute) as found:
                rows = sorted(
                    (entry.name, is_folder(entry)) for entry in found if not entry.name.startswith(".")
                )
        except OSError as error:
            if os.path.isdir(absolute):
                self.refused[folder] = f"cannot be read ({error.strerror})"
            return (), ()
        return (
            tuple(name for name, is_folder in rows if is_folder),
            tuple(name for name, is_folder in rows if not is_folder),
        )

    def folders(self, folder=""):
        """Names of the subfolders of a folder."""
        return self.entries(folder)[0]

    def images(self, folder=""):
        """Names of the files in a folder that have an image file extension."""
        return tuple(n for n in self.entries(folder)[1] if n.lower().endswith(ENDINGS))

    def walk(self):
        """Yield the paths of all images in the folder and its subfolders, visiting each folder once."""
        seen, waiting = set(), [""]
        while waiting:
            folder = waiting.pop()
            images, folders = self.images(folder), self.folders(folder)
            if folder in self.refused or self.locate(folder) in {self.without, *seen}:
                continue  # links outside, results, or a folder already visited
            seen.add(self.locate(folder))
            others = set(self.entries(folder)[1]) - set(images)
            self.others += [join(folder, name) for name in sorted(others)]
            yield from (join(folder, name) for name in images)
            waiting += [join(folder, name) for name in reversed(folders)]

    def has(self, path):
        """Whether a file or folder exists."""
        head, _, tail = path.rpartition("/")
        return tail in self._names(head)

    def _names(self, folder):
        """All names in a folder as a set, for lookups by every line of a list."""
        key = ("names", folder)
        if key not in self._stems:
            self._stems[key] = {name for names in self.entries(folder) for name in names}
        return self._stems[key]

    def first(self, names):
        """The first of some names that exists, or None."""
        return next((name for name in names if self.has(name)), None)

    def by_stem(self, folder):
        """Image names of a folder: a dict of `stem` -> list of names."""
        if folder not in self._stems:
            table = self._stems[folder] = {}
            for name in self.images(folder):
                table.setdefault(stem(name), []).append(name)
        return self._stems[folder]

    def twin(self, folder, name):
        """The path in `folder` of the image with the same stem as `name`, or None.

        An exact match takes precedence over other file extensions, of which the first is used.
        """
        table = self.by_stem(folder).get(stem(name), ())
        if not table:
            return None
        return join(folder, name if name in table else table[0])

    def lines(self, path):
        """Yield (line number, text) of the non-empty lines of a list, without line endings.

        Raises ValueError if the list is missing or too large.
        """
        absolute = self.locate(path)
        if not os.path.isfile(absolute):
            raise ValueError(f"{path}: no such list; check the path")
        if os.path.getsize(absolute) > MAX_LIST:
            raise ValueError(f"{path}: is larger than {MAX_LIST >> 20} MiB; is it a list of pairs?")
        with open(absolute, encoding="utf-8-sig", errors="surrogateescape") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line.strip("\r\n")[:MAX_LINE]


def is_folder(entry):
    """Whether an entry of a folder is a folder; a link that leads nowhere or in circles is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def stem(name):
    """A file name without folder and extension, NFC-normalized so that names in two folders match."""
    return unicodedata.normalize("NFC", PurePosixPath(name).stem)


def join(folder, name):
    """folder/name, or the name alone if the folder is ""."""
    return f"{folder}/{name}" if folder else name
