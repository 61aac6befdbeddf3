"""What `fuzz.py` makes and who reads it: kind -> (make(rng, folder), read(made, folder))."""

import functools
import hashlib
import io
import json
import os
import tempfile
from pathlib import Path

import h5py
import numpy as np
import safetensors.numpy
from matplotlib.cbook import is_math_text
from PIL import Image

import cagan_theano.training.command  # noqa: F401  (before any case: importing Aesara runs the compiler)
from cagan_theano.backends import native
from cagan_theano.checkpoint import (
    Checkpoint,
    check_checkpoint,
    contents_sha256,
    load_checkpoint,
    save_checkpoint,
)
from cagan_theano.config import Config
from cagan_theano.evaluation import report
from cagan_theano.interop import conformance, convert
from cagan_theano.interop.conformance import Vectors, read_vectors, write_vectors
from cagan_theano.io.text import literal
from cagan_theano.studies.plan import read_plan
from cagan_theano.training.run_folder import RunFolder
from cagan_theano.training.sampler import Sampler
from data_prep.ingest import find
from data_prep.layouts import LAYOUTS, detect
from data_prep.photo_folder import PhotoFolder
from data_prep.picture import decode_labels, read_picture
from data_prep.store import PhotoFile, PhotoWriter

WIDTHS = dict(height=16, width=16, g_widths=(8, 8, 8, 8), d_widths=(8, 8, 8, 8))
EXTREMES = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\x01")


# --- mutations of bytes


def mutate(rng, data: bytes) -> bytes:
    """The data with one to eight changes: bits, bytes, numbers, lengths, places."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        if data:
            MUTATIONS[rng.integers(len(MUTATIONS))](rng, data)
    return bytes(data)


def flip_bit(rng, data):
    """One bit of one byte."""
    data[rng.integers(len(data))] ^= 1 << rng.integers(8)


def set_bytes(rng, data):
    """Some bytes, random or all alike, as a number that is too large would be."""
    at, n = rng.integers(len(data)), int(rng.choice([1, 2, 4, 8, 16]))
    new = rng.bytes(n) if rng.random() < 0.5 else EXTREMES[rng.integers(len(EXTREMES))] * n
    data[at : at + n] = new


def add_number(rng, data):
    """A small number, added to a little-endian one of 4 bytes."""
    at = rng.integers(len(data))
    value = int.from_bytes(data[at : at + 4], "little") + int(rng.integers(-16, 17))
    data[at : at + 4] = (value % 2**32).to_bytes(4, "little")


def cut(rng, data):
    """A piece is lost."""
    at = rng.integers(len(data))
    del data[at : at + int(rng.integers(1, 64))]


def truncate(rng, data):
    """The end is lost."""
    if rng.random() < 0.3:
        del data[rng.integers(len(data)) :]


def copy(rng, data):
    """A piece appears at another place as well."""
    a, b, n = rng.integers(len(data)), rng.integers(len(data)), int(rng.integers(1, 256))
    data[b : b + n] = data[a : a + n]


MUTATIONS = (flip_bit, flip_bit, set_bytes, set_bytes, add_number, add_number, cut, truncate, copy)


def in_memory(write) -> bytes:
    """The bytes of the file that write(path) makes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.h5"
        write(path)
        return path.read_bytes()


# --- checkpoints


def example(optimizer=True):
    """A checkpoint of a few numbers."""
    rng = np.random.default_rng(0)
    G = {"encoder1.W": rng.normal(size=(3, 3, 2, 4)), "head.b": rng.normal(size=4)}
    G = {name: value.astype(np.float32) for name, value in G.items()}
    moments = {"G/head.b/m": G["head.b"], "G/t": np.array(5)} if optimizer else None
    sampler = Sampler(Config(batch_size=1), np.arange(3)).state() if optimizer else None
    return Checkpoint(Config(**WIDTHS), 5, G, {"head.W": G["head.b"]}, moments, sampler, {"note": ""})


@functools.cache
def whole_checkpoints():
    """Bytes of good checkpoints, with what they hold: one of a run, one that ships."""
    kinds = (example(), "float32"), (example(optimizer=False), "float16")
    files = [in_memory(lambda path, c=c, d=d: save_checkpoint(path, c, d)) for c, d in kinds]
    with tempfile.TemporaryDirectory() as folder:
        loaded = []
        for n, data in enumerate(files):
            (Path(folder) / f"{n}.h5").write_bytes(data)
            loaded.append(load_checkpoint(Path(folder) / f"{n}.h5"))
    return list(zip(files, loaded))


def checkpoint_bytes(rng, folder):
    """A good checkpoint with changed bytes."""
    n = rng.integers(2)
    path = folder / f"checkpoint{n}.h5"
    path.write_bytes(mutate(rng, whole_checkpoints()[n][0]))
    return path


def read_checkpoint_bytes(path, folder):
    """What loads must be what the whole file holds: no byte changes a value unnoticed."""
    found, whole = load_checkpoint(path), whole_checkpoints()[int(path.stem[-1])][1]
    assert (found.config, found.step, found.sampler, found.metadata) == (
        whole.config, whole.step, whole.sampler, whole.metadata), "loaded otherwise"  # fmt: skip
    for group in ("G", "D", "optimizer"):
        a, b = getattr(found, group) or {}, getattr(whole, group) or {}
        assert {k: v.tobytes() for k, v in a.items()} == {k: v.tobytes() for k, v in b.items()}


def checkpoint_contents(rng, folder):
    """A well-formed HDF5 file with absurd members, and often the digest that belongs to them."""
    path, n = folder / "contents.h5", rng.integers(2)
    path.write_bytes(whole_checkpoints()[n][0])
    with h5py.File(path, "r+") as file:
        for _ in range(rng.integers(1, 4)):
            change(
                rng,
                file,
                ("G", "D", "optimizer", "G/encoder1.W", "other"),
                ("config", "metadata", "sampler", "step", "sha256", "version", "format"),
            )
        if rng.random() < 0.7:
            sign(file)
    return path


def sign(file):
    """Give a checkpoint the digest of its present contents, where it can have one."""
    arrays, small = {}, 1 << 16

    def visit(name, item):
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "fi" and 0 < item.size < small:
            arrays[name] = item[()]

    try:
        file.visititems(visit)
        texts = {k: file.attrs[k] for k in ("config", "metadata", "sampler") if k in file.attrs}
        file.attrs["sha256"] = contents_sha256(texts, file.attrs["step"], arrays)
    except (OSError, TypeError, ValueError, KeyError, RuntimeError, AttributeError):
        pass


def read_checkpoint(path, folder):
    """Load it, and give the random state to a sampler as a resumed training does."""
    checkpoint = load_checkpoint(path)
    if checkpoint.sampler is not None:
        Sampler(Config(batch_size=1), np.arange(3)).restore(checkpoint.sampler)


# --- photo files


def write_photos(path, side=16):
    """A photo file that has everything such a file may have."""
    rng = np.random.default_rng(0)
    with PhotoWriter(path, side, side, {"program": "fuzz"}) as writer:
        for n, split in enumerate(("train", "train", "test", "test")):
            x, y = rng.integers(0, 256, (2, side, side, 3), np.uint8)
            writer.add(split, x, y, n, n, x[..., 0], {"cut": (n % 2, ["wide", "close"])})
        writer.add_triple(0, 1, x, x[..., 0])


@functools.cache
def whole_photos():
    """Bytes of a good photo file."""
    return in_memory(write_photos)


def photo_bytes(rng, folder):
    """A good photo file with changed bytes."""
    path = folder / "photos.h5"
    path.write_bytes(mutate(rng, whole_photos()))
    return path


def photo_contents(rng, folder):
    """A well-formed HDF5 file with absurd members."""
    path = folder / "contents.h5"
    path.write_bytes(whole_photos())
    with h5py.File(path, "r+") as file:
        for _ in range(rng.integers(1, 4)):
            change(rng, file, ("train", "test", "train/x", "test/y", "train/person", "test/mask",
                               "test/triples/x_ij", "test/triples/i", "train/attributes/cut",
                               "train/garment", "test/triples", "train/attributes", "other"),
                   ("format", "version", "height", "width", "provenance"))  # fmt: skip
    return path


def read_photos(path, folder):
    """All that the training and the figures read of a photo file."""
    with PhotoFile(path) as file:
        for name in file.splits:
            photos = file.split(name)
            for rows in (photos.x, photos.y, photos.mask):
                if rows is not None:
                    assert rows[0:2].dtype == np.uint8
                    rows.load()
            if photos.triples:
                photos.triples.x_ij.load()
                photos.triples.mask.load()


# --- absurd members of HDF5 files


def change(rng, file, names, attributes):
    """Change a member or an attribute of an HDF5 file; what HDF5 itself refuses is left."""
    try:
        if rng.random() < 0.4:
            name = attributes[rng.integers(len(attributes))]
            set_attribute(rng, file, name)
            return
        name = names[rng.integers(len(names))]
        if name in file and rng.random() < 0.8:
            del file[name]
        elif rng.random() < 0.5:
            name += f"/{rng.integers(9)}"
        MEMBERS[rng.integers(len(MEMBERS))](rng, file, name)
    except (ValueError, TypeError, OSError, KeyError, RuntimeError, OverflowError):
        pass


def set_attribute(rng, file, name):
    """An attribute of another value, type or shape, or none."""
    for item in (file, *([file["train/attributes/cut"]] if "train/attributes/cut" in file else [])):
        if name in item.attrs:
            del item.attrs[name]
        values = (
            None, random_json(rng), random_json(rng), random_config(rng), int(rng.integers(-2, 99)),
            "x" * int(rng.integers(60_000)), "[" * 50_000, np.arange(5), np.float64("nan"),
            h5py.Empty("f4"), b"\xff\xfe", np.void(b"\x00\x01"), "é\ud800".encode("utf-8",
            "surrogatepass"), 2**63, -1, True, np.array(["a", "b"], "S1"), "0" * 64, "a\nb",
        )  # fmt: skip
        value = values[rng.integers(len(values))]
        if value is not None:
            item.attrs[name] = value


def soft_link(rng, file, name):
    """A link inside or to nowhere."""
    file[name] = h5py.SoftLink(str(rng.choice(["/", "/G", "/train/x", "/nowhere", "."])))


def external_link(rng, file, name):
    """A link to another file."""
    file[name] = h5py.ExternalLink(str(rng.choice(["/etc/passwd", "contents.h5", "../x"])), "/G")


def hard_link(rng, file, name):
    """The same object once more; a group may come to hold itself."""
    parents = [key for key in ("/", "/G", "/train", "/test") if key in file]
    file[name] = file[parents[rng.integers(len(parents))]]


def stored_outside(rng, file, name):
    """An array whose bytes are another file's."""
    file.create_dataset(name, (2, 16, 16, 3), "u1", external=[("/etc/passwd", 0, 1536)])


def virtual(rng, file, name):
    """An array put together from other files."""
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(rng.choice([".", "/etc/passwd"])), "G/head.b", (4,))
    file.create_virtual_dataset(name, layout)


def odd_type(rng, file, name):
    """An array of a type that no reader here expects."""
    kinds = ("f8", "<f4", ">f4", ">i8", "f2", "i8", "u1", "?", "c16", "S5", "V3",
             h5py.string_dtype(), h5py.vlen_dtype(np.float32), h5py.ref_dtype,
             np.dtype([("a", "f4"), ("b", "i2")]), h5py.enum_dtype({"A": 1}, "i4"),
             np.dtype(("f4", (2, 2))), h5py.opaque_dtype("M8[s]"))  # fmt: skip
    shape = ((), (0,), (4,), (2, 16, 16, 3), (2, 16, 16), (2,), None)[rng.integers(7)]
    file.create_dataset(name, shape, kinds[rng.integers(len(kinds))])


def huge(rng, file, name):
    """An array that declares what no disk holds, with little or nothing stored."""
    shape = [(1 << 40,), (1 << 20, 1 << 20), (10**6, 16, 16, 3), (0, 1 << 62), (10_000_000, 16, 16)][
        rng.integers(5)
    ]
    chunks = tuple(min(side or 1, 1 << 10) for side in shape)
    data = file.create_dataset(
        name,
        shape,
        str(rng.choice(["f4", "u1", "i4"])),
        chunks=chunks,
        compression="gzip" if rng.random() < 0.5 else None,
    )
    if rng.random() < 0.5 and data.size:
        data[(0,) * len(shape)] = 1


def bomb(rng, file, name):
    """Zeros that gzip makes a thousand times smaller; the stream may hold more than is declared."""
    declared = int(rng.choice([4, 1 << 16, 1 << 20]))
    data = file.create_dataset(
        name, (declared,), str(rng.choice(["f4", "u1"])), chunks=(declared,), compression="gzip"
    )
    data.id.write_direct_chunk((0,), bomb_stream(int(rng.choice([1, 16, 128]))))


@functools.cache
def bomb_stream(mebibytes):
    """The gzip stream of so many MiB of zeros."""
    import zlib

    pack = zlib.compressobj(9)
    return b"".join([*(pack.compress(bytes(1 << 20)) for _ in range(mebibytes)), pack.flush()])


def big_chunk(rng, file, name):
    """A small array in a chunk that would take all memory."""
    length = int(rng.choice([1 << 10, 1 << 24, (1 << 30) - 1]))
    data = file.create_dataset(name, (4,), "f4", maxshape=(None,), chunks=(length,), compression="gzip")
    data.id.write_direct_chunk((0,), bomb_stream(1))


def filtered(rng, file, name):
    """An array behind filters that are unknown here, or too many."""
    options = [
        dict(compression="lzf"),
        dict(scaleoffset=2),
        dict(compression="gzip"),
        dict(fletcher32=True),
        dict(shuffle=True),
    ][rng.integers(5)]
    file.create_dataset(name, data=np.arange(4, dtype="i4"), chunks=(4,), **options)


def deflated_twice(rng, file, name):
    """An array that is packed by gzip again and again."""
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((1 << 16,))
    for _ in range(int(rng.integers(2, 6))):
        plan.set_deflate(9)
    space = h5py.h5s.create_simple((1 << 16,))
    made = h5py.h5d.create(file.id, name.encode(), h5py.h5t.NATIVE_FLOAT, space, plan)
    h5py.Dataset(made)[:] = 0


def not_finite(rng, file, name):
    """Weights that are no numbers."""
    values = np.ones(4, str(rng.choice(["f4", "f2"])))
    values[rng.integers(4)] = rng.choice([np.nan, np.inf, -np.inf])
    file.create_dataset(name, data=values)


def many(rng, file, name):
    """A group of hundreds of groups and arrays."""
    group = file.create_group(name)
    for n in range(int(rng.integers(1, 300))):
        group.create_group(f"{n}") if rng.random() < 0.5 else group.create_dataset(f"{n}", (1,), "f4")


def deep(rng, file, name):
    """Groups in groups."""
    file.create_group(name + "/a" * int(rng.integers(1, 60)))


def odd_name(rng, file, name):
    """A member whose name is a path, or hardly a text."""
    odd = ["..", "a b", "é", "x" * 2000, "a\nb", "%s", "\x1b[31m", "nul\x7f"][rng.integers(8)]
    file.create_dataset(f"{name.split('/')[0]}/{odd}", data=np.ones(2, "f4"))


def named_type(rng, file, name):
    """A type where an array or group should be."""
    file[name] = np.dtype("f4")


MEMBERS = (soft_link, external_link, hard_link, stored_outside, virtual, odd_type, odd_type, huge,
           bomb, big_chunk, filtered, deflated_twice, not_finite, many, deep, odd_name,
           named_type)  # fmt: skip


# --- texts


def random_value(rng, depth=0):
    """A JSON value of any kind, also those that Python reads beyond the standard."""
    leaves = (None, True, False, 0, 1, -1, 0.5, 1e308, 10**400, float("nan"), float("inf"), "", "x",
              "rgb", "é\n", "9" * 5000, 3, 16, 4096, 2**63, 5, -0.0, 1e-320, [8, 8, 8, 8])  # fmt: skip
    kind = rng.integers(0, 10) if depth < 4 else 9
    if kind == 0:
        return [random_value(rng, depth + 1) for _ in range(rng.integers(0, 5))]
    if kind == 1:
        return {f"{rng.integers(5)}": random_value(rng, depth + 1) for _ in range(rng.integers(4))}
    return leaves[rng.integers(len(leaves))]


def random_json(rng) -> str:
    """A JSON text, whole or damaged."""
    text = json.dumps(random_value(rng))
    return text if rng.random() < 0.5 else damaged_text(rng, text)


def random_config(rng) -> str:
    """The JSON of a configuration with odd values, missing and unknown fields."""
    values = json.loads(Config(**WIDTHS).to_json())
    for _ in range(rng.integers(0, 4)):
        name = list(values)[rng.integers(len(values))]
        if rng.random() < 0.2:
            del values[name]
        else:
            values[name if rng.random() < 0.9 else f"{name}_"] = random_value(rng)
    text = json.dumps(values)
    return text if rng.random() < 0.7 else damaged_text(rng, text)


def damaged_text(rng, text: str) -> str:
    """A text with changed characters, nested beyond measure, or cut."""
    if rng.random() < 0.05:
        return "[" * int(rng.integers(1, 60_000)) + text
    return mutate(rng, text.encode()).decode("utf-8", "replace" if rng.random() < 0.5 else
                                             "surrogateescape")  # fmt: skip


def configuration(rng, folder):
    """A text that may be a configuration."""
    return random_config(rng) if rng.random() < 0.8 else random_json(rng)


def read_configuration(text, folder):
    """A configuration that is taken must come through its own JSON unchanged."""
    config = Config.from_json(text)
    assert Config.from_json(config.to_json()) == config


def random_state(rng, folder):
    """A text that may be the random state of a training."""
    state = json.loads(Sampler(Config(batch_size=1), np.arange(3)).state())
    part = state if rng.random() < 0.5 else state["state"]
    part[list(part)[rng.integers(len(part))]] = random_value(rng)
    text = json.dumps(state)
    return text if rng.random() < 0.7 else damaged_text(rng, text)


def read_random_state(text, folder):
    """A state that is taken must give minibatches."""
    sampler = Sampler(Config(batch_size=1), np.arange(3))
    sampler.restore(text)
    sampler.draw()


# --- run folders


def run_folder(rng, folder):
    """A run folder whose configuration and log are damaged."""
    run = folder / "run"
    run.mkdir(exist_ok=True)
    (run / "config.json").write_bytes(mutate(rng, random_config(rng).encode("utf-8", "replace")))
    lines = [json.dumps({"step": n, "loss_G": 0.5}) for n in range(int(rng.integers(0, 9)))]
    (run / "log.jsonl").write_bytes(mutate(rng, "\n".join(lines).encode() + random_json(rng).encode(
        "utf-8", "replace")))  # fmt: skip
    return RunFolder(run)


def read_run_folder(run, folder):
    """Every line of the log that is taken has its step."""
    assert all(isinstance(line["step"], int) for line in run.read_log())
    run.read_config()


# --- pictures


FORMATS = (("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "L"), ("PNG", "I;16"),
           ("JPEG", "RGB"), ("JPEG", "CMYK"), ("JPEG", "L"), ("GIF", "P"), ("BMP", "RGB"),
           ("BMP", "P"), ("TIFF", "RGB"), ("TIFF", "L"), ("TIFF", "F"), ("WEBP", "RGB"),
           ("WEBP", "RGBA"), ("PPM", "RGB"), ("PPM", "L"), ("JPEG2000", "RGB"),
           ("TIFF", "CMYK"))  # fmt: skip


@functools.cache
def whole_picture(number) -> bytes:
    """A small good picture of a format and mode; every second one with EXIF."""
    kind, mode = FORMATS[number % len(FORMATS)]
    pixels = np.random.default_rng(number).integers(0, 256, (13, 17, 3), np.uint8)
    image = Image.fromarray(pixels)
    image = (Image.fromarray(pixels[..., 0].astype(np.uint16) * 257) if mode == "I;16" else
             image.convert("L").convert("F") if mode == "F" else image.convert(mode))  # fmt: skip
    options, data = {}, io.BytesIO()
    if kind in ("JPEG", "PNG", "WEBP", "TIFF") and number >= len(FORMATS):
        exif = Image.Exif()
        exif[0x0112], exif[0x010E] = 6, "words"
        options["exif"] = exif
    if kind == "TIFF" and number % 2:
        options["compression"] = "tiff_lzw"
    image.save(data, kind, **options)
    return data.getvalue()


def picture(rng, folder):
    """A picture with changed bytes, sometimes under another format's name."""
    path = folder / f"picture.{rng.choice(['png', 'jpg'])}"
    path.write_bytes(mutate(rng, whole_picture(int(rng.integers(2 * len(FORMATS))))))
    return path


def read_pictures(path, folder):
    """As a photo, and as a label map."""
    assert read_picture(path, 32, 16).shape == (32, 16, 3)
    with open(path, "rb") as file:
        assert decode_labels(file, path).dtype.kind in "ub"


# --- lists of pairs


ROWS = ["p/a.jpg g/a.jpg", "a.jpg\tb.jpg", "000001_0.jpg 000001_1.jpg", "../../etc/passwd a.jpg",
        "/etc/passwd /etc/shadow", "p\\a.jpg g\\b.jpg", "a b.jpg c d.jpg", "x", "", "\x00 \x00",
        "all/A=1.jpg all/B.jpg all/C.jpg train", "link/passwd g/a.jpg", "C:\\a.jpg b.jpg",
        "é.jpg é.jpg", "img/a/b/02_1_front.jpg id_1 train", "3", "image_name item_id status",
        "x" * 5000, " ".join("ab" * 40), "., .", "p/../g/a.jpg a.jpg"]  # fmt: skip
PLACES = ("pairs.txt", "train_pairs.txt", "train/train_pairs.txt", "test_pairs.txt",
          "upper_body/train_pairs.txt", "upper_body/test_pairs_unpaired.txt",
          "all_poseA_poseB_clothes_test.txt", "list_eval_partition.txt")  # fmt: skip
FOLDERS = ("p", "g", "train/image", "train/cloth", "test/image", "upper_body/images", "all",
           "img/a/id_1", "image", "cloth")  # fmt: skip


def pair_list(rng, folder):
    """A folder of photos (empty files) in parts of several layouts, with lists of odd rows."""
    root = folder / "source"
    if not root.exists():
        for inner in FOLDERS:
            (root / inner).mkdir(parents=True)
            for name in ("a.jpg", "b.jpg", "000001_0.jpg", "000001_1.jpg", "02_1_front.jpg"):
                (root / inner / name).touch()
        (root / "link").symlink_to("/etc")
    for place in PLACES:
        (root / place).unlink(missing_ok=True)
        if place == "pairs.txt" or (rng.random() < 0.4 and (root / place).parent.exists()):
            rows = [ROWS[n] for n in rng.integers(0, len(ROWS), rng.integers(0, 8))]
            text = str(rng.choice(["\n", "\r\n"])).join(rows).encode()
            (root / place).write_bytes(text if rng.random() < 0.3 else mutate(rng, text + b"\n"))
    return root


def read_pair_list(root, folder):
    """Every layout that is found, and the list by name; no path of theirs leaves the folder."""
    source = PhotoFolder(root)
    cases = [(LAYOUTS["list"], source, {"listed": "pairs.txt"})]
    cases += [(LAYOUTS[name], inner, {}) for name, inner in detect(source) if name != "folders"]
    for layout, inner, options in cases:
        found = find(layout, inner, options)
        for row in [*found.pairs, *found.unpaired]:
            for path in (row.person, row.garment):
                try:
                    place = Path(inner.locate(path))
                except ValueError:
                    continue  # refused, and reported as such
                assert place.is_relative_to(root.resolve()), f"{path} leaves the folder"


# --- golden vectors


@functools.cache
def whole_vectors() -> bytes:
    """Golden vectors of a few numbers, with one parameter after an update."""
    config, rng = Config(**WIDTHS | {"height": 32}, batch_size=1), np.random.default_rng(0)
    arrays = {f"inputs/{name}": rng.normal(size=(1, 3, 32, 16)) for name in ("x_i", "y_i", "y_j")}
    arrays |= dict.fromkeys(("weights/G/output.b", "after1/G/output.b"), np.arange(4.0))
    arrays["losses/L_id"] = np.array(0.5)
    return in_memory(lambda path: write_vectors(path, Vectors(config, arrays, {})))


def golden_bytes(rng, folder):
    """Golden vectors with changed bytes; sometimes a free object of the heap has no size."""
    path, data = folder / "golden.h5", bytearray(mutate(rng, whole_vectors()))
    if rng.random() < 0.2:
        place = data.find(b"GCOL\1\0\0\0")
        data[place + 24 : place + 32] = bytes(8)
    path.write_bytes(data)
    return path


def golden_contents(rng, folder):
    """Golden vectors with absurd members, or an order of arrays that are not there."""
    path = folder / "golden_contents.h5"
    path.write_bytes(whole_vectors())
    with h5py.File(path, "r+") as file:
        for _ in range(rng.integers(1, 4)):
            change(
                rng,
                file,
                ("inputs", "inputs/x_i", "weights/G/output.b", "after1/G", "losses/L_id"),
                ("config", "about", "order", "version", "format"),
            )
        if rng.random() < 0.5:
            names = [*json.loads(ORDER), "after0/x", "a/../b", "", "afterx/y", "inputs", 5, None]
            kept = rng.permutation(len(names))[: rng.integers(len(names))]
            file.attrs["order"] = json.dumps([names[n] for n in kept])
    return path


ORDER = '["inputs/x_i", "inputs/y_i", "inputs/y_j", "weights/G/output.b", "after1/G/output.b"]'


class Echo:
    """An implementation that answers with what it was given."""

    def __init__(self, config, weights):
        self.weights = weights

    def update(self, *pictures, **extra):
        """The weights, never updated."""
        return {}


def read_golden(path, folder):
    """Vectors that are taken can be compared, or are refused in one line."""
    conformance.compare(Echo, read_vectors(path))


# --- weights of other programs, plans, results


def safe_tensors(rng, folder):
    """A safetensors file with absurd texts and names, or changed bytes."""
    names = ["G/a.W", "D/x", str(rng.choice(["G/b", "G/a.W/b", "optimizer/G/t", "G/.", "../x", "a"]))]
    kinds = ("float32", "float16", "float64", "int64", "int8", "bool")
    arrays = {n: np.ones(rng.integers(1, 3), str(rng.choice(kinds)) if n == names[2] else "float32")
              for n in names}  # fmt: skip
    good = Config(**WIDTHS).to_json()
    texts = {
        "format": "cagan_theano",
        "config": good if rng.random() < 0.7 else random_config(rng),
        "step": "5",
        "metadata": json.dumps(random_metadata(rng)),
        "sampler": "{}",
    }
    for key in rng.choice(list(texts), 2):
        odd = ("-1", "9" * 30, "9" * 5000, "", "1e3", "\0", "[]", "null", random_json(rng))
        if rng.random() < 0.5:
            texts[str(key)] = str(odd[rng.integers(len(odd))])
    path = folder / "a.safetensors"
    try:
        data = safetensors.numpy.save(arrays, texts)
    except UnicodeEncodeError:  # which no file can hold
        data = b""
    path.write_bytes(data if rng.random() < 0.7 else mutate(rng, data))
    return path


def read_safe_tensors(path, folder):
    """What is taken can be written as a checkpoint and read again."""
    checkpoint = convert.from_safetensors(path)
    check_checkpoint(checkpoint)


def random_metadata(rng):
    """What a checkpoint may say of itself, with odd values."""
    good = {
        "data": {
            "pairs": 9,
            "provenance": {
                "program": "data_prep photoshoot",
                "version": 2,
                "seed": 1,
                "arguments": {"clutter": False},
            },
        },
        "versions": {"numpy": "1"},
        "seconds": 1.5,
        "note": "",
        "finished": True,
        "init": {"step": 1},
    }
    part = (good, good["data"], good["data"]["provenance"])[rng.integers(3)]
    if rng.random() < 0.8:
        part[list(part)[rng.integers(len(part))]] = random_value(rng)
    return good if rng.random() < 0.95 else random_value(rng)


def metadata(rng, folder):
    """A signed checkpoint that says odd things of itself."""
    path, n = folder / "metadata.h5", rng.integers(2)
    path.write_bytes(whole_checkpoints()[n][0])
    with h5py.File(path, "r+") as file:
        try:
            file.attrs["metadata"] = json.dumps(random_metadata(rng))
        except (ValueError, OSError, RuntimeError):  # too long for HDF5
            pass
        sign(file)
    return path


def read_metadata(path, folder):
    """All that a report takes from a checkpoint's history."""
    checkpoint = load_checkpoint(path)
    report.describe_weights(path, checkpoint)
    report.list_settings(checkpoint.config)


PLAN = """baseline = "a"
steps = 5
seeds = [0]
[photoshoot]
pairs = 9
size = "32x32"
[config]
batch_size = 2
[runs.a]
about = "x"
[runs.b]
config = { gamma_c = 0.0 }
"""


def plan_text(rng, folder):
    """The plan of a study with changed characters, odd values, or nested beyond measure."""
    lines = PLAN.split("\n")
    odd = ("[" * 5000, "9" * 5000, "{}", "[]", '"x"', "1e999", "nan", "true", "1979-05-27", "{a = {b = 1}}")
    if rng.random() < 0.6:
        n = rng.integers(len(lines))
        lines[n] = lines[n].partition("=")[0] + "= " + odd[rng.integers(len(odd))]
    text = "\n".join(lines).encode()
    path = folder / "plan.toml"
    path.write_bytes(text if rng.random() < 0.5 else mutate(rng, text))
    return path


def read_plan_text(path, folder):
    """A plan that is taken has configurations."""
    read_plan(path)


# --- the cached library


def cached_library(rng, folder):
    """(name, whether whole) of a file that is named after its bytes, and perhaps changed since."""
    data = rng.bytes(int(rng.integers(1, 4096)))
    changed = mutate(rng, data) if rng.random() < 0.9 else data
    name = f"native-a-b-{hashlib.sha256(data).hexdigest()}.so"
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_bytes(changed)
    (folder / name).chmod(0o700 if rng.random() < 0.9 else 0o775)
    whole = changed == data and (folder / name).stat().st_mode & 0o777 == 0o700
    return name, whole


def read_cached_library(made, folder):
    """Only a whole one would be loaded."""
    name, whole = made
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        handle = native.whole(place, name)
        assert (handle is not None) == whole, "taken though changed, or not taken though whole"
        if handle is not None:
            os.close(handle)
    finally:
        os.close(place)


# --- names and values that are shown


def odd_text(rng) -> str:
    """A text of characters that shells, mathtext and terminals take for more than letters."""
    pieces = ["$", "$(", ")", "`", "'", '"', ";", "|", "&", "#", "\\", "{", "}", "_", "^", "\n", "a", "-",
              "1", " ", "\udcff", "\x1b[31m", r"\frac", "~", "*", "!", "é"]  # fmt: skip
    return "".join(pieces[n] for n in rng.integers(0, len(pieces), rng.integers(0, 20)))


def drawn_name(rng, folder):
    """A name of a file."""
    return odd_text(rng)


def read_drawn_name(name, folder):
    """No part of it is a formula, and it can be drawn and written."""
    assert not is_math_text(literal(name)) and literal(name).encode() is not None
    if name.isprintable():
        assert literal(name).replace(r"\$", "$") == name


KINDS = {
    "checkpoint bytes": (checkpoint_bytes, read_checkpoint_bytes),
    "checkpoint contents": (checkpoint_contents, read_checkpoint),
    "photo file bytes": (photo_bytes, read_photos),
    "photo file contents": (photo_contents, read_photos),
    "picture": (picture, read_pictures),
    "pair list": (pair_list, read_pair_list),
    "configuration": (configuration, read_configuration),
    "random state": (random_state, read_random_state),
    "run folder": (run_folder, read_run_folder),
    "golden bytes": (golden_bytes, read_golden),
    "golden contents": (golden_contents, read_golden),
    "metadata": (metadata, read_metadata),
    "safetensors": (safe_tensors, read_safe_tensors),
    "plan": (plan_text, read_plan_text),
    "cached library": (cached_library, read_cached_library),
    "drawn name": (drawn_name, read_drawn_name),
}
