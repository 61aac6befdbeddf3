"""What is written in C++ against plain loops and float64, and a training by it against XLA's own."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from network_toys import (
    loop_adam,
    loop_convolution,
    loop_deconvolution,
    loop_weight_gradient,
    random_images,
    small_config,
)

jax = pytest.importorskip("jax")
from cagan_theano.backends import lowering, native  # noqa: E402

pytestmark = pytest.mark.both_environments
CASES = pytest.mark.parametrize("taps", native.TAPS)
# n, sides of y, channels of x and of y; tiles are 4x4, vectors hold up to 16 channels, blocks up to 64
SHAPES = pytest.mark.parametrize("n, height, width, inner, outer", [
    (1, 1, 2, 33, 130), (2, 8, 4, 16, 64), (2, 3, 5, 7, 9),  # 1, 4 and 4 tiles: products of matrices
    (3, 5, 7, 7, 9), (2, 9, 14, 4, 70), (3, 8, 9, 15, 6),  # few channels of x: 1 to 4 vectors of phases
    (13, 9, 6, 20, 70),  # parts of tiles, several tasks of 48 tiles, two blocks of channels
    (5, 6, 5, 150, 140),  # many channels: by blocks of them
    (24, 18, 19, 19, 68),  # more tiles than a weight gradient sums at once
])  # fmt: skip


@pytest.fixture(autouse=True)
def a_compiler():
    if not native.available():
        pytest.skip("no C++ compiler")


def made(n, height, width, inner, outer, taps):
    """x [N, C, 2h, 2w], kernels [K, C, k, k], gradients [N, K, h, w] and the zeros around."""
    x, dy = random_images(n, inner, 2 * height, 2 * width), random_images(n, outer, height, width)
    return x, random_images(outer, inner, taps, taps, seed=1), dy, (taps - 1) // 2


def assert_near(found, expected, what=""):
    """To 1e-5 of the largest value: F(4x4, 3x3) in float32 loses two digits of seven."""
    found, largest = np.asarray(found), np.abs(expected).max()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=2e-5 * largest, rtol=0, err_msg=what)


@CASES
@SHAPES
def test_convolve(n, height, width, inner, outer, taps):
    x, W, _, pad = made(n, height, width, inner, outer, taps)
    expected = loop_convolution(x, W, 2, pad)[:, :, :height, :width]
    for way in ("", *native.WAYS["convolve"]):
        assert_near(jax.jit(native.convolve, static_argnums=2)(x, W, way), expected, way)


@CASES
@SHAPES
def test_deconvolve(n, height, width, inner, outer, taps):
    _, W, dy, pad = made(n, height, width, inner, outer, taps)
    expected = loop_deconvolution(dy, W, 2, pad, (2 * height, 2 * width))
    for way in ("", *native.WAYS["deconvolve"]):
        assert_near(jax.jit(native.deconvolve, static_argnums=2)(dy, W, way), expected, way)


@CASES
@SHAPES
def test_weight_gradient(n, height, width, inner, outer, taps):
    x, _, dy, pad = made(n, height, width, inner, outer, taps)
    expected = loop_weight_gradient(x, dy, 2, pad, taps)
    for way in ("", *native.WAYS["weight_gradient"]):
        found = jax.jit(native.weight_gradient, static_argnums=(2, 3))(x, dy, taps, way)
        assert_near(found, expected, way)


@pytest.mark.parametrize("sizes", [(1, 2, 2, 9, 58), (2, 9, 14, 4, 70), (13, 9, 6, 20, 70)])
def test_the_way_that_is_taken(sizes):
    """The library computes in the way that it names, to the bit; there are no other ways."""
    x, W, dy, _ = made(*sizes, 5)
    for name, *arrays in (("convolve", x, W), ("deconvolve", dy, W), ("weight_gradient", x, dy, 5)):
        way, operation = native.way_taken(name, *sizes, 5), getattr(native, name)
        assert way in native.WAYS[name]
        assert np.array_equal(operation(*arrays), operation(*arrays, way=way))
        with pytest.raises(Exception, match="there is no such way"):
            jax.block_until_ready(operation(*arrays, way="none"))


def test_the_number_of_threads_changes_no_bit():
    """It decides between these two."""
    x, W, dy, _ = made(5, 6, 5, 150, 140, 5)
    assert np.array_equal(native.convolve(x, W, "blocks"), native.convolve(x, W, "tiles"))
    assert np.array_equal(native.deconvolve(dy, W, "blocks"), native.deconvolve(dy, W, "tiles"))


NORMS = pytest.mark.parametrize("shape", [(2, 3, 5, 7), (3, 70, 8, 6), (1, 2, 1, 1), (2, 2, 40, 30)])
SLOPES = pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])


def norm(x, gain, shift, slope):
    """Instance norm and activation in float64, in Python's own words."""

    def plane(values, gain, shift):
        z = (values - values.mean()) / np.sqrt(values.var() + 1e-5) * gain + shift
        return np.where(z > 0, z, slope * z)

    return np.array([[plane(v, g, s) for v, g, s in zip(picture, gain, shift)] for picture in x])


BOTH = pytest.mark.parametrize("compiled", [True, False], ids=["C++", "XLA"])


@NORMS
@SLOPES
@BOTH
def test_normalize(shape, slope, compiled):
    x, gain, shift = random_images(*shape), *random_images(2, shape[1], seed=1)
    normalize = jax.jit(lowering.normalize, static_argnums=(3, 4, 5))
    y = normalize(x + 3, gain, shift, 1e-5, slope, compiled)
    assert_near(y, norm(x.astype(float) + 3, gain, shift, slope))


@NORMS
@SLOPES
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


@pytest.mark.parametrize("reading", ["algorithm1", "theano"])
@pytest.mark.parametrize("shape", [(1,), (37,), (3, 5, 7, 11), (2, 2**14 + 3)])
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


@pytest.mark.parametrize("t, share", [(1, 1), (7, 1), (8, 0.75), (10, 0.25), (11, 0), (99, 0)])
def test_the_step_size_falls_in_the_last_updates(t, share):
    arrays = [random_images(1, 37, seed=s)[0] for s in range(4)]
    arrays[2] = np.abs(arrays[2])
    facts = 2e-3, 0.5, 0.999, 1e-8, False
    steps = [np.asarray(native.descend(*arrays, np.float32(t), *facts, *fall)[0]) - arrays[0]
             for fall in ((), (10.0, 0.0), (10.0, 4.0))]  # fmt: skip
    assert np.array_equal(steps[0], steps[1])
    np.testing.assert_allclose(steps[2], share * steps[0], atol=1e-7)


def test_a_step_of_wrong_sizes_is_refused():
    a, b = np.zeros(3, "f4"), np.zeros(4, "f4")
    with pytest.raises(Exception, match="no parameter with its moments"):
        jax.block_until_ready(native.descend(a, a, a, b, np.float32(1), 1e-3, 0.5, 0.9, 1e-8, False))


@CASES
def test_the_lowering_takes_them_where_they_pay(taps, monkeypatch):
    x, W, dy, pad = made(10, 8, 8, 16, 16, taps)
    calls = []
    monkeypatch.setattr(
        native, "call_one", lambda name, shape, *a, way: calls.append(name) or np.zeros(shape)
    )
    lowering.convolve(x, W, 2, pad, compiled=True)
    lowering.deconvolve(dy, W, 2, pad, x.shape[2:], compiled=True)
    lowering.weight_gradient(x, dy, 2, pad, taps, compiled=True)
    assert calls == ["convolve", "deconvolve", "weight_gradient"]


@pytest.mark.parametrize("change", [dict(stride=1), dict(pad=0), dict(inner=3), dict(taps=7, pad=3)])
def test_what_does_not_pay_is_left_to_xla(change):
    usual = dict(inner=64, taps=5, stride=2, pad=2)
    answers = [native.is_supported((122, f["inner"], f["taps"], f["taps"]), f["stride"], f["pad"])
               for f in (usual, usual | change)]  # fmt: skip
    assert answers == [True, False]


def test_the_same_bits_at_every_call():
    x, W, dy, _ = made(13, 9, 6, 20, 70, 5)
    for function, arrays in ((native.convolve, (x, W)), (native.deconvolve, (dy, W))):
        bits = {np.asarray(jax.jit(function)(*arrays)).tobytes() for _ in range(5)}
        assert len(bits) == 1


def test_calls_at_the_same_time_keep_out_of_each_other_s_memory():
    """They share one region of scratch memory, of which each takes parts of its own sizes."""
    shapes = [(2, 8, 4, 16, 64), (3, 5, 7, 7, 9), (13, 9, 6, 20, 70), (5, 6, 5, 150, 140)]
    calls = [partial(jax.jit(native.convolve), *made(*shape, 5)[:2]) for shape in shapes]
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


def no_compiler(monkeypatch):
    monkeypatch.setattr(native.shutil, "which", lambda name: None)


def test_without_a_compiler_xla_does_the_work(toy, monkeypatch):
    no_compiler(monkeypatch)
    assert native.library(jax, toy[0]) is None and not toy[1]


def test_a_cached_library_needs_no_compiler(toy, monkeypatch):
    made = native.library(jax, toy[0])
    assert made.code.seven() == 7
    no_compiler(monkeypatch)
    found = native.library(jax, toy[0])
    assert found.code.seven() == 7 and found.kernels == made.kernels


def test_other_sources_are_other_kernels(toy):
    made = native.library(jax, toy[0])
    native.SOURCES[0].write_text('extern "C" int seven() { return 8; }')
    other = native.library(jax, toy[0])
    assert other.code.seven() == 8 and other.kernels != made.kernels


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:5000],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[:4096] + bytes(4096) + data[8192:],
    ],
)
def test_a_damaged_library_is_made_again_not_loaded(damage, toy):
    native.library(jax, toy[0])
    path = only(toy[0])
    whole = path.read_bytes()
    path.unlink()  # the loaded library keeps its file, or the process would end with a bus error
    path.write_bytes(damage(whole))
    path.chmod(0o700)
    assert native.library(jax, toy[0]).code.seven() == 7
    assert only(toy[0]).read_bytes() == whole


@pytest.mark.parametrize("foreign", ["link", "mode", "pipe"])
def test_a_library_that_another_could_have_written_is_not_loaded(foreign, toy, tmp_path, monkeypatch):
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
    no_compiler(monkeypatch)
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
