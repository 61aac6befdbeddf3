"""Golden vectors: what Aesara gives today, what NumPy gives, and mistakes found where they are."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import run_command
from numpy_cagan import Implementation, Mistakes, Node

from cagan_theano import weights
from cagan_theano.interop import compare, conformance, golden
from cagan_theano.interop.conformance import SHIPPED, read_vectors, write_vectors
from cagan_theano.method.minibatch import Indices
from cagan_theano.method.updates import compile_functions, set_values
from cagan_theano.network.networks import build_networks, values_of


@pytest.fixture(scope="module")
def shipped():
    """The golden vectors of the repository."""
    return read_vectors(SHIPPED)


def test_the_shipped_vectors_are_what_aesara_gives_here(shipped):
    made = golden.make(shipped.config, shipped.about["seed"])
    assert list(made.arrays) == list(shipped.arrays)
    for name, array in shipped.arrays.items():
        room = 1e-12 if name.startswith(("weights", "inputs")) else 1e-9
        room *= max(np.abs(array).max(), 1e-3)
        np.testing.assert_allclose(made.arrays[name], array, rtol=0, err_msg=name, atol=room)


@pytest.mark.slow
def test_the_compiled_updates_in_float32_follow_the_vectors(shipped, jax_backend):
    inputs = {name: np.moveaxis(np.rint((array + 1) * 127.5).astype(np.uint8), 1, -1)
              for name, array in shipped.below("inputs").items()}  # fmt: skip
    y = np.concatenate([inputs["y_i"], inputs["y_j"]])
    photos = SimpleNamespace(x=np.concatenate([inputs["x_i"]] * 2), mask=None, y=y)
    networks = build_networks(shipped.config)
    for name, network in networks._asdict().items():
        set_values(network.params, shipped.below(f"weights/{name}"), jax_backend)
    update = compile_functions(networks, photos, shipped.config, jax_backend).update
    rows = [np.array(r, np.int32) for r in ([0, 1], [2, 3], [2, 3], [0, 0], [0, 0], [0, 0])]
    for n in range(10):
        losses = update(Indices(*rows))
        for name in ("loss_D", "loss_G"):
            assert losses[name] == pytest.approx(shipped.arrays[f"updates/{name}"][n], rel=1e-4)
        if n == 0:
            for name in set(shipped.below("losses")) - {"adv_G", "L_id", "L_cyc", "loss_G"}:
                assert losses[name] == pytest.approx(float(shipped.below("losses")[name]), rel=1e-5)
        if n < conformance.JUDGED:
            found = {f"after{n + 1}/{name}/{p}": value for name, network in networks._asdict().items()
                     for p, value in values_of(network.params).items()}  # fmt: skip
            for name in found:
                row = conformance.compare_array(name, found[name], shipped, conformance.TOLERANCE)
                assert np.isfinite(row.tolerance) and not row.fault, row
            medians = [np.median(np.abs(found[name] - shipped.arrays[name])) for name in found]
            distances = [conformance.distance_of(name, shipped) for name in found]
            assert np.median(np.divide(medians, distances)) < conformance.TOLERANCE * conformance.ADAM_ROOM


class Live(Implementation):
    """A correct implementation that returns the same memory at every update, as `p.detach().numpy()` does."""

    def __init__(self, config, weights):
        super().__init__(Mistakes(), config, weights)
        self.given, self.memory = weights, {name: w.copy() for name, w in weights.items()}

    def update(self, *pictures):
        for name, value in super().update(*pictures).items():
            self.memory[name][...] = value
            self.given[name][...] = 0  # the vectors' own weights must not be these
        for picture in pictures:
            picture[...] = 0
        return self.memory


def test_the_numpy_implementation_gives_every_vector(shipped):
    before = {name: array.copy() for name, array in shipped.arrays.items()}
    rows = conformance.compare(Live, shipped, 1e-10)
    assert conformance.verdict(rows, shipped) == f"All {len(rows) - 1} arrays agree."
    assert [row.name for row in rows] == [*conformance.expected(shipped), conformance.ADAM]
    assert all(conformance.hint(row.name) for row in rows)
    assert all(np.array_equal(shipped.arrays[name], array) for name, array in before.items())


def test_the_numpy_implementation_gives_another_reading(shipped, tmp_path, monkeypatch):
    monkeypatch.setattr(golden, "UPDATES", 2)
    made = golden.make(shipped.config.replace(d_head_stride=2, weight_decay=1e-2, phases="tied"), 5)
    write_vectors(tmp_path / "vectors.h5", made)
    back = read_vectors(tmp_path / "vectors.h5")
    assert back.config == made.config and back.about == made.about
    rows = conformance.compare(partial(Implementation, Mistakes()), back, 1e-10)
    assert conformance.verdict(rows, back) == f"All {len(rows) - 1} arrays agree."


@pytest.mark.parametrize("mistake, first", [
    ("flipped", "layers/G/encoder1.convolution"), ("epsilon_outside", "layers/G/encoder2.norm"),
    ("swapped", "layers/G/encoder1.convolution"), ("copies_before_activation", "layers/G/encoder1.box"),
    ("cycle_from_x_tilde", "losses/L_cyc"), ("fake_copies_real", "losses/adv_D_fake"),
    ("cycle_copies_first", "losses/L_cyc"), ("biased", "after1/D/layer1.W"),
    ("updated_late", "after1/G/encoder1.W"),
])  # fmt: skip
def test_mistake_is_found_where_it_was_made(shipped, mistake, first):
    wrong = partial(Implementation, Mistakes(**{mistake: True}))
    rows = conformance.compare(wrong, shipped, 1e-4)
    assert conformance.first_deviation(rows).name == first
    assert f"First deviation: {first} (deviates" in conformance.report(rows, shipped)


@pytest.mark.parametrize("settings, mistakes, in_float32", [
    ({}, {}, None), ({}, dict(amsgrad=True), None),
    (dict(beta2=0.99), {}, conformance.ADAM), (dict(epsilon=1e-7), {}, conformance.ADAM),
    ({}, dict(decay=1e-3), conformance.ADAM),
], ids=["right", "amsgrad", "beta2", "epsilon", "decay"])  # fmt: skip
def test_settings_of_adam_are_detected_in_float32_but_for_amsgrad(
    shipped, monkeypatch, settings, mistakes, in_float32
):
    few = {name: array for name, array in shipped.arrays.items() if not name.startswith("after10")}

    def first(tolerance):
        vectors = shipped._replace(arrays=few)
        rows = conformance.compare(
            lambda config, weights: Implementation(Mistakes(**mistakes), config | settings, weights),
            vectors, tolerance,
        )  # fmt: skip
        found = conformance.first_deviation(rows)
        unseen = not found and tolerance == conformance.TOLERANCE
        assert ("does not show AMSGrad" in conformance.verdict(rows, vectors)) == unseen
        return found and found.name

    in_float64 = first(1e-9)
    assert in_float64.startswith("after") if settings or mistakes else in_float64 is None
    monkeypatch.setattr(Node, "dtype", "float32")
    assert first(conformance.TOLERANCE) == in_float32


def test_a_norm_of_one_pixel_is_refused(shipped):
    with pytest.raises(ValueError, match="16x16: the deepest norm has one pixel.*cagan golden"):
        golden.parse_config('{"height": 16}')
    small = shipped._replace(config=shipped.config.replace(height=16, width=16))
    with pytest.raises(ValueError, match="one pixel"):
        conformance.compare(Partial, small)
    assert golden.parse_config('{"height": 32}').height == 32


class Partial:
    """An implementation that knows D alone, and gives nonsense for one layer."""

    def __init__(self, config, weights):
        self.inner = Implementation(Mistakes(), config, weights)

    def discriminate(self, x, y):
        answer = self.inner.discriminate(x, y)
        first, norm = answer["layer1.convolution"][:1], answer["layer2.norm"] * np.nan
        return {"layer1.convolution": first, "layer2.norm": norm, "head": answer["head"]}


def test_missing_arrays_do_not_deviate_but_wrong_shapes_nan_and_unknown_names_do(shipped):
    rows = {row.name: row for row in conformance.compare(Partial, shipped)}
    assert "layers/G/alpha" not in rows and not rows["layers/D/head"].fault
    assert "has shape (1, 2, 16, 8), not (2, 2, 16, 8)" in rows["layers/D/layer1.convolution"].fault
    assert "not finite numbers" in rows["layers/D/layer2.norm"].fault
    assert "layers/D/layer1.convolution" in conformance.verdict(list(rows.values()), shipped)
    typo = SimpleNamespace(discriminate=lambda x, y: {"haed": np.zeros(1)})
    with pytest.raises(ValueError, match="'layers/D/haed', which is not in"):
        conformance.compare(lambda config, weights: typo, shipped)


def test_the_command_names_the_first_deviation(capsys):
    assert run_command(compare.command, "--golden", "test_golden:wrong") == 1
    assert "First deviation: after1/D/layer1.W" in capsys.readouterr().out


wrong = partial(Implementation, Mistakes(biased=True))


def failing(config, weights):
    return SimpleNamespace(discriminate=lambda x, y: 1 / 0)


# What `pip install numpy h5py click` gives.
MINIMAL = """
import sys
for name in "aesara jax matplotlib scipy PIL tqdm jinja2 safetensors skimage imagehash".split():
    sys.modules[name] = None
from cagan_theano.cli import run
run()
"""


def test_a_comparison_needs_numpy_h5py_and_click_alone(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from numpy_cagan import Implementation, Mistakes\n"
        "create = lambda config, weights: Implementation(Mistakes(), config, weights)\n"
    )
    environment = weights.child_environment()
    environment["PYTHONPATH"] += os.pathsep + str(Path(__file__).parents[1])
    words = [sys.executable, "-c", MINIMAL, "compare", "--golden", "mine:create"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "All 149 arrays agree; 35 were not judged" in done.stdout, done.stderr


@pytest.mark.parametrize("options, fault", [
    (["--golden", "nothing"], "nothing: is not of the form package.module:name"),
    (["--golden", "no_such:f"], "your module no_such raised ModuleNotFoundError: No module named"),
    (["--golden", "json:nothing"], "module json has no callable nothing"),
    (["--golden", "test_golden:failing"], "your function discriminate raised ZeroDivisionError: division by"),
    (["--golden", "json:loads"], "your factory raised TypeError: loads() takes 1 positional argument but 2"),
    (["--golden", "json:loads", "--vectors", "none.h5"], "none.h5: no such file"),
    (["--golden", "json:loads", "--vectors", __file__], "not a readable HDF5 file"),
])  # fmt: skip
def test_errors_are_one_line(capsys, options, fault):
    assert run_command(compare.command, *options)
    text = capsys.readouterr().err
    assert fault in text and len(text.strip().splitlines()) == 1


def test_golden_of_another_reading(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(golden, "UPDATES", 1)
    out = tmp_path / "other.h5"
    change = '{"mask": "prior", "mismatch": "apart", "norm_affine": false}'
    assert run_command(golden.command, out, "--config", change, "--seed", 3) == 0
    assert "wrote" in capsys.readouterr().out
    vectors = read_vectors(out)
    assert vectors.config.mask == "prior" and {"m_i", "y_k"} <= set(vectors.below("inputs"))
    assert not [name for name in vectors.arrays if name.endswith("gain")]
    for wrong in ("[]", "{", '{"colour": 1}'):
        with pytest.raises(ValueError):
            golden.parse_config(wrong)
