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

from cagan_theano.studies.comparison import BETTER, MIN_SEEDS, Results, count_of, differences

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


class Numbers(NamedTuple):
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

    def rule(self) -> str:
        """The rule in words."""
        if self.like:
            return f"that of claim {self.like}{self.note}"
        if self.runs:
            wanted, other = self.words
            by = "a measure but `cycle`" if self.by == TRUE else ", ".join(f"`{name}`" for name in self.by)
            runs = " and ".join(f"`{name}`" for name in self.runs)
            fewer = "only one of the runs, or " if len(self.runs) > 1 else ""
            none, some = (
                (f" and {other} in none", f"also {other} in some, or ") if len(self.by) > 1 else ("", "")
            )
            return (
                f"reproduced: {runs} {wanted} than the baseline in {by}{none}, with at least {MIN_SEEDS} "
                f"seeds at the paper's scale; partly: {fewer}{some}at a smaller scale{self.note}"
            )
        parts = []
        for word in (REPRODUCED, PARTLY):
            asked = [(c, getattr(c, word)) for c in self.criteria if getattr(c, word) is not None]
            texts = [f"{c.metric} {c.comparison} {threshold:g}" for c, threshold in asked]
            parts += [f"{word}: {', '.join(texts)}"] if texts else []
        if self.condition:
            parts.append(f"only if claim {self.condition} is at least partly reproduced")
        return "; ".join(parts) + self.note

    def judge(self, shipped: Results, studies: Any = None) -> Numbers:
        """The verdict on the results of the weights, shipped.json, or on studies: file -> results."""
        if self.runs:
            return judge_runs(self, studies or {})
        if not self.like:
            return judge_weights(self, shipped)
        excluded = exclude(self.unless, shipped)
        return Numbers(UNKNOWN, excluded, {}, self.command) if excluded else judge_claim(self.like, shipped)


@functools.cache
def read_claims() -> tuple[Claim, ...]:
    """The claims of claims.toml, in its order; the first has the number 1."""
    claims = []
    for table in tomllib.loads(Path(__file__).with_name("claims.toml").read_text("utf-8"))["claims"]:
        criteria = tuple(Criterion(*row) for row in table.pop("criteria", ()))
        lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
        claims.append(Claim(**table | lists, criteria=criteria))
    return tuple(claims)


def judge_claim(number: int, shipped: Results) -> Numbers:
    """The verdict on the weights of the claim with a number."""
    return read_claims()[number - 1].judge(shipped)


def judge_weights(claim: Claim, shipped: Results) -> Numbers:
    """The verdict of a claim's criteria; unfinished weights cannot refute it."""
    found = {criterion.metric: criterion.find(shipped) for criterion in claim.criteria}
    entries = {metric: entry for metric, entry in found.items() if entry is not None}
    if claim.condition:
        first = judge_claim(claim.condition, shipped).verdict
        if first not in (REPRODUCED, PARTLY):
            return Numbers(first, f"claim {claim.condition}: {first}", entries, claim.command)
    needed = [c for c in claim.criteria if (c.reproduced, c.partly) != (None, None)]
    if not {criterion.metric for criterion in needed} <= set(entries):
        return Numbers(UNKNOWN, "the stored results lack numbers of this rule", entries, claim.command)
    verdict, remark = NOT, ""
    for word in (PARTLY, REPRODUCED):
        asked = any(getattr(c, word) is not None for c in needed)
        if asked and all(c.holds(entries[c.metric], word) for c in needed):
            verdict = word
    if shipped["step"] < STEPS and verdict != REPRODUCED:
        verdict = UNKNOWN if verdict == NOT else verdict
        remark = f"the weights are of step {shipped['step']} of {STEPS}"
    return Numbers(verdict, remark, entries, claim.command)


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
    init = shipped["metadata"].get("init")
    if not init:
        return ""
    return f"the training started from step {init['step']} of another at {init['height']}x{init['width']}"


def size_of(shipped: Results) -> str:
    """Height x width of the images."""
    return f"{shipped['config']['height']}x{shipped['config']['width']}"


# --- studies


def judge_runs(claim: Claim, studies: dict[str, Results]) -> Numbers:
    """The verdict of studies: of each run in `claim.runs`, and together.

    A study refutes a claim only by a difference of the other sign, and only at the paper's scale.
    """
    found = [judge_run(claim, name, studies) for name in claim.runs]
    verdicts = [one.verdict for one in found]
    supported = REPRODUCED in verdicts or PARTLY in verdicts
    remarks = dict.fromkeys(one.remark for one in found)
    if len(remarks) > 1:
        remarks = dict.fromkeys(
            f"`{name}`: {one.verdict}, {one.remark}" for name, one in zip(claim.runs, found)
        )
    return Numbers(
        verdicts[0] if len(set(verdicts)) == 1 else PARTLY if supported else UNKNOWN,
        "; ".join(remarks),
        {label: entry for one in found for label, entry in one.entries.items()},
        found[0].command,
    )


def judge_run(claim: Claim, name: str, studies: dict[str, Results]) -> Numbers:
    """The verdict of one run, in the study with the most steps that trained it."""
    steps = {file: study["steps"] for file, study in studies.items() if name in study["runs"]}
    if not steps:
        return Numbers(UNKNOWN, f"the run `{name}` is not trained yet", {}, "`cagan ablations readings`")
    file = max(steps, key=lambda one: (steps[one], one))
    study = studies[file]
    changes = {m: change for m, change in differences(study)[name].items() if m in claim.by}
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
    return Numbers(verdict, ", ".join(filter(None, remarks)), entries, command_of(file, study))


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
