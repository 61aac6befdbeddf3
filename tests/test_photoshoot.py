"""The photoshoot: reproducible, true swaps are true, masks and prints are where they should be."""
import dataclasses
import os

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from data_prep.__main__ import cli
from data_prep.command import main
from data_prep.photoshoot import render, shoot
from data_prep.photoshoot.canvas import tube
from data_prep.photoshoot.garment import SLEEVE_END, sample_garment
from data_prep.photoshoot.sitter import sample_sitter
from data_prep.store import PhotoFile

SIZE = (64, 48)
CHANGED = 12  # levels: more than noise and soft shadows, less than any change of cloth
SOFT = 3  # pixels over which a garment's soft shadow reaches beyond it


def sitter(number=0):
    return sample_sitter(np.random.default_rng([1, number]))


def garment(number=0, **changes):
    return dataclasses.replace(sample_garment(np.random.default_rng([2, number])), **changes)


def plain(color, **changes):
    """A regular crew-neck pullover of one color."""
    fields = dict(cut="regular", neckline="crew", sleeve="long", pattern="plain", trim="none",
                  pocket=False, strings=False, wide=.04, deep=.028, length=.63, rib=.03,
                  colors=(color, (.9, .8, .1), (.1, .6, .2)), details={})
    return garment(0, **{**fields, **changes})


@pytest.fixture(scope="module")
def shot(tmp_path_factory):
    """The same small shoot by one process and by two: their paths."""
    paths = [tmp_path_factory.mktemp("shoot") / f"{jobs}.h5" for jobs in (1, 2)]
    for jobs, path in zip((1, 2), paths):
        shoot.shoot(path, 7, SIZE, seed=3, held_out=6, jobs=jobs)
    return paths


def test_the_same_bytes_by_any_number_of_processes(shot):
    assert shot[0].read_bytes() == shot[1].read_bytes()


def test_pictures_do_not_depend_on_their_number_but_on_the_seed(shot, tmp_path):
    for seed, path in ((3, tmp_path / "few.h5"), (4, tmp_path / "other.h5")):
        shoot.shoot(path, 2, SIZE, seed=seed, held_out=0, jobs=1)
    first, few, other = (PhotoFile.open(p).split("train").x[:2]
                         for p in (shot[0], tmp_path / "few.h5", tmp_path / "other.h5"))
    np.testing.assert_array_equal(first, few)
    assert (few != other).mean() > .2


def test_splits_share_no_person_and_no_garment(shot):
    with PhotoFile.open(shot[0]) as file:
        train, test = file.split("train"), file.split("test")
        assert not set(train.person) & set(test.person)
        assert not set(train.garment) & set(test.garment)
        assert len(set(train.person)) == 3  # seven pairs, three sittings each
        assert not any((a == b).all() for a in train.x.load() for b in test.x.load())


def test_only_held_out(tmp_path):
    shoot.shoot(tmp_path / "test.h5", 0, SIZE, held_out=4, jobs=1)
    with PhotoFile.open(tmp_path / "test.h5") as file:
        assert file.splits == ("test",) and len(file.split("test").triples.i) == 4


def test_triples_are_rendered_of_sitter_i_in_garment_j(shot):
    with PhotoFile.open(shot[0]) as file:
        test = file.split("test")
        for row, (i, j) in enumerate(zip(test.triples.i, test.triples.j)):
            assert test.garment[i] != test.garment[j]
            x, mask = render.render_worn(shoot.sitter_of(3, "test", int(i)),
                                         shoot.garment_of(3, "test", int(j)), SIZE)
            np.testing.assert_array_equal(test.triples.x_ij[row], x)
            np.testing.assert_array_equal(test.triples.mask[row], mask)


def test_true_swaps_to_train_on_change_nothing_else(shot, tmp_path):
    """More swaps than pairs, by any number of processes, beside the same rows as without."""
    paths = [tmp_path / f"{jobs}.h5" for jobs in (1, 2)]
    for jobs, path in zip((1, 2), paths):
        shoot.shoot(path, 7, SIZE, seed=3, held_out=6, jobs=jobs, true_swaps=10)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with PhotoFile.open(shot[0]) as without, PhotoFile.open(paths[0]) as file:
        for name, rows in without.datasets():
            np.testing.assert_array_equal(file._file[name][...], rows.load())
        assert "true_swaps" not in without.provenance["arguments"]
        train = file.split("train")
        i, j = train.triples.i, train.triples.j
        assert i.tolist() == [*range(7), 0, 1, 2] and (train.garment[i] != train.garment[j]).all()
        for row in (0, 9):
            x, mask = render.render_worn(shoot.sitter_of(3, "train", int(i[row])),
                                         shoot.garment_of(3, "train", int(j[row])), SIZE)
            np.testing.assert_array_equal(train.triples.x_ij[row], x)
            np.testing.assert_array_equal(train.triples.mask[row], mask)


@pytest.mark.parametrize("n", range(3))
def test_swapping_a_garment_with_itself_is_the_photo(n):
    first, again = (render.render_worn(sitter(n), garment(n), SIZE) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])


@pytest.mark.parametrize("n", range(4))
def test_nothing_changes_outside_the_garments(n):
    (a, mask_a), (b, mask_b) = (render.render_worn(sitter(n), garment(k), SIZE)
                                for k in (n, n + 10))
    change = np.abs(a.astype(int) - b).max(2)
    near = binary_dilation((mask_a > 0) | (mask_b > 0), iterations=SOFT)
    assert change[~near].max() <= CHANGED
    head = change[:8]
    assert head.max() == 0  # hair and forehead: the same to the last bit


@pytest.mark.parametrize("n", range(4))
def test_the_mask_is_where_the_color_changes(n):
    (a, mask), (b, _) = (render.render_worn(sitter(n), plain(color), SIZE)
                         for color in ((.9, .1, .1), (.1, .2, .9)))
    change = np.abs(a.astype(int) - b).max(2)
    region = mask > 127
    changed = change > np.median(change[region]) / 2
    assert (changed & region).sum() / (changed | region).sum() > .93


@pytest.mark.parametrize("kind", ["worn", "article"])
def test_a_print_appears_on_the_chest(kind):
    details = dict(kind=0, at=.145, size=.05, letters=[0, 1], angle=0.0)
    base = plain((.9, .9, .9))
    printed = dataclasses.replace(base, pattern="print", details=details,
                                  colors=((.9, .9, .9), (.8, .1, .1), (.1, .1, .8)))
    person = dataclasses.replace(sitter(0), hair_front=(0.0, 0.0), yaw=0.0)
    photo = {"worn": lambda g: render.render_worn(person, g, SIZE)[0],
             "article": lambda g: render.render_article(g, SIZE)}[kind]
    changed = np.abs(photo(base).astype(int) - photo(printed)).max(2) > CHANGED
    rows, columns = np.nonzero(changed)
    assert 20 < changed.sum() < .1 * changed.size
    assert .2 < rows.mean() / SIZE[0] < .6 and .35 < columns.mean() / SIZE[1] < .65


def test_a_longer_garment_covers_more():
    areas = [render.render_worn(sitter(0), plain((.5, .1, .1), length=y), SIZE)[1].mean()
             for y in (.57, .64, .72)]
    assert areas[0] < areas[1] < areas[2]


def test_short_sleeves_bare_the_arms():
    areas = [render.render_worn(sitter(0), plain((.5, .1, .1), sleeve=word), SIZE)[1].mean()
             for word in sorted(SLEEVE_END, key=SLEEVE_END.get)]
    assert areas == sorted(areas) and areas[0] < areas[-1]


def test_composition_is_that_of_studio_photos():
    """Medians over 16 pairs lie in the ranges measured on real studio photos."""
    photos = [render.render_worn(sitter(n), garment(n), SIZE) for n in range(16)]
    area = np.median([mask.mean() / 255 for _, mask in photos])
    wall = np.median([photo[:10, :6].mean() for photo, _ in photos])
    assert .12 <= area <= .25 and 224 <= wall <= 239
    articles = np.stack([render.render_article(garment(n), SIZE) for n in range(16)])
    assert abs(articles[:, 0].mean() - 246) < 1
    covered = (np.abs(articles.astype(int) - 246).max(3) > 12).mean()
    assert .26 <= covered <= .56


def test_clutter_changes_the_background_only():
    plain_wall, street = (render.render_worn(dataclasses.replace(sitter(2), clutter=on),
                                             garment(2), SIZE) for on in (False, True))
    np.testing.assert_array_equal(plain_wall[1], street[1])
    solid = plain_wall[1] == 255
    change = np.abs(plain_wall[0].astype(int) - street[0]).max(2)
    inner = ~binary_dilation(~solid, iterations=2)
    assert change[:4, :6].mean() > 15 and change[inner].max() <= 2


def test_every_short_share_is_small():
    words = [sample_garment(np.random.default_rng(n)).sleeve for n in range(600)]
    assert words.count("short") / 600 < .05 and words.count("long") / 600 > .8


def test_tube_against_a_loop():
    """Distance and position along a polyline, against plain trigonometry per point."""
    points, radii = np.array([[0, 0], [.3, .1], [.4, .5]]), [.1, .06, .03]
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-.2, .6, (2, 5, 4)).astype(np.float32)
    inside, along, side, radius = tube(points, radii, x, y)
    lengths = [np.hypot(.3, .1), np.hypot(.1, .4)]
    for index in np.ndindex(x.shape):
        p, found = np.array([x[index], y[index]]), []
        for k in range(2):
            s = np.dot(p - points[k], points[k + 1] - points[k]) / lengths[k] ** 2
            s = min(max(s, 0), 1)
            off = np.linalg.norm(p - points[k] - s * (points[k + 1] - points[k]))
            r = radii[k] * (1 - s) + radii[k + 1] * s
            found.append((r - off, (sum(lengths[:k]) + s * lengths[k]) / sum(lengths), off / r))
        best = max(found)
        np.testing.assert_allclose([inside[index], along[index], abs(side[index])], best,
                                   atol=1e-5)


def run(capsys, *args):
    """(exit code, stderr) of ``python -m data_prep ARGS``."""
    with pytest.raises(SystemExit) as done:
        main(cli, list(map(str, args)))
    return done.value.code, capsys.readouterr()


@pytest.mark.parametrize("args, words", [
    (("photoshoot", "a.h5", "--size", "100x96"), "multiples of 16"),
    (("photoshoot", "a.h5", "--size", "big"), "HEIGHTxWIDTH"),
    (("photoshoot", "none/a.h5", "--size", "64x48"), "does not exist"),
    (("photoshoot", "a.h5", "--pairs", "0", "--held-out", "0"), "not both 0"),
    (("photoshoot", "a.h5", "--held-out", "2"), "at least 4"),
    (("photoshoot", "a.h5", "--jobs", "0"), "at least 1"),
    (("photoshoot", "a.h5", "--pairs", "3", "--true-swaps", "2"), "at least 4 --pairs"),
    (("inspect", "a.h5"), "no such file"),
    (("develop",), "No such command"),
])
def test_errors_are_one_line(capsys, tmp_path, monkeypatch, args, words):
    monkeypatch.chdir(tmp_path)
    code, out = run(capsys, *args)
    lines = out.err.strip().splitlines()
    assert code == 1 and lines[-1].startswith("Error: ") and words in lines[-1]
    assert "Traceback" not in out.err and os.listdir(tmp_path) == []


def test_inspect(capsys, shot, tmp_path):
    code, out = run(capsys, "inspect", shot[0], "--sheet", tmp_path / "sheet.png")
    assert code == 0 and "train: 7 pairs, 3 persons" in out.out and "6 true swaps" in out.out
    assert (tmp_path / "sheet.png").stat().st_size > 1000
