"""Equations 1 and 2 against numpy in float64, under every option."""

import numpy as np
import pytest
from network_toys import evaluate, random_images, small_config

from cagan_theano.compat import aesara
from cagan_theano.method import losses
from cagan_theano.network import layers


def logits(seed=0):
    """D's logits of 2 pictures over a 3x4 field."""
    return 3 * random_images(2, 1, 3, 4, seed=seed)


def log_d(z):
    """log D, the plain way, in float64."""
    return np.log(1 / (1 + np.exp(-z.astype(np.float64))))


def loop_over_field(values, field):
    """The average over pictures of the sum, or mean, over lambda and mu: Eq. 2, by loops."""
    total = 0.0
    for picture in values:
        patches = [picture[0, r, c] for r in range(3) for c in range(4)]
        total += sum(patches) / (len(patches) if field == "mean" else 1)
    return total / len(values)


@pytest.mark.parametrize("field", ["mean", "sum"])
@pytest.mark.parametrize("adversarial", ["standard", "literal"])
def test_adversarial_losses_of_D_and_G(field, adversarial):
    config = small_config(field=field, adversarial=adversarial)
    real, fake, mismatch = (logits(n) for n in range(3))

    def graph(real, fake, mismatch):
        terms = losses.discriminator_loss(real, fake, mismatch, config)
        return [*terms, losses.adversarial_loss(fake, config)]

    def negative(z):
        return 1 - log_d(z) if adversarial == "literal" else log_d(-z)

    of_G = (1 if adversarial == "literal" else 0) - log_d(fake)
    expected = [-log_d(real), -negative(fake), -negative(mismatch), of_G]
    found = evaluate(graph, real, fake, mismatch)
    np.testing.assert_allclose(found, [loop_over_field(v, field) for v in expected], rtol=1e-5)


def test_extreme_logits_keep_loss_and_gradient_finite():
    z = np.array([[[[-200.0, -100, 0], [1, 100, 200]]]], np.float32)
    config = small_config()

    def graph(z):
        loss = losses.adversarial_loss(z, config)
        return [loss, aesara.grad(loss, z)]

    loss, gradient = evaluate(graph, z)
    assert loss == pytest.approx((200 + 100 + np.log(2) + np.log1p(np.exp(-1))) / 6, rel=1e-5)
    np.testing.assert_allclose(6 * gradient[0, 0, 0, :2], -1)  # D is sure: G's pull is whole


def test_identity_loss_is_the_mean_of_alpha_or_its_total_variation():
    alpha = np.abs(random_images(2, 1, 5, 4))
    found = [evaluate(lambda a, n=norm: losses.identity_loss(a, small_config(alpha_norm=n)), alpha)
             for norm in ("l1", "tv")]  # fmt: skip
    down = [abs(p[0, r + 1, c] - p[0, r, c]) for p in alpha for r in range(4) for c in range(4)]
    right = [abs(p[0, r, c + 1] - p[0, r, c]) for p in alpha for r in range(5) for c in range(3)]
    expected = sum(alpha.ravel().tolist()) / alpha.size, np.mean(down) + np.mean(right)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("norm, power", [("l1", 1), ("l2", 2)])
def test_cycle_loss(norm, power):
    x, back = random_images(2, 3, 4, 4), random_images(2, 3, 4, 4, seed=1)
    loss = evaluate(lambda a, b: losses.cycle_loss(a, b, small_config(cycle_norm=norm)), x, back)
    differences = [abs(a - b) ** power for a, b in zip(x.ravel(), back.ravel())]
    assert loss == pytest.approx(float(np.mean(differences)), rel=1e-5)


def test_absolute_value_has_gradient_0_at_0():
    x = np.array([-2, 0, 3], np.float32)
    y, g = evaluate(lambda x: [layers.absolute(x), aesara.grad(layers.absolute(x).sum(), x)], x)
    assert y.tolist() == [2, 0, 3] and g.tolist() == [-1, 0, 1]
