"""What is written in C++ against plain loops and float64, and a training by it against XLA's own."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from network_toys import loop_adam, random_images, small_config
from numpy_cagan import correlate, kernel_gradient, spread

jax = pytest.importorskip("jax")
from cagan_theano.backends import lowering, native  # noqa: E402

# taps, n, sides of y, channels of x and of y; tiles are 4x4, vectors hold up to 16 channels, blocks up to
# 64.  native_driver.cc, too, compares every way with each number of taps.
SHAPES = pytest.mark.parametrize("taps, sizes", [
    (3, (1, 1, 2, 33, 130)), (4, (2, 8, 4, 16, 64)), (5, (2, 3, 5, 7, 9)),  # few tiles: matrix products
    (5, (3, 5, 7, 7, 9)), (4, (2, 9, 14, 4, 70)), (3, (3, 8, 9, 15, 6)),  # few channels of x: phases
    (5, (13, 9, 6, 20, 70)),  # parts of tiles, several tasks of 48 tiles, two blocks of channels
    (4, (5, 6, 5, 150, 140)),  # many channels: by blocks of them
    (3, (24, 18, 19, 19, 68)),  # more tiles than a weight gradient sums at once
])  # fmt: skip


@pytest.fixture(autouse=True)
def a_compiler():
    if not native.registered():
        pytest.skip("no C++ compiler")


def random_operands(n, height, width, inner, outer, taps):
    """x [N, C, 2h, 2w], kernels [K, C, k, k], gradients [N, K, h, w] and the zeros around."""
    x, dy = random_images(n, inner, 2 * height, 2 * width), random_images(n, outer, height, width)
    return x, random_images(outer, inner, taps, taps, seed=1), dy, (taps - 1) // 2


def assert_near(found, expected, what=""):
    """To 1e-5 of the largest value: F(4x4, 3x3) in float32 loses two digits of seven."""
    found, largest = np.asarray(found), np.abs(expected).max()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=2e-5 * largest, rtol=0, err_msg=what)


@SHAPES
def test_every_implementation_is_the_plain_loop(taps, sizes):
    n, height, width, *_ = sizes
    x, W, dy, pad = random_operands(*sizes, taps)
    calls = {
        "convolve": ((x, W), correlate(x, W, 2, pad)[:, :, :height, :width]),
        "deconvolve": ((dy, W), spread(dy, W, 2, pad, (2 * height, 2 * width))),
        "weight_gradient": ((x, dy, taps), kernel_gradient(x, dy, 2, pad, taps)),
    }
    for name, (operands, expected) in calls.items():
        for way in ("", *native.WAYS[name]):
            assert_near(getattr(native, name)(*operands, way=way), expected, f"{name} {way}")


@pytest.mark.both_environments
@pytest.mark.parametrize("sizes", [(1, 2, 2, 9, 58), (2, 9, 14, 4, 70), (13, 9, 6, 20, 70)])
def test_chosen_implementation(sizes):
    """The library computes in the way that it names, to the bit; there are no other ways."""
    x, W, dy, _ = random_operands(*sizes, 5)
    for name, *arrays in (("convolve", x, W), ("deconvolve", dy, W), ("weight_gradient", x, dy, 5)):
        way, operation = native.way_taken(name, *sizes, 5), getattr(native, name)
        assert way in native.WAYS[name]
        assert np.array_equal(operation(*arrays), operation(*arrays, way=way))
        with pytest.raises(Exception, match="there is no such way"):
            jax.block_until_ready(operation(*arrays, way="none"))


def test_the_number_of_threads_changes_no_bit():
    """It decides between these two."""
    x, W, dy, _ = random_operands(5, 6, 5, 150, 140, 5)
    assert np.array_equal(native.convolve(x, W, "blocks"), native.convolve(x, W, "tiles"))
    assert np.array_equal(native.deconvolve(dy, W, "blocks"), native.deconvolve(dy, W, "tiles"))


NORMS = pytest.mark.parametrize("shape, slope", [
    ((2, 3, 5, 7), 0.0), ((3, 70, 8, 6), 0.2), ((1, 2, 1, 1), 0.2), ((2, 2, 40, 30), 1.0)])  # fmt: skip


def norm(x, gain, shift, slope):
    """Instance norm and activation in float64, in Python's own words."""

    def plane(values, gain, shift):
        z = (values - values.mean()) / np.sqrt(values.var() + 1e-5) * gain + shift
        return np.where(z > 0, z, slope * z)

    return np.array([[plane(v, g, s) for v, g, s in zip(picture, gain, shift)] for picture in x])


BOTH = pytest.mark.parametrize("compiled", [True, False], ids=["C++", "XLA"])


@pytest.mark.both_environments
@NORMS
@BOTH
def test_normalize(shape, slope, compiled):
    x, gain, shift = random_images(*shape), *random_images(2, shape[1], seed=1)
    normalize = jax.jit(lowering.normalize, static_argnums=(3, 4, 5))
    y = normalize(x + 3, gain, shift, 1e-5, slope, compiled)
    assert_near(y, norm(x.astype(float) + 3, gain, shift, slope))


@NORMS
@BOTH
def test_normalize_gradient(shape, slope, compiled):
    """Against differences of the float64 norm, along a few directions."""
    x, dy = random_images(*shape), random_images(*shape, seed=2)
    gain, shift = random_images(2, shape[1], seed=1)
    gradient = jax.jit(lowering.normalize_gradient, static_argnums=(4, 5, 6))
    found = gradient(x, gain, shift, dy, 1e-5, slope, compiled)
    for seed in range(3):
        ways = [random_images(*v.shape, seed=10 + seed).astype(float) for v in (x, gain, shift)]
        ends = [norm(*(v + h * way for v, way in zip((x, gain, shift), ways)), slope)
                for h in (1e-7, -1e-7)]  # fmt: skip
        slopes = (ends[0] - ends[1]) / 2e-7
        along = sum((np.asarray(d, float) * way).sum() for d, way in zip(found, ways))
        np.testing.assert_allclose(along, (slopes * dy).sum(), rtol=1e-4, atol=1e-5 * np.abs(dy).sum())


def test_a_constant_plane_gives_the_shift_and_finite_gradients():
    x, ones = np.full((1, 1, 4, 4), 7, np.float32), np.ones(1, np.float32)
    y = native.normalize(x, ones, ones, 1e-5, 0.0)
    assert (np.asarray(y) == 1).all()
    gradients = native.normalize_gradient(x, ones, 0 * ones, x, 1e-5, 0.0)
    assert all(np.isfinite(g).all() for g in gradients)


@pytest.mark.both_environments
@pytest.mark.parametrize("shape, reading", [
    ((1,), "theano"), ((37,), "algorithm1"), ((3, 5, 7, 11), "theano"),
    ((2, 2**14 + 3), "algorithm1")])  # fmt: skip
def test_adam_is_the_loop_in_float64(shape, reading):
    """Three steps, the memory handed on from one to the next as a training does."""
    beta2 = float(np.float32(0.999))  # whose distance from 1 is 1e-5 of itself off
    config = small_config(adam=reading, learning_rate=2e-3, beta2=beta2)
    facts = config.learning_rate, config.beta1, beta2, config.epsilon, reading == "theano"
    step = jax.jit(lambda *arrays: native.descend(*arrays, *facts), donate_argnums=(0, 1, 2))
    start = theta = random_images(1, *shape)[0]
    m, v = np.zeros(shape, "f4"), np.zeros(shape, "f4")
    gradients = [random_images(1, *shape, seed=s)[0] * 10.0**-s for s in range(3)]
    for t, g in enumerate(gradients, 1):
        theta, m, v = step(theta, m, v, g.astype("f4"), np.float32(t))
        for found, expected in zip((theta, m, v), loop_adam(start, gradients[:t], config)):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


def test_the_step_size_falls_in_the_last_updates():
    arrays = [random_images(1, 37, seed=s)[0] for s in range(4)]
    arrays[2] = np.abs(arrays[2])
    facts = 2e-3, 0.5, 0.999, 1e-8, False
    for t, share in ((1, 1), (7, 1), (8, 0.75), (10, 0.25), (11, 0), (99, 0)):
        steps = [np.asarray(native.descend(*arrays, np.float32(t), *facts, *fall)[0]) - arrays[0]
                 for fall in ((), (10.0, 0.0), (10.0, 4.0))]  # fmt: skip
        assert np.array_equal(steps[0], steps[1])
        np.testing.assert_allclose(steps[2], share * steps[0], atol=1e-7)


def test_a_step_of_wrong_sizes_is_refused():
    a, b = np.zeros(3, "f4"), np.zeros(4, "f4")
    with pytest.raises(Exception, match="no parameter with its moments"):
        jax.block_until_ready(native.descend(a, a, a, b, np.float32(1), 1e-3, 0.5, 0.9, 1e-8, False))


def test_lowering_uses_the_kernels_where_they_are_faster(monkeypatch):
    taps = 4
    x, W, dy, pad = random_operands(10, 8, 8, 16, 16, taps)
    calls = []
    monkeypatch.setattr(
        native, "call", lambda name, shapes, *a, way: calls.append(name) or [np.zeros(shapes[0])]
    )
    lowering.convolve(x, W, 2, pad, compiled=True)
    lowering.deconvolve(dy, W, 2, pad, x.shape[2:], compiled=True)
    lowering.weight_gradient(x, dy, 2, pad, taps, compiled=True)
    assert calls == ["convolve", "deconvolve", "weight_gradient"]


def test_slower_shapes_are_left_to_xla():
    usual = dict(inner=64, taps=5, stride=2, pad=2)
    for change in ({}, dict(stride=1), dict(pad=0), dict(inner=3), dict(taps=7, pad=3)):
        f = usual | change
        shape = 122, f["inner"], f["taps"], f["taps"]
        assert native.is_supported(shape, f["stride"], f["pad"]) == (not change)


def test_concurrent_calls_give_the_same_bits():
    """They share one region of scratch memory, of which each takes parts of its own sizes."""
    shapes = [(2, 8, 4, 16, 64), (3, 5, 7, 7, 9), (13, 9, 6, 20, 70), (5, 6, 5, 150, 140)]
    calls = [partial(jax.jit(native.convolve), *random_operands(*shape, 5)[:2]) for shape in shapes]
    alone = [np.asarray(call()).tobytes() for call in calls]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda n: np.asarray(calls[n % 4]()).tobytes(), range(80)))
    assert together == 20 * alone


# --- the library in the cache; a few lines of C++ stand in for ours


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A folder, with one function as all that is to be compiled; and what is said."""
    source = tmp_path / "toy.cc"
    source.write_text('extern "C" int seven() { return 7; }')
    monkeypatch.setattr(native, "SOURCES", [source])
    said = []
    monkeypatch.setattr(native.cache, "tell", said.append)
    folder = tmp_path / "cache"
    folder.mkdir(0o700)
    return folder, said


def only(folder):
    (path,) = folder.iterdir()
    return path


def test_only_a_cached_library_needs_no_compiler(toy, monkeypatch):
    folder, said = toy
    made = native.library(jax, folder)
    assert made.code.seven() == 7
    monkeypatch.setattr(native.shutil, "which", lambda name: None)
    found = native.library(jax, folder)
    assert found.code.seven() == 7 and found.kernels == made.kernels
    only(folder).unlink()
    assert native.library(jax, folder) is None and not said  # XLA is used


def test_other_sources_are_other_kernels(toy):
    made = native.library(jax, toy[0])
    native.SOURCES[0].write_text('extern "C" int seven() { return 8; }')
    other = native.library(jax, toy[0])
    assert other.code.seven() == 8 and other.kernels != made.kernels


@pytest.mark.parametrize("damage", [lambda data: data[:5000],
                                    lambda data: data[:-1] + bytes([data[-1] ^ 1])])  # fmt: skip
def test_a_damaged_library_is_compiled_again(damage, toy):
    native.library(jax, toy[0])
    path = only(toy[0])
    whole = path.read_bytes()
    path.unlink()  # the loaded library keeps its file, or the process would end with a bus error
    path.write_bytes(damage(whole))
    path.chmod(0o700)
    assert native.library(jax, toy[0]).code.seven() == 7
    assert only(toy[0]).read_bytes() == whole


@pytest.mark.parametrize("foreign", ["link", "mode", "pipe"])
def test_library_writable_by_others_is_not_loaded(foreign, toy, tmp_path, monkeypatch):
    native.library(jax, toy[0])
    path = only(toy[0])
    if foreign == "mode":
        path.chmod(0o775)
    elif foreign == "link":
        path.rename(tmp_path / "elsewhere.so")
        path.symlink_to(tmp_path / "elsewhere.so")
    else:
        path.unlink()
        os.mkfifo(path)
    monkeypatch.setattr(native.shutil, "which", lambda name: None)
    assert native.library(jax, toy[0]) is None


def test_a_compiler_that_fails_leaves_nothing_and_says_why(toy):
    native.SOURCES[0].write_text("no C++")
    assert native.library(jax, toy[0]) is None and not list(toy[0].iterdir())
    assert "were not compiled" in toy[1][0] and "error" in toy[1][0] and "\n" not in toy[1][0]


def test_without_a_cache_nothing_is_left_behind(monkeypatch, tmp_path, toy):
    monkeypatch.setattr(native.cache, "prepare", lambda folder: None)
    monkeypatch.setattr(native.tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    with native.workplace(jax) as folder:
        assert native.library(jax, folder).code.seven() == 7
    assert not list((tmp_path / "tmp").iterdir())
