"""The paper's claims and the rules that judge them from stored results.

Each threshold is stated once, in a `Criterion`, from which both the verdict and the text of the rule are
made.  No rule can be satisfied by a painter that has learned nothing: tests run all of them on the
unchanged photo, gray, noise, a flat fill and a recoloring.
"""

from collections.abc import Callable
from dataclasses import dataclass
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

K80 = 8.73e12
"""Operations per second of a K80 at most, in float32: both chips, with boost, by NVIDIA's data sheet."""

FLOPS = 2.65e9
"""Operations of G for one swap at 128x96: additions and multiplications of its convolutions."""

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
    """Thresholds on one measure: the source of a verdict and of its text.

    metric: name in the text; path: keys of its `Entry` in the results; comparison: `BELOW` or `ABOVE`;
    reproduced, partly: thresholds, from which the whole interval must keep away; None: not asked for.
    Without any, the measure is shown beside the others.
    """

    metric: str
    path: tuple[str, ...]
    comparison: str = BELOW
    reproduced: float | None = None
    partly: float | None = None

    def find(self, results: Results) -> Entry | None:
        """The measure in the results; None if they lack it."""
        found: Entry | None = results
        for key in self.path:
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
    """A claim of the paper and its rule.

    where: section of the paper; note: what the rule's words mean.
    criteria: all must hold for the weights; condition: number of a claim that must be at least partly
    reproduced; exclude(shipped): why these weights cannot tell, or "".
    runs: of studies, each of which must differ in one of the measures `by`, for the worse or, with gains, for
    the better.
    like: number of the claim whose rule applies.
    on_photos: whether measures on real photos with true swaps allow the same judgment.
    """

    title: str
    where: str
    criteria: tuple[Criterion, ...] = ()
    note: str = ""
    condition: int = 0
    exclude: Callable[[Results], str] = lambda _shipped: ""
    runs: tuple[str, ...] = ()
    by: tuple[str, ...] = TRUE
    gains: bool = False
    like: int = 0
    on_photos: bool = False
    command: str = "`cagan claims --again`"

    def rule(self) -> str:
        """The rule in words."""
        if self.runs:
            return rule_of_runs(self)
        if self.like:
            return f"that of claim {self.like}{self.note}"
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
        return judge_runs(self, studies or {}) if self.runs else judge_weights(self, shipped)


def judge_weights(claim: Claim, shipped: Results) -> Numbers:
    """The verdict of a claim's criteria; unfinished weights cannot refute it."""
    if claim.like and not claim.exclude(shipped):
        return judge_weights(CLAIMS[claim.like - 1], shipped)
    found = {criterion.metric: criterion.find(shipped) for criterion in claim.criteria}
    entries = {metric: entry for metric, entry in found.items() if entry is not None}
    asked = [
        word for word in (REPRODUCED, PARTLY) if any(getattr(c, word) is not None for c in claim.criteria)
    ]
    needed = [c for c in claim.criteria if (c.reproduced, c.partly) != (None, None)]
    if claim.condition:
        first = CLAIMS[claim.condition - 1].judge(shipped)
        if first.verdict not in (REPRODUCED, PARTLY):
            return Numbers(first.verdict, f"claim {claim.condition}: {first.verdict}", entries, claim.command)
    remark = claim.exclude(shipped)
    if not remark and not {criterion.metric for criterion in needed} <= set(entries):
        remark = "the stored results lack numbers of this rule"
    if remark:
        return Numbers(UNKNOWN, remark, entries, claim.command)
    met = [word for word in asked if all(c.holds(entries[c.metric], word) for c in needed)]
    verdict = met[0] if met else NOT
    if shipped["step"] < STEPS and verdict != REPRODUCED:
        verdict = UNKNOWN if verdict == NOT else verdict
        remark = f"the weights are of step {shipped['step']} of {STEPS}"
    return Numbers(verdict, remark, entries, claim.command)


def rule_of_runs(claim: Claim) -> str:
    """The rule of `judge_runs` in words."""
    wanted, other = ("better", "worse") if claim.gains else ("worse", "better")
    where = "a measure but `cycle`" if claim.by == TRUE else ", ".join(f"`{name}`" for name in claim.by)
    runs = " and ".join(f"`{name}`" for name in claim.runs)
    none = f" and {other} in none" if len(claim.by) > 1 else ""
    some = f"also {other} in some, or " if len(claim.by) > 1 else ""
    fewer = "only one of the runs, or " if len(claim.runs) > 1 else ""
    return (
        f"reproduced: {runs} {wanted} than the baseline in {where}{none}, with at least {MIN_SEEDS} seeds at "
        f"the paper's scale; partly: {fewer}{some}at a smaller scale{claim.note}"
    )


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
    words, small = {change.word for change in changes.values()}, scale_of(study)
    wanted, other = ("better", "worse") if claim.gains else ("worse", "better")
    seeds = len(study["runs"][name]["seeds"])
    if wanted in words:
        verdict = PARTLY if other in words or small else REPRODUCED
    else:
        verdict = NOT if other in words and not small else UNKNOWN
    parts = ["" if wanted in words else "not supported", count_of(seeds, "seed"), small, reductions_of(study)]
    entries = {
        f"{m}, `{name}` minus `{study['baseline']}`": change._asdict()
        for m, change in changes.items()
        if m in SHOWN or change.word != "-"
    }
    return Numbers(verdict, ", ".join(filter(None, parts)), entries, command_of(file, study))


def scale_of(study: Results) -> str:
    """How a study is smaller than the paper, as text; "" if it is not."""
    config, small = study["config"], []
    if config.get("g_widths", WIDTHS) != WIDTHS:
        small.append(f"{config['g_widths'][0]} to {config['g_widths'][-1]} channels")
    if tuple(study["photoshoot"]["size"]) not in SIZES:
        small.append("x".join(map(str, study["photoshoot"]["size"])) + " pixels")
    if study["steps"] < STEPS:
        small.append(f"{study['steps']} steps")
    if config.get("batch_size", BATCH) != BATCH:
        small.append(f"batches of {config['batch_size']}")
    if config.get("learning_rate", LEARNING_RATE) != LEARNING_RATE:
        small.append(f"learning rate {config['learning_rate']}")
    return ", ".join(small)


def reductions_of(study: Results) -> str:
    """What else is less than the paper's in a study: its pairs and its precision, as text."""
    pairs = study["photoshoot"]["pairs"]
    precisions = sorted({text.rsplit(", ", 1)[-1] for text in study.get("devices", [])} - {"float32"})
    return ", ".join([f"{pairs} of {PAIRS} pairs"] * (pairs < PAIRS) + precisions)


def command_of(file: str, study: Results) -> str:
    """The command that writes a study's results, as Markdown."""
    words = ["cagan ablations", study["plan"].removesuffix(".toml")]
    others = [text.rsplit(", ", 1) for text in study.get("devices", []) if not text.startswith("CPU")]
    words += [f"--device gpu --precision {others[0][1]}"] if others else []
    words += [f"--photos {study['photos']['data']}"] if "photos" in study else []
    return f"`{' '.join(words)} --results docs/results/{file}`"


def size_of(shipped: Results) -> str:
    """Height x width of the images."""
    return f"{shipped['config']['height']}x{shipped['config']['width']}"


def started_from(shipped: Results) -> str:
    """What the training of the weights started from, in words; "" for random weights."""
    init = shipped["metadata"].get("init")
    if not init:
        return ""
    return f"the training started from step {init['step']} of another at {init['height']}x{init['width']}"


def explain_field(shipped: Results) -> str:
    """Why weights do not tell whether a D that sees 63x63 pixels is enough; "" if they do."""
    config = shipped["config"]
    if config["d_kernel"] != 3 or len(config["d_widths"]) != 4:
        return "the weights have another D"
    found = CLAIMS[0].judge(shipped).verdict
    return "claim 1 is not reproduced, for whatever reason" if found == NOT else ""


def above(baseline: str, measure: str) -> tuple[str, ...]:
    """The path of a baseline's paired difference from the network in the results."""
    return "baselines", baseline, measure, "above_ours"


KINDS = ("texture", "cut", "neckline", "sleeve", "front")
"""Kinds of change that are compared with color."""

CLAIMS = (
    Claim(
        "Swaps are plausible: the article changes, the human stays",
        "3.2, Figure 4",
        (
            Criterion("error inside", ("measures", "inside"), BELOW, 0.45),
            Criterion("low-passed error", ("measures", "inside_low_pass"), BELOW, 0.25),
            Criterion("recoloring's error minus this", above("recoloring", "inside"), ABOVE, 0, 0),
            Criterion("recoloring's SSIM minus this", above("recoloring", "ssim_inside"), BELOW, 0, 0),
            Criterion("unchanged photo's SSIM minus this", above("unchanged", "ssim_inside"), BELOW, 0),
        ),
        ". The recoloring gives the network's own alpha the color of y_j with the shading of x_i: a network "
        "that is not better in both, error and SSIM, adds nothing to a mask and one color",
        on_photos=True,
    ),
    Claim(
        "Masks are accurate though never supervised",
        "3.2, Figure 5",
        (
            Criterion("IoU", ("measures", "alpha_iou"), ABOVE, 0.8, 0.5),
            Criterion("IoU minus that of a constant mask", ("beside", "alpha_iou_constant"), ABOVE, 0, 0),
        ),
        ". The constant mask is the one that fits all true regions best",
        on_photos=True,
    ),
    Claim(
        "The rest of the image is kept",
        "2.3, 3.2",
        (Criterion("error outside", ("measures", "outside"), BELOW, 0.015, 0.03),),
        ", since who paints nothing keeps everything",
        condition=2,
        on_photos=True,
    ),
    Claim(
        "Unseen humans and articles work as well",
        "3.2, Figure 6",
        (
            Criterion("gap in error", ("gap", "inside", "gap"), BELOW, 0.05, 0.1),
            Criterion("gap in IoU", ("gap", "alpha_iou", "gap"), ABOVE, -0.05, -0.1),
        ),
        ". Gap: held-out minus trained-on",
        condition=1,
    ),
    Claim(
        "Colors and rough structures transfer, fine textures do not",
        "3.2, Figure 6",
        (
            Criterion("color correlation", ("measures", "color_correlation"), ABOVE, 0.9, 0.7),
            Criterion("low-passed error", ("measures", "inside_low_pass"), BELOW, 0.25, 0.5),
            Criterion(
                "flat fill's low-passed error minus this", above("flat fill", "inside_low_pass"), ABOVE, 0, 0
            ),
            Criterion("error of detail / the flat fill's", ("beside", "detail_of_flat"), ABOVE, 0.95, 0.8),
            Criterion("error of detail / the flat fill's", ("beside", "detail_of_flat"), BELOW, 1.05, 1.25),
        ),
        ". A flat fill has neither structure nor texture: structure that transfers lowers the low-passed "
        "error; texture would lower that of the detail, which the low-pass removes, and noise raises it",
        condition=1,
        on_photos=True,
    ),
    Claim(
        "In-place color changes are easier than texture and geometric deformations",
        "3.2",
        tuple(
            Criterion(
                f"error, color minus {kind}",
                ("controlled", "error_color_less", kind),
                BELOW,
                0,
                0 if kind == "texture" else None,
            )
            for kind in KINDS
        ),
        ". People in their own garment with one thing changed; absolute error over the whole image, so over "
        "equally many pixels for each kind of change",
        condition=1,
    ),
    Claim("Both regularizations help", "3.1", runs=("no_identity", "no_cycle")),
    Claim("The stored copies help convergence and quality", "3.1", runs=("no_copies",)),
    Claim(
        "A receptive field of 63x63 is enough for D",
        "3.1",
        note=", for weights trained with that D",
        exclude=explain_field,
        like=1,
    ),
    Claim(
        f"{STEPS} steps are enough",
        "3.1",
        note=f", after {STEPS} steps from random weights",
        exclude=started_from,
        like=1,
    ),
    Claim(
        "Other norms of alpha, such as total variation, can be better",
        "2.3",
        runs=("alpha_tv",),
        gains=True,
    ),
    Claim(
        "Clutter makes the mask harder",
        "3.2",
        note=". Both have the same people and garments, `clutter` in front of a street",
        runs=("clutter",),
        by=("alpha_iou",),
    ),
    Claim(
        "Thousands of images per second",
        "1",
        (
            Criterion("swaps per second on the fastest device", ("rates", "fastest"), ABOVE, 1000),
            Criterion("on this CPU, `Model.swap`", ("speed",)),
        ),
        ", since who returns the photo is faster. The paper's K80 could do at most "
        f"{K80 / FLOPS:.0f} at 128x96: {K80 / 1e12:g} TFLOP/s, both chips at their peak, divided by "
        f"{FLOPS / 1e9:g} GFLOP",
        condition=2,
        command="`cagan claims --again`; on a GPU `cagan benchmark --device gpu --task swap --size 128x96 "
        "--batch 256 --rounds 5 --repeats 3 --contender ours`, whose performance.json is stored as gpu.json",
    ),
)
