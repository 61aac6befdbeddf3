"""A tiny training killed, interrupted and disturbed: resumed, it must end with the same bits.

Each life of a training is a fork of this process that runs the real command; only the compiled update
is replaced, by a few lines of numpy, so that a life takes a tenth of a second.  KILLS sets how many are
killed.  (`make faults KILLS=1000`)
"""

import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from figure_toys import write_photos

from cagan_theano.backends import Backend
from cagan_theano.checkpoint import contents_sha256, load_checkpoint
from cagan_theano.io.command import main
from cagan_theano.io.files import is_temporary
from cagan_theano.method.adam import Adam
from cagan_theano.network.networks import build_networks
from cagan_theano.training import command, loop
from cagan_theano.training.engine import Engine
from cagan_theano.training.run_folder import RunFolder
from cagan_theano.training.sampler import Sampler

ROOT = Path(__file__).resolve().parents[2]
KILLS, SEED = int(os.environ.get("KILLS", 6)), int(os.environ.get("SEED", 0))
STEPS, KEEP, PATIENCE = 6, 3, 300
OPTIONS = ["--g-widths", "8,8,8,8", "--d-widths", "8,8,8,8", "--g-kernel", "3", "--batch-size", "2",
           "--backend", "jax", "--device", "cpu", "--checkpoint-every", "1", "--keep", str(KEEP),
           "--steps", str(STEPS)]  # fmt: skip


class Arithmetic(Engine):
    """A trainer whose update is arithmetic; state, resume and random state are the real ones."""

    def __init__(self, config, photos, backend):
        self.config, self.backend, self.photos = config, backend, photos
        self.sampler, self.step = Sampler(config, photos.garment), 0
        self.networks = build_networks(config)
        optimizers = {name: Adam(net.params, config) for name, net in self.networks._asdict().items()}
        self.functions = SimpleNamespace(optimizers=optimizers, average=None)

    def update(self, indices):
        """Mix the pictures that were drawn into every parameter and moment."""
        pull = np.float32(self.photos.x[indices.i].mean() / 255 - self.photos.y[indices.j].mean())
        for variable in self._moments().values():
            value = variable.get_value()
            variable.set_value((value * 0.9 + pull).astype(value.dtype))
        for network in self.networks:
            for variable in network.params.values():
                value = variable.get_value()
                variable.set_value(np.sin(value + pull).astype(value.dtype))
        return {"loss_D": float(pull), "loss_G": float(value.sum())}


class Life(multiprocessing.get_context("fork").Process):
    """A fork of this process that calls a function; what it prints goes to a file."""

    def __init__(self, log, function, *arguments):
        super().__init__(target=self.live, args=(function, *arguments))
        self.log = log
        log.touch()
        self.start()

    def live(self, function, *arguments):
        """In the fork: pytest has put something else in the place of stdout and stderr."""
        out = os.open(self.log, os.O_WRONLY | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.stdout, sys.stderr = (open(n, "w", buffering=1, closefd=False) for n in (1, 2))
        function(*arguments)

    def send(self, number):
        if self.is_alive():
            os.kill(self.pid, number)

    def wait(self):
        """The exit code, or minus the signal that ended it."""
        self.wait_until(lambda: False)
        return self.exitcode

    def wait_until(self, condition):
        """Wait until condition() or the end of this life."""
        end = time.monotonic() + PATIENCE
        while self.is_alive() and not condition():
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.0003)

    def errors(self):
        lines = self.log.read_text(errors="replace").replace("\r", "\n").splitlines()
        return [line for line in lines if line.startswith(("Error: ", "Traceback"))]

    def assert_refused(self, words):
        assert self.wait() == 1 and len(self.errors()) == 1 and words in self.errors()[0], self.errors()


class Campaign:
    """A data file, a run that nothing happened to, and the runs that must end as it did."""

    def __init__(self, scratch):
        self.scratch, self.number = scratch, 0
        self.data = write_photos(scratch / "photos.h5", pairs=12, tests=0, masks=False)
        self.rng = np.random.default_rng(SEED)
        folder = self.new_run()
        assert self.start(folder).wait() == 0
        assert [line["step"] for line in folder.read_log()] == list(range(1, STEPS + 1))
        self.expected = result_of(folder)

    def new_run(self):
        self.number += 1
        return RunFolder(self.scratch / f"run{self.number}")

    def words(self, folder, resume=None):
        """The words of the command, which resumes where there is something to resume."""
        resume = folder.begun() if resume is None else resume
        return ["--data", str(self.data), "--run", str(folder.path), *OPTIONS, *["--resume"] * resume]

    def start(self, folder, resume=None, before=lambda: None):
        """Start a life; before() is called in it first."""

        def train():
            loop.loss_curves = lambda *_: b"no curves"
            command.choose_backend = lambda *_, **__: Backend("none", "CPU", None, lambda _: None)
            command.Engine = Arithmetic
            before()
            main(command.train, words)

        words = self.words(folder, resume)
        self.number += 1
        return Life(self.scratch / f"{self.number}.log", train)

    def start_and_wait(self, step, **options):
        """A new run and its life, which has saved this step."""
        folder = self.new_run()
        life = self.start(folder, **options)
        life.wait_until(lambda: max(folder.steps(), default=0) >= step)
        return folder, life

    def finish(self, folder, **options):
        """Let the run go on to its end, and compare."""
        life = self.start(folder, **options)
        assert life.wait() == 0, life.errors()
        assert result_of(folder) == self.expected, f"{folder.path}: ended with other bits"


def result_of(folder):
    """(digest of parameters, moments and random state after the last step; the log's lines)."""
    last = load_checkpoint(folder.checkpoint_path(STEPS))
    arrays = {f"{group}/{name}": array for group in ("G", "D", "optimizer")
              for name, array in getattr(last, group).items()}  # fmt: skip
    return contents_sha256({"sampler": last.sampler}, last.step, arrays), folder.read_log()


def half_written(folder):
    """The files of a run that are being written, or were when it was killed."""
    found = set()
    for place in (folder.path, folder.checkpoints):
        with contextlib.suppress(FileNotFoundError):
            found |= {name for name in os.listdir(place) if is_temporary(name)}
    return found


def check_readable(folder):
    """What a fault left behind: nothing, or intact checkpoints, no more than are kept."""
    if not folder.begun():
        folder.check_new()
        return
    folder.read_config()
    assert 0 < len(folder.steps()) <= KEEP + 1
    for step in folder.steps():
        load_checkpoint(folder.checkpoint_path(step))


def wait_for_moment(rng, life, folder):
    """A random time, or until one of a life's files is being written."""
    if rng.random() < 1 / 3:
        time.sleep(rng.uniform(0, 0.3))
        return
    seen, files = set(), rng.integers(1, 9)

    def writing():
        seen.update(half_written(folder))
        return len(seen) >= files

    life.wait_until(writing)
    time.sleep(rng.exponential(0.001))


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    return Campaign(tmp_path_factory.mktemp("killed"))


@pytest.mark.parametrize("number, code", [
    (signal.SIGKILL, None), (signal.SIGTERM, 143), (signal.SIGINT, 130)])  # fmt: skip
def test_a_killed_training_ends_with_the_same_bits(number, code, campaign):
    """At random moments, several times per run."""
    killed = 0
    while killed < KILLS:
        folder, ended = campaign.new_run(), False
        while not ended and killed < KILLS:
            life = campaign.start(folder)
            wait_for_moment(campaign.rng, life, folder)
            life.send(number)
            ended = life.wait() == 0
            if not ended:
                killed += 1
                assert life.exitcode in (code, -number) and not life.errors(), life.errors()
                assert not code or life.exitcode < 0 or not half_written(folder)
                check_readable(folder)
        campaign.finish(folder)


def test_a_full_disk_is_one_error_and_costs_no_step(campaign):
    """Every file of a life is limited to less than a checkpoint's 138,592 bytes."""
    begun, life = campaign.start_and_wait(3)
    life.send(signal.SIGTERM)
    life.wait()
    for folder in (begun, campaign.new_run()):
        limit = int(campaign.rng.integers(6_000, 130_000))
        life = campaign.start(
            folder, before=lambda n=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (n, n))
        )
        life.assert_refused("cannot be written")
        assert not half_written(folder)
        check_readable(folder)
        campaign.finish(folder)


@pytest.mark.parametrize("damage", [os.unlink, lambda path: os.truncate(path, path.stat().st_size // 2)])
def test_losing_the_data_file_during_a_run_changes_nothing(damage, campaign):
    whole = campaign.data.read_bytes()
    folder, life = campaign.start_and_wait(2)
    damage(campaign.data)
    try:
        assert life.wait() == 0 and result_of(folder) == campaign.expected
        campaign.start(folder).assert_refused(str(campaign.data))
    finally:
        campaign.data.write_bytes(whole)


def test_second_training_in_a_folder_is_refused(campaign):
    folder = campaign.new_run()
    pair = [campaign.start(folder, resume=False) for _ in range(2)]
    assert sorted(life.wait() for life in pair) == [0, 1]
    assert result_of(folder) == campaign.expected
    folder, life = campaign.start_and_wait(1)
    campaign.start(folder, resume=True).assert_refused("another training is running here")
    campaign.start(folder, resume=False).assert_refused("exists already")
    assert life.wait() == 0 and result_of(folder) == campaign.expected


def break_clocks():
    """Let Python's clocks of the day jump by up to a year whenever they are read."""
    import tqdm.std

    rng, real = np.random.default_rng(0), time.time
    time.time = tqdm.std.time = lambda: real() + rng.uniform(-365, 365) * 86400


def test_clock_and_file_times_do_not_matter(campaign):
    folder, life = campaign.start_and_wait(2, before=break_clocks)
    life.send(signal.SIGKILL)
    life.wait()
    for n, path in enumerate(folder.path.rglob("*.h5")):
        os.utime(path, (4e9 - 1e9 * n,) * 2)
    campaign.finish(folder, before=break_clocks)


def test_a_random_state_that_is_not_restored_is_noticed(campaign, monkeypatch):
    """By these tests themselves."""
    monkeypatch.setattr(Sampler, "restore", lambda self, text: None)
    folder, life = campaign.start_and_wait(2)
    life.send(signal.SIGKILL)
    life.wait()
    with pytest.raises(AssertionError, match="other bits"):
        campaign.finish(folder)


@pytest.mark.skipif("KILLS" not in os.environ, reason="make faults; minutes of compiling")
def test_the_whole_command_killed(campaign):
    """With its compiled update, in a process of its own."""

    def execute(words):
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "cagan_theano", "train", *words])

    def start(folder):
        return Life(campaign.scratch / f"{folder.path.name}.log", execute, campaign.words(folder))

    folder, undisturbed = campaign.new_run(), campaign.new_run()
    assert start(undisturbed).wait() == 0
    life = start(folder)
    life.wait_until(lambda: max(folder.steps(), default=0) >= 2)
    life.send(signal.SIGKILL)
    assert life.wait() == -signal.SIGKILL
    check_readable(folder)
    assert start(folder).wait() == 0
    assert result_of(folder) == result_of(undisturbed)
