"""A given segmentation of the worn garment, in the place of alpha or as its prior (section 4)."""

import numpy as np

from cagan_theano.compat import aesara
from cagan_theano.config import Config
from cagan_theano.network.layers import Variable

at = aesara.tensor


def matting(logit: Variable, m_i: Variable | None, config: Config) -> Variable:
    """alpha [N, 1, H, W] in [0, 1] from its logit and, depending on config.mask, a mask m_i.

    Section 2.3: "we transform them with the sigmoid function".  Section 4: a given segmentation may
    overwrite alpha or be its prior; the log odds of a prior are added to the logit (Bayes' rule).
    Raises ValueError if a mask is needed and m_i is None.
    """
    if config.mask == "overwrite" and m_i is not None:
        return m_i
    return at.sigmoid(with_prior(logit, m_i, config))


def with_prior(logit: Variable, m_i: Variable | None, config: Config) -> Variable:
    """alpha's logit plus, unless config.mask is "none", the log odds of the mask m_i as a prior."""
    if not config.takes_mask:
        return logit
    if m_i is None:
        raise ValueError(f"mask={config.mask!r} needs a segmentation mask for every photo")
    log_odds = np.asarray(np.log(config.mask_prior / (1 - config.mask_prior)), dtype=logit.dtype)
    return logit + log_odds * (2 * m_i - 1)
