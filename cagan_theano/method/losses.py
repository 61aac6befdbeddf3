"""The losses of section 2.3: Equation 2, which D minimizes negated, and Equation 1, which G minimizes.

log D = -softplus(-logit) and log(1 - D) = -softplus(logit), which need no epsilon inside a log and
lose no gradient to rounding.
"""

import functools
import operator
from collections import OrderedDict

import numpy as np

from cagan_theano.compat import aesara
from cagan_theano.config import Config
from cagan_theano.method import ours
from cagan_theano.method.minibatch import Batch
from cagan_theano.network.layers import Variable, absolute, total_variation, with_shape
from cagan_theano.network.networks import Networks

at = aesara.tensor

Losses = OrderedDict[str, Variable]  # name -> symbolic scalar


def losses_of_D(networks: Networks, batch: Batch, config: Config) -> Losses:
    """D's loss and its terms (Eq. 2): name -> symbolic scalar, "loss_D" first.

    D takes its three inputs concatenated into one minibatch, so that each layer runs once.  This is
    exact, because instance norm treats each image separately.
    """
    x_ij = networks.G(batch.x_i, batch.y_i, batch.y_j, batch.m_i, batch.seeds_of(0)).x_ij
    people, articles = (batch.x_i, x_ij, batch.x_i), (batch.y_i, batch.y_j, batch.y_k)
    shape, n = (3, config.height, config.width), config.batch_size
    logits = networks.D(*(with_shape(at.concatenate(images, axis=0), shape) for images in (people, articles)))
    terms = discriminator_loss(logits[:n], logits[n : 2 * n], logits[2 * n :], config)
    return OrderedDict(loss_D=sum(terms), adv_D_real=terms[0], adv_D_fake=terms[1], adv_D_mismatch=terms[2])


def losses_of_G(networks: Networks, batch: Batch, config: Config) -> Losses:
    """G's loss and its terms: name -> symbolic scalar, "loss_G" first.

    Eq. 1: L_cGAN + gamma_i L_id + gamma_c L_cyc, and `ours.terms`, which are off by default.  Terms of
    weight 0 are left out, because no graph rewrite would remove their networks; L_id needs no further
    network and is always returned.
    """
    output = networks.G.channels(batch.x_i, batch.y_i, batch.y_j, batch.seeds_of(0))
    alpha, _, x_ij = networks.G.blend(batch.x_i, output, batch.m_i)
    x_ij = with_shape(x_ij, (3, config.height, config.width))
    terms: ours.Terms = {}
    if config.gamma_adv:
        terms["adv_G"] = adversarial_loss(networks.D(x_ij, batch.y_j), config), config.gamma_adv
    terms["L_id"] = identity_loss(alpha, config), config.gamma_i
    if config.gamma_c:
        # section 2.3: the cycle swaps y_j back for y_i; the photo's mask is the best one available
        cycled = networks.G(x_ij, batch.y_j, batch.y_i, batch.m_i, batch.seeds_of(1)).x_ij
        terms["L_cyc"] = cycle_loss(batch.x_i, cycled, config), config.gamma_c
    terms |= ours.terms(batch, output, alpha, x_ij, config)
    parts = [np.asarray(weight, x_ij.dtype) * term for term, weight in terms.values() if weight]
    loss = functools.reduce(operator.add, parts)
    return OrderedDict(loss_G=loss, **{name: term for name, (term, _) in terms.items()})


def log_d(logits: Variable) -> Variable:
    return -at.softplus(-logits)


def reduce_patches(values: Variable, config: Config) -> Variable:
    """Reduce [N, 1, H', W'] over lambda, mu by config.field and average over the minibatch (Eq. 2)."""
    if config.field == "sum":
        return values.sum(axis=(1, 2, 3)).mean()
    return values.mean()


def negative_term(logits: Variable, config: Config) -> Variable:
    """The term that D maximizes on a negative pair: log(1 - D), or 1 - log D as Eq. 2 is written."""
    return 1 - log_d(logits) if config.adversarial == "literal" else -at.softplus(logits)


def discriminator_loss(
    real: Variable, fake: Variable, mismatch: Variable, config: Config
) -> tuple[Variable, Variable, Variable]:
    """-L_cGAN, which D minimizes, as its three terms: Eq. 2, each with weight 1.

    real, fake, mismatch: logits of D(x_i, y_i), D(x_ij, y_j) and D(x_i, y_j), each [N, 1, H', W'].
    """
    return (
        -reduce_patches(log_d(real), config),
        -reduce_patches(negative_term(fake, config), config),
        -reduce_patches(negative_term(mismatch, config), config),
    )


def adversarial_loss(fake: Variable, config: Config) -> Variable:
    """L_cGAN, which G minimizes, from logits of D(x_ij, y_j): -log D, or 1 - log D as Eq. 2 is written.

    Both have the same gradient.
    """
    literal = config.adversarial == "literal"
    return reduce_patches(1 - log_d(fake) if literal else -log_d(fake), config)


def identity_loss(alpha: Variable, config: Config) -> Variable:
    """L_id(G) = ||alpha|| (section 2.3) on [N, 1, H, W]: mean L1 norm or total variation."""
    return total_variation(alpha) if config.alpha_norm == "tv" else absolute(alpha).mean()


def cycle_loss(x_i: Variable, cycled: Variable, config: Config) -> Variable:
    """L_cyc(G) = ||x_i - G(G(x_i, y_i, y_j), y_j, y_i)||: mean absolute or mean squared error."""
    difference = x_i - cycled
    return at.square(difference).mean() if config.cycle_norm == "l2" else absolute(difference).mean()
