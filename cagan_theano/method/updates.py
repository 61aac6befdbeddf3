"""The compiled functions of the paper's section 2.3: update_D, update_G and swap."""

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cagan_theano.backends import Backend
from cagan_theano.compat import aesara
from cagan_theano.config import Config
from cagan_theano.io.color import Pixels
from cagan_theano.method.adam import Adam, Updates
from cagan_theano.method.losses import Losses, losses_of_D, losses_of_G
from cagan_theano.method.minibatch import Array, Indices, PhotoArrays, symbolic_batch, symbolic_indices
from cagan_theano.method.ours import add_average, start_average
from cagan_theano.network.generator import Generator
from cagan_theano.network.layers import Variable
from cagan_theano.network.networks import Networks, Variables, Weights

at = aesara.tensor


class Functions(NamedTuple):
    """Compiled updates, each `Indices` -> dict of losses, and their optimizers.

    update: update_D followed by update_G on the same minibatch, with x_ij generated only once.
    Without an adversarial term (config.gamma_adv = 0), update_D is None, D has no Adam, and update is
    update_G.
    average: the moving average of G's weights, which the updates of G maintain, or None.
    """

    update_D: "Lazy | None"
    update_G: "Lazy"
    update: "Lazy"
    optimizers: dict[str, Adam]
    average: Generator | None = None


def compile_functions(networks: Networks, photos: PhotoArrays, config: Config, backend: Backend) -> Functions:
    """The updates on resident photos, each compiled on its first call.

    Raises ValueError if the configuration needs masks and the photos have none.
    """
    if config.needs_masks and photos.mask is None:
        named = f"mask={config.mask!r}" if config.takes_mask else "gamma_region"
        raise ValueError(f"{named} needs masks, but the data file has none")

    def resident(name: str, array: Pixels) -> Variable:
        variable = aesara.shared(array, name=f"photos/{name}", borrow=True)
        backend.resident(variable)
        return variable

    x, y = resident("x", photos.x), resident("y", photos.y)
    mask = None if photos.mask is None or not config.needs_masks else resident("mask", photos.mask[..., None])
    indices = symbolic_indices(config)
    batch = symbolic_batch(x, y, mask, indices, config, networks.G.params["encoder1.W"].dtype)
    trained = networks._asdict() if config.gamma_adv else {"G": networks.G}
    optimizers = {name: Adam(net.params, config) for name, net in trained.items()}
    average = start_average(networks.G, config, backend) if config.average else None
    for net, adam in zip(trained.values(), optimizers.values()):
        for variable in (*net.params.values(), *adam.moments.values()):
            backend.resident(variable)
    losses_G = losses_of_G(networks, batch, config)

    def updates_G(loss: Variable) -> Updates:
        return add_average(optimizers["G"].updates(loss), optimizers["G"], average, config)

    update_G = Lazy(indices, losses_G, lambda: updates_G(losses_G["loss_G"]), backend)
    if not config.gamma_adv:
        return Functions(None, update_G, update_G, optimizers, average)
    losses_D = losses_of_D(networks, batch, config)
    updates_D = optimizers["D"].updates(losses_D["loss_D"])
    # the updated D is a constant for G's gradient, which must not flow through D's update
    constant = aesara.gradient.disconnected_grad
    new_D = {theta: constant(updates_D[theta]) for theta in networks.D.params.values()}
    after_D = OrderedDict(zip(losses_G, aesara.clone_replace(list(losses_G.values()), replace=new_D)))

    update_D = Lazy(indices, losses_D, lambda: updates_D, backend)
    update = Lazy(indices, losses_D | after_D, lambda: updates_D | updates_G(after_D["loss_G"]), backend)
    return Functions(update_D, update_G, update, optimizers, average)


class Lazy:
    """A function of `Indices` that is compiled on its first call, because compilation is slow."""

    def __init__(
        self, indices: Indices[Variable], losses: Losses, updates: Callable[[], Updates], backend: Backend
    ) -> None:
        self.indices, self.losses, self.updates = indices, losses, updates
        self.backend = backend
        self.function: Variable = None

    def __call__(self, indices: Indices[Array]) -> dict[str, float]:
        """Run one update; returns the losses before it by name."""
        if self.function is None:
            losses = at.stack(list(self.losses.values()))
            settings = dict(mode=self.backend.mode, on_unused_input="ignore")
            self.function = aesara.function(self.indices.used(), losses, updates=self.updates(), **settings)
        values = np.asarray(self.function(*indices.used()))
        return dict(zip(self.losses, values.tolist()))


def compile_swap(G: Generator, config: Config, backend: Backend) -> Variable:
    """The Aesara function (x_i, y_i, y_j[, m_i]) -> alpha, x_tilde_ij, x_ij.

    On float arrays [N, 3, H, W] in [-1, 1]; m_i and alpha [N, 1, H, W] in [0, 1].
    """
    for variable in G.params.values():
        backend.resident(variable)
    channels = {"x_i": 3, "y_i": 3, "y_j": 3} | ({"m_i": 1} if config.takes_mask else {})
    dtype = G.params["encoder1.W"].dtype
    inputs = [at.TensorType(dtype, (None, c, config.height, config.width))(n) for n, c in channels.items()]
    return aesara.function(inputs, list(G(*inputs)), mode=backend.mode, on_unused_input="ignore")


def set_values(variables: Variables, values: Weights, backend: Backend) -> None:
    """Set shared variables by name and move them to the back end's device."""
    for name, variable in variables.items():
        variable.set_value(np.array(values[name], dtype=variable.dtype))
        backend.resident(variable)
