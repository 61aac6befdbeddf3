"""Claims: verdicts by their rules, the document from stored results, one command."""

import dataclasses
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from figure_toys import ToyModel, write_photos

from cagan_theano import weights
from cagan_theano.config import Config
from cagan_theano.evaluation import evaluate, held_out, measures, shoots
from cagan_theano.io.command import main
from cagan_theano.studies import claims, document, study, verdicts
from cagan_theano.studies.verdicts import AT_LEAST, AT_MOST, NOT, PARTLY, REPRODUCED, UNKNOWN, Criterion

ROOT = weights.PACKAGE.parent


def entry(value, low=None, high=None):
    """A value with its interval."""
    return {
        "value": value,
        "low": value if low is None else low,
        "high": value if high is None else high,
        "meaning": "m",
    }


def shipped(step=10000, **changed):
    """Results of good weights, with some measures changed."""
    good = {m.name: 0.5 for m in measures.MEASURES} | {
        "inside": 0.3,
        "inside_low_pass": 0.2,
        "alpha_iou": 0.9,
        "outside": 0.01,
        "color_correlation": 0.95,
    }
    numbers = {name: entry(value) for name, value in (good | changed).items()}
    band = {"of_flat": entry(1.1), "of_unchanged": entry(0.8)}
    gap = {name: {"gap": entry(0.01)} for name in evaluate.GAP}
    return {
        "checkpoint": "toy.h5",
        "sha256": "ab" * 32,
        "step": step,
        "n": 9,
        "people": 3,
        "garments": 5,
        "interval": "95%",
        "config": json.loads(Config().to_json()),
        "metadata": {"data": {"pairs": 7}},
        "measures": numbers,
        "gap": gap,
        "bands": dict.fromkeys(measures.BAND_NAMES, band),
        "controlled": {
            "kinds": {},
            "color_less": dict.fromkeys(("texture", "cut", "neckline", "sleeve"), entry(-0.2, -0.3, -0.1)),
        },
        "clutter": {
            "n": 4,
            "measures": dict.fromkeys(claims.COMPARED, entry(0.5)),
            "gap": dict.fromkeys(claims.COMPARED, entry(-0.1, -0.2, -0.05)),
        },
        "speed": {**entry(2000), "device": "gpu", "cores": 2},
    }


def difference(value, low, high, seeds):
    """A difference from the baseline."""
    return {
        "value": 1.0,
        "low": 1.0,
        "high": 1.0,
        "seeds": [1.0] * len(seeds),
        "difference": {"value": value, "low": low, "high": high, "seeds": seeds},
    }


def study_of(steps=10000, **runs):
    """A study at the paper's scale whose runs change `inside` by (low, high)."""
    same = difference(0, 0, 0, [0, 0])

    def run(ends):
        low, high = ends
        middle = (low + high) / 2
        return {
            "about": "",
            "changes": {},
            "clutter": False,
            "seeds": [0, 1],
            "curves": [[]],
            "measures": {"inside": difference(middle, low, high, [middle, middle]), "alpha_iou": same},
        }

    return {
        "title": "Toy",
        "about": "",
        "plan": "toy.toml",
        "baseline": "paper",
        "steps": steps,
        "n": 9,
        "people": 3,
        "trainings": 4,
        "config": {},
        "missing": {},
        "photoshoot": {"size": [128, 96], "pairs": 7},
        "runs": {name: run(ends) for name, ends in {"paper": (0, 0), **runs}.items()},
    }


def verdict(title, *arguments):
    """The verdict on the claim whose title begins so."""
    claim = next(c for c in verdicts.CLAIMS if c.title.startswith(title))
    found = claim.judge(*arguments)
    return found.verdict


def test_an_empty_log_is_a_log_without_lines(tmp_path):
    (tmp_path / "training.json").write_text("{}")
    assert claims.read_training(tmp_path / "training.json") == {"points": [], "samples": []}
    assert claims.read_training(tmp_path / "none.json") is None


def test_rules_look_at_the_whole_interval():
    low, high = criterion(AT_MOST, 0.45, 1), criterion(AT_LEAST, 0.8, 0.5)
    assert low.verdict(entry(0.4, 0.3, 0.44)) == REPRODUCED
    assert low.verdict(entry(0.4, 0.3, 0.46)) == PARTLY
    assert low.verdict(entry(0.9, 0.8, 1.1)) == NOT
    assert high.verdict(entry(0.9, 0.79, 0.95)) == PARTLY
    assert high.verdict({"value": 0.9, "low": None, "high": None}) == REPRODUCED
    assert criterion(AT_LEAST, 0.8, None).verdict(entry(0.7)) == NOT
    assert verdicts.worst(REPRODUCED, NOT, PARTLY) == NOT
    assert verdicts.mixed(REPRODUCED, NOT) == PARTLY and verdicts.mixed(NOT, NOT) == NOT
    assert verdicts.mixed(NOT, UNKNOWN) == UNKNOWN  # neither supports the claim


def criterion(comparison, reproduced, partly):
    """A criterion on an entry itself."""
    return Criterion("error", lambda found: found, comparison, reproduced, partly)


def test_a_threshold_moves_both_the_rule_and_the_verdict():
    criteria = [Criterion("IoU", verdicts.measure("alpha_iou"), AT_LEAST, 0.8, 0.5)]
    for reproduced, wanted in ((0.8, REPRODUCED), (0.95, PARTLY)):
        moved = [dataclasses.replace(one, reproduced=reproduced) for one in criteria]
        rule, judge = verdicts.by_criteria(moved, "alpha_iou")
        assert rule == f"reproduced: IoU at least {reproduced:g}; partly: IoU at least 0.5"
        assert judge(shipped(alpha_iou=0.9), {}, None).verdict == wanted


def test_the_number_of_seeds_is_one_constant(monkeypatch):
    """The rule's text, the verdict and the study's own table follow it."""
    found = {"ablations_a.json": study_of(no_copies=(0.1, 0.2))}
    for module in (study, verdicts):
        monkeypatch.setattr(module, "MIN_SEEDS", 3)
    assert "at least 3 seeds" in verdicts.study_rule()
    judged = verdicts.of_study(found, "no_copies")
    assert judged.verdict == UNKNOWN and judged.remark == "2 seeds on 7 of 15000 pairs, too few to judge"


@pytest.mark.parametrize(
    "title, changed, wanted",
    [
        ("Swaps", {}, REPRODUCED),
        ("Swaps", {"inside": 0.6}, PARTLY),
        ("Swaps", {"inside": 1.2}, NOT),
        ("Masks", {}, REPRODUCED),
        ("Masks", {"alpha_iou": 0.7}, PARTLY),
        ("Masks", {"alpha_iou": 0.2}, NOT),
        ("The rest", {"outside": 0.02}, PARTLY),
        ("The rest", {"outside": 0.2}, NOT),
        ("Colors", {}, REPRODUCED),
        ("Colors", {"color_correlation": 0.1}, NOT),
        ("10000", {}, REPRODUCED),
        ("A receptive", {}, REPRODUCED),
        ("A receptive", {"inside": 0.9}, UNKNOWN),
        ("Thousands", {}, REPRODUCED),
        ("Unseen", {}, REPRODUCED),
        ("Clutter", {}, PARTLY),
    ],
)
def test_verdicts_on_finished_weights(title, changed, wanted):
    assert verdict(title, shipped(**changed), {}, None) == wanted


LIMITS = [("Swaps", ("measures", "inside"), 0.45, 0.99),
          ("Swaps", ("measures", "inside_low_pass"), 0.25, 0.99),
          ("Masks", ("measures", "alpha_iou"), 0.8, 0.5), ("The rest", ("measures", "outside"), 0.015, 0.03),
          ("Unseen", ("gap", "inside", "gap"), 0.05, 0.1),
          ("Unseen", ("gap", "alpha_iou", "gap"), -0.05, -0.1),
          ("Colors", ("measures", "color_correlation"), 0.9, 0.7),
          ("Colors", ("measures", "inside_low_pass"), 0.25, 0.5),
          ("Colors", ("bands", "finest", "of_flat"), 0.95, 0.8)]  # fmt: skip


@pytest.mark.parametrize("title, place, aim, loose", LIMITS)
def test_a_rule_turns_at_its_own_numbers(title, place, aim, loose):
    """Both limits of each rule, from either side: reproduced, partly, not."""
    worse = 1e-4 if loose > aim else -1e-4
    rule = next(c.rule for c in verdicts.CLAIMS if c.title.startswith(title))
    reproduced, partly = rule.split("; partly: ")
    assert f" {aim:g}" in reproduced and f" {loose:g}" in partly
    for value, wanted in ((aim, REPRODUCED), (aim + worse, PARTLY), (loose, PARTLY), (loose + worse, NOT)):
        results = json.loads(json.dumps(shipped()))
        inner = results
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = entry(value)
        assert verdict(title, results, {}, None) == wanted, (title, place, value)


def test_unfinished_weights_do_not_refute():
    assert verdict("Swaps", shipped(100, inside=1.2), {}, None) == UNKNOWN
    assert verdict("Swaps", shipped(100, inside=0.6), {}, None) == PARTLY
    assert verdict("10000", shipped(100), {}, None) == UNKNOWN
    # a network that does nothing has no gap either
    assert verdict("Unseen", shipped(100, inside=1.2), {}, None) == UNKNOWN
    assert verdict("Unseen", shipped(inside=1.2), {}, None) == NOT


def test_color_must_be_easier_than_every_other_kind():
    found = shipped()
    found["controlled"]["color_less"]["cut"] = entry(-0.1, -0.3, 0.1)
    assert verdict("In-place", shipped(), {}, None) == REPRODUCED
    assert verdict("In-place", found, {}, None) == PARTLY
    found["controlled"]["color_less"] = dict.fromkeys(
        ("texture", "cut", "neckline", "sleeve"), entry(0.1, 0.05, 0.2)
    )
    assert verdict("In-place", found, {}, None) == NOT


def test_verdicts_of_studies():
    good = {
        "ablations_a.json": study_of(
            no_identity=(0.1, 0.2), no_cycle=(0.1, 0.2), no_copies=(-0.1, 0.2), alpha_tv=(-0.2, -0.1)
        )
    }
    both = "Both regularizations"
    assert verdict(both, None, good, None) == REPRODUCED
    assert verdict("The stored", None, good, None) == NOT  # an interval with 0
    assert verdict("Other norms", None, good, None) == REPRODUCED
    half = {"ablations_a.json": study_of(no_identity=(0.1, 0.2), no_cycle=(-0.2, -0.1))}
    assert verdict(both, None, half, None) == PARTLY
    small = {"ablations_a.json": study_of(500, no_identity=(0.1, 0.2), no_cycle=(0.1, 0.2))}
    assert verdict(both, None, small, None) == PARTLY
    assert verdict(both, None, {}, None) == UNKNOWN
    one_seed = {"ablations_a.json": study_of(no_copies=(0.1, 0.2))}
    one_seed["ablations_a.json"]["runs"]["no_copies"]["seeds"] = [0]
    for found in one_seed["ablations_a.json"]["runs"]["no_copies"]["measures"].values():
        found["difference"]["seeds"] = found["difference"]["seeds"][:1]
    assert verdict("The stored", None, one_seed, None) == UNKNOWN
    # a small study can support a claim in part, and refutes none
    unseen = {
        "ablations_a.json": study_of(
            500, no_identity=(-0.2, -0.1), no_copies=(-0.2, -0.1), no_cycle=(0.1, 0.2)
        )
    }
    assert verdict("The stored", None, unseen, None) == UNKNOWN
    assert verdict(both, None, unseen, None) == PARTLY  # one of the two
    # the longest study speaks
    assert verdict(both, None, {**small, "ablations_b.json": good["ablations_a.json"]}, None) == REPRODUCED


@pytest.mark.parametrize("runs, words", [
    ({}, "is not trained yet"), ({"d_layers_3": (0.1, 0.2)}, "a larger receptive field does better"),
    ({"d_layers_3": (-0.2, 0.1)}, "a larger receptive field does no better, 500 steps"),
])  # fmt: skip
def test_a_narrower_D_tells_where_the_weights_do_not(runs, words):
    judge, studies = verdicts.receptive_field, {"ablations_a.json": study_of(500, **runs)}
    found = judge(shipped(inside=0.9), studies, None)
    assert words in found.remark and found.verdict == (PARTLY if "no better" in words else UNKNOWN)
    assert judge(shipped(), studies, None).verdict == REPRODUCED
    assert len(found.entries) == 2 + 2 * len(runs)  # the weights' two, the run's two
    one = {"ablations_a.json": study_of(500, d_layers_3=(-0.2, 0.1))}
    one["ablations_a.json"]["runs"]["d_layers_3"]["seeds"] = [0]
    assert judge(shipped(inside=0.9), one, None).verdict == UNKNOWN


@pytest.mark.parametrize("steps, high, wanted, words", [
    (10000, -0.1, REPRODUCED, ""),
    (500, -0.1, PARTLY, "also lower for a network trained in the street, 500 steps"),
    (10000, 0.1, PARTLY, "not lower for a network trained in the street"),
])  # fmt: skip
def test_clutter_asks_a_network_of_the_street_as_well(steps, high, wanted, words):
    results = study_of(steps, clutter=(0, 0))
    results["runs"]["clutter"]["measures"]["alpha_iou"] = difference(-0.15, -0.2, high, [-0.1, -0.2])
    found = verdicts.clutter(shipped(), {"ablations_a.json": results}, None)
    assert (found.verdict, found.remark) == (wanted, words)


def test_a_mask_that_clutter_does_not_worsen_refutes_the_claim():
    found = shipped()
    found["clutter"]["gap"]["alpha_iou"] = entry(-0.1, -0.2, 0.01)
    assert verdicts.clutter(found, {}, None).verdict == NOT
    found["clutter"]["gap"]["alpha_iou"] = entry(0.1, 0.05, 0.2)
    assert verdicts.clutter(found, {}, None).verdict == NOT


def test_scale_names_what_is_smaller():
    assert verdicts.scale(study_of()) == ""
    whole = study_of()
    whole["config"] = json.loads(Config().to_json())
    for size in ([128, 96], [256, 192]):
        whole["photoshoot"]["size"] = size
        assert verdicts.scale(whole) == ""
    small = study_of(500)
    small["config"] = {"g_widths": [8, 9, 10, 12], "batch_size": 8}
    small["photoshoot"]["size"] = [48, 32]
    assert verdicts.scale(small) == "8 to 12 channels, 48x32 pixels, 500 steps, batches of 8"


def test_the_document_is_that_of_the_stored_results():
    """docs/claims.md is generated: the results in docs/results give it byte for byte."""
    folder = ROOT / "docs/results"
    found = claims.read_results(folder / "shipped.json")
    gpu = claims.on_gpu(claims.read_results(folder / "gpu.json"), found)
    text = document.document(
        found | {"gpu": gpu},
        claims.read_studies(folder),
        claims.read_training(folder / "training.json"),
        claims.read_results(folder / "photos.json"),
    )
    assert (ROOT / "docs/claims.md").read_text() == text, "run python replicate/claims.py"
    (counts,) = re.findall(r"Of the 13 claims: (.+)\.", text)
    assert counts in " ".join((ROOT / "README.md").read_text().split()), "the README gives other counts"
    for link in re.findall(r"\]\(((?:results/|\w+\.md)[^)#]*)\)", text):
        assert (ROOT / "docs" / link).exists(), link
    anchors = [f"#{document.anchor(n, c.title)}" for n, c in enumerate(verdicts.CLAIMS, 1)]
    assert all(f"({anchor})" in text for anchor in anchors)


def test_photos_are_judged_by_the_same_rules():
    text = document.document(shipped(), {}, None, shipped(alpha_iou=0.7))
    rows = {line.split(" | ")[0]: line for line in text.splitlines() if line.startswith("| ")}
    assert rows["| #"].endswith("| on photos |")
    assert rows["| 1"].endswith("| **reproduced** |") and rows["| 2"].endswith("| **partly** |")
    assert rows["| 4"].endswith("| - |")  # needs renderings of the training set
    masks = text.split("## 2. ")[1].split("## 3. ")[0]
    assert "Verdict: **reproduced**" in masks and "in real photos: **partly**" in masks
    assert "| 0.900 |" in masks and "| 0.700 |" in masks
    assert "on photos" not in document.document(shipped(), {}, None)


def test_studies_are_judged_on_their_photos_too():
    """By the same rules, with the photos' differences and without scores of held-out renderings."""
    one = study_of(alpha_tv=(0.1, 0.2), no_copies=(0.1, 0.2))
    one["runs"]["no_copies"]["curves"] = [[{"step": 5000, "inside": 0.5, "alpha_iou": 0.9}]]
    assert "on photos" not in document.document(shipped(), {"ablations_a.json": one}, None)
    for name, run in one["runs"].items():
        run["photos"] = study_of(alpha_tv=(-0.4, -0.3), no_copies=(-0.2, 0.1))["runs"][name]["measures"]
    one["photos"] = {"data": "shop.h5", "n": 9, "people": 3}
    text = document.document(shipped(), {"ablations_a.json": one}, None)
    rows = {line.split(" | ")[0]: line for line in text.splitlines() if line.startswith("| ")}
    how = "(2 seeds on 7 of 15000 pairs)"
    assert "**not**" in rows["| 11"] and rows["| 11"].endswith(f"| **reproduced** {how} |")
    assert "**reproduced**" in rows["| 8"] and rows["| 8"].endswith(f"| **not** {how} |")
    assert rows["| 7"].endswith("| - |") and rows["| 10"].endswith("| - |")
    copies = text.split("## 8. ")[1].split("## 9. ")[0]
    held_out, photos = copies.split("On the photos of the study: ")
    assert "convergence" in held_out and "convergence" not in photos
    assert "--photos shop.h5" in photos and "| -0.200 to 0.100 |" in photos


def test_photos_of_other_weights_are_left_out(tmp_path):
    path = tmp_path / "photos.json"
    assert claims.of_weights(path, "ab") is None
    path.write_text('{"sha256": "ab"}')
    assert claims.of_weights(path, "ab") == {"sha256": "ab"} and claims.of_weights(path, "cd") is None


def test_a_log_is_condensed_to_means(tmp_path):
    scores = {"inside": 0.5, "outside": 0.1}
    lines = [
        {"step": n + 1, "loss_D": n % 2, **({"alpha_iou": n / 600, **scores} if n % 30 == 29 else {})}
        for n in range(600)
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = claims.condensed(tmp_path / "log.jsonl")
    assert len(found["points"]) == 60 and found["points"][-1] == {"step": 600, "loss_D": 0.5}
    assert len(found["samples"]) == 20
    assert found["samples"][1] == {"step": 60, "alpha_iou": round(59 / 600, 5), **scores}
    steps = [int(re.search(r"step (\d+)", label)[1]) for label in verdicts.curve(found, 300)]
    assert max(steps) == 300 and len(set(steps)) >= 5  # the weights' own last step is there
    (tmp_path / "log.jsonl").write_text("nothing\n")
    with pytest.raises(ValueError, match="contains no training steps"):
        claims.condensed(tmp_path / "log.jsonl")


def test_a_damaged_results_file_is_one_line(tmp_path):
    (tmp_path / "shipped.json").write_text("[1")
    with pytest.raises(ValueError, match=r"shipped.json: is not a results file .*measure again"):
        claims.read_results(tmp_path / "shipped.json")
    assert claims.read_results(tmp_path / "none.json") is None


def test_weights_that_did_not_start_at_random_say_so():
    """More steps than their own were taken, so that they cannot tell how many are enough."""
    found = shipped()
    found["metadata"] = found["metadata"] | {"init": {"step": 8913, "height": 256, "width": 192}}
    text = document.document(found, {}, None)
    assert "starting from step 8913 of another training at 256x192" in text
    number = verdicts.steps_enough(found, {}, None)
    assert number.verdict == UNKNOWN and "more steps were taken" in number.remark
    assert verdicts.steps_enough(shipped(), {}, None).verdict != UNKNOWN


@pytest.mark.parametrize(
    "error, low_pass, wanted", [(0.44, 0.24, REPRODUCED), (0.46, 0.24, PARTLY), (0.44, 1.5, NOT)]
)
def test_a_study_at_the_papers_scale_tells_whether_its_steps_are_enough(error, low_pass, wanted):
    """Its baseline started at random; a smaller one, or one whose baseline differs, tells nothing."""
    found, one = shipped(), study_of()
    found["metadata"] = found["metadata"] | {"init": {"step": 8913, "height": 256, "width": 192}}
    base = one["runs"]["paper"]
    base["measures"] = {"inside": entry(error), "inside_low_pass": entry(low_pass), "alpha_iou": entry(0.9)}
    base["curves"] = [
        [{"step": 5, "inside": 0.5, "alpha_iou": 0.9}],
        [{"step": 5, "inside": 0.7, "alpha_iou": 0.9}],
    ]
    number = verdicts.steps_enough(found, {"ablations_toy.json": one}, None)
    assert number.verdict == wanted and "2 trainings from random weights on 7 of 15000 pairs" in number.remark
    assert number.entries["error on 16 swaps, step 5, run `paper`"]["value"] == pytest.approx(0.6)
    assert number.source == "[ablations_toy.json](results/ablations_toy.json)"
    more = one | {"photoshoot": one["photoshoot"] | {"pairs": 15000}, "devices": ["GPU, tf32"]}
    number = verdicts.steps_enough(found, {"a.json": more, "b.json": one}, None)
    assert "from random weights on tf32, since" in number.remark and "a.json" in number.source
    assert "--device gpu --precision tf32" in number.command


@pytest.mark.parametrize(
    "changed",
    [
        {"steps": 9999},
        {"config": {"gamma_truth": 10.0}},
        {"config": {"d_widths": [64, 128, 256]}},
        {"data": "photos.h5"},
        {"photoshoot": {"size": [128, 96], "pairs": 7, "wardrobe": "shop"}},
        {"runs": {"paper": study_of()["runs"]["paper"] | {"changes": {"alpha_norm": "tv"}}}},
        {"runs": {"paper": study_of()["runs"]["paper"] | {"clutter": True}}},
        {"runs": {"paper": study_of()["runs"]["paper"] | {"measures": {"cycle": entry(0.1)}}}},
    ],
)
def test_only_the_papers_method_tells_whether_its_steps_are_enough(changed):
    assert verdicts.as_in_the_paper(study_of())
    assert not verdicts.as_in_the_paper(study_of() | changed)
    assert verdicts.at_paper_scale({"a.json": study_of() | changed}) is None


def record(**changed):
    """A benchmark of our swap on a GPU, as its JSON."""
    row = {"kind": "ours", "seconds": [0.02, 0.04, 0.01]}
    case = {"case": "swap, 128x96, batch 64", "batch": 64, "rows": [row]}
    return {"about": "Toy GPU; 2 x cpu; python 3", "results": [case | changed]}


def test_a_gpu_counts_beside_this_cpu():
    """Thousands per second on one of the devices; the rates are those of the rounds."""
    gpu = claims.on_gpu(record(), shipped())
    assert (gpu["low"], gpu["value"], gpu["high"]) == pytest.approx((1600, 3200, 6400))
    assert (gpu["name"], gpu["rounds"]) == ("Toy GPU", 3)
    slow = shipped() | {"speed": {**entry(76), "device": "cpu", "cores": 2}}

    def judged(**more):
        found = verdicts.fast(slow | more, None, None)
        return found.verdict, found.remark, len(found.entries)

    assert judged() == (NOT, "not on 2 CPU cores; no GPU was timed", 1)
    assert judged(gpu=gpu) == (REPRODUCED, "on Toy GPU; not on 2 CPU cores", 2)
    assert judged(gpu=gpu | {"low": 900}) == (NOT, "not on Toy GPU; not on 2 CPU cores", 2)
    assert judged(gpu=gpu, speed=None) == (REPRODUCED, "", 1)
    assert judged(speed=None)[0] == UNKNOWN


def test_a_gpu_record_of_something_else_does_not_count():
    def changed(**more):
        return shipped() | {"config": shipped()["config"] | more}

    assert claims.on_gpu(None, shipped()) is None
    assert claims.on_gpu(record(), changed(height=256, width=192)) is None
    assert claims.on_gpu(record(), changed(g_widths=[32, 64, 128, 256])) is None
    for wrong in (
        record(rows=[{"kind": "ours", "error": "too different"}]),
        record(case="step, 128x96, batch 64"),
        record() | {"about": "cpu; 2 x toy"},
    ):
        with pytest.raises(ValueError, match="did not time the swap"):
            claims.on_gpu(wrong, shipped())


@pytest.mark.parametrize("lower, verdict", [(1, NOT), (2, PARTLY), (3, PARTLY)])
def test_two_of_four_easier_kinds_are_partly(lower, verdict):
    kinds = {kind: {"n": 40, "changed": entry(0.5)} for kind in measures.KINDS}
    less = {kind: entry(-0.1, -0.2, -0.05 if n < lower else 0.05)
            for n, kind in enumerate(kind for kind in measures.KINDS if kind != "color")}  # fmt: skip
    found = verdicts.color_is_easier(
        shipped() | {"controlled": {"kinds": kinds, "color_less": less}}, {}, None
    )
    assert len(less) > 3 and found.verdict == verdict


def test_the_scale_of_a_study_names_all_that_is_smaller_or_other():
    full = {"config": {}, "photoshoot": {"size": [128, 96]}, "steps": 10000}
    assert verdicts.scale(full) == ""
    assert verdicts.scale(full | {"config": {"learning_rate": 1e-3}}) == "learning rate 0.001"
    assert verdicts.scale(full | {"config": {"batch_size": 8}}) == "batches of 8"


def check_signs(found):
    """Each difference in the measurements is that of the two values that it names."""
    for entry in found["gap"].values():
        assert entry["gap"]["value"] == pytest.approx(entry["held_out"]["value"] - entry["trained"]["value"])
    for name in claims.COMPARED:
        street, studio = found["clutter"]["measures"][name]["value"], found["measures"][name]["value"]
        assert found["clutter"]["gap"][name]["value"] == pytest.approx(street - studio)
    kinds = {kind: one["changed"]["value"] for kind, one in found["controlled"]["kinds"].items()}
    for kind, less in found["controlled"]["color_less"].items():
        assert less["value"] == pytest.approx(kinds["color"] - kinds[kind])


def test_the_command_measures_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(held_out, "renderings", lambda: tmp_path)
    for name, value in (("TRIPLES", 6), ("TRAINED", 5)):
        monkeypatch.setattr(evaluate, name, value)
    for name, value in (("CONTROLLED", 4), ("CLUTTER", 4), ("TIMED", 2)):
        monkeypatch.setattr(claims, name, value)
    model = ToyModel(0.5)
    model.config, model.loaded = Config(height=32, width=32), 0
    model.metadata = {
        "data": {
            "pairs": 9,
            "provenance": {
                "program": "data_prep photoshoot",
                "version": shoots.shoot.VERSION,
                "seed": 3,
                "arguments": {"pairs": 9, "size": [32, 32], "held_out": 8, "clutter": False},
            },
        }
    }
    monkeypatch.setattr(weights, "load_model", lambda *_: model)
    monkeypatch.setattr(
        "cagan_theano.checkpoint.load_checkpoint", lambda _path: SimpleNamespace(sha256=model.sha256)
    )
    arguments = ["--checkpoint", "toy.h5", "--results", str(tmp_path / "r"), "--out", str(tmp_path / "c.md")]
    for again in (["wrote"], ["already has these measurements"]):
        with pytest.raises(SystemExit) as done:
            main(claims.command, arguments)
        text = capsys.readouterr()
        assert done.value.code == 0, text.err
        assert again[0] in text.out.splitlines()[0]
    photos = write_photos(tmp_path / "real.h5", 4)
    bare = write_photos(tmp_path / "bare.h5", 4, triples=False)
    for data, code, words in ((bare, 1, "has no true swaps"), (photos, 0, "photos.json")):
        with pytest.raises(SystemExit) as done:
            main(claims.command, [*arguments, "--photos", str(data)])
        text = capsys.readouterr()
        assert done.value.code == code and words in text.out + text.err
    there = json.loads((tmp_path / "r/photos.json").read_text())
    others = write_photos(tmp_path / "others.h5", 5)
    for told in ("wrote", "already has these measurements"):  # of other photos, the numbers are made anew
        with pytest.raises(SystemExit):
            main(claims.command, [*arguments, "--photos", str(others)])
        assert f"photos.json: {told}" in (text := capsys.readouterr().out) or f"{told} {tmp_path}" in text
    assert json.loads((tmp_path / "r/photos.json").read_text())["n"] == 5
    assert there["n"] == 4 and "swaps" not in there and str(tmp_path) not in json.dumps(there)
    found = json.loads((tmp_path / "r/shipped.json").read_text())
    assert "swaps" not in found and found["n"] == 6 and found["trained_n"] == 5
    assert {k: e["n"] for k, e in found["controlled"]["kinds"].items()} == dict.fromkeys(shoots.FIELDS, 4)
    assert found["clutter"]["n"] == 4 and found["speed"]["value"] > 0
    check_signs(found)
    text = (tmp_path / "c.md").read_text()
    model.sha256 = "cd" * 32  # of other weights, everything is measured anew
    with pytest.raises(SystemExit):
        main(claims.command, [*arguments, "--photos", str(others)])
    said = capsys.readouterr().out
    assert "already" not in said and said.count("wrote") == 3
    assert "step 7 of 10000 (**unfinished**)" in text and str(tmp_path) not in text
    assert all(np.isfinite(found["measures"][n]["value"]) for n in ("inside", "cycle"))
