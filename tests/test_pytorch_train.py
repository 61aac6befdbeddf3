"""The PyTorch reference trained on the minibatches of our training: the same losses, step by step."""

import dataclasses
import json

import numpy as np
import pytest
from conftest import tiny_config

from cagan_theano.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cagan_theano.interop import pytorch_train
from cagan_theano.io.command import main
from cagan_theano.learning.trainer import Trainer

pytest.importorskip("torch", reason="PyTorch is not installed (the extra: witness)")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def config():
    """Tiny networks whose loss moves within a few steps."""
    return tiny_config(init_std=0.1, mismatch="apart")


@pytest.fixture(scope="module")
def ours(config, tiny_photos, jax_backend, tmp_path_factory):
    """(path of our checkpoint of step 0, our losses of six steps)."""
    trainer = Trainer(config, tiny_photos, jax_backend)
    state = trainer.state()
    path = tmp_path_factory.mktemp("run") / "step_0000000.h5"
    save_checkpoint(path, Checkpoint(config, 0, state["G"], state["D"]))
    return path, [trainer.advance() for _ in range(6)]


def test_the_same_losses_and_a_checkpoint(ours, tiny_data, tmp_path, capsys):
    out, log = tmp_path / "reference.h5", tmp_path / "log.jsonl"
    with pytest.raises(SystemExit) as left:
        main(
            pytorch_train.command,
            ["--data", str(tiny_data), "--init", str(ours[0]), "--out", str(out), "--log", str(log)],
        )
    assert left.value.code == 0 and "wrote" in capsys.readouterr().out
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    for line, losses in zip(lines, ours[1]):
        for name, value in losses.items():
            assert line[name] == pytest.approx(value, rel=2e-3, abs=1e-4), (line["step"], name)
    made = load_checkpoint(out)
    assert made.step == 6 and made.metadata["finished"] and "torch" in made.metadata["versions"]


def test_other_minibatches_give_other_losses(ours, tiny_photos):
    start = load_checkpoint(ours[0])
    other = dataclasses.replace(start, config=start.config.replace(seed=5))
    training = pytorch_train.ReferenceTraining(other, tiny_photos)
    losses = training.advance()
    assert abs(losses["adv_D_real"] - ours[1][0]["adv_D_real"]) > 1e-3


def test_alternate_trains_one_network_at_a_time(ours, tiny_photos):
    start = load_checkpoint(ours[0])
    start = dataclasses.replace(start, config=start.config.replace(schedule="alternate"))
    training = pytorch_train.ReferenceTraining(start, tiny_photos)
    for moves, stays in (("D", "G"), ("G", "D")):
        before = training.checkpoint({})
        losses, after = training.advance(), training.checkpoint({})
        assert f"loss_{moves}" in losses and f"loss_{stays}" not in losses
        same = {
            name: all(np.array_equal(getattr(before, name)[p], v) for p, v in getattr(after, name).items())
            for name in "GD"
        }
        assert same[stays] and not same[moves]


def test_errors_are_one_line(ours, tiny_data, tiny_photos, tmp_path, capsys):
    start = load_checkpoint(ours[0])
    with pytest.raises(ValueError, match="the PyTorch reference has none"):
        changed = dataclasses.replace(start, config=start.config.replace(augmentation="mirror"))
        pytorch_train.ReferenceTraining(changed, tiny_photos)
    with pytest.raises(ValueError, match=r"--device nonsense: [^\n]*$"):
        pytorch_train.ReferenceTraining(start, tiny_photos, "nonsense")
    late = tmp_path / "late.h5"
    save_checkpoint(late, dataclasses.replace(start, step=3))
    for init, fault in ((late, "is of step 3"), (tmp_path / "none.h5", "no such checkpoint")):
        with pytest.raises(SystemExit):
            main(
                pytorch_train.command,
                ["--data", str(tiny_data), "--init", str(init), "--out", str(tmp_path / "out.h5")],
            )
        assert fault in capsys.readouterr().err
