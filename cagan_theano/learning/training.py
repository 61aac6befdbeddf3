"""The state and the step of training, independent of the engine.  No I/O and no Aesara."""

import abc
import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cagan_theano.checkpoint import Checkpoint
from cagan_theano.config import Config
from cagan_theano.learning.sampling import Array, Indices, RowNumbers, Sampler
from data_prep.store import Triples

Metadata = dict[str, Any]  # JSON values
Weights = Mapping[str, NDArray[np.float32]]  # name of a parameter or moment -> array


class Training(abc.ABC):
    """G, D, Adam's moments, the sampler of minibatches and the step counter.

    The engine, `cagan_theano.learning.trainer.Trainer`, implements `update`, `arrays`, `load` and
    `attributes`.

    config: `Config`.  step: number of completed steps.
    garment: int [n], the garment of each pair; triples: the true swaps, if config.needs_truth.
    Raises ValueError if the pairs are fewer than a batch or show a single garment.
    """

    def __init__(self, config: Config, garment: RowNumbers, triples: Triples | None = None) -> None:
        self.config, self.step = config, 0
        self.sampler = Sampler(config, garment, triples if config.needs_truth else None)

    @abc.abstractmethod
    def update(self, name: str, indices: Indices[Array]) -> dict[str, float]:
        """Run "update_D", "update_G" or "update" (D, then G) on a minibatch.

        Returns the losses before the update by name.
        """

    @abc.abstractmethod
    def arrays(self) -> dict[str, Weights | None]:
        """Host copies: {"G", "D", "optimizer"}, each name -> array; optimizer may be None."""

    @abc.abstractmethod
    def load(self, G: Weights, D: Weights, optimizer: Weights | None = None) -> None:
        """Replace weights (parameter name -> array) and, if given, Adam's moments.

        Raises ValueError for other names or shapes, before anything is changed.
        """

    @abc.abstractmethod
    def attributes(self) -> Metadata:
        """Checkpoint metadata about the engine: backend, device, versions and so on."""

    def advance(self) -> dict[str, float]:
        """Train on the next minibatch; returns the losses before the updates by name.

        config.schedule "both": update D, then G, on the same minibatch.  "alternate": update D in
        even steps and G in odd steps, each on its own minibatch; only the losses of the updated
        network are returned.  Section 3.1: "10000 gradient steps".
        """
        indices = self.sampler.draw()
        losses = self.update(self._scheduled(), indices)
        self.step += 1
        return losses

    def _scheduled(self) -> str:
        """Name of the update for the next step."""
        if self.config.schedule == "both":
            return "update"
        return "update_G" if self.step % 2 else "update_D"

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on: `arrays`, sampler (random state as text) and step."""
        return {**self.arrays(), "sampler": self.sampler.state(), "step": self.step}

    def checkpoint(self, metadata: Metadata) -> Checkpoint:
        """The state as a `Checkpoint`, with weights only if the engine cannot save moments."""
        state = self.state()
        if state["optimizer"] is None:
            state["sampler"] = None
        return Checkpoint(config=self.config, metadata=metadata, **state)

    def restore(self, state: Checkpoint) -> None:
        """Continue from a checkpoint (or what else has its attributes); the next steps repeat bit for bit.

        Raises ValueError for other names or shapes, before anything is changed.
        """
        if state.optimizer is None or state.sampler is None:
            raise ValueError(
                "contains only weights, without moments or random state; start a new training "
                "from it with --init, it cannot be resumed"
            )
        self.load(state.G, state.D, state.optimizer)
        self.sampler.restore(state.sampler)
        self.step = state.step

    def start_from(self, G: Weights, D: Weights) -> None:
        """Load weights (parameter name -> array) of another run; keep everything else."""
        self.load(G, D)


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Prefix the message of a ValueError with the file's path."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
