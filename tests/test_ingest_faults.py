"""Ingestion of faulty photos: each gives an entry in the report, or one clear error."""

import contextlib
import json
import os
import sqlite3
import struct
import zlib
from pathlib import Path

import layout_trees as trees
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cagan_theano.io.command import main
from data_prep import ingest as ingestion
from data_prep.__main__ import cli
from data_prep.ingest import GROUP, Settings, ingest
from data_prep.photoshoot import render, shoot
from data_prep.picture import decode
from data_prep.source import Source
from data_prep.store import PhotoFile, PhotoWriter
from data_prep.work import RenderedRows

TREE = ("image", "cloth", "image-parse-v3", "cloth-mask")


def fresh(number):
    """(x, y, mask) of a person and a garment that are not in `trees.shots`."""
    garment = shoot.garment_of(99, "train", 6 * number)
    x, mask = render.render_worn(shoot.sitter_of(99, "train", 6 * number), garment, trees.SIZE)
    return x, render.render_article(garment, trees.SIZE), mask


class Tree:
    """A VITON-HD tree to which odd pairs are added."""

    def __init__(self, root):
        self.root, self.train, self.rows, self.count = Path(root), Path(root) / "train", [], 0
        trees.viton_hd(root)

    def add(self, name, x=None, y=None, row=None):
        """Write a pair under a name, by default with new images; returns (x path, y path, x)."""
        new_x, new_y, mask = fresh(self.count)
        self.count += 1
        x, y = (new if given is None else given for new, given in ((new_x, x), (new_y, y)))
        paths = [self.train / kind / f"{name}.jpg" for kind in TREE[:2]]
        for path, picture in zip(paths, (x, y)):
            trees.save(path, picture)
        trees.save_labels(self.train / TREE[2] / f"{name}.png", mask, 5)
        trees.save(self.train / TREE[3] / f"{name}.jpg", trees.article_mask(new_y))
        self.rows.append(row or f"{name}.jpg 00000_00.jpg")
        return (*paths, new_x)

    def finish(self, *lines):
        """Write the list with Windows line endings, without a final one."""
        path = self.root / "train_pairs.txt"
        path.write_bytes("\r\n".join([*path.read_text().splitlines(), *self.rows, *lines]).encode())


def png_of_16_bits(picture):
    """The bytes of a 16-bit RGBA PNG, which Pillow cannot write."""
    deep = np.dstack([picture, np.full(picture.shape[:2], 255)]).astype(">u2") * 257
    raw = b"".join(b"\0" + row.tobytes() for row in deep.astype(">u2"))
    head = struct.pack(">IIBBBBB", picture.shape[1], picture.shape[0], 16, 6, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def half_size(picture):
    """An image at half its size."""
    image = Image.fromarray(picture)
    return np.asarray(image.resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC))


def add_broken(tree):
    """Add pairs that must be left out: name -> start of the reason."""
    x, *_ = tree.add("truncated")
    x.write_bytes(x.read_bytes()[:900])
    tree.add("empty")[1].write_bytes(b"")
    tree.add("text")[0].write_text("this is no picture")
    bomb = tree.add("bomb")[0]
    Image.new("1", (12000, 12000)).save(bomb, "PNG")
    tree.add("text: no such file")[0].write_text("nor this")
    tree.add("no garment")[1].unlink()
    link = tree.add("link")[0]
    link.unlink()
    link.symlink_to("/etc/hostname")
    tree.add("blank", y=np.full((128, 96, 3), 250, np.uint8))
    tree.add("no parse")
    (tree.train / TREE[2] / "no parse.png").unlink()
    tree.add("empty parse")
    trees.save(tree.train / TREE[2] / "empty parse.png", np.zeros((128, 96), np.uint8))
    tree.add("color parse")
    trees.save(tree.train / TREE[2] / "color parse.png", np.zeros((128, 96, 3), np.uint8))
    tree.add("wide parse")
    trees.save_labels(tree.train / TREE[2] / "wide parse.png", np.full((96, 128), 255, np.uint8), 5)
    tree.add("full mask")
    trees.save(tree.train / TREE[3] / "full mask.jpg", np.full((128, 96), 255, np.uint8))
    tree.add("person as garment", y=fresh(62)[0])
    tree.add("same photo twice", *2 * (fresh(61)[0],))
    tree.add("repeat", *trees.shots()[2][:2])
    tree.add("smaller repeat", *(half_size(picture) for picture in trees.shots()[3][:2]))
    tree.add("garment of test", y=half_size(trees.shots()[8][1]))
    tree.add("person of test", x=trees.shots()[7][0])
    return {
        "truncated": "unreadable: train/image/truncated.jpg: is a damaged image",
        "empty": "unreadable: train/cloth/empty.jpg: is an empty file",
        "text": "unreadable: train/image/text.jpg: not an image of a known format",
        "bomb": "unreadable: train/image/bomb.jpg: has more than 100 million pixels",
        "text: no such file": "unreadable: train/image/text: no such file.jpg: not an image of a known",
        "no garment": "missing: train/cloth/no garment.jpg: no such file",
        "link": "unreadable: train/image/link.jpg: links outside the folder",
        "blank": "blank: a single color",
        "no parse": "mask: train/image-parse-v3/no parse.png: no such file",
        "empty parse": "mask: contains no garment",
        "color parse": "mask: train/image-parse-v3/color parse.png: is a color image",
        "wide parse": "mask: train/image-parse-v3/wide parse.png: its size 128x96",
        "full mask": "mask: covers the whole photo",
        "person as garment": "person: the foreground is cut off",
        "same photo twice": "person: ",
        "repeat": "repeat: same as train/image/00002_00.jpg with train/cloth/00002_00.jpg",
        "smaller repeat": "repeat: same as train/image/00003_00.jpg with train/cloth/00003_00.jpg",
        "garment of test": "crossing: ",
        "person of test": "crossing: the person's photo is also in the test split",
    }


def add_odd(tree):
    """Add unusual pairs that must be kept: name -> expected x [H,W,3]."""
    wanted = {}
    deep, _, x = tree.add("deep")
    deep.write_bytes(png_of_16_bits(x))
    wanted["deep"] = x
    turned, _, x = tree.add("turned")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(x).copy()).save(turned, exif=exif, quality=95)
    wanted["turned"] = x
    inks, _, x = tree.add("inks")
    Image.fromarray(x).convert("CMYK").save(inks, quality=95)
    wanted["inks"] = x
    gray, _, x = tree.add("gray")
    Image.fromarray(x).convert("L").save(gray, quality=95)
    wanted["gray"] = np.repeat(np.asarray(Image.fromarray(x).convert("L"))[..., None], 3, axis=-1)
    clear, _, x = tree.add("clear")
    alpha = np.full((128, 96, 1), 255, np.uint8)
    alpha[:20] = 0
    Image.fromarray(np.dstack([x, alpha])).save(clear, "PNG")
    wanted["clear"] = np.where(alpha == 0, np.uint8(255), x)
    _, _, x = tree.add("名前 with ü", row="名前 with ü.jpg\t00000_00.jpg")
    wanted["名前 with ü"] = x
    return wanted


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """A tree full of faults, ingested: (pairs to leave out, pairs to keep, report, data file)."""
    root = tmp_path_factory.mktemp("faults")
    tree = Tree(root / "tree")
    broken, odd = add_broken(tree), add_odd(tree)
    tree.finish(
        "one_column.jpg",
        "..\\..\\etc\\passwd 00000_00.jpg",
        "/etc/passwd 00000_00.jpg",
        "C:\\photos\\a.jpg 00000_00.jpg",
        "",
        "nowhere.jpg 00000_00.jpg",
    )
    trees.save(tree.train / "cloth/alone.jpg", fresh(70)[1])
    done = CliRunner().invoke(cli, ["viton-hd", str(tree.root), str(root / "out.h5")], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return broken, odd, json.loads((root / "out.report.json").read_text()), root / "out.h5"


def test_every_broken_pair_is_left_out_with_its_reason(faulty):
    broken, _, report, _ = faulty
    found = {Path(row["person"]).stem: row["why"] for row in report["dropped"]}
    assert found.pop("nowhere").startswith("missing: train/image/nowhere.jpg")
    assert set(found) == set(broken)
    assert not [name for name in broken if not found[name].startswith(broken[name])], found


def test_every_other_pair_is_kept_in_its_right_colors(faulty):
    _, odd, _, out = faulty
    with PhotoFile(out) as file:
        train = file.split("train")
        names = [Path(name).stem for name in train.x_file]
        assert set(names) == set(odd) | {f"{n:05d}_00" for n in range(7)}
        for name, wanted in odd.items():
            error = np.abs(train.x[names.index(name)].astype(int) - wanted).mean()
            assert error < (5 if name == "inks" else 2.5), (name, error)
        assert len(file.split("test")) == 3


def test_bad_lines_of_a_list_and_lonely_files_are_reported(faulty):
    faults = {fault["what"]: fault["why"] for fault in faulty[2]["faults"]}
    texts = list(faults.values())
    for part in (
        "has one column",
        "points outside the folder",
        "/etc/passwd: is an absolute path",
        "C:\\photos\\a.jpg: is an absolute path",
    ):
        assert sum(part in text for text in texts) == 1
    assert faults["train/cloth/alone.jpg"] == "no photo shows it worn"


def test_without_masks_their_faults_do_not_matter(faulty, tmp_path):
    out = tmp_path / "plain.h5"
    report = ingest("viton-hd", Path(faulty[3]).parent / "tree", out, Settings(masks=False))
    assert "mask" not in report.counts["dropped"]
    with PhotoFile(out) as file:
        train = file.split("train")
        names = {Path(name).stem for name in train.x_file}
        assert {"no parse", "empty parse", "color parse", "wide parse", "full mask"} <= names
        assert train.mask is None and train.y_mask is None


def test_doubtful_garments_can_be_kept(faulty, tmp_path):
    report = ingest(
        "viton-hd", Path(faulty[3]).parent / "tree", tmp_path / "o.h5", Settings(drop_doubts=False)
    )
    doubts = json.loads((tmp_path / "o.report.json").read_text())["doubtful and kept"]
    assert [Path(row["person"]).stem for row in doubts] == ["person as garment"]
    # dropped regardless: a garment's photo that is also the person's photo
    assert report.counts["dropped"]["person"] == 1


# --- one clear error


def error(capsys, *words):
    """Run a command that fails; returns its one line on stderr."""
    with pytest.raises(SystemExit) as left:
        main(cli, [str(word) for word in words])
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]
    assert left.value.code == 1 and len(lines) == 1
    return lines[0]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Two folders of eight pairs."""
    root = tmp_path_factory.mktemp("plain")
    trees.two_folders(root)
    return root


FOLDERS = ["--persons", "my people", "--garments", "clothes"]


@pytest.mark.parametrize("words, fault", [
    (["viton-hd", "none", "OUT"], "none: not a folder"),
    (["viton-hd", "TREE", "OUT"], "contains no pairs of the layout viton-hd"),
    (["folders", "TREE", "OUT", "--persons", "x", "--garments", "clothes"], "x: contains no images"),
    (["folders", "TREE", "OUT", "--persons", "../..", "--garments", "clothes"], "points outside"),
    (["folders", "TREE", "none/out.h5", *FOLDERS], "does not exist; create it first"),
    (["folders", "TREE", "TREE", *FOLDERS], "is a directory"),
    (["folders", "TREE", "OUT", *FOLDERS, "--size", "100x100"], "multiples of 16"),
    (["folders", "TREE", "OUT"], "Missing option '--persons'"),
    (["list", "TREE", "OUT", "--list", "none.txt"], "none.txt: no such list"),
    (["list", "TREE", "OUT", "--list", "../x.txt"], "points outside the folder"),
    (["list", "TREE", "OUT", "--list", "clothes/shirt no 1.png"], "pairs can be used ("),
    (["detect", "none"], "none: not a folder"),
    (["inspect", "none.h5"], "none.h5: no such file"),
])  # fmt: skip
def test_one_clear_error(capsys, tree, tmp_path, words, fault):
    places = {"TREE": tree, "OUT": tmp_path / "out.h5"}
    assert fault in error(capsys, *(places.get(word, word) for word in words))
    assert not (tmp_path / "out.h5").exists()


def test_no_usable_pair_is_one_error_and_a_report(capsys, tree, tmp_path):
    for n in range(3):
        for folder in ("a", "b"):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{n}.jpg").write_bytes(b"")
    line = error(capsys, "folders", tmp_path, tmp_path / "o.h5", "--persons", "a", "--garments", "b")
    assert "none of 3 pairs can be used (3 unreadable)" in line and "o.report.json" in line
    assert len(json.loads((tmp_path / "o.report.json").read_text())["dropped"]) == 3
    assert not (tmp_path / "o.h5").exists()


def test_the_report_of_an_earlier_file_stays(capsys, tree, tmp_path):
    words = ["folders", "--persons", "a", "--garments", "b", "--overwrite"]
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.jpg").write_bytes(b"")
    (tmp_path / "o.report.json").write_text('{"of": "an earlier file"}')
    ingest("folders", tree, tmp_path / "o.h5", Settings(), OPTIONS)
    (tmp_path / "o.report.json").write_text('{"of": "an earlier file"}')
    line = error(capsys, words[0], tmp_path, tmp_path / "o.h5", *words[1:])
    assert "none of 1 pairs can be used (1 unreadable)" in line and "see " not in line
    assert (tmp_path / "o.report.json").read_text() == '{"of": "an earlier file"}'


def test_links_in_circles_do_not_hide_the_photos_beside_them(tree, tmp_path):
    trees.two_folders(tmp_path)
    (tmp_path / "my people" / "circle").symlink_to("circle")
    assert (
        ingest("folders", tmp_path, tmp_path / "o.h5", Settings(split="train"), OPTIONS).counts["train"] == 8
    )


def test_a_folder_that_cannot_be_read_is_told(tree, tmp_path, monkeypatch):
    def scan(path):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    listed = os.scandir
    (tmp_path / "secret").mkdir()
    monkeypatch.setattr("data_prep.source.os.scandir", scan)
    source = Source(tmp_path)
    assert source.images("secret") == () and source.images("none") == ()
    assert source.refused == {"secret": "cannot be read (Permission denied)"}


def test_absolute_paths_of_options_are_not_stored(tree, tmp_path):
    trees.two_folders(tmp_path)
    for name, given in (("a.h5", OPTIONS), ("b.h5", {k: f"{tmp_path}/{v}" for k, v in OPTIONS.items()})):
        ingest("folders", tmp_path, tmp_path / name, Settings(split="train"), given)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def exif_photo(path):
    """A JPEG that is to be rotated, and whose camera's name is a number."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "abcdefg"
    Image.fromarray(np.full((40, 30, 3), 90, np.uint8)).save(path, exif=exif)
    data = path.read_bytes()
    text, number = (struct.pack("<HHI", 0x010F, kind, count) for kind, count in ((2, 8), (5, 1)))
    big = [one[:2][::-1] + one[2:4][::-1] + one[4:][::-1] for one in (text, number)]
    assert data.count(text) + data.count(big[0]) == 1
    path.write_bytes(data.replace(text, number).replace(*big))


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_of_every_orientation_are_upright(tmp_path, ending, orientation):
    """A picture is stored as each orientation says, and read as it was."""
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :16], upright[16:, 24:] = (250, 20, 20), (20, 20, 250)
    turned = upright[::-1, ::-1]
    stored = [upright, np.fliplr(upright), turned, np.flipud(upright), upright.swapaxes(0, 1),
              np.rot90(upright), turned.swapaxes(0, 1), np.rot90(upright, -1)]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{ending}"
    Image.fromarray(np.ascontiguousarray(stored[orientation - 1])).save(path, exif=exif, quality=95)
    assert np.abs(np.asarray(decode(path, path)).astype(int) - upright).mean() < 6


def test_odd_exif_data_do_not_end_the_import(tmp_path):
    exif_photo(tmp_path / "a.jpg")
    with open(tmp_path / "a.jpg", "rb") as file:
        assert decode(file, "a.jpg").size == (40, 30)


def test_two_files_for_one_id(tree, tmp_path):
    trees.two_folders(tmp_path)
    trees.save(tmp_path / "clothes/shirt no 1.jpg", trees.shots()[9][1])
    report = ingest(
        "folders",
        tmp_path,
        tmp_path / "o.h5",
        Settings(split="train"),
        {"persons": "my people", "garments": "clothes"},
    )
    assert report.counts["train"] == 7
    faults = [(fault["what"], fault["why"]) for fault in report.contents["faults"]]
    assert ("clothes/shirt no 1.jpg", "more than one file for the id shirt no 1") in faults
    assert len(faults) == 3


def test_a_folder_that_is_a_link_out_of_the_set(tree, tmp_path):
    root = tmp_path / "set"
    (root / "imgs").mkdir(parents=True)
    trees.keras_cagan(tmp_path / "else")
    (root / "imgs/1").symlink_to(tmp_path / "else/imgs/1")
    (root / "imgs/5").symlink_to(tmp_path / "else/imgs/5")
    with pytest.raises(ValueError, match="imgs/1: links outside SRC"):
        ingest("keras-cagan", root, tmp_path / "o.h5")
    link = tmp_path / "link"  # SRC itself may be a link
    link.symlink_to(tmp_path / "else")
    assert ingest("keras-cagan", link, tmp_path / "o.h5").counts["train"] == 7


# --- interrupted

OPTIONS = {"persons": "my people", "garments": "clothes"}


@pytest.fixture(scope="module")
def whole(tree, tmp_path_factory):
    """The bytes of the data file of `tree`, built without interruption."""
    out = tmp_path_factory.mktemp("whole") / "o.h5"
    ingest("folders", tree, out, Settings(), OPTIONS)
    return out.read_bytes()


def stop_after(monkeypatch, count):
    """Raise Ctrl-C after `count` photos; returns the list of developed photos."""
    done, develop = [], ingestion.develop

    def interrupted(source, task, *rest):
        if len(done) == count:
            raise KeyboardInterrupt
        done.append(task.photo)
        return develop(source, task, *rest)

    monkeypatch.setattr(ingestion, "develop", interrupted)
    return done


def test_an_interrupted_run_goes_on_where_it_stopped(tree, whole, tmp_path, monkeypatch):
    out, settings = tmp_path / "o.h5", Settings(jobs=1)
    stop_after(monkeypatch, 6)
    with pytest.raises(KeyboardInterrupt, match="run the same command again"):
        ingest("folders", tree, out, settings, OPTIONS)
    assert not out.exists() and Path(f"{out}.work").exists()
    monkeypatch.undo()
    seen = stop_after(monkeypatch, 1000)
    ingest("folders", tree, out, settings, OPTIONS)
    assert len(seen) == 16 - GROUP  # the interruption was in the second group
    assert out.read_bytes() == whole and not Path(f"{out}.work").exists()


def test_work_of_other_settings_or_photos_is_done_anew(tree, tmp_path, monkeypatch):
    root = tmp_path / "tree"
    trees.two_folders(root)
    out = tmp_path / "o.h5"
    stop_after(monkeypatch, 9)
    with pytest.raises(KeyboardInterrupt):
        ingest("folders", root, out, Settings(jobs=1, size=(64, 48)), OPTIONS)
    monkeypatch.undo()
    seen = stop_after(monkeypatch, 9)
    with pytest.raises(KeyboardInterrupt):
        ingest("folders", root, out, Settings(jobs=1), OPTIONS)
    assert len(seen) == 9  # more than remained: none of the 64x48 photos could be reused
    monkeypatch.undo()
    first = root / seen[0]
    os.utime(first, ns=(1, 1))
    seen = stop_after(monkeypatch, 1000)
    ingest("folders", root, out, Settings(jobs=1), OPTIONS)
    assert len(seen) == 16 - 9 // GROUP * GROUP + 1 and root / seen[0] == first


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_the_file_is_whole_or_absent(tree, tmp_path, monkeypatch, error):
    add, calls = PhotoWriter.add, []

    def failing(*args, **options):
        calls.append(1)
        if len(calls) == 5:
            raise error
        return add(*args, **options)

    monkeypatch.setattr(PhotoWriter, "add", failing)
    with pytest.raises(type(error)):
        ingest("folders", tree, tmp_path / "o.h5", Settings(), OPTIONS)
    assert [path.name for path in tmp_path.iterdir()] == ["o.h5.work"]


@pytest.mark.parametrize("before", [None, b'{"mine": 1}'])
def test_the_report_of_a_file_that_is_not_made_does_not_stay(tree, tmp_path, monkeypatch, before):
    """The disk is full when the data file is closed, after its report was written."""

    def full(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PhotoWriter, "_write_columns", full)
    if before:
        (tmp_path / "o.report.json").write_bytes(before)
    with pytest.raises(OSError):
        ingest("folders", tree, tmp_path / "o.h5", Settings(), OPTIONS)
    left = {path.name: path for path in tmp_path.iterdir()}
    assert set(left) == {"o.h5.work", *["o.report.json"] * bool(before)}
    assert not before or left["o.report.json"].read_bytes() == before


def test_a_folder_without_pairs_leaves_nothing(tmp_path):
    for name in ("my people/a.jpg", "clothes/b.jpg"):
        (tmp_path / "src" / name).parent.mkdir(parents=True)
        (tmp_path / "src" / name).write_bytes(b"")
    with pytest.raises(ValueError, match="contains no pairs of the layout folders"):
        ingest("folders", tmp_path / "src", tmp_path / "o.h5", Settings(), OPTIONS)
    assert [path.name for path in tmp_path.iterdir()] == ["src"]


@pytest.mark.parametrize(
    "tables",
    [
        ["CREATE TABLE accounts (name TEXT)"],
        ["CREATE TABLE settings (text TEXT)", "CREATE TABLE accounts (name TEXT)"],
        ["CREATE TABLE settings (name TEXT, value TEXT)", "CREATE TABLE photo (key TEXT)"],
    ],
)
def test_a_database_of_something_else_is_left_alone(tables, tree, tmp_path):
    path = tmp_path / "o.h5.work"
    with contextlib.closing(sqlite3.connect(path)) as base:
        for table in tables:
            base.execute(table)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="o.h5.work: not a data_prep work file"):
        ingest("folders", tree, tmp_path / "o.h5", Settings(), OPTIONS)
    assert path.read_bytes() == before


def test_a_full_disk_while_progress_is_saved_is_one_line(tmp_path):
    rows = [dict(split="train", person=n, x=bytes(range(256)) * 400) for n in range(20)]
    with RenderedRows(tmp_path / "o.h5.work", {}) as work:
        work.put(rows[0])
        work.save()
        work._base.execute("PRAGMA max_page_count = 12")  # SQLite's own stand-in for a full disk
        with pytest.raises(ValueError, match="o.h5.work: cannot be used .*full.; free some space"):
            for row in rows[1:]:
                work.put(row)
    with RenderedRows(tmp_path / "o.h5.work", {}) as work:  # what was saved before is there
        assert [row["person"] for row in work] == [0]


def test_a_damaged_work_file_is_one_line(tmp_path):
    path = tmp_path / "o.h5.work"
    with RenderedRows(path, {}) as work:
        for n in range(20):
            work.put(dict(split="train", person=n, x=bytes(100_000)))
    data = bytearray(path.read_bytes())
    data[3 * 32768 :: 7] = b"\xff" * len(data[3 * 32768 :: 7])
    path.write_bytes(data)
    with pytest.raises(ValueError, match="o.h5.work: cannot be used .*; remove it, which loses the progress"):
        with RenderedRows(path, {}) as work:
            list(work)


def test_a_work_file_of_another_kind_is_left_alone(tree, tmp_path):
    (tmp_path / "o.h5.work").write_text("my own notes, and long enough to be no database" * 50)
    with pytest.raises(ValueError, match="o.h5.work: not a data_prep work file"):
        ingest("folders", tree, tmp_path / "o.h5", Settings(), OPTIONS)
    assert (tmp_path / "o.h5.work").read_text().startswith("my own notes")
