"""The one command line: every command is in it, says what its module says, and is found by name."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cagan_theano import cli, load, load_checkpoint, weights
from cagan_theano.io.command import main
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


def test_an_unknown_command_is_an_error():
    done = subprocess.run([sys.executable, "-m", "cagan_theano", "figure7"], cwd=ROOT,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode != 0 and "No such command 'figure7'. Did you mean figure" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("words", [[], ["-h"], ["data"], ["data", "-h"], ["swap", "-h"]])
def test_help_is_printed_whatever_matplotlib_is_told(words, tmp_path):
    """Jupyter's processes inherit a backend that this environment need not have."""
    backend = {"MPLBACKEND": "module://matplotlib_inline.backend_of_another_environment"}
    done = subprocess.run([sys.executable, "-m", "cagan_theano", *words], cwd=ROOT, env=os.environ | backend,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0 and done.stdout.startswith("Usage: ") and not done.stderr
    assert "\n\n  " in done.stdout


def test_a_typo_gets_a_suggestion(capsys):
    for command, word, meant in ((cli.cagan, "swap-foldr", "swap-folder"), (prep, "photoshot", "photoshoot")):
        with pytest.raises(SystemExit) as left:
            main(command, [word])
        assert left.value.code == 1 and f"{word!r}. Did you mean {meant}?" in capsys.readouterr().err


def test_weights_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert weights.find("128x96") == weights.shipped("cagan", "128x96")
    assert weights.find("dress_128x96") == weights.shipped("dress", "128x96")
    assert weights.find_images("heldout_128x96") == weights.held_out(128, 96)
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
    done = subprocess.run(
        [sys.executable, "-c", "import cagan_theano; print(cagan_theano.__file__)"],
        cwd=tmp_path,
        env=weights.child_environment(),
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(ROOT / "cagan_theano" / "__init__.py")
