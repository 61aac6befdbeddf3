"""The one command line: help and names; every user's error as one line with a cure, no traceback."""

import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import click
import jax
import pytest
from click.testing import CliRunner
from conftest import run_command
from figure_toys import write_photos

from cagan_theano import cli, load, load_checkpoint, weights
from cagan_theano.training.command import resume_command, train
from data_prep.__main__ import cli as prep

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_shows_its_help(name):
    command = cli.find(name)
    assert isinstance(command, click.Command)
    done = CliRunner().invoke(cli.cagan, [name, "--help"])
    assert done.exit_code == 0 and "Usage: cagan " + name in done.output


def test_help_lists_every_command_once():
    lines = CliRunner().invoke(cli.cagan, ["--help"]).output.splitlines()
    listed = [line.split()[0] for line in lines if re.match("  [a-z]", line)]
    figures = {f"figure{n}" for n in range(2, 7)}
    assert sorted(listed) == sorted({"figure2", *cli.COMMANDS} - (figures - {"figure2"}))
    assert len(listed) == 16 and figures < set(cli.COMMANDS)


def process(*words, **options):
    """A command as a user starts it."""
    options = {"cwd": ROOT, "capture_output": True, "text": True, **options}
    return subprocess.run([sys.executable, *words], **options)


@pytest.mark.parametrize("words", [[], ["-h"], ["data"], ["data", "-h"], ["swap", "-h"]])
def test_help_is_printed_whatever_matplotlib_is_told(words, tmp_path):
    """Jupyter's processes inherit a backend that this environment need not have."""
    backend = {"MPLBACKEND": "module://matplotlib_inline.backend_of_another_environment"}
    backend |= {"PYTHONWARNINGS": "error"}
    done = process("-m", "cagan_theano", *words, env=os.environ | backend)
    assert done.returncode == 0 and done.stdout.startswith("Usage: ") and not done.stderr
    assert "\n\n  " in done.stdout


def test_weights_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert weights.find("128x96") == weights.shipped("cagan", "128x96")
    assert weights.find("dress_128x96") == weights.shipped("dress", "128x96")
    assert weights.find("heldout_128x96") == weights.held_out(128, 96)
    assert weights.find("mine.h5") == Path("mine.h5")
    assert load("dress_128x96").config.height == 128
    by_path = load_checkpoint(ROOT / "checkpoints/cagan_128x96.h5")
    assert load_checkpoint("cagan_128x96").sha256 == by_path.sha256  # so `train --init` takes names, too
    assert weights.find("dress") == weights.shipped("dress", "128x96")
    assert weights.find("dress", "256x192") == weights.shipped("dress", "256x192")
    for name in ("dress_64x48", "dres"):
        with pytest.raises(FileNotFoundError, match=f"{name}.*: no such checkpoint; .* cagan_128x96"):
            load(name)
    (tmp_path / "dress").mkdir()  # a folder is no checkpoint
    assert weights.find("dress") == weights.shipped("dress", "128x96")
    (tmp_path / "128x96").write_text("a file of that name")
    assert weights.find("128x96") == Path("128x96")


def test_child_process_imports_this_package(tmp_path):
    code = "import cagan_theano; print(cagan_theano.__file__)"
    done = process("-c", code, cwd=tmp_path, env=weights.child_environment())
    assert done.stdout.strip() == str(ROOT / "cagan_theano" / "__init__.py")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six pairs without masks."""
    path = tmp_path_factory.mktemp("data") / "few.h5"
    return str(write_photos(path, pairs=6, tests=0, masks=False))


def error(capsys, command, *words):
    """The one line on stderr of a command that fails."""
    code, text = run_command(command, *words), capsys.readouterr().err
    assert code not in (0, None) and "Traceback" not in text
    lines = text.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("Error: ")
    return lines[0]


@pytest.mark.parametrize("command, word, meant", [
    (cli.cagan, "figure7", "figure"), (cli.cagan, "swap-foldr", "swap-folder?"),
    (prep, "photoshot", "photoshoot?"),
])  # fmt: skip
def test_an_unknown_command_gets_a_suggestion(capsys, command, word, meant):
    assert f"No such command {word!r}. Did you mean {meant}" in error(capsys, command, word)


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
