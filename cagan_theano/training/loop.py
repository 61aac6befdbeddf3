"""The training loop: step, log, save and draw held-out swaps until the last step or a signal."""

import math
import sys
import time
from dataclasses import dataclass

from tqdm import tqdm

from cagan_theano.checkpoint import save_checkpoint
from cagan_theano.io.files import write_atomically
from cagan_theano.io.signals import Signals, Unfailing
from cagan_theano.io.text import one_line
from cagan_theano.method.swap import Swap
from cagan_theano.model import Model
from cagan_theano.training.engine import Engine, Metadata
from cagan_theano.training.preview import HeldOut, loss_curves, sample_sheet, score
from cagan_theano.training.run_folder import RunFolder

IN_BAR = ("loss_D", "loss_G", "L_id", "L_cyc", "L_truth", "L_region")


@dataclass
class Loop:
    """Trains an `Engine` and writes a run folder.

    periods: name -> number, see `run_folder.PERIODS`.  held_out: triples to swap and score, or None.
    metadata: written to the checkpoints; "seconds" accumulates over resumed runs.
    tensorboard: whether to write event files.  resume: the command that resumes the run, for messages.
    """

    engine: Engine
    folder: RunFolder
    held_out: HeldOut | None
    metadata: Metadata
    periods: dict[str, int]
    signals: Signals
    tensorboard: bool = False
    resume: str = ""

    def __post_init__(self) -> None:
        self.model, self.saved = Model(self.engine.config, self.engine.G, self.engine.backend), -1
        self.start = time.monotonic() - self.metadata.get("seconds", 0.0)

    def run(self) -> int:
        """Train; returns the exit code: 0, or 128 + the signal that ended the loop early."""
        engine, signals = self.engine, self.signals
        self.folder.open_log(engine.step)
        if self.tensorboard:
            self.folder.open_events(engine.step)
        signals.patient = True
        if self.held_out and self.is_drawn() and not self.folder.sheet_path(engine.step).exists():
            self.draw(None)  # the run was killed between its checkpoint and its sheet
        pause = 0.5 if sys.stderr.isatty() else 30  # seconds between updates of the bar
        # dynamic_ncols: tqdm does not ask another stream than stderr for its width
        with tqdm(initial=engine.step, total=engine.config.steps, unit="step", smoothing=0.05,
                  mininterval=pause, file=Unfailing(sys.stderr), dynamic_ncols=True) as bar:  # fmt: skip
            while not self.is_finished() and not signals.exit_code:
                losses = self.step()
                text = " ".join(f"{k} {v:.3f}" for k, v in losses.items() if k in IN_BAR)
                bar.set_postfix_str(text, refresh=False)
                bar.update()
            if signals.exit_code and self.saved != engine.step:  # it came after the last save
                self.save()
        code = self.finish()  # after the last step, a signal has nothing left to stop
        signals.patient = False
        return code

    def step(self) -> dict[str, float]:
        """Run one step; log it and, when due, save a checkpoint and draw; returns the losses.

        The log has the step before there is a checkpoint of it, so that a resumed run's log is whole.
        """
        losses = self.engine.advance()
        broken = [f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)]
        if broken:
            raise self.diverged(", ".join(broken))
        swap = self.swap_held_out() if self.is_drawn() else None
        found = score(self.held_out, swap) if self.held_out and swap else {}
        self.folder.log({"step": self.engine.step, **losses, **found})
        if self.is_finished() or self.signals.exit_code or self.is_due("checkpoint_every"):
            self.save()
        if self.is_drawn():
            self.draw(swap)
        return losses

    def is_finished(self) -> bool:
        return self.engine.step >= self.engine.config.steps

    def is_due(self, period: str) -> bool:
        """Whether what is done every `periods[period]` steps is due after this step."""
        return self.engine.step > 0 and self.engine.step % self.periods[period] == 0

    def is_drawn(self) -> bool:
        """Whether a sheet of held-out swaps and the loss curves are due after this step."""
        return self.is_finished() or self.is_due("sample_every")

    def swap_held_out(self) -> Swap | None:
        """The swaps of the held-out triples, if any; raises ValueError if they are not finite."""
        if self.held_out is None:
            return None
        x_i, y_i, y_j, m_i, *_ = self.held_out
        try:
            return self.model.swap(x_i, y_i, y_j, m_i if self.engine.config.takes_mask else None)
        except ValueError as error:  # the losses are of the weights before this step's update
            raise self.diverged("held-out swaps are not finite") from error

    def draw(self, swap: Swap | None) -> None:
        """Draw the held-out swaps (None: not made yet) and the curves; what fails is a line of the log."""
        for name, draw in (("samples", lambda: self.draw_sheet(swap)), ("losses.png", self.draw_curves)):
            try:
                draw()
            except Exception as error:  # whatever it is, hours of training matter more
                text = f"{name}: not drawn ({type(error).__name__}: {one_line(str(error))})"
                tqdm.write(f"Warning: step {self.engine.step}: {text}", file=Unfailing(sys.stderr))
                self.folder.log({"step": self.engine.step, "warning": text})

    def draw_sheet(self, swap: Swap | None) -> None:
        swap, step = swap or self.swap_held_out(), self.engine.step
        if self.held_out is None or swap is None:
            return
        title = f"{self.folder.path.name}, step {step}: people and garments of the test split"
        numbers = "   ".join(f"{name} {value:.3f}" for name, value in score(self.held_out, swap).items())
        self.folder.write_sheet(step, sample_sheet(self.held_out, swap, title, numbers))

    def draw_curves(self) -> None:
        title = f"{self.folder.path.name}, {self.engine.step} steps"
        write_atomically(self.folder.path / "losses.png", loss_curves(self.folder.read_log(), title))

    def save(self) -> None:
        """Write a checkpoint of this step and remove all except the newest `keep`."""
        step, seconds = self.engine.step, round(time.monotonic() - self.start, 1)
        known = {"seconds": seconds, "finished": self.is_finished(), "seed": self.engine.config.seed}
        self.folder.flush_log()
        made = self.engine.checkpoint({**self.metadata, **known})
        save_checkpoint(self.folder.checkpoint_path(step), made)
        self.folder.prune(self.periods["keep"])
        self.saved = step

    def diverged(self, what: str) -> ValueError:
        """The error to raise when training has diverged, with the last good checkpoint."""
        last = self.folder.checkpoint_path(self.folder.steps()[-1])
        return ValueError(
            f"step {self.engine.step}: {what}: training diverged; the last good checkpoint is {last}; start "
            "a new run from it with --init and a smaller --learning-rate"
        )

    def finish(self) -> int:
        """Report how the run ended and how to resume it; returns the exit code."""
        step = self.engine.step
        if self.is_finished():
            path = self.folder.checkpoint_path(step)
            print(f"finished {step} steps: {path}", file=Unfailing(sys.stdout), flush=True)
            return 0
        text = f"stopped after step {step}; resume with: {self.resume}"
        print(text, file=Unfailing(sys.stderr), flush=True)
        return self.signals.exit_code
