"""A folder of people in a folder of articles: overlapped, resumable, faults reported and left out."""

import errno
import os
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import run_command
from PIL import Image

from cagan_theano.dressing import samples, swap_folder
from cagan_theano.dressing.swap_folder import PhotoFolder
from cagan_theano.model import Swap


class Painter:
    """A model that paints x_ij as the mean of x_i and y_j, and counts what it paints."""

    sha256, config, provenance = "0" * 64, SimpleNamespace(height=32, width=32, takes_mask=False), dict

    def __init__(self):
        self.sizes, self.alpha = [], 0.0

    def swap(self, x_i, y_i, y_j, batch_size):
        assert x_i.shape == y_i.shape == y_j.shape == (batch_size, 32, 32, 3)
        self.sizes.append(len(x_i))
        mean = ((x_i.astype(int) + y_j) // 2).astype(np.uint8)
        return Swap(np.full(x_i.shape[:3], self.alpha, np.float32), mean, mean)


def save(path, level, size=(32, 32)):
    """A flat photo."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level,) * 3).save(path)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """Folders of three people, what they wear, and two articles; the model paints means."""
    for n, name in enumerate(("anna", "ben", "sub/cleo")):
        save(tmp_path / "people" / f"{name}.png", 20 * n)
        save(tmp_path / "worn" / f"{name}.webp", 7)
    for n, name in enumerate(("red", "blue")):
        save(tmp_path / "shop" / f"{name}.png", 100 + 100 * n)
    painter = Painter()
    monkeypatch.setattr(swap_folder.weights, "load_model", lambda *_: painter)
    return SimpleNamespace(root=tmp_path, out=tmp_path / "out", painter=painter)


def run(shop, *words, wearing="worn"):
    """The exit code of the command on the shop."""
    folders = {"humans": "people", "articles": "shop", "out": "out"}
    if wearing:
        folders["wearing"] = wearing
    options = [f"--{option}={shop.root / name}" for option, name in folders.items()]
    options += ["--size", "network", "--batch-size", "4"]
    return run_command(swap_folder.command, *options, *words)


def results(shop):
    return sorted(path.relative_to(shop.out).as_posix() for path in shop.out.rglob("*.png"))


def level(path):
    """The one level of a flat photo."""
    values = np.unique(np.asarray(Image.open(path)))
    assert len(values) == 1
    return values[0]


def test_all_pairs_are_dressed_once(shop, capsys):
    (shop.root / "people" / "again").symlink_to(shop.root / "people")  # a link is followed once
    assert run(shop) == 0
    out = shop.out
    assert level(out / "anna" / "red.png") == 50 and level(out / "ben" / "blue.png") == 110
    assert level(out / "sub" / "cleo" / "blue.png") == 120
    assert len(results(shop)) == 6 and shop.painter.sizes == [4, 4]
    (out / "ben" / "red.png").write_bytes(b"")  # a file that merely exists is not a result
    stamp = (out / "anna" / "red.png").stat().st_mtime_ns
    assert run(shop) == 0 and shop.painter.sizes == [4, 4, 1]
    assert level(out / "ben" / "red.png") == 60
    assert (out / "anna" / "red.png").stat().st_mtime_ns == stamp
    assert "wrote 1 images (5 were there already)" in capsys.readouterr().out.splitlines()[-1]
    assert run(shop) == 0 and "wrote 0 images (6 were there already)" in capsys.readouterr().out


def test_without_worn_articles_a_first_pass_cuts_them_out(shop, capsys):
    assert run(shop, wearing=None) == 0 and len(results(shop)) == 6
    assert shop.painter.sizes == [4] * 4  # two passes over two batches
    assert run(shop) == 1 and "--size or --wearing; use another folder" in capsys.readouterr().err


def test_photos_keep_their_size(shop, capsys):
    """x_ij = alpha x_tilde_ij + (1 - alpha) x_i in the photo's own pixels; x_tilde_ij is 55."""
    save(shop.root / "people" / "anna.png", 10, (70, 50))
    shop.painter.alpha = 0.5
    assert run(shop, "--size", "photo") == 0
    red = shop.out / "anna" / "red.png"
    assert Image.open(red).size == (70, 50) and level(red) == pytest.approx(33, abs=1)
    assert Image.open(shop.out / "ben" / "red.png").size == (32, 32)
    shop.painter.sha256 = "1" * 64
    assert run(shop, "--size", "photo") == 1
    assert "was begun with another checkpoint, --size or" in capsys.readouterr().err


def test_advice_is_given_once_for_each_photo(shop, capsys):
    shop.painter.alpha = 1.0
    person = Image.new("RGB", (100, 120), "white")
    person.paste("navy", (30, 20, 70, 120))
    person.save(shop.root / "people" / "anna.png")
    assert run(shop) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Note: ")]
    said = dict(line.removeprefix(f"Note: {shop.root}/").split(" ", 1) for line in notes)
    assert "is too close" in said.pop("people/anna.png")
    assert list(said) == ["people/ben.png", "people/sub/cleo.png", "shop/blue.png", "shop/red.png",
                          "worn/anna.webp", "worn/ben.webp", "worn/sub/cleo.webp"]  # fmt: skip
    assert len(notes) == 8 and all("less than 96 pixels" in line for line in said.values())


def test_every_skipped_file_is_reported(shop, capsys):
    people = shop.root / "people"
    save(people / "anna.jpg", 9)
    (people / "ben.png").write_bytes(b"no image")
    (people / "dora.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (people / "list.txt").write_text("anna")
    (people / "e\x1b[31m\nskipped.txt").touch()  # neither colors the terminal nor begins a line
    (people / "away").symlink_to("/usr")
    (shop.root / "shop" / "scan").write_bytes(b"")
    (shop.root / "worn" / "sub" / "cleo.webp").unlink()
    save(shop.root / "worn" / "dora.png", 3)
    assert run(shop) == 0
    said = capsys.readouterr()
    faults = dict(line.removeprefix(f"skipped {shop.root}/").split(": ", 1)
                  for line in said.err.splitlines() if line.startswith("skipped"))  # fmt: skip
    assert faults["people/ben.png"].startswith("not an image of a known format")
    assert "HEIC" in faults["people/dora.HEIC"] and "JPEG" in faults["people/dora.HEIC"]
    assert faults["people/sub/cleo.png"].startswith("no image of the worn article")
    assert faults["people/away"].startswith("links outside")
    assert faults["people/list.txt"] == faults["shop/scan"] == "is not a photo, by the ending of its name"
    assert r"people/e\x1b[31m\nskipped.txt" in faults
    assert faults["people/anna.png"] == "has the same result anna/red.png as anna.jpg; rename one"
    assert len(faults) == 8 and "wrote 2 images" in said.out
    assert "skipped 9" in said.out  # anna.png once for each article
    assert results(shop) == ["anna/blue.png", "anna/red.png"]


def test_nothing_readable_is_an_error(shop, capsys):
    for path in (shop.root / "people").rglob("*.png"):
        path.rename(path.with_suffix(".txt"))
    assert run(shop) == 1 and "nothing was written; see the skipped inputs" in capsys.readouterr().err
    for path in (shop.root / "people").rglob("*.txt"):
        path.unlink()
    assert run(shop) == 1 and "no photos were found in --humans" in capsys.readouterr().err


def test_results_within_the_folder_of_people_are_not_people(shop, capsys):
    out = shop.root / "people" / "out"
    for _ in range(2):
        assert run(shop, f"--out={out}") == 0
    assert len(list(out.rglob("*.png"))) == 6 and "skipped 0" in capsys.readouterr().out
    assert run(shop, f"--out={shop.root / 'people' / 'second'}") == 0
    said = capsys.readouterr()
    assert "wrote 6 images" in said.out and f"skipped {out}: has the results of another" in said.err
    assert run(shop, f"--out={shop.root / 'shop'}") == 1
    assert "--articles names it too" in capsys.readouterr().err


def test_one_bad_result_does_not_stop_the_rest(shop, capsys, monkeypatch):
    """A name that the file system refuses, a file in the place of a folder, photos that vanish or change."""
    long = "n" * 250
    save(shop.root / "people" / f"{long}.png", 60)
    save(shop.root / "worn" / f"{long}.png", 60)
    shop.out.mkdir()
    (shop.out / "ben").write_text("a file")
    for folder in ("people", "worn"):
        save(shop.root / folder / "dora.png", 60)
    real, opened = PhotoFolder.read, []

    def read(source, path):
        one = source.given, path  # of people/ apart from worn/, as threads read them in any order
        opened.append(one)
        again = source.given.endswith("people") and opened.count(one) > 1
        if path == "anna.png" and again:
            raise FileNotFoundError(f"{path}: no such file")
        return real(source, "ben.png" if path == "dora.png" and again else path)

    monkeypatch.setattr(PhotoFolder, "read", read)
    save(shop.root / "shop" / f"{long}.png", 60)  # with the longest names of files: only folder + name is
    assert run(shop, "--size", "photo") == 0
    said = capsys.readouterr()
    assert "people/dora.png: has changed since" in said.err
    assert "people/anna.png: no such file" in said.err and said.err.count("people/ben.png: ") == 3
    assert f"sub/cleo/{long}.png" in results(shop) and f"{long}/{long}.png" in results(shop)
    (shop.out / "ben").unlink()
    assert run(shop, "--size", "photo") == 0 and "ben/red.png" in results(shop)


def test_a_full_disk_ends_it(shop, monkeypatch, capsys):
    def fail(path, data):
        if path.name != swap_folder.RESULTS:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(swap_folder, "write_atomically", fail)
    assert run(shop) == 1 and "No space left" in capsys.readouterr().err


def test_a_list_stays_in_its_folders_in_which_equal_names_are_different_photos(shop, capsys):
    pairs, root = shop.root / "pairs.csv", shop.root
    for folder in ("people", "worn"):
        save(root / folder / "1.png", 30)
    (root / "shop" / "1.png").write_bytes(b"no image")
    rows = [f"{root}/people/anna.png,anna.webp,{root}/shop/red.png", "../secret.png,anna.webp,red.png",
            "anna.png,x", f"anna.png,anna.webp,{root}/secret.png", "1.png,1.png,red.png",
            "1.png,1.png,1.png"]  # fmt: skip
    pairs.write_text("\n".join(rows))
    assert run(shop, f"--pairs={pairs}") == 0
    said = capsys.readouterr().err
    assert "pairs.csv:2: ../secret.png: points outside" in said
    assert "pairs.csv:3: not a line of human, wearing, article" in said
    assert f"pairs.csv:4: {root}/secret.png: is an absolute path outside" in said
    assert said.count("skipped") == 4 and f"skipped {root}/shop/1.png: not an image" in said
    assert results(shop) == ["1/red.png", "anna/red.png"]


@pytest.mark.parametrize("form, encoding", [
    ("human;wearing;article\r\nanna.png;anna.webp;red.png\r\n", "utf-16"),
    ('"anna.png", anna.webp, red.png ', "utf-8"),
    ("anna.png anna.webp red.png", "utf-8-sig"), ("anna.png\tanna.webp\tred.png\t", "utf-8")])  # fmt: skip
def test_lists_of_every_form_are_read(shop, form, encoding):
    (shop.root / "list.txt").write_bytes(form.encode(encoding))
    assert run(shop, f"--pairs={shop.root / 'list.txt'}") == 0 and results(shop) == ["anna/red.png"]


def test_samples_are_what_a_folder_swap_takes(tmp_path, capsys):
    words = tmp_path / "s", "--people", 2, "--articles", 3
    assert run_command(samples.command, *words) == 0
    found = {p.relative_to(tmp_path / "s").as_posix() for p in (tmp_path / "s").rglob("*.png")}
    assert found == {"people/person_1.png", "people/person_2.png", "worn/person_1.png",
                     "worn/person_2.png", *(f"shop/article_{n}.png" for n in (1, 2, 3))}  # fmt: skip
    assert all(Image.open(tmp_path / "s" / name).size == (96, 128) for name in found)
    assert run_command(samples.command, *words) == 1 and "--overwrite" in capsys.readouterr().err
