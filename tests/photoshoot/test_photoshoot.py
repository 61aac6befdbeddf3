"""The photoshoot's files (reproducibility, resumption, splits) and its command line.

Tests of images and geometry: test_photoshoot_pictures.py, test_photoshoot_geometry.py.
"""

import os
import sys

import numpy as np
import pytest
from conftest import run_command

from data_prep.__main__ import cli
from data_prep.options import cpus
from data_prep.photoshoot import shoot
from data_prep.photoshoot.camera import render
from data_prep.store import PhotoFile

SIZE = (32, 32)
SETTING = shoot.Setting(3, SIZE, studio="one")


@pytest.fixture(scope="module")
def shot(tmp_path_factory):
    """The path of a small shoot; 14 images."""
    path = tmp_path_factory.mktemp("shoot") / "a.h5"
    shoot.shoot(path, 6, SIZE, seed=3, held_out=4, jobs=1)
    return path


def test_the_same_bytes_by_any_number_of_processes(shot, tmp_path):
    shoot.shoot(tmp_path / "b.h5", 6, SIZE, seed=3, held_out=4, jobs=2)
    assert (tmp_path / "b.h5").read_bytes() == shot.read_bytes()


def test_images_depend_on_split_seed_wardrobe_and_studio_but_not_on_their_number(shot):
    with PhotoFile(shot) as file:
        first = {name: getattr(file.split("train"), name)[1] for name in ("x", "y")}
        assert len(set(file.split("train").person)) == 2  # three sittings each
    same = shoot.make_pair(SETTING, "train", 1)
    assert all((same[name] == image).all() for name, image in first.items())
    for split, seed, wardrobe, studio in (
        ("test", 3, "paper", "one"), ("train", 4, "paper", "one"), ("train", 3, "shop", "one"),
        ("train", 3, "paper", "many")):  # fmt: skip
        other = shoot.make_pair(shoot.Setting(seed, SIZE, False, wardrobe, studio), split, 1)
        assert any((other[name] != image).mean() > 0.1 for name, image in first.items())


# mean levels of the test images of each version
LEVELS = {6: dict(x=[207.0, 199.9, 217.8, 208.7], y=[216.1, 199.1, 233.2, 233.2],
                  mask=[73.2, 72.6, 66.9, 76.3], x_ij=[217.7, 207.6, 197.1, 193.8])}  # fmt: skip


def test_who_changes_the_images_raises_the_version(shot):
    """Another processor may round differently, and JPEG spreads it."""
    with PhotoFile(shot) as file:
        assert file.provenance["arguments"]["studio"] == "one"  # the default of the paper's wardrobe
        test, version = file.split("test"), file.provenance["version"]
        images = dict(x=test.x, y=test.y, mask=test.mask, x_ij=test.triples.x_ij)
        levels = {name: rows.load().reshape(4, -1).mean(1) for name, rows in images.items()}
    for name, expected in LEVELS[version].items():
        np.testing.assert_allclose(levels[name], expected, atol=0.5)


def test_pairs_and_swaps_are_rendered_of_their_sitters_and_garments(shot):
    with PhotoFile(shot) as file:
        test, swaps = file.split("test"), file.split("test").triples
        for row in (0, 3):
            garment = shoot.garment_of(SETTING, "test", row)
            x, mask = render.render_worn(shoot.sitter_of(SETTING, "test", row), garment, SIZE)
            np.testing.assert_array_equal(test.x[row], x)
            np.testing.assert_array_equal(test.mask[row], mask)
            np.testing.assert_array_equal(test.y[row], render.render_article(garment, SIZE, SETTING.house))
            for name, codes in test.attributes.items():
                assert test.names[name][codes[row]] == str(getattr(garment, name))
            i, j = int(swaps.i[row]), int(swaps.j[row])
            assert test.garment[i] != test.garment[j]
            sitter, other = shoot.sitter_of(SETTING, "test", i), shoot.garment_of(SETTING, "test", j)
            x_ij, mask = render.render_worn(sitter, other, SIZE)
            np.testing.assert_array_equal(swaps.x_ij[row], x_ij)
            np.testing.assert_array_equal(swaps.mask[row], mask)


def test_a_share_of_swaps_is_of_one_style_in_two_colors():
    worn = [shoot.casting(row)[1] for row in range(120)]
    styles = [{n - 1, n} for n in worn if shoot.is_recolored(n)]
    swaps = [shoot.swap_of(SETTING, "test", index, 120) for index in range(600)]
    share = np.mean([{worn[i], worn[j]} in styles for i, j in swaps])
    assert share == pytest.approx(shoot.SAME_STYLE, abs=0.06)


@pytest.fixture
def drawn(monkeypatch):
    """Images are drawn at random from the seeds of sitter and garment: the list of all calls for x."""
    calls = []

    def draw(garment, size, *seeds):
        rng = np.random.default_rng([garment.seed, *seeds])
        return rng.integers(0, 255, (*size, 3), np.uint8)

    def render_worn(sitter, garment, size):
        calls.append(sitter)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return draw(garment, size, sitter.seed, sitter.clutter), draw(garment, size)[..., 0]

    monkeypatch.setattr(render, "render_worn", render_worn)
    monkeypatch.setattr(render, "render_article", lambda garment, size, house: draw(garment, size))
    monkeypatch.setattr(shoot, "FEW", 64)  # so few images are rendered in this process
    return calls


@pytest.fixture
def interrupted(drawn, tmp_path):
    """The path of a shoot that is interrupted at its tenth image."""
    with pytest.raises(KeyboardInterrupt, match="run the same command again"):
        shoot.shoot(tmp_path / "o.h5", 8, SIZE, seed=3, held_out=6, jobs=1)
    assert os.listdir(tmp_path) == ["o.h5.work"]
    return tmp_path / "o.h5"


def test_interrupted_shoot_continues_to_the_same_bytes_without_overwrite(interrupted, drawn):
    path, whole = interrupted, interrupted.with_name("whole.h5")
    words = ["photoshoot", path, "--pairs", 8, "--held-out", 6, "--size", "{}x{}".format(*SIZE), "--jobs", 1]
    assert run_command(cli, *words, "--seed", 3) == 0
    assert len(drawn) == 10 + 20 - 9  # only the interrupted image is rendered again
    shoot.shoot(whole, 8, SIZE, seed=3, held_out=6, jobs=1)
    before = whole.read_bytes()
    assert path.read_bytes() == before and sorted(os.listdir(path.parent)) == ["o.h5", "whole.h5"]
    assert run_command(cli, *words, "--seed", 3) == 1 and len(drawn) == 10 + 20 - 9 + 20
    drawn.clear()  # the tenth call raises again
    assert run_command(cli, *words, "--seed", 4, "--overwrite") == 130 and path.read_bytes() == before
    assert run_command(cli, *words, "--seed", 4) == 1 and os.path.isfile(f"{path}.work")
    assert run_command(cli, *words, "--seed", 4, "--overwrite") == 0 and path.read_bytes() != before


CHANGES = dict(seed=4, wardrobe="shop", size=(48, 32), clutter=True, studio="many")


@pytest.mark.parametrize("name", CHANGES)
def test_another_setting_begins_anew(interrupted, drawn, name):
    given = dict(pairs=4, size=SIZE, seed=3, held_out=0, jobs=1) | {name: CHANGES[name]}
    shoot.shoot(interrupted, **given)
    assert len(drawn) == 10 + 4


def test_true_swaps_to_train_on_change_nothing_else(drawn, tmp_path):
    """More swaps than pairs; all other rows are the same as without them."""
    drawn.extend([None] * 10)  # past the interruption
    for name, swaps in (("without", 0), ("with", 7)):
        shoot.shoot(tmp_path / name, 6, SIZE, seed=3, held_out=4, jobs=1, true_swaps=swaps)
    with PhotoFile(tmp_path / "without") as without, PhotoFile(tmp_path / "with") as file:
        for name, rows in without.datasets():
            np.testing.assert_array_equal(file._file[name][...], rows.load())
        assert "true_swaps" not in without.provenance["arguments"]
        train = file.split("train")
        assert train.triples.i.tolist() == [*range(6), 0]
        assert (train.garment[train.triples.i] != train.garment[train.triples.j]).all()


def test_a_killed_process_ends_the_shoot():
    with pytest.raises(ValueError, match="a process was killed, .* fewer --jobs"):
        list(shoot.map_in_processes(2, os._exit, [9] * 40))


@pytest.mark.parametrize("args, words", [
    (("photoshoot", "a.h5", "--size", "100x96"), "multiples of 16"),
    (("photoshoot", "a.h5", "--size", "big"), "HEIGHTxWIDTH"),
    (("photoshoot", "none/a.h5", "--size", "64x48"), "does not exist"),
    (("photoshoot", "a.h5", "--pairs", "0", "--held-out", "0"), "not both 0"),
    (("photoshoot", "a.h5", "--held-out", "2"), "at least 4"),
    (("photoshoot", "a.h5", "--jobs", "0"), "at least 1"),
    (("photoshoot", "a.h5", "--studio", "mine"), "'mine' is not one of"),
    (("photoshoot", "a.h5", "--pairs", "3", "--true-swaps", "2"), "at least 4 --pairs"),
    (("photoshoot", "a.h5", "--pairs", "4"),
     "needs the package embreex, which is not installed: pip install embreex"),
])  # fmt: skip
def test_errors_are_one_line(capsys, tmp_path, monkeypatch, args, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "embreex", None)  # simulates a missing package
    assert run_command(cli, *args) == 1
    said = capsys.readouterr().err
    assert said.splitlines()[-1].startswith("Error: ") and words in said.splitlines()[-1]
    assert "Traceback" not in said and os.listdir(tmp_path) == []


def test_as_many_processes_as_the_process_has_cpus(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    assert cpus() == 2


@pytest.mark.parametrize("given, held_out", [(["--pairs", "6"], 6), (["--pairs", "0"], 4), ([], 512)])
def test_no_more_is_held_out_than_trained_on(tmp_path, monkeypatch, given, held_out):
    asked = []
    monkeypatch.setattr(shoot, "shoot", lambda *_, held_out, **__: asked.append(held_out))
    assert run_command(cli, "photoshoot", tmp_path / "o.h5", *given) == 0 and asked == [held_out]
