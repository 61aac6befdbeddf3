"""Measurements of swaps and the statistics reported from them: columns, measures, kinds, bands.

`measure` returns columns with one row for each swap; a `Measure` is a statistic of those columns
(`cagan_theano.evaluation.interval`).  docs/evaluation.md defines them.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from cagan_theano.evaluation import held_out, metrics
from cagan_theano.evaluation.interval import average, ratio, within
from cagan_theano.learning.scores import SCORES

PART = 64
"""Approximate number of swaps in memory at a time."""

HALF = 1 + metrics.ALPHA_LEVELS // 2
"""Index into `metrics.precision_recall` for alpha > 0.5."""


class Measure(NamedTuple):
    """One line of the table: name, meaning and statistic (`cagan_theano.evaluation.interval`)."""

    name: str
    meaning: str
    of: Callable


class Swaps(NamedTuple):
    """The swaps to measure: rows i, j [n] of a split, and rows of its true swaps or None."""

    i: np.ndarray
    j: np.ndarray
    triple: np.ndarray | None


def color_correlation(columns, weights):
    """Statistic: `metrics.correlation` of mean colors."""
    return metrics.correlation(columns["color"], columns["true_color"], weights)


def of_alpha(counts, summary):
    """Statistic: a summary of alpha's pooled histograms (a column of `metrics.alpha_counts`)."""
    return lambda columns, weights: summary(
        np.tensordot(weights, columns[counts].astype(float), axes=(-1, 0))
    )


def precision_at_half(counts):
    """Precision of alpha > 0.5 from pooled counts."""
    return metrics.precision_recall(counts)[0][..., HALF]


def recall_at_half(counts):
    """Recall of alpha > 0.5 from pooled counts."""
    return metrics.precision_recall(counts)[1][..., HALF]


CHANGED = ratio("error_changed", "unchanged_changed")

WITH_TRUTH = (
    Measure("inside", "error inside the garments' region / that of the unchanged image", SCORES["inside"]),
    Measure("inside_flat", "the same of the flat fill", ratio("flat_inside", "unchanged_inside")),
    Measure(
        "inside_low_pass",
        "error inside after the low-pass / that of the unchanged image",
        ratio("low_inside", "unchanged_low_inside"),
    ),
    Measure(
        "inside_low_pass_flat", "the same of the flat fill", ratio("flat_low_inside", "unchanged_low_inside")
    ),
    Measure("changed", "error where the truth differs from x_i / that of the unchanged image", CHANGED),
    Measure("changed_low_pass", "the same after the low-pass", ratio("low_changed", "unchanged_low_changed")),
    Measure("outside", "error outside the garments' region, as a fraction of the range", SCORES["outside"]),
    Measure("outside_unchanged", "the same of the unchanged image", average("unchanged_outside")),
    Measure("ssim_inside", "SSIM inside", average("ssim_inside")),
    Measure("ssim_inside_unchanged", "the same of the unchanged image", average("unchanged_ssim_inside")),
    Measure("ssim_inside_flat", "the same of the flat fill", average("flat_ssim_inside")),
    Measure("ssim_outside", "SSIM outside", average("ssim_outside")),
    Measure("ssim_outside_unchanged", "the same of the unchanged image", average("unchanged_ssim_outside")),
    Measure(
        "color_correlation",
        "correlation of the new garment's mean colors with the truth's",
        color_correlation,
    ),
    Measure(
        "texture",
        "error of the new garment's amount of texture / the truth's amount",
        ratio("texture_error", "true_texture"),
    ),
    Measure(
        "texture_unchanged",
        "the same of the unchanged image",
        ratio("unchanged_texture_error", "true_texture"),
    ),
    Measure("texture_flat", "the same of the flat fill", ratio("flat_texture_error", "true_texture")),
    Measure("alpha_iou", "IoU of alpha > 0.5 with the garments' region", SCORES["alpha_iou"]),
    Measure("alpha_iou_changed", "IoU of alpha > 0.5 with where the truth differs", average("iou_changed")),
    Measure("alpha_iou_everything", "IoU of painting everything: the lower bound", average("region")),
    Measure(
        "alpha_precision",
        "share of alpha > 0.5 that is in the region",
        of_alpha("alpha_counts", precision_at_half),
    ),
    Measure(
        "alpha_recall", "share of the region that has alpha > 0.5", of_alpha("alpha_counts", recall_at_half)
    ),
    Measure(
        "alpha_average_precision",
        "area under alpha's precision-recall curve",
        of_alpha("alpha_counts", metrics.average_precision),
    ),
)
"""Measures that require the true swap and masks."""

OTHERS = (
    Measure("alpha_iou_worn", "IoU of alpha > 0.5 with the worn garment's mask in x_i", average("iou_worn")),
    Measure(
        "cycle_inside",
        "cycle error inside the worn garment, as a fraction of the range",
        average("cycle_inside"),
    ),
    Measure("cycle", "cycle error x_i -> x_ij -> x_i, as a fraction of the range", average("cycle")),
    Measure("alpha_mean", "mean of alpha: the share of the image that is painted", average("alpha_mean")),
)
"""Measures without true swaps; the first two require the mask of the garment worn in x_i."""

MEASURES = (*WITH_TRUTH, *OTHERS)

GAP = ("inside", "inside_low_pass", "alpha_iou", "outside", "alpha_iou_worn", "cycle")
"""Measures that are compared between held-out and trained-on images."""

SHAPE = ("cut", "neckline", "sleeve", "front")
KINDS = ("color", "texture", *SHAPE, "length", "several")
"""Kinds of change between two garments, from their stored attributes (`kinds_of`)."""

GROUPED = {
    "category": ("changed", "inside", "outside", "alpha_iou", "alpha_iou_worn", "cycle"),
    "pattern": ("inside", "ssim_inside", "texture", "alpha_iou"),
}
"""Attributes of the new article, and the measures that are reported for each of their words, if stored.

The words depend on the data.
"""

BAND_NAMES = ("finest", "fine", "middle", "coarse", "coarsest")


def kinds_of(photos, swaps):
    """The kind of change of each swap: a dict of kind -> bool [n], exactly one kind per swap.

    color: no stored attribute differs; texture: only the pattern; cut, neckline, sleeve, front, length:
    only that one (a change to or from a hood counts as one); several: more than one.  Empty if the
    attributes are not stored; older files do not store the front, nor do wardrobes of tops the length.
    """
    if not {"pattern", "cut", "neckline", "sleeve"} <= set(photos.attributes):
        return {}
    shape = [name for name in (*SHAPE, "length") if name in photos.attributes]
    differs = {
        name: photos.attributes[name][swaps.i] != photos.attributes[name][swaps.j]
        for name in ("pattern", *shape)
    }
    count = sum(changed.astype(int) for changed in differs.values())
    kinds = {"color": count == 0, "texture": differs["pattern"] & (count == 1)}
    kinds |= {name: differs[name] & (count == 1) for name in shape}
    return kinds | {"several": count > 1}


def groups_of(photos, swaps):
    """The swaps by the new article's attributes in `GROUPED`: a dict of "ATTRIBUTE_WORD" -> bool [n]."""
    found = {}
    for attribute in (one for one in GROUPED if one in photos.attributes):
        codes = photos.attributes[attribute][swaps.j]
        for code in np.unique(codes):
            name = f"{attribute}_{photos.names[attribute][code]}"
            found[name] = found.get(name, False) | (codes == code)
    return found


def words_of(attribute, columns):
    """The columns of `groups_of` for an attribute: word -> name of the column."""
    beginning = f"{attribute}_"
    return {name.removeprefix(beginning): name for name in columns if name.startswith(beginning)}


def all_swaps(held, limit=None, seed=0):
    """The swaps of a split: all true swaps, or one random article for each human without them.

    limit: maximum number: the first true swaps, or random humans.  Raises ValueError for a split
    with only one garment.
    """
    photos, rng = held.photos, np.random.default_rng(seed)
    i, j, triple = held_out.candidates(photos, rng)
    held_out.need(held, len(i) > 0, "has only one garment, so nothing can be swapped")
    order = np.arange(len(i)) if triple is not None else rng.permutation(len(i))
    kept = order[:limit]
    return Swaps(i[kept], j[kept], None if triple is None else triple[kept])


def measure(model, held, swaps=None, keep=None, cycle=True):
    """Measure swaps of the held-out split: a dict of column -> array [n, ...].

    swaps: by default `all_swaps`.  keep: called with each part: the index of its first swap,
    its images by name (of `read`) and the `Swap`.  cycle: also swap back, which doubles the time.
    Columns that require missing true swaps or masks are left out.
    """
    swaps = all_swaps(held) if swaps is None else swaps
    count, rows = len(swaps.i), []
    parts = np.array_split(np.arange(count), max(1, round(count / PART)))
    for part in tqdm(parts, desc="evaluate", unit="part", leave=False):
        pictures = read(held, swaps, part)
        swap = held_out.dress(
            model, held, pictures["x_i"], pictures["y_i"], pictures["y_j"], pictures["mask_i"]
        )
        back = (
            held_out.dress(model, held, swap.x_ij, pictures["y_j"], pictures["y_i"], pictures["mask_i"])
            if cycle
            else None
        )
        if keep:
            keep(part[0], pictures, swap)
        rows += [measure_swap(n, pictures, swap, back) for n in range(len(part))]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    columns |= {"person": held.photos.person[swaps.i], "article": held.photos.garment[swaps.j]}
    columns |= {f"kind_{name}": chosen for name, chosen in kinds_of(held.photos, swaps).items()}
    return columns | groups_of(held.photos, swaps)


def read(held, swaps, part):
    """The stored images of some swaps by name, None for those that the file does not contain."""
    photos, triples = held.photos, held.photos.triples
    i, j = swaps.i[part], swaps.j[part]
    found = {
        "x_i": held_out.pictures(photos.x, i),
        "y_i": held_out.pictures(photos.y, i),
        "y_j": held_out.pictures(photos.y, j),
        "mask_i": held_out.rows_or_none(photos.mask, i),
        "truth": None,
        "mask_ij": None,
    }
    if swaps.triple is not None and photos.mask is not None:
        found["truth"] = held_out.pictures(triples.x_ij, swaps.triple[part])
        found["mask_ij"] = held_out.pictures(triples.mask, swaps.triple[part])
    return found


def measure_swap(n, pictures, swap, back):
    """All available columns of swap n of a part: a dict of name -> number or array."""
    one = {name: None if values is None else values[n] for name, values in pictures.items()}
    x_i, alpha = one["x_i"] / 255.0, swap.alpha[n]
    worn = None if one["mask_i"] is None else one["mask_i"] > metrics.MASK_LEVEL
    columns = {"alpha_mean": float(alpha.mean())}
    if worn is not None:
        columns["iou_worn"] = metrics.overlap(alpha, worn)
    if back is not None:
        columns |= measure_cycle(x_i, back.x_ij[n] / 255.0, worn)
    if one["truth"] is not None:
        flat = metrics.flat_fill(x_i, one["y_j"] / 255.0, one["mask_ij"])
        columns |= measure_triple(
            x_i, swap.x_ij[n] / 255.0, one["truth"] / 255.0, alpha, one["mask_i"], one["mask_ij"], flat
        )
    return columns


def measure_cycle(x_i, returned, worn):
    """The cycle error, everywhere and inside the mask of the worn garment if available."""
    error = np.abs(returned - x_i).mean(axis=-1)
    inside = {} if worn is None else {"cycle_inside": metrics.mean_over(error, worn)}
    return {"cycle": float(error.mean())} | inside


def measure_triple(x_i, x_ij, truth, alpha, mask_i, mask_ij, flat):
    """All columns of one swap with a true swap: a dict of name -> number or array.

    Parameters: images [H, W, 3] in [0, 1], flat being the baseline `metrics.flat_fill`;
    alpha [H, W] in [0, 1]; masks [H, W] uint8.
    """
    inside, new = metrics.garment_region(mask_i, mask_ij), mask_ij > metrics.MASK_LEVEL
    changed = metrics.change_region(x_i, truth)
    true_texture, columns = metrics.texture(truth, new), {}
    for name, picture in (("", x_ij), ("unchanged_", x_i), ("flat_", flat)):
        columns |= errors(name, picture, truth, inside, changed)
        wrong = np.abs(metrics.texture(picture, new) - true_texture).mean()
        columns[f"{name}texture_error"] = float(wrong)
    return columns | {
        "iou": metrics.overlap(alpha, inside),
        "iou_changed": metrics.overlap(alpha, changed),
        "region": float(inside.mean()),
        "alpha_counts": metrics.alpha_counts(alpha, inside),
        "color": metrics.mean_color(x_ij, new),
        "true_color": metrics.mean_color(truth, new),
        "true_texture": float(true_texture.mean()),
    }


def errors(name, picture, truth, inside, changed):
    """Errors and SSIM of one image against the truth; `name` prefixes the column names."""
    size = metrics.low_pass_size(truth.shape[0])
    low = metrics.low_pass(picture - truth, size)  # linear: the same as low-passing each
    similarity, full = metrics.ssim_map(picture, truth), name or "error_"
    parts = metrics.band_errors(picture, truth, inside)
    return {
        f"{full}inside": metrics.mean_error(picture, truth, inside),
        f"{full}outside": metrics.mean_error(picture, truth, ~inside),
        f"{full}changed": metrics.mean_error(picture, truth, changed),
        f"{name}low_inside": metrics.mean_error(low, 0, inside),
        f"{name}low_changed": metrics.mean_error(low, 0, changed),
        f"{name}ssim_inside": metrics.mean_over(similarity, inside),
        f"{name}ssim_outside": metrics.mean_over(similarity, ~inside),
    } | {f"{name}band_{band}": error for band, error in zip(BAND_NAMES, parts)}


def band_measures():
    """(name, statistics) of each frequency band: error relative to the unchanged image and the flat fill."""
    for name in BAND_NAMES:
        yield (
            name,
            {
                "of_unchanged": ratio(f"band_{name}", f"unchanged_band_{name}"),
                "of_flat": ratio(f"band_{name}", f"flat_band_{name}"),
            },
        )


def kind_measures(kind):
    """Statistics of the swaps with one kind of change."""
    column = f"kind_{kind}"
    return {
        "changed": within(CHANGED, column),
        "inside": within(MEASURES[0].of, column),
        "alpha_iou": within(SCORES["alpha_iou"], column),
    }


def known(columns):
    """The measures whose columns exist."""
    with_truth = WITH_TRUTH if "error_inside" in columns else ()
    columns_of = {"alpha_iou_worn": "iou_worn"}
    return [*with_truth, *(m for m in OTHERS if columns_of.get(m.name, m.name) in columns)]
