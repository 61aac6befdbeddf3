"""The folder of one training: configuration, log, checkpoints, pictures, lock.

    config.json                   the configuration; written last, it says that there is a training
    log.jsonl                     one JSON object for each step: its number and losses
    checkpoints/step_0000500.h5   the newest few
    samples/step_0000250.png      held-out swaps
    losses.png                    curves of the log
    lock                          held while a training writes here

The folder itself may be a link; none in it is followed: it would lead writing and removing elsewhere.
"""

import contextlib
import fcntl
import json
import os
import re
from pathlib import Path

from cagan_theano.checkpoint import load_checkpoint
from cagan_theano.config import Config
from cagan_theano.io.files import flush, is_temporary, write_atomically, writing

NAMES = ("config.json", "log.jsonl", "checkpoints", "samples", "losses.png", "lock")
CHECKPOINT = re.compile(r"step_(\d{7,})\.h5")


class RunFolder:
    """The files of one training.  A context manager: the lock is held inside."""

    def __init__(self, path):
        self.path = Path(path)
        self.samples, self.checkpoints = self.path / "samples", self.path / "checkpoints"
        self._lock = self._log = None

    def begun(self) -> bool:
        """Whether there is a training here to go on with."""
        return (self.path / "config.json").is_file()

    def check_new(self) -> None:
        """Raise ValueError when something is there that a new training must not touch.

        What a training leaves that was killed before it had written its config.json is no bar.
        """
        if self.path.exists() and not (
            self.path.is_dir() and all(map(self._is_unborn, self.path.rglob("*")))
        ):
            raise ValueError(
                f"{self.path}: exists already; continue it with --resume, or name another folder"
            )

    def _is_unborn(self, path) -> bool:
        """Whether a path is one that a training writes before its config.json."""
        known = ("lock", "samples", "checkpoints")
        return not path.is_symlink() and (
            path in [self.path / name for name in known]
            or path == self.checkpoint_path(0)
            or is_temporary(path)
        )

    def check_links(self) -> None:
        """Raise ValueError where one of a training's own files or folders is a link."""
        own = [self.path / name for name in NAMES]
        for folder in (self.samples, self.checkpoints):
            if folder.is_dir() and not folder.is_symlink():
                own += folder.iterdir()
        for path in own:
            if path.is_symlink():
                raise ValueError(
                    f"{path}: is a link, and none in a run folder is followed; put in its "
                    "place what it leads to"
                )

    def check_old(self) -> None:
        """Raise FileNotFoundError unless a training was begun here, ValueError where it has links."""
        self.check_links()
        if not self.begun():
            raise FileNotFoundError(
                f"{self.path}: holds no training to resume; check the path, or start one without --resume"
            )

    def __enter__(self):
        """Take the lock; then no one else writes here, and what a killed one left half done goes."""
        folders = self.path, self.samples, self.checkpoints
        self.check_links()
        try:
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            self._lock = open(os.open(self.path / "lock", flags, 0o666), "a")  # noqa: SIM115 (until __exit__)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in (path for folder in folders for path in folder.iterdir()):
                if is_temporary(path):
                    path.unlink()
        except BlockingIOError as error:
            self._lock.close()
            raise ValueError(
                f"{self.path}: another training is running here; wait for it, stop it, or name another folder"
            ) from error
        except OSError as error:
            if self._lock:
                self._lock.close()
            raise type(error)(
                f"{self.path}: cannot be written ({error.strerror}); choose another place"
            ) from error
        return self

    def __exit__(self, *_):
        if self._log is not None:
            with contextlib.suppress(OSError):  # a full disk has been told of
                self._log.close()
        self._lock.close()  # releases the lock; the file stays, for it may not be unlinked safely

    def write_config(self, config: Config) -> None:
        """Store the configuration, one field a line."""
        text = json.dumps(json.loads(config.to_json()), indent=2)
        write_atomically(self.path / "config.json", text + "\n")

    def read_config(self) -> Config:
        """The stored configuration; ValueError when it is damaged."""
        path = self.path / "config.json"
        try:
            return Config.from_json(path.read_text())
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{path}: {error}; take the configuration of another run, or start anew"
            ) from error

    # --- checkpoints

    def checkpoint_path(self, step: int) -> Path:
        """Where the checkpoint of a step is."""
        return self.checkpoints / f"step_{step:07d}.h5"

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, ascending."""
        names = (CHECKPOINT.fullmatch(path.name) for path in self.checkpoints.glob("step_*.h5"))
        return sorted(int(name[1]) for name in names if name)

    def prune(self, keep: int) -> None:
        """Remove all checkpoints but the newest few."""
        for step in self.steps()[:-keep]:
            self.checkpoint_path(step).unlink(missing_ok=True)

    def newest_checkpoint(self, warn):
        """The newest whole checkpoint as (path, Checkpoint).

        Broken ones are told to `warn(text)` and set aside as FILE.broken.  Raises ValueError when
        none is whole.
        """
        for step in reversed(self.steps()):
            path = self.checkpoint_path(step)
            try:
                return path, load_checkpoint(path)
            except ValueError as error:
                aside = path.with_name(path.name + ".broken")
                path.replace(aside)
                warn(f"{error} (set aside as {aside.name})")
        raise ValueError(f"{self.checkpoints}: holds no whole checkpoint; start anew in another folder")

    # --- log

    def open_log(self, step: int) -> None:
        """Open the log for appending after a step; lines beyond it are dropped, none doubled."""
        path = self.path / "log.jsonl"
        kept = [json.dumps(line) + "\n" for line in self.read_log() if line["step"] <= step]
        write_atomically(path, "".join(kept))
        with writing(path):
            self._log = open(path, "a", buffering=1)  # noqa: SIM115 (closed by __exit__)

    def log(self, line: dict) -> None:
        """Append one JSON object; it is handed to the system at once."""
        with writing(self.path / "log.jsonl"):
            self._log.write(json.dumps(line) + "\n")

    def flush_log(self) -> None:
        """Bring the log to the disk, so that a power cut leaves a line for each step that is kept."""
        if self._log is not None:
            with writing(self.path / "log.jsonl"):
                flush(self._log.fileno())

    def read_log(self) -> list[dict]:
        """All whole lines of the log; a last one that a crash cut short is left out."""
        path = self.path / "log.jsonl"
        return list(parse_log(path.read_text(errors="replace"))) if path.exists() else []


def parse_log(text: str):
    """The JSON objects with a step of a log's text."""
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and isinstance(value.get("step"), int):
            yield value
