"""Plans, what they train and compare: with toy trainings, and once with real ones."""

import dataclasses
import json
import os
import threading

import numpy as np
import pytest
from conftest import run_command, tiny_config
from figure_toys import ToyModel, write_photos
from PIL import Image

from cagan_theano import weights
from cagan_theano.config import Config
from cagan_theano.evaluation.held_out import Source
from cagan_theano.studies import ablations, comparison, document, trainings
from cagan_theano.studies.plan import PLANS, read_plan
from cagan_theano.training.run_folder import RunFolder
from data_prep.store import PhotoFile

PLAN = """
title = "Toy study"
baseline = "paper"
steps = 4
seeds = [0, 1]

[photoshoot]
pairs = 12
size = "32x32"
held_out = 6

[config]
g_widths = [8, 8, 10, 12]
d_widths = [8, 8, 10, 12]
g_kernel = 3
batch_size = 4

[runs.paper]
about = "as it is"

[runs.no_cycle]
config = { gamma_c = 0.0, copies_d = false }
"""

UNTRIED = {  # choices that no shipped plan tries
    "augmentation": {"mirror+crop", "tone", "mirror+tone", "crop+tone", "mirror+crop+tone"},
    "d_kernel": {4},
    "initial_weights": {"equal_phases"},
}


@pytest.fixture
def plan(tmp_path):
    """Path of a toy plan."""
    path = tmp_path / "toy.toml"
    path.write_text(PLAN)
    return path


def toy_training(words, **_):
    """In the place of the training process: a run folder as one that has ended leaves it."""
    toy_training.commands.append(words)
    given = dict(zip(words, words[1:]))
    folder = RunFolder(given["--run"])
    with folder:
        values = {"gamma_c": float(given.get("--gamma-c", 1)), "copies_d": "--no-copies-d" not in words}
        values |= {"steps": int(given["--steps"]), "seed": int(given.get("--seed", 0))}
        widths = (8, 8, 10, 12)
        folder.write_config(tiny_config(g_widths=widths, d_widths=widths, **values))
        folder.checkpoint_path(values["steps"]).write_bytes(b"")
    return 0


@pytest.fixture
def toys(monkeypatch, tmp_path):
    """Toy trainings, photos and models: without the cycle loss, half of the input is left."""
    toy_training.commands = []
    photos = write_photos(tmp_path / "toy.h5")
    monkeypatch.setattr(trainings, "images_of", lambda *_: Source(photos, {}, None))
    monkeypatch.setattr(trainings.Children, "run", staticmethod(toy_training))

    def load(path, *_):
        model = ToyModel(0.5 if "no_cycle" in str(path) else 0.0)
        model.step, model.metadata = 4, {"seconds": 1.5}
        return model

    monkeypatch.setattr(weights, "load_model", load)
    return toy_training


def run(capsys, *arguments):
    """Exit code, stdout and stderr of the command."""
    return run_command(ablations.command, *arguments), *capsys.readouterr()


def test_the_command_trains_what_is_missing_and_compares(plan, tmp_path, toys, capsys):
    out = tmp_path / "study"
    code, text, error = run(capsys, plan, "--out", out, "--only", "paper", "--precision", "tf32")
    assert code == 0 and "tf32" in toys.commands[0], error
    assert len(toys.commands) == 2 and "Not compared yet: no_cycle ([0, 1])" in text
    plan.write_text(plan.read_text().replace('about = "', 'about = "\\u001b[31m\\n', 1))
    code, text, _ = run(capsys, plan, "--out", out, "--list")
    assert code == 0 and text.count("done") == text.count("missing") == 2 == text.count("\n") / 2
    code, _, _ = run(capsys, plan, "--out", out, "--results", tmp_path / "copy.json")
    assert code == 0 and len(toys.commands) == 4  # the other run, both seeds
    assert ["--gamma-c", "0.0"] == [w for w in toys.commands[2] if "amma" in w or w == "0.0"]
    assert "--no-copies-d" in toys.commands[3] and "--seed" in toys.commands[3]
    run(capsys, plan, "--out", out)
    assert len(toys.commands) == 4  # nothing is trained twice
    found = json.loads((out / "results.json").read_text())
    assert found == json.loads((tmp_path / "copy.json").read_text()) and not found["missing"]
    assert found["n"] == 12 and found["trainings"] == 4
    change = found["runs"]["no_cycle"]["measures"]["inside"]["difference"]
    assert change["seeds"] == pytest.approx([0.5, 0.5], abs=0.01)  # half of the input is left
    assert change["value"] == pytest.approx(0.5, abs=0.01) and change["low"] > 0
    zero = found["runs"]["paper"]["measures"]["inside"]["difference"]
    assert (zero["value"], zero["low"], zero["high"]) == (0, 0, 0)
    assert "| no_cycle (2 seeds) | gamma_c=0.0, copies_d=False |" in (out / "table.md").read_text()
    assert "| `no_cycle` | worse: inside, " in document.write_study(found, numbers=False)
    assert str(tmp_path) not in (out / "results.json").read_text()
    assert pixels(out / "grid.png").shape[0] > 4 * 256 and pixels(out / "grid.png").std() > 10
    plot = pixels(out / "differences.png")
    assert (plot == [194, 87, 26]).all(axis=2).sum() > 20  # the worse run, in the color of worse
    assert np.array_equal(plot, pixels(tmp_path / "copy_differences.png"))


def test_seeds_that_the_baseline_lacks_are_left_out(plan, tmp_path, toys, capsys):
    """Differences pair equal seeds, so that a run's further seeds wait for the baseline's."""
    out = tmp_path / "study"
    run(capsys, plan, "--out", out)
    plan.write_text(PLAN.replace("seeds = [0, 1]", "seeds = [2, 0, 1]"))
    code, text, _ = run(capsys, plan, "--out", out, "--only", "no_cycle")
    assert code == 0 and len(toys.commands) == 5
    assert "Not compared yet: paper ([2]), no_cycle ([2])." in text
    found = json.loads((out / "results.json").read_text())["runs"]["no_cycle"]
    assert found["seeds"] == [0, 1] and len(found["measures"]["inside"]["difference"]["seeds"]) == 2


def test_differences_pair_the_same_seeds():
    """A run with the second seed alone is compared with the baseline's second training."""

    def report(error):
        return {"swaps": {"error_inside": [error] * 4, "unchanged_inside": [1.0] * 4,
                          "person": [*range(4)], "article": [*range(4)]}}  # fmt: skip

    reports = {"paper": {0: report(0.2), 1: report(0.7)}, "no_cycle": {1: report(0.8)}}
    found = ablations.compare_all("paper", reports)
    assert found["no_cycle"]["inside"]["difference"]["seeds"] == pytest.approx([0.1])
    assert found["no_cycle"]["inside"]["difference"]["value"] == pytest.approx(0.1)


def test_several_jobs_train_the_same_runs_on_cores_of_their_own(plan, tmp_path, toys, capsys, monkeypatch):
    """Each run once, two at a time, each child with a part of the cores; their output in files."""
    out, cores, together = tmp_path / "study", [], threading.Barrier(2, timeout=30)
    shares = [{min(os.sched_getaffinity(0))}, os.sched_getaffinity(0)]

    def child(words, stdout, **options):
        together.wait()  # both are here at once, or this fails
        cores.append(os.sched_getaffinity(0))
        stdout.write(b"steps\n")
        return toys(words, **options)

    monkeypatch.setattr(trainings.Children, "run", staticmethod(child))
    monkeypatch.setattr(trainings, "shares_of_cores", lambda jobs: shares[:jobs])
    given = ["--device", "cpu", "--precision", "tf32"]
    code, _, error = run(capsys, plan, "--out", out, "--jobs", 2, *given)
    assert code == 0, error
    for words in toys.commands:
        assert [words[words.index(flag) + 1] for flag in given[::2]] == given[1::2]
    assert sorted(map(sorted, cores)) == sorted(map(sorted, 2 * shares)) and len(toys.commands) == 4
    assert (out / "paper_seed0.log").read_bytes() == b"steps\n"
    assert json.loads((out / "results.json").read_text())["trainings"] == 4
    monkeypatch.undo()
    cores = os.sched_getaffinity(0)
    for jobs in (1, 2, len(cores), 2 * len(cores)):
        shares = trainings.shares_of_cores(jobs)
        assert len(shares) == jobs and set().union(*shares) == cores and all(shares)
        assert jobs > len(cores) or sum(map(len, shares)) == len(cores)


@pytest.mark.parametrize("jobs, where", [(1, "its message above"), (2, "_seed0.log")])
def test_a_failure_ends_the_study(jobs, where, plan, tmp_path, toys, capsys, monkeypatch):
    def child(words, **options):
        """Fails with seed 0, the default; any of several failures might be the first to be seen."""
        return toys(words, **options) if "--seed" in words else 3

    monkeypatch.setattr(trainings.Children, "run", staticmethod(child))
    code, _, error = run(capsys, plan, "--out", tmp_path, "--jobs", jobs)
    assert code == 1 and "ended with exit code 3, see " in error and f"{where}; run the same" in error
    assert not toys.commands  # those of seed 1, which would succeed


def test_runs_are_also_evaluated_on_other_photos(plan, tmp_path, toys, capsys):
    out, photos = tmp_path / "study", write_photos(tmp_path / "real.h5", 8)
    code, text, error = run(capsys, plan, "--out", out, "--photos", photos)
    assert code == 0, error
    found = json.loads((out / "results.json").read_text())
    assert found["photos"] == {"data": "real.h5", "n": 8, "people": 4} and found["n"] == 12
    there = found["runs"]["no_cycle"]["photos"]["inside"]
    assert there["difference"]["seeds"] == pytest.approx([0.5, 0.5], abs=0.01)
    assert there["value"] != found["runs"]["no_cycle"]["measures"]["inside"]["value"]
    assert "| run | held-out swaps | 8 swaps in real.h5 |" in text
    assert (out / "table.md").read_text().count("| no_cycle (2 seeds) |") == 2
    write_photos(photos, 10)  # other photos under this name are evaluated anew
    run(capsys, plan, "--out", out, "--photos", photos)
    assert json.loads((out / "results.json").read_text())["photos"]["people"] == 5


def test_the_photoshoot_is_that_of_the_plan(plan, tmp_path, monkeypatch):
    from data_prep.photoshoot import shoot

    asked = []
    monkeypatch.setattr(shoot, "shoot", lambda *given, **options: asked.append((given, options)))
    more = 'held_out = 6\nwardrobe = "shop"\ntrue_swaps = 8'
    for text, name in ((PLAN, "32x32_12_0"), (PLAN.replace("held_out = 6", more), "32x32_12_0_shop")):
        plan.write_text(text)
        given = read_plan(plan)
        assert trainings.images_of(given, given.runs[0], tmp_path).made().name == f"photos_{name}.h5"
    assert [options["true_swaps"] for _, options in asked] == [0, 8]
    assert asked[1][1]["wardrobe"] == "shop" and asked[1][1]["size"] == (32, 32)


def test_a_study_on_a_data_file(plan, tmp_path, capsys):
    """Each run's images are the file's first pairs at the plan's size, with the whole test split."""
    plan.write_text(PLAN.replace("32x32", "16x16") + "\n[runs.street]\nphotoshoot = { clutter = true }\n")
    data = write_photos(tmp_path / "own.h5", pairs=12, tests=6)
    given = dataclasses.replace(read_plan(plan), data=str(data))
    path = trainings.images_of(given, given.runs[0], tmp_path / "study").made()
    assert path.name == "own_16x16_12.h5"
    with PhotoFile(path) as file:
        assert (file.height, file.width) == (16, 16)
        assert (len(file.split("train")), len(file.split("test"))) == (12, 6)
    made = path.stat().st_mtime_ns
    assert trainings.images_of(given, given.runs[1], tmp_path / "study").made().stat().st_mtime_ns == made
    with pytest.raises(ValueError, match="run street changes the photoshoot, which --data replaces; omit"):
        trainings.images_of(given, given.runs[2], tmp_path)
    plan.write_text(PLAN)
    given = dataclasses.replace(read_plan(plan), data=str(data))
    assert trainings.images_of(given, given.runs[0], tmp_path / "study").made() == data  # as it is
    plan.write_text(PLAN.replace("pairs = 12", "pairs = 13"))
    alone = write_photos(tmp_path / "alone.h5", pairs=13, tests=0)
    capsys.readouterr()
    code, _, error = run(capsys, plan, "--out", tmp_path / "study", "--data", alone)
    assert code == 1 and error.startswith(f"Error: {alone}: has no test split") and error.count("\n") == 1
    code, _, error = run(capsys, plan, "--out", tmp_path / "study", "--data", data)
    fault = f"Error: {data}: has 12 training pairs, not 13; give fewer, or other data\n"
    assert (code, error) == (1, fault)


def test_a_study_on_photos_without_true_swaps(plan, tmp_path, toys, capsys, monkeypatch):
    """Only what such photos can tell is compared, tabulated and plotted."""
    monkeypatch.chdir(tmp_path)
    photos = write_photos(tmp_path / "own.h5", triples=False)
    monkeypatch.setattr(trainings, "images_of", lambda *_: Source(photos, {}, None))
    code, text, error = run(capsys, plan, "--data", photos)
    assert code == 0, error
    out = tmp_path / "runs" / "ablations_toy_own"
    found = json.loads((out / "results.json").read_text())
    assert found["data"] == "own.h5" and "people in own.h5." in text
    assert sorted(found["runs"]["no_cycle"]["measures"]) == ["alpha_iou_worn", "cycle"]
    assert "| run | changed | alpha_iou_worn | cycle |" in text
    assert "worse: alpha_iou_worn" in text  # half of alpha is not above 0.5
    assert pixels(out / "differences.png").std() > 5 and pixels(out / "grid.png").std() > 10


def test_damaged_measurements_are_made_again(plan, tmp_path, toys, capsys):
    """A part of a file, a column or a number that is another, one bit flipped, a pipe."""
    run(capsys, plan, "--out", tmp_path, "--only", "paper")
    report, swaps = tmp_path / "paper_seed0" / "evaluation.json", tmp_path / "paper_seed0" / "swaps.npz"
    text, archive = report.read_text(), swaps.read_bytes()
    flipped = bytes([*archive[:300], archive[300] ^ 4, *archive[301:]])
    others = (text[:-9], text.replace('"iou": [', '"iou_": ['), text.replace('"n": 12', '"n": 13'))
    damages = [(report, None), (swaps, None), *((report, other.encode()) for other in others)]
    study, sealed = read_plan(plan), {"seal": "of this archive, which has a time"}
    for path, content in [*damages, (swaps, archive[:-9]), (swaps, flipped)]:
        path.unlink()
        os.mkfifo(path) if content is None else path.write_bytes(content)
        found, examples = ablations.evaluate_run(study, tmp_path, study.runs[0], 0, "cpu")
        assert found | sealed == json.loads(text) | sealed == json.loads(report.read_text()) | sealed
        assert examples["x_ij"].ndim == 4


def test_trainings_on_other_images_are_not_compared(plan, tmp_path, toys, capsys, monkeypatch):
    load = weights.load_model

    def elsewhere(path, *given):
        model = load(path, *given)
        model.metadata["data"] = {"provenance": {"program": "another photoshoot"}}
        return model

    monkeypatch.setattr(weights, "load_model", elsewhere)
    code, _, error = run(capsys, plan, "--out", tmp_path / "study")
    assert code == 1 and error.count("Error: ") == 1 and "Traceback" not in error
    assert "paper_seed0: was trained on other images than toy.h5; give another" in error


def pixels(path):
    """A picture as an array [H, W, 3]."""
    return np.asarray(Image.open(path).convert("RGB"))


def test_a_run_is_resumed_and_another_configuration_is_refused(plan, tmp_path, toys, capsys):
    out = tmp_path / "study"
    run(capsys, plan, "--out", out, "--only", "paper")
    plan.write_text(PLAN.replace("steps = 4", "steps = 8"))
    how = ["--device", "gpu", "--precision", "tf32"]  # which a resumed run needs anew
    words = trainings.training_command(read_plan(plan), out, read_plan(plan).runs[0], 0, how)
    assert words[words.index("--steps") + 1] == "8" and set(how) <= set(words) and words[-1] == "--resume"
    assert "--g-kernel" not in words  # a resumed run has its own settings
    plan.write_text(PLAN.replace("batch_size = 4", "batch_size = 2"))
    code, _, error = run(capsys, plan, "--out", out)
    assert code == 1 and "was trained with settings different from the plan's paper" in error
    assert error.count("\n") == 1


def test_the_options_give_the_very_configuration():
    from cagan_theano.training.command import train

    changed = dict(g_widths=(8, 8, 10, 12), copies_d=False, norm_affine=False, adam="theano", d_kernel=5)
    changed |= dict(gamma_i=0.0, seed=3)
    words = ["--data", "x", "--run", "y", *trainings.options_of(Config(**changed))]
    given = train.make_context("train", words).params
    assert {name: given[name] for name in changed} == changed and trainings.options_of(Config()) == []


@pytest.mark.parametrize("old, new, fault", [
    ("steps = 4", "steps = 'many'", "steps must be of type int"),
    ("gamma_c = 0.0", "gamma_k = 0.0", "run no_cycle: unknown configuration field 'gamma_k'"),
    ("gamma_c = 0.0", "seed = 0", "seed is the same for all runs"),
    ("[runs.no_cycle]", "[runs.'../up']", "run '../up': use lowercase letters"),
    ('baseline = "paper"', 'baseline = "none"', "the baseline 'none' is none of the runs"),
    ("seeds = [0, 1]", "seeds = [0, 0]", "seeds must be distinct integers"),
    ('size = "32x32"', 'size = "33x32"', "both sides must be multiples of 16"),
    ("pairs = 12", "pairs = 12\nwardrobe = 'mine'", "wardrobe must be one of paper, shop, all"),
    ("pairs = 12", "pairs = 0", "pairs must be at least 1"),
    ("pairs = 12", "pairs = 12\ntrue_swaps = -1", "true_swaps must be at least 0"),
    ("pairs = 12", "pair = 12", "[photoshoot] has the unknown key 'pair'"),
    ("[runs.paper]", "[runs.paper]\nphotoshoot = { pairs = 3 }", "has the unknown key 'pairs'"),
    ("[runs.paper]", "[runs.paper", "is not TOML"),
])  # fmt: skip
def test_a_wrong_plan_is_one_line(plan, capsys, old, new, fault):
    assert old in PLAN
    plan.write_text(PLAN.replace(old, new))
    code, _, error = run(capsys, plan, "--list")
    assert code == 1 and error.startswith(f"Error: {plan}: ") and error.count("\n") == 1
    assert fault in error


def test_shipped_plans_hold_every_reading():
    plans = {path.stem: read_plan(path) for path in PLANS.glob("*.toml")}
    assert all(len(plan.seeds) >= 2 for name, plan in plans.items() if name != "reading")  # in two rounds
    runs = plans["readings"].runs + plans["section4"].runs + plans["reading"].runs
    changed = {name for reading in runs for name in reading.changes}
    for spec in dataclasses.fields(Config):  # every value of every option with choices
        tried = [spec.default, *(reading.changes.get(spec.name) for reading in runs)]
        for choice in set(spec.metadata["choices"]) - UNTRIED.get(spec.name, set()):
            assert choice in tried, (spec.name, choice)
    assert {"copies_d", "norm_affine", "gamma_i", "gamma_c", "init_std", "beta1"} <= changed


def test_the_runs_that_choose_the_reading_learn_equally_many_channels():
    plan = read_plan(PLANS / "reading.toml")
    learned = set()
    for reading in plan.runs:
        config = plan.config(reading, 0)
        both = (config.g_widths, config.copies_g != "none"), (config.d_widths, config.copies_d)
        for widths, copied in both:
            learned.add(tuple(w - 6 * (copied and config.copies_mode == "replace") for w in widths))
    assert learned == {(32, 64, 128, 256)} and plan.steps == 2000


def study(values, sampling=0.01, measures=tuple(comparison.BETTER)):
    """Results of a study; values [run, seed, measure], the first run being the baseline."""
    runs = {}
    for number, run in enumerate(values):
        entries = {}
        for n, measure in enumerate(measures):
            difference = run[:, n] - values[0][:, n]
            mean, width = float(difference.mean()), 1.96 * sampling
            change = {"value": mean, "low": mean - width, "high": mean + width, "seeds": list(difference)}
            entries[measure] = {"seeds": list(run[:, n]), "difference": change}
        runs[f"run{number}"] = {"measures": entries}
    return {"runs": runs, "baseline": "run0"}


def test_where_nothing_differs_hardly_any_difference_counts():
    """Of 60 studies without effects, about 5 % have a difference that counts, which is Holm's promise."""
    rng, wrong = np.random.default_rng(0), 0
    for _ in range(60):
        values = rng.normal(0.5, 0.02, (8, 2, len(comparison.BETTER)))
        found = comparison.differences(study(values, sampling=0.0)).values()
        wrong += any(change.word != "-" for run in found for change in run.values())
    assert wrong <= 9  # in 999 of 1000 draws at 5 %


def test_the_spread_between_seeds_decides_what_counts():
    values = np.full((8, 2, 1), 0.5)
    values[:, 1] += 0.02  # the seeds of each run differ by this
    values[3] += 0.3
    values[4] += 0.02
    found = comparison.differences(study(values, measures=["inside"]))
    assert found["run3"]["inside"].word == "worse" and found["run4"]["inside"].word == "-"
    change = found["run4"]["inside"]
    assert change.low < 0.02 - 0.02 and change.high > 0.02 + 0.02  # swaps alone: half of this
    values[3, 1] += 0.6  # a run whose own spread is large keeps it
    assert comparison.differences(study(values, measures=["inside"]))["run3"]["inside"].word == "-"
    one = comparison.differences(study(values[:, :1], measures=["inside"]))["run3"]["inside"]
    assert (one.word, one.low) == ("-", None)  # a single seed tells nothing about the others


def test_the_sense_of_every_measure():
    """An error is better when it is lower, a likeness or an overlap when it is higher."""
    values = np.full((3, 2, len(comparison.BETTER)), 0.5)
    values[1], values[2] = 0.2, 0.8
    found = comparison.differences(study(values))
    for measure in comparison.BETTER:
        higher = "better" if measure in ("ssim_inside", "alpha_iou", "alpha_iou_worn") else "worse"
        assert found["run2"][measure].word == higher != found["run1"][measure].word


def test_holm_steps_down():
    tests = [(0.01, "a", "inside"), (0.02, "b", "inside"), (0.04, "c", "inside"), (0.03, "d", "inside")]
    assert comparison.significant(tests) == [("a", "inside")]  # 0.02 * 3 is above 0.05
    assert len(comparison.significant([(0.01, "a", "x"), (0.02, "b", "x")])) == 2


@pytest.mark.slow
def test_a_real_training_of_a_tiny_plan(plan, tmp_path, capfd):
    plan.write_text(PLAN.replace("seeds = [0, 1]", "seeds = [0]").replace("steps = 4", "steps = 2"))
    out = tmp_path / "study"
    code, _, error = run(capfd, plan, "--out", out, "--device", "cpu", "--only", "paper")
    assert code == 0, error
    found = json.loads((out / "results.json").read_text())
    assert found["n"] == 6 and found["missing"] == {"no_cycle": [0]}
    assert RunFolder(out / "paper_seed0").read_config() == read_plan(plan).config(read_plan(plan).runs[0], 0)
