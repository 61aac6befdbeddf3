"""Adam, minibatches and the compiled updates."""

import numpy as np
import pytest
from network_toys import at, loop_adam, small_config

from cagan_theano.compat import aesara
from cagan_theano.method.adam import Adam
from cagan_theano.method.updates import compile_functions
from cagan_theano.network.networks import build_networks
from cagan_theano.training.sampler import Sampler

GARMENTS = np.array([0, 0, 0, 1, 1, 2, 2, 2])


def run_adam(config, gradients, dtype="float64"):
    """Theta from 0 after a step along each gradient, and the optimizer."""
    theta = aesara.shared(np.zeros(gradients.shape[1], dtype), name="theta")
    adam, g = Adam({"theta": theta}, config), at.vector(dtype=dtype)
    step = aesara.function([g], [], updates=adam.updates((g * theta).sum()), mode="FAST_COMPILE")
    for row in gradients:
        step(row.astype(dtype))
    return theta.get_value(), adam


# at 1e-8 a gradient is as large as epsilon, and the place of epsilon shows
SCALES = np.array([1.0, 1e-4, 1e-8])


@pytest.mark.parametrize("reading", ["algorithm1", "theano"])
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-10), ("float32", 2e-4)])
def test_adam_is_the_loop(reading, dtype, tolerance):
    config = small_config(adam=reading)
    gradients = np.random.default_rng(0).normal(size=(5, 3)) * SCALES
    theta, adam = run_adam(config, gradients, dtype)
    expected = [loop_adam(0.0, column, config)[0] for column in gradients.T]
    np.testing.assert_allclose(theta, expected, rtol=tolerance)
    assert float(adam.moments["t"].get_value()) == 5


def test_weight_decay_pulls_kernels_and_nothing_else_to_0():
    config = small_config(weight_decay=0.1, learning_rate=0.01)
    params = {name: aesara.shared(np.ones(2), name=name) for name in ("a.W", "a.gain")}
    g = np.array([0.3, -0.05])
    updates = Adam(params, config).updates(sum((g * theta).sum() for theta in params.values()))
    step = aesara.function([], [], updates=updates, mode="FAST_COMPILE")
    theta = m = v = np.zeros(2)
    theta = theta + 1
    for t in range(1, 6):
        step()
        pulled = g + 0.1 * theta
        m, v = 0.5 * m + 0.5 * pulled, 0.999 * v + 0.001 * pulled**2
        theta = theta - 0.01 * (m / (1 - 0.5**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(params["a.W"].get_value(), theta, rtol=1e-10)
    without = [loop_adam(1.0, [number] * 5, config)[0] for number in g]
    np.testing.assert_allclose(params["a.gain"].get_value(), without, rtol=1e-10)


@pytest.mark.parametrize("mismatch", ["same", "apart"])
def test_j_and_k_have_other_garments(mismatch):
    sampler = Sampler(small_config(batch_size=6, mismatch=mismatch), GARMENTS)
    draws = [sampler.draw() for _ in range(200)]
    for draw in draws:
        assert (GARMENTS[draw.i] != GARMENTS[draw.j]).all() and (GARMENTS[draw.i] != GARMENTS[draw.k]).all()
        assert len(set(draw.i.tolist())) == 6
        assert not draw.mirror.any() and not draw.dy.any() and not draw.dx.any()
    assert all(np.array_equal(draw.j, draw.k) for draw in draws) == (mismatch == "same")


def test_restored_sampler_continues_identically():
    config = small_config(augmentation="mirror+crop")
    one, other = Sampler(config, GARMENTS), Sampler(config, GARMENTS)
    one.draw()
    other.restore(one.state())
    for _ in range(5):
        for a, b in zip(one.draw(), other.draw()):
            assert np.array_equal(a, b)
    with pytest.raises(ValueError, match="unreadable"):
        other.restore("{}")


def test_dropout_has_seeds_of_its_own_and_changes_no_other_draw():
    plain, dropped = (Sampler(small_config(dropout=d), GARMENTS) for d in (0, 0.5))
    one, other = plain.draw(), dropped.draw()
    assert all(np.array_equal(a, b) for a, b in zip(one[:6], other[:6]))
    assert other.seeds.dtype == np.uint32 and len(np.unique(other.seeds)) == 4 and one.seeds is None
    state = dropped.state()
    seeds = dropped.draw().seeds
    dropped.restore(state)
    assert np.array_equal(dropped.draw().seeds, seeds)


def test_too_few_photos_are_refused():
    with pytest.raises(ValueError, match="fewer than a batch"):
        Sampler(small_config(batch_size=16), GARMENTS)
    with pytest.raises(ValueError, match="one garment"):
        Sampler(small_config(), np.zeros(8))


def test_shifts_are_drawn_up_to_a_sixteenth_both_ways():
    config = small_config(augmentation="crop", batch_size=6, height=48, width=80)
    sampler = Sampler(config, GARMENTS)
    draws = [sampler.draw() for _ in range(60)]
    for shifts, reach in (([d.dy for d in draws], 3), ([d.dx for d in draws], 5)):
        assert set(np.ravel(shifts)) == set(range(-reach, reach + 1))


class Case:
    """Tiny networks and their compiled updates, which go back to their first values at will."""

    def __init__(self, photos, backend, **changes):
        self.config = small_config(init_std=0.1, learning_rate=1e-3, **changes)
        self.networks = build_networks(self.config, 0)
        self.functions = compile_functions(self.networks, photos, self.config, backend)
        self.sampler = Sampler(self.config, photos.garment[:])
        self.start = self.values()

    def variables(self):
        """Every parameter and moment by name."""
        for name, network in self.networks._asdict().items():
            yield from ((f"{name}/{n}", v) for n, v in network.params.items())
            moments = self.functions.optimizers[name].moments
            yield from ((f"{name}/moment/{n}", v) for n, v in moments.items())

    def values(self):
        return {name: np.array(v.get_value()) for name, v in self.variables()}

    def reset(self):
        for name, variable in self.variables():
            variable.set_value(self.start[name].copy())


@pytest.fixture(scope="module")
def case(tiny_photos, jax_backend):
    return Case(tiny_photos, jax_backend)


@pytest.mark.parametrize("mover, other", [("D", "G"), ("G", "D")])
def test_an_update_moves_all_of_its_network_and_none_of_the_other(case, mover, other):
    case.reset()
    getattr(case.functions, f"update_{mover}")(case.sampler.draw())
    for name, value in case.values().items():
        still = np.array_equal(value, case.start[name])
        assert still == name.startswith(f"{other}/"), name
        assert np.isfinite(value).all()


@pytest.mark.both_environments
def test_update_is_update_D_then_update_G(case):
    draws = [case.sampler.draw() for _ in range(2)]
    case.reset()
    apart = [{**case.functions.update_D(d), **case.functions.update_G(d)} for d in draws]
    expected = case.values()
    case.reset()
    joined = [case.functions.update(d) for d in draws]
    for name, value in case.values().items():
        # a step of Adam is about 1e-3, whatever the gradient: half a percent of it
        np.testing.assert_allclose(value, expected[name], atol=1e-5, rtol=1e-3, err_msg=name)
    for a, b in zip(apart, joined):
        assert a.keys() == b.keys()
        np.testing.assert_allclose(list(a.values()), list(b.values()), rtol=1e-4)
