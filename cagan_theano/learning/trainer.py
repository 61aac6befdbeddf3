"""Training as state and one step: networks, Adam's moments, random state, counter.  No I/O."""

import contextlib
from collections.abc import Mapping

import numpy as np

from cagan_theano.backends import Backend
from cagan_theano.config import AVERAGE, Config
from cagan_theano.learning.batches import Sampler
from cagan_theano.learning.functions import build_networks, compile_functions, sized_networks


class Trainer:
    """The whole state of a training and its one step.

    photos: x, y uint8 [n, H, W, 3], mask uint8 [n, H, W] or None, garment [n]; where
    config.needs_truth also triples, whose m true swaps stand behind the n photos in x (masks
    alike), see `cagan_theano.learning.sampling`.
    networks: G and D.  step: minibatches done.
    Raises ValueError when the photos are fewer than a batch, show one garment only, or lack the
    masks or true swaps that the configuration needs.
    """

    def __init__(self, config: Config, photos, backend: Backend):
        self.config, self.backend = config, backend
        triples = photos.triples if config.needs_truth else None
        self.sampler = Sampler(config, photos.garment, triples)
        self.networks = build_networks(config)
        self.functions = compile_functions(self.networks, photos, config, backend)
        self.step = 0

    def advance(self) -> dict[str, float]:
        """Train on the next minibatch; returns the losses by name, taken before the updates.

        config.schedule "both": D, then G, on the same minibatch, so that a step is two updates.
        "alternate": D in the even steps, G in the odd ones, a minibatch each; the losses are
        those of the network that was trained.  Section 3.1: "10000 gradient steps".
        """
        indices = self.sampler.draw()
        losses = self._update()(indices)
        self.step += 1
        return losses

    def _update(self):
        """The compiled update of the coming step."""
        if self.config.schedule == "both":
            return self.functions.update
        return self.functions.update_G if self.step % 2 else self.functions.update_D

    @property
    def G(self):
        """The generator to swap with: that of the moving averages where there are any."""
        return self.functions.average or self.networks.G

    def state(self) -> dict:
        """Copies of all that the next step depends on: G, D, optimizer, sampler, step.

        G, D: parameter name -> array.  optimizer: "G/encoder1.W/m", "G/t" ... -> array.
        sampler: random state as text.
        """
        return {
            "G": values_of(self.networks.G.params),
            "D": values_of(self.networks.D.params),
            "optimizer": values_of(self._moments()),
            "sampler": self.sampler.state(),
            "step": self.step,
        }

    def restore(self, state) -> None:
        """Continue from `state` (attributes of those names); the next steps repeat bit for bit.

        Raises ValueError, before anything changes, when names or shapes are not this training's.
        """
        if state.optimizer is None or state.sampler is None:
            raise ValueError(
                "holds weights only, no moments or random state; a training can "
                "start from it (--init), not resume"
            )
        check_values(self._moments(), state.optimizer)
        self.start_from(state.G, state.D)
        set_values(self._moments(), state.optimizer, self.backend)
        self.sampler.restore(state.sampler)
        self.step = state.step

    def start_from(self, G: Mapping, D: Mapping) -> None:
        """Take weights (parameter name -> array) that another training made; the rest stays.

        Moving averages begin at them.  Raises ValueError, before anything changes, for other names or shapes.
        """
        check_values(self.networks.G.params, G)
        check_values(self.networks.D.params, D)
        set_values(self.networks.G.params, G, self.backend)
        set_values(self.networks.D.params, D, self.backend)
        if self.functions.average:
            set_values(self.functions.average.params, G, self.backend)

    def _moments(self) -> dict:
        """Adam's shared variables, and moving averages, by their names in a checkpoint."""
        average = self.functions.average
        return {
            f"{network}/{name}": variable
            for network, adam in self.functions.optimizers.items()
            for name, variable in adam.moments.items()
        } | {f"{AVERAGE}/{name}": v for name, v in (average.params if average else {}).items()}


@contextlib.contextmanager
def naming(path):
    """Put the file's name before the text of a ValueError."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def values_of(variables: Mapping) -> dict[str, np.ndarray]:
    """Copies, on the host, of the values of shared variables by name."""
    return {name: np.array(variable.get_value()) for name, variable in variables.items()}


def check_weights(config: Config, **weights: Mapping) -> None:
    """Raise ValueError unless weights are those of a configuration's networks.

    weights: G, D or both, parameter name -> array.  To be asked of a file before its networks are
    built: a configuration of a few bytes can ask for gigabytes.
    """
    networks = sized_networks(config)._asdict()
    for name, values in weights.items():
        check_shapes(networks[name].params.shapes, values)


def check_values(variables: Mapping, values: Mapping) -> None:
    """Raise ValueError unless `values` has just the names and shapes of the shared `variables`."""
    shapes = {name: np.shape(v.get_value(borrow=True)) for name, v in variables.items()}
    check_shapes(shapes, values)


def check_shapes(shapes: Mapping, values: Mapping) -> None:
    """Raise ValueError unless `values` has just the names and shapes of `shapes`."""
    for name in sorted(set(shapes) ^ set(values)):
        lack = "lacks" if name in shapes else "has the unknown"
        raise ValueError(
            f"{lack} parameter {name}: it belongs to another architecture; use the "
            "options that it was trained with"
        )
    for name, needed in shapes.items():
        found = np.shape(values[name])
        if tuple(needed) != found:
            raise ValueError(
                f"parameter {name} has shape {found}, {tuple(needed)} is needed; use the "
                "widths and kernels that it was trained with"
            )


def set_values(variables: Mapping, values: Mapping, backend: Backend) -> None:
    """Give shared variables their values by name and put them where the back end runs."""
    for name, variable in variables.items():
        variable.set_value(np.array(values[name], dtype=variable.dtype))
        backend.resident(variable)
