"""The photo file: written data is read back, and every invalid file is refused in one line."""

import io
import json
import os
import runpy
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cagan_theano.io.color import empty_pictures
from data_prep.__main__ import cli
from data_prep.store import PhotoFile, PhotoWriter

SIZE = (32, 48)
NAMES = ["crew", "hood"]


def picture(number, channels=(3,)):
    """A random image that is unique to its number."""
    return np.random.default_rng(number).integers(0, 256, SIZE + channels).astype(np.uint8)


def write(path, train=3, test=2, swaps=0, truth=True):
    """Write a small file; image numbers: x 10+row, y 20+row, mask 30+row, x_ij 40, in train 50+row."""
    with PhotoWriter(path, *SIZE, {"seed": 7}) as writer:
        for split, count, start in (("train", train, 0), ("test", test, 100)):
            for n in range(start, start + count):
                images = picture(10 + n), picture(20 + n)
                attributes = {"neckline": (n % 2, NAMES)}
                writer.add(split, *images, n, n + 5, picture(30 + n, ()), attributes, files=(f"x/{n} ü", "y"))
        if test:
            writer.add_triple(0, 1, *((picture(40), picture(41, ())) if truth else ()))
        for n in range(swaps):
            writer.add_triple(n, n + 1, picture(50 + n), picture(60 + n, ()), split="train")
    return path


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "photos.h5")


def test_read_back(path):
    with PhotoFile(write(path, swaps=2)) as file:
        assert (file.height, file.width) == SIZE and file.provenance == {"seed": 7}
        assert file.splits == ("train", "test")
        train, test = file.split("train"), file.split("test")
        assert len(train) == 3 and train.person.tolist() == [0, 1, 2]
        assert train.garment.tolist() == [5, 6, 7]
        np.testing.assert_array_equal(train.x[1], picture(11))
        np.testing.assert_array_equal(train.y[1:3], [picture(21), picture(22)])
        np.testing.assert_array_equal(test.mask.load()[1], picture(131, ()))
        assert train.attributes["neckline"].tolist() == [0, 1, 0]
        assert train.names["neckline"] == NAMES
        assert (train.triples.i.tolist(), train.triples.j.tolist()) == ([0, 1], [1, 2])
        np.testing.assert_array_equal(train.triples.x_ij.load(), [picture(50), picture(51)])
        np.testing.assert_array_equal(train.triples.mask[1], picture(61, ()))
        assert (test.triples.i.tolist(), test.triples.j.tolist()) == ([0], [1])
        np.testing.assert_array_equal(test.triples.x_ij[0], picture(40))
        assert train.x_file == [f"x/{n} ü" for n in range(3)] and train.y_mask is None
        assert os.listdir(path.parent) == [path.name]  # no temporary file is left


def test_swaps_without_a_truth_are_read_and_words_printed_escaped(tmp_path):
    """A terminal would take them for commands."""
    path = write(tmp_path / "o.h5", truth=False)
    with h5py.File(path, "r+") as file:
        file["test/attributes/neckline"].attrs["names"] = json.dumps(["\x1b[2J", "a\nb"])
    with PhotoFile(path) as file:
        triples = file.split("test").triples
        assert (triples.i.tolist(), triples.j.tolist(), triples.x_ij, triples.mask) == ([0], [1], None, None)
    done = CliRunner().invoke(cli, ["inspect", str(path)])
    assert done.exit_code == 0 and r"neckline: \x1b[2J 1" in done.output and "\x1b" not in done.output


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_interrupted_writing_leaves_nothing_and_keeps_the_old_file(path, error):
    before = path.read_bytes()
    for name in ("new.h5", path.name):
        with pytest.raises(error):
            with PhotoWriter(path.with_name(name), *SIZE, {}) as writer:
                writer.add("train", picture(1), picture(2), 0, 0)
                raise error
    assert path.read_bytes() == before and os.listdir(path.parent) == [path.name]


def test_writer_refuses_wrong_pictures_and_sizes(tmp_path):
    for wrong in (picture(1)[:16], picture(1)[..., 0], picture(1).astype(np.int16)):
        with pytest.raises(ValueError, match="must be uint8"):
            with PhotoWriter(tmp_path / "new.h5", *SIZE, {}) as writer:
                writer.add("train", wrong, picture(2), 0, 0)
    for size in ((0, 96), (128, 90), (8192, 96)):
        with pytest.raises(ValueError, match="multiples of 16"):
            PhotoWriter(tmp_path / "new.h5", *size, {})
    assert os.listdir(tmp_path) == []


def replace(name, change):
    """A fault: apply ``change`` to the contents of dataset ``name``."""

    def spoil(file):
        data = np.asarray(change(file[name][...]))
        del file[name]
        file.create_dataset(name, data=data)

    return spoil


FAULTS = {
    "not a photo file": lambda f: f.attrs.__setitem__("format", "other"),
    "has version 2": lambda f: f.attrs.__setitem__("version", 2),
    "height is missing": lambda f: f.attrs.__delitem__("height"),
    "multiples of 16": lambda f: f.attrs.__setitem__("width", 50),
    "provenance is missing or not JSON": lambda f: f.attrs.__setitem__("provenance", "{"),
    "'more' is an external": lambda f: f.__setitem__("train/more", h5py.ExternalLink("b.h5", "/mask")),
    "'copy' is an external": lambda f: f.__setitem__("test/attributes/copy", h5py.SoftLink("/test/person")),
    "in another file": lambda f: f.create_dataset(
        "test/attributes/far", (2,), "u1", external=[("/dev/zero", 0, 10**6)]
    ),
    "unexpected entry 'more'": lambda f: f.create_group("more"),
    "/train/y is missing": lambda f: f["train"].__delitem__("y"),
    "/train/x has no rows": replace("train/x", lambda a: a[:0]),
    "/test/y is uint8": replace("test/y", lambda a: a[:, ::2]),
    "/test/x is float64": replace("test/x", lambda a: a / 255),
    "/train/person is int32": replace("train/person", lambda a: a[:1]),
    "/test/triples points to rows that do not exist": replace("test/triples/i", lambda a: a + 5),
    "/test/triples swaps a garment with itself": replace("test/triples/j", lambda a: a * 0),
    "/train/triples/mask is uint8": replace("train/triples/mask", lambda a: a[:1]),
    "a person of test also": replace("test/person", lambda a: a * 0),
    "a garment of test also": replace("test/garment", lambda a: a - 100),
    "neckline names is missing": replace("train/attributes/neckline", lambda a: a),
    "a code without a name": lambda f: f["train/attributes/neckline"].attrs.__setitem__("names", '["a"]'),
    "has a name that is no text": lambda f: f["train/attributes/neckline"].attrs.__setitem__(
        "names", "[1, 2]"
    ),
    "triples has only one of x_ij": lambda f: f["test/triples"].__delitem__("mask"),
    "/test/x_file is uint8": replace("test/x_file", lambda a: a[:1]),
    "/test/y_file must hold names": replace("test/y_file", lambda a: np.zeros((2, 600), np.uint8)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_reader_refuses(tmp_path, fault):
    path = write(tmp_path / "photos.h5", swaps=2)
    with h5py.File(path, "r+") as file:
        FAULTS[fault](file)
    with pytest.raises(ValueError) as caught:
        PhotoFile(path)
    message = str(caught.value)
    assert fault in message and str(path) in message and "\n" not in message


def test_reader_refuses_a_truncated_and_a_missing_file_and_a_missing_split(path):
    with PhotoFile(write(path, train=0)) as file, pytest.raises(ValueError, match="has no train photos"):
        file.split("train")
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ValueError, match="not a readable HDF5 file"):
        PhotoFile(path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        PhotoFile(path.with_name("none.h5"))


def test_jax_uses_images_without_a_copy():
    jax = pytest.importorskip("jax")
    pictures = empty_pictures((3, 5, 7, 3))
    pictures[:] = 7
    there = jax.device_put(pictures, jax.devices("cpu")[0])
    assert there.unsafe_buffer_pointer() == pictures.ctypes.data


@pytest.fixture
def coded(path):
    """The same file with its RGB images as lossless WebP."""
    tool = Path(__file__).parents[2] / "tools" / "compact_data.py"
    runpy.run_path(str(tool))["compact"](path, path.with_name("coded.h5"), None)
    return path.with_name("coded.h5")


def test_coded_images_read_as_pixels_do(path, coded):
    with PhotoFile(path) as file, PhotoFile(coded) as other:
        assert other._file["test/x"].ndim == 2 and other.provenance == file.provenance
        for (name, rows), (_, found) in zip(file.datasets(), other.datasets(), strict=True):
            assert found.shape == rows.shape, name
            for chosen in (0, slice(0, 2), np.arange(len(rows)), ...):
                np.testing.assert_array_equal(found[chosen], rows[chosen])


@pytest.mark.parametrize("fault", ["no code", "another size", "another coding"])
def test_a_damaged_code_is_refused_in_one_line(coded, fault):
    with h5py.File(coded, "r+") as file:
        rows = file["train/x"]
        content = io.BytesIO()
        format = "PNG" if fault == "another coding" else "WEBP"
        Image.fromarray(picture(1)[:16] if fault == "another size" else picture(1)).save(content, format)
        code = np.frombuffer(b"" if fault == "no code" else content.getvalue(), np.uint8)[: rows.shape[1]]
        rows[0] = np.pad(code, (0, rows.shape[1] - len(code)))
    with PhotoFile(coded) as file, pytest.raises(ValueError, match="is damaged .*; copy the file again"):
        file.split("train").x.load()
