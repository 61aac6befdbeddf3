"""Export of a data file: what is imported again has the same pairs, pixels, splits and identities."""

import csv

import layout_trees as trees
import numpy as np
import pytest
from PIL import Image

from data_prep.store import PhotoFile, PhotoWriter

GIVEN = {"viton-hd", "cp-vton", "deepfashion"}  # layouts that have a place for the split
WORDS = {
    "folders": ["--persons", "persons", "--garments", "garments"],
    "triplets": ["--persons", "train_x", "--garments", "train_yi"],
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A data file of ten pairs, two to a person, with masks and swaps of three of the four test pairs."""
    path = tmp_path_factory.mktemp("photos") / "photos.h5"
    with PhotoWriter(path, *trees.SIZE, {}) as writer:
        for n in range(trees.COUNT):
            x, y, mask = trees.shot(n)
            writer.add("train" if n < 6 else "test", x, y, n // 2, n, mask=mask)
        for i, j in ((0, 1), (1, 2), (3, 0), (3, 1)):
            writer.add_triple(i, j)
    return path


def pairs_of(path, split):
    """{(bytes of x, bytes of y)} of a split, the sets of x of each person, {(x_i, y_j)} of its swaps."""
    with PhotoFile(path) as file:
        part = file.split(split)
        rows = [(part.x[n].tobytes(), part.y[n].tobytes()) for n in range(len(part))]
        people = {frozenset(x for (x, _), who in zip(rows, part.person) if who == one) for one in part.person}
        swaps = part.triples and {(rows[i][0], rows[j][1]) for i, j in zip(part.triples.i, part.triples.j)}
    assert len(set(rows)) == len(rows)
    return set(rows), people, swaps


@pytest.mark.parametrize(
    "layout", ["keras-cagan", "viton-hd", "cp-vton", "lookbook", "deepfashion", "folders", "triplets"]
)
def test_what_is_exported_is_imported_again(photos, layout, tmp_path):
    out, back = tmp_path / "out", tmp_path / "back.h5"
    split = [] if layout in GIVEN else ["--split", "train"]
    assert "10 pairs" in run(photos, out, layout) if not split else run(photos, out, layout, *split)
    name = "folders" if layout == "triplets" else layout
    trees.run(name, out, back, *WORDS.get(layout, []), *split)
    for part in ["train"] if split else ["train", "test"]:
        pairs, people, swaps = pairs_of(photos, part)
        found = pairs_of(back, part)
        assert found[0] == pairs
        if layout == "deepfashion":
            assert found[1] == people
        if layout in ("viton-hd", "cp-vton") and part == "test":
            assert found[2] and found[2] < swaps and len(found[2]) == 3  # the first of each person
    rows = list(csv.DictReader((out / "pairs.csv").open()))
    for row, n in zip(rows, range(trees.COUNT)):
        assert (row["person_id"], row["garment_id"], row["split"]) == (
            str(n // 2),
            str(n),
            "train" if n < 6 else "test",
        )
        np.testing.assert_array_equal(Image.open(out / row["person"]), trees.shot(n)[0])
        np.testing.assert_array_equal(Image.open(out / row["garment"]), trees.shot(n)[1])
        if layout == "triplets":
            other = np.asarray(Image.open(out / row["other"]))
            assert any(np.array_equal(other, trees.shot(m)[1]) for m in range(6) if m != n)


def run(photos, out, layout, *words):
    return trees.run("export", photos, out, "--layout", layout, *words)


def test_the_list_of_an_export_is_one_that_is_read(photos, tmp_path):
    run(photos, tmp_path / "out", "folders", "--split", "test")
    assert "--list pairs.csv --person-column person --garment-column garment" in trees.run(
        "detect", tmp_path / "out"
    )
    trees.run("list", tmp_path / "out", tmp_path / "back.h5", "--list", "pairs.csv", "--split", "test")
    assert pairs_of(tmp_path / "back.h5", "test")[0] == pairs_of(photos, "test")[0]


def test_an_export_is_whole_or_absent(photos, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").touch()
    assert "out: exists and is not empty" in trees.error(capsys, "export", photos, out, "--layout", "folders")
    out = tmp_path / "new"
    encode, done = __import__("data_prep.export").export.encode_image, []

    def full(image):
        if len(done) == 5:
            raise OSError(28, "No space left on device")
        done.append(image)
        return encode(image)

    monkeypatch.setattr("data_prep.export.encode_image", full)
    line = trees.error(capsys, "export", photos, out, "--layout", "folders")
    assert "new: cannot be written (No space left on device)" in line
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    no_split = tmp_path / "train.h5"
    with PhotoWriter(no_split, *trees.SIZE, {}) as writer:
        writer.add("train", *trees.shot(0)[:2], 0, 0)
    words = ("export", no_split, out, "--layout", "folders", "--split", "test")
    assert "has no test photos" in trees.error(capsys, *words) and not out.exists()
