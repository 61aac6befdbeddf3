"""Files and texts from outside that are damaged, absurd or hostile.

Each one is read, or refused by one ValueError or OSError with a message of one line, within bounds of
time and memory, and nothing is written, started or unpickled.  CASES sets how many of each kind are
tried; without it, the same few each time.  (`make fuzz CASES=10000`)
"""

import functools
import io
import json
import os
import resource
import struct
import sys
import tempfile
import time
import zlib
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from matplotlib.cbook import is_math_text
from PIL import Image

import cagan_theano.training.command  # noqa: F401  (importing Aesara runs the compiler)
from cagan_theano.checkpoint import Checkpoint, contents_sha256, load_checkpoint, save_checkpoint
from cagan_theano.config import Config
from cagan_theano.evaluation import held_out, provenance
from cagan_theano.interop import conformance
from cagan_theano.interop.conformance import Vectors, read_vectors, write_vectors
from cagan_theano.io.hdf5 import heaps_are_whole
from cagan_theano.io.text import literal, one_line
from cagan_theano.studies.claims import read_results
from cagan_theano.training.run_folder import RunFolder
from cagan_theano.training.sampler import Sampler
from data_prep.ingest import find
from data_prep.layouts import LAYOUTS, detect
from data_prep.photo_folder import PhotoFolder
from data_prep.picture import decode_labels, open_rgb
from data_prep.store import PhotoFile, PhotoWriter

CASES = os.environ.get("CASES")
cases = settings(max_examples=int(CASES or 40), derandomize=not CASES, database=None, deadline=None,
                 suppress_health_check=list(HealthCheck))  # fmt: skip
SECONDS, MEMORY = 5, 1 << 30  # for one reading
FORBIDDEN = ("pickle.find_class", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork",
             "socket.connect", "os.remove", "os.rename", "os.mkdir", "shutil.rmtree", "os.truncate",
             "os.link", "os.symlink", "os.chmod")  # fmt: skip


class Watch:
    """What no reader may do, noted by an audit hook."""

    on, seen = False, []


def note(event, arguments):
    """Note a forbidden event, or a file that is opened for writing."""
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
    opens = event == "open" and isinstance(arguments[2], int) and arguments[2] & writes
    if Watch.on and (event.startswith(FORBIDDEN) or opens):
        Watch.seen.append(f"{event} {arguments[:2]}")


install_watch = functools.cache(lambda: sys.addaudithook(note))  # which no call removes


def attempt(read, *arguments, memory=MEMORY):
    """What read(*arguments) returns, or None if it refuses."""
    install_watch()
    limits, begin = resource.getrlimit(resource.RLIMIT_AS), time.process_time()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + memory, limits[1]))
    Watch.on, Watch.seen = True, []
    try:
        return read(*arguments)
    except (ValueError, OSError) as error:
        check_message(error)
        return None
    finally:
        Watch.on = False
        resource.setrlimit(resource.RLIMIT_AS, limits)
        assert not Watch.seen
        assert time.process_time() - begin < SECONDS


def check_message(error):
    """Its text can be printed as it is: one line of bearable length."""
    assert str(error) and str(error) == one_line(str(error)), str(error)[:3000]


def test_a_reader_that_writes_is_noticed(tmp_path):
    with pytest.raises(AssertionError, match="open"):
        attempt((tmp_path / "new").write_text, "outside")


SAME = [bytes([value]) * length for value in (0, 255, 127, 128, 1) for length in (1, 2, 4, 8, 16, 64)]
CHANGES = st.lists(
    st.tuples(st.integers(0, 2**20), st.sampled_from(SAME) | st.integers(-16, 16) | st.binary(max_size=8),
              st.sampled_from([1, 4, 64, 2**20])),
    min_size=1, max_size=8)  # fmt: skip


def damage(whole, changes) -> bytes:
    """The bytes after changes: (where, new bytes in the place of others or what is added, how many go)."""
    data = bytearray(whole)
    for where, new, length in changes:
        at = where % max(len(data), 1)
        if isinstance(new, int):  # to a little-endian number of 4 bytes
            number = int.from_bytes(data[at : at + 4], "little") + new
            data[at : at + 4] = (number % 2**32).to_bytes(4, "little")
        elif new:
            data[at : at + len(new)] = new
        else:
            del data[at : at + length]
    return bytes(data)


def damage_text(text, changes) -> str:
    return damage(text.encode("utf-8", "replace"), changes).decode("utf-8", "surrogateescape")


LEAVES = st.sampled_from([None, True, False, 0, 1, -1, 0.5, 1e308, 10**400, float("nan"), float("inf"), "",
                          "x", "rgb", "é\n", "9" * 5000, 3, 16, 4096, 2**63, -0.0, 1e-320,
                          [8, 8, 8, 8]])  # fmt: skip
VALUES = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.sampled_from("01234"), v, max_size=4)
)
SMALL = Config(height=16, width=16, g_widths=(8, 8, 8, 8), d_widths=(8, 8, 8, 8))
FIELDS = json.loads(SMALL.to_json())
ODD_FIELDS = st.dictionaries(st.sampled_from([*FIELDS, "unknown"]), VALUES, max_size=3)
CONFIGS = ODD_FIELDS.map(lambda odd: json.dumps(FIELDS | odd))
TEXTS = st.one_of(
    CONFIGS, CONFIGS, VALUES.map(json.dumps), st.integers(1, 60_000).map(lambda n: "[" * n),
    st.sets(st.sampled_from(list(FIELDS)), min_size=1, max_size=3).map(
        lambda gone: json.dumps({k: v for k, v in FIELDS.items() if k not in gone})),
    st.builds(damage_text, CONFIGS, CHANGES))  # fmt: skip


def file_bytes(write) -> bytes:
    """The bytes of the file that write(path) makes."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "a.h5")
        return (Path(folder) / "a.h5").read_bytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Hypothesis calls a test many times: what one call leaves there, the next replaces."""
    return tmp_path_factory.mktemp("readers")


TYPES = ("f8", ">f4", ">i8", "f2", "i8", "u1", "?", "c16", "S5", "V3", h5py.string_dtype(),
         h5py.vlen_dtype(np.float32), h5py.ref_dtype, np.dtype([("a", "f4"), ("b", "i2")]),
         h5py.enum_dtype({"A": 1}, "i4"), np.dtype(("f4", (2, 2))), h5py.opaque_dtype("M8[s]"))  # fmt: skip
SHAPES = ((4,), (), (0,), (2, 16, 16, 3), (2, 16, 16), (2,), None)
HUGE = ((1 << 40,), (1 << 20, 1 << 20), (10**6, 16, 16, 3), (0, 1 << 62), (10_000_000, 16, 16))
FILTERS = (dict(compression="lzf"), dict(scaleoffset=2), dict(compression="gzip"), dict(fletcher32=True),
           dict(shuffle=True))  # fmt: skip
ODD_NAMES = ("..", "a b", "é", "x" * 2000, "a\nb", "%s", "\x1b[31m", "nul\x7f")


def virtual(file, name, k):
    """An array put together from other files."""
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource((".", "/etc/passwd")[k % 2], "G/head.b", (4,))
    file.create_virtual_dataset(name, layout)


def huge(file, name, k):
    """An array that declares what no disk holds, with little or nothing stored."""
    shape = HUGE[k % len(HUGE)]
    chunks = tuple(min(side or 1, 1 << 10) for side in shape)
    data = file.create_dataset(name, shape, ("f4", "u1")[k % 2], chunks=chunks,
                               compression=("gzip", None)[k % 2])  # fmt: skip
    if k % 3 and data.size:
        data[(0,) * len(shape)] = 1


@functools.cache
def zipped_zeros(mebibytes):
    """The gzip stream of so many MiB of zeros."""
    pack = zlib.compressobj(9)
    return b"".join([*(pack.compress(bytes(1 << 20)) for _ in range(mebibytes)), pack.flush()])


def bomb(file, name, k):
    """A gzip stream that gives more than the array declares, or a chunk that would take all memory."""
    n, chunk, mebibytes = ((4, 4, 128), (1 << 16, 1 << 16, 16), (1 << 20, 1 << 20, 1), (4, 1 << 10, 1),
                           (4, 1 << 24, 1), (4, (1 << 30) - 1, 1))[k % 6]  # fmt: skip
    data = file.create_dataset(name, (n,), ("f4", "u1")[k // 6 % 2], maxshape=(None,), chunks=(chunk,),
                               compression="gzip")  # fmt: skip
    data.id.write_direct_chunk((0,), zipped_zeros(mebibytes))


def deflate_again(file, name, k):
    """An array that is packed by gzip several times, which unpacks a byte to a million."""
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((1 << 16,))
    for _ in range(2 + k % 4):
        plan.set_deflate(9)
    space = h5py.h5s.create_simple((1 << 16,))
    h5py.Dataset(h5py.h5d.create(file.id, name.encode(), h5py.h5t.NATIVE_FLOAT, space, plan))[:] = 0


def many(file, name, k):
    """A group of hundreds of members."""
    for n in range(k % 300 + 1):
        file.create_dataset(f"{name}/{n}/a" if n % 2 else f"{name}/{n}", (1,), "f4")


MEMBERS = (
    lambda file, name, k: file.__setitem__(name, h5py.SoftLink(("/", "/G", "/train/x", "/nowhere")[k % 4])),
    lambda file, name, k: file.__setitem__(name, h5py.ExternalLink(("/etc/passwd", "a.h5")[k % 2], "/G")),
    lambda file, name, k: file.__setitem__(name, file[("/", "/G", "/train", "/test")[k % 4]]),
    lambda file, name, k: file.__setitem__(name, np.dtype("f4")),  # a type, neither array nor group
    lambda file, name, k: file.create_dataset(name, (4,), "u1", external=[("/etc/passwd", 0, 4)]),
    lambda file, name, k: file.create_dataset(name, SHAPES[k % len(SHAPES)], TYPES[k % len(TYPES)]),
    lambda file, name, k: file.create_dataset(name, data=np.arange(4), chunks=(4,), **FILTERS[k % 5]),
    lambda file, name, k: file.create_dataset(name, data=np.array([1, np.nan], ("f4", "f2")[k % 2])),
    lambda file, name, k: file.create_dataset(f"{name}/{ODD_NAMES[k % len(ODD_NAMES)]}", (2,), "f4"),
    lambda file, name, k: file.create_group(name + "/a" * (k % 60 + 1)),
    virtual, huge, bomb, deflate_again, many,
)  # fmt: skip
ATTRIBUTES = st.one_of(
    TEXTS,
    st.sampled_from([None, -2, 2**63, "x" * 59_999, "[" * 50_000, np.arange(5), np.float64("nan"), True,
                     h5py.Empty("f4"), b"\xff\xfe", np.void(b"\x00\x01"), np.array(["a", "b"], "S1"),
                     "0" * 64, "a\nb"]))  # fmt: skip


def changes_of(names, attributes):
    """A strategy of changes: a new member, or a new value of an attribute."""
    member = st.tuples(st.sampled_from(names), st.sampled_from(MEMBERS), st.integers(0, 999), st.booleans())
    attribute = st.tuples(st.sampled_from(attributes), ATTRIBUTES)
    return st.lists(member | attribute, min_size=1, max_size=3)


def change_members(path, changes, sign_it=False):
    """Change an HDF5 file; what HDF5 itself refuses to write is left out."""
    with h5py.File(path, "r+") as file:
        for name, value, *rest in changes:
            try:
                if rest:
                    if rest[1] and name in file:
                        del file[name]
                    value(file, name, rest[0])
                else:
                    file.attrs.pop(name, None)
                    if value is not None:
                        file.attrs[name] = value
            except (ValueError, TypeError, OSError, KeyError, RuntimeError, OverflowError):
                pass
        if sign_it:
            sign(file)


def sign(file):
    """Give a checkpoint the digest of its present contents, where it can have one."""
    arrays = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "fi" and 0 < item.size < 1 << 16:
            arrays[name] = item[()]

    try:
        step = file.attrs["step"]
        file.visititems(visit)
        texts = {k: file.attrs[k] for k in ("config", "metadata", "sampler") if k in file.attrs}
        file.attrs["sha256"] = contents_sha256(texts, step, arrays)
    except (OSError, TypeError, ValueError, KeyError, RuntimeError, AttributeError):
        pass


def new_sampler():
    return Sampler(Config(batch_size=1), np.arange(3))


def restore(text):
    """A random state that is accepted gives minibatches."""
    sampler = new_sampler()
    sampler.restore(text)
    sampler.draw()


@functools.cache
def checkpoint_file(shipped=False) -> bytes:
    """A checkpoint of a run, or one without its state as it is shipped."""
    rng = np.random.default_rng(0)
    shapes = {"encoder1.W": (3, 3, 2, 4), "head.b": 4}
    G = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    run = {"G/head.b/m": G["head.b"], "G/t": np.array(5)}, new_sampler().state()
    made = Checkpoint(SMALL, 5, G, {"head.W": G["head.b"]}, *((None, None) if shipped else run), {"note": ""})
    return file_bytes(lambda path: save_checkpoint(path, made, "float16" if shipped else "float32"))


def read_checkpoint(path):
    """All that a run, the figures and the evaluation take from a checkpoint."""
    found = load_checkpoint(path)
    if found.sampler is not None:
        restore(found.sampler)
    provenance.steps(found)
    held_out.shoot_setting(found)
    arrays = {f"{group}/{name}": array.tobytes() for group in ("G", "D", "optimizer")
              for name, array in (getattr(found, group) or {}).items()}  # fmt: skip
    return found.config, found.step, found.sampler, found.metadata, arrays


@functools.cache
def photo_file() -> bytes:
    """A data file that has everything such a file may have."""

    def write(path):
        rng = np.random.default_rng(0)
        with PhotoWriter(path, 16, 16, {"program": "tests"}) as writer:
            for n, split in enumerate(("train", "train", "test", "test")):
                x, y = rng.integers(0, 256, (2, 16, 16, 3), np.uint8)
                writer.add(split, x, y, n, n, x[..., 0], {"cut": (n % 2, ["wide", "close"])})
            writer.add_triple(0, 1, x, x[..., 0])

    return file_bytes(write)


def read_photos(path):
    """All that the training and the figures read of a data file."""
    with PhotoFile(path) as file:
        for photos in map(file.split, file.splits):
            for rows in (photos.x, photos.y, photos.mask):
                if rows is not None:
                    assert rows[0:2].dtype == np.uint8
                    rows.load()
            if photos.triples:
                photos.triples.x_ij.load()
                photos.triples.mask.load()


@functools.cache
def vectors() -> bytes:
    """Golden vectors of a few numbers, with one parameter after an update."""
    config, rng = SMALL.replace(height=32, batch_size=1), np.random.default_rng(0)
    arrays = {f"inputs/{name}": rng.normal(size=(1, 3, 32, 16)) for name in ("x_i", "y_i", "y_j")}
    arrays |= dict.fromkeys(("weights/G/output.b", "after1/G/output.b"), np.arange(4.0))
    arrays["losses/L_id"] = np.array(0.5)
    return file_bytes(lambda path: write_vectors(path, Vectors(config, arrays, {})))


class Echo(SimpleNamespace):
    """An implementation that never updates its weights."""

    def __init__(self, config, weights):
        super().__init__(weights=weights, update=lambda *pictures, **extra: {})


def compare_vectors(path):
    """Vectors that are accepted can be compared."""
    conformance.compare(Echo, read_vectors(path))


CHECKPOINT = (read_checkpoint, ["G", "D", "optimizer", "G/encoder1.W", "G/1", "other"],
              ["config", "metadata", "sampler", "step", "sha256", "version", "format"])  # fmt: skip
HDF5_FILES = {  # the bytes, the reader, names of members and of attributes to change
    "run": (checkpoint_file, *CHECKPOINT),
    "shipped": (functools.partial(checkpoint_file, shipped=True), *CHECKPOINT),
    "photos": (photo_file, read_photos, [
        "train", "test", "train/x", "test/y", "train/person", "test/mask", "test/triples/x_ij",
        "test/triples/i", "train/attributes/cut", "train/garment", "test/triples", "train/attributes",
        "other"], ["format", "version", "height", "width", "provenance"]),
    "vectors": (vectors, compare_vectors, [
        "inputs", "inputs/x_i", "weights/G/output.b", "after1/G", "losses/L_id"],
        ["config", "about", "order", "version", "format"]),
}  # fmt: skip
EACH_FILE = pytest.mark.parametrize("kind", HDF5_FILES)


@EACH_FILE
@cases
@given(changes=CHANGES)
def test_damaged_file_is_refused_or_read(folder, kind, changes):
    """A checkpoint, which has a digest, is refused or unchanged."""
    make, read, *_ = HDF5_FILES[kind]
    path = folder / "damaged.h5"
    path.write_bytes(make())
    expected = read(path)
    path.write_bytes(damage(make(), changes))
    found = attempt(read, path)
    assert found is None or found == expected


@EACH_FILE
@cases
@given(data=st.data(), signed=st.booleans())
def test_files_with_absurd_contents(folder, kind, data, signed):
    make, read, names, attributes = HDF5_FILES[kind]
    (folder / "absurd.h5").write_bytes(make())
    change_members(folder / "absurd.h5", data.draw(changes_of(names, attributes)), signed)
    attempt(read, folder / "absurd.h5")


ABOUT = {"data": {"pairs": 9, "provenance": {"program": "data_prep photoshoot", "version": 2, "seed": 1,
                                             "arguments": {"clutter": False}}},
         "versions": {"numpy": "1"}, "seconds": 1.5, "note": "", "finished": True,
         "init": {"step": 1}}  # fmt: skip
PLACES = [(), *((key,) for key in ABOUT), *(("data", key) for key in ABOUT["data"]),
          *(("data", "provenance", key) for key in ABOUT["data"]["provenance"])]  # fmt: skip


@cases
@given(st.booleans(), st.sampled_from(PLACES), VALUES)
def test_checkpoints_with_odd_metadata(folder, shipped, place, value):
    part = whole = json.loads(json.dumps({"": ABOUT}))
    *outer, last = "", *place
    for key in outer:
        part = part[key]
    part[last] = value
    path = folder / "about.h5"
    path.write_bytes(checkpoint_file(shipped))
    change_members(path, [("metadata", json.dumps(whole[""]))], sign_it=True)
    attempt(read_checkpoint, path)


@cases
@given(TEXTS)
@example('{"seed": 1' + "0" * 400 + "}")
@example('{"color": "' + "x" * 60_000 + '"}')
@example('{"' + "y" * 60_000 + '": 1}')
@example('{"g_kernel": [5]}')
def test_configurations(text):
    config = attempt(Config.from_json, text)
    assert config is None or Config.from_json(config.to_json()) == config


@cases
@given(st.booleans(), st.integers(0, 9), VALUES, st.just([]) | CHANGES)
@example(True, 1, 10**400, [])
@example(True, 1, 1e300, [])
def test_random_states(inner, n, value, changes):
    state = json.loads(new_sampler().state())
    part = state["state"] if inner else state
    part[list(part)[n % len(part)]] = value
    attempt(restore, damage_text(json.dumps(state), changes))


def read_run(path):
    """Each line of the log that is accepted has its step."""
    assert all(isinstance(line["step"], int) for line in RunFolder(path).read_log())
    RunFolder(path).read_config()


@cases
@given(CONFIGS, CHANGES, st.integers(0, 9), VALUES, CHANGES)
def test_run_folders_and_results(folder, config, changes, lines, value, more):
    (folder / "run").mkdir(exist_ok=True)
    (folder / "run/config.json").write_bytes(damage(config.encode(), changes))
    log = [json.dumps({"step": n, "loss_G": 0.5}) for n in range(lines)] + [json.dumps(value)]
    (folder / "run/log.jsonl").write_bytes(damage("\n".join(log).encode(), more))
    attempt(read_run, folder / "run")
    (folder / "shipped.json").write_bytes(damage(json.dumps(value).encode(), changes if lines else []))
    attempt(read_results, folder / "shipped.json")


@cases
@given(st.text(st.sampled_from("$()`'\";|&#\\{}_^\na-1 \udcff\x1b~*!é"), max_size=20))
def test_drawn_names_are_not_mathtext(name):
    assert not is_math_text(literal(name)) and literal(name).encode() is not None
    if name.isprintable():
        assert literal(name).replace(r"\$", "$") == name


FORMATS = (("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "L"), ("PNG", "I;16"), ("JPEG", "RGB"),
           ("JPEG", "CMYK"), ("JPEG", "L"), ("GIF", "P"), ("BMP", "RGB"), ("BMP", "P"), ("TIFF", "RGB"),
           ("TIFF", "L"), ("TIFF", "F"), ("TIFF", "CMYK"), ("WEBP", "RGB"), ("WEBP", "RGBA"),
           ("PPM", "RGB"), ("PPM", "L"), ("JPEG2000", "RGB"))  # fmt: skip


@functools.cache
def picture(kind, mode, special) -> bytes:
    """A small good picture; special: with EXIF, or compressed."""
    pixels = np.random.default_rng(0).integers(0, 256, (13, 17, 3), np.uint8)
    image, options, data = Image.fromarray(pixels), {}, io.BytesIO()
    if mode == "I;16":
        image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    else:
        image = image.convert("L").convert("F") if mode == "F" else image.convert(mode)
    if special and kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        options["exif"] = Image.Exif()
        options["exif"].update({0x0112: 6, 0x010E: "words"})
    if special and kind == "TIFF":
        options["compression"] = "tiff_lzw"
    image.save(data, kind, **options)
    return data.getvalue()


def read_both_ways(path):
    """As a photo, and as a label map."""
    assert open_rgb(path).mode == "RGB"
    with open(path, "rb") as file:
        assert decode_labels(file, path).dtype.kind in "ub"


@cases
@given(st.sampled_from(FORMATS), st.booleans(), CHANGES, st.sampled_from(["a.png", "a.jpg"]))
def test_pictures(folder, kind, special, changes, name):
    (folder / name).write_bytes(damage(picture(*kind, special), changes))
    attempt(read_both_ways, folder / name)


ROWS = ["p/a.jpg g/a.jpg", "a.jpg\tb.jpg", "000001_0.jpg 000001_1.jpg", "../../etc/passwd a.jpg",
        "/etc/passwd /etc/shadow", "p\\a.jpg g\\b.jpg", "a b.jpg c d.jpg", "x", "", "\x00 \x00",
        "all/A=1.jpg all/B.jpg all/C.jpg train", "link/passwd g/a.jpg", "C:\\a.jpg b.jpg", "é.jpg é.jpg",
        "img/a/b/02_1_front.jpg id_1 train", "3", "image_name item_id status", "x" * 5000,
        " ".join("ab" * 40), "., .", "p/../g/a.jpg a.jpg"]  # fmt: skip
LISTS = ("train_pairs.txt", "train/train_pairs.txt", "test_pairs.txt", "upper_body/train_pairs.txt",
         "upper_body/test_pairs_unpaired.txt", "all_poseA_poseB_clothes_test.txt",
         "list_eval_partition.txt")  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A folder of photos (empty files) in parts of several layouts."""
    root = tmp_path_factory.mktemp("source")
    for inner in ("p", "g", "train/image", "train/cloth", "test/image", "upper_body/images", "all",
                  "img/a/id_1", "image", "cloth"):  # fmt: skip
        (root / inner).mkdir(parents=True)
        for name in ("a.jpg", "b.jpg", "000001_0.jpg", "000001_1.jpg", "02_1_front.jpg"):
            (root / inner / name).touch()
    (root / "link").symlink_to("/etc")
    return root


def find_pairs(root):
    """Every layout that is detected, and the list by name; no path of theirs leaves the folder."""
    photos = PhotoFolder(root)
    found = [(LAYOUTS["list"], photos, {"listed": "pairs.txt"})]
    found += [(LAYOUTS[name], inner, {}) for name, inner in detect(photos) if name != "folders"]
    for layout, inner, options in found:
        pairs = find(layout, inner, options)
        for path in {path for row in [*pairs.pairs, *pairs.unpaired] for path in (row.person, row.garment)}:
            try:
                place = Path(inner.locate(path))
            except ValueError:
                continue  # refused, and reported as such
            assert place.is_relative_to(root.resolve()), f"{path} leaves the folder"


@cases
@given(st.dictionaries(st.sampled_from(LISTS), st.lists(st.sampled_from(ROWS), max_size=8), max_size=3),
       st.lists(st.sampled_from(ROWS), max_size=8), st.just([]) | CHANGES)  # fmt: skip
def test_lists_of_pairs(source, lists, rows, changes):
    for place in LISTS:
        (source / place).unlink(missing_ok=True)
    for place, its_rows in {**lists, "pairs.txt": rows}.items():
        (source / place).write_bytes(damage("\n".join(its_rows).encode() + b"\n", changes))
    attempt(find_pairs, source)


# --- what was once not refused


@EACH_FILE
def test_endless_heap_is_refused_before_hdf5_reads_it(kind, tmp_path):
    """HDF5 goes round for ever in a global heap whose first free object has no size."""
    make, read, *_ = HDF5_FILES[kind]
    path, data = tmp_path / "a.h5", bytearray(make())
    path.write_bytes(data)
    assert heaps_are_whole(path)
    place = data.index(b"GCOL\1\0\0\0") + 16
    while struct.unpack_from("<H", data, place)[0]:
        place += 16 + (struct.unpack_from("<Q", data, place + 8)[0] + 7) // 8 * 8
    struct.pack_into("<Q", data, place + 8, 0)
    path.write_bytes(data)
    assert not heaps_are_whole(path)
    with pytest.raises(ValueError, match=r"a.h5: not a readable HDF5 file \(its strings are damaged\); "):
        read(path)


@pytest.mark.parametrize("length", [0, 4])
def test_chunk_shorter_than_its_checksum_is_refused(length, tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(photo_file())
    with h5py.File(path) as file:
        stored = []
        file["train/x"].id.chunk_iter(lambda chunk: stored.append((chunk.size, chunk.byte_offset)))
    data = bytearray(path.read_bytes())  # a key of the chunks' tree: size, mask, 5 offsets; address
    size, place = stored[0]
    key = data.index(struct.pack("<II5QQ", size, 0, 0, 0, 0, 0, 0, place))
    struct.pack_into("<I", data, key, length)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"train/x has a chunk of {length} bytes"):
        PhotoFile(path)


def test_string_typed_as_sequence_is_refused_before_hdf5_reads_it(tmp_path):
    """Its type is variable-length (class 9) of version 1; a bit tells texts from sequences."""
    path = tmp_path / "a.h5"
    data = bytearray(checkpoint_file())
    kind = data.index(b"\x19\x01", data.index(b"config\0"))
    data[kind + 1] = 0
    path.write_bytes(data)
    with h5py.File(path) as file:
        assert file.attrs.get_id("config").get_type().get_class() == h5py.h5t.VLEN
    with pytest.raises(ValueError, match="a.h5: "):
        load_checkpoint(path)


def test_long_version_is_shortened_in_the_message(tmp_path):
    (tmp_path / "a.h5").write_bytes(photo_file())
    change_members(tmp_path / "a.h5", [("version", "a\nb" * 9000)])
    with pytest.raises(ValueError, match="has version") as caught:
        PhotoFile(tmp_path / "a.h5")
    check_message(caught.value)


def unpack_to_more(file):
    """400 times what the array declares."""
    data = file.create_dataset("G/a", (1 << 18,), "f4", chunks=(1 << 18,), compression="gzip")
    data.id.write_direct_chunk((0,), zipped_zeros(400))


@pytest.mark.parametrize("change, fault", [
    (lambda f: deflate_again(f, "G/a", 0), "filters other than"),
    (unpack_to_more, "expands to more than"),
    (lambda f: [f.__setitem__(f"G/{n}", f["G"]) for n in range(20)], "more than 4096 groups"),
    (lambda f: f.create_dataset("G/a", (1 << 21,), "f4", chunks=(1 << 20,)), "does not contain them"),
    (lambda f: f.create_dataset("G/a", (1 << 23,), "f4", chunks=(1 << 20,)), "the limit is"),
    (lambda f: f.create_dataset("G/a", data=np.arange(4, dtype="i4"), chunks=(4,), shuffle=True),
     "not stored as plain"),
    (lambda f: f.attrs.__setitem__("metadata", "[" * 50_000), "metadata"),
    (lambda f: f.attrs.__setitem__("config", np.arange(3)), "configuration or metadata|short text"),
    (lambda f: f.create_dataset("G/" + "x" * 3000, data=np.ones(2, "f8")), "unexpected group or array"),
])  # fmt: skip
def test_a_checkpoint_that_would_take_all_memory_or_time(change, fault, tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(checkpoint_file())
    with h5py.File(path, "r+") as file:
        change(file)
        sign(file)
    with pytest.raises(ValueError, match=fault) as caught:
        load_checkpoint(path)
    check_message(caught.value)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the memory in use")
def test_image_that_exceeds_memory_is_an_error(tmp_path):
    """A PNG of a few bytes that says 9999x9999 pixels (400 MB); 200 MiB are left to the process."""
    path = tmp_path / "greedy.png"
    Image.new("RGBA", (4, 4)).save(path)
    whole = path.read_bytes()
    header = b"IHDR" + struct.pack(">II", 9999, 9999) + whole[24:29]
    path.write_bytes(whole[:12] + header + struct.pack(">I", zlib.crc32(header)) + whole[33:])

    def refuse():
        with pytest.raises(ValueError, match="greedy.png: is a damaged image"):
            open_rgb(path)

    attempt(refuse, memory=200 << 20)
