"""No command writes over what it reads, over a file of another kind, or over data that nobody gave up."""

import importlib
import io
import itertools
from pathlib import Path

import click
import numpy as np
import pytest
from conftest import run_command
from figure_toys import write_photos
from PIL import Image

from cagan_theano.checkpoint import Checkpoint, save_checkpoint
from cagan_theano.config import Config
from cagan_theano.dressing import swap
from cagan_theano.evaluation import evaluate
from cagan_theano.figures import report
from cagan_theano.interop import convert
from cagan_theano.io.command import Command, Group, Output
from cagan_theano.io.files import kind_of, write_atomically
from data_prep import __main__ as prep

ROOT = Path(__file__).parents[2]
WEIGHTS = {"encoder1.W": np.zeros((1, 2), "float32")}


def save(path, format):
    """A picture."""
    content = io.BytesIO()
    Image.new("RGB", (9, 9)).save(content, format)
    path.write_bytes(content.getvalue())
    return path


def checkpoint(path):
    save_checkpoint(path, Checkpoint(Config(), 7, WEIGHTS, WEIGHTS))
    return path


def refused(capsys, command, *words):
    """The one line on which a command ends, and that no file has changed by it."""
    files = [Path(word) for word in words if Path(str(word)).is_file()]
    before = [path.read_bytes() for path in files]
    assert run_command(command, *words) == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and "Traceback" not in text
    assert [path.read_bytes() for path in files] == before
    return text


@pytest.mark.parametrize("output, path", [
    ("--out", "a.jpg"), ("--out", "./a.jpg"), ("--out", "sub/../a.jpg"), ("--out", "hard.jpg"),
    ("--alpha-out", "link.jpg"), ("--grid", "a.jpg"),
])  # fmt: skip
def test_a_swap_replaces_neither_its_photo_nor_its_own_results(output, path, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo, article = save(tmp_path / "a.jpg", "JPEG"), save(tmp_path / "b.jpg", "JPEG")
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.jpg").symlink_to(photo)
    (tmp_path / "hard.jpg").hardlink_to(photo)
    words = ["--human", "a.jpg", "--article", article, "--out", "o.png", output, path]
    said = refused(capsys, swap.command, *words)
    assert "is read by this command (--human" in said and "choose another file" in said
    said = refused(capsys, swap.command, *words[:6], "--alpha-out", f"{tmp_path}/./o.png")
    assert "would be written twice" in said and not Path("o.png").exists()


@pytest.mark.parametrize("command, words", [
    (report.command, ["{0}", "--checkpoint", "{0}"]), (convert.command, ["{0}", "{0}"]),
    (evaluate.command, ["--checkpoint", "{0}", "--out", "{0}"]),
    (prep.cli, ["inspect", "{0}", "--sheet", "{0}"])])  # fmt: skip
def test_no_command_replaces_its_input(command, words, tmp_path, capsys):
    path = checkpoint(tmp_path / "a.h5")
    said = refused(capsys, command, *(word.format(path) for word in words))
    assert "a.h5: " in said and ("choose another file" in said)


def test_data_file_is_overwritten_only_with_the_option(tmp_path, capsys):
    """Of one command with a layout and one without; `test_every_command_is_guarded` checks the others."""
    data = write_photos(tmp_path / "a.h5", pairs=4, tests=0)
    shoot = ["photoshoot", data, "--pairs", "4", "--held-out", "0", "--size", "16x16", "--jobs", "1"]
    for words in (shoot, ["folders", tmp_path, data]):
        said = refused(capsys, prep.cli, *words)
        assert "a.h5: exists already; choose another file, or replace it with --overwrite" in said
    before = data.read_bytes()
    assert run_command(prep.cli, *shoot, "--overwrite") == 0 and data.read_bytes() != before


@pytest.mark.parametrize("make", [checkpoint, lambda path: save(path, "PNG"),
                                  lambda path: path.write_text("notes")])  # fmt: skip
def test_overwrite_never_replaces_another_kind_of_file(make, tmp_path, capsys):
    path = tmp_path / "mine"
    make(path)
    said = refused(capsys, prep.cli, "photoshoot", path, "--overwrite", "--pairs", "4")
    assert "mine: is " in said and "choose another file, or remove it" in said
    source = checkpoint(tmp_path / "source.h5")
    if make is not checkpoint:
        refused(capsys, convert.command, source, path, "--overwrite")


def test_file_name_may_equal_a_choice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = "photoshoot shop --wardrobe shop --pairs 1 --held-out 0 --size 16x16 --jobs 1"
    assert run_command(prep.cli, *words.split()) == 0
    assert kind_of("shop") == "an HDF5 file (cagan_theano photos)"


TEXTS = {b'{"a": 1}': "JSON", b'[\n {"a": 1}]': "JSON", b"<!DOCTYPE html>": "HTML", b"# Title": "a text",
         b"[link](a)": "a text", "caf\u00e9".encode() * 4096: "a text", b"a\0b": "a file of an unknown kind",
         b"\xff\xfe": "a file of an unknown kind", b"": None, b"BMW": "a text",
         b"PK\3\4 and what is packed": "an archive", b"SQLite format 3\0": "a database"}  # fmt: skip


def test_kinds(tmp_path):
    for format in ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"):
        assert kind_of(save(tmp_path / format, format)) == f"a {format} image"
    assert kind_of(save(tmp_path / "PDF", "PDF")) == "a PDF document"
    for text, kind in TEXTS.items():
        (tmp_path / "text").write_bytes(text)
        assert kind_of(tmp_path / "text") == kind, text
    assert kind_of(checkpoint(tmp_path / "c.h5")) == "an HDF5 file (cagan_theano checkpoint)"
    data = write_photos(tmp_path / "p.h5", pairs=4, tests=0)
    assert kind_of(data) == "an HDF5 file (cagan_theano photos)"
    data.write_bytes(data.read_bytes()[:5000])
    assert kind_of(data) == "a damaged HDF5 file"
    write_photos(data, pairs=4, tests=0)  # which may be made anew
    assert kind_of(tmp_path / "nothing") is None and kind_of(tmp_path) is None


def test_every_writer_keeps_files_of_other_kinds(tmp_path):
    """The guard is where all files are put in place: no command has to think of it."""
    contents = [save(tmp_path / f, f).read_bytes() for f in ("PNG", "JPEG")] + [b"{}", b"# Title"]
    for old, new in itertools.product(contents, contents):
        path = tmp_path / "a"
        path.write_bytes(old)
        if old == new:
            write_atomically(path, new)
        else:
            with pytest.raises(ValueError, match="would replace; choose another file"):
                write_atomically(path, new)
        assert path.read_bytes() == old
    write_atomically(path, b"# Another")  # another text may replace a text
    assert not list(tmp_path.glob(".*"))


def commands():
    """(module, command) of every click command of this project."""
    for path in [path for name in ("cagan_theano", "data_prep") for path in (ROOT / name).rglob("*.py")]:
        if "@click.command" in path.read_text() or "@click.group" in path.read_text():
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for command in vars(importlib.import_module(name)).values():
                inner = command.commands.values() if isinstance(command, click.Group) else [command]
                yield from ((name, one) for one in inner if isinstance(one, click.Command))


def test_every_command_is_guarded():
    seen = dict.fromkeys(f"{module} {command.name}" for module, command in commands())
    assert len(seen) > 25
    for module, command in commands():
        assert isinstance(command, Command | Group), (module, command.name)
        for param in command.params:
            files = isinstance(param.type, click.Path) and param.type.file_okay
            if param.name in ("target", "sheet", "plot", "alpha_out", "grid") or (
                param.name == "out" and files and param.type.dir_okay is False
            ):
                assert isinstance(param.type, Output), (module, command.name, param.name)
                assert param.type.data or not module.startswith("data_prep") or param.name != "out"
