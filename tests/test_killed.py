"""Long commands in processes of their own, killed (SIGKILL) or interrupted (Ctrl-C) in the middle.

The same command must then end as if nothing had happened, and what it made be whole or absent.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep.work_file import MAGIC, WorkFile

ROOT = Path(__file__).parents[1]
PATIENCE = 120  # seconds
SIGNALS = signal.SIGKILL, signal.SIGINT  # a command gets one, and when it is run again the other

# replicate/swap_folder.py with a model that paints slowly
DRESS = """
import sys, time
from types import SimpleNamespace
import numpy as np
from cagan_theano.io.command import main
from cagan_theano.model import Swap
from cagan_theano.dressing import swap_folder

class Painter:
    sha256, config = "0" * 64, SimpleNamespace(height=32, width=32, takes_mask=False)
    provenance = dict

    def swap(self, x_i, y_i, y_j, batch_size):
        time.sleep(.1)
        mean = ((x_i.astype(int) + y_j) // 2).astype(np.uint8)
        return Swap(np.zeros(x_i.shape[:3], np.float32), mean, mean)

swap_folder.weights.load_model = lambda *_: Painter()
main(swap_folder.command, sys.argv[1:])
"""

# cagan ablations with trainings that only write a file, argv[1], and wait
TRAIN = """
import sys
from pathlib import Path
from cagan_theano.evaluation.held_out import Source
from cagan_theano.io.command import main
from cagan_theano.studies import ablations, trainings

began, *given = sys.argv[1:]
training = f"import time; open({began!r}, 'w').write('begun'); time.sleep(600)"
trainings.images_of = lambda *_: Source(Path(), {}, None)
trainings.training_command = lambda *_: [sys.executable, "-c", training]
main(ablations.command, given)
"""


def heed_interrupts():
    """A shell's background jobs, and all that they start, would ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def start(*words):
    """A command of this interpreter, in a process group of its own."""
    return subprocess.Popen([sys.executable, *map(str, words)], cwd=ROOT, start_new_session=True,
                            preexec_fn=heed_interrupts, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)  # fmt: skip


def finish(*words):
    """Run a command to its end, which must be a good one."""
    process = start(*words)
    said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 0, said


def stop(process, number, when):
    """Send a signal to the process alone, as soon as when() is true; its children must end with it."""
    deadline = time.monotonic() + PATIENCE
    while not when():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[1]
        time.sleep(0.01)
    process.send_signal(number)
    said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number), said
    # a child that is being born as its parent is killed may say so
    assert number == signal.SIGKILL or "Traceback" not in said
    while os.path.isdir("/proc") and alive(process.pid):
        assert time.monotonic() < deadline, "a child outlives its parent"
        time.sleep(0.1)


def alive(group):
    """The processes of a group that run, zombies left out."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if its_group == str(group) and state not in "ZX":
            found.append(stat.parent.name)
    return found


def size(path):
    """The bytes of a file; 0 if there is none."""
    return path.stat().st_size if path.exists() else 0


def kept_rows(path):
    """How many rows a photoshoot's work file holds."""
    with open(path, "rb") as file:
        settings = json.loads(file.readline().removeprefix(MAGIC))
    with WorkFile(path, settings) as work:
        return len(work)


@pytest.mark.slow
def test_photoshoot(tmp_path):
    def command(out):
        return ["-m", "data_prep", "photoshoot", out, "--pairs", 72, "--held-out", 0,
                "--size", "32x32", "--jobs", 2]  # fmt: skip

    out = tmp_path / "killed" / "o.h5"
    out.parent.mkdir()
    work, rows = out.with_name("o.h5.work"), [0]
    for number in SIGNALS:
        enough = size(work) + 40_000
        stop(start(*command(out)), number, lambda enough=enough: size(work) > enough)
        assert not out.exists()
        rows.append(kept_rows(work))
    assert 0 < rows[1] < rows[2] < 72
    finish(*command(out))
    assert os.listdir(out.parent) == ["o.h5"]
    finish(*command(tmp_path / "undisturbed.h5"))
    assert out.read_bytes() == (tmp_path / "undisturbed.h5").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_no_training_outlives_its_study(tmp_path, number):
    began = tmp_path / "began"
    process = start("-c", TRAIN, began, "readings", "--only", "paper", "--out", tmp_path / "o", "--jobs", 2)
    stop(process, number, lambda: size(began))


@pytest.fixture
def photos(tmp_path):
    """Two folders of 40 pictures of noise."""
    rng = np.random.default_rng(0)
    for kind in ("people", "clothes"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for n in range(40):
            picture = Image.fromarray(rng.integers(0, 256, (8, 6, 3), dtype=np.uint8))
            picture.resize((600, 800)).save(tmp_path / "photos" / kind / f"{n}.png")
    return tmp_path / "photos"


def test_ingestion(photos, tmp_path):
    def command(out):
        return ["-m", "data_prep", "folders", photos, out, "--persons", "people",
                "--garments", "clothes", "--jobs", 1, "--keep-doubtful"]  # fmt: skip

    out, work = tmp_path / "o.h5", tmp_path / "o.h5.work"
    for number in SIGNALS:
        before = size(work)
        stop(start(*command(out)), number, lambda before=before: size(work) > before)
        assert not out.exists()
    finish(*command(out))
    finish(*command(tmp_path / "undisturbed.h5"))
    assert out.read_bytes() == (tmp_path / "undisturbed.h5").read_bytes()
    assert not work.exists()


def test_folder_swap(photos, tmp_path):
    def command(out):
        return ["-c", DRESS, "--humans", photos / "people", "--wearing", photos / "clothes",
                "--articles", photos / "clothes", "--out", out, "--batch-size", 8]  # fmt: skip

    def bytes_of(folder):
        return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.png")}

    for kind in ("people", "clothes"):
        for n in range(8, 40):
            (photos / kind / f"{n}.png").unlink()
    out, before = tmp_path / "dressed", {}
    for number in SIGNALS:
        enough = len(before) + 4
        stop(start(*command(out)), number, lambda enough=enough: len(bytes_of(out)) > enough)
        found = bytes_of(out)
        assert len(before) < len(found) < 56 and before.items() <= found.items()
        before = found
    finish(*command(out))
    finish(*command(tmp_path / "undisturbed"))
    assert bytes_of(out) == bytes_of(tmp_path / "undisturbed")
    assert before.items() <= bytes_of(out).items()
