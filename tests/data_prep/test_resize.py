"""`cagan data resize`: a data file at a smaller size."""

import layout_trees as trees
import numpy as np
import pytest
from figure_toys import write_photos
from scipy.ndimage import gaussian_filter

from data_prep.resize import resize_file
from data_prep.store import PhotoFile, PhotoWriter


@pytest.fixture
def half(tmp_path):
    """Paths of a data file of 32x32 and of its reduction to 16x16."""
    large = write_photos(tmp_path / "large.h5", pairs=70, tests=6, swaps=5)
    assert resize_file(large, tmp_path / "small.h5", (16, 16)) == 3 * 76 + 2 * (5 + 6)
    return large, tmp_path / "small.h5"


def test_every_row_and_swap_has_its_own_pixels(tmp_path):
    """More rows than are reduced at once, and swaps of which the first ones are not kept."""
    rng = np.random.default_rng(3)
    draw = lambda *shape: np.uint8(gaussian_filter(rng.uniform(0, 255, shape), (3, 3, 0)[: len(shape)]))  # noqa: E731
    rows = [{"x": draw(32, 32, 3), "y": draw(32, 32, 3), "mask": draw(32, 32)} for _ in range(70)]
    swaps = [(69, 68), (1, 0), (5, 66), (2, 3)]
    truths = [{"x_ij": draw(32, 32, 3), "mask": draw(32, 32)} for _ in swaps]
    with PhotoWriter(tmp_path / "a.h5", 32, 32, {"program": "tests"}) as writer:
        for n, row in enumerate(rows):
            writer.add("train", row["x"], row["y"], n, n, row["mask"], files=(f"x{n}.png", f"y{n}.png"))
        for (i, j), truth in zip(swaps, truths):
            writer.add_triple(i, j, truth["x_ij"], truth["mask"], split="train")
    for pairs, kept in ((None, [0, 1, 2, 3]), (67, [1, 2, 3]), (4, [1, 3])):
        resize_file(tmp_path / "a.h5", tmp_path / f"{pairs}.h5", (16, 16), pairs)
        with PhotoFile(tmp_path / f"{pairs}.h5") as file:
            part = file.split("train")
            assert part.x_file[-1] == f"x{len(part) - 1}.png" and part.y_mask is None
            assert [tuple(swap) for swap in zip(part.triples.i, part.triples.j)] == [swaps[n] for n in kept]
            found = [(getattr(part, name)[n], rows[n][name]) for n in range(len(part)) for name in rows[0]]
            found += [(getattr(part.triples, name)[n], truths[k][name])
                      for n, k in enumerate(kept) for name in truths[0]]  # fmt: skip
            assert len(found) == 3 * (pairs or 70) + 2 * len(kept)
            for small, large in found:
                means = large.reshape(16, 2, 16, 2, -1).mean((1, 3)).reshape(small.shape)
                assert np.abs(small - means).max() <= 12


def test_only_the_first_pairs_and_the_same_bytes_again(half, tmp_path):
    """Of the 5 training swaps of row n in the garment of row n + 1, the first 4 rows have 3."""
    resize_file(half[0], tmp_path / "again.h5", (16, 16))
    assert (tmp_path / "again.h5").read_bytes() == half[1].read_bytes()
    assert resize_file(half[0], tmp_path / "few.h5", (16, 16), 4) == 3 * (4 + 6) + 2 * (3 + 6)
    with PhotoFile(half[0]) as large, PhotoFile(tmp_path / "few.h5") as few:
        assert few.provenance == {**large.provenance, "resized": [16, 16], "first_pairs": 4}
        assert few.split("test").garment.tolist() == large.split("test").garment.tolist()
        assert [len(few.split(name)) for name in few.splits] == [4, 6]
        assert [len(few.split(name).triples.x_ij) for name in few.splits] == [3, 6]


@pytest.mark.parametrize("words, fault", [
    (["16x16", "--pairs", "71"], "large.h5: has 70 training pairs, not 71"),
    (["48x48"], "large.h5: has images of 32x32"), (["32x16"], "large.h5: has images of 32x32"),
])  # fmt: skip
def test_what_cannot_be_reduced_is_one_line(half, tmp_path, capsys, words, fault):
    assert fault in trees.error(capsys, "resize", half[0], tmp_path / "b.h5", "--size", *words)
    assert not (tmp_path / "b.h5").exists()
