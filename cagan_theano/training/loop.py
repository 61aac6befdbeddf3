"""The training loop: step, log and save until the last step or a signal."""

import json
import math
import sys
import time
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from cagan_theano.checkpoint import save_checkpoint
from cagan_theano.io.files import writing
from cagan_theano.io.signals import Signals, Unfailing
from cagan_theano.training.engine import Engine, Metadata

IN_BAR = ("loss_D", "loss_G", "L_id", "L_cyc", "L_truth", "L_region")


class Loop:
    """Step, log and save; a subclass defines the destination (`log`, `save`, `diverged`).

    last: the last step.  save_every: steps between checkpoints; None: only at the end.
    metadata: written to the checkpoints; "seconds" accumulates over resumed runs.
    """

    def __init__(
        self, training: Engine, last: int, save_every: int | None, metadata: Metadata, signals: Signals
    ) -> None:
        self.training, self.last, self.save_every = training, last, save_every
        self.signals, self._metadata, self._saved = signals, metadata, -1
        self.start = time.monotonic() - metadata.get("seconds", 0.0)

    def run(self) -> int:
        """Train; returns the exit code: 0, or 128 + the signal that ended the loop early."""
        self.signals.patient = True
        with self.progress_bar() as bar:
            while not self.finished() and not self.signals.exit_code:
                losses = self.step()
                text = " ".join(f"{k} {v:.3f}" for k, v in losses.items() if k in IN_BAR)
                bar.set_postfix_str(text, refresh=False)
                bar.update()
            if self.signals.exit_code and self._saved != self.training.step:  # it came after the last save
                self.save()
        code = self.finish()  # after the last step, a signal has nothing left to stop
        self.signals.patient = False
        return code

    def progress_bar(self) -> tqdm:
        """A progress bar over the steps, updated rarely when stderr is not a terminal."""
        return tqdm(
            initial=self.training.step,
            total=self.last,
            unit="step",
            smoothing=0.05,
            mininterval=0.5 if sys.stderr.isatty() else 30,
            file=Unfailing(sys.stderr),
            dynamic_ncols=True,  # tqdm does not ask another stream than stderr for its width
        )

    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.training.step >= self.last

    def step(self) -> dict[str, float]:
        """Run one step, log it and, when due, save a checkpoint; returns the losses."""
        losses = self.training.advance()
        self.check_finite(losses)
        # before the checkpoint, so that the log of a resumed run has every step
        self.log({"step": self.training.step, **losses, **self.observe()})
        if self.finished() or self.signals.exit_code or self.due(self.save_every):
            self.save()
            self._saved = self.training.step
        return losses

    def due(self, every: int | None) -> bool:
        """Whether an action with a period of `every` steps is due after this step."""
        return every is not None and self.training.step % every == 0

    def check_finite(self, losses: dict[str, float]) -> None:
        """Raise ValueError if training has diverged; files on disk are kept."""
        broken = [f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)]
        if broken:
            raise self.diverged(", ".join(broken))

    def metadata(self) -> Metadata:
        """Metadata for a checkpoint of this step."""
        return {
            **self._metadata,
            "seconds": round(time.monotonic() - self.start, 1),
            "finished": self.training.step >= self.training.config.steps,
            "seed": self.training.config.seed,
        }

    def observe(self) -> dict[str, float]:
        """Additional values for this step's log line."""
        return {}

    def log(self, line: dict[str, float]) -> None:
        """Write one line of the log."""
        raise NotImplementedError

    def save(self) -> None:
        """Write a checkpoint of this step."""
        raise NotImplementedError

    def diverged(self, what: str) -> ValueError:
        """The error to raise when training has diverged."""
        raise NotImplementedError

    def finish(self) -> int:
        """Report how the run ended; returns the exit code."""
        return 0 if self.finished() else self.signals.exit_code


class FileLoop(Loop):
    """A `Loop` that writes one checkpoint file and, if given, an open log (JSON lines)."""

    def __init__(
        self,
        training: Engine,
        out: str | Path,
        log: TextIO | None,
        last: int,
        save_every: int | None,
        metadata: Metadata,
        signals: Signals,
    ) -> None:
        super().__init__(training, last, save_every, metadata, signals)
        self.out, self._log = out, log

    def log(self, line: dict[str, float]) -> None:
        if self._log:
            with writing(self._log.name):
                self._log.write(json.dumps(line) + "\n")

    def save(self) -> None:
        if self._log:
            with writing(self._log.name):
                self._log.flush()
        save_checkpoint(self.out, self.training.checkpoint(self.metadata()))

    def diverged(self, what: str) -> ValueError:
        return ValueError(
            f"step {self.training.step}: {what}: training diverged; the last checkpoint "
            "written is the last good one"
        )

    def finish(self) -> int:
        print(f"wrote {self.out} (step {self.training.step})", file=Unfailing(sys.stdout), flush=True)
        return super().finish()
