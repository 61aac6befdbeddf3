"""The paper's claims and the rules that judge them from stored results.

Each threshold is stated once, in a `Criterion` or a constant, from which both the verdict and the
text of the rule are made.  `cagan_theano.studies.document` writes docs/claims.md from them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from cagan_theano.config import Config
from cagan_theano.evaluation import measures
from cagan_theano.studies import study
from cagan_theano.studies.plan import made
from cagan_theano.studies.study import MIN_SEEDS, counted

REPRODUCED, PARTLY, NOT = "reproduced", "partly", "not"
UNKNOWN = "not yet measured"
AT_MOST, AT_LEAST = "at most", "at least"

STEPS, BATCH, LEARNING_RATE, PAIRS = 10000, 16, 2e-4, 15000
SIZES, WIDTHS = ((128, 96), (256, 192)), [64, 128, 256, 512]
"""The paper's scale: Figure 3, section 3.1."""

EASIER = 2
"""A color change must be easier than this many other kinds of change to count as partly easier."""

MEASURE = "`python replicate/claims.py --again`"
MEASURE_GPU = (
    "`python replicate/benchmark.py --device gpu --task swap --size 128x96 --batch 256 --rounds 5 "
    "--repeats 3 --contender ours --contender ours:precision=tf32`"
)
SHIPPED = "[shipped.json](results/shipped.json)"
READINGS = "cagan_theano/studies/plans/readings.toml"


class Numbers(NamedTuple):
    """A verdict and its evidence.

    verdict: one of the four words; remark: what limits it, or ""; entries: label ->
    {value, low, high}; command and source: Markdown.
    """

    verdict: str
    remark: str
    entries: dict
    command: str = MEASURE
    source: str = SHIPPED


class Claim(NamedTuple):
    """A claim: title, section of the paper, experiment, rule in words, and its judge.

    judge(shipped, studies, training) returns `Numbers`; on_photos: whether the weights' measures on real
    photos with true swaps allow the same judgment; by_study: whether studies alone decide, so that their
    measures on photos do.
    """

    title: str
    where: str
    experiment: str
    rule: str
    judge: Callable
    on_photos: bool = False
    by_study: bool = False


@dataclass(frozen=True)
class Criterion:
    """Thresholds on one measure: the source of a verdict and of its text.

    metric: name in the text; of(results): its {value, low, high}; comparison: `AT_MOST` or
    `AT_LEAST`; reproduced, partly: thresholds, which the whole interval must satisfy; without
    `partly` there is no middle verdict.
    """

    metric: str
    of: Callable
    comparison: str
    reproduced: float
    partly: float | None = None

    def verdict(self, results):
        """`REPRODUCED`, `PARTLY` or `NOT`."""
        entry = self.of(results)
        end, sign = ("high", 1) if self.comparison == AT_MOST else ("low", -1)
        bound = entry["value"] if entry[end] is None else entry[end]
        met = [word for word in self.words() if sign * bound <= sign * getattr(self, word)]
        return met[0] if met else NOT

    def words(self):
        """The verdicts that have a threshold, best first."""
        return [REPRODUCED] if self.partly is None else [REPRODUCED, PARTLY]

    def text(self, word):
        """The condition for a verdict in words."""
        return f"{self.metric} {self.comparison} {getattr(self, word):g}"


def rule(criteria):
    """The text of a rule: all of the criteria must hold."""
    parts = []
    for word in criteria[0].words():
        *others, last = (criterion.text(word) for criterion in criteria)
        parts.append(f"{word}: {', '.join(others)} and {last}" if others else f"{word}: {last}")
    return "; ".join(parts)


def by_criteria(criteria, *names, more=lambda _shipped: {}):
    """(rule, judge) for the shipped weights; names: measures to list; more(shipped): further entries."""

    def judge(shipped, _studies=None, _training=None):
        verdict = worst(*(c.verdict(shipped) for c in criteria))
        return of_weights(shipped, verdict, take(shipped, *names) | more(shipped))

    return rule(criteria), judge


def measure(name):
    """The function of a `Criterion` that reads a measure of the shipped weights."""
    return lambda shipped: shipped["measures"][name]


def worst(*found):
    """The worst of several verdicts."""
    return max(found, key=(REPRODUCED, PARTLY, NOT).index)


def mixed(*found):
    """The common verdict; otherwise partly if any supports the claim, else unknown."""
    if len(set(found)) == 1:
        return found[0]
    return PARTLY if {REPRODUCED, PARTLY} & set(found) else UNKNOWN


def lacking(what):
    """`Numbers` of something that was not measured."""
    return Numbers(UNKNOWN, what, {}, "", "")


# --- judges of the shipped weights


def finished(shipped):
    """Whether the checkpoint was trained for as many steps as the paper's."""
    return shipped["step"] >= STEPS


def unfinished(shipped):
    """A remark on weights that are not `finished`."""
    return f"the weights are of step {shipped['step']} of {STEPS}"


def of_weights(shipped, verdict, entries, remark=""):
    """`Numbers` of the shipped weights; unfinished weights cannot refute a claim."""
    if not finished(shipped) and verdict != REPRODUCED:
        verdict = UNKNOWN if verdict == NOT else verdict
        remark = "; ".join(filter(None, (remark, unfinished(shipped))))
    return Numbers(verdict, remark, entries)


def take(shipped, *names):
    """Measures of the shipped weights, labeled with their meaning."""
    return {f"{name}: {shipped['measures'][name]['meaning']}": shipped["measures"][name] for name in names}


def take_baselines(shipped, *names):
    """The same measures of the baselines, as entries."""
    return {
        f"{name} of the {baseline}": entries[name]
        for name in names
        for baseline, entries in shipped["baselines"].items()
    }


PLAUSIBLE = (
    Criterion("error", measure("inside"), AT_MOST, 0.45, 0.99),
    Criterion("low-passed error", measure("inside_low_pass"), AT_MOST, 0.25, 0.99),
)
PLAUSIBLE_RULE, plausible = by_criteria(
    PLAUSIBLE,
    "inside",
    "inside_low_pass",
    "ssim_inside",
    more=lambda shipped: take_baselines(shipped, "inside", "inside_low_pass", "ssim_inside"),
)

GAPS = (
    Criterion("gap in error", lambda shipped: shipped["gap"]["inside"]["gap"], AT_MOST, 0.05, 0.1),
    Criterion("gap in IoU", lambda shipped: shipped["gap"]["alpha_iou"]["gap"], AT_LEAST, -0.05, -0.1),
)


def generalizes(shipped, _studies, _training):
    """Section 3.2: unseen humans and articles."""
    if not shipped["gap"]:
        return lacking("the people of the training set cannot be rendered again")
    verdict = worst(*(c.verdict(shipped) for c in GAPS))
    if plausible(shipped).verdict not in (REPRODUCED, PARTLY):
        verdict = NOT  # a network that does nothing has no gap
    names = [name for name in measures.GAP if name in ("inside", "inside_low_pass", "alpha_iou", "outside")]
    entries = {f"{name}, held-out minus trained-on": shipped["gap"][name]["gap"] for name in names}
    return of_weights(shipped, verdict, entries)


def color_is_easier(shipped, _studies, _training):
    """Section 3.2: in-place color changes are easier than texture and geometric deformations."""
    found = shipped.get("controlled")
    if not found:
        return lacking("these weights were not measured on single changes")
    less = {kind: found["color_less"][kind] for kind in measures.KINDS if kind in found["color_less"]}
    lower = sum(e["high"] is not None and e["high"] < 0 for e in less.values())
    verdict = REPRODUCED if lower == len(less) else PARTLY if lower >= EASIER else NOT
    kinds = [(kind, found["kinds"][kind]) for kind in measures.KINDS if kind in found["kinds"]]
    entries = {f"`changed`, only the {kind} (n = {e['n']})": e["changed"] for kind, e in kinds}
    return of_weights(
        shipped, verdict, entries | {f"color minus {kind}": entry for kind, entry in less.items()}
    )


def clutter(shipped, studies, _training):
    """Section 3.2: background clutter makes segmentation more complex."""
    found = shipped.get("clutter")
    if not found:
        return lacking("these weights were not measured in the street")
    names = ("alpha_iou", "inside", "outside")
    entries = {f"{name} in the street (n = {found['n']})": found["measures"][name] for name in names}
    entries |= {f"{name}, street minus studio": found["gap"][name] for name in names}
    if found["gap"]["alpha_iou"]["high"] >= 0:
        return of_weights(shipped, NOT, entries)
    _, results = newest(studies, "clutter")
    if results is None:
        remark = f"the network was trained in the studio; run `clutter` of {READINGS} trains in the street"
        return of_weights(shipped, PARTLY, entries, remark)
    trained = results["runs"]["clutter"]["measures"]["alpha_iou"]["difference"]
    harder, small = study.better("alpha_iou", trained) == "worse", scale(results)
    remark = f"{'also' if harder else 'not'} lower for a network trained in the street"
    return of_weights(
        shipped,
        REPRODUCED if harder and not small else PARTLY,
        entries | of_study(studies, "clutter").entries,
        f"{remark}, {small}" if small else "" if harder else remark,
    )


def receptive_field(shipped, studies, _training):
    """Section 3.1: a receptive field of 63x63 is enough for D."""
    config, entries = shipped["config"], take(shipped, "inside", "inside_low_pass")
    if config["d_kernel"] != 3 or len(config["d_widths"]) != 4:
        return lacking("the shipped weights have another D")
    if plausible(shipped).verdict == REPRODUCED:
        return Numbers(REPRODUCED, "", entries)
    narrow, (_, results) = of_study(studies, "d_layers_3"), newest(studies, "d_layers_3")
    narrow = narrow._replace(verdict=UNKNOWN, entries=entries | narrow.entries)
    if results is None or len(results["runs"]["d_layers_3"]["seeds"]) < MIN_SEEDS:
        return narrow
    wider = "worse" in words_of(results, "d_layers_3")
    remark = f"a larger receptive field does {'better' if wider else 'no better'}"
    return narrow._replace(
        verdict=UNKNOWN if wider else PARTLY, remark=", ".join(filter(None, (remark, scale(results))))
    )


def steps_enough(shipped, studies, training):
    """Section 3.1: 10000 gradient steps were enough for reasonable results.

    Judged on trainings from random weights: a study's baseline if the shipped weights started from others.
    """
    before = started_from(shipped)
    if before and (found := at_paper_scale(studies)):
        return baseline_enough(*found, f"the shipped training started {before}")
    entries = take(shipped, "inside", "alpha_iou") | curve(training, shipped["step"])
    if not finished(shipped):
        return Numbers(UNKNOWN, unfinished(shipped), entries)
    if before:
        return Numbers(UNKNOWN, f"the training started {before}, so that more steps were taken", entries)
    return Numbers(plausible(shipped).verdict, "", entries)


def at_paper_scale(studies):
    """(file, results) of the study with the most pairs whose baseline is `as_in_the_paper`, or None."""
    found = [(r["photoshoot"]["pairs"], file, r) for file, r in (studies or {}).items() if as_in_the_paper(r)]
    return max(found, key=lambda f: f[:2])[1:] if found else None


def as_in_the_paper(results):
    """Whether a study's baseline is the paper's method at its scale, on the paper's kind of images."""
    base, shoot = results["runs"][results["baseline"]], results["photoshoot"]
    if scale(results) or base["clutter"] or "data" in results or "inside" not in base["measures"]:
        return False
    config = made({**results["config"], **base["changes"]}, results["title"])
    return config == Config() and shoot.get("wardrobe", "paper") == "paper"


def baseline_enough(file, results, why):
    """`Numbers` of a study's baseline by the rule of claim 1, with its scores along the training.

    why: the reason for judging these trainings.
    """
    name = results["baseline"]
    run = results["runs"][name]
    seeds = len(run["seeds"])
    entries = {
        f"{measure}, run `{name}`, mean of {counted(seeds, 'seed')}": run["measures"][measure]
        for measure in ("inside", "inside_low_pass", "alpha_iou")
    }
    for at in zip(*run["curves"]):
        for key, text in (("inside", "error"), ("alpha_iou", "IoU")):
            score = sum(point[key] for point in at) / len(at)
            entries[f"{text} on 16 swaps, step {at[0]['step']}, run `{name}`"] = single(score)
    verdict = worst(*(c.verdict(run) for c in PLAUSIBLE))
    remark = f"judged on {counted(seeds, 'training')} from random weights{reduced(results)}, since {why}"
    return Numbers(verdict, remark, entries, study_command(file, results), f"[{file}](results/{file})")


def reduced(results):
    """What is less than the paper's in a study at its scale: its pairs and its precision, as text."""
    pairs = results["photoshoot"]["pairs"]
    precisions = sorted({precision for _, precision in devices(results)} - {"float32"})
    parts = [f"{pairs} of {PAIRS} pairs"] if pairs < PAIRS else []
    return f" on {', '.join([*parts, *precisions])}" if parts + precisions else ""


def devices(results):
    """(device, precision) of the trainings of a study, which older results do not tell."""
    return [tuple(text.rsplit(", ", 1)) for text in results.get("devices", [])]


def started_from(shipped):
    """What the training of the weights started from, in words; "" for random weights."""
    init = shipped["metadata"].get("init")
    if not init:
        return ""
    return f"from step {init['step']} of another training at {init['height']}x{init['width']}"


def curve(training, last):
    """Held-out scores along the training's log up to a step, as entries without intervals."""
    samples = [s for s in (training or {}).get("samples", []) if s["step"] <= last]
    chosen = samples[:: -max(1, len(samples) // 6)][::-1]
    return {
        f"{text} on 16 swaps, step {s['step']} of [the log](results/training.json)": single(s[key])
        for s in chosen
        for key, text in (("inside", "error"), ("alpha_iou", "IoU"))
    }


def single(value):
    """An entry without an interval."""
    return {"value": value, "low": None, "high": None}


SPEED = Criterion("swaps per second", lambda speed: speed, AT_LEAST, 1000)


def fast(shipped, _studies, _training):
    """Section 1: thousands of images per second, on the devices that were timed."""
    speed, gpu, timed = shipped.get("speed"), shipped.get("gpu"), {}
    if gpu:
        label = (
            f"swaps per second of G at {size(shipped)}, batch {gpu['batch']}, on {gpu['name']}, images and "
            f"results in its memory (median, minimum and maximum of {gpu['rounds']} rounds)"
        )
        timed[gpu["name"]] = label, gpu
    if speed:
        where = f"{speed['cores']} CPU cores" if speed["device"] == "cpu" else speed["device"]
        label = (
            f"swaps per second at {size(shipped)}, batch {BATCH} ({speed['device']}, {speed['cores']} cores, "
            "machine not necessarily idle; median, minimum and maximum of several runs)"
        )
        timed[where] = label, speed
    if not timed:
        return lacking("not timed")
    met = [where for where, (_, rate) in timed.items() if SPEED.verdict(rate) == REPRODUCED]
    parts = [f"on {where}" for where in met]
    parts += [f"not on {where}" for where in timed if where not in met]
    parts += ["no GPU was timed"] if not (gpu or met) else []
    return Numbers(
        REPRODUCED if met else NOT,
        "" if len(met) == len(timed) else "; ".join(parts),
        dict(timed.values()),
        MEASURE + (f"; on the GPU {MEASURE_GPU}, then copy its performance.json to gpu.json" if gpu else ""),
        f"{SHIPPED}, [gpu.json](results/gpu.json)" if gpu else SHIPPED,
    )


def size(shipped):
    """Height x width of the images."""
    return f"{shipped['config']['height']}x{shipped['config']['width']}"


# --- judges of studies


def studies_on_photos(studies):
    """The studies that were also measured on photos, with these measures in place of the others."""
    found = {}
    for file, results in (studies or {}).items():
        if "photos" in results:
            there = {
                name: run | {"measures": run["photos"], "curves": []} for name, run in results["runs"].items()
            }
            found[file] = results | {"runs": there}
    return found


def scale(results):
    """How a study is smaller than the paper, as text; "" if it is not."""
    config, small = results["config"], []
    if config.get("g_widths", WIDTHS) != WIDTHS:
        small.append(f"{config['g_widths'][0]} to {config['g_widths'][-1]} channels")
    if tuple(results["photoshoot"]["size"]) not in SIZES:
        small.append("x".join(map(str, results["photoshoot"]["size"])) + " pixels")
    if results["steps"] < STEPS:
        small.append(f"{results['steps']} steps")
    if config.get("batch_size", BATCH) != BATCH:
        small.append(f"batches of {config['batch_size']}")
    if config.get("learning_rate", LEARNING_RATE) != LEARNING_RATE:
        small.append(f"learning rate {config['learning_rate']}")
    return ", ".join(small)


def newest(studies, name):
    """(file, results) of the study with the most steps that trained a run; (None, None) without one."""
    found = [(r["steps"], file, r) for file, r in (studies or {}).items() if name in r["runs"]]
    return max(found, key=lambda f: f[:2])[1:] if found else (None, None)


def senses(gains):
    """The word of `study.better` that supports a claim, and the one that opposes it."""
    return ("better", "worse") if gains else ("worse", "better")


def study_rule(gains=False):
    """The rule of `of_study` in words."""
    wanted, other = senses(gains)
    return (
        f"reproduced: {wanted} in at least one measure and {other} in none, with at least {MIN_SEEDS} "
        f"seeds that agree, at the paper's scale; partly: also {other} in some measure, or at a smaller scale"
    )


def of_study(studies, name, gains=False):
    """Judge a run with one thing changed by `study_rule`.

    Without supporting evidence, a smaller scale than the paper's or too few seeds cannot refute a
    claim: then it is unknown.
    """
    file, results = newest(studies, name)
    if file is None:
        return lacking(f"the run `{name}` of {READINGS} is not trained yet")
    run, words, small = results["runs"][name], words_of(results, name), scale(results)
    seeds, (wanted, other) = len(run["seeds"]), senses(gains)
    enough = seeds >= MIN_SEEDS
    if wanted in words:
        verdict = PARTLY if other in words or small else REPRODUCED
    else:
        verdict = UNKNOWN if small or not enough else NOT
    count = counted(seeds, "seed") + ("" if small else reduced(results))
    count += "" if enough else ", too few to judge"
    seen = "not supported " if verdict == UNKNOWN and enough else ""
    by_decision = sorted(zip(run["measures"].items(), words), key=lambda pair: pair[1] == "-")
    entries = {
        f"{m}, run `{name}` minus `{results['baseline']}`{mark(word)}": entry["difference"]
        for (m, entry), word in by_decision
    }
    return Numbers(
        verdict,
        f"{seen}at a small scale: {small}; {count}" if small else count,
        entries,
        study_command(file, results),
        f"[{file}](results/{file})",
    )


def study_command(file, results):
    """The command that writes a study's results, as Markdown."""
    words = ["python replicate/ablations.py", f"cagan_theano/studies/plans/{results['plan']}"]
    others = [precision for device, precision in devices(results) if device != "CPU"]
    words += [f"--device gpu --precision {others[0]}"] if others else []
    words += [f"--photos {results['photos']['data']}"] if "photos" in results else []
    return f"`{' '.join(words)} --results docs/results/{file}`"


def words_of(results, name):
    """ "better", "worse" or "-" for each measure of a run compared with the baseline."""
    measured = results["runs"][name]["measures"]
    return [study.better(m, entry["difference"]) for m, entry in measured.items()]


def mark(word):
    """The suffix " (worse)" or " (better)", or nothing."""
    return "" if word == "-" else f" ({word})"


def one_run(name, gains=False):
    """(rule, judge) for one run of a study."""
    return study_rule(gains), lambda _shipped, studies, _training: of_study(studies, name, gains)


def both_runs(*names):
    """(rule, judge) for several runs, all of which must support the claim."""

    def judge(_shipped, studies, _training):
        found = {name: of_study(studies, name) for name in names}
        for one in found.values():
            if not one.entries:
                return one
        return found[names[0]]._replace(
            verdict=mixed(*(one.verdict for one in found.values())),
            remark="; ".join(f"`{name}`: {one.verdict}, {one.remark}" for name, one in found.items()),
            entries={label: entry for one in found.values() for label, entry in one.entries.items()},
        )

    return f"for each of the two, {study_rule()}, or if only one of them supports the claim", judge


def copies(_shipped, studies, _training):
    """Section 3.1: the stored copies improve convergence and quality."""
    found, (_, results) = of_study(studies, "no_copies"), newest(studies, "no_copies")
    return found._replace(entries=found.entries | halfway(results, "no_copies")) if results else found


def halfway(results, name):
    """The logged held-out error at half of the steps, baseline and run, mean over seeds."""
    entries = {}
    for run in (results["baseline"], name):
        points = [
            min(c, key=lambda p: abs(p["step"] - results["steps"] / 2))
            for c in results["runs"][run]["curves"]
            if c
        ]
        if points:
            mean = sum(p["inside"] for p in points) / len(points)
            label = f"convergence: error at step {points[0]['step']}, run `{run}`, 16 swaps"
            entries[label] = single(mean)
    return entries


CLAIMS = (
    Claim(
        "Swaps are plausible: the article changes, the human stays",
        "3.2, Figure 4",
        "Error inside the garments' region against the renderer's true swap, per pixel and low-passed, "
        "as a share of the unchanged image's error; for reference, a flat fill given the true region.",
        PLAUSIBLE_RULE,
        plausible,
        True,
    ),
    Claim(
        "Masks are accurate though never supervised",
        "3.2, Figure 5",
        "alpha > 0.5 against the true region of the old and the new garment.",
        *by_criteria(
            (Criterion("IoU", measure("alpha_iou"), AT_LEAST, 0.8, 0.5),),
            "alpha_iou",
            "alpha_iou_everything",
            "alpha_precision",
            "alpha_recall",
        ),
    )._replace(on_photos=True),
    Claim(
        "The rest of the image is kept",
        "2.3, 3.2",
        "Error outside the garments' region, as a fraction of the intensity range.",
        *by_criteria(
            (Criterion("error", measure("outside"), AT_MOST, 0.015, 0.03),),
            "outside",
            more=lambda shipped: take_baselines(shipped, "outside"),
        ),
    )._replace(on_photos=True),
    Claim(
        "Unseen humans and articles work as well",
        "3.2, Figure 6",
        "The same measures on people and garments of the training set, whose true swaps are rendered "
        "for this comparison only; gap: held-out minus trained-on.",
        f"{rule(GAPS)}; in either case only if claim 1 is at least partly reproduced",
        generalizes,
    ),
    Claim(
        "Colors and rough structures transfer, fine textures do not",
        "3.2, Figure 6",
        "Mean colors and the low-passed error; and the error per spatial frequency band relative to "
        "that of a flat fill, which has no texture.",
        *by_criteria(
            (
                Criterion("color correlation", measure("color_correlation"), AT_LEAST, 0.9, 0.7),
                Criterion("low-passed error", measure("inside_low_pass"), AT_MOST, 0.25, 0.5),
                Criterion(
                    "error in detail relative to the flat fill's",
                    lambda shipped: shipped["measures"]["inside_detail"],
                    AT_LEAST,
                    0.95,
                    0.8,
                ),
            ),
            "color_correlation",
            "inside_low_pass",
            "inside_detail",
            more=lambda shipped: take_baselines(shipped, "inside_detail", "texture", "grain"),
        ),
    )._replace(on_photos=True),
    Claim(
        "In-place color changes are easier than texture and geometric deformations",
        "3.2",
        "Held-out people in their own garment with one attribute changed at a time: the error where "
        "the truth differs from the input, as a share of the unchanged image's error.",
        "reproduced: lower error for color than for every other kind; "
        f"partly: than for at least {EASIER} of them",
        color_is_easier,
    ),
    Claim(
        "Both regularizations help",
        "3.1",
        "Trainings without L_id and without L_cyc, everything else equal.",
        *both_runs("no_identity", "no_cycle"),
    )._replace(by_study=True),
    Claim(
        "The stored copies help convergence and quality",
        "3.1",
        "Trainings without copies of the inputs in G and D, everything else equal. (The copies replace "
        "six channels: few of the paper's 64, many of a narrow layer.)",
        study_rule(),
        copies,
        by_study=True,
    ),
    Claim(
        "A receptive field of 63x63 is enough for D",
        "3.1",
        "The shipped network has that D; claim 1 says whether its swaps are plausible. In addition, "
        "trainings at half the image size with a three-layer D, whose receptive field of 31x31 covers "
        "the same share of the image as 63x63 at the paper's size; the baseline's D covers nearly all.",
        f"reproduced: if claim 1 is; partly: if the three-layer D, with at least {MIN_SEEDS} seeds, is "
        "worse in no measure; otherwise not yet measured",
        receptive_field,
    ),
    Claim(
        f"{STEPS} steps are enough",
        "3.1",
        "The shipped network at its last step; if its training did not start from random weights, the "
        "baseline of a study at the paper's scale.",
        f"the rule of claim 1, applied after {STEPS} steps from random weights",
        steps_enough,
    ),
    Claim(
        "Other norms of alpha, such as total variation, can be better",
        "2.3",
        "Trainings with total variation of alpha, everything else equal.",
        *one_run("alpha_tv", gains=True),
    )._replace(by_study=True),
    Claim(
        "Clutter makes the mask harder",
        "3.2",
        "The same people and garments in front of a street, swapped by a network trained in the studio "
        "and, if available, by one trained in the street.",
        "reproduced: alpha's IoU is lower for both, at the paper's scale; partly: for the first only, or "
        "for the second at a smaller scale",
        clutter,
    ),
    Claim(
        "Thousands of images per second",
        "1",
        "Swaps per second of the shipped network, excluding compilation: `Model.swap` from uint8 images "
        "to uint8 images, with whatever else the machine was running. G alone, alternating with other "
        "programs, is timed in [performance.md](performance.md), and is faster. G alone was also timed on "
        "a GPU, one much faster than the paper's K80.",
        rule((SPEED,)) + ", on one of the devices",
        fast,
    ),
)
