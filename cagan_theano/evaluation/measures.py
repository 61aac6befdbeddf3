"""Measurements of swaps and the statistics reported from them.

`measure` returns the `interval.Measured` columns of the network, of other systems and of the baselines;
`MEASURES` are statistics of those columns.  docs/evaluation.md defines them.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cagan_theano.dressing.dress import cut_out_worn
from cagan_theano.evaluation import held_out, metrics
from cagan_theano.evaluation.held_out import HeldOutSplit, Images, Model, Swaps
from cagan_theano.evaluation.interval import Measured, difference
from cagan_theano.io.color import MASK_LEVEL, Pixels
from cagan_theano.training.scores import (
    SCORES,
    Columns,
    Mask,
    Statistic,
    average,
    garment_region,
    mean_error,
    overlap,
    ratio,
)

PART = 64
"""Approximate number of swaps in memory at a time."""

OURS = "ours"
BASELINES = ("unchanged", "flat fill", "recoloring")
"""x_i itself, `metrics.fill_flat` and `metrics.recolor`."""

System = Callable[[Images, Any], tuple[Pixels, Any]]
"""A function of `held_out.read`'s images and of the swaps' numbers: x_ij [n, H, W, 3] uint8, and alpha
[n, H, W] in [0, 1] or None."""


class Measure(NamedTuple):
    """One line of the table: its meaning, a column that exists where it can be taken, its statistic."""

    meaning: str
    column: str
    of: Statistic


# fmt: off
MEASURES = {
    "inside": Measure("error inside the garments' region / that of the unchanged image",
                      "error_inside", SCORES["inside"]),
    "inside_low_pass": Measure("the same after the low-pass",
                               "low_inside", ratio("low_inside", "unchanged_low_inside")),
    "inside_detail": Measure("the same of what the low-pass removes",
                             "detail_inside", ratio("detail_inside", "unchanged_detail_inside")),
    "ssim_inside": Measure("SSIM inside the garments' region", "ssim_inside", average("ssim_inside")),
    "outside": Measure("error outside the region, as a fraction of the range",
                       "error_outside", SCORES["outside"]),
    "texture": Measure("error of the new garment's amount of texture / the true amount",
                       "texture_error", ratio("texture_error", "true_texture")),
    "grain": Measure("power of the 2x2-alternating pattern inside the new garment / the true power",
                     "grain", ratio("grain", "true_grain")),
    "color_correlation": Measure("correlation of the new garment's mean colors with the true ones",
                                 "color", metrics.color_correlation),
    "alpha_iou": Measure("IoU of alpha > 0.5 with the garments' region", "iou", SCORES["alpha_iou"]),
    "alpha_iou_worn": Measure("IoU of alpha > 0.5 with the worn garment's mask in x_i",
                              "iou_worn", average("iou_worn")),
    "cycle": Measure("error of x_i -> x_ij -> x_i, as a fraction of the range", "cycle", average("cycle")),
}
# fmt: on

GAP = ("inside", "inside_low_pass", "alpha_iou", "outside", "alpha_iou_worn", "cycle")
"""Measures that are compared between held-out and trained-on images."""

SHAPE = ("cut", "neckline", "sleeve", "front")
KINDS = ("color", "texture", *SHAPE, "length", "several")
"""Kinds of change between two garments, from their stored attributes (`kinds_of`)."""


def known(columns: Columns) -> dict[str, Measure]:
    """The measures that can be taken of some columns."""
    return {name: measure for name, measure in MEASURES.items() if measure.column in columns}


def compare(measured: Mapping[str, Measured]) -> dict[str, dict[str, dict[str, Any]]]:
    """The measures of several systems: system -> measure -> {value, low, high, above_ours}.

    above_ours: {value, low, high} of the paired difference from `OURS`, not of `OURS` itself.
    """
    ours = measured[OURS].columns
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for system, own in measured.items():
        found[system] = {name: dict(own.estimate(m.of)) for name, m in known(own.columns).items()}
        for name, entry in found[system].items() if system != OURS else ():
            entry["above_ours"] = own.estimate(difference(MEASURES[name].of, ours))
    return found


def kinds_of(photos: Any, swaps: Swaps) -> dict[str, Mask]:
    """The kind of change of each swap: a dict of kind -> bool [n], exactly one kind per swap.

    color: no stored attribute differs; texture: only the pattern; cut, neckline, sleeve, front, length:
    only that one (a change to or from a hood counts as one); several: more than one.  Empty if the
    attributes are not stored; older files do not store the front, nor do wardrobes of tops the length.
    """
    if not {"pattern", "cut", "neckline", "sleeve"} <= set(photos.attributes):
        return {}
    stored = [name for name in ("pattern", *SHAPE, "length") if name in photos.attributes]
    differs = {name: photos.attributes[name][swaps.i] != photos.attributes[name][swaps.j] for name in stored}
    count = np.sum(list(differs.values()), axis=0)
    alone = {name: different & (count == 1) for name, different in differs.items()}
    return {"color": count == 0, "texture": alone.pop("pattern"), **alone, "several": count > 1}


def measure(
    model: Model,
    held: HeldOutSplit,
    swaps: Swaps | None = None,
    *,
    systems: Mapping[str, System] | None = None,
    keep: Callable[[Any, Images], None] | None = None,
    cycle: bool = True,
    wearing: bool = True,
    seed: int = 0,
) -> dict[str, Measured]:
    """Measure swaps of the held-out split: `OURS`, other systems, and with true swaps `BASELINES`.

    swaps: by default all.  systems: name -> `System`.  keep: called with the numbers of each part of the
    swaps and its images by name: those of `held_out.read`, alpha, and each system's x_ij.  cycle: also swap
    back, which doubles the time.  wearing: take y_i from the file rather than by a first pass.  seed: of the
    bootstrap.  Columns that require missing true swaps or masks are left out.
    """
    swaps = held_out.all_swaps(held) if swaps is None else swaps
    rows: dict[str, list[dict[str, Any]]] = {}
    for part, images in read_parts(held, swaps):
        worn = {} if wearing else {"y_i": cut_out_worn(model, images["x_i"], images["y_j"])}
        swap = held_out.swap(model, held, images | worn)
        back = held_out.swap_back(model, held, images | worn, swap.x_ij) if cycle else None
        answers = {name: system(images, part) for name, system in (systems or {}).items()}
        answers = {OURS: (swap.x_ij, swap.alpha), **answers, **paint_baselines(images, swap.alpha)}
        made = {name: x_ij for name, (x_ij, _) in answers.items()}
        if keep:
            keep(part, images | made | {"alpha": swap.alpha})
        for n in range(len(part)):
            one: Images = {name: None if values is None else values[n] for name, values in images.items()}
            found = measure_systems({name: x_ij[n] for name, x_ij in made.items()}, one)
            for name, (_, alpha) in answers.items():
                if alpha is not None:
                    found[name] = found.get(name, {}) | measure_mask(alpha[n], one)
            if back is not None:
                found[OURS]["cycle"] = float(np.abs(back[n] / 255.0 - one["x_i"] / 255.0).mean())
            for name, row in found.items():
                rows.setdefault(name, []).append(row)
    groups = {"person": held.photos.person[swaps.i], "article": held.photos.garment[swaps.j]}
    groups |= {f"kind_{name}": chosen for name, chosen in kinds_of(held.photos, swaps).items()}
    return {
        name: Measured.of({key: np.array([row[key] for row in own]) for key in own[0]} | groups, seed)
        for name, own in rows.items()
    }


def read_parts(held: HeldOutSplit, swaps: Swaps) -> Iterator[tuple[Any, Images]]:
    """(numbers, images of `held_out.read`) of swaps in parts that fit into memory, with a progress bar."""
    count = len(swaps.i)
    parts = np.array_split(np.arange(count), max(1, round(count / PART)))
    for part in tqdm(parts, desc="evaluate", unit="part", leave=False):
        yield part, held_out.read(held, swaps.take(part))


def has_truth(images: Images) -> bool:
    """Whether swaps can be measured against the truth: the true swaps and both masks are known."""
    return all(images[name] is not None for name in ("truth", "mask_i", "mask_ij"))


def paint_baselines(
    images: Images, alpha: NDArray[np.floating[Any]]
) -> dict[str, tuple[Pixels, NDArray[Any] | None]]:
    """The answers of `BASELINES`, as of a `System` without alpha; {} without true swaps."""
    if not has_truth(images):
        return {}
    x_i, y_j = images["x_i"], images["y_j"]
    flat = [metrics.fill_flat(*one) for one in zip(x_i, y_j, images["mask_ij"])]
    recolored = [metrics.recolor(*one) for one in zip(x_i, y_j, alpha)]
    painted = x_i, np.stack(flat), np.stack(recolored)
    return {name: (x_ij, None) for name, x_ij in zip(BASELINES, painted, strict=True)}


def measure_systems(made: Images, images: Images) -> dict[str, dict[str, Any]]:
    """The columns of one swap by several systems against the true swap; {} without it.

    made: name -> x_ij [H, W, 3] uint8, with the baselines; images: of `held_out.read`, of one swap.
    """
    if not has_truth(images):
        return {}
    truth = images["truth"] / 255.0
    inside = garment_region(images["mask_i"], images["mask_ij"])
    new = images["mask_ij"] > MASK_LEVEL
    true_texture = metrics.texture(truth, new)
    rows: dict[str, dict[str, Any]] = {}
    for name, x_ij in made.items():
        image = x_ij / 255.0
        low = metrics.low_pass(image - truth)  # linear: the same as the difference of the two low-passes
        rows[name] = {
            "error_inside": mean_error(image, truth, inside),
            "error_outside": mean_error(image, truth, ~inside),
            "low_inside": mean_error(low, np.zeros(3), inside),
            "detail_inside": mean_error(image - truth, low, inside),
            "ssim_inside": float(metrics.mean_over(metrics.ssim_map(image, truth), inside)),
            "texture_error": float(np.abs(metrics.texture(image, new) - true_texture).mean()),
            "grain": metrics.grain(image, new),
            "color": metrics.mean_over(image, new),
        }
    unchanged = rows["unchanged"]
    shared = {
        "unchanged_inside": unchanged["error_inside"],
        "unchanged_low_inside": unchanged["low_inside"],
        "unchanged_detail_inside": unchanged["detail_inside"],
        "true_texture": float(true_texture.mean()),
        "true_grain": metrics.grain(truth, new),
        "true_color": metrics.mean_over(truth, new),
        "region": float(inside.mean()),
    }
    return {name: row | shared for name, row in rows.items()}


def measure_mask(alpha: NDArray[np.floating[Any]], images: Images) -> dict[str, float]:
    """The columns of one swap that are of alpha [H, W]."""
    columns: dict[str, float] = {}
    if has_truth(images):
        columns["iou"] = overlap(alpha, garment_region(images["mask_i"], images["mask_ij"]))
    if images["mask_i"] is not None:
        columns["iou_worn"] = overlap(alpha, images["mask_i"] > MASK_LEVEL)
    return columns
