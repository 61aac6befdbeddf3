"""Parts of the import: resizing, lists, near repeats, splits, checks; compared with plain loops."""

import io
import itertools

import layout_trees as trees
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cagan_theano import weights
from data_prep import examine
from data_prep.examine import Examined, Task
from data_prep.layouts.records import Fault, Pair, Unpaired, list_rows
from data_prep.near_repeats import COLOR, DISTANCE, near_repeats
from data_prep.photo_folder import PhotoFolder
from data_prep.picture import decode, fit, open_rgb
from data_prep.selection import Settings, select
from data_prep.store import PhotoFile, unpack

GREEN, WHITE = (30, 160, 60), (240, 240, 240)


def read_fitted(path):
    """A photo as the import reads it: [128, 96, 3] uint8."""
    return np.asarray(fit(decode(path, path, (128, 96)), 128, 96)).astype(int)


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_resizing_does_not_alias_and_a_jpeg_is_read_at_a_quarter(tmp_path, ending):
    board = np.uint8(255 * (np.indices((768, 576)).sum(axis=0) % 2))
    trees.save(tmp_path / f"a.{ending}", np.repeat(board[..., None], 3, axis=-1))
    board = read_fitted(tmp_path / f"a.{ending}")
    assert np.abs(board[4:-4, 4:-4] - 127).max() < 8  # nearest-neighbor sampling would give black and white
    large = Image.fromarray(trees.shot(0)[0]).resize((768, 1024), Image.Resampling.BICUBIC)
    path = tmp_path / f"b.{ending}"
    trees.save(path, np.asarray(large))
    assert decode(path, "b", (128, 96)).size == ((192, 256) if ending == "jpg" else (768, 1024))
    whole = np.asarray(fit(open_rgb(path), 128, 96)).astype(int)
    read = read_fitted(path)
    assert np.abs(read - whole).mean() < 0.7 and np.abs(read - trees.shot(0)[0]).mean() < 2


def test_pad_keeps_the_whole_and_crop_the_middle():
    picture = np.full((60, 120, 3), WHITE, np.uint8)
    picture[:, :10], picture[:, -10:], picture[25:35, 55:65] = (200, 0, 0), (0, 0, 200), GREEN
    image = Image.fromarray(picture)
    pad, crop = (np.asarray(fit(image, 48, 48, how)).astype(int) for how in ("pad", "crop"))
    assert (pad[24, 0] == (200, 0, 0)).all() and (pad[24, -1] == (0, 0, 200)).all()
    assert (pad[[0, 11, 36, 47]] == WHITE).all() and (pad[12, 0] == pad[35, 0]).all()  # even on both sides
    assert (np.abs(crop[0] - WHITE) < 3).all()
    assert not (np.abs(crop - (200, 0, 0)) < 60).all(-1).any() and crop[24, 24, 0] < 60


SPACED = [["my a.jpg", "the b.jpg"]]


@pytest.mark.parametrize("content, expected", [
    (b"a.jpg b.jpg\nc.jpg   d.jpg", [["a.jpg", "b.jpg"], ["c.jpg", "d.jpg"]]),
    (b"\xef\xbb\xbfa.jpg\tb.jpg\r\n\r\n", [["a.jpg", "b.jpg"]]),
    ("ä.jpg b.jpg\r\n".encode("utf-16"), [["ä.jpg", "b.jpg"]]),
    (b"my a.jpg,  b.jpg", [["my a.jpg", "b.jpg"]]), (b"my a.jpg;b.jpg", [["my a.jpg", "b.jpg"]]),
    (b'"my a.jpg" "b, c.jpg"', [["my a.jpg", "b, c.jpg"]]), (b'"a,1.jpg","b.jpg"', [["a,1.jpg", "b.jpg"]]),
    (b"person,garment\na.jpg,b.jpg", [["a.jpg", "b.jpg"]]),
    (b"x\\a.jpg .\\y\\\\b.jpg extra", [["x/a.jpg", "y/b.jpg", "extra"]]),
    (b"a.jpg", ["has one column; two are required"]),
    (b"../a.jpg b.jpg", ["../a.jpg: points outside the folder"]),
    (b"a/..\\..\\b.jpg b.jpg", ["a/..\\..\\b.jpg: points outside the folder"]),
    # names with spaces are split by existing files
    *((line, SPACED) for line in (b"my a.jpg the b.jpg", b"my a.jpg,the b.jpg",
                                  b"person garment\nmy a.jpg the b.jpg")),
])  # fmt: skip
def test_lines_of_lists(tmp_path, content, expected):
    (tmp_path / "l.txt").write_bytes(content)
    exists = (lambda column, name: name in SPACED[0],) if expected == SPACED else ()
    rows = list_rows(PhotoFolder(tmp_path), "l.txt", *exists)
    assert [row.why if isinstance(row, Fault) else row[1] for row in rows] == expected


@pytest.mark.parametrize("base, inner, expected, linked", [
    ("", ".", "people/a b.jpg", False), ("", "people", "a b.jpg", True), ("people", "", "a b.jpg", True),
])  # fmt: skip
def test_absolute_paths_inside_the_folder_are_relative_to_it(tmp_path, base, inner, expected, linked):
    trees.save(tmp_path / "real" / "people" / "a b.jpg", trees.shot(0)[0])
    (tmp_path / "link").symlink_to(tmp_path / "real")
    given = tmp_path / ("link" if linked else "real")
    folder = PhotoFolder(given).within(base) if base else PhotoFolder(given)
    for top in (given, tmp_path / "real"):
        assert folder.resolve(f"{top}/people/./a b.jpg", inner) == expected
    assert folder.resolve(f"{given}/people\\a b.jpg", inner) == expected


@pytest.mark.parametrize("path, why", [
    ("{0}/real2/a.jpg", "outside its folder"), ("{0}/real", "outside its folder"), ("/a", "outside"),
    ("{0}/real/../a.jpg", "points outside the folder"), ("{0}/real/out/a.jpg", "links outside the folder"),
])  # fmt: skip
def test_paths_outside_of_the_folder_are_refused(tmp_path, path, why):
    trees.save(tmp_path / "secret" / "a.jpg", trees.shot(0)[0])
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "out").symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match=why):
        PhotoFolder(tmp_path / "real").read(path.format(tmp_path))


def test_near_duplicates_are_those_of_a_plain_loop():
    rng = np.random.default_rng(0)
    hashes = [int(word) for word in rng.integers(0, 2**63, 120)]
    colors = rng.integers(0, 256, (120, 12))
    for row in range(60, 120):  # neighbors at every distance
        flips = rng.choice(64, rng.integers(0, DISTANCE + 4), replace=False)
        hashes[row] = hashes[row - 60] ^ sum(1 << int(bit) for bit in flips)
        colors[row] = np.clip(colors[row - 60] + rng.integers(-COLOR - 3, COLOR + 4), 0, 255)
    expected = [
        (a, b)
        for a, b in itertools.combinations(range(120), 2)
        if (hashes[a] ^ hashes[b]).bit_count() <= DISTANCE and np.abs(colors[a] - colors[b]).max() <= COLOR
    ]
    assert near_repeats(hashes, colors.tolist()) == expected and 10 < len(expected) < 60
    assert near_repeats([], []) == []


def test_rescaled_and_recompressed_photos_are_near_duplicates():
    pictures = [Image.fromarray(trees.shot(n)[role]) for n in range(trees.COUNT) for role in (0, 1)]

    def again(image):
        content = io.BytesIO()
        image.resize((72, 96), Image.Resampling.BICUBIC).save(content, "JPEG", quality=85)
        return Image.open(content)

    prints = [examine.fingerprint(picture) for picture in [*pictures, *map(again, pictures)]]
    assert near_repeats(*zip(*prints)) == [(n, n + len(pictures)) for n in range(len(pictures))]


@st.composite
def random_sets(draw):
    """Pairs with few products, persons, splits and hashes, so that many are shared."""
    pairs, photos = [], {}
    for n in range(draw(st.integers(1, 14))):
        split = draw(st.sampled_from(["", "train", "test"]) if n % 5 else st.just("train"))
        garment, person, product = (n - draw(st.integers(0, most)) for most in (1, 2, 2))
        pairs.append(Pair(f"x{n}", f"y{garment}", f"p{person}", f"q{product}", split))
        for key in (("x", pairs[-1].person), ("y", pairs[-1].garment)):
            value = draw(st.integers(0, 60))
            phash = (0x0123456789ABCDEF * (2 * (value // 3) + 1) + value % 3) % 2**64
            digest = repr(value if value % 2 else key)  # some files are copies
            photos.setdefault(key, Examined(digest=digest, phash=phash, colors=(0,) * 12))
    return pairs, photos


@given(random_sets(), st.sampled_from(["given", "product"]), st.floats(0, 0.9))
@settings(max_examples=150, deadline=None)
def test_nothing_crosses_a_split(random_set, split, share):
    pairs, photos = random_set
    selection = select(pairs, [], photos, Settings(split=split, share=share))
    train, test = ([k for k in selection.kept if k.split == name] for name in ("train", "test"))
    assert len(selection.kept) + len(selection.dropped) == len(set(pairs))
    for a, b in itertools.product(train, test):
        assert a.pair.product != b.pair.product and a.pair.person_id != b.pair.person_id
        assert a.person != b.person and a.garment != b.garment
        for role, p, q in (("x", a.pair.person, b.pair.person), ("y", a.pair.garment, b.pair.garment)):
            assert p != q and (photos[role, p].phash ^ photos[role, q].phash).bit_count() > DISTANCE


def distinct_photos(pairs):
    """Photos that resemble no other."""
    keys = sorted({key for pair in pairs for key in (("x", pair.person), ("y", pair.garment))})
    hashes = np.random.default_rng(1).integers(0, 2**63, len(keys)).tolist()
    return {key: Examined(digest=repr(key), phash=n, colors=(0,) * 12) for key, n in zip(keys, hashes)}


def numbered_pairs(count, products):
    """Pairs of different persons with a number of products."""
    return [Pair(f"x{n}", f"y{n % products}", f"x{n}", f"q{n % products}") for n in range(count)]


def test_a_split_by_product_holds_out_its_share_or_nothing():
    pairs = numbered_pairs(200, 100)
    tests = []
    for seed in (0, 0, 1):
        kept = select(pairs, [], distinct_photos(pairs), Settings(share=0.2, seed=seed)).kept
        tests.append({k.pair.product for k in kept if k.split == "test"})
    assert [len(test) for test in tests] == [20, 20, 20] and tests[0] == tests[1] != tests[2]
    for count, share, held_out in ((1, 0.1, 0), (6, 0.1, 0), (6, 0.4, 3), (12, 0.1, 2)):  # never one alone
        pairs = numbered_pairs(count, count)
        kept = select(pairs, [], distinct_photos(pairs), Settings(share=share)).kept
        assert sum(k.split == "test" for k in kept) == held_out and len(kept) == count


def test_swaps_need_both_pairs_and_two_garments():
    pairs = [Pair(f"x{n}", f"y{n}", f"x{n}", f"q{n}", "test" if n < 4 else "train") for n in range(6)]
    swaps = [("x0", "y1"), ("x1", "y1"), ("x2", "y5"), ("x3", "none"), ("x3", "y0")]
    selection = select(pairs, [Unpaired(*swap) for swap in swaps], distinct_photos(pairs), Settings())
    assert selection.triples == [(0, 1), (3, 0)] and selection.unmatched == 3


@pytest.mark.parametrize("how, fault", [("pad", None), ("crop", "mask: contains no garment")])
def test_a_mask_is_fitted_as_the_photo_is_and_a_crop_may_cut_the_garment_off(tmp_path, how, fault):
    seen = np.zeros((200, 600), np.uint8)
    seen[60:150, 20:110] = 255
    trees.save(tmp_path / "x.png", np.repeat(seen[..., None], 3, axis=2))
    trees.save(tmp_path / "m.png", seen)
    found = examine.examine(PhotoFolder(tmp_path), Task("x", "x.png", "m.png"), (128, 96), how)
    assert found.mask_fault == fault
    if not fault:
        pixels, mask = unpack(found.pixels, (128, 96, 3)), unpack(found.mask, (128, 96))
        assert np.array_equal(pixels[..., 0] > 127, mask > 127) and 150 < (mask > 127).sum() < 6000
        with pytest.raises(ValueError, match="damaged"):
            unpack(bytes([found.mask[0] ^ 1]) + found.mask[1:], (128, 96))


def thumbnail(picture):
    """A picture at the size at which it is checked."""
    side = (examine.SIDE, examine.SIDE)
    return np.asarray(Image.fromarray(picture).resize(side, Image.Resampling.BOX, reducing_gap=1.0))


def test_shipped_garments_are_no_persons_and_no_photo_is_blank():
    with PhotoFile(weights.held_out(128, 96)) as file:
        split = file.split("test")
        persons, garments = ([thumbnail(rows[n]) for n in range(len(split))] for rows in (split.x, split.y))
    assert not any(map(examine.blank_fault, [*persons, *garments]))
    assert not any(map(examine.person_doubt, garments))
    # misses bodies that are cut off or small, and photos with a white border
    assert sum(map(bool, map(examine.person_doubt, persons))) >= 0.5 * len(persons)


@pytest.mark.parametrize("level, size, blank", [(0, 0, True), (60, 3, True), (60, 30, False), (20, 40, False),
                                                (5, 40, False), (1, 40, True)])  # fmt: skip
@pytest.mark.parametrize("ground", [245, 12])
def test_blank_and_nearly_blank(level, size, blank, ground):
    """A white garment on white differs by a few levels; noise does not count."""
    picture = np.full((128, 96, 3), ground)
    picture[40 : 40 + size, 30 : 30 + size] += level if ground < 128 else -level
    noise = np.random.default_rng(0).normal(0, 1, picture.shape)
    found = examine.blank_fault(thumbnail(np.uint8(np.clip(np.rint(picture + noise), 0, 255))))
    assert (found is not None) == blank
