"""The command lines: help, and every user's error as one line with a cure, no traceback."""

import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from figure_toys import write_photos

from cagan_theano.io.command import main
from cagan_theano.training.command import resume_command, train

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six pairs without masks."""
    path = tmp_path_factory.mktemp("data") / "few.h5"
    return str(write_photos(path, pairs=6, tests=0, masks=False))


def error(capsys, command, *words):
    """The one line on stderr of a command that fails."""
    with pytest.raises(SystemExit) as left:
        main(command, [str(word) for word in words])
    text = capsys.readouterr().err
    assert left.value.code not in (0, None) and "Traceback" not in text
    lines = text.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("Error: ")
    return lines[0]


@pytest.mark.parametrize("options, fault", [
    (["--data", "none.h5"], "none.h5: no such file"),
    (["--data", __file__], "not a readable HDF5 file"),
    (["--height", "48"], "has photos at 32x32, not 48x32"),
    (["--batch-size", "7"], "has 6 training pairs, fewer than a batch of 7"),
    (["--mask", "prior"], "has no masks, which --mask prior needs"),
    (["--g-widths", "8,8"], "g_widths=(8, 8): must be 4 numbers"),
    (["--g-widths", "a,b"], "is not a list of integers"),
    (["--resume"], "contains no training run to resume"),
    (["--nothing"], "No such option"),
])  # fmt: skip
def test_errors_of_train(capsys, tmp_path, data, options, fault):
    run = tmp_path / "run"
    line = error(
        capsys, train, "--data", data, "--run", run, "--batch-size", "2", "--device", "cpu", *options
    )
    assert fault in line and not run.exists()


@pytest.mark.skipif(jax.default_backend() == "gpu", reason="there is a GPU")
def test_missing_gpu_is_an_error(capsys, tmp_path, data):
    assert "gpu" in error(capsys, train, "--data", data, "--run", tmp_path / "r", "--device", "gpu").lower()


def process(*words):
    """A command as a user starts it."""
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)


def test_failing_process_prints_one_line():
    done = process("-m", "cagan_theano", "train", "--data", "none.h5", "--run", "none", "--device", "cpu")
    assert done.returncode == 1 and "none.h5: no such file" in done.stderr
    assert "Traceback" not in done.stderr and not (ROOT / "none").exists()


def test_the_printed_resume_command_is_a_command():
    given = {"data": "none.h5", "run": "none", "device": "cpu", "seed": 3, "devices": 1}
    program, *words = shlex.split(resume_command(train, given))
    assert "--devices" in words and "--seed" not in words
    done = process(*words)
    assert program == "python" and done.returncode == 1
    assert done.stderr.startswith("Error: none: contains no training run to resume")


@pytest.mark.parametrize("script", sorted((ROOT / "replicate").glob("[!_]*.py")), ids=lambda path: path.stem)
def test_importing_a_replicate_script_does_no_work(script):
    """multiprocessing's spawn runs the main file again, by another name, in a process without its folder."""
    runpy.run_path(str(script), run_name="__mp_main__")
