"""Training on true swaps, ours beyond the paper: terms, sampling, averages, resumes, errors."""

import dataclasses
import hashlib
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import assert_same
from figure_toys import write_photos
from network_toys import at, evaluate, loop_adam, points, pool, random_images, small_config, verify
from test_updates import run_adam

from cagan_theano.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cagan_theano.compat import abstract_conv, aesara
from cagan_theano.config import Config
from cagan_theano.interop import golden
from cagan_theano.method import minibatch, ours
from cagan_theano.method.adam import left
from cagan_theano.method.losses import losses_of_G
from cagan_theano.method.minibatch import Batch
from cagan_theano.method.updates import compile_functions
from cagan_theano.network.networks import build_networks, values_of
from cagan_theano.training import command
from cagan_theano.training.data import read_photos
from cagan_theano.training.engine import Engine
from cagan_theano.training.sampler import Sampler
from data_prep.store import PhotoFile

TRUTH = dict(gamma_adv=0.0, gamma_c=0.0, gamma_truth=10.0, gamma_region=1.0, gamma_detail=5.0)
ALL = dict(gamma_truth=10.0, gamma_region=1.0, gamma_detail=5.0, average=0.9, steps=6,
           learning_rate_decay=0.5, augmentation="mirror+crop+tone", mismatch="apart",
           mask="prior")  # fmt: skip
GARMENTS = np.arange(24) // 2


def loop_detail(e):
    """The mean over three octaves of both mean absolute differences of an error, by loops."""
    total = 0
    for octave in range(3):
        e = pool(e) if octave else e.astype(np.float64)
        height, width = e.shape[2:]
        down = [abs(p[r + 1, c] - p[r, c]) for q in e for p in q
                for r in range(height - 1) for c in range(width)]  # fmt: skip
        right = [abs(p[r, c + 1] - p[r, c]) for q in e for p in q
                 for r in range(height) for c in range(width - 1)]  # fmt: skip
        total += np.mean(down) + np.mean(right)
    return total / 3


def test_region_is_the_cross_entropy_and_stays_finite():
    logit, region = 3 * random_images(2, 1, 4, 5), (random_images(2, 1, 4, 5, seed=1) > 0) * 1.0
    alpha = 1 / (1 + np.exp(-logit.astype(np.float64)))
    expected = -np.mean(region * np.log(alpha) + (1 - region) * np.log(1 - alpha))
    region = region.astype("f4")
    assert evaluate(ours.region_loss, logit, region) == pytest.approx(expected, rel=1e-5)
    sure = np.float32([[[[-300, 300]]]])
    assert evaluate(ours.region_loss, sure, np.float32([[[[1, 0]]]])) == pytest.approx(300)


def test_gradients_of_the_terms():
    x_ij, truth = points((2, 3, 8, 8), (2, 3, 8, 8))
    verify(lambda x: ours.truth_loss(x, truth), x_ij)
    verify(lambda x: ours.detail_loss(x, truth, (3, 8, 8)), x_ij)
    verify(lambda z: ours.region_loss(z, (truth[:, :1] > 0) * 1.0), x_ij[:, :1])


def test_terms_of_true_swaps_are_the_loops_of_x_ij(jax_backend):
    config = small_config(gamma_truth=1.0, gamma_detail=1.0, gamma_adv=0.0, gamma_c=0.0, width=48)
    networks = build_networks(config)
    images = [random_images(2, 3, 32, 48, seed=seed) for seed in range(4)]

    def terms(x_i, y_i, y_j, truth):
        found = losses_of_G(networks, Batch(x_i, y_i, y_j, y_j, None, truth), config)
        return [found["L_truth"], found["L_detail"], networks.G(x_i, y_i, y_j).x_ij]

    L_truth, L_detail, x_ij = evaluate(terms, *images, mode=jax_backend.mode)
    error = x_ij.astype(np.float64) - images[3]
    assert L_truth == pytest.approx(np.abs(error).mean(), rel=1e-5)
    assert L_detail == pytest.approx(loop_detail(error), rel=1e-5)


def triples(m=6):
    """Triples of rows of GARMENTS."""
    i = np.arange(m, dtype=np.int32)
    return SimpleNamespace(i=i, j=i + 2, x_ij=np.zeros(m))


def test_each_triple_serves_both_ways():
    sampler = Sampler(small_config(batch_size=12, gamma_truth=1.0), GARMENTS, triples())
    draw, n = sampler.draw(), len(GARMENTS)
    seen = {(i, j, p, t) for i, j, p, t in zip(draw.i, draw.j, draw.person, draw.truth)}
    there = {(m, m + 2, m, n + m) for m in range(6)}
    assert seen == there | {(m + 2, m, n + m, m) for m in range(6)}
    assert np.array_equal(draw.j, draw.k) and draw.tone_x is None
    assert {a.dtype.name for a in draw.used()} == {"int32"}


STREAMS = {  # of 20 minibatches, before there were options of ours
    "5506b58d65eb682c": {},
    "26f1b753d4431968": dict(augmentation="mirror"),
    "c13ed087c2129cd2": dict(augmentation="mirror+crop"),
    "d9fa32411cfed95a": dict(augmentation="crop", mismatch="apart"),
}


@pytest.mark.parametrize("digest", STREAMS)
def test_disabled_options_consume_no_random_numbers(digest):
    config = small_config(batch_size=6, seed=3, **STREAMS[digest])
    sampler, found = Sampler(config, GARMENTS, triples()), hashlib.sha256()
    for _ in range(20):
        draw = sampler.draw()
        assert draw[6:] == (None,) * 5
        found.update(b"".join(a.tobytes() for a in draw[:6]))
    assert found.hexdigest()[:16] == digest


def test_tone_is_drawn_for_each_sample_and_within_its_range():
    sampler = Sampler(small_config(batch_size=6, augmentation="tone"), GARMENTS)
    draws = [sampler.draw() for _ in range(50)]
    tones = np.concatenate([[d.tone_x, d.tone_y] for d in draws], axis=1)
    assert tones.dtype == np.float32 and len(np.unique(tones[0, :, 3])) == 300
    change = np.concatenate([np.log(tones[..., :4]), tones[..., 4:]], axis=-1)
    reach = np.abs(change).max(axis=(0, 1))
    assert (reach <= minibatch.TONES * (1 + 1e-5)).all() and (reach > 0.9 * minibatch.TONES).all()
    assert (tones[0] != tones[1]).all()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A photo file of 12 + 4 pairs with 8 true swaps to train on."""
    return write_photos(tmp_path_factory.mktemp("truth") / "true.h5", tests=4, pairs=12, swaps=8)


def photos_of(data, config):
    with PhotoFile(data) as file:
        return read_photos(file.split("train"), config)


def configured(**changes):
    return small_config(init_std=0.1, learning_rate=1e-3, batch_size=4, **changes)


def test_the_data_in_memory_are_photos_and_then_true_swaps(data):
    config = configured(**TRUTH)
    photos = photos_of(data, config)
    with PhotoFile(data) as file:
        kept = file.split("train")
        for name, more in (("x", kept.triples.x_ij), ("mask", kept.triples.mask)):
            whole = np.concatenate([getattr(kept, name).load(), more.load()])
            np.testing.assert_array_equal(getattr(photos, name), whole)
    assert photos.x.dtype == np.uint8 and len(photos.y) == 12


def loss_graph(**changes):
    """G's loss on symbolic pictures, and the networks."""
    config = small_config(**changes)
    networks = build_networks(config)
    image = at.TensorType("float32", (2, 3, 32, 32))
    plane = at.TensorType("float32", (2, 1, 32, 32))
    batch = Batch(*(image() for _ in range(4)), None, image(), plane())
    return losses_of_G(networks, batch, config)["loss_G"], networks


def convolutions(loss) -> int:
    """Convolutions and deconvolutions of a graph."""
    kinds = abstract_conv.AbstractConv2d, abstract_conv.AbstractConv2d_gradInputs
    applied = aesara.graph.basic.applys_between([], [loss])
    return sum(isinstance(node.op, kinds) for node in applied)


def test_weights_of_0_leave_their_networks_out_of_the_graph():
    counts = [convolutions(loss_graph(**changes)[0]) for changes in (
        {}, dict(gamma_c=0.0), dict(gamma_adv=0.0, gamma_c=0.0, gamma_truth=1.0))]  # fmt: skip
    assert counts == [8 + 8 + 5, 8 + 5, 8]  # G has 8 layers, D 4 and its head
    loss, networks = loss_graph(**TRUTH)
    inputs = set(aesara.graph.basic.graph_inputs([loss]))
    assert set(networks.G.params.values()) <= inputs
    assert not inputs & set(networks.D.params.values())


@pytest.fixture(scope="module")
def only_trainer(data, jax_backend):
    """A trainer on true swaps alone, with moving averages, and its first state."""
    config = configured(**TRUTH, average=0.9, learning_rate_decay=0.5, steps=80)
    trainer = Engine(config, photos_of(data, config), jax_backend)
    return trainer, trainer.state()


@pytest.fixture
def trainer(only_trainer):
    """The trainer as it was new."""
    trainer, first = only_trainer
    trainer.restore(Checkpoint(trainer.config, **first))
    return trainer


def test_without_the_adversarial_term_D_is_left_alone(trainer):
    before = trainer.state()
    told = [trainer.advance() for _ in range(2)]
    after = trainer.state()
    assert list(told[0]) == ["loss_G", "L_id", "L_truth", "L_region", "L_detail"]
    total = sum(w * told[0][name] for name, w in dict(L_id=0.1, L_truth=10, L_region=1, L_detail=5).items())
    assert told[0]["loss_G"] == pytest.approx(total, rel=1e-5)
    assert trainer.functions.update_D is None
    assert trainer.functions.update is trainer.functions.update_G
    assert all((before["D"][name] == value).all() for name, value in after["D"].items())
    assert all((before["G"][name] != value).any() for name, value in after["G"].items())
    assert not [name for name in after["optimizer"] if name.startswith("D/")]


def test_the_averages_begin_at_the_loaded_weights_and_are_those_of_numpy(trainer):
    first = trainer.state()
    loaded = {name: value + np.float32(0.1) for name, value in first["G"].items()}
    trainer.load(loaded, first["D"])
    for name, value in values_of(trainer.G.params).items():
        np.testing.assert_array_equal(value, loaded[name])
    expected = {name: value.astype(float) for name, value in loaded.items()}
    for t in range(1, 5):
        trainer.advance()
        d = min(0.9, t / (t + 9))
        for name, value in trainer.state()["G"].items():
            expected[name] = d * expected[name] + (1 - d) * value
    found = values_of(trainer.G.params)
    assert trainer.G is trainer.functions.average
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-7, err_msg=name)
        assert (found[name] != trainer.state()["G"][name]).any()


@pytest.mark.slow
def test_resumes_with_all_options_are_the_same_to_the_bit(data, jax_backend, tmp_path):
    config = configured(**ALL)
    trainer = Engine(config, photos_of(data, config), jax_backend)
    for _ in range(3):
        trainer.advance()
    save_checkpoint(tmp_path / "middle.h5", Checkpoint(config, **trainer.state()))
    told, last = [trainer.advance() for _ in range(3)], trainer.state()
    trainer.restore(load_checkpoint(tmp_path / "middle.h5"))
    assert [trainer.advance() for _ in range(3)] == told
    assert_same(trainer.state(), last)
    assert any(name.startswith("average/") for name in last["optimizer"])


def test_the_step_size_falls_in_a_line():
    rates = evaluate(lambda t: left(t, 10.0, 4.0), np.arange(1, 13, dtype=np.float64))
    np.testing.assert_allclose(rates, [1] * 7 + [0.75, 0.5, 0.25, 0, 0])


@pytest.mark.parametrize("schedule, steps, last", [("both", 6, 6), ("alternate", 6, 3), ("alternate", 5, 3)])
def test_adam_with_a_falling_step_size_is_the_loop(schedule, steps, last):
    config = small_config(learning_rate_decay=1.0, steps=steps, schedule=schedule)
    gradients = np.random.default_rng(0).normal(size=(last, 3))
    theta, _ = run_adam(config, gradients)
    expected = np.zeros(3)
    for t in range(1, last + 1):
        steps = [np.subtract(*(loop_adam(0.0, column[:n], config)[0] for n in (t, t - 1)))
                 for column in gradients.T]  # fmt: skip
        expected += (last + 1 - t) / last * np.array(steps)
    np.testing.assert_allclose(theta, expected, rtol=1e-10)


@pytest.mark.parametrize("changes, message", [
    (dict(swaps=0), "true.h5: contains no true swaps to train on, which gamma_truth needs; render"),
    (dict(swaps=1), "true.h5: 1 true swaps, used in both directions, are fewer than a batch of 4; render"),
    (dict(swaps=8, masks=False), "true.h5: has no masks, which --gamma-region needs; use"),
])  # fmt: skip
def test_unsuitable_data_is_refused(tmp_path, changes, message):
    path = write_photos(tmp_path / "true.h5", tests=4, pairs=12, **changes)
    region = "1" if "masks" in changes else "0"
    words = ["--data", path, "--run", tmp_path / "run", "--gamma-truth", "1", "--gamma-region",
             region, "--batch-size", "4", "--device", "cpu"]  # fmt: skip
    with pytest.raises(ValueError) as caught:
        CliRunner().invoke(command.train, list(map(str, words)), catch_exceptions=False)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_library_user_s_photos_without_true_swaps_are_refused(tiny_photos, jax_backend):
    for photos in (tiny_photos, dataclasses.replace(tiny_photos, triples=None)):
        with pytest.raises(ValueError, match="contains no true swaps"):
            Engine(small_config(gamma_detail=1.0), photos, jax_backend)
    config = small_config(gamma_region=1.0)
    with pytest.raises(ValueError, match="gamma_region needs masks"):
        compile_functions(build_networks(config), SimpleNamespace(mask=None), config, jax_backend)


def test_our_options_are_off_by_default_and_listed():
    assert Config().ours() == [] and Config(g_kernel=3, gamma_c=0.0).ours() == []
    assert set(Config(**ALL).ours()) == set(ALL) - {"mismatch", "mask", "steps"}
    assert Config(**ALL).without_ours().ours() == []
    section_4 = Config(article_code=64, gamma_texture=1.0, texture_input=True)
    assert set(section_4.ours()) == {"article_code", "gamma_texture", "texture_input"}
    assert set(section_4.without_ours().ours()) == {"article_code", "texture_input"}
    shown = CliRunner().invoke(command.train, ["--help"]).output
    section = shown[shown.index("Ours, not the paper's:") :]
    for name in ("average", "gamma_adv", "gamma_truth", "texture_input", "learning_rate_decay"):
        flag = f"--{name.replace('_', '-')} "
        assert flag in section and flag not in shown[: -len(section)]
    assert "--gamma-i " in shown[: -len(section)]
    with pytest.raises(ValueError, match="gamma_truth is ours"):
        golden.parse_config('{"gamma_truth": 1}')
