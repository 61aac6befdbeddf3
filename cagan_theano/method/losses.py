"""Symbolic losses: equations 1 and 2 of the paper from D's logits, and our terms for true swaps.

log D = -softplus(-logit) and log(1 - D) = -softplus(logit), which need no epsilon inside a log and
lose no gradient to rounding.
"""

from cagan_theano.compat import aesara
from cagan_theano.config import Config
from cagan_theano.network.layers import Shape, Variable, downsample

at = aesara.tensor

OCTAVES = 3  # scales of detail_loss: pixels, and averages over 2x2 and 4x4 pixels


def log_d(logits: Variable) -> Variable:
    """log D from D's logits."""
    return -at.softplus(-logits)


def log_one_minus_d(logits: Variable) -> Variable:
    """log(1 - D) from D's logits."""
    return -at.softplus(logits)


def reduce_patches(values: Variable, config: Config) -> Variable:
    """Reduce [N, 1, H', W'] over lambda, mu by config.field and average over the minibatch (Eq. 2)."""
    if config.field == "sum":
        return values.sum(axis=(1, 2, 3)).mean()
    return values.mean()


def negative_term(logits: Variable, config: Config) -> Variable:
    """The term that D maximizes on a negative pair: log(1 - D), or 1 - log D as Eq. 2 is written."""
    literal = config.adversarial == "literal"
    return 1 - log_d(logits) if literal else log_one_minus_d(logits)


def discriminator_loss(
    real: Variable, fake: Variable, mismatch: Variable, config: Config
) -> tuple[Variable, Variable, Variable]:
    """-L_cGAN, which D minimizes: the terms (real, fake, mismatch) of Eq. 2, each with weight 1.

    Arguments: logits of D(x_i, y_i), D(x_ij, y_j) and D(x_i, y_j), each [N, 1, H', W'].
    Returns the three terms, whose sum is the loss.
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


def absolute(x: Variable) -> Variable:
    """|x| with gradient 0 at 0, where Aesara's own gradient, x / |x|, is NaN."""
    return x * at.sgn(x)


def identity_loss(alpha: Variable, config: Config) -> Variable:
    """L_id(G) = ||alpha|| (section 2.3) on [N, 1, H, W]: mean L1 norm or total variation."""
    return total_variation(alpha) if config.alpha_norm == "tv" else absolute(alpha).mean()


def total_variation(alpha: Variable) -> Variable:
    """Mean absolute difference of vertical neighbors plus that of horizontal neighbors.

    Section 2.3: "different norms (e.g. total variation) can improve the results further".
    """
    vertical = absolute(alpha[:, :, 1:] - alpha[:, :, :-1]).mean()
    horizontal = absolute(alpha[:, :, :, 1:] - alpha[:, :, :, :-1]).mean()
    return vertical + horizontal


def cycle_loss(x_i: Variable, cycled: Variable, config: Config) -> Variable:
    """L_cyc(G) = ||x_i - G(G(x_i, y_i, y_j), y_j, y_i)||: mean absolute or mean squared error."""
    difference = x_i - cycled
    return at.square(difference).mean() if config.cycle_norm == "l2" else absolute(difference).mean()


# Not in the paper: terms for data with known true swaps.


def truth_loss(x_ij: Variable, truth: Variable) -> Variable:
    """L_truth = mean |x_ij - true x_ij| on [N, 3, H, W] in [-1, 1]."""
    return absolute(x_ij - truth).mean()


def region_loss(logit: Variable, region: Variable) -> Variable:
    """L_region: mean cross-entropy of alpha = sigmoid(logit) with a binary region r, [N, 1, H, W].

    -r log alpha - (1 - r) log(1 - alpha) = softplus(logit) - r logit, which stays finite for large
    logits.
    """
    return (at.softplus(logit) - region * logit).mean()


def detail_loss(x_ij: Variable, truth: Variable, shape: Shape) -> Variable:
    """L_detail: mean over 3 octaves of the total variation of the error, [N, 3, H, W] in [-1, 1].

    With e_0 = x_ij - true x_ij and e_k+1 the averages of e_k over 2x2 pixels,

        L_detail = 1/3 sum_k (mean |vertical differences of e_k| + mean |horizontal ones|).

    Since differences and averages are linear, this is the L1 distance between the gradients of both
    images at scales 1, 2 and 4.  Similar to the gradient difference loss of Mathieu, Couprie and
    LeCun (2016), which compares the gradients' magnitudes.

    shape: (3, H, W), with H and W multiples of 4 and at least 8.
    """
    error, total, (channels, height, width) = x_ij - truth, 0, shape
    for octave in range(OCTAVES):
        if octave:
            error = downsample(error, (channels, height, width))
            height, width = height // 2, width // 2
        total = total + total_variation(error)
    return total / OCTAVES
