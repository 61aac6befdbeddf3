"""Dropout from seeds: which values are kept is computed in the graph, so that a step can be repeated."""

import numpy as np

from cagan_theano.compat import aesara
from cagan_theano.network.layers import Shape, Variable

at = aesara.tensor


def sample_kept(seeds: Variable, shape: Shape, rate: float) -> Variable:
    """1 / (1 - rate) where a value is kept, else 0: float64 [N, C, H, W].

    seeds: uint32 [N]; shape: (C, H, W).  A value is kept if a hash of its place and of its image's hashed
    seed is at least `rate` of the largest.
    """
    places = at.arange(int(np.prod(shape)), dtype="uint32").dimshuffle("x", 0)
    bits = mix_bits(mix_bits(seeds).dimshuffle(0, "x") ^ places)
    mask = at.ge(bits, np.asarray(rate * 2.0**32, "uint32")) / (1 - rate)
    return mask.reshape((-1, *shape))


def mix_bits(x: Variable) -> Variable:
    """A bijection of uint32 that mixes all bits (Wellons, lowbias32)."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
        x = x ^ (x // np.asarray(1 << shift, "uint32"))  # the quotient: a shift to the right
        x = x * np.asarray(factor, "uint32")
    return x
