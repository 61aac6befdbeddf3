"""Checkpoints to safetensors and back, bit for bit; G in ONNX against the numbers of Aesara."""

import dataclasses
import os
import re
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.numpy
from conftest import run_command
from PIL import Image

from cagan_theano.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cagan_theano.interop import convert, golden
from cagan_theano.interop.conformance import SHIPPED, read_vectors
from cagan_theano.interop.templates import TEMPLATES
from cagan_theano.method.swap import images_to_network
from cagan_theano.model import load


@pytest.fixture(scope="module")
def shipped():
    return read_vectors(SHIPPED)


def checkpoint_of(vectors, **more):
    """A checkpoint with the weights of golden vectors."""
    G, D = (
        {name: value.astype("float32") for name, value in vectors.below(f"weights/{network}").items()}
        for network in "GD"
    )
    return Checkpoint(vectors.config, 7, G, D, metadata={"note": "toy"}, **more)


def run(capsys, *words):
    """(exit code, output, error) of convert.py."""
    return run_command(convert.command, *words), *capsys.readouterr()


def test_safetensors_and_back_is_the_same_file_of_contents(tmp_path, capsys, shipped):
    """Of a checkpoint as a run leaves it, with moments and random state."""
    moments = {"G/encoder1.W/m": np.ones((2, 9, 5, 5), "float32"), "G/t": np.float32(7)}
    path, middle, back = (tmp_path / name for name in ("run.h5", "a.safetensors", "back.h5"))
    save_checkpoint(path, checkpoint_of(shipped, optimizer=moments, sampler="{}"))
    assert run(capsys, path, middle)[0] == run(capsys, middle, back)[0] == 0
    one, other = load_checkpoint(path), load_checkpoint(back)
    assert one.sha256 == other.sha256 and other.sampler == "{}" and other.step == 7
    assert other.optimizer["G/t"] == 7 and one.config == other.config
    arrays = safetensors.numpy.load_file(middle)
    np.testing.assert_array_equal(arrays["G/encoder1.W"], one.G["encoder1.W"])


FINE = dict(format="cagan_theano", config="{}", step="1", metadata="{}")
ONE = {"G/a.W": np.zeros(1)}


@pytest.mark.parametrize("arrays, texts, fault", [
    (None, None, "not a checkpoint in safetensors"),
    ({"a": np.zeros(1)}, None, "was not written by cagan_theano"),
    ({"../a": np.zeros(1)}, FINE, "has unexpected arrays, such as '../a'"),
    (ONE, FINE | {"config": '{"colour": 1}'}, "unknown configuration field 'colour'"),
    (ONE, FINE | {"step": "x"}, "not a checkpoint"),
    (ONE, FINE | {"metadata": "[" * 99999}, "not a checkpoint"),
    ({"G/a.W": np.full(1, np.nan)}, FINE, "not finite"),
])  # fmt: skip
def test_a_bad_safetensors_file_is_one_line(tmp_path, capsys, arrays, texts, fault):
    source, out = tmp_path / "bad.safetensors", tmp_path / "out.h5"
    source.write_bytes(struct.pack("<Q", 1 << 60) + b"{}")  # a header that lies
    if arrays:
        safetensors.numpy.save_file(arrays, source, texts)
    code, _, text = run(capsys, source, out)
    assert code == 1 and fault in text and len(text.splitlines()) == 1 and not out.exists()


@pytest.mark.parametrize("source, out, fault", [
    ("none.h5", "a.onnx", "no such checkpoint"), ("none.safetensors", "a.h5", "no such file"),
    ("dress_128x96", "a.txt", "use .h5 or .safetensors or .onnx"),
    ("a.pt", "a.h5", "unknown suffix '.pt'; use .h5 or .safetensors"),
    ("a.h5", "a.pt", "write .safetensors and read it with safetensors.torch.load_file"),
    ("a.h5", "a.txt", "use .h5 or .safetensors or .onnx"),
])  # fmt: skip
def test_wrong_names_are_one_line(capsys, source, out, fault):
    code, _, text = run(capsys, source, out)
    assert code == 1 and fault in text and len(text.splitlines()) == 1


READINGS = {
    "append-leaky": dict(g_kernel=3, copies_mode="append", activation="leaky", norm_affine=False),
    "y_j-prior": dict(g_kernel=4, copies_g="y_j", mask="prior", phases="tied"),
    "none-overwrite-code-texture": dict(
        copies_g="none", mask="overwrite", article_code=8, texture_input=True),
}  # fmt: skip


def agree(onnx_network, vectors):
    """The ONNX model of the vectors' G gives their alpha, x_tilde_ij and x_ij, in float32."""
    model = onnx_network.generator_model(checkpoint_of(vectors))
    inputs = {i.name: vectors.arrays[f"inputs/{i.name}"].astype("float32") for i in model.graph.input}
    for name, value in onnx_network.run(model, inputs).items():
        np.testing.assert_allclose(value, vectors.arrays[f"layers/G/{name}"], atol=1e-5)
    return model


@pytest.fixture()
def onnx_network():
    pytest.importorskip("onnx", reason="onnx is not installed (the extra: witness)")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (the extra: witness)")
    from cagan_theano.interop import onnx_network

    return onnx_network


def test_onnx_gives_the_golden_vectors(shipped, onnx_network):
    model = agree(onnx_network, shipped)
    properties = {p.key: p.value for p in model.metadata_props}
    assert properties["step"] == "7" and properties["config"] == shipped.config.to_json()
    assert "H and W must be multiples of 16" in model.doc_string
    assert all(value.doc_string for value in [*model.graph.input, *model.graph.output])
    wrong = dict.fromkeys(("x_i", "y_i", "y_j"), np.zeros((1, 3, 100, 80), "float32"))
    with pytest.raises(Exception, match="Name:'H_and_W_must_be_multiples_of_16'"):
        onnx_network.run(model, wrong)


@pytest.fixture()
def files(shipped, tmp_path, monkeypatch, onnx_network):
    """The first x_i, y_i, y_j of the vectors by name; and with the models in the working directory."""
    monkeypatch.chdir(tmp_path)
    levels = {name: (shipped.arrays[f"inputs/{name}"][:1].transpose(0, 2, 3, 1) + 1) * 127.5
              for name in ("x_i", "y_i", "y_j")}  # fmt: skip
    photos = {name: np.rint(image).astype(np.uint8) for name, image in levels.items()}
    for photo, path in zip(photos.values(), ("person.png", "worn.png", "new.png")):
        Image.fromarray(photo[0]).save(path)
    checkpoint, about = checkpoint_of(shipped), {"licence": "of the toys"}
    Path("G.onnx").write_bytes(onnx_network.generator_model(checkpoint, about).SerializeToString())
    Path("G.safetensors").write_bytes(convert.to_safetensors(checkpoint, about))
    return photos


def check_swap(shipped, alpha, x_ij):
    """alpha [1, H, W] and the image x_ij [H, W, 3] are those of the vectors."""
    np.testing.assert_allclose(alpha, shipped.arrays["layers/G/alpha"][:1, 0], atol=1e-5)
    levels = (shipped.arrays["layers/G/x_ij"][0].transpose(1, 2, 0) + 1) * 127.5
    assert x_ij.dtype == np.uint8 and np.abs(x_ij - levels).max() < 0.51


@pytest.mark.parametrize("library", ["onnxruntime", "safetensors"])
def test_the_documented_swap_without_this_package(library, shipped, files, capsys):
    text = (Path(__file__).parents[2] / "docs/checkpoint.md").read_text()
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", text, re.S) if library in block)
    found = {}
    exec(code, found)
    check_swap(shipped, found["alpha"][:, 0], np.asarray(Image.open("swap.png")))
    assert "of the toys" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["onnx", "keras"])
def test_the_templates_of_adapters_swap(name, shipped, files, monkeypatch):
    """Keras with a stand-in; PyTorch in test_pytorch_network.py."""
    os.rename("G.onnx", "generator.onnx")
    painted = [shipped.arrays[f"layers/G/{array}"][:1] for array in ("alpha", "x_tilde_ij")]
    outputs = np.concatenate(painted, 1).transpose(0, 2, 3, 1)
    network = SimpleNamespace(predict=lambda inputs, verbose: outputs)
    models = SimpleNamespace(load_model=lambda path, compile: network)
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(models=models))
    adapter = {}
    exec(TEMPLATES[name], adapter)
    (x_ij,), alpha = adapter["swap"](*files.values())
    check_swap(shipped, alpha[..., 0], x_ij)


@pytest.mark.parametrize("name", READINGS)
def test_onnx_of_every_reading(name, onnx_network, monkeypatch):
    for method in ("history", "gradients", "terms"):  # of which the layers have no need
        monkeypatch.setattr(golden.Reference, method, lambda _: {})
    agree(onnx_network, golden.make(golden.parse_config("{}").replace(**READINGS[name]), 1))


def test_onnx_uses_the_moving_average(tmp_path, capsys, shipped, onnx_network):
    """As `load` and `cagan swap` do: the raw G is another network."""
    import onnx

    raw, path, out = checkpoint_of(shipped), tmp_path / "a.h5", tmp_path / "a.onnx"
    average = {f"average/{name}": 0.5 * value for name, value in raw.G.items()}
    config = raw.config.replace(average=0.9)
    save_checkpoint(path, dataclasses.replace(raw, config=config, optimizer=average))
    code, text, error = run(capsys, path, out)
    assert code == 0 and "largest difference" in text, error
    images = np.random.default_rng(0).integers(0, 256, (3, 2, 32, 48, 3), np.uint8)
    swap = load(path).swap(*images)  # of the batch and size of the command's own comparison
    inputs = {name: images_to_network(array) for name, array in zip(("x_i", "y_i", "y_j"), images)}
    found = onnx_network.run(onnx.load(out), inputs)["alpha"][:, 0]
    np.testing.assert_allclose(found, swap.alpha, atol=1e-5)
    other = onnx_network.run(onnx_network.generator_model(raw), inputs)["alpha"][:, 0]
    assert np.abs(other - swap.alpha).max() > 1e-3


def test_onnx_that_differs_or_lacks_weights_is_refused(tmp_path, capsys, shipped, onnx_network, monkeypatch):
    source, out = tmp_path / "a.h5", tmp_path / "a.onnx"
    save_checkpoint(source, checkpoint_of(shipped))
    monkeypatch.setattr(convert, "difference", lambda *_: 0.1)
    code, _, text = run(capsys, source, out)
    assert code == 1 and "differs from this package's G" in text and not out.exists()
    checkpoint = checkpoint_of(shipped)
    del checkpoint.G["decoder2.W"]
    with pytest.raises(ValueError, match="lack 'decoder2.W'"):
        onnx_network.generator_model(checkpoint)
