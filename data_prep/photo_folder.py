"""An untrusted folder of photos: nothing outside of it is ever read."""

import codecs
import os
import posixpath
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from data_prep.image_bytes import read_bytes

ENDINGS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".jp2", ".ppm",
    ".avif", ".heic", ".heif",
)  # fmt: skip
RESULTS = "swap_folder.json"  # marks a folder of results
MAX_LIST = 256 << 20  # bytes of a list of pairs
MAX_LINE = 4096  # characters kept of a line of a list
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # begins as that of UTF-16
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


class PhotoFolder:
    """The folder SRC of a dataset; all paths are relative to it and use "/" as separator.

    Names are matched whatever their case and Unicode form, unless another name matches exactly.
    without: a folder of results, which `walk` leaves out.  refused: folder -> why nothing in it is read;
    others: files without the ending of a photo; both of the folders that were asked for so far.
    Raises NotADirectoryError if the folder does not exist.
    """

    def __init__(
        self, root: str | os.PathLike[str], base: str = "", without: str | os.PathLike[str] | None = None
    ) -> None:
        self.given, self.root, self.base = os.path.abspath(root), os.path.realpath(root), base
        if not os.path.isdir(self.root):
            raise NotADirectoryError(f"{root}: not a folder; give the folder of the dataset")
        self.without = without and os.path.realpath(without)
        self.refused: dict[str, str] = {}
        self.others: dict[str, None] = {}
        self._entries: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        self._names: dict[str, dict[str, str]] = {}
        self._stems: dict[str, dict[str, list[str]]] = {}

    def within(self, folder: str) -> "PhotoFolder":
        """The `PhotoFolder` of a subfolder; links outside SRC are still refused."""
        return PhotoFolder(self.given, f"{self.base}{self.resolve(folder)}/", self.without)

    def resolve(self, path: str, folder: str = "") -> str:
        """Normalize a path of a list relative to `folder`: "/" as separator, no "." or empty parts.

        Raises ValueError for a path that contains ".." and for an absolute one outside `folder`.
        """
        text = path.replace("\\", "/")
        if text.startswith("/") or text[1:2] == ":":
            for top in (self.given, self.root):  # links are not followed
                top = top.replace("\\", "/").rstrip("/")
                inside = posixpath.normpath(f"{top}/{self.base}{folder}").rstrip("/") + "/"
                if text.startswith(inside) and text != inside:
                    text = text.removeprefix(inside)
                    break
            else:
                raise ValueError(f"{path}: is an absolute path outside its folder")
        parts = text.split("/")
        if "\0" in text or ".." in parts:
            raise ValueError(f"{path}: points outside the folder")
        return "/".join(part for part in parts if part not in ("", ".")) or text and "."

    def locate(self, path: str) -> str:
        """The absolute path of a file or folder on disk.

        Raises ValueError if it is outside SRC, by its name or through a link.
        """
        absolute = os.path.realpath(os.path.join(self.root, self.base + self.actual(self.resolve(path))))
        if absolute != self.root and not absolute.startswith(self.root.rstrip(os.sep) + os.sep):
            raise ValueError(f"{path}: links outside the folder")
        return absolute

    def actual(self, path: str) -> str:
        """A normalized path as it is spelled on disk; what does not exist is left as it is."""
        found = ""
        for part in path.split("/"):
            names = self._spellings(found) if part else {}
            found = join(found, names.get(part) or names.get(fold(part)) or part)
        return found

    def _spellings(self, folder: str) -> dict[str, str]:
        """The names in a folder by themselves and by their `fold`."""
        if folder not in self._names:
            names = [name for names in self.entries(folder) for name in names]
            self._names[folder] = {fold(name): name for name in reversed(names)} | {n: n for n in names}
        return self._names[folder]

    def read(self, path: str) -> bytes:
        """The bytes of a file.  Raises FileNotFoundError or ValueError, "PATH: problem"."""
        absolute = self.locate(path)
        if not os.path.isfile(absolute):  # reading a pipe would block
            raise FileNotFoundError(f"{path}: no such file; {self._beside(path)}")
        return read_bytes(absolute, path)

    def _beside(self, path: str) -> str:
        """What there is where a file is missing."""
        folder = path.rpartition("/")[0]
        while folder and not self.has(folder):
            folder = folder.rpartition("/")[0]
        folders, files = self.entries(folder)
        examples = (self.images(folder) or files or folders)[:1]
        count = f"{len(folders)} folders and {len(files)} files"
        return f"{folder or 'SRC'} has {count}" + (f", such as {examples[0]}" if examples else "")

    def stamp(self, path: str) -> str:
        """Size and modification time of a file as a string, "" if it does not exist."""
        try:
            status = os.stat(self.locate(path))
        except (OSError, ValueError):
            return ""
        return f"{status.st_size} {status.st_mtime_ns}"

    def entries(self, folder: str = "") -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(names of subfolders, names of files) in a folder, sorted, without hidden ones."""
        if folder not in self._entries:
            rows: list[tuple[str, bool]] = []
            try:
                with os.scandir(self.locate(folder)) as found:
                    rows = sorted((entry.name, is_folder(entry)) for entry in found if entry.name[0] != ".")
            except ValueError:
                self.refused[folder] = "links outside SRC (not followed)"
            except OSError as error:
                if os.path.isdir(self.locate(folder)):
                    self.refused[folder] = f"cannot be read ({error.strerror})"
            folders, files = ([name for name, inner in rows if inner == kind] for kind in (True, False))
            self._entries[folder] = tuple(folders), tuple(files)
        return self._entries[folder]

    def folders(self, folder: str = "") -> tuple[str, ...]:
        """Names of the subfolders of a folder."""
        return self.entries(folder)[0]

    def images(self, folder: str = "") -> tuple[str, ...]:
        """Names of the files in a folder that have an image file extension."""
        files = self.entries(folder)[1]
        self.others |= {join(folder, name): None for name in files if not name.lower().endswith(ENDINGS)}
        return tuple(name for name in files if name.lower().endswith(ENDINGS))

    def walk(self) -> Iterator[str]:
        """Yield the paths of all images in the folder and its subfolders, visiting each folder once."""
        seen, waiting = {self.without}, [""]
        while waiting:
            folder = waiting.pop()
            folders, files = self.entries(folder)
            if folder in self.refused or self.locate(folder) in seen:
                continue  # links outside, or a folder already visited
            seen.add(self.locate(folder))
            if folder and RESULTS in files:
                self.refused[folder] = "has the results of another swap-folder, which are not dressed again"
                continue
            yield from (join(folder, name) for name in self.images(folder))
            waiting += [join(folder, name) for name in reversed(folders)]

    def has(self, path: str) -> bool:
        """Whether a file or folder exists."""
        head, _, tail = path.rpartition("/")
        names = self._spellings(head)
        return tail in names or fold(tail) in names

    def first(self, names: Iterable[str]) -> str | None:
        """The first of some names that exists, or None."""
        return next((name for name in names if self.has(name)), None)

    def by_stem(self, folder: str) -> dict[str, list[str]]:
        """Image names of a folder: a dict of `stem` -> list of names."""
        if folder not in self._stems:
            table = self._stems[folder] = {}
            for name in self.images(folder):
                table.setdefault(stem(name), []).append(name)
        return self._stems[folder]

    def twin(self, folder: str, name: str) -> str | None:
        """The path in `folder` of the image with the same stem as `name`, or None.

        An exact match takes precedence over other file extensions, of which the first is used.
        """
        table = self.by_stem(folder).get(stem(name), ())
        if not table:
            return None
        return join(folder, name if name in table else table[0])

    def lines(self, path: str, longest: int = MAX_LINE) -> Iterator[tuple[int, str]]:
        """Yield (line number, text) of the non-empty lines of a list, without line endings.

        The encoding is UTF-8 unless a byte order mark tells another.  longest: characters kept of a line.
        Raises ValueError if the list is missing or too large.
        """
        absolute = self.locate(path)
        if not os.path.isfile(absolute):
            raise ValueError(f"{path}: no such list; {self._beside(path)}")
        if os.path.getsize(absolute) > MAX_LIST:
            raise ValueError(f"{path}: is larger than {MAX_LIST >> 20} MiB; is it a list of pairs?")
        with open(absolute, "rb") as file:
            head = file.read(4)
        marked = [encoding for mark, encoding in MARKS.items() if head.startswith(mark)]
        encoding, errors = (marked[0], "replace") if marked else ("utf-8-sig", "surrogateescape")
        with open(absolute, encoding=encoding, errors=errors) as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line.strip("\r\n")[:longest]


def is_folder(entry: "os.DirEntry[str]") -> bool:
    """Whether an entry of a folder is a folder; a link that leads nowhere or in circles is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def fold(name: str) -> str:
    """A name without differences of case and Unicode form."""
    return unicodedata.normalize("NFC", name).casefold()


def stem(name: str) -> str:
    """A file name without folder and extension, NFC-normalized so that names in two folders match."""
    return unicodedata.normalize("NFC", PurePosixPath(name).stem)


def file_name(path: str) -> str:
    """The last component of a path."""
    return path.rpartition("/")[2]


def join(folder: str, name: str) -> str:
    """folder/name, or the name alone if the folder is ""."""
    return f"{folder}/{name}" if folder else name
