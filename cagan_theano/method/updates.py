"""The compiled functions of the paper's section 2.3: update_D, update_G and swap."""

import functools
import operator
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cagan_theano.backends import Backend
from cagan_theano.compat import aesara
from cagan_theano.config import Config
from cagan_theano.io.color import Pixels
from cagan_theano.method.adam import Adam, Updates
from cagan_theano.method.losses import (
    adversarial_loss,
    cycle_loss,
    detail_loss,
    discriminator_loss,
    identity_loss,
    region_loss,
    truth_loss,
)
from cagan_theano.method.minibatch import Array, Batch, Indices, PhotoArrays, symbolic_batch, symbolic_indices
from cagan_theano.method.texture import texture_loss
from cagan_theano.network.generator import Generated, Generator, logit_of, with_prior
from cagan_theano.network.layers import Variable
from cagan_theano.network.networks import Networks, Variables, Weights, build_networks

at = aesara.tensor

Losses = OrderedDict[str, Variable]  # name -> symbolic scalar
Terms = dict[str, tuple[Variable, float]]  # name -> (term, weight)


def losses_of_D(networks: Networks, batch: Batch, config: Config) -> Losses:
    """D's loss and its terms (Eq. 2): name -> symbolic scalar, "loss_D" first.

    D takes its three inputs concatenated into one minibatch, so that each layer runs once.  This is
    exact, because instance norm treats each image separately; with batch norm, D runs three times.
    """
    generated = generate(networks, batch)
    x_ij = blended(generated, "first", config)
    pairs = (batch.x_i, batch.y_i), (x_ij, batch.y_j), (batch.x_i, batch.y_k)
    people, articles = zip(*(noisy(*pair, n, batch) for n, pair in enumerate(pairs)))
    if config.d_norm == "batch":
        logits = [networks.D(image_shape(x, config), y) for x, y in zip(people, articles)]
    else:
        stacks = (image_shape(at.concatenate(images, axis=0), config) for images in (people, articles))
        joined, n = networks.D(*stacks), config.batch_size
        logits = [joined[:n], joined[n : 2 * n], joined[2 * n :]]
    real, fake, mismatch = logits
    terms = discriminator_loss(real, fake, mismatch, config)
    return OrderedDict(loss_D=sum(terms), adv_D_real=terms[0], adv_D_fake=terms[1], adv_D_mismatch=terms[2])


def losses_of_G(networks: Networks, batch: Batch, config: Config) -> Losses:
    """G's loss and its terms (Eq. 1 and ours): name -> symbolic scalar, "loss_G" first.

    Terms of weight 0 are left out, because no graph rewrite would remove their networks.  L_id needs
    no further network and is always returned.
    """
    first, second = (None, None) if batch.seeds is None else (batch.seeds[:, 0], batch.seeds[:, 1])
    output = networks.G.channels(batch.x_i, batch.y_i, batch.y_j, first)
    generated = networks.G.painted(batch.x_i, output, batch.m_i)
    x_ij = image_shape(blended(generated, "first", config), config)
    terms: Terms = {}
    if config.gamma_adv:
        logits = networks.D(*noisy(x_ij, batch.y_j, 3, batch))
        terms["adv_G"] = adversarial_loss(logits, config), config.gamma_adv
    terms["L_id"] = identity_loss(generated.alpha, config), config.gamma_i
    if config.gamma_c:
        # section 2.3: the cycle swaps y_j back for y_i; the photo's mask is the best one available
        back = networks.G(x_ij, batch.y_j, batch.y_i, batch.m_i, second)
        terms["L_cyc"] = cycle_loss(batch.x_i, blended(back, "second", config), config), config.gamma_c
    shown = image_shape(generated.x_ij, config)
    if config.gamma_texture:
        shape = (3, config.height, config.width)
        terms["L_texture"] = texture_loss(shown, generated.alpha, batch.y_j, shape), config.gamma_texture
    terms |= true_terms(batch, shown, output, config)
    loss = weighted(terms, x_ij.dtype)
    return OrderedDict(loss_G=loss, **{name: term for name, (term, _) in terms.items()})


def noisy(x: Variable, y: Variable, n: int, batch: Batch) -> tuple[Variable, Variable]:
    """A pair of D's images with the n-th noise of the minibatch, if there is any."""
    if batch.noise is None:
        return x, y
    return x + batch.noise[:, n, :3], y + batch.noise[:, n, 3:]


def blended(generated: Generated, swap: str, config: Config) -> Variable:
    """What training uses of the "first" swap or of the "second", the one back: x_ij or x_tilde_ij."""
    return generated.x_ij if config.blend in ("both", swap) else generated.x_tilde_ij


def true_terms(batch: Batch, x_ij: Variable, output: Variable, config: Config) -> Terms:
    """Name -> (term, weight) of the terms that need true swaps, without those of weight 0.

    output: G's 4 output channels before sigmoid and tanh.
    """
    terms: Terms = {}
    if config.gamma_truth:
        terms["L_truth"] = truth_loss(x_ij, batch.truth), config.gamma_truth
    if config.gamma_region:
        logit = with_prior(logit_of(output), batch.m_i, config)
        terms["L_region"] = region_loss(logit, batch.region), config.gamma_region
    if config.gamma_detail:
        shape = (3, config.height, config.width)
        terms["L_detail"] = detail_loss(x_ij, batch.truth, shape), config.gamma_detail
    return terms


def weighted(terms: Terms, dtype: str) -> Variable:
    """The sum of weight * term over name -> (term, weight), without terms of weight 0."""
    parts = [term if name == "adv_G" and weight == 1 else np.asarray(weight, dtype) * term
             for name, (term, weight) in terms.items() if weight]  # fmt: skip
    return functools.reduce(operator.add, parts)


def generate(networks: Networks, batch: Batch) -> Generated:
    """G(x_i, y_i, y_j) of a minibatch."""
    seeds = None if batch.seeds is None else batch.seeds[:, 0]
    return networks.G(batch.x_i, batch.y_i, batch.y_j, batch.m_i, seeds)


def image_shape(images: Variable, config: Config) -> Variable:
    """Declare the shape [N, 3, H, W] of images in the graph."""
    return at.specify_shape(images, (None, 3, config.height, config.width))


class Functions(NamedTuple):
    """Compiled updates, each `Indices` -> dict of losses, and their optimizers.

    update: update_D followed by update_G on the same minibatch, with x_ij generated only once.
    optimizers: {"G": Adam, "D": Adam}.
    Without an adversarial term (config.gamma_adv = 0), update_D is None, D has no Adam, and update is
    update_G.
    average: `Generator` with the moving average of G's weights, which the updates of G maintain, or None.
    """

    update_D: "Lazy | None"
    update_G: "Lazy"
    update: "Lazy"
    optimizers: dict[str, Adam]
    average: Generator | None = None


def compile_functions(networks: Networks, photos: PhotoArrays, config: Config, backend: Backend) -> Functions:
    """Compile the updates on resident photos (x, y uint8 [n, H, W, 3], mask uint8 [n, H, W] or None).

    With true swaps x and mask have n + m rows (see `cagan_theano.training.sampler`).
    Each function is compiled on its first call.  Raises ValueError if the configuration needs masks
    and the photos have none.
    """
    if config.needs_masks and photos.mask is None:
        named = f"mask={config.mask!r}" if config.takes_mask else "gamma_region"
        raise ValueError(f"{named} needs masks, but the data file has none")
    indices = symbolic_indices(config)
    batch = resident_batch(photos, indices, config, backend, networks.G.params["encoder1.W"].dtype)
    trained = networks._asdict() if config.adversarial_terms else {"G": networks.G}
    optimizers = {name: Adam(net.params, config) for name, net in trained.items()}
    average = start_average(networks.G, config, backend) if config.average else None
    for net, adam in zip(trained.values(), optimizers.values()):
        for variable in (*net.params.values(), *adam.moments.values()):
            backend.resident(variable)
    losses_G = losses_of_G(networks, batch, config)

    def updates_G(loss: Variable) -> Updates:
        return averaging(optimizers["G"].updates(loss), optimizers["G"], average, config)

    update_G = Lazy(indices, losses_G, lambda: updates_G(losses_G["loss_G"]), backend)
    if not config.adversarial_terms:
        return Functions(None, update_G, update_G, optimizers, average)
    losses_D = losses_of_D(networks, batch, config)
    return Functions(
        Lazy(indices, losses_D, lambda: optimizers["D"].updates(losses_D["loss_D"]), backend),
        update_G,
        compile_joint_update(indices, losses_D, losses_G, optimizers["D"], updates_G, backend),
        optimizers,
        average,
    )


def start_average(G: Generator, config: Config, backend: Backend) -> Generator:
    """A generator for the moving average of G's weights, initialized with G's weights."""
    average = build_networks(config, dtype=G.params["encoder1.W"].dtype).G
    for name, variable in average.params.items():
        variable.set_value(np.array(G.params[name].get_value()))
        backend.resident(variable)
    return average


def averaging(updates: Updates, adam: Adam, average: Generator | None, config: Config) -> Updates:
    """Adam's updates of G, extended by those of the moving average, if any.

    a_t = d a + (1 - d) theta_t with d = min(config.average, t / (t + 9)): early on, the average spans
    about the last tenth of the updates, so that it soon forgets the initial weights.
    """
    if average is None:
        return updates
    t = updates[adam.moments["t"]]
    one, nine, most = (np.asarray(number, t.dtype) for number in (1, 9, config.average))
    decay = at.minimum(most, t / (t + nine))
    moved = [(a, decay * a + (one - decay) * updates[adam.params[name]])
             for name, a in average.params.items()]  # fmt: skip
    return OrderedDict([*updates.items(), *moved])


def resident_batch(
    photos: PhotoArrays, indices: Indices[Variable], config: Config, backend: Backend, dtype: str
) -> Batch:
    """Put the photos on the device and return the symbolic minibatch gathered from them."""

    def resident(name: str, array: Pixels) -> Variable:
        variable = aesara.shared(array, name=f"photos/{name}", borrow=True)
        backend.resident(variable)
        return variable

    x, y = resident("x", photos.x), resident("y", photos.y)
    mask = None if photos.mask is None or not config.needs_masks else resident("mask", photos.mask[..., None])
    return symbolic_batch(x, y, mask, indices, config, dtype)


def compile_joint_update(
    indices: Indices[Variable],
    losses_D: Losses,
    losses_G: Losses,
    adam_D: Adam,
    updates_G: Callable[[Variable], Updates],
    backend: Backend,
) -> "Lazy":
    """One function for update_D followed by update_G with the updated D.

    update_D does not change G, so both share G's forward pass on x_i, y_i, y_j.
    """
    updates = adam_D.updates(losses_D["loss_D"])

    def all_updates() -> Updates:
        return OrderedDict([*updates.items(), *updates_G(after_D["loss_G"]).items()])

    # the updated D is a constant for G's gradient, which must not flow through D's update
    constant = aesara.gradient.disconnected_grad
    new_D = {theta: constant(updates[theta]) for theta in adam_D.params.values()}
    terms = aesara.clone_replace(list(losses_G.values()), replace=new_D)
    after_D = OrderedDict(zip(losses_G, terms))
    return Lazy(indices, losses_D | after_D, all_updates, backend)


class Lazy:
    """A function of `Indices` that is compiled on its first call, because compilation is slow."""

    def __init__(
        self, indices: Indices[Variable], losses: Losses, updates: Callable[[], Updates], backend: Backend
    ) -> None:
        self.indices, self.losses, self.updates = indices, losses, updates
        self.backend, self.function = backend, None

    def compile(self) -> Variable:
        """Compile now; returns the Aesara function from the used `Indices` to the stacked losses."""
        if self.function is None:
            self.function = aesara.function(
                self.indices.used(),
                at.stack(list(self.losses.values())),
                updates=self.updates(),
                mode=self.backend.mode,
                on_unused_input="ignore",
            )
        return self.function

    def __call__(self, indices: Indices[Array]) -> dict[str, float]:
        """Run one update; returns the losses before it by name."""
        values = np.asarray(self.compile()(*indices.used()))
        return dict(zip(self.losses, values.tolist()))


def compile_swap(G: Generator, config: Config, backend: Backend) -> Callable[..., Generated]:
    """swap(x_i, y_i, y_j[, m_i]) on float arrays [N, 3, H, W] in [-1, 1] ([N, 1, H, W] in [0, 1]).

    Returns arrays alpha [N, 1, H, W], x_tilde_ij and x_ij [N, 3, H, W].
    """
    for variable in G.params.values():
        backend.resident(variable)
    function = swap_function(G, config, backend)
    return lambda *arrays: Generated(*(np.asarray(output) for output in function(*arrays)))


def swap_function(
    G: Generator, config: Config, backend: Backend, n: int | None = None
) -> Callable[..., list[NDArray[np.float32]]]:
    """The Aesara function of `compile_swap` for batches of n images; None: of any size."""
    dtype = G.params["encoder1.W"].dtype
    image = at.TensorType(dtype, (n, 3, config.height, config.width))
    inputs = [image(name) for name in ("x_i", "y_i", "y_j")]
    if config.takes_mask:
        inputs.append(at.TensorType(dtype, (n, 1, config.height, config.width))("m_i"))
    function: Callable[..., list[NDArray[np.float32]]] = aesara.function(
        inputs, list(G(*inputs)), mode=backend.mode, on_unused_input="ignore"
    )
    return function


def set_values(variables: Variables, values: Weights, backend: Backend) -> None:
    """Set shared variables by name and move them to the back end's device."""
    for name, variable in variables.items():
        variable.set_value(np.array(values[name], dtype=variable.dtype))
        backend.resident(variable)
