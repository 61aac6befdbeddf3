"""The fault campaign and the fuzzing in small, what they found before, and that they can find."""

import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

sys.path.append(str(Path(__file__).parent / "faults"))

import campaign  # noqa: E402
import fuzz  # noqa: E402
import fuzz_kinds  # noqa: E402
import lives  # noqa: E402

from cagan_theano.checkpoint import load_checkpoint  # noqa: E402
from cagan_theano.config import Config  # noqa: E402
from cagan_theano.interop.conformance import read_vectors  # noqa: E402
from cagan_theano.io.hdf5 import heaps_are_whole  # noqa: E402
from cagan_theano.training.sampler import Sampler  # noqa: E402
from data_prep.store import PhotoFile  # noqa: E402


@pytest.fixture
def small(tmp_path):
    """A campaign on light lives, with its undisturbed run."""
    made = campaign.Campaign(tmp_path, steps=5, seed=0)
    campaign.undisturbed(made, "light")
    return made


def test_killed_trainings_go_on_to_the_bit(small):
    campaign.kills(small, "light", 6)
    assert small.counts["SIGKILL, light life"] == 6
    assert small.counts["runs that ended with the same bits as the undisturbed run"] >= 1


def test_a_full_disk_lost_photos_and_a_second_training(small):
    campaign.file_size_limits(small, 1)
    campaign.lost_data(small)
    campaign.two_trainings(small, 1)


def test_other_pixels_links_and_poor_file_systems(small):
    campaign.other_pixels(small, 2)
    campaign.links(small)
    campaign.poor_file_systems(small, 2)
    assert small.counts["a file or folder of a run that is a link"] == len(campaign.NAMES)


def test_the_campaign_sees_a_random_state_that_is_not_restored(small, monkeypatch):
    monkeypatch.setattr(Sampler, "restore", lambda self, text: None)
    with pytest.raises(campaign.Fault, match="ended otherwise"):
        campaign.jumping_clock(small, 1)


def test_the_campaign_sees_a_file_that_is_not_written_whole(small, monkeypatch):
    from cagan_theano.training import command, run_folder

    def torn(path, checkpoint, dtype="float32"):
        path.write_bytes(b"half")

    monkeypatch.setattr(command, "save_checkpoint", torn)
    folder = small.new_folder()
    life = small.start(folder)
    life.wait()
    with pytest.raises(ValueError, match="not a readable HDF5 file"):
        small.check_state(run_folder.RunFolder(folder.path))


@pytest.mark.parametrize("kind", fuzz_kinds.KINDS)
def test_hostile_files_end_in_one_clear_error(kind, tmp_path):
    outcomes = {fuzz.one_case(kind, 7, number, tmp_path) for number in range(40)}
    assert outcomes <= {"read", "refused"} and outcomes


def test_the_fuzzing_sees_what_no_reader_may_do(tmp_path, monkeypatch):
    def reader(made, folder):
        (folder / "new").write_text("outside")

    monkeypatch.setitem(fuzz_kinds.KINDS, "configuration", (lambda *_: None, reader))
    sys.addaudithook(fuzz.Watch.hook)
    with pytest.raises(AssertionError, match="did .*open"):
        fuzz.one_case("configuration", 0, 0, tmp_path)
    fuzz.Watch.seen = []


# --- past findings


def heap_of_nothing(path):
    """Give the first free object of the file's global heap no size: HDF5 goes round in it for ever."""
    data = bytearray(path.read_bytes())
    place = data.index(b"GCOL\1\0\0\0") + 16
    while struct.unpack_from("<H", data, place)[0]:
        place += 16 + (struct.unpack_from("<Q", data, place + 8)[0] + 7) // 8 * 8
    struct.pack_into("<Q", data, place + 8, 0)
    path.write_bytes(data)


@pytest.mark.parametrize("file, read", [
    (fuzz_kinds.whole_photos, PhotoFile), (lambda: fuzz_kinds.whole_checkpoints()[0][0],
                                           load_checkpoint),
    (fuzz_kinds.whole_vectors, read_vectors)])  # fmt: skip
def test_a_heap_without_end_is_refused_before_hdf5_sees_it(file, read, tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(file())
    assert heaps_are_whole(path)
    heap_of_nothing(path)
    assert not heaps_are_whole(path)
    with pytest.raises(ValueError, match="a.h5: .*damaged"):
        read(path)


@pytest.mark.parametrize("length", [0, 1, 4])
def test_a_chunk_of_a_checksum_or_less_is_refused_before_hdf5_takes_it_off(length, tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(fuzz_kinds.whole_photos())
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


def test_a_text_that_says_it_is_a_sequence_is_refused_before_hdf5_reads_it(tmp_path):
    """Its type is variable-length (class 9) of version 1; a bit tells texts from sequences."""
    path = tmp_path / "a.h5"
    data = bytearray(fuzz_kinds.whole_checkpoints()[0][0])
    kind = data.index(b"\x19\x01", data.index(b"config\0"))
    data[kind + 1] = 0
    path.write_bytes(data)
    with h5py.File(path) as file:
        assert file.attrs.get_id("config").get_type().get_class() == h5py.h5t.VLEN
    with pytest.raises(ValueError, match="a.h5: "):
        load_checkpoint(path)


def test_a_version_that_is_a_long_text_is_cut_in_the_message(tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(fuzz_kinds.whole_photos())
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = "a\nb" * 9000
    with pytest.raises(ValueError, match="has version") as caught:
        PhotoFile(path)
    fuzz.check_message(caught.value)


def packed_twice(file):
    """Gzip behind gzip, which unpacks a byte to a million."""
    fuzz_kinds.deflated_twice(np.random.default_rng(0), file, "G/a")


def unpacks_to_more(file):
    """A stream that gives 400 times what the array declares."""
    data = file.create_dataset("G/a", (1 << 18,), "f4", chunks=(1 << 18,), compression="gzip")
    data.id.write_direct_chunk((0,), fuzz_kinds.bomb_stream(400))


def itself(file):
    """A group that holds itself many times over."""
    for n in range(20):
        file[f"G/{n}"] = file["G"]


@pytest.mark.parametrize("change, fault", [
    (packed_twice, "filters other than"),
    (unpacks_to_more, "expands to more than"),
    (itself, "nested too deep"),
    (lambda f: f.create_dataset("G/a", (1 << 21,), "f4", chunks=(1 << 20,)), "does not contain them"),
    (lambda f: f.create_dataset("G/a", (1 << 23,), "f4", chunks=(1 << 20,)), "the limit is"),
    (lambda f: fuzz_kinds.filtered(np.random.default_rng(4), f, "G/a"), "not stored as plain"),
    (lambda f: f.attrs.__setitem__("metadata", "[" * 50_000), "metadata"),
    (lambda f: f.attrs.__setitem__("config", np.arange(3)), "configuration or metadata|short text"),
    (lambda f: f.create_dataset("G/" + "x" * 3000, data=np.ones(2, "f8")), "is an unexpected array"),
])  # fmt: skip
def test_a_checkpoint_that_would_take_all_memory_or_time(change, fault, tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(fuzz_kinds.whole_checkpoints()[0][0])
    with h5py.File(path, "r+") as file:
        change(file)
        fuzz_kinds.sign(file)
    with pytest.raises(ValueError, match=fault) as caught:
        load_checkpoint(path)
    fuzz.check_message(caught.value)


@pytest.mark.parametrize("text", [
    '{"seed": 1' + "0" * 400 + "}", '{"g_widths": 5}', '{"learning_rate": NaN}', "[" * 60_000,
    '{"color": "' + "x" * 60_000 + '"}', '{"' + "y" * 60_000 + '": 1}', '{"g_widths": {"a": 1}}',
    '{"steps": true}', '{"beta1": Infinity}', '{"g_kernel": [5]}'])  # fmt: skip
def test_configurations_that_were_not_refused_by_a_value_error(text):
    with pytest.raises(ValueError) as caught:
        Config.from_json(text)
    fuzz.check_message(caught.value)


@pytest.mark.parametrize("value", [10**400, "x", None, 1e300])
def test_random_states_that_were_not_refused_by_a_value_error(value):
    sampler = Sampler(Config(batch_size=1), np.arange(3))
    state = json.loads(sampler.state())
    state["state"]["inc"] = value
    with pytest.raises(ValueError, match="random state is unreadable"):
        sampler.restore(json.dumps(state))


def test_the_forked_life_is_the_command_s_configuration(tmp_path):
    data = lives.write_photos(tmp_path / "a.h5")
    config = lives.tiny_config(data)
    assert (config.height, config.batch_size, config.g_widths) == (32, 2, (8, 8, 8, 8))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the memory in use")
def test_a_picture_that_asks_for_more_memory_than_there_is(tmp_path):
    """A PNG of a few bytes that says 9999x9999 pixels (400 MB); 200 MiB are left to the process."""
    path = tmp_path / "greedy.png"
    Image.new("RGBA", (4, 4)).save(path)
    whole = path.read_bytes()
    header = b"IHDR" + struct.pack(">II", 9999, 9999) + whole[24:29]
    path.write_bytes(whole[:12] + header + struct.pack(">I", zlib.crc32(header)) + whole[33:])
    script = (
        "import resource, sys\n"
        "from data_prep.picture import read_picture\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20),) * 2)\n"
        "try:\n    read_picture(sys.argv[1], 16, 16)\n"
        "except ValueError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True,
                          cwd=Path(__file__).parents[1], check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "greedy.png: is a damaged image" in done.stdout
