"""Claims: verdicts by their rules, on good results, on limits and on painters that have learned nothing."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import run_command
from figure_toys import write_photos

from cagan_theano import weights
from cagan_theano.config import Config
from cagan_theano.evaluation import evaluate, held_out, measures, metrics
from cagan_theano.evaluation.interval import Measured
from cagan_theano.evaluation.measures import OURS, measure
from cagan_theano.studies import claims, comparison, document, verdicts
from cagan_theano.studies.verdicts import NOT, PARTLY, REPRODUCED, UNKNOWN
from data_prep.photoshoot import shoot
from data_prep.resize import resize_file

ROOT = weights.PACKAGE.parent
CLAIMS = verdicts.read_claims()
OF_WEIGHTS = [number for number, claim in enumerate(CLAIMS, 1) if not claim.runs]


def entry(value, low=None, high=None):
    """A value with its interval, by default without width."""
    return {"value": value, "low": value if low is None else low, "high": value if high is None else high}


def shipped(step=10000, **changed):
    """Results of good weights: each measure of each criterion a little better than its threshold.

    changed: "claim_number" -> value of this criterion, such as c1_0 for the first one of claim 1.
    """
    found = {"checkpoint": "toy.h5", "sha256": "ab" * 32, "step": step, "interval": "95%", "n": 9}
    found |= {"people": 3, "garments": 5, "metadata": {"data": {"pairs": 7}}}
    found |= {"config": json.loads(Config().to_json()), "speed": entry(2000) | {"device": "cpu", "cores": 2}}
    values = {}
    for number, claim in enumerate(CLAIMS, 1):
        for n, criterion in enumerate(claim.criteria):
            sign = -1 if criterion.comparison == verdicts.BELOW else 1
            limit = criterion.partly if criterion.reproduced is None else criterion.reproduced
            if limit is not None:
                values.setdefault(criterion.path, limit + sign * 0.01)
            if f"c{number}_{n}" in changed:
                values[criterion.path] = changed[f"c{number}_{n}"]
    for path, value in values.items():
        inner, (*keys, last) = found, path.split(".")
        for key in keys:
            inner = inner.setdefault(key, {})
        inner[last] = value if isinstance(value, dict) else entry(value)
    return found


def verdict(number, results, studies=None):
    """The verdict on a claim."""
    return CLAIMS[number - 1].judge(results, studies).verdict


def study_of(steps=10000, seeds=(0, 1), **runs):
    """A study at the paper's scale whose runs change `inside` and `alpha_iou`; each seed adds 0.001."""

    def measured(change):
        each = list(0.5 + change + 0.001 * np.arange(len(seeds)))
        difference = {**entry(change, change - 0.001, change + 0.001), "seeds": [change] * len(seeds)}
        return {**entry(0.5 + change, 0.4, 0.6), "seeds": each, "difference": difference}

    def trained(change, iou):
        measures = {"inside": measured(change), "alpha_iou": measured(iou)}
        return {"changes": {}, "seeds": list(seeds), "measures": measures}

    found = {"title": "Toy", "about": "", "plan": "toy.toml", "baseline": "paper", "steps": steps, "n": 9}
    found |= {"people": 3, "trainings": 4, "config": {}, "missing": {}}
    found |= {"photoshoot": {"size": [128, 96], "pairs": 15000}}
    return found | {"runs": {name: trained(*both) for name, both in {"paper": (0, 0), **runs}.items()}}


@pytest.mark.parametrize("number", OF_WEIGHTS)
def test_verdict_changes_at_the_rule_s_limits(number):
    """Each limit of each criterion decides, against the whole interval, and is in the text of the rule."""
    claim = CLAIMS[number - 1]
    rules = re.findall(r"Rule: (.+)", document.write_claims(shipped(), {}))
    assert verdict(number, shipped()) == REPRODUCED
    for n, criterion in enumerate(claim.criteria):
        below = criterion.comparison == verdicts.BELOW
        for word, limit in ((REPRODUCED, criterion.reproduced), (PARTLY, criterion.partly)):
            if limit is None:
                continue
            assert f"{criterion.metric} {criterion.comparison} {limit:g}" in rules[number - 1]
            far = limit + (1 if below else -1)
            touching = entry(limit - (0.01 if below else -0.01), *((None, far) if below else (far, None)))
            for value in (limit, touching):
                found = verdict(number, shipped(**{f"c{number}_{n}": value}))
                assert found != word and found != REPRODUCED, (criterion, word, value)
        if criterion.partly not in (None, criterion.reproduced):
            between = (criterion.partly + criterion.reproduced) / 2 if criterion.reproduced else 0.5
            assert verdict(number, shipped(**{f"c{number}_{n}": between})) == PARTLY


def test_claims_that_need_others():
    """Masks that find nothing, or swaps that are worth nothing, leave nothing else to claim."""
    no_swaps, no_masks = shipped(c1_2=-0.1), shipped(c2_1=-0.1)
    assert [n for n in OF_WEIGHTS if verdict(n, no_swaps) != REPRODUCED] == [1, 4, 5, 6, 9, 10]
    assert [n for n in OF_WEIGHTS if verdict(n, no_masks) != REPRODUCED] == [2, 3, 13]
    assert "claim 1: not" in CLAIMS[3].judge(no_swaps).remark


def test_insufficient_results_are_unknown():
    assert verdict(1, shipped(100, c1_2=-0.1)) == UNKNOWN  # unfinished weights refute nothing
    assert verdict(1, shipped(100, c1_0=0.6)) == PARTLY
    lacking = shipped()
    del lacking["baselines"]
    assert verdict(1, lacking) == verdict(10, lacking) == UNKNOWN
    other_d = shipped() | {"config": json.loads(Config(d_widths=(64, 128, 256)).to_json())}
    assert (verdict(1, other_d), verdict(9, other_d)) == (REPRODUCED, UNKNOWN)
    begun = shipped()
    begun["metadata"] = {"init": {"step": 8913, "height": 256, "width": 192}}
    assert (verdict(1, begun), verdict(10, begun)) == (REPRODUCED, UNKNOWN)
    assert "from step 8913 of another at 256x192" in document.write_claims(begun, {})


class Painter:
    """Paints x_i by paint(x_i, y_j, region) in the region that find(x_i, y_j) gives."""

    def __init__(self, paint, find):
        self.paint, self.find = paint, find
        self.config, self.step, self.sha256, self.metadata = Config(height=64, width=48), 10000, "ab" * 32, {}

    def swap(self, x_i, y_i, y_j):
        """As `Model.swap`."""
        alpha = np.stack([self.find(*one) for one in zip(x_i, y_j)])
        painted = [metrics.blend(a, self.paint(x, y, a), x) for x, y, a in zip(x_i, y_j, alpha)]
        return SimpleNamespace(alpha=alpha, x_ij=np.stack(painted))


NOISE = np.random.default_rng(0)
PAINTS = {
    "gray": lambda x, y, a: np.full(x.shape, 128.0),
    "noise": lambda x, y, a: NOISE.normal(128, 64, x.shape).clip(0, 255),
    "one color": lambda x, y, a: np.broadcast_to(metrics.article_color(y), x.shape),
    "shaded color": lambda x, y, a: metrics.recolor(x, y, np.where(a > 0.5, 1.0, 0.0)),
    "photo and noise": lambda x, y, a: (x + NOISE.normal(0, 32, x.shape)).clip(0, 255),
}


@pytest.fixture(scope="module")
def renderings(tmp_path_factory):
    """The shipped held-out renderings at 64x48: (open split, function to the truth and its mask)."""
    path = tmp_path_factory.mktemp("null") / "small.h5"
    resize_file(str(weights.held_out(128, 96)), path, (64, 48))
    with held_out.open_split(path, None) as held:
        images = held_out.read(held, held_out.all_swaps(held))
        keys = [(x.tobytes(), y.tobytes()) for x, y in zip(images["x_i"], images["y_j"])]
        known = dict(zip(keys, zip(images["truth"], images["mask_ij"] / 255.0)))
        yield held, lambda x, y: known[x.tobytes(), y.tobytes()]


def judge_all(held, paints, find):
    """Name of a paint -> the claims about weights that it satisfies, whatever cannot be measured of it."""
    painters = {name: Painter(paint, find) for name, paint in paints.items()}
    first = next(iter(painters.values()))
    systems = {
        name: lambda images, _, one=one: (held_out.swap(one, held, images).x_ij, None)
        for name, one in painters.items()
    }
    found, satisfied = measure(first, held, systems=systems, cycle=False), {}
    granted = shipped(**{f"c6_{n}": -1 for n in range(5)})  # its gap, kinds and speed are perfect
    for name in paints:
        columns = {**found[OURS].columns, **found[name].columns}  # those of alpha are the same for all
        one = {**found, OURS: Measured(columns, found[OURS].weights)}
        results = granted | evaluate.report("painter.h5", first, held, one)
        results |= {"gap": granted["gap"], "beside": claims.measure_beside(held, one)}
        satisfied[name] = [n for n in OF_WEIGHTS if verdict(n, results) in (REPRODUCED, PARTLY)]
    return satisfied


def test_painters_that_have_learned_nothing_support_no_claim(renderings):
    """Neither an unchanged photo nor paint in the middle of the image, a region found without looking."""
    held, _ = renderings
    nowhere, middle = np.zeros((64, 48)), np.zeros((64, 48))
    middle[16:, 12:36] = 1
    assert judge_all(held, {"unchanged": lambda x, y, a: x}, lambda x, y: nowhere) == {"unchanged": []}
    assert judge_all(held, PAINTS, lambda x, y: middle) == dict.fromkeys(PAINTS, [])
    overlaps = claims.overlap_of_constant_mask(held)  # the best guess without looking
    assert len(overlaps) == len(held_out.all_swaps(held).i) and 0.4 < overlaps.mean() < 0.8


def test_given_the_true_region_they_support_only_what_judges_the_region(renderings):
    """Which is not theirs; one that paints the true swaps there supports the claims about swaps, too."""
    held, known = renderings
    paints = PAINTS | {"truth": lambda x, y, a: known(x, y)[0].astype(float)}
    found = judge_all(held, paints, lambda x, y: known(x, y)[1])
    assert set(found.pop("truth")) >= {1, 2, 3, 4, 6, 9, 10}  # not 5: its textures transfer
    assert all(set(claims_met) <= {2, 3, 13} for claims_met in found.values()), found


def test_kinds_are_compared_over_equally_many_pixels():
    """Equal errors are equal, however small the change; the ratio to the unchanged image's was not."""
    n = len(measures.SHAPE) + 2
    names = ("color", "texture", *measures.SHAPE)
    kinds = {f"kind_{kind}": np.arange(4 * n) % n == k for k, kind in enumerate(names)}
    columns = {"person": np.arange(4 * n), "article": np.arange(4 * n), **kinds}
    columns |= {"region": np.full(4 * n, 0.25), "error_inside": np.full(4 * n, 0.4)}
    columns |= {"error_outside": np.full(4 * n, 0.1), "unchanged_changed": 1.0 + kinds["kind_color"]}
    found = claims.compare_kinds(Measured.of(columns))
    assert found["error"]["color"]["value"] == pytest.approx(0.25 * 0.4 + 0.75 * 0.1)
    assert all(one["value"] == pytest.approx(0) for one in found["error_color_less"].values())
    assert verdict(6, shipped() | {"controlled": found}) == NOT


def test_verdicts_of_studies():
    good = {"a.json": study_of(no_identity=(0.2, 0), no_cycle=(0.1, 0), no_copies=(0, 0), alpha_tv=(-0.1, 0))}
    assert [verdict(n, None, good) for n in (7, 8, 11)] == [REPRODUCED, UNKNOWN, REPRODUCED]
    mixed = {"a.json": study_of(no_identity=(0.1, 0), no_cycle=(-0.1, 0), no_copies=(0.1, 0.1))}
    assert [verdict(n, None, mixed) for n in (7, 8)] == [PARTLY, PARTLY]
    opposite = {"a.json": study_of(no_copies=(-0.1, 0), clutter=(0.1, 0))}
    assert [verdict(n, None, opposite) for n in (8, 11, 12)] == [NOT, UNKNOWN, UNKNOWN]
    assert verdict(12, None, {"a.json": study_of(clutter=(0, -0.1))}) == REPRODUCED
    # a small study supports in part and refutes nothing; one seed tells nothing; the longest study speaks
    small = {"a.json": study_of(500, no_identity=(0.1, 0), no_cycle=(0.1, 0), no_copies=(-0.1, 0))}
    assert [verdict(n, None, small) for n in (7, 8)] == [PARTLY, UNKNOWN]
    assert verdict(8, None, {"a.json": study_of(seeds=(0,), no_copies=(0.5, 0))}) == UNKNOWN
    assert verdict(7, None, {**small, "b.json": good["a.json"]}) == REPRODUCED
    assert [verdict(n, None, {}) for n in (7, 8, 11, 12)] == 4 * [UNKNOWN]


def test_a_training_s_own_loss_is_no_evidence():
    """Without L_cyc the cycle error rises, which says nothing about swaps."""
    found, worse = (study_of(no_cycle=(error, 0), no_identity=(0, 0)) for error in (0, 0.5))
    for name, run in found["runs"].items():
        run["measures"]["cycle"] = worse["runs"][name]["measures"]["inside"]
    assert comparison.differences(found)["no_cycle"]["cycle"].word == "worse"
    assert verdict(7, None, {"a.json": found}) == UNKNOWN


def test_scale_names_all_that_is_smaller():
    assert verdicts.scale_of(study_of()) == ""
    small = study_of(500) | {"config": {"g_widths": [8, 9, 10, 12], "batch_size": 8, "learning_rate": 1e-3}}
    small["photoshoot"]["size"] = [48, 32]
    wanted = "8 to 12 channels, 48x32 pixels, 500 steps, batches of 8, learning rate 0.001"
    assert verdicts.scale_of(small) == wanted


def test_the_document_is_that_of_the_stored_results():
    """docs/claims.md is generated: the results in docs/results give it byte for byte."""
    folder = ROOT / "docs/results"
    found = claims.read_results(folder / "shipped.json")
    found["rates"] = claims.rates_of(found, claims.read_results(folder / "gpu.json"))
    photos = claims.read_results(folder / "photos.json")
    text = document.write_claims(found, claims.read_studies(folder), photos)
    assert (ROOT / "docs/claims.md").read_text() == text, "run cagan claims"
    assert len(text.split()) <= 3000
    (counts,) = re.findall(r"Of the 13 claims: (.+)\.", text)
    assert counts in " ".join((ROOT / "README.md").read_text().split()), "the README gives other counts"


def test_photos_are_judged_by_the_same_rules():
    study = study_of(alpha_tv=(0.1, 0), no_copies=(0.1, 0))
    for name, run in study["runs"].items():
        run["photos"] = study_of(alpha_tv=(-0.1, 0), no_copies=(-0.1, 0))["runs"][name]["measures"]
    study["photos"] = {"data": "shop.h5", "n": 9, "people": 3}
    text = document.write_claims(shipped(), {"ablations_a.json": study}, shipped(c2_0=0.7))
    rows = {line.split(" | ")[0]: line.split(" | ")[-2:] for line in text.splitlines() if line[:2] == "| "}
    assert rows["| 1"] == ["**reproduced**", "reproduced |"] and rows["| 2"] == ["**reproduced**", "partly |"]
    assert rows["| 4"] == ["**reproduced**", "- |"]  # needs renderings of the training set
    assert rows["| 11"] == ["**not**", "reproduced |"] and rows["| 8"] == ["**reproduced**", "not |"]
    assert "0.810 (0.810 to 0.810) | 0.700 (0.700 to 0.700) |" in text and "--photos shop.h5" in text


def record(**changed):
    """A benchmark of our swap on a GPU, as its JSON."""
    row = {"kind": "ours", "seconds": [0.02, 0.04, 0.01]}
    case = {"case": "swap, 128x96, batch 64", "batch": 64, "rows": [row]}
    return {"about": "Toy GPU; 2 x cpu; python 3", "results": [case | changed]}


def test_the_fastest_device_counts_if_it_ran_this_network():
    found = claims.rates_of(shipped(), record())["fastest"]
    assert (found["low"], found["value"], found["high"]) == pytest.approx((1600, 3200, 6400))
    assert found["device"] == "Toy GPU"
    for config in ({"height": 256, "width": 192}, {"g_widths": [32, 64, 128, 256]}):
        other = shipped() | {"config": shipped()["config"] | config}
        assert claims.rates_of(other, record())["fastest"]["device"] == "cpu"
    assert claims.rates_of(shipped(), None)["fastest"]["value"] == 2000
    failed = record(rows=[{"kind": "ours", "error": "too different"}])
    for wrong in (failed, record(case="step, 128x96, batch 64"), record() | {"about": "cpu; 2 x toy"}):
        with pytest.raises(ValueError, match="did not time the swap"):
            claims.rates_of(shipped(), wrong)


def test_what_the_paper_s_gpu_could_do_at_most():
    """The rate in claim 13 is its quotient, and the operations of a swap are those of the benchmark."""
    text = r"at most (\d+) at 128x96: ([\d.]+) TFLOP/s.* divided by ([\d.]+) GFLOP"
    rate, peak, flops = map(float, re.search(text, CLAIMS[12].note).groups())
    assert rate == round(peak * 1e12 / (flops * 1e9))
    case = json.loads((ROOT / "docs/results/gpu.json").read_text())["results"][0]
    assert case["flops"] / case["batch"] == pytest.approx(flops * 1e9, rel=0.01)


def test_the_command_measures_once(tmp_path, half, monkeypatch, capsys):
    monkeypatch.setattr(held_out.cache, "user_folder", lambda: tmp_path)
    for name, value in {"TRIPLES": 6, "TRAINED": 5}.items():
        monkeypatch.setattr(evaluate, name, value)
    for name, value in {"CONTROLLED": 4, "TIMED": 2}.items():
        monkeypatch.setattr(claims, name, value)
    arguments = {"pairs": 9, "size": [32, 32], "held_out": 8, "clutter": False}
    origin = {"program": "data_prep photoshoot", "version": shoot.VERSION, "seed": 3}
    half.metadata = {"data": {"pairs": 9, "provenance": origin | {"arguments": arguments}}}
    loaded = "cagan_theano.checkpoint.load_checkpoint"
    monkeypatch.setattr(loaded, lambda _path: SimpleNamespace(sha256=half.sha256))
    words = "--checkpoint", "toy.h5", "--results", tmp_path / "r", "--out", tmp_path / "c.md"

    def run(*more):
        return run_command(claims.command, *words, *more), *capsys.readouterr()

    photos = write_photos(tmp_path / "real.h5", 4)
    bare = write_photos(tmp_path / "bare.h5", 4, triples=False)
    code, out, error = run()
    assert code == 0 and out.startswith("wrote"), error
    assert "already has these measurements" in run()[1]
    assert "has no true swaps" in run("--photos", bare)[2]
    assert "photos.json" in run("--photos", photos)[1]
    there, found = (claims.read_results(tmp_path / "r" / f"{name}.json") for name in ("photos", "shipped"))
    assert there["n"] == 4 and "swaps" not in there and str(tmp_path) not in json.dumps(there)
    assert "swaps" not in found and (found["n"], found["trained_n"]) == (6, 5) and found["speed"]["value"] > 0
    for one in found["gap"].values():
        assert one["gap"]["value"] == pytest.approx(one["held_out"]["value"] - one["trained"]["value"])
    errors = {kind: one["value"] for kind, one in found["controlled"]["error"].items()}
    for kind, less in found["controlled"]["error_color_less"].items():
        assert less["value"] == pytest.approx(errors["color"] - errors[kind])
    assert OURS not in found["baselines"]
    text = (tmp_path / "c.md").read_text()
    assert "step 7 of 10000" in text and str(tmp_path) not in text
    half.sha256 = "cd" * 32  # of other weights, everything is measured anew
    assert run("--photos", photos)[1].count("wrote") == 3
