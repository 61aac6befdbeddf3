"""Norms of images that losses are made of."""

from cagan_theano.compat import aesara
from cagan_theano.network.layers import Variable

at = aesara.tensor


def absolute(x: Variable) -> Variable:
    """|x| with gradient 0 at 0, where Aesara's own gradient, x / |x|, is NaN."""
    return x * at.sgn(x)


def total_variation(alpha: Variable) -> Variable:
    """Mean absolute difference of vertical neighbors plus that of horizontal neighbors.

    Section 2.3: "different norms (e.g. total variation) can improve the results further".
    """
    vertical = absolute(alpha[:, :, 1:] - alpha[:, :, :-1]).mean()
    horizontal = absolute(alpha[:, :, :, 1:] - alpha[:, :, :, :-1]).mean()
    return vertical + horizontal
