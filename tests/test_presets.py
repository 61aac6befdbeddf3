"""Presets: sizes that were read from the re-implementations' code, and their way through the command line."""

import dataclasses
from pathlib import Path

import click
import pytest
from network_toys import small_config

from cagan_theano.config import Config
from cagan_theano.network.discriminator import Discriminator
from cagan_theano.network.generator import Generator
from cagan_theano.presets import PRESETS
from cagan_theano.studies.plan import read_plan
from cagan_theano.training.command import train
from cagan_theano.training.sampler import Sampler

# receptive field and logits at 128x96, computed by hand from the layers of each D
FIELDS = {
    "shaoanlu": (70, (14, 10)), "chen-mingyie": (142, (6, 4)), "pkglimmer": (70, (14, 10)),
    "b01902041": (70, (14, 10)), "xthan": (94, (7, 5)), "zebincai": (63, (8, 6)),
}  # fmt: skip


@pytest.mark.parametrize("name", PRESETS)
def test_D_sees_what_the_re_implementation_s_sees(name):
    D = Discriminator(PRESETS[name].config(), None)
    assert (D.receptive_field(), D.shapes(128, 96)[-1][1][1:]) == FIELDS[name]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_no_paper_s_method_and_names_what_it_lacks(name):
    preset = PRESETS[name]
    assert preset.missing and all(
        getattr(Config(), field) != value for field, value in preset.changes.items()
    )
    assert preset.config() != Config() and preset.config().ours()


def test_G_ends_in_a_convolution_and_has_no_first_skip():
    G = Generator(PRESETS["shaoanlu"].config(), None)
    assert dict(G.shapes(128, 96)) | {"decoder3": None} == dict(Generator(
        PRESETS["shaoanlu"].config(g_output="deconvolution"), None).shapes(128, 96)) | {
        "decoder3": None, "widened": (32, 128, 96)}  # fmt: skip
    assert dict(G.shapes(128, 96))["decoder3"] == (64, 64, 48)  # 64 + 70 with the skip
    assert G.params.shapes["output.W"] == (4, 32, 4, 4) and "widened.gain" in G.params.shapes


def test_the_study_s_runs_are_the_presets_at_a_quarter_of_the_width():
    plan = read_plan("reimplementations")
    runs = {run.name: run.changes for run in plan.runs if run.changes}
    assert runs.pop("blend_second").items() <= PRESETS["chen-mingyie"].changes.items()
    for name, changes in runs.items():
        full = PRESETS[name].changes
        assert changes == {
            field: [c // 4 for c in value] if field == "d_widths" else
            value // 4 if field == "d_tail" else value
            for field, value in full.items() if field not in ("steps", "batch_size")
        }  # fmt: skip
    # on larger images than ours, b01902041 has shaoanlu's settings, but for the crop and the steps
    assert set(PRESETS) - set(runs) == {"b01902041"}
    same = (PRESETS[name].config(steps=1, crop_margin=0.0) for name in ("shaoanlu", "b01902041"))
    assert len(set(same)) == 1


@pytest.mark.parametrize("name", PRESETS)
def test_the_document_states_the_preset(name):
    lines = (Path(__file__).parents[1] / "docs" / "reimplementations.md").read_text().splitlines()
    row = next(line for line in lines if line.startswith(f"| `{name}` |"))
    preset = PRESETS[name]
    changes = (
        f"{field} {','.join(map(str, value)) if isinstance(value, tuple) else value}"
        for field, value in preset.changes.items()
    )
    assert row == f"| `{name}` | {preset.source} | {', '.join(changes)} | {'; '.join(preset.missing)} |"


def given(*words):
    """The fields of Config that `cagan train` takes from a command line."""
    ctx = train.make_context("train", ["--data", "d", "--run", "r", *words])
    fields = {spec.name for spec in dataclasses.fields(Config)}
    return {
        name: value
        for name, value in ctx.params.items()
        if name in fields and ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
    }


@pytest.mark.parametrize("name", PRESETS)
def test_train_takes_the_preset(name, capsys):
    assert given("--preset", name) == PRESETS[name].changes
    assert PRESETS[name].missing[0] in capsys.readouterr().err


def test_options_beside_a_preset_take_precedence():
    found = given("--steps", "7", "--preset", "shaoanlu", "--copies-d")
    assert found == {**PRESETS["shaoanlu"].changes, "steps": 7, "copies_d": True}


def test_y_j_is_mirrored_apart():
    garment = range(8)
    sampler = Sampler(small_config(augmentation="mirror", mirror="apart", batch_size=8), garment)
    drawn = [sampler.draw() for _ in range(20)]
    assert set().union(*(d.mirror_y.tolist() for d in drawn)) == {0, 1}
    assert any((d.mirror != d.mirror_y).any() for d in drawn)
    assert Sampler(small_config(augmentation="mirror"), garment).draw().mirror_y is None
    assert Sampler(small_config(mirror="apart"), garment).draw().mirror_y is None


def test_refused_combinations():
    with pytest.raises(ValueError, match="d_kernel=4: D has no logit left on images of 32x32"):
        small_config(d_kernel=4, d_tail=9, d_widths=(8, 8, 8, 8))
    with pytest.raises(ValueError, match="d_tail=.*must be 1 numbers in 7"):
        small_config(d_tail=3)
    with pytest.raises(ValueError, match="true swaps need mirror='together'"):
        small_config(mirror="apart", gamma_truth=1.0)
    with pytest.raises(ValueError, match="crop_margin=0.1: true swaps need crop_margin=0"):
        small_config(crop_margin=0.1, gamma_truth=1.0)
    for name in ("crop_margin", "d_noise"):
        with pytest.raises(ValueError, match=f"{name}=-0.1: must be in 0..1"):
            small_config(**{name: -0.1})
