"""The paper's claims, the rule by which each is judged, and the document that says so.

Everything here is computed from stored results (`replicate/claims.py`), so that the same results
give the same document, byte for byte.
"""

from collections.abc import Callable
from typing import NamedTuple

from cagan_theano.evaluation import measures
from cagan_theano.studies import study

REPRODUCED, PARTLY, NOT = "reproduced", "partly", "not"
UNKNOWN = "not yet measured"
STEPS = 10000
"""Steps of the paper's trainings (section 3.1)."""

BATCH, LEARNING_RATE, SIZES = 16, 2e-4, ((128, 96), (256, 192))
WIDTHS = [64, 128, 256, 512]
"""The scale of the paper: Figure 3, section 3.1."""

MEASURE = "`python replicate/claims.py --again`"
SHIPPED = "[shipped.json](results/shipped.json)"


class Numbers(NamedTuple):
    """A verdict with what it stands on.

    verdict: one of the four words; remark: why it is no better, or ""; entries: label ->
    {value, low, high}; command and source: text in Markdown.
    """

    verdict: str
    remark: str
    entries: dict
    command: str = MEASURE
    source: str = SHIPPED


class Claim(NamedTuple):
    """A claim: title, where the paper makes it, the experiment, the rule, and its judge.

    judge(shipped, studies, training) returns `Numbers`.
    """

    title: str
    where: str
    experiment: str
    rule: str
    judge: Callable


# --- rules


def below(entry, aim, loose):
    """A measure that should be low: the whole interval below the aim, or below the looser one."""
    high = entry["value"] if entry["high"] is None else entry["high"]
    return REPRODUCED if high <= aim else PARTLY if high <= loose else NOT


def above(entry, aim, loose):
    """A measure that should be high: the whole interval above the aim, or above the looser one."""
    low = entry["value"] if entry["low"] is None else entry["low"]
    return REPRODUCED if low >= aim else PARTLY if low >= loose else NOT


def worst(*found):
    """The least of several verdicts."""
    return max(found, key=(REPRODUCED, PARTLY, NOT).index)


def mixed(*found):
    """Reproduced or not where all are; partly in between."""
    return found[0] if len(set(found)) == 1 else PARTLY


def finished(shipped):
    """Whether the checkpoint has as many steps as the paper's."""
    return shipped["step"] >= STEPS


def of_weights(shipped, verdict, entries, remark=""):
    """`Numbers` of the shipped weights: unfinished ones cannot refute a claim."""
    if not finished(shipped) and verdict != REPRODUCED:
        unfinished = f"the weights are of step {shipped['step']} of {STEPS}"
        verdict = UNKNOWN if verdict == NOT else verdict
        remark = "; ".join(part for part in (remark, unfinished) if part)
    return Numbers(verdict, remark, entries)


def take(shipped, *names):
    """Measures of the shipped weights by their meaning."""
    return {f"{name}: {shipped['measures'][name]['meaning']}": shipped["measures"][name] for name in names}


def lacking(what):
    """`Numbers` of what was not measured."""
    return Numbers(UNKNOWN, what, {}, "", "")


# --- judges of the shipped weights


def plausible(shipped, _studies=None, _training=None):
    """Section 3.2: swaps with the right behavior."""
    m = shipped["measures"]
    verdict = worst(below(m["inside"], 0.45, 0.99), below(m["inside_low_pass"], 0.25, 0.99))
    return of_weights(
        shipped,
        verdict,
        take(
            shipped,
            "inside",
            "inside_flat",
            "inside_low_pass",
            "inside_low_pass_flat",
            "ssim_inside",
            "ssim_inside_unchanged",
            "ssim_inside_flat",
        ),
    )


def accurate_masks(shipped, _studies, _training):
    """Figure 5: masks of good quality, learned implicitly."""
    return of_weights(
        shipped,
        above(shipped["measures"]["alpha_iou"], 0.8, 0.5),
        take(
            shipped,
            "alpha_iou",
            "alpha_iou_everything",
            "alpha_precision",
            "alpha_recall",
            "alpha_average_precision",
        ),
    )


def kept(shipped, _studies, _training):
    """Section 3.2: the rest of the image is kept."""
    return of_weights(
        shipped,
        below(shipped["measures"]["outside"], 0.015, 0.03),
        take(shipped, "outside", "outside_unchanged", "ssim_outside", "ssim_outside_unchanged"),
    )


def generalizes(shipped, _studies, _training):
    """Section 3.2: unseen humans and articles."""
    if not shipped["gap"]:
        return lacking("the training set's people cannot be rendered again")
    gap = {name: shipped["gap"][name]["gap"] for name in measures.GAP}
    lost = {
        "low": -gap["alpha_iou"]["high"],
        "high": -gap["alpha_iou"]["low"],
        "value": -gap["alpha_iou"]["value"],
    }
    verdict = worst(below(gap["inside"], 0.05, 0.1), below(lost, 0.05, 0.1))
    if plausible(shipped).verdict == UNKNOWN:
        verdict = NOT  # a network that does nothing has no gap
    named = {
        f"{name}, held-out less trained-on": entry
        for name, entry in gap.items()
        if name in ("inside", "inside_low_pass", "alpha_iou", "outside")
    }
    return of_weights(shipped, verdict, named)


def colors_not_texture(shipped, _studies, _training):
    """Section 3.2: colors and rough structures, not fine textures."""
    m, bands = shipped["measures"], shipped["bands"]
    coarse = worst(above(m["color_correlation"], 0.9, 0.7), below(m["inside_low_pass"], 0.25, 0.5))
    fine = above(bands["finest"]["of_flat"], 0.95, 0.8)
    entries = take(shipped, "color_correlation", "inside_low_pass")
    entries |= {
        f"error in the {name} band / the flat fill's": bands[name]["of_flat"] for name in measures.BAND_NAMES
    }
    return of_weights(shipped, worst(coarse, fine), entries)


def color_is_easier(shipped, _studies, _training):
    """Section 3.2: in-place color changes are easier than texture and geometric deformations."""
    found = shipped.get("controlled")
    if not found:
        return lacking("no controlled photoshoot of these weights")
    lower = sum(e["high"] is not None and e["high"] < 0 for e in found["color_less"].values())
    verdict = REPRODUCED if lower == len(found["color_less"]) else PARTLY if lower >= 2 else NOT
    kinds = [(kind, found["kinds"][kind]) for kind in measures.KINDS if kind in found["kinds"]]
    entries = {f"`changed`, only the {kind} (n = {e['n']})": e["changed"] for kind, e in kinds}
    entries |= {
        f"color less {kind}": found["color_less"][kind]
        for kind in measures.KINDS
        if kind in found["color_less"]
    }
    return of_weights(shipped, verdict, entries)


def clutter(shipped, studies, _training):
    """Section 3.2: background clutter makes segmentation more complex."""
    found = shipped.get("clutter")
    if not found:
        return lacking("no photoshoot in the street of these weights")
    entries = {
        f"{name} in the street (n = {found['n']})": found["measures"][name]
        for name in ("alpha_iou", "inside", "outside")
    }
    entries |= {
        f"{name}, street less studio": found["gap"][name] for name in ("alpha_iou", "inside", "outside")
    }
    if found["gap"]["alpha_iou"]["high"] >= 0:
        return of_weights(shipped, NOT, entries)
    _, results = newest(studies, "clutter")
    if results is None:
        return of_weights(
            shipped,
            PARTLY,
            entries,
            "the network saw the studio only; one trained in "
            "the street is the run `clutter` of cagan_theano/studies/plans/readings.toml",
        )
    trained = results["runs"]["clutter"]["measures"]["alpha_iou"]["difference"]
    harder, small = study.better("alpha_iou", trained) == "worse", scale(results)
    remark = f"for one trained in the street {'too' if harder else 'not seen'}"
    return of_weights(
        shipped,
        REPRODUCED if harder and not small else PARTLY,
        entries | of_study(studies, "clutter").entries,
        f"{remark}, {small}" if small else "" if harder else remark,
    )


def receptive_field(shipped, studies, _training):
    """Section 3.1: a receptive field of 63x63 is enough for D."""
    found, config = plausible(shipped), shipped["config"]
    if config["d_kernel"] != 3 or len(config["d_widths"]) != 4:
        return lacking("the shipped weights have another D")
    entries = take(shipped, "inside", "inside_low_pass")
    if found.verdict == REPRODUCED:
        return Numbers(REPRODUCED, "", entries)
    narrow, (_, results) = of_study(studies, "d_layers_3"), newest(studies, "d_layers_3")
    if results is None or len(results["runs"]["d_layers_3"]["seeds"]) < 2:
        return narrow._replace(verdict=UNKNOWN, entries=entries | narrow.entries)
    wider = "worse" in words_of(results, "d_layers_3")
    return narrow._replace(
        verdict=UNKNOWN if wider else PARTLY,
        entries=entries | narrow.entries,
        remark=f"a D that sees more does {'better' if wider else 'no better'}, {scale(results)}",
    )


def steps_enough(shipped, _studies, training):
    """Section 3.1: 10000 gradient steps were enough for reasonable results."""
    entries = take(shipped, "inside", "alpha_iou")
    entries |= curve(training, shipped["step"])
    if not finished(shipped):
        return Numbers(UNKNOWN, f"the weights are of step {shipped['step']} of {STEPS}", entries)
    return Numbers(plausible(shipped).verdict, "", entries)


def curve(training, last):
    """Held-out scores along the training's log up to a step, as entries without intervals."""
    samples = [s for s in (training or {}).get("samples", []) if s["step"] <= last]
    chosen = samples[:: -max(1, len(samples) // 6)][::-1]
    return {
        f"{text} on 16 swaps, step {s['step']} of [the log](results/training.json)": {
            "value": study.score(s, key),
            "low": None,
            "high": None,
        }
        for s in chosen
        for key, text in (("inside", "error"), ("alpha_iou", "IoU"))
    }


def fast(shipped, _studies, _training):
    """Section 1: thousands of images per second."""
    speed = shipped.get("speed")
    if not speed:
        return lacking("not timed")
    where = f"{speed['device']}, {speed['cores']} cores, busy with other work or not"
    entry = {
        f"swaps a second at {size(shipped)}, batch 16 ({where}; median, least and greatest "
        "of several runs)": speed
    }
    if speed["low"] >= 1000:
        return Numbers(REPRODUCED, "", entry)
    if speed["device"] == "cpu":
        return Numbers(NOT, "on this CPU; no GPU has run it", entry)
    return Numbers(NOT, "on this device", entry)


def size(shipped):
    """Height x width of the pictures."""
    return f"{shipped['config']['height']}x{shipped['config']['width']}"


# --- judges of studies


def scale(results):
    """How a study is smaller than the paper, as text; "" where it is not."""
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
    """(file, results) of the largest study that trained a run: most steps; or (None, None)."""
    found = [(r["steps"], file, r) for file, r in (studies or {}).items() if name in r["runs"]]
    return max(found, key=lambda f: f[:2])[1:] if found else (None, None)


def of_study(studies, name, gains=False):
    """Judge a run with one thing changed.

    The change should make it worse (or, with gains, better) in at least one measure and in none
    the contrary: reproduced; both: partly; neither: not.  A smaller scale than the paper's can
    show a claim partly, and refute none.
    """
    file, results = newest(studies, name)
    if file is None:
        return lacking(f"the run `{name}` of cagan_theano/studies/plans/readings.toml is not trained yet")
    found = {m: entry["difference"] for m, entry in results["runs"][name]["measures"].items()}
    words = words_of(results, name)
    wanted, other = ("better", "worse") if gains else ("worse", "better")
    verdict = NOT if wanted not in words else PARTLY if other in words else REPRODUCED
    small = scale(results)
    if small:
        verdict = UNKNOWN if verdict == NOT else PARTLY
    entries = {
        f"{m}, run `{name}` less `{results['baseline']}`{mark(m, entry)}": entry for m, entry in found.items()
    }
    seeds = len(results["runs"][name]["seeds"])
    seen = "not seen " if verdict == UNKNOWN and seeds > 1 else ""
    count = "one seed, too few to judge" if seeds < 2 else f"{seeds} seeds"
    remark = f"{seen}at a small scale: {small}; {count}" if small else count
    return Numbers(
        verdict,
        remark,
        entries,
        f"`python replicate/ablations.py cagan_theano/studies/plans/{results['plan']} "
        f"--results docs/results/{file}`",
        f"[{file}](results/{file})",
    )


def words_of(results, name):
    """ "better", "worse" or "-" for each measure of a run beside the baseline."""
    measured = results["runs"][name]["measures"]
    return [study.better(m, entry["difference"]) for m, entry in measured.items()]


def mark(measure, difference):
    """ ": worse" or the like behind a difference that is one."""
    word = study.better(measure, difference)
    return "" if word == "-" else f" ({word})"


def one_run(name, gains=False):
    """A judge of one run of a study."""
    return lambda _shipped, studies, _training: of_study(studies, name, gains)


def joined(first, second):
    """A judge of two runs: both must agree."""

    def judge(_shipped, studies, _training):
        found = [of_study(studies, name) for name in (first, second)]
        for one in found:
            if not one.entries:
                return one
        remarks = (f"`{name}`: {one.verdict}, {one.remark}" for name, one in zip((first, second), found))
        return found[0]._replace(
            verdict=mixed(*(f.verdict for f in found)),
            remark="; ".join(remarks),
            entries=found[0].entries | found[1].entries,
        )

    return judge


def copies(_shipped, studies, _training):
    """Section 3.1: the stored copies improve convergence and quality."""
    found = of_study(studies, "no_copies")
    _, results = newest(studies, "no_copies")
    if not results:
        return found
    return found._replace(entries=found.entries | halfway(results, "no_copies"))


def halfway(results, name):
    """The log's held-out error at half of the steps, with and without, mean over seeds."""
    entries = {}
    for run in (results["baseline"], name):
        points = [
            min(c, key=lambda p: abs(p["step"] - results["steps"] / 2))
            for c in results["runs"][run]["curves"]
            if c
        ]
        if points:
            entries[f"convergence: error at step {points[0]['step']}, run `{run}`, 16 swaps"] = {
                "value": sum(study.score(p, "inside") for p in points) / len(points),
                "low": None,
                "high": None,
            }
    return entries


CLAIMS = (
    Claim(
        "Swaps are plausible: the article changes, the human stays",
        "3.2, Figure 4",
        "Error inside the garments' region against the renderer's true swap, every pixel and "
        "low-passed, as a share of the unchanged image's; beside it a flat fill that is told the "
        "true place.",
        "reproduced: whole intervals at most 0.45 and, low-passed, 0.25; partly: below 1",
        plausible,
    ),
    Claim(
        "Masks are accurate though never supervised",
        "3.2, Figure 5",
        "alpha > 0.5 against the true region of the old and the new garment.",
        "reproduced: IoU at least 0.80; partly: at least 0.50",
        accurate_masks,
    ),
    Claim(
        "The rest of the image is kept",
        "2.3, 3.2",
        "Error outside the garments' region, as a fraction of the range.",
        "reproduced: at most 0.015; partly: at most 0.03",
        kept,
    ),
    Claim(
        "Unseen humans and articles work as well",
        "3.2, Figure 6",
        "The same measures on people and garments of the training set, whose true swaps are "
        "rendered for this alone.",
        "reproduced: error and IoU at most 0.05 worse, given that the first claim is at least "
        "partly; partly: at most 0.10",
        generalizes,
    ),
    Claim(
        "Colors and rough structures transfer, fine textures do not",
        "3.2, Figure 6",
        "Mean colors and the low-passed error; and the error in bands of spatial frequency "
        "beside that of a flat fill, which has no texture at all.",
        "reproduced: color correlation at least 0.9, low-passed error at most 0.25, and in the "
        "finest band at least 0.95 of the flat fill's; partly: 0.7, 0.5, 0.8",
        colors_not_texture,
    ),
    Claim(
        "In-place color changes are easier than texture and geometric deformations",
        "3.2",
        "Held-out people in their own garment with one thing changed at a time: the error where "
        "the truth differs from the input, as a share of the unchanged image's.",
        "reproduced: lower for color than for each other kind; partly: than for two or three",
        color_is_easier,
    ),
    Claim(
        "Both regularizations help",
        "3.1",
        "Trainings without L_id and without L_cyc, everything else equal.",
        "reproduced: leaving either out is worse in some measure and better in none, every seed "
        "agreeing, at the paper's scale; partly: for one of them, with gains elsewhere, or at a "
        "smaller scale",
        joined("no_identity", "no_cycle"),
    ),
    Claim(
        "The stored copies help convergence and quality",
        "3.1",
        "Trainings without copies of the inputs in G and D, everything else equal. (The copies "
        "stand in the place of six channels: little of the paper's 64, much of a narrow layer.)",
        "as above",
        copies,
    ),
    Claim(
        "A receptive field of 63x63 is enough for D",
        "3.1",
        "The shipped network has that D; whether its swaps are plausible is the first claim. And "
        "trainings on pictures of half the size with a D of three layers, which sees 31x31: the "
        "share of them that 63x63 is of the paper's; the baseline's D sees nearly all.",
        "reproduced with the first claim; otherwise partly where the D of three layers is worse "
        "in no measure, every seed agreeing; else it cannot be told",
        receptive_field,
    ),
    Claim(
        "10000 steps are enough",
        "3.1",
        "The shipped network at its last step.",
        "that of the first claim, once 10000 steps are done",
        steps_enough,
    ),
    Claim(
        "Other norms of alpha, such as total variation, can be better",
        "2.3",
        "Trainings with total variation of alpha, everything else equal.",
        "reproduced: better in some measure, worse in none, every seed agreeing, at the paper's "
        "scale; partly: with losses elsewhere, or at a smaller scale",
        one_run("alpha_tv", True),
    ),
    Claim(
        "Clutter makes the mask harder",
        "3.2",
        "The same people and garments before a street, to a network of the studio; and, where "
        "trained, a network of the street.",
        "reproduced: alpha's IoU is lower for both, at the paper's scale; partly: for the first "
        "alone, or the second at a smaller scale",
        clutter,
    ),
    Claim(
        "Thousands of images per second",
        "1",
        "Swaps a second of the shipped network, compilation apart: `Model.swap` from uint8 pictures to "
        "uint8 pictures, on whatever else the machine does. G alone, in turns with other programs, is "
        "timed in [performance.md](performance.md), and faster.",
        "reproduced: at least 1000",
        fast,
    ),
)


# --- the document


def document(shipped, studies, training):
    """docs/claims.md as text, from stored results alone."""
    found = [(claim, claim.judge(shipped, studies, training)) for claim in CLAIMS]
    parts = [HEAD.format(**head(shipped, found)), summary(found), SUMMARY]
    parts += [section(number, *one) for number, one in enumerate(found, 1)]
    parts += [study_section(file, results) for file, results in (studies or {}).items()]
    return "\n".join(parts)


SUMMARY = """
![Errors, alpha, frequencies, kinds of change, held-out beside trained-on](results/shipped.png)
"""

HEAD = """\
# The paper's claims, measured

Written by `python replicate/claims.py` from the numbers in [results/](results/), not by hand.
Definitions of the measures: [evaluation.md](evaluation.md). Pictures: the photoshoot
(`data_prep`), which knows the true swaps; the paper had photos and none.

Weights: `{checkpoint}`, sha256 `{sha256}`, step {step} of {steps}{state}, {size}, trained on
{pairs} pairs. {n} held-out swaps of {people} people into {garments} garments; intervals:
{interval}.
Of the {total} claims: {counts}.

*reproduced*, *partly* and *not* follow the rule that stands with each claim
(`cagan_theano/studies/verdicts.py`). Weights or trainings that fall short of
the paper's scale can show a claim, but not refute it: then it says *not yet measured*, or *partly*
with the scale.
"""


def head(shipped, found):
    """The values of ``HEAD``."""
    words = [numbers.verdict for _, numbers in found]
    counts = [f"{words.count(word)} {word}" for word in (REPRODUCED, PARTLY, NOT, UNKNOWN)]
    data = shipped["metadata"].get("data") or {}
    return {
        "checkpoint": shipped["checkpoint"],
        "sha256": shipped["sha256"][:16],
        "step": shipped["step"],
        "steps": STEPS,
        "state": "" if finished(shipped) else " (**unfinished**)",
        "size": size(shipped),
        "pairs": data.get("pairs", "an unknown number of"),
        "n": shipped["n"],
        "people": shipped["people"],
        "garments": shipped["garments"],
        "interval": shipped["interval"],
        "total": len(found),
        "counts": ", ".join(counts),
    }


def summary(found):
    """The table of all claims."""
    lines = ["| # | claim | verdict | main number |", "| --- | --- | --- | --- |"]
    for number, (claim, numbers) in enumerate(found, 1):
        first = next(iter(numbers.entries.items()), None)
        main = f"{first[0].split(':')[0]}: {shown(first[1])}" if first else ""
        lines.append(
            f"| {number} | [{claim.title}](#{anchor(number, claim.title)}) | {verdict_of(numbers)} | {main} |"
        )
    return "\n".join(lines) + "\n"


def anchor(number, title):
    """The link that Markdown renderers give to a heading."""
    kept = "".join(c for c in f"{number}. {title}".lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def verdict_of(numbers):
    """The verdict with its remark."""
    return f"**{numbers.verdict}**" + (f" ({numbers.remark})" if numbers.remark else "")


def section(number, claim, numbers):
    """One claim in full."""
    lines = [
        f"## {number}. {claim.title}",
        "",
        f"Paper: {claim.where}. {claim.experiment}",
        "",
        f"Rule: {claim.rule}.",
        "",
        f"Verdict: {verdict_of(numbers)}.",
        "",
    ]
    if numbers.entries:
        lines += ["| measure | value | 95 % interval |", "| --- | --- | --- |"]
        lines += [
            f"| {label} | {value(entry['value'])} | {between(entry)} |"
            for label, entry in numbers.entries.items()
        ]
        lines += ["", f"Command: {numbers.command}; numbers: {numbers.source}.", ""]
    return "\n".join(lines)


def study_section(file, results):
    """One study: its scale, its table, where it is from."""
    small = scale(results)
    return "\n".join(
        [
            f"## Study: {results['title']}",
            "",
            results["about"],
            "",
            f"Scale: {small or 'that of the paper'}; seeds {seeds_of(results)}; "
            f"{results['photoshoot']['pairs']} pairs of the photoshoot.",
            "",
            study.markdown(results),
            "",
            f"![Each run's differences](results/{file.removesuffix('.json')}_differences.png)",
            "",
            f"![The same swaps under each run](results/{file.removesuffix('.json')}.png)",
            "",
            f"Command: `python replicate/ablations.py cagan_theano/studies/plans/{results['plan']} --results "
            f"docs/results/{file}`; numbers and the logs' held-out scores: [{file}](results/{file}).",
            "",
        ]
    )


def seeds_of(results):
    """The seeds of the baseline, as text."""
    return ", ".join(map(str, results["runs"][results["baseline"]]["seeds"]))


def shown(entry):
    """A value and its interval."""
    interval = between(entry)
    return value(entry["value"]) + (f" ({interval})" if interval else "")


def between(entry):
    """The interval, or nothing."""
    return "" if entry["low"] is None else f"{value(entry['low'])} to {value(entry['high'])}"


def value(number):
    """A number to three digits; more for small ones."""
    if number is None:
        return "-"
    return (
        f"{number:.1f}" if abs(number) >= 10 else f"{number:.4f}" if abs(number) < 0.05 else f"{number:.3f}"
    )
