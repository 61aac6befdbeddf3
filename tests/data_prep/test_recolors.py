"""Recolored photos: synthetic ones, with known garment regions, ground truth and articles."""

import dataclasses
import shutil
from pathlib import Path

import layout_trees as trees
import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from data_prep.photo_folder import PhotoFolder
from data_prep.picture import fit, open_rgb
from data_prep.recolors.make import choose_swaps, find_styles
from data_prep.store import PhotoFile

SIZE = (192, 256)  # (width, height) of a synthetic photo: 3:4, as the data files
# a pullover with one sleeve raised, so that it differs from its mirror image
GARMENT = [(66, 70), (126, 70), (150, 130), (140, 134), (128, 100), (128, 180), (64, 180), (64, 100),
           (30, 150), (22, 142)]  # fmt: skip
POCKET = (72, 90, 92, 115)  # on the left, darker than the garment
SKIN, TROUSERS = (190, 140, 110), (60, 60, 70)
RED, BLUE, GREEN, WHITE = (200, 40, 40), (40, 60, 190), (40, 160, 70), (243, 243, 243)


def photo(color, trousers=TROUSERS, shift=0):
    """A synthetic photo of a person in a garment of a color: a PIL image."""
    image = Image.new("RGB", SIZE, "white")
    pen = ImageDraw.Draw(image)
    pen.ellipse((78 + shift, 20, 114 + shift, 72), SKIN)
    pen.rectangle((70 + shift, 170, 122 + shift, 255), trousers)
    pen.polygon([(x + shift, y) for x, y in GARMENT], color)
    left, top, right, bottom = POCKET
    pen.rectangle((left + shift, top, right + shift, bottom), tuple(level // 2 for level in color))
    return image


def garment_region(shift=0):
    """The region of the garment in `photo`: bool [256, 192]."""
    mask = Image.new("L", SIZE)
    ImageDraw.Draw(mask).polygon([(x + shift, y) for x, y in GARMENT], 255)
    return np.asarray(mask) > 0


def save(folder, **photos):
    """Write photos as PNG, named by their keywords with "-" for "_"."""
    folder.mkdir(exist_ok=True)
    for name, image in photos.items():
        image.save(folder / f"{name.replace('_', '-')}.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three usable styles in three colors each."""
    base = tmp_path_factory.mktemp("shop")
    for style, shift in (("mh01", -8), ("mh02", 0), ("wt01", 8)):
        red, blue, white = (photo(color, shift=shift) for color in (RED, BLUE, WHITE))
        save(base, **{f"{style}_red": red, f"{style}_blue": blue, f"{style}_white": white})
    return base


def read(path):
    """Read the test split of a file into memory."""
    with PhotoFile(path) as file:
        part = file.split("test")
        loaded = {name: getattr(part, name).load() for name in ("x", "y", "mask", "y_mask")}
        swaps = dict(mask=part.triples.mask.load(), x_ij=part.triples.x_ij.load())
        triples = dataclasses.replace(part.triples, **swaps)
        return dataclasses.replace(part, **loaded, triples=triples), file.provenance


@pytest.fixture(scope="module")
def data(folder, tmp_path_factory):
    """The contents of the file built from `folder` at the photos' own size."""
    out = tmp_path_factory.mktemp("ingest") / "o.h5"
    printed = trees.run("recolors", folder, out, "--size", "256x192")
    assert "18 true swaps of 3 styles, 9 photos" in printed and "left out" not in printed
    return read(out)[0]


def away(mask):
    """Pixels at least four away from a stored mask, whose corners opening and resizing removed."""
    return ~ndimage.binary_dilation(mask > 0, np.ones((7, 7)))


def test_the_region_is_the_garment_and_the_truth_the_photo_in_the_other_color(folder, data):
    for row, file in enumerate(data.x_file):
        assert trees.overlap(data.mask[row] > 127, garment_region((-8, 0, 8)[row // 3])) > 0.98
        np.testing.assert_array_equal(data.x[row], np.asarray(open_rgb(folder / file)))
    i, j = data.triples.i, data.triples.j
    np.testing.assert_array_equal(data.triples.x_ij, data.x[j])
    np.testing.assert_array_equal(data.triples.mask, data.mask[i])
    assert (data.person[i] == data.person[j]).all() and (data.garment[i] != data.garment[j]).all()
    assert len({*zip(i.tolist(), j.tolist())}) == 18 and len({*data.garment.tolist()}) == 9
    for truth, x_i, mask in zip(data.triples.x_ij, data.x[i], data.mask[i]):
        np.testing.assert_array_equal(truth[away(mask)], x_i[away(mask)])


def test_articles_are_cut_mirrored_and_on_their_ground(data):
    for row, (y, mask) in enumerate(zip(data.y, data.y_mask)):
        assert (y[away(mask)] == 246).all()
        rows, columns = (np.flatnonzero(mask.max(axis=axis) > 127) for axis in (1, 0))
        assert abs(columns[-1] - columns[0] + 1 - 0.78 * 192) <= 3  # limited by the frame's width
        assert abs(rows.mean() - 127.5) < 2 and abs(columns.mean() - 95.5) < 2
        color = (BLUE, RED, WHITE)[row % 3]  # files are sorted by name
        pocket = np.abs(y - np.array(color) // 2).max(axis=-1) < 3
        mirrored = 95.5 + (86 - 82) * 0.78 * 192 / 129  # centers of garment and pocket; its width
        assert pocket.sum() > 300
        assert abs(np.flatnonzero(pocket.any(axis=0)).mean() - mirrored) < 1.5
        seen = np.abs(y - np.array(color)).max(axis=-1) < 3
        assert trees.overlap(seen | pocket, mask > 127) > 0.9  # its edge is blended


def test_shrunk_and_on_gray_ground(folder, data, tmp_path):
    """The whole photo, smaller, in the middle; the ground is the same in photo and truth."""
    words = "--size", "256x192", "--shrink", 0.875
    trees.run("recolors", folder, tmp_path / "o.h5", *words, "--ground", 200)
    trees.run("recolors", folder, tmp_path / "w.h5", *words)
    gray, white = (read(tmp_path / name)[0] for name in ("o.h5", "w.h5"))
    inner, worn = np.s_[16:240, 12:180], gray.mask == 255
    for row, file in enumerate(data.x_file):
        whole = np.asarray(fit(open_rgb(folder / file), 224, 168))
        np.testing.assert_array_equal(white.x[row][inner], whole)
        small = np.asarray(Image.fromarray(data.mask[row]).resize((168, 224)))
        assert trees.overlap(white.mask[row][inner] > 127, small > 127) > 0.97
        # even the white pullover keeps its color, except at the edge
        assert (gray.x[row] == white.x[row])[worn[row]].mean() > 0.97
    assert (gray.x[:, :8] == 200).all() and (gray.x[:, 40, 20] == 200).all() and (white.x[:, :8] == 255).all()
    np.testing.assert_array_equal(gray.triples.x_ij, gray.x[gray.triples.j])
    trousers = (white.x == TROUSERS).all(axis=-1)
    assert trousers.sum() > 9000 and (gray.x[trousers] == TROUSERS).all()


def striped(color):
    """A photo in which only narrow stripes are recolored."""
    image = photo((120, 120, 120))
    for y in range(72, 180, 18):
        ImageDraw.Draw(image).rectangle((66, y, 126, y + 6), color)
    return image


LEFT_OUT = {
    "one: has only one color": {"one_red": photo(RED)},
    "big: its photos differ in size": {"big_red": photo(RED),
                                       "big_blue": photo(BLUE).resize((96, 128))},
    "two-red.png: is not the same photo as the other": {"two_blue": photo(BLUE), "two_green": photo(GREEN),
                                                 "two_red": photo(RED, shift=40)},
    "far: no two of its colors are the same photo": {"far_blue": photo(BLUE, shift=-40),
                                                "far_red": photo(RED, shift=40)},
    "same: its colors differ in 0.0%": {"same_red": photo(RED), "same_blue": photo(RED)},
    "all: its colors differ in 100.0%": {"all_red": Image.new("RGB", SIZE, RED),
                                         "all_blue": Image.new("RGB", SIZE, BLUE)},
    "thin: its colors differ in many small parts": {"thin_red": striped(RED), "thin_blue": striped(BLUE)},
}  # fmt: skip


def test_what_cannot_be_used_is_left_out_and_listed(folder, tmp_path):
    src = Path(shutil.copytree(folder, tmp_path / "src"))
    for photos in LEFT_OUT.values():
        save(src, **photos)
    (src / "tee-green.png").write_bytes(b"no image")
    (src / "IMG_0001.png").write_bytes(b"never opened")
    (src / "out").symlink_to(folder)
    (src / "loop").symlink_to(src)
    printed = trees.run("recolors", src, tmp_path / "o.h5", "--size", "32x32")
    for line in (*LEFT_OUT, "tee-green.png: not an image", "out: links outside SRC"):
        assert f"left out {line}" in printed
    assert "1 images are not" in printed and len(read(tmp_path / "o.h5")[0].x) == 9 + 2  # two colors of "two"


def test_trousers_of_one_color_are_not_the_garment(tmp_path):
    save(tmp_path, tee_blue=photo(BLUE), tee_green=photo(GREEN), tee_red=photo(RED, trousers=(200, 180, 60)))
    trees.run("recolors", tmp_path, tmp_path / "o.h5", "--size", "256x192")
    made_of, _ = read(tmp_path / "o.h5")
    assert all(trees.overlap(mask > 127, garment_region()) > 0.96 for mask in made_of.mask)
    swaps = {*zip(made_of.triples.i.tolist(), made_of.triples.j.tolist())}
    assert len(made_of.x) == 3 and swaps == {(0, 1), (1, 0)}  # with red, the trousers change as well


def test_the_main_photo_of_each_color_wherever_it_lies(tmp_path):
    names = ["m/h/mh01-black_main_2.jpg", "m/h/mh01-black_main.jpg", "m/h/mh01-black_main_1.jpg",
             "cache/a/m/h/mh01-black_main_1.jpg", "m/h/mh01-gray_main_2.jpg", "m/h/mh01-gray_main.jpg",
             "w/t/wt01-red.jpg", "w/t/wt01-red_main_1.jpg", "a/crew_neck-rosé.webp",
             "a/crew_neck-dark-blue.png"]  # fmt: skip
    others = ["w/t/wt01-red_alt1.jpg", "mh01-black_back.jpg", "ug01-bk-0.jpg", "mh01.jpg", "-red.jpg"]
    for name in names + others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = {
        "crew_neck": ["a/crew_neck-dark-blue.png", "a/crew_neck-rosé.webp"],
        "mh01": ["m/h/mh01-black_main_1.jpg", "m/h/mh01-gray_main.jpg"],
        "wt01": ["w/t/wt01-red.jpg"],
    }
    assert find_styles(PhotoFolder(tmp_path)) == (found, len(others))
    assert list(find_styles(PhotoFolder(tmp_path), ("wt", "x"))[0]) == ["wt01"]


def test_styles_take_turns():
    pairs = [[(0, 1)], [(0, 1), (0, 2), (1, 2)], [(0, 1), (1, 2)]]
    rows = choose_swaps(pairs, 100, 0)
    every = {(n, *way) for n, part in enumerate(pairs) for a, b in part for way in ((a, b), (b, a))}
    assert len(rows) == 12 and {*rows} == every
    assert [sorted(row[0] for row in rows[at : at + 3]) for at in (0, 3)] == [[0, 1, 2]] * 2
    assert choose_swaps(pairs, 5, 0) == rows[:5] and choose_swaps(pairs, 100, 1) != rows


def test_output_depends_on_neither_place_nor_time(folder, data, tmp_path):
    contents = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        words = "--ground", 210, "--seed", 3, "--only", "mh, x", "--triples", 3
        printed = trees.run("recolors", folder, tmp_path / name / f"{name}.h5", *words)
        assert "3 true swaps of 2 styles, 6 photos" in printed
        contents.append((tmp_path / name / f"{name}.h5").read_bytes())
    assert contents[0] == contents[1] and str(tmp_path).encode() not in contents[0]
    small, about = read(tmp_path / "a" / "a.h5")
    for mask, other in zip(small.mask, data.mask):  # both sizes have one region
        assert trees.overlap(mask > 127, other.reshape(128, 2, 96, 2).mean(axis=(1, 3)) > 127) > 0.97
    assert about["program"] == "data_prep recolors" and about["seed"] == 3
    assert about["articles"] == "cut from the photos, mirrored"
    assert about["arguments"] == {
        "size": [128, 96], "triples": 3, "only": ["mh", "x"], "shrink": 1.0, "ground": 210}  # fmt: skip
    assert small.names["category"] == ["mh"] and len({*small.person[small.triples.i]}) == 2


@pytest.mark.parametrize("words, fault", [
    (["none", "o.h5"], "none: not a folder; give the folder"),
    (["empty", "o.h5"], "empty: contains no photos named STYLE-COLOR (0 with other names); rename"),
    (["one", "o.h5"], "one: none of 1 styles can be used (first reason: tee: has only one color)"),
    (["one", "o.h5", "--only", "mh,wh"], "no photos named STYLE-COLOR of styles mh, wh"),
    (["one", "o.h5", "--ground", "300"], "300 is not in the range"),
])  # fmt: skip
def test_errors_are_one_line(capsys, monkeypatch, tmp_path, words, fault):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    save(tmp_path / "one", tee_red=photo(RED))
    assert fault in trees.error(capsys, "recolors", *words) and not (tmp_path / "o.h5").exists()
