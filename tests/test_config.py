"""The configuration: the paper's settings by default, every reading an option; Lab colors."""

import dataclasses
import json

import numpy as np
import pytest
from skimage.color import lab2rgb

from cagan_theano.config import Config
from cagan_theano.io import color

# Section 3.1 and Figure 3, read again from the paper; and the readings it leaves open.
STATED = dict(height=128, width=96, color="rgb", g_widths=(64, 128, 256, 512),
              d_widths=(64, 128, 256, 512), d_kernel=3, gamma_i=0.1, gamma_c=1.0,
              learning_rate=2e-4, beta1=0.5, batch_size=16, steps=10000)  # fmt: skip
READINGS = dict(
    adversarial=("standard", "literal"), field=("mean", "sum"), alpha_norm=("l1", "tv"),
    cycle_norm=("l1", "l2"), copies_g=("y_i", "y_j", "none"), copies_d=(True, False),
    copies_mode=("replace", "append"), d_kernel=(3, 5, 4), g_kernel=(5, 3, 4),
    activation=("relu", "leaky"), norm_affine=(True, False), schedule=("both", "alternate"),
    mismatch=("same", "apart"), augmentation=("none", "mirror", "crop", "mirror+crop"),
    adam=("algorithm1", "theano"), mask=("none", "overwrite", "prior"), color=("rgb", "lab"),
    d_head_stride=(1, 2),
)  # fmt: skip


def test_the_defaults_are_the_paper_s():
    config = Config()
    assert {name: getattr(config, name) for name in STATED} == STATED
    assert Config.from_json(config.to_json()) == config
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.steps = 8


@pytest.mark.parametrize("name, values", READINGS.items())
def test_every_reading_is_an_option_with_its_source(name, values):
    spec = {spec.name: spec for spec in dataclasses.fields(Config)}[name]
    assert spec.default == values[0] and spec.metadata["source"] and spec.metadata["help"]
    for value in values:
        assert getattr(Config.from_json(Config(**{name: value}).to_json()), name) == value
    with pytest.raises(ValueError, match=name):
        Config(**{name: "another"})


@pytest.mark.parametrize("changes, message", [
    (dict(d_widths=(8,) * 2), "d_widths=.*must be 4 or 3 or 5 numbers"),
    (dict(d_widths=(8,) * 6), "d_widths=.*must be 4 or 3 or 5 numbers"),
    (dict(height=24, d_widths=(8,) * 3), "height=24: must be a multiple of 16"),
    (dict(height=48, d_widths=(8,) * 5), "height=48: must be a multiple of 32"),
    (dict(phases="start", g_kernel=5), "phases='start': .*use g_kernel=4"),
    (dict(gamma_adv=0.0, gamma_c=0.0, gamma_i=0.0), "all other weights"),
    (dict(gamma_adv=0.0, schedule="alternate"), "gamma_adv=0 has no D"),
    (dict(gamma_region=1.0, mask="overwrite"), "replaces alpha"),
    (dict(augmentation="tone", color="lab"), "tone requires RGB"),
    (dict(average=1.0), "average=1: must be inside"),
    (dict(learning_rate_decay=1.5), "learning_rate_decay=1.5: must be in 0..1"),
    (dict(gamma_truth=-1.0), "gamma_truth=-1.0: must be in"),
    (dict(article_code=12), "article_code=12: must be a multiple of 8"),
    (dict(article_code=-8), "article_code=-8: must be in 0..8192"),
    (dict(gamma_texture=-1.0), "gamma_texture=-1.0: must be in"),
    (dict(gamma_texture=1.0, color="lab"), "gamma_texture: knows the white ground of articles in RGB only"),
    (dict(texture_input=True, color="lab"), "texture_input: .* in RGB only; use color='rgb'"),
])  # fmt: skip
def test_what_is_out_of_range_or_does_not_go_together_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Config(**{"height": 64, "width": 64, **changes})


# What a configuration meant before it had these fields, whatever the defaults are today.
FORMERLY = dict(
    d_head_stride=1, phases="free", dropout=0.0, weight_decay=0.0, copies_mode="replace",
    g_kernel=5, mismatch="same", texture_input=False,
)  # fmt: skip


def test_missing_fields_get_their_former_meaning():
    latest = dict(d_head_stride=2, phases="start", dropout=0.5, weight_decay=1e-5, g_kernel=4)
    stored = json.loads(Config(**latest).to_json())
    for name, value in FORMERLY.items():
        without = {field: v for field, v in stored.items() if field not in (name, "phases")}
        assert getattr(Config.from_json(json.dumps(without)), name) == value


def test_a_retired_option_is_ignored_where_it_did_nothing():
    stored = json.loads(Config().to_json())
    idle = dict(d_tail=0, d_norm="instance", g_output="deconvolution", skip_relu=False, mirror="together",
                crop_margin=0.0, d_noise=0.0, blend="both")  # fmt: skip
    assert Config.from_json(json.dumps(stored | idle)) == Config()
    for name, value in dict(d_tail=512, d_norm="batch", skip_relu=True, blend="first").items():
        with pytest.raises(ValueError, match=f"^{name}=.*: this option is gone; use version 1.0$"):
            Config.from_json(json.dumps(stored | {name: value}))


@pytest.mark.parametrize("name, value, kind", [
    ("gamma_i", "0.1", "float"), ("gamma_i", True, "float"), ("gamma_i", None, "float"),
    ("steps", 1.5, "int"), ("steps", False, "int"), ("copies_d", 1, "bool"), ("color", 1, "str"),
    ("g_widths", 8, "tuple"), ("g_widths", (8, 8, 8, 8.0), "tuple"), ("g_widths", (8, 8, 8, True), "tuple"),
])  # fmt: skip
def test_a_value_of_another_type_is_one_line(name, value, kind):
    with pytest.raises(ValueError, match=f"^{name}=.*: must be of type {kind}$"):
        Config(**{name: value})
    assert Config(gamma_i=1).gamma_i == 1


@pytest.mark.parametrize("space, mean, most", [("rgb", 0, 0), ("lab", 1, 8)])
def test_images_survive_the_round_trip(space, mean, most):
    """A swap sees what a training sees, which keeps bytes: byte / 127.5 - 1, in float32."""
    pictures = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3)).astype(np.uint8)
    coding, resident = color.encode(pictures, space), color.to_bytes(pictures, space)
    assert coding.dtype == np.float32 and resident.dtype == np.uint8
    assert np.array_equal(coding, resident.astype(np.float32) / np.float32(127.5) - np.float32(1))
    apart = np.abs(color.decode(coding, space).astype(int) - pictures)
    assert apart.mean() <= mean and apart.max() <= most  # Lab's bytes are few for saturated colors


def test_lab_is_lab():
    levels = np.array([[[0.5, 0.2, -0.1]]], np.float32)  # L = 75, a = 25.0, b = -13.25
    lab = ((levels + 1) * 127.5 - (0, 128, 128)) / (2.55, 1, 1)
    np.testing.assert_allclose(lab[0, 0], [75, 25, -13.25], atol=1e-4)
    assert np.abs(color.decode(levels, "lab") - 255 * lab2rgb(lab)).max() <= 0.51
