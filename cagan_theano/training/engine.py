"""The state and the step of training: networks, Adam's moments, sampler and compiled functions.  No I/O."""

from typing import Any

from cagan_theano.backends import Backend
from cagan_theano.checkpoint import Checkpoint
from cagan_theano.compat import versions
from cagan_theano.config import AVERAGE, Config
from cagan_theano.io.text import PREPARING, explained
from cagan_theano.method.minibatch import Array, Indices, PhotoArrays
from cagan_theano.method.updates import compile_functions, set_values
from cagan_theano.network.generator import Generator
from cagan_theano.network.layers import Variable
from cagan_theano.network.networks import Variables, Weights, build_networks, check_shapes, values_of
from cagan_theano.training.sampler import Sampler

Metadata = dict[str, Any]  # JSON values


class Engine:
    """G, D, Adam's moments, the sampler of minibatches and the number of completed steps.

    Raises ValueError if the photos are too few or lack what the configuration needs.
    """

    def __init__(self, config: Config, photos: PhotoArrays, backend: Backend) -> None:
        self.config, self.backend, self.step = config, backend, 0
        self.sampler = Sampler(config, photos.garment, photos.triples)
        self.networks = build_networks(config)
        self.functions = compile_functions(self.networks, photos, config, backend)

    @property
    def G(self) -> Generator:
        """The generator to swap with: the moving average if there is one, else G."""
        return self.functions.average or self.networks.G

    def advance(self) -> dict[str, float]:
        """Train on the next minibatch; returns the losses before the updates by name.

        config.schedule "both": update D, then G, on the same minibatch.  "alternate": update D in
        even steps and G in odd steps, each on its own minibatch; only the losses of the updated
        network are returned.  Section 3.1: "10000 gradient steps".
        """
        losses = self.update(self.sampler.draw())
        self.step += 1
        return losses

    def update(self, indices: Indices[Array]) -> dict[str, float]:
        """Run the update that is due on a minibatch; returns the losses before it by name."""
        function = self.functions.update
        if self.config.schedule == "alternate":
            update_D, update_G = self.functions.update_D, self.functions.update_G
            function = update_D if update_D and self.step % 2 == 0 else update_G
        text = PREPARING.format("the training step", self.config.height, self.config.width)
        with explained("" if function.function else text):
            return function(indices)

    def load(self, G: Weights, D: Weights, optimizer: Weights | None = None) -> None:
        """Replace weights (parameter name -> array) and, if given, Adam's moments.

        Without moments, the moving average starts from the weights.  Raises ValueError for other names
        or shapes, before anything is changed.
        """
        given: list[tuple[Variables, Weights]] = [(self.networks.G.params, G), (self.networks.D.params, D)]
        if optimizer is not None:
            given.append((self._moments(), optimizer))
        elif self.functions.average:
            given.append((self.functions.average.params, G))
        for variables, values in given:
            check_shapes({name: v.get_value(borrow=True).shape for name, v in variables.items()}, values)
        for variables, values in given:
            set_values(variables, values, self.backend)

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on, by the names of a `Checkpoint`'s fields."""
        G, D = (values_of(network.params) for network in self.networks)
        optimizer = values_of(self._moments())
        return dict(G=G, D=D, optimizer=optimizer, sampler=self.sampler.state(), step=self.step)

    def checkpoint(self, metadata: Metadata) -> Checkpoint:
        """The state as a `Checkpoint`, whose metadata also says what computed it."""
        own = {name: getattr(self.backend, name) for name in ("device", "kernels")}
        own |= {"versions": versions(), "backend": self.backend.name}
        return Checkpoint(config=self.config, metadata={**metadata, **own}, **self.state())

    def restore(self, state: Checkpoint) -> None:
        """Continue from a checkpoint; the next steps repeat bit for bit.  Errors as of `load`."""
        if state.optimizer is None or state.sampler is None:
            raise ValueError("contains only weights and cannot be resumed; start a run from it with --init")
        self.load(state.G, state.D, state.optimizer)
        self.sampler.restore(state.sampler)
        self.step = state.step

    def _moments(self) -> dict[str, Variable]:
        """Shared variables of Adam and of the moving average, by their names in a checkpoint."""
        groups = {name: adam.moments for name, adam in self.functions.optimizers.items()}
        if self.functions.average:
            groups[AVERAGE] = self.functions.average.params
        return {f"{group}/{name}": v for group, variables in groups.items() for name, v in variables.items()}
