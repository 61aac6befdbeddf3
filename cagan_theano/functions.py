"""The compiled functions of the paper's section 2.3: update_D, update_G and swap."""

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cagan_theano.adam import Adam
from cagan_theano.backends import Backend
from cagan_theano.batches import Batch, Indices, symbolic_batch, symbolic_indices
from cagan_theano.compat import aesara
from cagan_theano.config import Config
from cagan_theano.discriminator import Discriminator
from cagan_theano.generator import Generated, Generator
from cagan_theano.losses import (
    adversarial_loss,
    cycle_loss,
    discriminator_loss,
    identity_loss,
)

at = aesara.tensor


class Networks(NamedTuple):
    """G and D, each with its ``params``."""

    G: Generator
    D: Discriminator


def build_networks(config: Config, seed: int | None = None, dtype: str = "float32") -> Networks:
    """G and D with initial weights drawn from the seed (config.seed unless given)."""
    streams = np.random.SeedSequence(config.seed if seed is None else seed).spawn(2)
    G, D = (np.random.Generator(np.random.PCG64(stream)) for stream in streams)
    return Networks(Generator(config, G, dtype), Discriminator(config, D, dtype))


def losses_of_D(networks: Networks, batch: Batch, config: Config) -> OrderedDict:
    """The terms of Eq. 2 for D by name, "loss_D" first, symbolic scalars.

    D sees its three inputs as one minibatch; instance norm keeps the pictures of a minibatch apart,
    so this is exact and lets each layer run once.
    """
    x_ij = generate(networks, batch).x_ij
    humans = at.concatenate([batch.x_i, x_ij, batch.x_i], axis=0)
    articles = at.concatenate([batch.y_i, batch.y_j, batch.y_k], axis=0)
    logits = networks.D(image_shape(humans, config), image_shape(articles, config))
    n = config.batch_size
    terms = discriminator_loss(logits[:n], logits[n : 2 * n], logits[2 * n :], config)
    return OrderedDict(
        loss_D=sum(terms), adv_D_real=terms[0], adv_D_fake=terms[1], adv_D_mismatch=terms[2]
    )


def losses_of_G(networks: Networks, batch: Batch, config: Config) -> OrderedDict:
    """The terms of Eq. 1 for G by name, "loss_G" first, symbolic scalars."""
    generated = generate(networks, batch)
    x_ij = image_shape(generated.x_ij, config)
    # section 2.3: the way back swaps y_j for y_i; the photo's mask is the best one known there
    cycled = networks.G(x_ij, batch.y_j, batch.y_i, batch.m_i).x_ij
    adversarial = adversarial_loss(networks.D(x_ij, batch.y_j), config)
    identity = identity_loss(generated.alpha, config)
    cycle = cycle_loss(batch.x_i, cycled, config)
    gamma_i, gamma_c = (np.asarray(g, x_ij.dtype) for g in (config.gamma_i, config.gamma_c))
    loss = adversarial + gamma_i * identity + gamma_c * cycle
    return OrderedDict(loss_G=loss, adv_G=adversarial, L_id=identity, L_cyc=cycle)


def generate(networks: Networks, batch: Batch) -> Generated:
    """G(x_i, y_i, y_j) of a minibatch."""
    return networks.G(batch.x_i, batch.y_i, batch.y_j, batch.m_i)


def image_shape(images, config: Config):
    """State the size [N, 3, H, W] of images in the graph."""
    return at.specify_shape(images, (None, 3, config.height, config.width))


class Functions(NamedTuple):
    """Compiled updates, each `Indices` -> dict of losses, and the moments that they move.

    update does what update_D and then update_G do with the same minibatch, and generates x_ij,
    which is the same for both, once.
    optimizers: {"G": Adam, "D": Adam}.
    """

    update_D: Callable
    update_G: Callable
    update: Callable
    optimizers: dict


def compile_functions(networks: Networks, photos, config: Config, backend: Backend) -> Functions:
    """Compile the updates on resident photos (x, y uint8 [n, H, W, 3], mask uint8 [n, H, W] or None).

    Each function is compiled at its first call.  Raises ValueError when config.mask needs masks
    that the photos lack.
    """
    if config.mask != "none" and photos.mask is None:
        raise ValueError(f"mask={config.mask!r} needs masks, which the data file does not hold")
    indices = symbolic_indices(config)
    batch = resident_batch(photos, indices, config, backend, networks.G.params["encoder1.W"].dtype)
    optimizers = {name: Adam(net.params, config) for name, net in networks._asdict().items()}
    for net, adam in zip(networks, optimizers.values()):
        for variable in (*net.params.values(), *adam.moments.values()):
            backend.resident(variable)
    losses_D, losses_G = losses_of_D(networks, batch, config), losses_of_G(networks, batch, config)
    return Functions(
        Lazy(indices, losses_D, lambda: optimizers["D"].updates(losses_D["loss_D"]), backend),
        Lazy(indices, losses_G, lambda: optimizers["G"].updates(losses_G["loss_G"]), backend),
        both(indices, losses_D, losses_G, optimizers, backend),
        optimizers,
    )


def resident_batch(photos, indices, config, backend, dtype) -> Batch:
    """Put the photos on the device and gather symbolic minibatches from them."""
    arrays = {"photos/x": photos.x, "photos/y": photos.y}
    if config.mask != "none":
        arrays["photos/mask"] = photos.mask[..., None]
    resident = [aesara.shared(array, name=name, borrow=True) for name, array in arrays.items()]
    for variable in resident:
        backend.resident(variable)
    return symbolic_batch(*(resident + [None])[:3], indices, config, dtype)


def both(indices, losses_D, losses_G, optimizers, backend) -> "Lazy":
    """update_D, then update_G with the D that it gave, in one function.

    update_D leaves G as it is, so G's pass over x_i, y_i, y_j is one and the same in both.
    """
    updates = optimizers["D"].updates(losses_D["loss_D"])

    def all_updates():
        return OrderedDict([*updates.items(), *optimizers["G"].updates(after_D["loss_G"]).items()])

    # G's gradient takes the updated D as it is: it must not run back through D's update
    constant = aesara.gradient.disconnected_grad
    new_D = {theta: constant(updates[theta]) for theta in optimizers["D"].params.values()}
    terms = aesara.clone_replace(list(losses_G.values()), replace=new_D)
    after_D = OrderedDict(zip(losses_G, terms))
    return Lazy(indices, {**losses_D, **after_D}, all_updates, backend)


class Lazy:
    """A function of `Indices` that is compiled when first called, since compiling takes time."""

    def __init__(self, indices, losses, updates, backend):
        self.indices, self.losses, self.updates = indices, losses, updates
        self.backend, self.function = backend, None

    def compile(self):
        """Compile now; returns the Aesara function of six int32 vectors giving stacked losses."""
        if self.function is None:
            self.function = aesara.function(
                list(self.indices),
                at.stack(list(self.losses.values())),
                updates=self.updates(),
                mode=self.backend.mode,
                on_unused_input="ignore",
            )
        return self.function

    def __call__(self, indices: Indices) -> dict[str, float]:
        """One update; returns the losses, before it, by name."""
        values = np.asarray(self.compile()(*indices))
        return dict(zip(self.losses, values.tolist()))


def compile_swap(G: Generator, config: Config, backend: Backend) -> Callable:
    """swap(x_i, y_i, y_j[, m_i]) on float arrays [N, 3, H, W] in [-1, 1] ([N, 1, H, W] in [0, 1]).

    Returns arrays alpha [N, 1, H, W], x_tilde_ij and x_ij [N, 3, H, W].
    """
    for variable in G.params.values():
        backend.resident(variable)
    function = swap_function(G, config, backend)
    return lambda *arrays: Generated(*(np.asarray(output) for output in function(*arrays)))


def swap_function(G: Generator, config: Config, backend: Backend, n: int | None = None):
    """The Aesara function of `compile_swap`, for n pictures; None: for any number."""
    dtype = G.params["encoder1.W"].dtype
    image = at.TensorType(dtype, (n, 3, config.height, config.width))
    inputs = [image(name) for name in ("x_i", "y_i", "y_j")]
    if config.mask != "none":
        inputs.append(at.TensorType(dtype, (n, 1, config.height, config.width))("m_i"))
    return aesara.function(
        inputs, list(G(*inputs)), mode=backend.mode, on_unused_input="ignore"
    )
