"""The folder of one training run: configuration, log, checkpoints, images, lock.

    config.json                   the configuration; written last, so it marks a run that can be resumed
    periods.json                  steps between checkpoints and between samples, checkpoints to keep
    log.jsonl                     one JSON object per step: its number and losses
    checkpoints/step_0000500.h5   the newest few checkpoints
    samples/step_0000250.png      held-out swaps
    losses.png                    loss curves
    tensorboard/events.out.*      the log and the samples for TensorBoard, if asked for
    lock                          held while a run writes here

The folder itself may be a symbolic link.  Links inside it are rejected, because following them would
write and remove files elsewhere.
"""

import contextlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from cagan_theano.checkpoint import Checkpoint, load_checkpoint
from cagan_theano.config import Config
from cagan_theano.io import metadata
from cagan_theano.io.files import flush, is_temporary, lock, write_atomically, writing
from cagan_theano.training.events import EventFile

NAMES = ("config.json", "periods.json", "log.jsonl", "checkpoints", "samples", "losses.png", "tensorboard",
         "lock")  # fmt: skip
CHECKPOINT = re.compile(r"step_(\d{7,})\.h5")
SAMPLE = re.compile(r"step_(\d{7,})\.png")
PERIODS = ("sample_every", "checkpoint_every", "keep")  # settings of the loop that a resumed run takes over
EVENTS = re.compile(r"events\.out\.tfevents\.(\d{10})\.cagan_theano")


class RunFolder:
    """The files of one training run.  As a context manager, it holds the lock."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.samples, self.checkpoints = self.path / "samples", self.path / "checkpoints"
        self.events = self.path / "tensorboard"
        self._lock: TextIO | None = None
        self._log: TextIO | None = None
        self._events: EventFile | None = None

    def begun(self) -> bool:
        """Whether the folder contains a run that can be resumed."""
        return (self.path / "config.json").is_file()

    def check_new(self) -> None:
        """Raise ValueError if the folder contains anything that a new run must not touch.

        Files of a run that was killed before it wrote config.json do not count.
        """
        known = {self.path / name for name in ("lock", "samples", "checkpoints", "periods.json")}
        known.add(self.checkpoint_path(0))
        found = self.path.rglob("*") if self.path.is_dir() else [self.path] if self.path.exists() else []
        if any(path.is_symlink() or not (path in known or is_temporary(path)) for path in found):
            raise ValueError(f"{self.path}: exists already; continue it with --resume, or use another folder")

    def check_links(self) -> None:
        """Raise ValueError if one of the run's files or folders is a symbolic link."""
        own = [self.path / name for name in NAMES]
        for path in own:  # which grows by the files in folders that are no links
            if path.is_symlink():
                cure = "replace it with its target"
                raise ValueError(f"{path}: is a link, and links in a run folder are not followed; {cure}")
            if path in (self.samples, self.checkpoints, self.events):
                own += path.glob("*")

    def check_old(self) -> None:
        """Raise FileNotFoundError if there is no run to resume, ValueError if the folder has links."""
        self.check_links()
        if not self.begun():
            raise FileNotFoundError(f"{self.path}: contains no training run to resume; check the path")

    def __enter__(self) -> "RunFolder":
        """Take the lock, which excludes other writers, and remove temporary files of killed runs."""
        folders = self.path, self.samples, self.checkpoints
        self.check_links()
        try:
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            self._lock = open(os.open(self.path / "lock", flags, 0o666), "a")  # noqa: SIM115 (until __exit__)
            lock(self._lock)
            for path in (path for folder in folders for path in folder.iterdir()):
                if is_temporary(path):
                    path.unlink()
        except BlockingIOError as error:
            self.__exit__()
            text = f"{self.path}: another training is running here; wait, stop it, or choose another folder"
            raise ValueError(text) from error
        except OSError as error:
            self.__exit__()
            text = f"{self.path}: cannot be written ({error.strerror}); choose another folder"
            raise type(error)(text) from error
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._log, self._events, self._lock):  # unlinking the lock would be a race
            if file is not None:
                with contextlib.suppress(OSError):  # a full disk was already reported
                    file.close()

    def write_config(self, config: Config) -> None:
        text = json.dumps(json.loads(config.to_json()), indent=2)
        write_atomically(self.path / "config.json", text + "\n")

    def read_config(self) -> Config:
        """The stored configuration; ValueError if it is damaged."""
        path = self.path / "config.json"
        try:
            return Config.from_json(path.read_text())
        except (TypeError, ValueError) as error:
            cure = "copy the config.json of another run with the same options"
            raise ValueError(f"{path}: {error}; {cure}") from error

    def write_periods(self, periods: dict[str, int]) -> None:
        write_atomically(self.path / "periods.json", json.dumps(periods) + "\n")

    def read_periods(self) -> dict[str, int]:
        """The stored settings of the loop, {} if there are none; ValueError if they are damaged."""
        path = self.path / "periods.json"
        if not path.exists():  # removed after such an error
            return {}
        try:
            found = metadata.read_file(path, dict.fromkeys(PERIODS, int))
            periods = {name: found[name] for name in PERIODS}
            if min(periods.values()) < 1:
                raise ValueError("has a number below 1")
        except (ValueError, KeyError) as error:
            raise ValueError(f"{path}: is damaged ({error}); remove it") from error
        return periods

    # --- checkpoints

    def checkpoint_path(self, step: int) -> Path:
        return self.checkpoints / f"step_{step:07d}.h5"

    def steps(self) -> list[int]:
        """Steps with a checkpoint, ascending."""
        return sorted(numbered(self.checkpoints, CHECKPOINT))

    def prune(self, keep: int) -> None:
        """Remove all checkpoints except the newest `keep`."""
        for step in self.steps()[:-keep]:
            self.checkpoint_path(step).unlink(missing_ok=True)

    def newest_checkpoint(self, warn: Callable[[str], Any], rename: bool = True) -> tuple[Path, Checkpoint]:
        """The newest intact checkpoint as (path, Checkpoint).

        Damaged ones are reported with `warn(text)` and, with `rename`, renamed to FILE.broken.  Raises
        ValueError if no checkpoint is intact, or if the system cannot read one that may be.
        """
        for step in reversed(self.steps()):
            path = self.checkpoint_path(step)
            try:
                return path, load_checkpoint(path)
            except ValueError as error:
                if getattr(error.__cause__, "errno", None):  # of the system; the file may be intact
                    raise
                aside = path.with_name(path.name + ".broken")
                if rename:
                    path.replace(aside)
                warn(f"{error} (renamed to {aside.name})" if rename else str(error))
        raise ValueError(f"{self.checkpoints}: contains no intact checkpoint; start a run in another folder")

    # --- log

    def open_log(self, step: int) -> None:
        """Open the log for appending after `step`; lines of later steps are dropped."""
        path = self.path / "log.jsonl"
        kept = [json.dumps(line) + "\n" for line in self.read_log() if line["step"] <= step]
        write_atomically(path, "".join(kept))
        with writing(path):
            self._log = open(path, "a", buffering=1)  # noqa: SIM115 (closed by __exit__)

    def log(self, line: dict[str, Any]) -> None:
        """Append a line, which is passed to the operating system immediately."""
        if self._log is None:
            raise RuntimeError("open_log must be called first")
        with writing(self.path / "log.jsonl"):
            self._log.write(json.dumps(line) + "\n")
        if self._events:
            with writing(self.events):
                self._events.scalars(line)

    def flush_log(self) -> None:
        """Flush the log to disk, so that it covers every checkpointed step even after a power failure."""
        if self._log is not None:
            with writing(self.path / "log.jsonl"):
                flush(self._log.fileno())

    def read_log(self) -> list[dict[str, Any]]:
        """All complete lines of the log, without a last line that a crash truncated."""
        path, lines = self.path / "log.jsonl", []
        for text in path.read_text(errors="replace").splitlines() if path.is_file() else ():
            with contextlib.suppress(ValueError, RecursionError):
                lines.append(json.loads(text))
        return [line for line in lines if isinstance(line, dict) and isinstance(line.get("step"), int)]

    # --- samples and TensorBoard

    def sheet_path(self, step: int) -> Path:
        return self.samples / f"step_{step:07d}.png"

    def write_sheet(self, step: int, sheet: bytes) -> None:
        write_atomically(self.sheet_path(step), sheet)
        if self._events:
            with writing(self.events):
                self._events.image(step, sheet)

    def open_events(self, step: int) -> None:
        """Open a TensorBoard event file after `step` that first repeats the log and the samples until then.

        TensorBoard discards what it read from previous ones, so whatever a killed run wrote or lost, it
        shows each step of the log once; the repeated steps get the current time.  The last of the
        previous ones stays, because a TensorBoard that is reading it would never go on to the next.
        Files are numbered, because they are read in the order of their names and clocks may be reset.
        """
        with writing(self.events):
            self.events.mkdir(exist_ok=True)
            old = numbered(self.events, EVENTS)
            name = f"events.out.tfevents.{max(old, default=0) + 1:010d}.cagan_theano"
            self._events = EventFile(self.events / name)
            for line in self.read_log():
                self._events.scalars(line)
            for number, path in sorted(numbered(self.samples, SAMPLE).items()):
                if number <= step:
                    self._events.image(number, path.read_bytes())
            for number in sorted(old)[:-1]:
                old[number].unlink()


def numbered(folder: Path, pattern: re.Pattern[str]) -> dict[int, Path]:
    """Number -> path of the regular files in a folder whose name has a number; {} without the folder."""
    found = ((pattern.fullmatch(path.name), path) for path in folder.glob("*"))
    return {int(name[1]): path for name, path in found if name and path.is_file()}  # a pipe would block
