"""Image files as bytes: read them with a bound, and leave out metadata that a decoder stumbles over."""

import contextlib
import itertools
import os
import zlib
from collections.abc import Iterator
from typing import BinaryIO

MAX_FILE = 256 << 20  # bytes of an image file
PNG, JPEG, EOI = b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"\xff\xd9"
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
PNG_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")  # what the pixels need ...
PNG_EXTRAS = (b"iCCP", b"eXIf")  # ... and what is used if it is intact
JPEG_METADATA = (*range(0xE3, 0xEE), 0xEF, 0xFE)  # APP3 to APP13, APP15, comments
EXIF = 0xE1


def read_bytes(file: str | os.PathLike[str] | BinaryIO, name: object) -> bytes:
    """The bytes of an image in a path or binary stream.  Raises ValueError, "NAME: problem; cure"."""
    try:
        with contextlib.ExitStack() as stack:
            if isinstance(file, (str, os.PathLike)):
                file = stack.enter_context(open(file, "rb"))
            if file.seek(0, os.SEEK_END) > MAX_FILE:
                raise ValueError(f"{name}: is larger than {MAX_FILE >> 20} MiB; scale it down")
            file.seek(0)
            data = file.read()
    except OSError as error:
        raise ValueError(f"{name}: cannot be read ({error.strerror}); check the file") from error
    if not data:
        raise ValueError(f"{name}: is an empty file; copy it again")
    return data


def is_heic(data: bytes) -> bool:
    """Whether an image is in the format of an iPhone's photos."""
    return data[4:8] == b"ftyp" and data[8:12] in HEIC_BRANDS


def without_metadata(data: bytes) -> bytes | None:
    """A PNG or JPEG without the metadata that may be damaged or too large, or None for other images."""
    if data.startswith(PNG):
        chunks = png_chunks(data)
        return PNG + b"".join(chunk for kind, chunk, whole in chunks if kind in PNG_CHUNKS or
                              kind in PNG_EXTRAS and whole)  # fmt: skip
    if data.startswith(JPEG):
        return JPEG + b"".join(jpeg_segments(data))
    return None


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yield the (kind, bytes, whether its checksum is right) of each chunk."""
    place = len(PNG)
    while place + 12 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        body, checksum = data[place + 4 : end - 4], data[end - 4 : end]
        yield body[:4], data[place:end], zlib.crc32(body).to_bytes(4, "big") == checksum
        place = end


def jpeg_segments(data: bytes) -> Iterator[bytes]:
    """Yield the segments of a JPEG that are not metadata; the last one holds the pixels."""
    place = len(JPEG)
    while data[place : place + 1] == b"\xff" and data[place + 1 : place + 2] not in (b"", b"\xda"):
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if data[place + 1] not in JPEG_METADATA:
            yield data[place:end]
        place = end
    yield data[place:]


def endings(data: bytes) -> tuple[bytes, bytes] | None:
    """Two ways to end a JPEG without an end marker, or None for other images.

    Both give the same pixels if nothing but the marker is missing: what follows the last pixel is skipped.
    """
    if not data.startswith(JPEG) or EOI in data[-64:]:
        return None
    noise = bytes(itertools.islice(itertools.cycle(range(1, 251, 7)), 4096))
    return data + EOI, data + noise + EOI
