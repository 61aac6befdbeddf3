"""The PyTorch twin against Aesara: from one set of weights the same numbers, in both precisions."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra: witness)")

from network_toys import random_images, small_config  # noqa: E402

from cagan_theano.batches import Batch  # noqa: E402
from cagan_theano.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from cagan_theano.compat import aesara  # noqa: E402
from cagan_theano.functions import build_networks, losses_of_D, losses_of_G  # noqa: E402
from cagan_theano.training import values_of  # noqa: E402
from replicate import pytorch_network as twin  # noqa: E402

at = aesara.tensor
# Aesara's own numpy, without rewrites: independent of JAX, exact in float64, compiled at once
PLAIN = aesara.compile.mode.Mode(linker="py", optimizer=None)
READINGS = [
    dict(),
    dict(g_kernel=5, d_kernel=5, copies_mode="append", activation="leaky", norm_affine=False),
    dict(g_kernel=4, copies_g="y_j", copies_d=False, adversarial="literal", field="sum",
         alpha_norm="tv", cycle_norm="l2", mask="prior", adam="theano"),
    dict(copies_g="none", mask="overwrite", mismatch="apart"),
]  # fmt: skip
NAMES = ["default", "append-leaky", "literal-prior", "overwrite"]


def toy(changes):
    """A configuration whose weights are large enough for every path to matter."""
    return small_config(**{"init_std": 0.2, "learning_rate": 1e-3, **changes})


def arrays_of(config, dtype):
    """x_i, y_i, y_j, y_k and, where the configuration wants one, m_i."""
    images = [random_images(2, 3, 32, 32, seed=n).astype(dtype) for n in range(4)]
    if config.mismatch == "same":
        images[3] = images[2]
    mask = (random_images(2, 1, 32, 32, seed=9).astype(dtype) + 1) / 2
    return [*images, None if config.mask == "none" else mask]


class Ours:
    """Aesara's side of a comparison: one function for all numbers, one that updates."""

    def __init__(self, config, dtype):
        from cagan_theano.adam import Adam

        self.networks = build_networks(config, 0, dtype)
        self.arrays = arrays_of(config, dtype)
        inputs = [None if a is None else at.TensorType(dtype, a.shape)() for a in self.arrays]
        given = [i for i in inputs if i is not None]
        batch = Batch(*inputs)
        terms = {"D": losses_of_D(self.networks, batch, config),
                 "G": losses_of_G(self.networks, batch, config)}  # fmt: skip
        swap = self.networks.G(*inputs[:3], inputs[4])
        self.names = [name for losses in terms.values() for name in losses]
        values = [value for losses in terms.values() for value in losses.values()]
        gradients = [aesara.grad(terms[n][f"loss_{n}"], list(net.params.values()),
                                 disconnected_inputs="ignore")
                     for n, net in self.networks._asdict().items()]  # fmt: skip
        compile = dict(inputs=given, mode=PLAIN, on_unused_input="ignore")
        self.look = aesara.function(
            outputs=[*swap, self.networks.D(*inputs[:2]), *values, *sum(gradients, [])], **compile)
        self.move = [aesara.function(outputs=[], updates=Adam(net.params, config).updates(
            terms[n][f"loss_{n}"]), **compile) for n, net in
            reversed(self.networks._asdict().items())]  # fmt: skip
        self.given = [a for a in self.arrays if a is not None]

    def numbers(self):
        """Every value by name: G, D, losses, gradients."""
        names = ["alpha", "x_tilde_ij", "x_ij", "logits", *self.names]
        names += [f"d {n}/{p}" for n, net in self.networks._asdict().items() for p in net.params]
        return dict(zip(names, map(np.asarray, self.look(*self.given))))

    def step(self):
        for update in self.move:
            update(*self.given)


class Theirs:
    """PyTorch's side, from the same weights."""

    def __init__(self, config, dtype, ours, **settings):
        self.config = config
        self.networks = twin.build_networks(config)
        for name, network in self.networks._asdict().items():
            network.to(getattr(torch, dtype))
            twin.set_weights(network, values_of(getattr(ours.networks, name).params))
        self.trainer = twin.Trainer(self.networks, dtype=getattr(torch, dtype), **settings)
        self.arrays = [None if a is None else torch.tensor(a) for a in ours.arrays]

    def numbers(self):
        """As `Ours.numbers`."""
        (G, D), (x_i, y_i, y_j, y_k, m_i) = self.networks, self.arrays
        generated = G(x_i, y_i, y_j, m_i)
        found = dict(generated._asdict(), logits=D(x_i, y_i))
        terms_D = twin.discriminator_terms(D, x_i, generated.x_ij.detach(), y_i, y_j, y_k)
        terms_G = twin.generator_terms(G, D, generated, x_i, y_i, y_j, m_i)
        losses = {"D": sum(terms_D), "G": twin.loss_of_G(terms_G, self.config)}
        found |= dict(zip(("adv_D_real", "adv_D_fake", "adv_D_mismatch"), terms_D))
        found |= dict(zip(("adv_G", "L_id", "L_cyc"), terms_G))
        for name, network in self.networks._asdict().items():
            found[f"loss_{name}"] = losses[name]
            parameters = dict(network.named_parameters())
            gradients = torch.autograd.grad(losses[name], list(parameters.values()),
                                            retain_graph=True)
            found |= {f"d {name}/{n}": g for n, g in zip(parameters, gradients)}
        return {name: value.detach().numpy() for name, value in found.items()}

    def step(self):
        return self.trainer.step(*self.arrays)


def agree(found, expected, tolerance):
    """Equal to a part of each array's largest value."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        scale = np.abs(value).max() + 1e-6
        np.testing.assert_allclose(found[name], value, rtol=0, atol=tolerance * scale, err_msg=name)


@pytest.mark.parametrize("changes", READINGS, ids=NAMES)
def test_same_numbers_and_same_updates_in_float64(changes):
    config = toy(changes)
    ours = Ours(config, "float64")
    theirs = Theirs(config, "float64", ours)
    agree(theirs.numbers(), ours.numbers(), 1e-9)
    for _ in range(3):
        ours.step()
        theirs.step()
    for name, network in ours.networks._asdict().items():
        found = twin.weights_of(getattr(theirs.networks, name))
        agree(found, values_of(network.params), 1e-9)


def test_same_numbers_in_float32_and_in_channels_last():
    config = toy({})
    ours = Ours(config, "float32")
    for settings in ({}, {"channels_last": True}):
        theirs = Theirs(config, "float32", ours, **settings)
        agree(theirs.numbers(), ours.numbers(), 1e-4)
    before = values_of(ours.networks.G.params)
    ours.step()
    theirs.step()
    after, found = values_of(ours.networks.G.params), twin.weights_of(theirs.networks.G)
    steps = {name: after[name] - before[name] for name in before}
    for name, step in steps.items():  # Adam's first step is a sign where a gradient is not tiny
        apart = np.abs(found[name] - before[name] - step) > 1e-4 * config.learning_rate
        assert apart.mean() < 0.02, name


def test_step_is_update_D_then_update_G():
    config, results = toy({}), []
    for joined in (True, False):
        trainer = twin.Trainer(twin.build_networks(config, 3), dtype=torch.float64)
        arrays = [torch.tensor(a) for a in arrays_of(config, "float64")[:3]]
        for _ in range(2):
            if joined:
                trainer.step(*arrays)
            else:
                trainer.update_D(*arrays)
                trainer.update_G(*arrays)
        results.append({**twin.weights_of(trainer.G), **twin.weights_of(trainer.D)})
    agree(results[1], results[0], 1e-12)


def test_weights_to_and_from_a_checkpoint(tmp_path):
    first = twin.build_networks(toy({}), 5)
    save_checkpoint(tmp_path / "a.h5", twin.checkpoint_of(first, step=3))
    second = twin.load(tmp_path / "a.h5")
    assert load_checkpoint(tmp_path / "a.h5").step == 3
    for one, other in zip(first, second):
        a, b = twin.weights_of(one), twin.weights_of(other)
        assert a.keys() == b.keys() and all(np.array_equal(a[n], b[n]) for n in a)
    wrong = {**twin.weights_of(first.G), "output.b": np.zeros(5)}
    with pytest.raises(ValueError, match="parameter output.b does not fit"):
        twin.set_weights(first.G, wrong)


def test_images_are_those_of_the_graph_without_a_copy():
    pixels = torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8).expand(2, 4, 5, 3).contiguous()
    made = twin.images(pixels, torch.zeros(1))
    assert made.shape == (2, 3, 4, 5) and made.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(made[0, :, 0, 0], [-1, -0.6, 1], atol=1e-6)
