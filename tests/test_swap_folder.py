"""A folder of people in a folder of articles: overlapped, resumable, faults told and left out."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from cagan_theano.dressing import swap_folder
from cagan_theano.dressing.swap_folder import Folders, Job, Source
from cagan_theano.io.command import main
from cagan_theano.model import Swap


class Painter:
    """A model that paints x_ij as the mean of x_i and y_j, and counts what it paints."""

    sha256, config = "0" * 64, SimpleNamespace(height=32, width=32, takes_mask=False)

    def __init__(self):
        self.sizes, self.alpha, self.worn_of = [], 0.0, []

    def worn(self, x_i, y_j, batch_size):
        self.worn_of.append(len(np.unique(x_i.reshape(len(x_i), -1), axis=0)))
        return np.zeros_like(x_i)

    def swap(self, x_i, y_i, y_j, batch_size):
        assert x_i.shape == y_i.shape == y_j.shape == (batch_size, 32, 32, 3)
        self.sizes.append(len(x_i))
        mean = ((x_i.astype(int) + y_j) // 2).astype(np.uint8)
        return Swap(np.full(x_i.shape[:3], self.alpha, np.float32), mean, mean)


def save(path, level):
    """A flat 32x32 picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((32, 32, 3), level, np.uint8)).save(path)


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
    return SimpleNamespace(root=tmp_path, painter=painter)


def run(shop, *words):
    """The exit code of the command on the shop."""
    folders = [
        f"--{option}={shop.root / name}"
        for option, name in [
            ("humans", "people"),
            ("wearing", "worn"),
            ("articles", "shop"),
            ("out", "out"),
        ]
    ]
    with pytest.raises(SystemExit) as left:
        main(swap_folder.command, [*folders, "--batch-size", "4", "--threads", "2", *words])
    return left.value.code


def level(path):
    """The one level of a flat picture."""
    values = np.unique(np.asarray(Image.open(path)))
    assert len(values) == 1
    return values[0]


def test_without_worn_articles_a_first_pass_cuts_them_out(shop):
    (shop.root / "pairs.csv").write_text("anna.png,red.png\nsub/cleo.png,blue.png\n")
    folders = [f"--{name}={shop.root / folder}" for name, folder in
               (("humans", "people"), ("articles", "shop"), ("out", "out"))]  # fmt: skip
    for words, count in (([f"--pairs={shop.root / 'pairs.csv'}"], 2), ([], 6)):
        with pytest.raises(SystemExit) as left:
            main(swap_folder.command, [*folders, *words])
        assert left.value.code == 0 and len(list((shop.root / "out").rglob("*.png"))) == count
    assert level(shop.root / "out" / "anna" / "red.png") == 50
    assert shop.painter.worn_of == [2, 3]  # different people of each batch, of which two pairs were there


def test_everyone_in_everything_and_no_more_the_second_time(shop, capsys):
    assert run(shop) == 0
    out = shop.root / "out"
    assert level(out / "anna" / "red.png") == 50 and level(out / "ben" / "blue.png") == 110
    assert level(out / "sub" / "cleo" / "blue.png") == 120
    assert len(list(out.rglob("*.png"))) == 6 and shop.painter.sizes == [4, 4]
    (out / "ben" / "red.png").unlink()
    stamp = (out / "anna" / "red.png").stat().st_mtime_ns
    assert run(shop) == 0 and shop.painter.sizes == [4, 4, 4]
    assert (out / "ben" / "red.png").exists()
    assert (out / "anna" / "red.png").stat().st_mtime_ns == stamp
    assert "wrote 1 images" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize("alpha, expected", [(0.0, 10), (0.5, 33), (1.0, 55)])
def test_photos_keep_their_size_where_asked(shop, alpha, expected, capsys):
    """x_ij = alpha x_tilde_ij + (1 - alpha) x_i in the photo's own pixels; x_tilde_ij is 55."""
    Image.new("RGB", (70, 50), (10, 10, 10)).save(shop.root / "people" / "anna.png")
    shop.painter.alpha = alpha
    assert run(shop, "--keep-size") == 0
    red = shop.root / "out" / "anna" / "red.png"
    assert Image.open(red).size == (70, 50) and level(red) == pytest.approx(expected, abs=1)
    assert Image.open(shop.root / "out" / "ben" / "red.png").size == (32, 32)
    assert run(shop) == 1 and "--keep-size or --wearing; give another" in capsys.readouterr().err


def test_advice_is_told_once_for_each_photo(shop, capsys):
    """Of the 32-pixel photos; a large one of another size is judged without its padding."""
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


def test_bad_pictures_are_told_and_left_out(shop, capsys):
    (shop.root / "people" / "ben.png").write_bytes(b"no picture")
    (shop.root / "worn" / "sub" / "cleo.webp").unlink()
    assert run(shop) == 0
    said = capsys.readouterr()
    assert f"skipped {shop.root}/people/ben.png: not an image of a known format" in said.err
    assert f"skipped {shop.root}/people/sub/cleo.png: no image of the worn article" in said.err
    assert "Traceback" not in said.err and "wrote 2 images" in said.out
    assert {p.name for p in (shop.root / "out" / "anna").iterdir()} == {"red.png", "blue.png"}
    assert not (shop.root / "out" / "ben").exists()


def test_equal_names_in_two_folders_are_two_photos(shop, capsys):
    """Photos of people and articles are often numbered alike."""
    for folder in ("people", "worn", "shop"):
        save(shop.root / folder / "1.png", 30)
    (shop.root / "shop" / "1.png").write_bytes(b"no picture")
    pairs = shop.root / "pairs.csv"
    pairs.write_text("1.png,1.png,red.png\n1.png,1.png,1.png\n")
    assert run(shop, f"--pairs={pairs}") == 0
    said = capsys.readouterr()
    assert "wrote 1 images" in said.out and (shop.root / "out/1/red.png").exists()
    assert said.err.count("skipped") == 1 and f"skipped {shop.root}/shop/1.png: not an image" in said.err


def test_a_link_to_a_folder_above_is_followed_once(shop):
    (shop.root / "people" / "again").symlink_to(shop.root / "people")
    assert run(shop) == 0 and len(list((shop.root / "out").rglob("*.png"))) == 6


def test_measuring_without_photos_is_one_line(shop, capsys):
    assert run(shop, "--measure", "2") == 0 and "all at once" in capsys.readouterr().out
    assert run(shop) == 0 and run(shop, "--measure", "2") == 1
    assert "--measure: no photos to measure with are left" in capsys.readouterr().err
    (shop.root / "people" / "anna.png").write_bytes(b"no picture")
    assert run(shop, "--measure", "4", f"--out={shop.root / 'second'}") == 0


def test_cut_out_and_given_worn_articles_do_not_mix(shop, capsys):
    assert run(shop) == 0
    folders = [f"--{name}={shop.root / folder}" for name, folder in
               (("humans", "people"), ("articles", "shop"), ("out", "out"))]  # fmt: skip
    with pytest.raises(SystemExit) as left:
        main(swap_folder.command, folders)
    assert left.value.code == 1 and "--wearing; give another folder" in capsys.readouterr().err


def test_a_list_stays_in_its_folders(shop, capsys):
    pairs = shop.root / "pairs.csv"
    pairs.write_text("anna.png,anna.webp,red.png\n../secret.png,anna.webp,red.png\nanna.png,x\n")
    assert run(shop, f"--pairs={pairs}") == 0
    said = capsys.readouterr().err
    assert "pairs.csv:2: ../secret.png: points outside" in said
    assert "pairs.csv:3: not a line of human, wearing, article" in said
    assert [p.name for p in (shop.root / "out").rglob("*.png")] == ["red.png"]


def test_a_list_may_hold_absolute_paths_inside_its_folders(shop, capsys):
    pairs, root = shop.root / "pairs.csv", shop.root
    pairs.write_text(
        f"{root}/people/anna.png,anna.webp,{root}/shop/red.png\nanna.png,anna.webp,{root}/secret.png\n"
    )
    assert run(shop, f"--pairs={pairs}") == 0
    assert f"pairs.csv:2: {root}/secret.png: is an absolute path outside" in capsys.readouterr().err
    assert [p.relative_to(root / "out").as_posix() for p in (root / "out").rglob("*.png")] == ["anna/red.png"]


def test_another_checkpoint_does_not_mix(shop, capsys):
    assert run(shop) == 0
    shop.painter.sha256 = "1" * 64
    assert run(shop) == 1
    assert "was begun with another checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize("slowest", ["read", "paint", "write"])
def test_the_whole_takes_little_longer_than_its_slowest_part(slowest):
    """Parts that only wait show how far they overlap; each is timed, for a busy machine is late."""
    jobs = [Job(f"h{n}", "w", "a", f"{n}.png") for n in range(64)]
    spent, picture, written = dict(read=0, paint=0, write=0), np.zeros((2, 2, 3), np.uint8), []

    def wait(part, pictures=1):
        start = time.perf_counter()
        time.sleep((0.03 if part == slowest else 0.015) * pictures)
        spent[part] += time.perf_counter() - start  # no two threads do the same part

    def slow_read(path):
        if path.startswith("h"):
            wait("read")
        return picture

    def paint(x_i, y_i, y_j):
        wait("paint", len(x_i))
        return x_i

    def write(job, picture):
        wait("write")
        written.append(job)

    start = time.perf_counter()
    assert swap_folder.dress(jobs, (slow_read,) * 3, paint, write, 4, 1) == (64, [])
    took = time.perf_counter() - start
    assert sorted(written) == sorted(jobs)
    # the first batch must be read before it is painted, the last painted before it is written
    assert took < 1.2 * max(spent.values()) + 0.5
    assert took < 0.8 * sum(spent.values())


def test_a_full_disk_ends_it():
    def write(job, picture):
        raise OSError("no space left")

    jobs = [Job("h", "w", "a", f"{n}.png") for n in range(5)]
    with pytest.raises(OSError, match="no space"):
        swap_folder.dress(
            jobs, (lambda path: np.zeros((2, 2, 3), np.uint8),) * 3, lambda x, *_: x, write, 2, 1
        )


def test_two_results_of_one_name_are_told(tmp_path):
    for name in ("a.png", "a.jpg"):
        save(tmp_path / "people" / name, 5)
    save(tmp_path / "worn" / "a.png", 5)
    save(tmp_path / "shop" / "red.png", 5)
    folders = Folders(*(Source(tmp_path / name) for name in ("people", "worn", "shop")))
    faults = []
    jobs = list(
        swap_folder.unfinished(swap_folder.all_jobs(folders, "png"), tmp_path, faults, folders.humans)
    )
    assert len(jobs) == 1 and "rename one" in faults[0][1]


def test_samples_are_what_a_folder_swap_takes(tmp_path, capsys):
    from cagan_theano.dressing import samples

    with pytest.raises(SystemExit) as left:
        main(samples.command, [str(tmp_path / "s"), "--people", "2", "--articles", "3"])
    assert left.value.code == 0, capsys.readouterr().err
    found = {p.relative_to(tmp_path / "s").as_posix() for p in (tmp_path / "s").rglob("*.png")}
    assert found == {"people/person_1.png", "people/person_2.png", "worn/person_1.png",
                     "worn/person_2.png", *(f"shop/article_{n}.png" for n in (1, 2, 3))}  # fmt: skip
    assert all(Image.open(tmp_path / "s" / name).size == (96, 128) for name in found)
    with pytest.raises(SystemExit):
        main(samples.command, [str(tmp_path / "s"), "--people", "2"])
    assert "--overwrite" in capsys.readouterr().err
