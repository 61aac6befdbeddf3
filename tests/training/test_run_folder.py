"""The run folder: one training at a time, nothing lost by a kill at any moment, nothing foreign touched."""

import errno
import io
import json
import os

import numpy as np
import pytest
from conftest import tiny_config

from cagan_theano.checkpoint import Checkpoint, save_checkpoint
from cagan_theano.training.run_folder import SAMPLE, RunFolder, numbered

CONFIG = tiny_config()
PART = ".step_0000001.h5.ab12cd_9.part"  # as `atomic_file` names them


def born(path, *steps, config=CONFIG):
    """A run folder with checkpoints of almost nothing of some steps."""
    with RunFolder(path) as folder:
        for step in steps:
            save_checkpoint(folder.checkpoint_path(step), Checkpoint(CONFIG, step, {"a": np.ones(2)}, {}))
        if config:
            folder.write_config(config)
    return folder


def test_run_killed_before_its_config_can_be_started_again(tmp_path):
    RunFolder(tmp_path / "run").check_new()  # nothing there
    folder = born(tmp_path / "run", 0, config=None)
    (folder.path / ".config.json.0a0a0a0a.part").write_text("{")
    assert not folder.begun()
    folder.check_new()
    with pytest.raises(FileNotFoundError, match="contains no training run to resume"):
        folder.check_old()
    with folder:
        folder.write_config(CONFIG)
    folder.check_old()
    with pytest.raises(ValueError, match="exists already; continue it with --resume"):
        folder.check_new()


@pytest.mark.parametrize("name", ["notes.txt", "samples/a.png", "checkpoints/step_0000001.h5",
                                  "checkpoints/step_0000000.h5.broken", "log.jsonl"])  # fmt: skip
def test_folder_with_other_files_is_refused(name, tmp_path):
    with RunFolder(tmp_path / "run") as folder:
        (folder.path / name).write_text("mine")
    with pytest.raises(ValueError, match="exists already"):
        folder.check_new()
    with pytest.raises(ValueError, match="exists already"):
        RunFolder(folder.path / name).check_new()
    with pytest.raises(OSError, match="run: cannot be written .*; choose another folder"):
        RunFolder(folder.path / name / "run").__enter__()


def test_partial_files_are_removed_at_the_next_start(tmp_path):
    folder = born(tmp_path / "run", 0)
    for place in (folder.path, folder.samples, folder.checkpoints):
        (place / PART).write_bytes(b"half")
    (folder.path / ".hidden").write_text("not ours")
    with folder:
        pass
    left = {path.name for path in folder.path.rglob("*") if path.is_file()}
    assert left == {"config.json", "lock", "step_0000000.h5", ".hidden"}


def test_newest_checkpoint_is_found_by_number(tmp_path):
    folder = born(tmp_path / "run", 1, 2, 10_000_000)
    for step, time in ((1, 4e9), (2, 2e9), (10_000_000, 0)):
        os.utime(folder.checkpoint_path(step), (time, time))
    assert folder.newest_checkpoint(pytest.fail)[1].step == 10_000_000
    folder.prune(2)
    assert folder.steps() == [2, 10_000_000]


@pytest.mark.parametrize("tail", ['{"step": 3, "lo', "[" * 100_000])
def test_incomplete_last_line_of_the_log_is_ignored(tail, tmp_path):
    with born(tmp_path / "run") as folder:
        lines = [json.dumps({"step": n, "loss_G": 0.5}) for n in (1, 2, 3)]
        (folder.path / "log.jsonl").write_text("\n".join(lines[:2]) + "\n" + tail)
        assert [line["step"] for line in folder.read_log()] == [1, 2]
        folder.open_log(1)
        folder.log({"step": 2})
        folder.flush_log()
        assert (folder.path / "log.jsonl").read_text() == lines[0] + '\n{"step": 2}\n'


def test_file_system_without_locks_works(tmp_path, monkeypatch):
    def no_lock(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", no_lock)
    with born(tmp_path / "run", 0) as folder:
        folder.open_log(0)
        folder.log({"step": 1})
    assert folder.steps() == [0]


# --- links: what is outside of the folder stays as it is


def contents(folder):
    """Every file below a folder with its bytes."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name, dangling", [
    ("checkpoints", False), ("lock", True), ("log.jsonl", False), ("checkpoints/step_0000002.h5", False),
    ("tensorboard/events.out.tfevents.0000000001.cagan_theano", True),
])  # fmt: skip
def test_no_link_in_a_run_folder_is_followed(name, dangling, tmp_path):
    victim = born(tmp_path / "victim", 1, 2, 3).path
    (victim / "log.jsonl").write_text("")
    (victim / "samples" / "step_0000250.png").write_bytes(b"picture")
    (victim / "losses.png").write_bytes(b"curves")
    for path in (victim, tmp_path / "run"):
        (path / "tensorboard").mkdir(parents=True)
        (path / "tensorboard" / "events.out.tfevents.0000000001.cagan_theano").write_bytes(b"events")
    folder, before = born(tmp_path / "run", 0, 1, 2), contents(victim)
    place = folder.path / name
    if place.is_dir():
        place.rename(tmp_path / "aside")
    place.unlink(missing_ok=True)
    place.symlink_to(tmp_path / "nowhere" if dangling else victim / name)
    for attempt in (folder.check_old, folder.__enter__):
        with pytest.raises(ValueError, match=f"{name}: is a link, and links in a run folder") as caught:
            attempt()
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="exists already"):
        folder.check_new()
    assert contents(victim) == before and not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("call", [lambda folder: folder.log({"step": 1}), RunFolder.flush_log])
def test_a_log_that_cannot_be_written_is_named(call, tmp_path):
    class Broken(io.StringIO):
        def write(self, text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def fileno(self):
            self.write("")

    with born(tmp_path / "run", 0) as folder:
        folder._log = Broken()
        with pytest.raises(OSError, match="log.jsonl: cannot be written .No space left"):
            call(folder)


def test_only_regular_files_are_read_back(tmp_path):
    (tmp_path / "step_0000001.png").touch()
    os.mkfifo(tmp_path / "step_0000002.png")  # reading it would wait for ever
    assert list(numbered(tmp_path, SAMPLE)) == [1]
