"""The photoshoot's files (reproducibility, resumption, splits) and its command line.

Tests of images and geometry: test_photoshoot_pictures.py, test_photoshoot_geometry.py.
"""

import fcntl
import os
import sys

import numpy as np
import pytest

from cagan_theano import weights
from cagan_theano.io.command import main
from data_prep.__main__ import cli
from data_prep.options import cpus
from data_prep.photoshoot import shoot
from data_prep.photoshoot.camera import render
from data_prep.photoshoot.camera.studio import house_of
from data_prep.store import PhotoFile

SIZE = (32, 32)


@pytest.fixture(scope="module")
def shot(tmp_path_factory):
    """The paths of the same small shoot, rendered by one process and by two."""
    paths = [tmp_path_factory.mktemp("shoot") / f"{jobs}.h5" for jobs in (1, 2)]
    for jobs, path in zip((1, 2), paths):
        shoot.shoot(path, 8, SIZE, seed=3, held_out=6, jobs=jobs)
    return paths


def test_the_same_bytes_by_any_number_of_processes(shot):
    assert shot[0].read_bytes() == shot[1].read_bytes()


def test_pictures_do_not_depend_on_their_number_but_on_the_seed_and_the_wardrobe(shot, tmp_path):
    for name, seed, wardrobe in (("few", 3, "paper"), ("other", 4, "paper"), ("shop", 3, "shop")):
        shoot.shoot(tmp_path / name, 2, SIZE, seed=seed, held_out=0, jobs=1, wardrobe=wardrobe)
    first, few, other, shop = (
        PhotoFile.open(path).split("train")
        for path in (shot[0], *(tmp_path / name for name in ("few", "other", "shop")))
    )
    np.testing.assert_array_equal(first.x[:2], few.x[:2])
    assert (few.x[:2] != other.x[:2]).mean() > 0.2 and (few.y[:2] != shop.y[:2]).mean() > 0.1


def test_splits_share_no_person_and_no_garment(shot):
    with PhotoFile.open(shot[0]) as file:
        train, test = file.split("train"), file.split("test")
        assert not set(train.person) & set(test.person)
        assert not set(train.garment) & set(test.garment)
        assert len(set(train.person)) == 3  # eight pairs, up to three sittings each
        assert not any((a == b).all() for a in train.x.load() for b in test.x.load())


def test_only_held_out(tmp_path):
    shoot.shoot(tmp_path / "test.h5", 0, SIZE, held_out=4, jobs=1)
    with PhotoFile.open(tmp_path / "test.h5") as file:
        assert file.splits == ("test",) and len(file.split("test").triples.i) == 4


def is_true(part, split, row):
    """Whether true swap ``row`` equals a rendering of sitter i in garment j."""
    i, j = int(part.triples.i[row]), int(part.triples.j[row])
    sitter, garment = shoot.sitter_of(3, split, i, studio="one"), shoot.garment_of(3, split, j, studio="one")
    x, mask = render.render_worn(sitter, garment, SIZE)
    return (part.triples.x_ij[row] == x).all() and (part.triples.mask[row] == mask).all()


def test_triples_are_rendered_of_sitter_i_in_garment_j(shot):
    with PhotoFile.open(shot[0]) as file:
        test = file.split("test")
        assert (test.garment[test.triples.i] != test.garment[test.triples.j]).all()
        assert all(is_true(test, "test", row) for row in range(6))


def test_pairs_are_rendered_of_one_garment(shot):
    with PhotoFile.open(shot[0]) as file:
        train = file.split("train")
        for row in (0, 5):
            garment = shoot.garment_of(3, "train", row, studio="one")
            x, mask = render.render_worn(shoot.sitter_of(3, "train", row, studio="one"), garment, SIZE)
            np.testing.assert_array_equal(train.x[row], x)
            np.testing.assert_array_equal(train.mask[row], mask)
            np.testing.assert_array_equal(train.y[row], render.render_article(garment, SIZE, house_of(3)))
            for name, codes in train.attributes.items():
                assert train.names[name][codes[row]] == str(getattr(garment, name))


def test_true_swaps_to_train_on_change_nothing_else(shot, tmp_path):
    """More swaps than pairs, by any number of processes; all other rows are the same as without them."""
    paths = [tmp_path / f"{jobs}.h5" for jobs in (1, 2)]
    for jobs, path in zip((1, 2), paths):
        shoot.shoot(path, 8, SIZE, seed=3, held_out=6, jobs=jobs, true_swaps=11)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with PhotoFile.open(shot[0]) as without, PhotoFile.open(paths[0]) as file:
        for name, rows in without.datasets():
            np.testing.assert_array_equal(file._file[name][...], rows.load())
        assert "true_swaps" not in without.provenance["arguments"]
        train = file.split("train")
        assert train.triples.i.tolist() == [*range(8), 0, 1, 2]
        assert (train.garment[train.triples.i] != train.garment[train.triples.j]).all()
        assert is_true(train, "train", 0) and is_true(train, "train", 10)


def test_a_share_of_swaps_is_of_one_style_in_two_colors():
    worn = shoot.worn_by(120)
    swaps = [shoot.swap_of(0, "test", index, 120) for index in range(600)]
    share = np.mean(
        [{worn[i], worn[j]} in ({n - 1, n} for n in worn if shoot.recolored(n)) for i, j in swaps]
    )
    assert share == pytest.approx(shoot.SAME_STYLE, abs=0.06)


# ---------------------------------------------------------------- interrupted


@pytest.fixture
def interrupted(shot, tmp_path, monkeypatch):
    """(path of a shoot that is interrupted at its tenth image, list of all render calls)."""
    calls, worn = [], render.render_worn

    def render_worn(*arguments):
        calls.append(arguments)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return worn(*arguments)

    monkeypatch.setattr(render, "render_worn", render_worn)
    monkeypatch.setattr(shoot._mapper, "CHUNK", 64)  # so few images are rendered in this process
    with pytest.raises(KeyboardInterrupt, match="run the same command again"):
        shoot.shoot(tmp_path / "o.h5", 8, SIZE, seed=3, held_out=6, jobs=1)
    assert os.listdir(tmp_path) == ["o.h5.work"]
    return tmp_path / "o.h5", calls


def test_an_interrupted_shoot_goes_on_to_the_same_bytes(shot, interrupted):
    path, calls = interrupted
    shoot.shoot(path, 8, SIZE, seed=3, held_out=6, jobs=1)
    assert len(calls) == 10 + 20 - 9  # only the interrupted image is rendered again
    assert path.read_bytes() == shot[0].read_bytes() and os.listdir(path.parent) == ["o.h5"]


@pytest.mark.parametrize(
    "changed", [dict(seed=4), dict(wardrobe="shop"), dict(size=(48, 32)), dict(clutter=True)]
)
def test_another_setting_begins_anew(interrupted, changed):
    path, calls = interrupted
    shoot.shoot(path, **{**dict(pairs=4, size=SIZE, seed=3, held_out=0, jobs=1), **changed})
    assert len(calls) == 10 + 4
    with PhotoFile.open(path) as file:
        assert len(file.split("train")) == 4


def test_going_on_is_not_overwriting(interrupted, capsys):
    path, calls = interrupted
    words = ["photoshoot", path, "--pairs", 8, "--held-out", 6, "--size", "{}x{}".format(*SIZE), "--jobs", 1]
    assert run(capsys, *words, "--seed", 3)[0] == 0 and len(calls) == 10 + 20 - 9
    before = path.read_bytes()
    code, said = run(capsys, *words, "--seed", 3)
    assert code == 1 and "exists already" in said.err and len(calls) == 10 + 20 - 9
    calls.clear()  # the tenth call raises again
    assert run(capsys, *words, "--seed", 4, "--overwrite")[0] == 130 and path.read_bytes() == before
    assert run(capsys, *words, "--seed", 4)[0] == 1 and os.path.isfile(f"{path}.work")
    assert run(capsys, *words, "--seed", 4, "--overwrite")[0] == 0 and len(calls) == 10 + 20 - 9
    assert path.read_bytes() != before and os.listdir(path.parent) == ["o.h5"]


def test_the_shipped_renderings_are_rendered_again():
    """Training images are trusted to be those of a version: who changes them must raise the version.

    Another processor may round differently, and JPEG spreads it.
    """
    with PhotoFile(weights.held_out(128, 96)) as file:
        origin, test = file.provenance, file.split("test")
        if origin["version"] != shoot.VERSION:
            pytest.skip(f"the shipped renderings are of version {origin['version']}")
        given = origin["arguments"]
        setting = shoot.Setting(origin["seed"], (128, 96), studio=given.get("studio", "many"))
        assert origin == shoot.provenance(setting, 0, len(test))
        for n in range(3):
            found, swap = (
                shoot.make_pair(setting, "test", n),
                shoot.make_triple(setting, "test", len(test), n),
            )
            shown = {"x": test.x[n], "y": test.y[n], "mask": test.mask[n]}
            for name, image in shown.items():
                assert np.abs(found[name].astype(int) - image).mean() < 0.5, (n, name)
            assert (swap["i"], swap["j"]) == (test.triples.i[n], test.triples.j[n])
            for name in ("x_ij", "mask"):
                image = getattr(test.triples, name)[n]
                assert np.abs(swap[name].astype(int) - image).mean() < 0.5, (n, name)


def test_a_killed_process_ends_the_shoot(monkeypatch):
    """A pool waits for ever for the results of a process that was killed."""
    monkeypatch.setattr(shoot._mapper, "PATIENCE", 0.2)
    with shoot._mapper(2) as run, pytest.raises(ValueError, match="a process was killed, .* fewer --jobs"):
        list(run(os._exit, [9] * 40))


def test_two_shoots_do_not_write_one_file(interrupted):
    path, _ = interrupted
    with open(f"{path}.work") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="is in use by another run"):
            shoot.shoot(path, 8, SIZE, seed=3, held_out=6, jobs=1)


def test_a_work_file_of_something_else_is_not_touched(tmp_path):
    (tmp_path / "o.h5.work").write_text("my notes\n" * 500)
    with pytest.raises(ValueError, match="not a data_prep work file"):
        shoot.shoot(tmp_path / "o.h5", 4, SIZE, held_out=0, jobs=1)
    assert (tmp_path / "o.h5.work").read_text() == "my notes\n" * 500


# ---------------------------------------------------------------- command line


def run(capsys, *args):
    """Run ``python -m data_prep ARGS``: (exit code, captured output)."""
    with pytest.raises(SystemExit) as done:
        main(cli, list(map(str, args)))
    return done.value.code, capsys.readouterr()


@pytest.mark.parametrize(
    "args, words",
    [
        (("photoshoot", "a.h5", "--size", "100x96"), "multiples of 16"),
        (("photoshoot", "a.h5", "--size", "big"), "HEIGHTxWIDTH"),
        (("photoshoot", "none/a.h5", "--size", "64x48"), "does not exist"),
        (("photoshoot", "a.h5", "--pairs", "0", "--held-out", "0"), "not both 0"),
        (("photoshoot", "a.h5", "--held-out", "2"), "at least 4"),
        (("photoshoot", "a.h5", "--jobs", "0"), "at least 1"),
        (("photoshoot", "a.h5", "--wardrobe", "mine"), "'mine' is not one of"),
        (("photoshoot", "a.h5", "--pairs", "3", "--true-swaps", "2"), "at least 4 --pairs"),
        (("inspect", "a.h5"), "no such file"),
        (("develop",), "No such command"),
    ],
)
def test_errors_are_one_line(capsys, tmp_path, monkeypatch, args, words):
    monkeypatch.chdir(tmp_path)
    code, out = run(capsys, *args)
    lines = out.err.strip().splitlines()
    assert code == 1 and lines[-1].startswith("Error: ") and words in lines[-1]
    assert "Traceback" not in out.err and os.listdir(tmp_path) == []


def test_without_embreex_one_line_names_the_cure(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "embreex", None)  # simulates a missing package
    code, out = run(capsys, "photoshoot", tmp_path / "a.h5", "--pairs", 4, "--held-out", 0)
    assert code == 1 and out.err.splitlines() == [
        "Error: the photoshoot needs the package embreex, which is not installed: pip install embreex"
    ]
    assert os.listdir(tmp_path) == []


def test_as_many_processes_as_the_process_has_cpus():
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("no CPU affinity on this platform")
    allowed = os.sched_getaffinity(0)
    assert cpus() == len(allowed)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert cpus() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_inspect(capsys, shot, tmp_path):
    code, out = run(capsys, "inspect", shot[0], "--sheet", tmp_path / "sheet.png")
    assert code == 0 and "train: 8 pairs, 3 persons" in out.out and "6 true swaps" in out.out
    assert (tmp_path / "sheet.png").stat().st_size > 1000


@pytest.mark.parametrize("given, held_out", [(["--pairs", "6"], 6), (["--pairs", "0"], 4), ([], 512)])
def test_no_more_is_held_out_than_trained_on(tmp_path, monkeypatch, given, held_out):
    asked = []
    monkeypatch.setattr(shoot, "shoot", lambda out, pairs, size, seed, count, *_: asked.append(count))
    with pytest.raises(SystemExit) as left:
        main(cli, ["photoshoot", str(tmp_path / "o.h5"), *given])
    assert left.value.code == 0 and asked == [held_out]
