"""Import of photos: every layout, from a tree of drawings to a data file that training can use."""

import csv
import json
import shlex
import shutil
from pathlib import Path

import layout_trees as trees
import numpy as np
import pytest
from layout_trees import run
from PIL import Image

from cagan_theano.training.preview import choose_held_out
from data_prep.store import PhotoFile

TRAIN, TEST = list(range(7)), [7, 8, 9]
SWAPS = [(7, 8), (8, 9), (9, 7)]
# tree -> (command and options, training images, test images, swaps to try, masks, garment masks)
LAYOUTS = {
    "viton_hd": (["viton-hd"], TRAIN, TEST, SWAPS, True, True),
    "gp_vton": (["viton-hd"], TRAIN, TEST, SWAPS, True, True),
    "cp_vton": (["cp-vton"], TRAIN, TEST, [(7, 9), (8, 7), (9, 8)], True, True),
    "dresscode": (["dresscode", "--category", "upper_body", "--category", "dresses"],
                  [2, 3, 4, 5, 6, 9], [0, 1, 7, 8], [(0, 1), (1, 0), (7, 8), (8, 7)], True, False),
    "mpv": (["mpv"], sorted(2 * list(range(6))), [6, 6, 7, 7], [(6, 7), (6, 7), (7, 6), (7, 6)],
            True, True),
    "mpv3d": (["mpv3d"], list(range(6)), [6, 7], [(6, 7)], True, True),
    "lookbook": (["lookbook", "--split", "train"], sorted(2 * list(range(8))), [], [], False,
                 False),
    "deepfashion": (["deepfashion"], list(range(6)), [6, 7], [], False, False),
    "keras_cagan": (["keras-cagan", "--split", "train"], list(range(8)), [], [], False, False),
    "two_folders": (["folders", "--split", "train", "--persons", "my people", "--garments",
                     "clothes", "--parse", "parse"], list(range(8)), [], [], True, False),
    "a_list": (["list", "--split", "test", "--list", "pairs.txt"], [], list(range(8)), [], False,
               False),
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The tree of every layout and the data file built from it: name -> (tree, file)."""
    made, base = {}, tmp_path_factory.mktemp("layouts")
    for name, (words, *_) in LAYOUTS.items():
        tree = base / name / "tree"
        tree.mkdir(parents=True)
        getattr(trees, "two_folders" if name == "a_list" else name)(tree)
        made[name] = tree, base / name / "out.h5"
        run(words[0], tree, made[name][1], *words[1:])
    return made


def number_of(picture, role):
    """Identify a drawing by its pixels: (number, whether it is mirrored)."""
    shots = {n: trees.shot(n)["xy".index(role)] for n in range(trees.COUNT)}
    shots = {(n, way < 0): shot[:, ::way] for n, shot in shots.items() for way in (1, -1)}
    errors = {key: np.abs(picture.astype(int) - shot).mean() for key, shot in shots.items()}
    best = min(errors, key=errors.get)
    assert errors[best] < 8, errors[best]  # JPEG artifacts
    return best


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_gives_its_true_pairs_masks_and_swaps(files, name):
    (command, *_), train, test, swaps, masks, garment_masks = LAYOUTS[name]
    tree, out = files[name]
    with PhotoFile(out) as file:
        assert file.provenance["program"] == f"data_prep {command}"
        assert str(tree) not in json.dumps(file.provenance)
        for split, expected in (("train", train), ("test", test)):
            assert (split in file.splits) == bool(expected)
            if expected:
                part = file.split(split)
                check_split(part, expected, masks, garment_masks)
                categories = [part.names["category"][code] for code in part.attributes.get("category", ())]
                assert categories == [path.split("/")[0] for path in part.x_file if name == "dresscode"]
        if name == "two_folders":
            part = file.split("train")
            assert "my people/Größe 0.jpg" in part.x_file and "clothes/上着2.png" in part.y_file
        if swaps:
            part = file.split("test")
            found = [
                (number_of(part.x[int(i)], "x")[0], number_of(part.y[int(j)], "y")[0])
                for i, j in zip(part.triples.i, part.triples.j)
            ]
            assert sorted(found) == swaps and part.triples.x_ij is None
    report = json.loads(out.with_suffix(".report.json").read_text())
    counts = report["counts"]
    assert (counts["train"], counts["test"], counts["swaps to try"]) == (len(train), len(test), len(swaps))
    assert not report["dropped"] and counts["unpaired rows without both pairs"] == 0
    with Image.open(out.with_suffix(".sheet.png")) as sheet:
        assert sheet.width > 1000 and sheet.height > 200
    assert not Path(f"{out}.work").exists()


def check_split(part, expected, masks, garment_masks):
    """A split contains the expected drawings, each person with the matching garment and masks."""
    assert (part.mask is not None, part.y_mask is not None) == (masks, garment_masks)
    people = [number_of(part.x[row], "x") for row in range(len(part))]
    garments = [number_of(part.y[row], "y")[0] for row in range(len(part))]
    assert sorted(n for n, _ in people) == expected and [n for n, _ in people] == garments
    same = np.array(garments)[:, None] == np.array(garments)
    np.testing.assert_array_equal(part.garment[:, None] == part.garment, same)
    for row, (n, mirrored) in enumerate(people):
        _, y, mask = trees.shot(n)
        wanted = mask[:, ::-1] if mirrored else mask
        assert not masks or trees.overlap(part.mask[row] > 127, wanted > 127) > 0.97
        wanted = trees.article_mask(y)
        assert not garment_masks or trees.overlap(part.y_mask[row] > 127, wanted > 127) > 0.97


@pytest.mark.parametrize("name, lists", [("mpv", "MPV_192_256/*.txt"), ("mpv3d", "*.txt")])
def test_names_alone_give_the_pairs_of_a_product(files, tmp_path, name, lists):
    """The number after @ counts the photos of a product: person and garment never share it."""
    tree = tmp_path / "tree"
    shutil.copytree(files[name][0], tree)
    for path in tree.glob(lists):
        path.unlink()
    assert f"\n{name}:" in "\n" + run("detect", tree)
    run(name, tree, tmp_path / "o.h5", "--split", "train")
    with PhotoFile(tmp_path / "o.h5") as file:
        expected = sorted((2 if name == "mpv" else 1) * list(range(8)))
        check_split(file.split("train"), expected, True, True)


def test_one_list_of_all_categories_next_to_their_folders(tmp_path):
    trees.dresscode(tmp_path)
    for path in tmp_path.glob("*/*.txt"):
        path.unlink()
    rows = [(f"{n:06d}_0.jpg", f"{n:06d}_1.jpg", code) for n, code in ((2, "0"), (3, "0"), (9, "2"))]
    trees.write_list(tmp_path / "train_pairs.txt", rows)
    run("dresscode", tmp_path, tmp_path / "o.h5", "--category", "dresses")
    with PhotoFile(tmp_path / "o.h5") as file:
        check_split(file.split("train"), [9], True, False)
    shutil.rmtree(tmp_path / "upper_body")
    assert "\n  1 pairs" in run("detect", tmp_path)


SHOPS = {
    "one folder": (["{}_front.jpg", "{}_flat.jpg", "{}_back.jpg"], "{id}_front", "{id}_flat"),
    "plain names": (["{}_on-model.jpg", "{}.jpg"], "{id}_on-model", "{id}"),
    "two garments": (["hers/{}_M.jpg", "flat/{}_F.jpg", "flat_2/{}_F.jpg"], "hers/{id}_M", "flat/{id}_F"),
    "two folders": (["a b/{}.jpg", "clothes/{}.png"], "a b", "clothes"),
    "a folder each": (["{}/look.jpg", "{}/packshot.jpg"], "{id}/look", "{id}/packshot"),
    "both": (["x/{0}/{0}_1.jpg", "x/{0}/{0}_2.jpg"], "x/{id}/{id}_1", "x/{id}/{id}_2"),
}


def check_proposal(folder, expected):
    """`detect` proposes a command with these words that imports the first three shots; returns its output."""
    text = run("detect", folder)
    (proposed,) = (shlex.split(line) for line in text.splitlines() if "cagan data" in line)
    assert proposed == ["cagan", "data", expected[0], str(folder), "OUT.h5", *expected[1:]]
    run(expected[0], folder, folder / "o.h5", *expected[1:], "--split", "train")
    with PhotoFile(folder / "o.h5") as file:
        check_split(file.split("train"), [0, 1, 2], False, False)
    return text


@pytest.mark.parametrize("name", SHOPS)
def test_detect_proposes_a_command_that_works(name, tmp_path):
    shapes, persons, garments = SHOPS[name]
    for n, article in enumerate(("A-1", "B 2", "C_3_x")):
        for shape, photo in zip(shapes, (*trees.shot(n)[:2], trees.shot(n)[1])):
            trees.save(tmp_path / shape.format(article), photo)
    check_proposal(tmp_path, ["folders", "--persons", persons, "--garments", garments])


@pytest.mark.parametrize("table", [",utf-8", ";utf-8-sig", "\tutf-16", ";utf-32"])
def test_a_table_with_named_columns(table, tmp_path, capsys):
    rows = [["no", "Flat image", "on model", "note"], ["9", "", "m0.jpg"], ["9", "../f", "m0.jpg"]]
    trees.save_pairs(tmp_path, range(3), "photos/m{}.jpg", "photos/f{}.jpg")
    rows += [[str(n), f"F{n}.JPG", f"m{n}.jpg", "two\nlines; a comma, a \t"] for n in range(3)]  # any case
    with open(tmp_path / "t.csv", "w", encoding=table[1:], newline="") as file:
        csv.writer(file, delimiter=table[0]).writerows(rows)
    columns = ["list", "--list", "t.csv", "--person-column", "on model", "--garment-column", "Flat image"]
    text = check_proposal(tmp_path, [*columns, "--persons", "photos", "--garments", "photos"])
    assert "row 2: has an empty column" in text and "row 3: ../f: points outside the folder" in text
    wrong = ["list", tmp_path, tmp_path / "p.h5", "--list", tmp_path / "t.csv", "--person-column", "person"]
    assert "give --person-column and" in trees.error(capsys, *wrong)
    fault = trees.error(capsys, *wrong, *columns[5:])
    assert "has no column 'person', only 'no', 'Flat image', 'on model', 'note'" in fault


def test_detect_tells_what_it_cannot_and_leaves_aside(files, tmp_path, capsys):
    trees.save_pairs(tmp_path, [0], "a/1.jpg", "b/1.jpg")
    assert "do not tell persons from garments" in run("detect", tmp_path)
    trees.keras_cagan(tmp_path / "set")
    text = run("detect", tmp_path)
    assert "left aside: a, b" in text and f"keras-cagan {tmp_path}/set" in text
    assert "left aside: parse" in run("detect", files["two_folders"][0])
    shutil.rmtree(tmp_path / "set")
    for inner in ("a", "b"):
        (tmp_path / inner).rename(tmp_path / f"clothes_{inner}")  # two folders of garments
    assert "saw 2 images in 2 folders, such as clothes_a/1.jpg" in trees.error(capsys, "detect", tmp_path)


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name not in ("two_folders", "a_list")])
def test_detect_names_the_layout(files, name):
    lines = run("detect", files[name][0], "--samples", 2).splitlines()
    layouts = [line.split(":")[0] for line in lines if not line.startswith((" ", "left aside: Dresses"))]
    assert layouts == [LAYOUTS[name][0][0]]
    count = 7 if name == "dresscode" else len(LAYOUTS[name][1]) + len(LAYOUTS[name][2])
    assert f"  {count} pairs" in lines[1] and sum("wears" in line for line in lines) == 2


def test_inspect_verifies_and_draws(files, tmp_path, capsys):
    out = files["viton_hd"][1]
    text = run("inspect", out, "--sheet", tmp_path / "sheet.png")
    assert "train: 7 pairs, 7 persons, 7 garments, masks, garment masks" in text
    assert "test/y_mask uint8 [3, 128, 96]" in text and "3 swaps to try" in text
    with PhotoFile(out) as file:
        chunks = sum(-(-len(rows) // rows.chunk_rows) for _, rows in file.datasets())
        damaged = file._file["test/y_mask"].id.get_chunk_info(2)
        x = file.split("test").x[0][100:, 30:60]
        held_out = choose_held_out(file.split("test"), 8)
    assert f"checksums: {chunks} chunks verified" in text
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    spots = np.argwhere((sheet == x[0, 0]).all(axis=-1))  # the first photo lies on the sheet as it is
    assert any(np.array_equal(sheet[r : r + 28, c : c + 30], x) for r, c in spots)
    # swaps to try are held out without a truth
    assert len(held_out.x_i) == 3 and held_out.truth is None and held_out.m_i is not None
    data = bytearray(out.read_bytes())
    data[damaged.byte_offset + damaged.size // 2] ^= 1
    (tmp_path / "broken.h5").write_bytes(data)
    assert "/test/y_mask is damaged" in trees.error(capsys, "inspect", tmp_path / "broken.h5")
    assert "checksums" not in run("inspect", tmp_path / "broken.h5", "--no-verify")
