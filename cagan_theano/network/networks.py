"""G and D together: initial weights, and weights by name."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cagan_theano.config import Config
from cagan_theano.network.discriminator import Discriminator
from cagan_theano.network.generator import Generator
from cagan_theano.network.layers import Variable

Variables = Mapping[str, Variable]  # name -> shared variable
Weights = Mapping[str, NDArray[np.float32]]  # name of a parameter or moment -> array


class Networks(NamedTuple):
    G: Generator
    D: Discriminator


def build_networks(config: Config, seed: int | None = None, dtype: str = "float32") -> Networks:
    """G and D with random initial weights; seed defaults to config.seed."""
    streams = np.random.SeedSequence(config.seed if seed is None else seed).spawn(2)
    G, D = (np.random.Generator(np.random.PCG64(stream)) for stream in streams)
    return Networks(Generator(config, G, dtype), Discriminator(config, D, dtype))


def sized_networks(config: Config) -> Networks:
    """G and D with parameter shapes but no weights, so that they take no memory."""
    return Networks(Generator(config, None), Discriminator(config, None))


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


def check_shapes(shapes: Mapping[str, tuple[int, ...]], values: Weights) -> None:
    """Raise ValueError unless `values` has exactly the names and shapes of `shapes`."""
    for name in sorted(set(shapes) ^ set(values)):
        lack = "lacks" if name in shapes else "has the unknown"
        cure = "use the options they were trained with"
        raise ValueError(f"{lack} parameter {name}: the weights belong to another architecture; {cure}")
    for name, needed in shapes.items():
        if (found := np.shape(values[name])) != tuple(needed):
            cure = "use the widths and kernels it was trained with"
            raise ValueError(f"parameter {name} has shape {found}, expected {tuple(needed)}; {cure}")
