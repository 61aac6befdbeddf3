"""The order of the runs of a study beside that of another: `cagan ablations --against`."""

import json

import numpy as np
import pytest

from cagan_theano.studies import study
from cagan_theano.studies.agreement import agreement, read_studies


def results(baseline="paper", **differences):
    """The part of a study's JSON that counts: differences of `inside` by run, each of two seeds."""
    runs = {baseline: 0.0, **differences}
    entries = {
        name: {"value": value, "low": value - 0.01, "high": value + 0.01, "seeds": [value, value]}
        for name, value in runs.items()
    }
    return {
        "title": "Toy",
        "baseline": baseline,
        "runs": {
            name: {"measures": {"inside": {"value": 0.5 + entry["value"], "difference": entry}}}
            for name, entry in entries.items()
        },
    }


def stored(path, **given):
    """A results file at a path."""
    path.write_text(json.dumps(results(**given)))
    return path


def pairs_in_order(here, there):
    """Kendall's tau without ties by its definition: concordant minus discordant pairs over all pairs."""
    signs = [np.sign((here[a] - here[b]) * (there[a] - there[b])) for a in range(len(here)) for b in range(a)]
    return np.mean(signs)


def test_ranks_and_signs(tmp_path):
    small = stored(tmp_path / "small.json", a=-0.2, b=0.3, c=0.005, d=0.1, elsewhere=0.7)
    found = agreement(results(a=-0.1, b=0.2, c=-0.3, d=-0.02, new=0.4), read_studies([small], "paper"))
    inside = found["measures"]["inside"]
    assert found["files"] == ["small.json"] and set(inside["runs"]) == {"paper", "a", "b", "c", "d"}
    assert inside["runs"]["b"] == {"here": 0.2, "there": 0.3}
    assert inside["tau"] == pytest.approx(
        pairs_in_order([0, -0.1, 0.2, -0.3, -0.02], [0, -0.2, 0.3, 0.005, 0.1])
    )
    assert (inside["decided"], inside["same"]) == (3, 2)  # c's interval includes 0; d has changed its sign
    lines = study.agreement({"agreement": found, "baseline": "paper"})
    assert f"| inside | {inside['tau']:.2f} (5 runs) | 2 of 3 |" in lines
    assert "| b | +0.300 | +0.200 |" in lines
    assert not any(line.startswith("| paper") for line in lines)


def test_several_studies_and_the_first_of_them_counts(tmp_path):
    first = stored(tmp_path / "one.json", a=0.1)
    second = stored(tmp_path / "two.json", a=0.9, b=0.2)
    found = agreement(results(a=0.1, b=0.2), read_studies([first, second], "paper"))["measures"]["inside"]
    assert found["runs"]["a"]["there"] == 0.1 and found["runs"]["b"]["there"] == 0.2 and found["tau"] == 1


def test_photos_are_compared_with_photos(tmp_path):
    """A run without photos in either study is left out there, and the tables get further columns."""
    there, here = results(a=0.3, b=-0.2, c=0.1), results(a=0.1, b=0.2, c=-0.1)
    for one, signs in (there, {"paper": 1, "a": 1, "b": 1}), (here, {"paper": 1, "a": -1, "b": 1, "c": 1}):
        for name, sign in signs.items():
            entry = json.loads(json.dumps(one["runs"][name]["measures"]["inside"]))
            entry["difference"]["value"] *= sign
            one["runs"][name]["photos"] = {"inside": entry}
    (tmp_path / "there.json").write_text(json.dumps(there))
    found = agreement(here, read_studies([tmp_path / "there.json"], "paper"))
    inside = found["photos"]["inside"]
    assert inside["runs"] == {"paper": {"here": 0, "there": 0}, "a": {"here": -0.1, "there": 0.3},
                              "b": {"here": 0.2, "there": -0.2}}  # fmt: skip
    assert (inside["decided"], inside["same"], inside["tau"]) == (2, 0, -1)
    lines = study.agreement({"agreement": found, "baseline": "paper"})
    assert "| inside | -0.33 (4 runs) | 1 of 3 | -1.00 (3 runs) | 0 of 2 |" in lines
    assert "| b | -0.200 | +0.200 | -0.200 | +0.200 |" in lines and "| c | +0.100 | -0.100 | - | - |" in lines


def test_photos_of_a_run_come_from_the_study_of_its_other_measures(tmp_path):
    first, second = results(a=0.1, b=0.2), results(a=0.3, b=0.4)
    for run in second["runs"].values():
        run["photos"] = run["measures"]
    for name, one in ("one.json", first), ("two.json", second):
        (tmp_path / name).write_text(json.dumps(one))
    found = agreement(second, read_studies([tmp_path / "one.json", tmp_path / "two.json"], "paper"))
    assert found["measures"]["inside"]["runs"]["a"]["there"] == 0.1 and found["photos"] == {}


def test_an_undefined_difference_is_left_out(tmp_path):
    path = stored(tmp_path / "one.json", a=0.1, b=0.2)
    path.write_text(path.read_text().replace('"difference": {"value": 0.1,', '"difference": {"value": null,'))
    found = agreement(results(a=0.1, b=0.2), read_studies([path], "paper"))
    assert set(found["measures"]["inside"]["runs"]) == {"paper", "b"}


def test_two_runs_have_no_rank_correlation(tmp_path):
    studies = read_studies([stored(tmp_path / "one.json", a=0.1)], "paper")
    assert agreement(results(a=0.1), studies)["measures"]["inside"]["tau"] is None
    assert agreement(results(b=0.1), studies)["measures"] == {}  # only the baseline


@pytest.mark.parametrize(
    "content, fault",
    [
        ("[1", "was not written by cagan ablations --results"),
        ('{"baseline": "paper", "runs": {"a": {}}}', "lacks 'measures'"),
        ('{"baseline": "paper", "runs": {"a": {"measures": [1]}}}', "was not written by"),
        ('{"baseline": "paper", "runs": {"a": {"measures": {"inside": {"difference": {"value": "0"}}}}}}',
         "a measure.difference.value is '0', not an integer or a number or null"),
        ('{"baseline": "other", "runs": {}}', "its baseline is other, not a run paper"),
        ('{"baseline": "paper", "runs": {}}', "its baseline is paper, not a run paper"),
    ],
)  # fmt: skip
def test_another_file_is_one_line(tmp_path, content, fault):
    path = tmp_path / "wrong.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"wrong.json: [^\n]*$") as found:
        read_studies([path], "paper")
    assert fault in str(found.value) and "\n" not in str(found.value)
