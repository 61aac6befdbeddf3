"""Files written whole where file systems know less, errors that name the file, names without markup."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import pytest
from conftest import run_command

from cagan_theano.io import files, sheet
from cagan_theano.io.text import explained, one_line
from cagan_theano.training.preview import HeldOut, loss_curves, sample_sheet

ROOT = Path(__file__).parents[2]


def failing(number, only=lambda *_: True):
    """A call that the system refuses, where `only` says so of its arguments."""

    def call(*arguments):
        if only(*arguments):
            raise OSError(number, os.strerror(number))
        return real(*arguments)

    real = os.fsync
    return call


@pytest.mark.parametrize("mask, mode", [(0o022, 0o644), (0o077, 0o600)])
def test_a_file_of_the_longest_name_has_the_permissions_of_any_new_file(mask, mode, tmp_path):
    path, before = tmp_path / ("é" * 125 + ".png"), os.umask(mask)  # 254 bytes
    try:
        files.write_atomically(path, b"whole")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == mode and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP])
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks what a handle is of")
def test_file_system_without_folder_fsync_works(number, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", failing(number, lambda handle: os.path.isdir(f"/proc/self/fd/{handle}")))
    files.write_atomically(tmp_path / "a", b"whole")
    assert (tmp_path / "a").read_bytes() == b"whole"


@pytest.mark.parametrize("call, number", [("fsync", errno.ENOSPC), ("replace", errno.EIO)])
def test_failed_write_is_reported_and_keeps_the_old_file(call, number, tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, call, failing(number))
    with pytest.raises(OSError, match=f"a: cannot be written .{os.strerror(number)}.*; free some space"):
        files.write_atomically(tmp_path / "a", b"new")
    monkeypatch.undo()
    assert (tmp_path / "a").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


STOPPED = "stopped; run it again to continue"


@pytest.mark.parametrize("error, code, fault", [
    (OSError(errno.EIO, os.strerror(errno.EIO), "log.jsonl"), 1, "log.jsonl: cannot be used (Input"),
    (PermissionError(errno.EACCES, os.strerror(errno.EACCES), b"a\xff"), 1, "cannot be used (Permission"),
    (OSError(errno.EIO, os.strerror(errno.EIO)), 1, "a file or the terminal: cannot be used"),
    (ValueError("a.h5: is damaged; copy it again"), 1, "a.h5: is damaged; copy it again"),
    (OSError("a.h5: cannot be written (x); free some space"), 1, "a.h5: cannot be written (x)"),
    (KeyboardInterrupt(), 130, "Error: interrupted; no partially written file was left\n"),
    (KeyboardInterrupt(STOPPED), 130, f"Error: {STOPPED}\n"),
])  # fmt: skip
def test_errors_and_ctrl_c_become_one_line(error, code, fault, capsys):
    @click.command()
    def command():
        raise error

    assert run_command(command) == code
    text = capsys.readouterr().err
    assert fault in text and "Errno" not in text and text.lstrip("\n").count("\n") == 1


def test_ctrl_c_while_the_process_exits_changes_nothing():
    """Libraries have exit handlers; one that an interrupt would break stands in for jax's."""
    script = (
        "import atexit, os, signal, time, click\n"
        "from cagan_theano.io.command import main\n"
        "def late():\n    os.kill(os.getpid(), signal.SIGINT)\n    time.sleep(.1)\n"
        "@click.command()\ndef command():\n    atexit.register(late)\n    click.echo('done')\n"
        "main(command)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_closed_streams_do_not_matter(tmp_path):
    """No file gets the number of a closed one, to which a library may write."""
    path = tmp_path / "file"
    script = f"""if True:
        import os, click, tqdm
        from cagan_theano.io.command import main
        @click.command()
        def command():
            with open({str(path)!r}, "w") as file:
                click.echo("a note", err=True)
                os.write(2, b"of a library")
                file.write(str(sum(tqdm.tqdm([1, 2]))))
                print("done", flush=True)
        main(command, [])
    """
    words = ["sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, script]
    assert subprocess.run(words, cwd=ROOT).returncode == 0 and path.read_text() == "3"


def test_a_long_message_keeps_its_file_name_and_its_cure():
    text = "a.h5: " + "".join(map(str, range(3000))) + "; copy it again"
    line = one_line(text)
    assert len(line) == 490 and line == f"{text[:200]} ... {text[-285:]}"
    assert one_line(text[:490]) == text[:490] and len(one_line(text[:491])) == 490
    assert one_line(" a\nb\x1b[1m\udce9 \u202e\n") == r"a\nb\x1b[1m\udce9 \u202e"


@pytest.mark.parametrize("name", ["$x_{$", r"$\frac$", r"a\$b$c$"])
def test_sheets_curves_and_small_print_of_any_name_are_drawn(name):
    images = np.zeros((1, 32, 32, 3), np.uint8)
    held_out = HeldOut(images, images, images, None, None, None)
    swap = type("Swap", (), dict(alpha=np.zeros((1, 32, 32)), x_ij=images))
    assert sample_sheet(held_out, swap, f"{name}, step 250", "error 1").startswith(b"\x89PNG")
    assert loss_curves([{"step": 1, "loss_G": 1.0}], name).startswith(b"\x89PNG")
    figure = sheet.grid([[images[0]]], ["$x_i$"], "Of $x_i$.", f"{name} step 3", 4)
    assert sheet.render(figure).size


def test_only_a_long_wait_is_explained(capsys):
    with explained("long", patience=0.05):
        said, until = "", time.monotonic() + 60
        while not said and time.monotonic() < until:
            time.sleep(0.01)
            said = capsys.readouterr().err
    with explained("short", patience=60):
        pass
    assert said == "long\n" and not capsys.readouterr().err
