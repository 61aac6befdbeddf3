"""Units of the ingestion: resizing, lists, near repeats, splits; compared with plain loops."""

import io
import itertools
import json
from types import SimpleNamespace

import h5py
import layout_trees as trees
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cagan_theano import weights
from data_prep import checks
from data_prep.__main__ import cli
from data_prep.develop import Developed, Task, develop
from data_prep.ingest import WINDOW, in_parallel
from data_prep.layouts import LAYOUTS
from data_prep.layouts.records import Fault, Pair, Unpaired, list_rows
from data_prep.near_duplicates import COLOR, DISTANCE, near_repeats
from data_prep.picture import decode, fit, open_rgb, read_picture
from data_prep.plan import make_plan
from data_prep.source import Source
from data_prep.store import PhotoFile, PhotoWriter, pack, unpack

GREEN, WHITE = (30, 160, 60), (240, 240, 240)

# --- shape and resizing


def disk(width, height, radius=0.3):
    """An image of a green disk in its center."""
    y, x = np.mgrid[:height, :width]
    inside = np.hypot(x - (width - 1) / 2, y - (height - 1) / 2) < radius * min(width, height)
    return np.where(inside[..., None], np.uint8(GREEN), np.uint8(WHITE))


def extent(picture):
    """(width, height) of the green region, counting partly covered pixels by their share."""
    share = (240 - picture[..., 0].astype(float)) / (240 - 30)
    return share.sum(axis=1).max(), share.sum(axis=0).max()


@pytest.mark.parametrize("size, rows, columns", [((64, 16), (12, 20), (0, 32)), ((8, 64), (0, 32), (14, 18))])
def test_padding_is_even_on_both_sides(size, rows, columns):
    made = np.asarray(fit(Image.new("RGB", size, (200, 10, 20)), 32, 32, fill=(0, 0, 255)))
    expected = np.full((32, 32, 3), (0, 0, 255))
    expected[slice(*rows), slice(*columns)] = 200, 10, 20
    np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize("ending", ["png", "jpg"])
@pytest.mark.parametrize("how", ["pad", "crop"])
@pytest.mark.parametrize("size", [(768, 1024), (500, 500), (1200, 700), (90, 70)])
def test_a_round_picture_stays_round(tmp_path, size, how, ending):
    trees.save(tmp_path / f"a.{ending}", disk(*size))
    wide, high = extent(read_picture(tmp_path / f"a.{ending}", 128, 96, how))
    scale = (min if how == "pad" else max)(96 / size[0], 128 / size[1])
    diameter = 0.6 * min(size) * scale
    assert abs(wide - high) < 0.06 * high + 0.5
    if how == "pad" or diameter < 96:
        assert abs(wide - diameter) < 0.06 * diameter + 1


def test_pad_keeps_the_whole_and_crop_the_middle(tmp_path):
    picture = np.full((60, 120, 3), WHITE, np.uint8)
    picture[:, :10], picture[:, -10:], picture[25:35, 55:65] = (200, 0, 0), (0, 0, 200), GREEN
    image = Image.fromarray(picture)
    pad, crop = (np.asarray(fit(image, 48, 48, how)).astype(int) for how in ("pad", "crop"))
    assert (pad[24, 0] == (200, 0, 0)).all() and (pad[24, -1] == (0, 0, 200)).all()
    assert (pad[0] == WHITE).all() and (np.abs(crop[0] - WHITE) < 3).all()
    assert not (np.abs(crop - (200, 0, 0)) < 60).all(-1).any() and crop[24, 24, 0] < 60


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_resizing_does_not_alias(tmp_path, ending):
    board = np.uint8(255 * (np.indices((768, 576)).sum(axis=0) % 2))
    trees.save(tmp_path / f"a.{ending}", np.repeat(board[..., None], 3, axis=-1))
    read = read_picture(tmp_path / f"a.{ending}", 128, 96).astype(int)
    assert np.abs(read[4:-4, 4:-4] - 127).max() < 8  # nearest-neighbor sampling would give black and white


def test_a_jpeg_read_at_a_quarter_is_the_same_picture(tmp_path):
    large = Image.fromarray(trees.shots()[0][0]).resize((768, 1024), Image.Resampling.BICUBIC)
    trees.save(tmp_path / "a.jpg", np.asarray(large))
    data = (tmp_path / "a.jpg").read_bytes()
    assert decode(io.BytesIO(data), "a", (128, 96)).size == (192, 256)
    thumbnail = read_picture(tmp_path / "a.jpg", 128, 96).astype(int)
    whole = np.asarray(fit(open_rgb(tmp_path / "a.jpg"), 128, 96)).astype(int)
    assert np.abs(thumbnail - whole).mean() < 0.7 and np.abs(thumbnail - trees.shots()[0][0]).mean() < 2


# --- the stored form


@given(st.binary(min_size=0, max_size=700))
def test_packed_pictures_come_back(data):
    picture = np.frombuffer(data + bytes(-len(data) % 3), np.uint8).reshape(-1, 1, 3)
    np.testing.assert_array_equal(unpack(pack(picture), picture.shape), picture)


@given(st.lists(st.binary(min_size=768, max_size=768), min_size=1, max_size=4))
@settings(max_examples=20, deadline=None)
def test_hdf5_reads_what_is_packed_here(tmp_path_factory, datas):
    path = tmp_path_factory.mktemp("packed") / "o.h5"
    pictures = [np.frombuffer(data, np.uint8).reshape(16, 16, 3) for data in datas]
    with PhotoWriter(path, 16, 16, {}) as writer:
        for n, picture in enumerate(pictures):
            writer.add("train", pack(picture), picture, n, n)
    with PhotoFile(path) as file:  # the library verifies the checksum
        train = file.split("train")
        np.testing.assert_array_equal(train.x.load(), pictures)
        np.testing.assert_array_equal(train.y.load(), pictures)


def test_a_damaged_packed_picture_is_noticed():
    data = bytearray(pack(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)))
    data[10] ^= 1
    with pytest.raises(ValueError, match="damaged"):
        unpack(data, (4, 4, 3))


# --- lists


def rows_of(tmp_path, content, files=()):
    """The rows of a list with this content, given the files that exist."""
    (tmp_path / "l.txt").write_bytes(content)
    exists = (lambda column, name: name in files) if files else lambda column, name: True
    return [
        row[1] if not isinstance(row, Fault) else row.why
        for row in list_rows(Source(tmp_path), "l.txt", exists)
    ]


@pytest.mark.parametrize("content, expected", [
    (b"a.jpg b.jpg\nc.jpg   d.jpg", [["a.jpg", "b.jpg"], ["c.jpg", "d.jpg"]]),
    (b"\xef\xbb\xbfa.jpg\tb.jpg\r\n\r\n", [["a.jpg", "b.jpg"]]),
    (b"my a.jpg,  b.jpg", [["my a.jpg", "b.jpg"]]),
    (b"x\\a.jpg .\\y\\\\b.jpg extra", [["x/a.jpg", "y/b.jpg", "extra"]]),
    (b"a.jpg", ["has one column; two are required"]),
    (b"../a.jpg b.jpg", ["../a.jpg: points outside the folder"]),
    (b"a/..\\..\\b.jpg b.jpg", ["a/..\\..\\b.jpg: points outside the folder"]),
])  # fmt: skip
def test_lines_of_lists(tmp_path, content, expected):
    assert rows_of(tmp_path, content) == expected


def test_names_with_spaces_are_told_by_the_files(tmp_path):
    rows = rows_of(tmp_path, b"my a.jpg the b.jpg", {"my a.jpg", "the b.jpg"})
    assert rows == [["my a.jpg", "the b.jpg"]]


@pytest.mark.parametrize("base, folder, expected", [
    ("", "", "people/a b.jpg"), ("", ".", "people/a b.jpg"),
    ("", "people", "a b.jpg"), ("people", "", "a b.jpg"),
])  # fmt: skip
@pytest.mark.parametrize("linked", [False, True])
def test_absolute_paths_inside_the_folder_are_relative_to_it(tmp_path, base, folder, expected, linked):
    trees.save(tmp_path / "real" / "people" / "a b.jpg", disk(9, 9))
    (tmp_path / "link").symlink_to(tmp_path / "real")
    given = tmp_path / ("link" if linked else "real")
    source = Source(given).within(base) if base else Source(given)
    for top in (given, tmp_path / "real"):
        assert source.resolve(f"{top}/people/./a b.jpg", folder) == expected
    assert source.resolve(f"{given}/people\\a b.jpg", folder) == expected


@pytest.mark.parametrize("path, why", [
    ("{0}/real2/a.jpg", "outside its folder"), ("{0}/real", "outside its folder"), ("/a", "outside"),
    ("{0}/real/../a.jpg", "points outside the folder"), ("{0}/link/a.jpg", "outside its folder"),
])  # fmt: skip
def test_absolute_paths_outside_of_the_folder_are_refused(tmp_path, path, why):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(ValueError, match=why):
        Source(tmp_path / "real").resolve(path.format(tmp_path))


def test_an_absolute_path_through_a_link_out_of_the_folder_is_refused(tmp_path):
    trees.save(tmp_path / "secret" / "a.jpg", disk(9, 9))
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "out").symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match="links outside the folder"):
        Source(tmp_path / "real").read(f"{tmp_path}/real/out/a.jpg")


def test_a_list_with_absolute_paths_gives_the_pairs_of_its_relative_one(tmp_path):
    for name in ("people/a 1.jpg", "shop/b 1.jpg"):
        trees.save(tmp_path / name, disk(9, 9))
    (tmp_path / "relative.txt").write_text("a 1.jpg b 1.jpg\n")
    (tmp_path / "absolute.txt").write_text(f"{tmp_path}/people/a 1.jpg {tmp_path}/shop/b 1.jpg\n")
    relative, absolute = (
        list(LAYOUTS["list"].records(Source(tmp_path), name, "people", "shop"))
        for name in ("relative.txt", str(tmp_path / "absolute.txt"))
    )
    assert relative == absolute == [Pair(*("people/a 1.jpg", "shop/b 1.jpg") * 2)]


# --- repeats


def test_near_repeats_are_those_of_a_plain_loop():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, 120, dtype=np.uint64)
    colors = rng.integers(0, 256, (120, 12)).astype(np.uint8)
    for row in range(60, 120):  # neighbors at every distance
        flips = rng.choice(64, rng.integers(0, DISTANCE + 4), replace=False)
        hashes[row] = hashes[row - 60] ^ np.uint64(sum(1 << int(bit) for bit in flips))
        shift = rng.integers(-COLOR - 3, COLOR + 4)
        colors[row] = np.clip(colors[row - 60].astype(int) + shift, 0, 255)
    hashes[110:], colors[110:] = hashes[60:70], colors[60:70]
    digests = [bytes([n if n < 110 else n - 50]) for n in range(120)]  # ten are copies
    expected = [
        (a, b)
        for a, b in itertools.combinations(range(120), 2)
        if bin(int(hashes[a]) ^ int(hashes[b])).count("1") <= DISTANCE
        and max(abs(int(p) - int(q)) for p, q in zip(colors[a], colors[b])) <= COLOR
    ]
    found = near_repeats(hashes, colors, digests)
    assert [tuple(row) for row in found.tolist()] == expected and 10 < len(expected) < 60


def test_photos_again_at_other_sizes_and_qualities_are_near_repeats():
    pictures = [Image.fromarray(shot[role]) for shot in trees.shots() for role in (0, 1)]

    def again(image):
        content = io.BytesIO()
        image.resize((72, 96), Image.Resampling.BICUBIC).save(content, "JPEG", quality=85)
        return Image.open(content)

    prints = [checks.fingerprint(p) for p in [*pictures, *map(again, pictures)]]
    found = near_repeats(
        [p for p, _ in prints],
        np.stack([np.frombuffer(c, np.uint8) for _, c in prints]),
        [bytes([n]) for n in range(len(prints))],
    )
    assert found.tolist() == [[n, n + len(pictures)] for n in range(len(pictures))]


# --- splits


@st.composite
def random_sets(draw):
    """Pairs with few products, persons, splits and hashes, so that many are shared."""
    pairs, metadata = [], {}
    for n in range(draw(st.integers(1, 14))):
        split = draw(st.sampled_from(["", "train", "test"]) if n % 5 else st.just("train"))
        pair = Pair(
            f"x{n}",
            f"y{n - draw(st.integers(0, 1))}",
            f"p{n - draw(st.integers(0, 2))}",
            f"q{n - draw(st.integers(0, 2))}",
            split,
        )
        pairs.append(pair)
        for key in (("x", pair.person), ("y", pair.garment)):
            value = draw(st.integers(0, 60))
            phash = (0x0123456789ABCDEF * (2 * (value // 3) + 1) + value % 3) % 2**64
            digest = repr(value if value % 2 else key).encode()  # some files are copies
            metadata.setdefault(key, Developed(digest=digest, phash=phash, colors=bytes(12)))
    return pairs, metadata


@given(random_sets(), st.sampled_from(["given", "product"]), st.floats(0, 0.9))
@settings(max_examples=200, deadline=None)
def test_nothing_crosses_a_split(random_set, split, share):
    pairs, metadata = random_set
    plan = make_plan(pairs, [], metadata, split=split, share=share)
    train, test = ([k for k in plan.kept if k.split == name] for name in ("train", "test"))
    assert len(plan.kept) + len(plan.dropped) == len(set(pairs))
    for a, b in itertools.product(train, test):
        assert a.pair.product != b.pair.product and a.pair.person_id != b.pair.person_id
        assert (a.person, a.garment) != (b.person, b.garment)
        for role, p, q in (("x", a.pair.person, b.pair.person), ("y", a.pair.garment, b.pair.garment)):
            apart = bin(metadata[role, p].phash ^ metadata[role, q].phash).count("1")
            assert p != q and apart > DISTANCE
    assert not {k.garment for k in train} & {k.garment for k in test}
    assert not {k.person for k in train} & {k.person for k in test}


def distinct_photos(pairs):
    """Metadata of photos that resemble no other."""
    photos = {key for pair in pairs for key in (("x", pair.person), ("y", pair.garment))}
    rng = np.random.default_rng(1)
    return {
        key: Developed(digest=repr(key).encode(), phash=int(rng.integers(0, 2**63)), colors=bytes(12))
        for key in sorted(photos)
    }


def test_a_split_by_product_holds_out_its_share():
    pairs = [Pair(f"x{n}", f"y{n // 2}", f"x{n}", f"q{n // 2}") for n in range(200)]
    plans = [make_plan(pairs, [], distinct_photos(pairs), share=0.2, seed=seed) for seed in (0, 0, 1)]
    tests = [{k.pair.product for k in plan.kept if k.split == "test"} for plan in plans]
    assert [len(test) for test in tests] == [20, 20, 20] and tests[0] == tests[1] != tests[2]


def test_swaps_need_both_pairs_and_two_garments():
    pairs = [Pair(f"x{n}", f"y{n}", f"x{n}", f"q{n}", "test" if n < 4 else "train") for n in range(6)]
    unpaired = [
        Unpaired("x0", "y1"),
        Unpaired("x1", "y1"),
        Unpaired("x2", "y5"),
        Unpaired("x3", "none"),
        Unpaired("x3", "y0"),
    ]
    plan = make_plan(pairs, unpaired, distinct_photos(pairs))
    assert plan.triples == [(0, 1), (3, 0)] and plan.unmatched == 3


# --- checks


def test_a_face_in_a_garments_photo_is_found():
    data = pytest.importorskip("skimage.data")
    portrait = Image.fromarray(data.astronaut()).crop((60, 0, 400, 453)).resize((200, 266))
    canvas = Image.new("RGB", (300, 400), (235, 235, 235))
    canvas.paste(portrait, (50, 60))  # not cut off by the lower edge
    thumbnail = checks.make_thumbnail(canvas)
    assert "a face" in checks.person_doubt(canvas, thumbnail, checks.find_foreground(thumbnail))


def test_a_wide_picture_has_no_face_and_is_not_enlarged():
    """By its height it would be reduced to 704 million pixels of width."""
    wide = SimpleNamespace(width=8_000_000, height=2, resize=None)
    assert not checks.has_face(wide)


def test_a_crop_that_cuts_the_garment_off_is_a_fault(tmp_path):
    photo, mask = np.full((200, 600, 3), 240, np.uint8), np.zeros((200, 600), np.uint8)
    mask[60:150, 20:110] = 255
    trees.save(tmp_path / "x.png", np.where(mask[..., None], np.uint8(60), photo))
    trees.save(tmp_path / "m.png", mask)
    task = Task("x", "x.png", "m.png", ())
    for how, fault in (("pad", None), ("crop", "mask: contains no garment")):
        found = develop(Source(tmp_path), task, (128, 96), how)
        assert (found.mask is None) == (fault is not None)
        assert fault is None or found.mask_fault.startswith(fault)


def test_the_mask_of_a_photo_of_another_shape_is_fitted_as_the_photo_is(tmp_path):
    """Pixels and mask are one picture, at another size, padded or cropped."""
    seen = np.zeros((200, 100), np.uint8)
    seen[70:130, 30:80] = 255
    trees.save(tmp_path / "x.png", np.repeat(seen[..., None], 3, axis=2))
    trees.save(tmp_path / "m.png", seen)
    for how in ("pad", "crop"):
        found = develop(Source(tmp_path), Task("x", "x.png", "m.png", ()), (128, 96), how)
        pixels, mask = unpack(found.pixels, (128, 96, 3)), unpack(found.mask, (128, 96))
        assert np.array_equal(pixels[..., 0] > 127, mask > 127) and 300 < (mask > 127).sum() < 6000, how


def check(picture):
    """(blank fault, person doubt) of an image."""
    image = Image.fromarray(picture)
    thumbnail = checks.make_thumbnail(image)
    foreground = checks.find_foreground(thumbnail)
    return checks.blank_fault(thumbnail, foreground), checks.person_doubt(image, thumbnail, foreground)


def test_rendered_garments_are_no_persons_and_no_photo_is_blank():
    with PhotoFile(weights.held_out(128, 96)) as file:
        split = file.split("test")
        persons, garments = ([check(rows[n]) for n in range(len(split))] for rows in (split.x, split.y))
    assert garments == [(None, None)] * len(garments)
    assert not any(blank for blank, _ in persons)
    # misses heads or bodies that are cut off or small, and photos with a white border
    assert sum(bool(person) for _, person in persons) >= 0.5 * len(persons)


@pytest.mark.parametrize(
    "level, size, blank", [(0, 0, True), (6, 40, True), (60, 3, True), (60, 30, False), (20, 40, False)]
)
def test_blank_and_nearly_blank(level, size, blank):
    picture = np.full((128, 96, 3), 245, np.uint8)
    picture[40 : 40 + size, 30 : 30 + size] -= np.uint8(level)
    thumbnail = checks.make_thumbnail(Image.fromarray(picture))
    assert (checks.blank_fault(thumbnail, checks.find_foreground(thumbnail)) is not None) == blank


# --- in parallel


def test_results_come_in_order_and_few_are_held():
    started, held = [], []

    def work(item):
        started.append(item)
        return -item

    for item, result in in_parallel(work, range(300), 3):
        assert result == -item and item == len(held)
        held.append(item)
        assert max(started) - item <= 3 * WINDOW


# --- swaps without ground truth in the file


def file_with(path, change):
    """A file with a test split of three pairs and two swaps without ground truth, modified by `change`."""
    pictures = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    with PhotoWriter(path, 16, 16, {}) as writer:
        for n, picture in enumerate(pictures):
            writer.add("test", picture, picture, n, n, files=(f"x/{n} ü.jpg", "y"))
        writer.add_triple(0, 1)
        writer.add_triple(2, 0)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def test_swaps_without_a_truth_are_read(tmp_path):
    with PhotoFile(file_with(tmp_path / "o.h5", lambda file: None)) as file:
        test = file.split("test")
        assert (test.triples.i.tolist(), test.triples.j.tolist()) == ([0, 2], [1, 0])
        assert test.triples.x_ij is None and test.triples.mask is None
        assert test.x_file == [f"x/{n} ü.jpg" for n in range(3)] and test.y_mask is None


FAULTS = {
    "kind has a name that is no text": lambda file: named(file, ["a", 3]),
    "/test/triples/mask is missing": lambda file: file["test/triples"].create_dataset(
        "x_ij", data=np.zeros((2, 16, 16, 3), np.uint8)
    ),
    "/test/x_file is uint8": lambda file: replace(file, "test/x_file", np.zeros((2, 4), np.uint8)),
    "/test/y_file must hold names": lambda file: replace(file, "test/y_file", np.zeros((3, 600), np.uint8)),
    "/test/y_mask is uint8": lambda file: file.create_dataset(
        "test/y_mask", data=np.zeros((3, 8, 8), np.uint8)
    ),
    "a garment with itself": lambda file: replace(file, "test/triples/j", np.int32([0, 0])),
}


def named(file, words):
    """Add an attribute with these words."""
    file.create_dataset("test/attributes/kind", data=np.zeros(3, np.uint8)).attrs["names"] = json.dumps(words)


def replace(file, name, data):
    """Replace a dataset."""
    del file[name]
    file.create_dataset(name, data=data)


def test_words_of_a_file_are_printed_escaped(tmp_path):
    """A terminal would take them for commands."""
    path = file_with(tmp_path / "o.h5", lambda file: named(file, ["\x1b[2J", "a\nb"]))
    done = CliRunner().invoke(cli, ["inspect", str(path)])
    assert done.exit_code == 0 and r"kind: \x1b[2J 3" in done.output and "\x1b" not in done.output


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_file_of_such_swaps_is_refused(tmp_path, fault):
    with pytest.raises(ValueError, match=fault):
        PhotoFile(file_with(tmp_path / "o.h5", FAULTS[fault]))
