"""A training as state and one step, whatever computes it.  No I/O, and no Aesara."""

import abc
import contextlib
from collections.abc import Mapping

from cagan_theano.checkpoint import Checkpoint
from cagan_theano.config import Config
from cagan_theano.learning.sampling import Indices, Sampler


class Training(abc.ABC):
    """G, D, Adam's moments, the sampler of minibatches and the step counter.

    A subclass is the engine that computes: `cagan_theano.learning.trainer.Trainer` (Aesara),
    `cagan_theano.interop.run_exported.ExportedTraining` (StableHLO, run by JAX) and
    `cagan_theano.interop.pytorch_train.ReferenceTraining` (PyTorch).  It implements `update`,
    `arrays`, `load` and `attributes`.

    config: `Config`.  step: minibatches done.
    garment: int [n], the garment of each pair; triples: the true swaps where config.needs_truth.
    Raises ValueError when the pairs are fewer than a batch or show one garment only.
    """

    def __init__(self, config: Config, garment, triples=None):
        self.config, self.step = config, 0
        self.sampler = Sampler(config, garment, triples if config.needs_truth else None)

    @abc.abstractmethod
    def update(self, name: str, indices: Indices) -> dict[str, float]:
        """Run "update_D", "update_G" or "update" (D, then G) on a minibatch.

        Returns the losses by name, as they were before the update.
        """

    @abc.abstractmethod
    def arrays(self) -> dict:
        """Copies on the host: {"G", "D", "optimizer"}, each name -> array; optimizer may be None."""

    @abc.abstractmethod
    def load(self, G: Mapping, D: Mapping, optimizer: Mapping | None = None) -> None:
        """Replace weights (parameter name -> array) and, where given, Adam's moments.

        Raises ValueError, before anything changes, for other names or shapes.
        """

    @abc.abstractmethod
    def attributes(self) -> dict:
        """Checkpoint metadata about what computes: backend, device, versions and the like."""

    def advance(self) -> dict[str, float]:
        """Train on the next minibatch; returns the losses by name, taken before the updates.

        config.schedule "both": D, then G, on the same minibatch, so that a step is two updates.
        "alternate": D in the even steps, G in the odd ones, a minibatch each; the losses are
        those of the network that was trained.  Section 3.1: "10000 gradient steps".
        """
        indices = self.sampler.draw()
        losses = self.update(self._scheduled(), indices)
        self.step += 1
        return losses

    def _scheduled(self) -> str:
        """The update of the coming step."""
        if self.config.schedule == "both":
            return "update"
        return "update_G" if self.step % 2 else "update_D"

    def state(self) -> dict:
        """All that the next step depends on: `arrays`, sampler (random state as text) and step."""
        return {**self.arrays(), "sampler": self.sampler.state(), "step": self.step}

    def checkpoint(self, metadata: dict) -> Checkpoint:
        """The state as a `Checkpoint`; weights only where the engine has no moments to save."""
        state = self.state()
        if state["optimizer"] is None:
            state["sampler"] = None
        return Checkpoint(config=self.config, metadata=metadata, **state)

    def restore(self, state) -> None:
        """Continue from `state` (attributes of those names); the next steps repeat bit for bit.

        Raises ValueError, before anything changes, when names or shapes are not this training's.
        """
        if state.optimizer is None or state.sampler is None:
            raise ValueError(
                "contains weights only, without moments or random state; a training can "
                "start from it (--init), not resume"
            )
        self.load(state.G, state.D, state.optimizer)
        self.sampler.restore(state.sampler)
        self.step = state.step

    def start_from(self, G: Mapping, D: Mapping) -> None:
        """Take weights (parameter name -> array) of another training; everything else stays."""
        self.load(G, D)


@contextlib.contextmanager
def naming(path):
    """Put the file's name before the text of a ValueError."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
