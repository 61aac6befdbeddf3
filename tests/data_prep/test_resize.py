"""`cagan data resize`: a data file at a smaller size."""

import layout_trees as trees
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from data_prep.resize import resize_file
from data_prep.store import PhotoFile, PhotoWriter

SWAPS = [(69, 68), (1, 0), (5, 66), (2, 3)]  # of the training split


@pytest.fixture
def large(tmp_path):
    """A data file of smooth images: 70 pairs to train on, more than are reduced at once, and 6 to test."""
    rng = np.random.default_rng(3)
    draw = lambda *shape: np.uint8(gaussian_filter(rng.uniform(0, 255, shape), (3, 3, 0)[: len(shape)]))  # noqa: E731
    with PhotoWriter(tmp_path / "large.h5", 32, 32, {"program": "tests"}) as writer:
        for n in range(76):
            images = draw(32, 32, 3), draw(32, 32, 3), n, n, draw(32, 32)
            writer.add("train" if n < 70 else "test", *images, files=(f"x{n}.png", f"y{n}.png"))
        for split, (i, j) in [("test", (4, 5)), *(("train", swap) for swap in SWAPS)]:
            writer.add_triple(i, j, draw(32, 32, 3), draw(32, 32), split=split)
    return tmp_path / "large.h5"


@pytest.mark.parametrize("pairs, kept", [(None, [0, 1, 2, 3]), (67, [1, 2, 3]), (4, [1, 3])])
def test_every_row_and_swap_has_its_own_pixels(large, tmp_path, pairs, kept):
    """Also where the first swaps are not kept, and with the same bytes again."""
    count = resize_file(large, tmp_path / "small.h5", (16, 16), pairs)
    resize_file(large, tmp_path / "again.h5", (16, 16), pairs)
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "small.h5").read_bytes()
    with PhotoFile(large) as before, PhotoFile(tmp_path / "small.h5") as after:
        first = {"first_pairs": pairs} if pairs else {}
        assert after.provenance == {"program": "tests", "resized": [16, 16], **first}
        for split, rows, swaps in (("train", slice(pairs), kept), ("test", slice(None), [0])):
            old, new = before.split(split), after.split(split)
            assert new.x_file == old.x_file[rows] and new.y_mask is None
            assert new.garment.tolist() == old.garment[rows].tolist()
            assert new.triples.i.tolist() == old.triples.i[swaps].tolist()
            assert new.triples.j.tolist() == old.triples.j[swaps].tolist()
            images = [(getattr(old, name)[rows], getattr(new, name)) for name in ("x", "y", "mask")]
            images += [(getattr(old.triples, name)[swaps], getattr(new.triples, name))
                       for name in ("x_ij", "mask")]  # fmt: skip
            for found, reduced in images:
                means = found.reshape(len(found), 16, 2, 16, 2, -1).mean((2, 4)).reshape(reduced.shape)
                assert np.abs(reduced.load() - means).max() <= 12
                count -= len(reduced)
    assert count == 0


@pytest.mark.parametrize("words, fault", [
    (["16x16", "--pairs", "71"], "large.h5: has 70 training pairs, not 71"),
    (["48x48"], "large.h5: has images of 32x32"), (["32x16"], "large.h5: has images of 32x32"),
])  # fmt: skip
def test_what_cannot_be_reduced_is_one_line(large, tmp_path, capsys, words, fault):
    assert fault in trees.error(capsys, "resize", large, tmp_path / "b.h5", "--size", *words)
    assert not (tmp_path / "b.h5").exists()
