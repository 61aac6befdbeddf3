"""Import of faulty photos: each gives an entry in the report, or one clear error; interrupted imports."""

import fcntl
import io
import json
import os
import struct
import zlib
from pathlib import Path
from unittest import mock

import layout_trees as trees
import numpy as np
import pytest
from PIL import Image, ImageCms

from data_prep import ingest as ingestion
from data_prep.ingest import GROUP, Settings, ingest
from data_prep.photo_folder import PhotoFolder
from data_prep.picture import decode, decode_labels
from data_prep.store import PhotoFile


def png_chunk(kind, data, change=0):
    """The bytes of a chunk; change: of its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) ^ change)


def half_size(picture):
    """An image at half its size."""
    return np.asarray(Image.fromarray(picture).resize((48, 64), Image.Resampling.BICUBIC))


def break_pairs(train):
    """Add pairs that must be left out to a split of VITON-HD: name -> start of the reason."""
    reasons = {}

    def add(name, why):
        """Paths of the person, the garment and the labels of a new pair."""
        reasons[name] = why
        files = f"image/{name}.jpg", f"cloth/{name}.jpg", f"image-parse-v3/{name}.png"
        trees.save_pairs(train, [100 + len(reasons)], *files, f"cloth-mask/{name}.jpg")
        return [train / file for file in files]

    x, *_ = add("truncated", "unreadable: train/image/truncated.jpg: is a damaged image")
    x.write_bytes(x.read_bytes()[:900])
    add("empty", "unreadable: train/cloth/empty.jpg: is an empty file")[1].write_bytes(b"")
    why = "unreadable: train/image/text: no such file.jpg: not an image of a known"
    add("text: no such file", why)[0].write_text("this is no picture")
    x, *_ = add("bomb", "unreadable: train/image/bomb.jpg: has more than 100 million pixels")
    Image.new("1", (12000, 12000)).save(x, "PNG")
    x, *_ = add("heic", "unreadable: train/image/heic.jpg: is a HEIC photo; pip install pillow-heif, or save")
    x.write_bytes(b"\0\0\0\x18ftypheic" + bytes(50))
    why = "missing: train/cloth/no garment.jpg: no such file; train/cloth has 0 folders and"
    add("no garment", why)[1].unlink()
    x, *_ = add("link", "unreadable: train/image/link.jpg: links outside the folder")
    x.unlink()
    x.symlink_to("/etc/hostname")
    color, folder = np.zeros((128, 96, 3), np.uint8), "mask: train/image-parse-v3"
    add("no parse", f"{folder}/no parse.png: no such file")[2].unlink()
    trees.save(add("empty parse", "mask: contains no garment")[2], color[..., 0])
    trees.save(add("color parse", f"{folder}/color parse.png: is a color image")[2], color)
    trees.save(add("wide parse", f"{folder}/wide parse.png: its size 128x96")[2], color[..., 0].T + 5)
    trees.save(add("blank", "blank: a single color")[1], color + 250)
    trees.save(add("person as garment", "person: the foreground is cut off")[1], trees.shot(62)[0])
    for path in add("same photo twice", "person: ")[:2]:
        trees.save(path, trees.shot(61)[0])
    paths = add("smaller repeat", "repeat: same as train/image/00003_00.jpg with train/cloth/00003_00.jpg")
    for path, picture in zip(paths[:2], trees.shot(3)):
        trees.save(path, half_size(picture))
    trees.save(add("garment of test", "crossing: ")[1], half_size(trees.shot(8)[1]))
    why = "crossing: the person's photo is also in the test split"
    trees.save(add("person of test", why)[0], trees.shot(7)[0])
    return reasons


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """A tree full of faults, imported: (tree, reasons to leave out, report, data file)."""
    root = tmp_path_factory.mktemp("faults")
    tree = root / "tree"
    trees.viton_hd(tree)
    broken, path = break_pairs(tree / "train"), tree / "train_pairs.txt"
    lines = [*path.read_text().splitlines(), *(f"{name}.jpg\t00000_00.jpg" for name in broken),
             "one_column.jpg", "..\\..\\etc\\passwd 00000_00.jpg", "/etc/passwd 00000_00.jpg",
             "C:\\photos\\a.jpg 00000_00.jpg", "", "nowhere.jpg 00000_00.jpg"]  # fmt: skip
    path.write_bytes("\r\n".join(lines).encode())  # as Windows writes them, without a final line ending
    trees.save(tree / "train/cloth/alone.jpg", trees.shot(70)[1])
    (tree / "train/image/photo.raw").write_bytes(b"raw")
    trees.run("viton-hd", tree, root / "out.h5")
    return tree, broken, json.loads((root / "out.report.json").read_text()), root / "out.h5"


def test_every_broken_pair_and_line_is_left_out_with_its_reason(faulty):
    _, broken, report, out = faulty
    found = {Path(row["person"]).stem: row["why"] for row in report["dropped"]}
    assert found.pop("nowhere").startswith("missing: train/image/nowhere.jpg")
    assert set(found) == set(broken)
    assert not [name for name in broken if not found[name].startswith(broken[name])], found
    faults = {fault["what"]: fault["why"] for fault in report["faults"]}
    for part in ("has one column", "points outside the folder", "/etc/passwd: is an absolute path",
                 "C:\\photos\\a.jpg: is an absolute path"):  # fmt: skip
        assert sum(part in text for text in faults.values()) == 1
    assert faults["train/cloth/alone.jpg"] == "belongs to no pair"
    assert faults["train/image/photo.raw"] == "has not the ending of an image"
    with PhotoFile(out) as file:
        assert {Path(name).stem for name in file.split("train").x_file} == {f"{n:05d}_00" for n in range(7)}
        assert len(file.split("test")) == 3


@pytest.mark.parametrize("options, kept, dropped", [
    ({"masks": False}, {"no parse", "empty parse", "color parse", "wide parse"}, {"person": 2, "mask": 0}),
    # dropped regardless: a garment's photo that is also the person's photo
    ({"drop_doubts": False}, {"person as garment"}, {"person": 1, "mask": 4}),
])  # fmt: skip
def test_masks_and_doubts_can_be_passed_over(faulty, tmp_path, options, kept, dropped):
    report = ingest("viton-hd", faulty[0], tmp_path / "o.h5", Settings(**options))
    assert dropped == {kind: report.counts["dropped"].get(kind, 0) for kind in ("person", "mask")}
    with PhotoFile(tmp_path / "o.h5") as file:
        train = file.split("train")
        assert kept <= {Path(name).stem for name in train.x_file}
        assert (train.mask is None) == ("masks" in options) == (train.y_mask is None)


def file_bytes(image, kind, **options):
    """A PIL image as the bytes of a file."""
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


PLAIN = Image.new("RGB", (40, 30), (60, 80, 160))
PNG, JPEG = file_bytes(PLAIN, "PNG"), file_bytes(PLAIN, "JPEG")
TEXT = zlib.compress(b"A" * (2 << 20))
METADATA = {
    "eXIf without a header": PNG[:33] + png_chunk(b"eXIf", b"\0\x08\0\x02\x01\x12\0\x03\0\0\0\0") + PNG[33:],
    "much text": PNG[:33] + png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + TEXT) + PNG[33:],
    "a wrong checksum": PNG[:33] + png_chunk(b"tEXt", b"a\0b", 1) + PNG[33:],
    "a cut-off block": JPEG[:2] + b"\xff\xed\0\x16Photoshop 3.0\x008BIM\4\4" + JPEG[2:],
    "no end marker": JPEG[:-2],
}


@pytest.mark.parametrize("name", METADATA)
def test_odd_metadata_does_not_change_pixels(name):
    assert np.abs(np.asarray(decode(io.BytesIO(METADATA[name]), "a")).astype(int) - (60, 80, 160)).max() < 8
    if METADATA[name].startswith(b"\x89PNG"):
        labels = file_bytes(PLAIN.convert("L"), "PNG")
        odd = labels[:33] + METADATA[name][33 : -len(PNG[33:])] + labels[33:]
        assert decode_labels(io.BytesIO(odd), "a").shape == (30, 40)


def test_inks_gray_levels_and_clear_pixels_become_rgb():
    x = trees.shot(0)[0]
    image, clear = Image.fromarray(x), np.indices((128, 96))[0] < 20
    veiled, over_white = image.copy(), np.where(clear[..., None], 255, x)
    veiled.putalpha(Image.fromarray(np.uint8(255 * ~clear)))
    gray = image.convert("L")
    for given, kind, expected, most in ((image.convert("CMYK"), "JPEG", x, 5),
                                        (gray, "JPEG", gray.convert("RGB"), 3),
                                        (veiled, "PNG", over_white, 0.01)):  # fmt: skip
        read = np.asarray(decode(io.BytesIO(file_bytes(given, kind, quality=95)), "a")).astype(int)
        assert np.abs(read - np.asarray(expected)).mean() < most


@pytest.mark.parametrize("kind, options", [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {})])
def test_a_photo_whose_pixels_are_cut_off_is_refused(kind, options):
    data = file_bytes(Image.fromarray(trees.shot(0)[0]), kind, **options)
    for length in (len(data) * 2 // 3, len(data) - 30):
        with pytest.raises(ValueError, match="a: is a damaged image"):
            decode(io.BytesIO(data[:length]), "a")


@pytest.mark.parametrize("kind, mode, white", [
    *(("TIFF", "I", white) for white in (255, 65535, 2**32 - 1)), ("TIFF", "F", 1.0),
    ("TIFF", "I;16", 65535), ("PNG", "I;16", 65535),
])  # fmt: skip
def test_gray_levels_of_many_bits(kind, mode, white):
    dtype = {"I": np.uint32, "I;16": np.uint16, "F": np.float32}[mode]
    levels = np.tile(np.linspace(0, white, 256).astype(dtype), (4, 1))
    image = Image.fromarray(levels.view("i4") if mode == "I" else levels)
    read = np.asarray(decode(io.BytesIO(file_bytes(image, kind)), "a"))
    assert np.abs(read[0, :, 0].astype(int) - np.arange(256)).max() <= 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_color_profiles_are_applied(mode):
    """A profile whose red is sRGB's blue."""
    image = PLAIN.convert(mode, palette=Image.Palette.ADAPTIVE)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"?XYZ").replace(b"bXYZ", b"rXYZ").replace(b"?XYZ", b"bXYZ")
    for profile, expected in ((srgb, (60, 80, 160)), (swapped, (160, 80, 60))):
        read = np.asarray(decode(io.BytesIO(file_bytes(image, "PNG", icc_profile=profile)), "a")).astype(int)
        assert read.shape == (30, 40, 3) and np.abs(read - expected).max() <= (0 if profile == srgb else 4)


@pytest.mark.parametrize(
    "orientation, ending", [*((n, "jpg") for n in range(1, 9)), (6, "png"), (6, "tif"), (6, "webp")]
)
def test_photos_of_every_orientation_are_upright(tmp_path, ending, orientation):
    """A picture is stored as each orientation says, and read as it was."""
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :16], upright[16:, 24:] = (250, 20, 20), (20, 20, 250)
    turned = upright[::-1, ::-1]
    stored = [upright, np.fliplr(upright), turned, np.flipud(upright), upright.swapaxes(0, 1),
              np.rot90(upright), turned.swapaxes(0, 1), np.rot90(upright, -1)]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "abcdefg"
    path = tmp_path / f"a.{ending}"
    Image.fromarray(np.ascontiguousarray(stored[orientation - 1])).save(path, exif=exif, quality=95)
    assert np.abs(np.asarray(decode(path, path)).astype(int) - upright).mean() < 6


OPTIONS = {"persons": "my people", "garments": "clothes"}
FOLDERS = ["--persons", "my people", "--garments", "clothes"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Two folders of eight pairs."""
    root = tmp_path_factory.mktemp("plain")
    trees.two_folders(root)
    return root


@pytest.mark.parametrize("words, fault", [
    (["viton-hd", "none", "OUT"], "none: not a folder"),
    (["viton-hd", "TREE", "OUT"], "contains no pairs of the layout viton-hd"),
    (["folders", "TREE", "OUT", "--persons", "x", "--garments", "clothes"], "x: contains no images"),
    (["folders", "TREE", "none/out.h5", *FOLDERS], "does not exist; create it first"),
    (["folders", "TREE", "OUT", *FOLDERS, "--size", "100x100"], "multiples of 16"),
    (["list", "TREE", "OUT", "--list", "none.txt"], "none.txt: no such list; SRC has 3 folders and 1 files"),
    (["list", "TREE", "OUT", "--list", "../x.txt"], "points outside the folder"),
])  # fmt: skip
def test_one_clear_error(capsys, tree, tmp_path, words, fault):
    places = {"TREE": tree, "OUT": tmp_path / "out.h5"}
    assert fault in trees.error(capsys, *(places.get(word, word) for word in words))
    assert not list(tmp_path.iterdir())


def test_no_usable_pair_is_one_error_and_a_report_unless_there_is_an_earlier_file(capsys, tree, tmp_path):
    out, report = tmp_path / "o.h5", tmp_path / "o.report.json"
    for inner in ("a", "b"):
        (tmp_path / inner).mkdir()
        (tmp_path / inner / "1.jpg").touch()
    words = "folders", tmp_path, out, "--persons", "a", "--garments", "b", "--overwrite"
    line = trees.error(capsys, *words)
    assert "none of 1 pairs can be used (1 unreadable)" in line and "o.report.json" in line
    assert len(json.loads(report.read_text())["dropped"]) == 1 and not out.exists()
    ingest("folders", tree, out, Settings(), OPTIONS)
    report.write_text("of an earlier file")
    assert "o.report.json" not in trees.error(capsys, *words)
    assert report.read_text() == "of an earlier file"


def test_few_pairs_are_reported(tmp_path):
    for count, line in ((1, "a swap needs two garments"), (6, "10% of these pairs is too few")):
        trees.save_pairs(tmp_path, range(count), "my people/{}.jpg", "clothes/{}.jpg")
        said = list(ingest("folders", tmp_path, tmp_path / "o.h5", Settings(), OPTIONS).lines())
        assert f"{count} training pairs, 0 test pairs" in said[0] and any(line in text for text in said)


def test_a_second_tree_and_links_out_of_the_set_are_refused(tmp_path):
    trees.keras_cagan(tmp_path / "set" / "first")
    link = tmp_path / "link"  # SRC itself may be a link
    link.symlink_to(tmp_path / "set")
    report = ingest("keras-cagan", link, tmp_path / "o.h5", Settings(split="train"))
    assert report.counts["train"] == 8 and not report.contents["faults"]
    trees.keras_cagan(tmp_path / "set" / "second")
    with pytest.raises(ValueError, match=f"several folders .*first, second.*; import one: {link}/first/"):
        ingest("keras-cagan", link, tmp_path / "o.h5")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "imgs").symlink_to(tmp_path / "set/first/imgs")
    with pytest.raises(ValueError, match="links outside SRC"):
        ingest("keras-cagan", tmp_path / "other", tmp_path / "o.h5")


def test_links_in_circles_and_unreadable_folders_do_not_hide_the_photos_beside_them(tmp_path):
    trees.two_folders(tmp_path)
    (tmp_path / "my people" / "circle").symlink_to("circle")
    report = ingest("folders", tmp_path, tmp_path / "o.h5", Settings(split="train"), OPTIONS)
    assert report.counts["train"] == 8
    (tmp_path / "secret").mkdir()
    folder, denied = PhotoFolder(tmp_path), PermissionError(13, "Permission denied")
    assert folder.images("none") == () and len(folder.images("clothes")) == 8
    with mock.patch("data_prep.photo_folder.os.scandir", side_effect=denied):
        assert folder.images("secret") == ()
    assert folder.refused == {"secret": "cannot be read (Permission denied)"}


def test_absolute_paths_are_not_stored_and_two_files_for_one_id_are_told(tmp_path):
    src = tmp_path / "src"
    trees.two_folders(src)
    trees.save(src / "clothes/shirt no 1.jpg", trees.shot(9)[1])
    absolute = {name: f"{src}/{inner}" for name, inner in OPTIONS.items()}
    for name, options in (("a.h5", OPTIONS), ("b.h5", absolute)):
        report = ingest("folders", src, tmp_path / name, Settings(split="train"), options)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    faults = [(fault["what"], fault["why"]) for fault in report.contents["faults"]]
    assert ("clothes/shirt no 1.jpg", "more than one file for the id shirt no 1") in faults
    assert report.counts["train"] == 7 and len(faults) == 3


def stop_after(monkeypatch, count):
    """Raise Ctrl-C after `count` photos; returns the list of examined photos."""
    done, examine = [], ingestion.examine

    def interrupted(folder, task, *rest):
        if len(done) == count:
            raise KeyboardInterrupt
        done.append(task.photo)
        return examine(folder, task, *rest)

    monkeypatch.setattr(ingestion, "examine", interrupted)
    return done


@pytest.mark.parametrize("change", [None, "cut", "flip", "photo", "size"])
def test_interrupted_import_continues(tree, tmp_path, monkeypatch, change):
    """Damaged records of the work file are made again, as are those of changed photos and settings."""
    out, settings = tmp_path / "o.h5", Settings(jobs=1)
    ingest("folders", tree, tmp_path / "whole.h5", Settings(jobs=5), OPTIONS)  # which gives the same bytes
    first = stop_after(monkeypatch, 10)
    with pytest.raises(KeyboardInterrupt, match="run the same command again"):
        ingest(
            "folders", tree, out, Settings(jobs=1, size=(64, 48)) if change == "size" else settings, OPTIONS
        )
    work = Path(f"{out}.work")
    assert not out.exists()
    data = bytearray(work.read_bytes())
    data[-20] ^= change == "flip"
    work.write_bytes(data[: len(data) - 5 * (change == "cut")])
    if change == "photo":
        os.utime(tree / first[0], ns=(1, 1))
    monkeypatch.undo()
    again = stop_after(monkeypatch, 1000)
    ingest("folders", tree, out, settings, OPTIONS)
    kept = 10 // GROUP * GROUP - {None: 0, "size": 10 // GROUP * GROUP}.get(change, 1)
    assert len(again) == 16 - kept and (change != "photo" or again[0] == first[0])
    assert out.read_bytes() == (tmp_path / "whole.h5").read_bytes() and not work.exists()


@pytest.mark.parametrize("before", [None, b'{"mine": 1}'])
@pytest.mark.parametrize("function, fault", [
    ("store.PhotoWriter.add_triple", "space left"), ("store.PhotoWriter._write_columns", "space left"),
    ("work_file.flush", "o.h5.work: cannot be written .*space left.*; free some space"),
])  # fmt: skip
def test_data_file_and_report_are_whole_or_absent(tree, tmp_path, monkeypatch, before, function, fault):
    """The disk fills before or after the report was written, or while photos are read."""

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    if before:
        (tmp_path / "o.report.json").write_bytes(before)
    monkeypatch.setattr(f"data_prep.{function}", full_disk)
    monkeypatch.setattr("data_prep.selection.match_triples", lambda *_: [(0, 1)])
    with pytest.raises(OSError, match=fault):
        ingest("folders", tree, tmp_path / "o.h5", Settings(), OPTIONS)
    left = {path.name: path for path in tmp_path.iterdir()}
    assert set(left) == {"o.h5.work", *["o.report.json"] * bool(before)}
    assert not before or left["o.report.json"].read_bytes() == before


@pytest.mark.parametrize("kind, fault", [
    ("notes", "is not a data_prep work file; remove it"), ("pipe", "is not a file"),
    ("locked", "is in use by another run"),
])  # fmt: skip
def test_foreign_work_file_is_not_touched(tree, tmp_path, kind, fault):
    path, content = tmp_path / "o.h5.work", b"my own notes" if kind == "notes" else b""
    os.mkfifo(path) if kind == "pipe" else path.write_bytes(content)
    with open("/dev/null" if kind == "pipe" else path) as other:
        if kind == "locked":
            fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match=f"o.h5.work: {fault}"):
            ingest("folders", tree, tmp_path / "o.h5", Settings(), OPTIONS)
    assert kind == "pipe" or path.read_bytes() == content
