"""Export of a data file: what is imported again has the same pairs, pixels, splits and identities."""

import csv
from unittest import mock

import numpy as np
import pytest
from layout_trees import COUNT, SIZE, error, run, shot
from PIL import Image

from data_prep.store import PhotoFile, PhotoWriter

# layout -> options of its import; those without any keep the split
IMPORTS = {
    "viton-hd": [], "cp-vton": [], "deepfashion": [],
    "keras-cagan": ["keras-cagan"], "lookbook": ["lookbook"],
    "folders": ["folders", "--persons", "persons", "--garments", "garments"],
    "triplets": ["folders", "--persons", "train_x", "--garments", "train_yi"],
}  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A data file of ten pairs, two to a person, with masks and swaps of three of the four test pairs."""
    path = tmp_path_factory.mktemp("photos") / "photos.h5"
    with PhotoWriter(path, *SIZE, {}) as writer:
        for n in range(COUNT):
            x, y, mask = shot(n)
            writer.add("train" if n < 6 else "test", x, y, n // 2, n, mask=mask)
        for i, j in ((0, 1), (1, 2), (3, 0), (3, 1)):
            writer.add_triple(i, j)
    return path


def contents_of(path, split):
    """{(x, y)} of a split as bytes, the sets of x of each person, {(x_i, y_j)} of its swaps."""
    with PhotoFile(path) as file:
        part = file.split(split)
        rows = [(part.x[n].tobytes(), part.y[n].tobytes()) for n in range(len(part))]
        people = {frozenset(x for (x, _), who in zip(rows, part.person) if who == one) for one in part.person}
        swaps = part.triples and {(rows[i][0], rows[j][1]) for i, j in zip(part.triples.i, part.triples.j)}
    return set(rows), people, swaps


@pytest.mark.parametrize("layout", IMPORTS)
def test_what_is_exported_is_imported_again(photos, layout, tmp_path):
    out, back = tmp_path / "out", tmp_path / "back.h5"
    name, *options = IMPORTS[layout] or [layout]
    only = ["--split", "train"] if IMPORTS[layout] else []
    assert f"{6 if only else 10} pairs" in run("export", photos, out, "--layout", layout, *only)
    run(name, out, back, *options, *only)
    for split in ["train"] if only else ["train", "test"]:
        pairs, people, swaps = contents_of(photos, split)
        found = contents_of(back, split)
        assert found[0] == pairs and (layout != "deepfashion" or found[1] == people)
        if layout in ("viton-hd", "cp-vton") and split == "test":
            assert found[2] < swaps and len(found[2]) == 3  # the first of each person
    rows = list(csv.DictReader((out / "pairs.csv").open()))
    assert len(rows) == (6 if only else 10)
    for n, row in enumerate(rows):
        labels = str(n // 2), str(n), "train" if n < 6 else "test"
        assert (row["person_id"], row["garment_id"], row["split"]) == labels
        np.testing.assert_array_equal(Image.open(out / row["person"]), shot(n)[0])
        if layout == "triplets":
            other = np.asarray(Image.open(out / row["other"]))
            assert any(np.array_equal(other, shot(m)[1]) for m in range(6) if m != n)
    if layout == "folders":  # and the list is one that is read
        assert "list " in run("detect", out).splitlines()[-1]
        run("list", out, tmp_path / "again.h5", "--list", "pairs.csv", *only)
        assert contents_of(tmp_path / "again.h5", "train")[0] == pairs


def test_an_export_is_whole_or_absent(photos, tmp_path, capsys):
    words = "export", photos, tmp_path / "new", "--layout", "folders"
    full = [b""] * 4 + [OSError(28, "No space left on device")]
    with mock.patch("data_prep.export.encode_image", side_effect=full):
        assert "new: cannot be written (No space left on device)" in error(capsys, *words)
    assert not list(tmp_path.iterdir())
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine.txt").touch()
    assert "new: exists and is not empty" in error(capsys, *words)
