"""TensorBoard's event file, as TensorBoard reads it, against the log."""

import errno
import io
import json
import os

import numpy as np
import pytest
from conftest import tiny_config
from PIL import Image

from cagan_theano.training import events
from cagan_theano.training.run_folder import RunFolder

reading = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator",
    reason="tensorboard is not installed (the extra: tensorboard)",
)
LINES = [{"step": n, "loss_D": 1 / n, "loss_G": 0.1 * n} for n in range(1, 8)]


def png(value):
    """A PNG of one color."""
    content = io.BytesIO()
    Image.new("RGB", (3, 2), (value, 0, 0)).save(content, "PNG")
    return content.getvalue()


def displayed(folder):
    """What TensorBoard holds of a run folder: (tag -> [(step, value)], [(step, PNG)])."""
    board = reading.EventAccumulator(
        str(folder / "tensorboard"), size_guidance={"scalars": 0, "images": 0}, purge_orphaned_data=True
    ).Reload()
    tags = board.Tags()
    scalars = {tag: [(event.step, event.value) for event in board.Scalars(tag)] for tag in tags["scalars"]}
    images = board.Images(events.SAMPLES) if tags["images"] else []
    return scalars, [(image.step, image.encoded_image_string) for image in images]


def logged(folder):
    """The same of its log and its sheets, as float32."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    tags = {tag for line in lines for tag in line} - {"step"}
    scalars = {tag: [(line["step"], np.float32(line[tag])) for line in lines if tag in line] for tag in tags}
    sheets = sorted((folder / "samples").glob("*.png"))
    return scalars, [(int(path.stem[5:]), path.read_bytes()) for path in sheets]


def started(folder, step=0):
    """The folder of a run that continues after a step, opened as the training does."""
    if not folder.begun():
        folder.write_config(tiny_config())
    folder.open_log(step)
    folder.open_events(step)


@pytest.fixture
def run(tmp_path):
    """A run of seven steps, with sheets of the third and of the sixth."""
    with RunFolder(tmp_path / "run") as folder:
        started(folder)
        for line in LINES:
            if line["step"] % 3 == 0:
                folder.write_sheet(line["step"], png(line["step"]))
            folder.log(line)
    return folder


@pytest.mark.parametrize("torn", [0, 5, 30])
def test_a_resume_shows_each_step_once(run, torn):
    """After a kill at step 7 whose newest checkpoint is of step 4."""
    (path,) = run.events.iterdir()
    path.write_bytes(path.read_bytes()[: -torn or None])
    with run:
        started(run, 4)
        assert displayed(run.path)[0] == logged(run.path)[0]
        assert [step for step, _ in displayed(run.path)[1]] == [3]  # the sheet of step 6 comes again
        run.log({"step": 5, "loss_D": 9.0, "loss_G": 9.0})
        run.write_sheet(6, png(99))
        run.log({"step": 6, "loss_D": 9.0, "inside": 0.5})
    assert displayed(run.path) == logged(run.path)
    assert [step for step, _ in displayed(run.path)[0]["loss_D"]] == [1, 2, 3, 4, 5, 6]
    assert dict(displayed(run.path)[1]) == {3: png(3), 6: png(99)}
    for _ in range(2):
        with run:
            started(run, 6)
    assert displayed(run.path) == logged(run.path)
    numbers = sorted(int(path.name.split(".")[3]) for path in run.events.iterdir())
    assert numbers == [3, 4]  # files do not pile up


def test_damaged_sheet_and_log_lines_are_skipped(run):
    (run.samples / "step_0000002.png").write_bytes(b"\x89PNG")
    (run.samples / "step_0000001.png").write_bytes(events.PNG + b"\xff" * 20)
    with open(run.path / "log.jsonl", "a") as log:
        log.write('{"step": -1, "loss_D": 1}\n{"step": 2, "loss_D": "x", "note": null}\n')
    with run:
        started(run, 7)
    scalars, images = displayed(run.path)
    assert len(scalars["loss_D"]) == 7 and [step for step, _ in images] == [3, 6]


def test_links_are_not_followed_when_writing(run, tmp_path):
    victim, link = tmp_path / "victim", run.events / "events.out.tfevents.0000000002.cagan_theano"
    victim.write_text("mine")
    link.symlink_to(victim)
    with pytest.raises(FileExistsError):
        events.EventFile(link)
    assert victim.read_text() == "mine"


def test_a_full_disk_is_one_line(run, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with run:
        started(run, 7)
        monkeypatch.setattr(run._events._writer._writer, "flush", full, raising=False)
        with pytest.raises(OSError, match=r"tensorboard: cannot be written \(No space left"):
            run.log({"step": 8, "loss_D": 1.0})
        monkeypatch.undo()
