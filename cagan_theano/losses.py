"""Equations 1 and 2 of the paper, symbolic, from D's logits.

log D = -softplus(-logit) and log(1 - D) = -softplus(logit): no epsilon stands in a log, and no
gradient vanishes by rounding.
"""

from cagan_theano.compat import aesara
from cagan_theano.config import Config

at = aesara.tensor


def log_d(logits):
    """log D of D's logits."""
    return -at.softplus(-logits)


def log_one_minus_d(logits):
    """log(1 - D) of D's logits."""
    return -at.softplus(logits)


def over_field(values, config: Config):
    """Join [N, 1, H', W'] over lambda, mu by config.field, and average over the minibatch (Eq. 2)."""
    if config.field == "sum":
        return values.sum(axis=(1, 2, 3)).mean()
    return values.mean()


def negative_term(logits, config: Config):
    """What D maximises on a negative pair: log(1 - D), or Eq. 2's letter 1 - log D."""
    letter = config.adversarial == "literal"
    return 1 - log_d(logits) if letter else log_one_minus_d(logits)


def discriminator_loss(real, fake, mismatch, config: Config):
    """-L_cGAN for D to minimise: the terms (real, fake, mismatch) of Eq. 2, each of weight 1.

    Arguments are logits of D(x_i, y_i), D(x_ij, y_j), D(x_i, y_j), each [N, 1, H', W'].
    Returns the three terms; their sum is the loss.
    """
    return (
        -over_field(log_d(real), config),
        -over_field(negative_term(fake, config), config),
        -over_field(negative_term(mismatch, config), config),
    )


def adversarial_loss(fake, config: Config):
    """L_cGAN for G to minimise, on logits of D(x_ij, y_j): -log D, or Eq. 2's letter 1 - log D.

    Their gradients are the same.
    """
    letter = config.adversarial == "literal"
    return over_field(1 - log_d(fake) if letter else -log_d(fake), config)


def absolute(x):
    """|x| whose gradient at 0 is 0; Aesara's own is x / |x|, which is NaN there."""
    return x * at.sgn(x)


def identity_loss(alpha, config: Config):
    """L_id(G) = ||alpha|| of section 2.3 on [N, 1, H, W]: mean L1 norm, or total variation."""
    return total_variation(alpha) if config.alpha_norm == "tv" else absolute(alpha).mean()


def total_variation(alpha):
    """Mean absolute difference of vertical neighbors plus that of horizontal ones.

    Section 2.3: "different norms (e.g. total variation) can improve the results further".
    """
    vertical = absolute(alpha[:, :, 1:] - alpha[:, :, :-1]).mean()
    horizontal = absolute(alpha[:, :, :, 1:] - alpha[:, :, :, :-1]).mean()
    return vertical + horizontal


def cycle_loss(x_i, cycled, config: Config):
    """L_cyc(G) = ||x_i - G(G(x_i, y_i, y_j), y_j, y_i)||: mean absolute, or mean squared."""
    difference = x_i - cycled
    return at.square(difference).mean() if config.cycle_norm == "l2" else absolute(difference).mean()
