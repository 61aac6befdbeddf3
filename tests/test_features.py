"""The kernel distance on an injected network, and ONNX files where onnxruntime is installed."""

import hashlib

import numpy as np
import pytest

from cagan_theano.evaluation import features


def colors(pictures):
    """A network of one's own: the mean color."""
    return pictures.mean(axis=(1, 2)) / 255.0


def photos(count, level, seed):
    """Noise around a level [count, 16, 16, 3] uint8."""
    noise = np.random.default_rng(seed).normal(level, 20, (count, 16, 16, 3))
    return np.clip(noise, 0, 255).astype(np.uint8)


def test_kernel_report_tells_alike_from_different():
    real, person = photos(60, 120, 0), np.repeat(np.arange(30), 2)
    alike = features.kernel_report("colors", colors, real, photos(60, 120, 1), person)
    other = features.kernel_report("colors", colors, real, photos(60, 60, 2), person)
    assert alike["features"] == "colors" and alike["splits"] == features.SPLITS
    assert alike["real_to_real"]["low"] < 0 < alike["real_to_real"]["high"]
    assert alike["real_to_real"] == other["real_to_real"]  # the floor knows only the real ones
    assert alike["fake_to_real"]["value"] < alike["real_to_real"]["high"]
    assert other["fake_to_real"]["low"] > other["real_to_real"]["high"]


def test_no_person_is_on_both_sides():
    # a feature of its own for each person: two halves without a common person have but this one
    # distance (within, 2 of 5 pairs are of one person; across, none is)
    person = np.repeat(np.arange(4), 3)
    real = np.broadcast_to(person.astype(np.uint8)[:, None, None, None], (12, 2, 2, 3))
    found = features.kernel_report("x", lambda p: np.eye(4)[p[:, 0, 0, 0]], real, real, person)
    assert found["fake_to_real"] == found["real_to_real"]
    expected = 2 * (0.4 * (1 / 4 + 1) ** 3 + 0.6) - 2
    assert (found["real_to_real"]["low"], found["real_to_real"]["high"]) == pytest.approx(
        (expected, expected)
    )
    with pytest.raises(ValueError, match="at least 4 people"):
        features.kernel_report("x", colors, real[:9], real[:9], person[:9])


def test_pictures_are_prepared_as_imagenet_wants():
    pictures = np.full((2, 8, 6, 3), 255, np.uint8)
    batch = features.prepared(pictures, "NCHW", (16, 12))
    assert batch.shape == (2, 3, 16, 12) and batch.dtype == np.float32
    np.testing.assert_allclose(batch[0, :, 3, 3], [2.2489, 2.4286, 2.64], rtol=1e-4)
    assert features.prepared(pictures, "NHWC", (16, 12)).shape == (2, 16, 12, 3)
    np.testing.assert_allclose(features.flat(np.ones((2, 5, 3, 4)), "NCHW"), np.ones((2, 5)))
    np.testing.assert_allclose(features.flat(np.ones((2, 3, 4, 5)), "NHWC"), np.ones((2, 5)))


def write_pooling_network(path, batch="n", kind="FLOAT"):
    """An ONNX file of a network whose features are the mean of each channel."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    info = lambda name, shape: onnx.helper.make_tensor_value_info(  # noqa: E731
        name, getattr(onnx.TensorProto, kind), shape
    )
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("GlobalAveragePool", ["x"], ["f"])],
        "pool",
        [info("x", [batch, 3, "h", "w"])],
        [info("f", [batch, 3, 1, 1])],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), path)


@pytest.mark.parametrize("batch", ["n", 1, 3])
def test_an_onnx_network_gives_features_under_its_own_name(batch, tmp_path):
    path = tmp_path / "pool.onnx"
    write_pooling_network(path, batch)
    name, network = features.load_network(path)
    assert name == f"pool.onnx (sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]})"
    pictures = np.full((20, 8, 8, 3), (10, 120, 250), np.uint8)
    expected = (np.array([10, 120, 250]) / 255 - features.IMAGENET[0]) / features.IMAGENET[1]
    np.testing.assert_allclose(network(pictures), np.tile(expected, (20, 1)), rtol=1e-4)
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    with pytest.raises(ValueError, match="bad.onnx: is not an ONNX network"):
        features.load_network(tmp_path / "bad.onnx")
    write_pooling_network(path, batch, "FLOAT16")  # found before anything is measured
    with pytest.raises(ValueError, match="pool.onnx: is not an ONNX network of RGB images; .* float32 input"):
        features.load_network(path)


def test_without_onnxruntime_the_cure_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ValueError, match="pip install onnxruntime"):
        features.load_network(tmp_path / "x.onnx")
