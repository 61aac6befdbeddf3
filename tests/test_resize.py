"""`python -m data_prep resize`: a data file at a smaller size."""

import numpy as np
import pytest
from conftest import write_tiny_photos
from scipy.ndimage import gaussian_filter

from cagan_theano.io.command import main
from data_prep.__main__ import cli
from data_prep.resize import resize_file
from data_prep.store import PhotoFile, PhotoWriter


@pytest.fixture
def half(tmp_path):
    """Paths of a data file of 32x32 and of its reduction to 16x16."""
    large = write_tiny_photos(tmp_path / "large.h5", pairs=70, tests=6, swaps=5)
    assert resize_file(large, tmp_path / "small.h5", (16, 16)) == 3 * 76 + 2 * (5 + 5)
    return large, tmp_path / "small.h5"


def test_everything_but_the_size_is_kept(half):
    with PhotoFile.open(half[0]) as large, PhotoFile.open(half[1]) as small:
        assert (small.height, small.width) == (16, 16)
        assert small.provenance == {**large.provenance, "resized": [16, 16]}
        for name in ("train", "test"):
            one, other = large.split(name), small.split(name)
            for field in ("person", "garment"):
                assert (getattr(one, field) == getattr(other, field)).all()
            assert (one.triples.i == other.triples.i).all() and (one.triples.j == other.triples.j).all()
            assert other.x.shape == (len(one), 16, 16, 3) and other.mask.shape == (len(one), 16, 16)
            assert len(one.triples.x_ij) == len(other.triples.x_ij)


def test_pixels_are_averages_of_the_larger_ones(tmp_path):
    noise = np.random.default_rng(0).uniform(0, 255, (6, 64, 64, 3))
    smooth = gaussian_filter(noise, (0, 3, 3, 0))
    smooth = np.uint8(np.clip(127 + 8 * (smooth - 127), 0, 255))
    with PhotoWriter(tmp_path / "a.h5", 64, 64, {"program": "tests"}) as writer:
        for n, image in enumerate(smooth):
            writer.add("train", image, image[::-1].copy(), n, n, files=(f"x{n}.png", f"y{n}.png"))
        writer.add_triple(0, 1, split="train")
    resize_file(tmp_path / "a.h5", tmp_path / "b.h5", (32, 32))
    with PhotoFile.open(tmp_path / "b.h5") as file:
        photos = file.split("train")
        for n, image in enumerate(smooth):
            averages = image.reshape(32, 2, 32, 2, 3).mean((1, 3))
            assert np.abs(photos.x[n] - averages).max() <= 4
            assert np.abs(photos.y[n] - averages[::-1]).max() <= 4
        assert photos.x_file[5] == "x5.png" and photos.y_file[5] == "y5.png"
        assert photos.mask is None and photos.triples.x_ij is None and list(photos.triples.j) == [1]


def test_every_row_and_swap_has_its_own_pixels(tmp_path):
    """More rows than are reduced at once, and swaps of which the first ones are not kept."""
    rng = np.random.default_rng(3)
    draw = lambda *shape: np.uint8(gaussian_filter(rng.uniform(0, 255, shape), (3, 3, 0)[: len(shape)]))  # noqa: E731
    rows = [{"x": draw(32, 32, 3), "y": draw(32, 32, 3), "mask": draw(32, 32)} for _ in range(70)]
    swaps = [(69, 68), (1, 0), (5, 66), (2, 3)]
    truths = [{"x_ij": draw(32, 32, 3), "mask": draw(32, 32)} for _ in swaps]
    with PhotoWriter(tmp_path / "a.h5", 32, 32, {"program": "tests"}) as writer:
        for n, row in enumerate(rows):
            writer.add("train", row["x"], row["y"], n, n, row["mask"])
        for (i, j), truth in zip(swaps, truths):
            writer.add_triple(i, j, truth["x_ij"], truth["mask"], split="train")
    for pairs, kept in ((None, [0, 1, 2, 3]), (67, [1, 2, 3]), (4, [1, 3])):
        resize_file(tmp_path / "a.h5", tmp_path / f"{pairs}.h5", (16, 16), pairs)
        with PhotoFile.open(tmp_path / f"{pairs}.h5") as file:
            part = file.split("train")
            assert [tuple(swap) for swap in zip(part.triples.i, part.triples.j)] == [swaps[n] for n in kept]
            found = [(getattr(part, name)[n], rows[n][name]) for n in range(len(part)) for name in rows[0]]
            found += [(getattr(part.triples, name)[n], truths[k][name])
                      for n, k in enumerate(kept) for name in truths[0]]  # fmt: skip
            assert len(found) == 3 * (pairs or 70) + 2 * len(kept)
            for small, large in found:
                means = large.reshape(16, 2, 16, 2, -1).mean((1, 3)).reshape(small.shape)
                assert np.abs(small - means).max() <= 12


def test_the_same_file_gives_the_same_bytes(half, tmp_path):
    resize_file(half[0], tmp_path / "again.h5", (16, 16))
    assert (tmp_path / "again.h5").read_bytes() == half[1].read_bytes()


def test_only_the_first_pairs_and_the_swaps_among_them(half, tmp_path):
    """Of the 5 training swaps of row n in the garment of row n + 1, the first 4 rows have 3."""
    assert resize_file(half[0], tmp_path / "few.h5", (16, 16), 4) == 3 * (4 + 6) + 2 * (3 + 5)
    with PhotoFile.open(half[1]) as all_pairs, PhotoFile.open(tmp_path / "few.h5") as few:
        assert few.provenance == {**all_pairs.provenance, "first_pairs": 4}
        for name, rows, swaps in (("train", 4, 3), ("test", 6, 5)):
            one, other = all_pairs.split(name), few.split(name)
            assert len(other) == rows and len(other.triples.i) == len(other.triples.x_ij) == swaps
            assert np.array_equal(one.x[:rows], other.x[:rows])
            assert np.array_equal(one.triples.x_ij[:swaps], other.triples.x_ij[:swaps])
            assert list(other.triples.j) == list(one.triples.j[:swaps])


def test_more_pairs_than_there_are(half, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        main(cli, ["resize", str(half[0]), str(tmp_path / "b.h5"), "--size", "16x16", "--pairs", "71"])
    said = capsys.readouterr().err.strip()
    assert left.value.code and not (tmp_path / "b.h5").exists()
    assert "large.h5: has 70 training pairs, not 71" in said and said.count("\n") == 0


@pytest.mark.parametrize("size", ["48x48", "32x16"])
def test_only_a_smaller_size_of_the_same_ratio(size, tmp_path, capsys):
    source = write_tiny_photos(tmp_path / "a.h5", pairs=4, tests=0)
    with pytest.raises(SystemExit) as left:
        main(cli, ["resize", str(source), str(tmp_path / "b.h5"), "--size", size])
    said = capsys.readouterr().err.strip()
    assert left.value.code and not (tmp_path / "b.h5").exists()
    assert "a.h5: has images of 32x32" in said and said.count("\n") == 0
