"""Not the paper's: terms of G's loss for data with true swaps, a term for textures, averaged weights.

All are off by default.  Section 4 plans to "test whether using texture descriptors" helps.
"""

import numpy as np

from cagan_theano.backends import Backend
from cagan_theano.compat import aesara
from cagan_theano.config import Config
from cagan_theano.method.adam import Adam, Updates
from cagan_theano.method.minibatch import Batch
from cagan_theano.network.generator import Generator, logit_of
from cagan_theano.network.layers import Shape, Variable, absolute, downsample, total_variation
from cagan_theano.network.networks import build_networks
from cagan_theano.network.section4.masks import with_prior
from cagan_theano.network.section4.texture import (
    FLOOR,
    OCTAVES,
    ORIENTATIONS,
    SIDE,
    filter_images,
    gabor_filters,
)

at = aesara.tensor

Terms = dict[str, tuple[Variable, float]]  # name -> (term, weight)

DETAIL_OCTAVES = 3  # scales of detail_loss: pixels, and averages over 2x2 and 4x4 pixels
WHITE = 225  # an article's ground has all levels above this, also after augmentation "tone"


def terms(batch: Batch, output: Variable, alpha: Variable, x_ij: Variable, config: Config) -> Terms:
    """Name -> (term, weight) of our terms for x_ij = G(x_i, y_i, y_j), without those of weight 0.

    output: G's 4 output channels before sigmoid and tanh.
    """
    found: Terms = {}
    shape = (3, config.height, config.width)
    if config.gamma_texture:
        found["L_texture"] = texture_loss(x_ij, alpha, batch.y_j, shape), config.gamma_texture
    if config.gamma_truth:
        found["L_truth"] = truth_loss(x_ij, batch.truth), config.gamma_truth
    if config.gamma_region:
        logit = with_prior(logit_of(output), batch.m_i, config)
        found["L_region"] = region_loss(logit, batch.region), config.gamma_region
    if config.gamma_detail:
        found["L_detail"] = detail_loss(x_ij, batch.truth, shape), config.gamma_detail
    return found


def truth_loss(x_ij: Variable, truth: Variable) -> Variable:
    """L_truth = mean |x_ij - true x_ij| on [N, 3, H, W] in [-1, 1]."""
    return absolute(x_ij - truth).mean()


def region_loss(logit: Variable, region: Variable) -> Variable:
    """L_region: mean cross-entropy of alpha = sigmoid(logit) with a binary region r, [N, 1, H, W].

    -r log alpha - (1 - r) log(1 - alpha) = softplus(logit) - r logit, which stays finite for large logits.
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
    for octave in range(DETAIL_OCTAVES):
        if octave:
            error = downsample(error, (channels, height, width))
            height, width = height // 2, width // 2
        total = total + total_variation(error)
    return total / DETAIL_OCTAVES


def texture_loss(x_ij: Variable, alpha: Variable, y_j: Variable, shape: Shape) -> Variable:
    """L_texture: mean difference between the textures of x_ij where alpha > 1/2 and of y_j's garment.

    x_ij, y_j: [N, 3, H, W] in [-1, 1], RGB; alpha [N, 1, H, W]; shape: (3, H, W).  The texture of an image is
    its root mean square response to each filter, in each channel, at scales 1 and 2.  Only filters that lie
    within the region count; an image without any counts as 0.  The regions have no gradient.
    """
    covered = at.gt(alpha, np.asarray(0.5, alpha.dtype)).astype(alpha.dtype)
    garment = garment_of(y_j)
    total, (_, height, width) = 0, shape
    for octave in range(OCTAVES):
        if octave:
            x_ij, y_j = (downsample(image, (3, height, width)) for image in (x_ij, y_j))
            covered, garment = (downsample(mask, (1, height, width)) for mask in (covered, garment))
            height, width = height // 2, width // 2
        places = [inside(mask, (1, height, width)) for mask in (covered, garment)]
        made, given = (texture(image, place, (3, height, width)) for image, place in zip((x_ij, y_j), places))
        known = at.gt(places[0].sum(axis=(1, 2, 3)) * places[1].sum(axis=(1, 2, 3)), 0)
        total = total + (known.astype(x_ij.dtype) * absolute(made - given).mean(axis=(1, 2))).mean()
    return total / OCTAVES


def garment_of(y: Variable) -> Variable:
    """[N, 1, H, W]: 1 where an article [N, 3, H, W] is not as white as its ground, else 0."""
    least = at.minimum(at.minimum(y[:, 0], y[:, 1]), y[:, 2])
    level = np.asarray(WHITE / 127.5 - 1, y.dtype)
    return at.lt(least, level).astype(y.dtype).dimshuffle(0, "x", 1, 2)


def inside(mask: Variable, shape: Shape) -> Variable:
    """[N, 1, H - 6, W - 6]: 1 for a filter that lies within a mask [N, 1, H, W], else 0."""
    box = np.full((1, 1, SIDE, SIDE), 1 / SIDE**2)
    return at.ge(filter_images(mask, box, shape), np.asarray(0.999, mask.dtype)).astype(mask.dtype)


def texture(image: Variable, place: Variable, shape: Shape) -> Variable:
    """Root mean square responses [N, 3, orientation] of image [N, 3, H, W] at places of `inside`."""
    channels, height, width = shape
    bank = gabor_filters().reshape(-1, 1, SIDE, SIDE)
    planes = image.reshape((-1, 1, height, width))
    responses = filter_images(planes, bank, (1, height, width))
    size = height - SIDE + 1, width - SIDE + 1
    energies = at.square(responses).reshape((-1, channels, ORIENTATIONS, 2, *size)).sum(axis=3)
    count = at.maximum(place.sum(axis=(1, 2, 3)), np.asarray(1, image.dtype)).dimshuffle(0, "x", "x")
    means = (energies * place.dimshuffle(0, "x", "x", 2, 3)).sum(axis=(3, 4)) / count
    return at.sqrt(means + np.asarray(FLOOR, image.dtype))


# --- a moving average of G's weights


def start_average(G: Generator, config: Config, backend: Backend) -> Generator:
    """A generator for the moving average of G's weights, initialized with G's weights."""
    average = build_networks(config, dtype=G.params["encoder1.W"].dtype).G
    for name, variable in average.params.items():
        variable.set_value(np.array(G.params[name].get_value()))
        backend.resident(variable)
    return average


def add_average(updates: Updates, adam: Adam, average: Generator | None, config: Config) -> Updates:
    """Adam's updates of G, extended by those of the moving average, if any.

    a_t = d a + (1 - d) theta_t with d = min(config.average, t / (t + 9)): early on, the average spans
    about the last tenth of the updates, so that it soon forgets the initial weights.
    """
    if average is None:
        return updates
    t = updates[adam.moments["t"]]
    one, nine, most = (np.asarray(number, t.dtype) for number in (1, 9, config.average))
    decay = at.minimum(most, t / (t + nine))
    moved = {a: decay * a + (one - decay) * updates[adam.params[name]] for name, a in average.params.items()}
    return updates | moved
