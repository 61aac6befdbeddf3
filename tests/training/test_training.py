"""Training: the same bits after a resume, a loss that falls, runs that stop and go on."""

import dataclasses
import os
import signal
import sys
from pathlib import Path
from unittest.mock import Mock

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import assert_same, tiny_config
from figure_toys import write_photos

from cagan_theano.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cagan_theano.io.signals import Signals
from cagan_theano.model import Model
from cagan_theano.training import command
from cagan_theano.training.engine import Engine
from cagan_theano.training.loop import Loop
from cagan_theano.training.preview import choose_held_out, score
from cagan_theano.training.run_folder import RunFolder
from data_prep.store import PhotoFile

CONFIG = tiny_config(g_widths=(8, 8, 10, 10), d_widths=(8, 8, 10, 10), batch_size=2, steps=4)
OPTIONS = ["--g-widths", "8,8,10,10", "--d-widths", "8,8,10,10", "--g-kernel", "3",
           "--batch-size", "2", "--device", "cpu", "--backend", "jax"]  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A photo file of 12 pairs without test photos, so that no samples are drawn."""
    return write_photos(tmp_path_factory.mktemp("data") / "few.h5", pairs=12, tests=0)


@pytest.fixture(scope="module")
def only_trainer(data, jax_backend):
    """The one trainer of this module, for compiling takes most of the time, and its first state."""
    with PhotoFile(data) as file:
        photos = file.split("train")
        photos = dataclasses.replace(photos, x=photos.x.load(), y=photos.y.load(), mask=None)
    trainer = Engine(CONFIG, photos, jax_backend)
    return trainer, trainer.state()


@pytest.fixture
def trainer(only_trainer, tmp_path):
    """The trainer as it was new."""
    trainer, first = only_trainer
    trainer.config = CONFIG
    trainer.restore(Checkpoint(CONFIG, **first))
    return trainer


def test_resumed_training_equals_an_uninterrupted_one(trainer, tmp_path):
    losses = [trainer.advance() for _ in range(2)]
    save_checkpoint(tmp_path / "middle.h5", Checkpoint(CONFIG, **trainer.state()))
    middle = load_checkpoint(tmp_path / "middle.h5")
    losses += [trainer.advance() for _ in range(2)]
    last = trainer.state()
    assert last["step"] == 4 and last["sampler"] != middle.sampler
    trainer.advance()  # everything differs from the middle now
    trainer.restore(middle)
    assert [trainer.advance() for _ in range(2)] == losses[2:]
    assert_same(trainer.state(), last)


def test_every_parameter_learns_and_every_loss_is_told(trainer):
    before, losses = trainer.state(), trainer.advance()
    assert list(losses) == ["loss_D", "adv_D_real", "adv_D_fake", "adv_D_mismatch", "loss_G",
                            "adv_G", "L_id", "L_cyc"]  # fmt: skip
    parts = losses["adv_G"] + 0.1 * losses["L_id"] + losses["L_cyc"]
    assert losses["loss_G"] == pytest.approx(parts, rel=1e-5)
    after = trainer.state()
    for network in "GD":
        for name, value in before[network].items():
            assert (after[network][name] != value).any(), f"{network}/{name}"
        assert after["optimizer"][f"{network}/t"] == 1


@pytest.mark.parametrize("change, fault", [
    (lambda G: dict(optimizer=None), "contains only weights"), (lambda G: dict(G={}), "lacks parameter"),
    (lambda G: dict(G={**G, "encoder1.W": np.zeros((1, 2), np.float32)}), "has shape"),
    (lambda G: dict(G={**G, "extra": np.zeros(1, np.float32)}), "has the unknown parameter extra"),
])  # fmt: skip
def test_states_of_other_trainings_change_nothing(trainer, change, fault):
    before = trainer.state()
    with pytest.raises(ValueError, match=fault):
        trainer.restore(Checkpoint(CONFIG, **{**before, **change(before["G"])}))
    assert_same(trainer.state(), before)


# --- the command, with the compiled trainer of this module


@pytest.fixture
def go(trainer, only_trainer, data, monkeypatch):
    """go(run, *options) runs the training command on a new-born trainer; click's result."""

    def newborn(config, photos, backend):
        trainer.restore(Checkpoint(CONFIG, **only_trainer[1]))
        trainer.config = config
        return trainer

    monkeypatch.setattr(command, "Engine", newborn)

    def invoke(run, *options):
        words = ["--data", str(data), "--run", str(run), *OPTIONS]
        return CliRunner().invoke(command.train, [*words, *options], standalone_mode=False)

    return invoke


@pytest.fixture
def begun(go, tmp_path):
    """A training of one step, and its checkpoint."""
    assert go(tmp_path / "run", "--steps", "1").return_value == 0
    return tmp_path / "run", tmp_path / "run" / "checkpoints" / "step_0000001.h5"


def resume(go, run, *options, steps=2):
    """click's result of a resume."""
    return go(run, "--steps", str(steps), "--resume", *options)


def steps_in_log(run):
    return [line["step"] for line in RunFolder(run).read_log()]


def test_surplus_checkpoints_are_removed_on_resume(go, tmp_path, monkeypatch):
    assert go(tmp_path / "run", "--steps", "3", "--checkpoint-every", "1").return_value == 0
    folder = RunFolder(tmp_path / "run")
    folder.checkpoint_path(0).write_bytes(folder.checkpoint_path(1).read_bytes())
    seen = []
    monkeypatch.setattr(Loop, "run", lambda self: seen.append(self.folder.steps()) or 0)
    assert go(tmp_path / "run", "--steps", "4", "--resume").return_value == 0
    assert seen == [[1, 2, 3]]


def test_run_resume_and_fall_back_from_broken_checkpoints(go, trainer, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert go(whole, "--steps", "4").return_value == 0
    expected = trainer.state()
    assert go(parts, "--steps", "3", "--checkpoint-every", "1").return_value == 0
    folder = RunFolder(parts)
    assert folder.steps() == [1, 2, 3]  # --keep 3
    newest = folder.checkpoint_path(3)
    newest.write_bytes(newest.read_bytes()[:-1000])
    with h5py.File(folder.checkpoint_path(2), "r+") as file:
        file["G/output.b"][0] += 1
    result = go(parts, "--steps", "4", "--resume")
    assert result.return_value == 0, result.exception
    assert "resuming after step 1" in result.output
    assert "step_0000003.h5" in result.output and "do not match their sha256" in result.output
    broken = sorted(path.name for path in folder.checkpoints.glob("*.broken"))
    assert broken == ["step_0000002.h5.broken", "step_0000003.h5.broken"]
    assert_same(trainer.state(), expected)
    assert steps_in_log(parts) == steps_in_log(whole) == [1, 2, 3, 4]
    made = load_checkpoint(folder.checkpoint_path(4))
    assert made.step == 4 and made.metadata["finished"] and made.metadata["data"]["pairs"] == 12
    assert (whole / "losses.png").stat().st_size > 1000


@pytest.fixture
def sampled(tmp_path):
    """Options with which every second step draws held-out photos."""
    photos = write_photos(tmp_path / "some.h5", pairs=12, tests=4)
    return ["--data", str(photos), "--sample-every", "2"]


def test_tensorboard_changes_no_bit_and_shows_the_log(go, trainer, sampled, tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed (the extra: tensorboard)")
    from test_events import displayed, logged

    plain, board, resumed = tmp_path / "plain", tmp_path / "board", tmp_path / "resumed"
    options = [*sampled, "--steps", "4"]
    assert go(plain, *options).return_value == 0
    expected = trainer.state()
    assert go(board, *options, "--tensorboard").return_value == 0
    assert_same(trainer.state(), expected)
    assert not (plain / "tensorboard").exists()
    assert (board / "log.jsonl").read_bytes() == (plain / "log.jsonl").read_bytes()
    options += ["--checkpoint-every", "2", "--keep", "9", "--tensorboard"]
    assert go(resumed, *options).return_value == 0
    (resumed / "checkpoints" / "step_0000004.h5").unlink()  # as if killed before step 4 was saved
    assert go(resumed, *options, "--resume").return_value == 0
    assert_same(trainer.state(), expected)
    for run in (board, resumed):
        assert displayed(run)[0] == logged(plain)[0] and displayed(run) == logged(run)
        assert [step for step, _ in displayed(run)[1]] == [2, 4]
    assert set(displayed(board)[0]) >= {"loss_D", "loss_G", "inside", "alpha_iou"}


def test_without_tensorboard_nothing_is_written(go, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "is_installed", lambda package: False)
    result = go(tmp_path / "run", "--steps", "1", "--tensorboard")
    assert "pip install '.[tensorboard]' in the clone" in str(result.exception)
    assert not (tmp_path / "run").exists()


def test_a_picture_that_fails_costs_no_step(go, sampled, tmp_path, monkeypatch):
    """The checkpoint is there before a picture is drawn; what fails is a line of the log."""
    run, seen = tmp_path / "run", []

    def fail(self, *_):
        seen.append(RunFolder(run).steps()[-1])
        raise RuntimeError("no font")

    monkeypatch.setattr(Loop, "draw_sheet", fail)
    monkeypatch.setattr("cagan_theano.training.loop.loss_curves", lambda *_: 1 / 0)
    result = go(run, *sampled, "--checkpoint-every", "2", "--steps", "4")
    assert result.return_value == 0 and seen == [2, 4]
    lines = RunFolder(run).read_log()
    said = [(line["step"], line["warning"]) for line in lines if "warning" in line]
    assert said[:2] == [(2, "samples: not drawn (RuntimeError: no font)"),
                        (2, "losses.png: not drawn (ZeroDivisionError: division by zero)")]  # fmt: skip
    assert [step for step, _ in said] == [2, 2, 4, 4]
    assert "inside" in lines[1] and "Warning: step 2: samples: not drawn" in result.output


def test_missing_sheet_is_drawn_on_resume(go, sampled, tmp_path):
    options = [*sampled, "--checkpoint-every", "2", "--steps", "2"]
    assert go(tmp_path / "run", *options).return_value == 0
    sheet = RunFolder(tmp_path / "run").sheet_path(2)
    drawn = sheet.read_bytes()
    sheet.unlink()
    assert go(tmp_path / "run", *options, "--resume").return_value == 0
    assert sheet.read_bytes() == drawn


@pytest.fixture
def interrupt(trainer, monkeypatch):
    """A function that lets the second step of the training receive signals."""
    advance = trainer.advance

    def set_up(*numbers):
        def interrupted():
            if trainer.step == 1:
                for number in numbers:
                    os.kill(os.getpid(), number)
            return advance()

        monkeypatch.setattr(trainer, "advance", interrupted)

    return set_up


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_whole_checkpoint(go, interrupt, tmp_path, number, code):
    interrupt(number)
    result = go(tmp_path / "run", "--steps", "4")
    assert result.return_value == code and "--resume" in result.output
    assert load_checkpoint(tmp_path / "run" / "checkpoints" / "step_0000002.h5").step == 2
    assert steps_in_log(tmp_path / "run") == [1, 2]


def test_signal_while_curves_are_drawn_still_saves(go, trainer, tmp_path, monkeypatch):
    """It comes while the loss curves are drawn, between the end of a step and the next."""
    monkeypatch.setattr(Loop, "draw_curves", lambda self: os.kill(os.getpid(), signal.SIGINT))
    result = go(tmp_path / "run", "--steps", "4", "--sample-every", "2")
    assert result.return_value == 130 and "stopped after step 2" in result.output
    assert load_checkpoint(tmp_path / "run" / "checkpoints" / "step_0000002.h5").step == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_saves_even_if_nobody_reads_the_output(trainer, interrupt, tmp_path, monkeypatch, number):
    """As Ctrl-C of `cagan train 2>&1 | tee log` ends tee first, and a closed terminal ends both."""
    interrupt(number, signal.SIGHUP)  # the shell's, beside the terminal's
    gone = Mock(spec=["write", "flush", "isatty"], **{"isatty.return_value": False})
    gone.write.side_effect = BrokenPipeError
    monkeypatch.setattr(sys, "stderr", gone)
    monkeypatch.setattr(sys, "stdout", gone)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
    try:
        with Signals() as signals, RunFolder(tmp_path / "run") as folder:
            periods = {"sample_every": 9, "checkpoint_every": 9, "keep": 1}
            assert Loop(trainer, folder, None, {}, periods, signals).run() == 128 + number
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)
    assert load_checkpoint(folder.checkpoint_path(2)).step == 2


def test_sighup_is_ignored_under_nohup():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals:
            signals.patient = True
            os.kill(os.getpid(), signal.SIGHUP)
            assert signals.exit_code == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_resumed_run_keeps_as_many_checkpoints_as_before(go, tmp_path):
    run = tmp_path / "run"
    periods = ["--keep", "9", "--checkpoint-every", "1"]
    assert go(run, "--steps", "5", *periods).return_value == 0
    assert go(run, "--steps", "7", "--resume").return_value == 0
    assert RunFolder(run).steps() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert go(run, "--steps", "8", "--resume", "--keep", "2").return_value == 0
    assert RunFolder(run).steps() == [7, 8]
    (run / "periods.json").write_text('{"keep": "many"}')
    assert "periods.json: is damaged" in str(go(run, "--steps", "9", "--resume").exception)


def test_a_configuration_that_the_checkpoint_contradicts_is_refused(go, begun):
    run, _ = begun
    path = run / "config.json"
    path.write_text(path.read_text().replace('"gamma_c": 1.0', '"gamma_c": 2.0'))
    said = str(resume(go, run).exception)
    assert "config.json: has gamma_c=2.0, but step_0000001.h5 was trained with 1.0" in said


def test_unreadable_checkpoint_is_not_renamed(go, begun, monkeypatch):
    run, path = begun
    opened = h5py.File

    def failing(name, *given, **more):
        if Path(name).name.startswith("step_"):
            raise OSError(5, "Input/output error")
        return opened(name, *given, **more)

    monkeypatch.setattr("cagan_theano.io.hdf5.h5py.File", failing)
    assert "step_0000001.h5: cannot be read (Input/output error)" in str(resume(go, run).exception)
    assert path.exists() and not list(run.rglob("*.broken"))


def test_divergence_stops_and_keeps_the_last_good(go, trainer, tmp_path, monkeypatch):
    advance = trainer.advance
    monkeypatch.setattr(trainer, "advance", lambda: {
        **advance(), **({"loss_G": float("nan")} if trainer.step == 3 else {})})  # fmt: skip
    result = go(tmp_path / "run", "--steps", "4", "--checkpoint-every", "1")
    assert isinstance(result.exception, ValueError)
    assert "step 3: loss_G is nan" in str(result.exception)
    assert "step_0000002.h5" in str(result.exception)
    assert RunFolder(tmp_path / "run").steps()[-1] == 2


def test_other_settings_and_no_intact_checkpoint_are_refused(go, begun):
    run, path = begun
    other = go(run, "--resume", "--gamma-i", "0.5")
    assert "was started with gamma_i=0.1, not 0.5" in str(other.exception)
    path.with_name("step_0000000.h5").unlink(missing_ok=True)
    with h5py.File(path, "r+") as file:
        file.attrs["sha256"] = "0" * 64
    assert "contains no intact checkpoint" in str(go(run, "--resume").exception)


def test_weights_to_start_from(go, begun, tmp_path):
    _, first = begun
    result = go(tmp_path / "b", "--steps", "1", "--activation", "leaky", "--init", str(first))
    assert result.return_value == 0, result.exception
    assert "was trained with activation=relu, this run has leaky" in result.output
    made = load_checkpoint(tmp_path / "b" / "checkpoints" / "step_0000001.h5")
    assert made.metadata["init"]["sha256"] == load_checkpoint(first).sha256
    assert made.optimizer["G/t"] == 1


def test_other_kernels_need_the_option(go, trainer, begun, monkeypatch):
    run, path = begun
    known = load_checkpoint(path).metadata["kernels"]
    assert known and known == trainer.backend.kernels
    others = trainer.backend._replace(kernels="others")
    monkeypatch.setattr(command, "choose_backend", lambda *_, **__: others)
    monkeypatch.setattr(trainer, "backend", others)
    said = str(resume(go, run).exception)
    assert "step_0000001.h5: was computed by other kernels" in said and "--other-kernels" in said
    assert "\n" not in said and load_checkpoint(path).step == 1
    assert resume(go, run, "--other-kernels").return_value == 0
    metadata = load_checkpoint(path.with_name("step_0000002.h5")).metadata
    assert (metadata["kernels"], metadata["kernels_before"]) == ("others", [known])


def test_resuming_with_other_data_is_refused(go, begun, tmp_path):
    run, _ = begun
    other = write_photos(tmp_path / "few.h5", pairs=12, tests=0)
    with h5py.File(other, "r+") as file:  # the same description
        file["train/x"][:2] = file["train/x"][:2][[1, 0]]
    said = str(resume(go, run, "--data", str(other)).exception)
    assert "few.h5: is not the data of this run, or has other pixels" in said
    assert resume(go, run).return_value == 0


@pytest.mark.parametrize("name", ["train/x", "test/x", "train/garment"])
def test_the_digest_sees_all_that_is_trained_on(name, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "Engine", lambda *_: None)

    def digest(path):
        with PhotoFile(path) as file:
            return command.prepare(file, CONFIG, None)[2]["pixels"]

    path = write_photos(tmp_path / "a.h5", pairs=4, tests=4)
    before = digest(path)
    with h5py.File(path, "r+") as file:
        file[name][:2] = file[name][:2][[1, 0]]
    assert digest(path) != before


def test_fewer_steps_than_are_done_are_an_error(go, begun):
    run, _ = begun
    assert resume(go, run).return_value == 0
    assert "--steps 1: the run has already done 2 steps" in str(resume(go, run, steps=1).exception)
    assert resume(go, run).return_value == 0  # as many: there is nothing to do


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_last_step_changes_nothing(go, tmp_path, monkeypatch, number):
    finish = Loop.finish

    def late(self):
        os.kill(os.getpid(), number)
        return finish(self)

    monkeypatch.setattr(Loop, "finish", late)
    result = go(tmp_path / "run", "--steps", "1")
    assert result.return_value == 0 and "finished 1 steps" in result.output


@pytest.mark.slow
def test_training_lowers_the_error_against_the_truth(tmp_path, jax_backend):
    with PhotoFile(write_photos(tmp_path / "photos.h5", pairs=256, tests=24)) as file:
        photos, held_out = file.split("train"), choose_held_out(file.split("test"), 16)
        photos = dataclasses.replace(photos, x=photos.x.load(), y=photos.y.load(), mask=None)
    trainer = Engine(tiny_config(learning_rate=1e-3, seed=1), photos, jax_backend)
    model = Model(trainer.config, trainer.networks.G, jax_backend)
    before = score(held_out, model.swap(held_out.x_i, held_out.y_i, held_out.y_j))
    for _ in range(600):
        trainer.advance()
    after = score(held_out, model.swap(held_out.x_i, held_out.y_i, held_out.y_j))
    assert after["inside"] < 0.6 < before["inside"]
    assert after["outside"] < before["outside"]
    # of four seeds it was 0.29, 0.94, 0.87 and 0.44: one training may find half of the region only
    assert after["alpha_iou"] > max(0.3, before["alpha_iou"])
