"""Training with Aesara: networks, Adam's moments and compiled functions on one back end."""

import contextlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cagan_theano.backends import Backend
from cagan_theano.compat import versions
from cagan_theano.config import AVERAGE, Config
from cagan_theano.io.waiting import PREPARING, explained
from cagan_theano.learning.functions import Lazy, build_networks, compile_functions, sized_networks
from cagan_theano.learning.sampling import Array, Indices, PhotoArrays
from cagan_theano.learning.training import Metadata, Training, Weights
from cagan_theano.network.generator import Generator
from cagan_theano.network.layers import Variable

Variables = Mapping[str, Variable]  # name -> shared variable


class Trainer(Training):
    """`Training` on an Aesara back end.

    photos: see `cagan_theano.learning.sampling.PhotoArrays`.
    networks: G and D.  functions: the compiled `cagan_theano.learning.functions.Functions`.
    Raises ValueError if the photos are fewer than a batch, show a single garment, or lack the masks
    or true swaps that the configuration needs.
    """

    def __init__(self, config: Config, photos: PhotoArrays, backend: Backend) -> None:
        super().__init__(config, photos.garment, photos.triples)
        self.backend = backend
        self.networks = build_networks(config)
        self.functions = compile_functions(self.networks, photos, config, backend)

    def update(self, name: str, indices: Indices[Array]) -> dict[str, float]:
        function: Lazy = getattr(self.functions, name)
        with (
            contextlib.nullcontext()
            if function.function
            else explained(PREPARING.format("the training step", self.config.height, self.config.width))
        ):
            return function(indices)

    @property
    def G(self) -> Generator:
        """The generator to swap with: the moving average if there is one, else G."""
        return self.functions.average or self.networks.G

    def arrays(self) -> dict[str, Weights | None]:
        """G, D: parameter name -> array.  optimizer: "G/encoder1.W/m", "G/t" ... -> array."""
        return {
            "G": values_of(self.networks.G.params),
            "D": values_of(self.networks.D.params),
            "optimizer": values_of(self._moments()),
        }

    def load(self, G: Weights, D: Weights, optimizer: Weights | None = None) -> None:
        """Replace weights and moments; without moments, the moving average starts from the weights."""
        moments = self._moments()
        if optimizer is not None:
            check_values(moments, optimizer)
        for name, weights in (("G", G), ("D", D)):
            check_values(getattr(self.networks, name).params, weights)
        for name, weights in (("G", G), ("D", D)):
            set_values(getattr(self.networks, name).params, weights, self.backend)
        if optimizer is not None:
            set_values(moments, optimizer, self.backend)
        elif self.functions.average:
            set_values(self.functions.average.params, G, self.backend)

    def attributes(self) -> Metadata:
        backend = self.backend
        return {
            "versions": versions(),
            "backend": backend.name,
            "device": backend.device,
            "kernels": backend.kernels,
        }

    def _moments(self) -> dict[str, Variable]:
        """Shared variables of Adam and of the moving average, by their names in a checkpoint."""
        average = self.functions.average
        return {
            f"{network}/{name}": variable
            for network, adam in self.functions.optimizers.items()
            for name, variable in adam.moments.items()
        } | {f"{AVERAGE}/{name}": v for name, v in (average.params if average else {}).items()}


def values_of(variables: Variables) -> dict[str, NDArray[np.float32]]:
    """Host copies of the values of shared variables: name -> array."""
    return {name: np.array(variable.get_value()) for name, variable in variables.items()}


def check_weights(config: Config, **weights: Weights) -> None:
    """Raise ValueError unless weights fit the networks of a configuration.

    weights: G, D or both, parameter name -> array.  Call this before building the networks of a file,
    because a configuration of a few bytes can ask for gigabytes.
    """
    networks = sized_networks(config)._asdict()
    for name, values in weights.items():
        check_shapes(networks[name].params.shapes, values)


def check_values(variables: Variables, values: Weights) -> None:
    """Raise ValueError unless `values` has exactly the names and shapes of the shared `variables`."""
    shapes = {name: np.shape(v.get_value(borrow=True)) for name, v in variables.items()}
    check_shapes(shapes, values)


def check_shapes(shapes: Mapping[str, tuple[int, ...]], values: Weights) -> None:
    """Raise ValueError unless `values` has exactly the names and shapes of `shapes`."""
    for name in sorted(set(shapes) ^ set(values)):
        lack = "lacks" if name in shapes else "has the unknown"
        raise ValueError(
            f"{lack} parameter {name}: the weights belong to another architecture; use the "
            "options they were trained with"
        )
    for name, needed in shapes.items():
        found = np.shape(values[name])
        if tuple(needed) != found:
            raise ValueError(
                f"parameter {name} has shape {found}, expected {tuple(needed)}; use the "
                "widths and kernels it was trained with"
            )


def set_values(variables: Variables, values: Weights, backend: Backend) -> None:
    """Set shared variables by name and move them to the back end's device."""
    for name, variable in variables.items():
        variable.set_value(np.array(values[name], dtype=variable.dtype))
        backend.resident(variable)
