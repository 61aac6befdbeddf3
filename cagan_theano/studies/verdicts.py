"""The rules that judge the paper's claims, those of claims.toml, from stored results.

Each threshold is stated once, in a `Criterion`, from which both the verdict and the text of the rule are
made.  No rule can be satisfied by a painter that has learned nothing: tests run all of them on the
unchanged photo, gray, noise, a flat fill and a recoloring.
"""

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cagan_theano.studies.comparison import BETTER, Results, count_of, differences

REPRODUCED, PARTLY, NOT = "reproduced", "partly", "not"
UNKNOWN = "not yet measured"
BELOW, ABOVE = "below", "above"

STEPS, BATCH, LEARNING_RATE, PAIRS = 10000, 16, 2e-4, 15000
SIZES, WIDTHS = ((128, 96), (256, 192)), [64, 128, 256, 512]
"""The paper's scale: Figure 3, section 3.1."""

SHOWN = ("inside", "ssim_inside", "alpha_iou")
"""Differences of a run that are shown even if they do not count."""

TRUE = tuple(name for name in BETTER if name != "cycle")
"""Measures against the truth.  `cycle` is what L_cyc itself minimizes, so that it proves nothing."""

Entry = dict[str, Any]
"""{value, low, high}; low and high are None without an interval."""


class Judgment(NamedTuple):
    """A verdict and its evidence.

    verdict: one of the four words; remark: what limits it, or ""; entries: label -> `Entry`; command:
    Markdown.
    """

    verdict: str
    remark: str
    entries: dict[str, Entry]
    command: str


@dataclass(frozen=True)
class Criterion:
    """Thresholds on one measure.

    metric: name in the text; path: dotted keys of its `Entry` in the results; comparison: `BELOW` or `ABOVE`;
    reproduced, partly: thresholds, from which the whole interval must keep away; None: not asked for.
    Without any, the measure is shown beside the others.
    """

    metric: str
    path: str
    comparison: str = BELOW
    reproduced: float | None = None
    partly: float | None = None

    def find(self, results: Results) -> Entry | None:
        """The measure in the results; None if they lack it."""
        found: Entry | None = results
        for key in self.path.split("."):
            found = (found or {}).get(key)
        return found

    def holds(self, entry: Entry, word: str) -> bool:
        """Whether the whole interval satisfies the threshold of a verdict."""
        threshold = getattr(self, word)
        sign, end = (1, "high") if self.comparison == BELOW else (-1, "low")
        bound = entry["value"] if entry[end] is None else entry[end]
        return threshold is None or bound is not None and sign * bound < sign * threshold


@dataclass(frozen=True)
class Claim:
    """A claim of the paper and its rule, of one of three kinds: criteria, like, or runs.

    where: section of the paper; note: what the rule's words mean.
    criteria: all must hold for the weights; condition: number of a claim that must be at least partly
    reproduced.
    like: number of the claim whose rule applies, unless (see `exclude`) the weights cannot tell.
    runs: of studies, each of which must differ in one of the measures `by`, for the worse or, with gains, for
    the better.
    on_photos: whether measures on real photos with true swaps allow the same judgment.
    """

    title: str
    where: str
    criteria: tuple[Criterion, ...] = ()
    note: str = ""
    condition: int = 0
    like: int = 0
    unless: str = ""
    runs: tuple[str, ...] = ()
    by: tuple[str, ...] = TRUE
    gains: bool = False
    on_photos: bool = False
    command: str = "`cagan claims --again`"

    @property
    def words(self) -> tuple[str, str]:
        """The words of the differences that support the claim, and of those that contradict it."""
        return ("better", "worse") if self.gains else ("worse", "better")

    def judge(self, shipped: Results, studies: Any = None, key: str = "measures") -> Judgment:
        """The verdict on the results of the weights, shipped.json, or on studies: file -> results.

        key: where the studies were measured, "measures" or "photos".
        """
        if self.runs:
            return judge_runs(self, studies or {}, key)
        if not self.like:
            return judge_weights(self, shipped)
        excluded = exclude(self.unless, shipped)
        return Judgment(UNKNOWN, excluded, {}, self.command) if excluded else judge_claim(self.like, shipped)


@functools.cache
def read_claims() -> tuple[Claim, ...]:
    """The claims of claims.toml, in its order; the first has the number 1."""
    claims = []
    for table in tomllib.loads(Path(__file__).with_name("claims.toml").read_text("utf-8"))["claims"]:
        criteria = tuple(Criterion(*row) for row in table.pop("criteria", ()))
        lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
        claims.append(Claim(**table | lists, criteria=criteria))
    return tuple(claims)


def judge_claim(number: int, shipped: Results) -> Judgment:
    """The verdict on the weights of the claim with a number."""
    return read_claims()[number - 1].judge(shipped)


def judge_weights(claim: Claim, shipped: Results) -> Judgment:
    """The verdict of a claim's criteria; unfinished weights cannot refute it."""
    found = {criterion.metric: criterion.find(shipped) for criterion in claim.criteria}
    entries = {metric: entry for metric, entry in found.items() if entry is not None}
    asked = {
        word: [c for c in claim.criteria if getattr(c, word) is not None] for word in (PARTLY, REPRODUCED)
    }
    first = judge_claim(claim.condition, shipped).verdict if claim.condition else REPRODUCED
    verdict, remark = NOT, ""
    if first not in (REPRODUCED, PARTLY):
        verdict, remark = first, f"claim {claim.condition}: {first}"
    elif any(c.metric not in entries for criteria in asked.values() for c in criteria):
        verdict, remark = UNKNOWN, "the stored results lack numbers of this rule"
    else:
        for word, criteria in asked.items():
            if criteria and all(c.holds(entries[c.metric], word) for c in criteria):
                verdict = word
        if shipped["step"] < STEPS and verdict != REPRODUCED:
            verdict = UNKNOWN if verdict == NOT else verdict
            remark = f"the weights are of step {shipped['step']} of {STEPS}"
    return Judgment(verdict, remark, entries, claim.command)


def exclude(reason: str, shipped: Results) -> str:
    """Why weights cannot tell, "" if they can.  reason: "other D" or "begun from others"."""
    if reason == "begun from others":
        return started_from(shipped)
    config = shipped["config"]
    if config["d_kernel"] != 3 or len(config["d_widths"]) != 4:
        return "the weights have another D"
    swaps = judge_claim(1, shipped).verdict
    return "claim 1 is not reproduced, for whatever reason" if swaps == NOT else ""


def started_from(shipped: Results) -> str:
    """What the training of the weights started from, in words; "" for random weights."""
    if not (init := shipped["metadata"].get("init")):
        return ""
    return f"the training started from step {init['step']} of another at {init['height']}x{init['width']}"


# --- studies


def judge_runs(claim: Claim, studies: dict[str, Results], key: str) -> Judgment:
    """The verdict of studies: of each run in `claim.runs`, and together.

    A study refutes a claim only by a difference of the other sign, and only at the paper's scale.
    """
    found = [judge_run(claim, name, studies, key) for name in claim.runs]
    verdicts, remarks = {one.verdict for one in found}, [one.remark for one in found]
    if len(set(remarks)) > 1:
        remarks = [f"`{name}`: {one.verdict}, {one.remark}" for name, one in zip(claim.runs, found)]
    return Judgment(
        found[0].verdict if len(verdicts) == 1 else PARTLY if verdicts & {REPRODUCED, PARTLY} else UNKNOWN,
        "; ".join(dict.fromkeys(remarks)),
        {label: entry for one in found for label, entry in one.entries.items()},
        found[0].command,
    )


def judge_run(claim: Claim, name: str, studies: dict[str, Results], key: str) -> Judgment:
    """The verdict of one run, in the study with the most steps that trained it."""
    trained = {file: study for file, study in studies.items() if key in study["runs"].get(name, {})}
    if not trained:
        return Judgment(UNKNOWN, f"the run `{name}` is not trained yet", {}, "`cagan ablations readings`")
    file, study = max(trained.items(), key=lambda item: (item[1]["steps"], item[0]))
    changes = {m: change for m, change in differences(study, key)[name].items() if m in claim.by}
    found, small = {change.word for change in changes.values()}, scale_of(study)
    wanted, other = claim.words
    if wanted in found:
        verdict = PARTLY if other in found or small else REPRODUCED
    else:
        verdict = NOT if other in found and not small else UNKNOWN
    pairs, seeds = study["photoshoot"]["pairs"], count_of(len(study["runs"][name]["seeds"]), "seed")
    precisions = {text.rsplit(", ", 1)[-1] for text in study.get("devices", [])} - {"float32"}
    remarks = ["" if wanted in found else "not supported", seeds, small]
    remarks += [f"{pairs} of {PAIRS} pairs" if pairs < PAIRS else "", *sorted(precisions)]
    entries = {
        f"{m}, `{name}` minus `{study['baseline']}`": change._asdict()
        for m, change in changes.items()
        if m in SHOWN or change.word != "-"
    }
    return Judgment(verdict, ", ".join(filter(None, remarks)), entries, command_of(file, study))


def scale_of(study: Results) -> str:
    """How a study is smaller than the paper, as text; "" if it is not."""
    config, size = study["config"], study["photoshoot"]["size"]
    widths, batch = config.get("g_widths", WIDTHS), config.get("batch_size", BATCH)
    rate = config.get("learning_rate", LEARNING_RATE)
    differs = {
        f"{widths[0]} to {widths[-1]} channels": widths != WIDTHS,
        "x".join(map(str, size)) + " pixels": tuple(size) not in SIZES,
        f"{study['steps']} steps": study["steps"] < STEPS,
        f"batches of {batch}": batch != BATCH,
        f"learning rate {rate}": rate != LEARNING_RATE,
    }
    return ", ".join(text for text, small in differs.items() if small)


def command_of(file: str, study: Results) -> str:
    """The command that writes a study's results, as Markdown."""
    words = ["cagan ablations", study["plan"].removesuffix(".toml")]
    others = [text.rsplit(", ", 1) for text in study.get("devices", []) if not text.startswith("CPU")]
    words += [f"--device gpu --precision {others[0][1]}"] if others else []
    words += [f"--photos {study['photos']['data']}"] if "photos" in study else []
    return f"`{' '.join(words)} --results docs/results/{file}`"
