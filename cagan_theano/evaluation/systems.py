"""Comparison with other systems on the same swaps: measurements and a figure.

A *system* is a function of the index of the first swap, uint8 images x_i, y_i, y_j [n, H, W, 3] and
their masks that returns x_ij [n, H, W, 3] uint8.  A user supplies a folder of images, a callable, or
a checkpoint (`docs/evaluation.md`).
"""

import re
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cagan_theano import weights
from cagan_theano.evaluation import held_out, interval, measures, metrics
from cagan_theano.evaluation.evaluate import png
from cagan_theano.evaluation.measures import all_swaps
from cagan_theano.io import sheet
from cagan_theano.io.files import write_atomically
from data_prep.picture import open_rgb

__all__ = ["all_swaps", "choose", "compare", "draw", "export", "open_system", "parse", "summarize", "table"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,15}")
OURS = "ours"
BASELINES = ("unchanged", "flat fill")
WITHOUT_ALPHA = (
    "inside",
    "inside_low_pass",
    "changed",
    "changed_low_pass",
    "outside",
    "ssim_inside",
    "ssim_outside",
    "color_correlation",
)
"""Measures (`cagan_theano.evaluation.measures`) that require only the image, not alpha."""

ALPHA = ("iou", "iou_changed", "alpha_counts")
LABELS = ("$y_i$", "$x_i$", "$y_j$")
PANEL_HEIGHT = 512


def parse(text):
    """(name, target) of "NAME=TARGET".  Raises ValueError for another form or a reserved name."""
    name, _, target = text.partition("=")
    if not (NAME.fullmatch(name) and target):
        raise ValueError(
            f"{text}: is not NAME=FOLDER, NAME=MODULE:CALLABLE or NAME=CHECKPOINT.h5; "
            "a name has up to 16 letters, digits, spaces and . _ + -"
        )
    if name in (OURS, *BASELINES):
        raise ValueError(f"{text}: the name {name!r} is reserved; choose another")
    return name, target


def open_system(target, held, load_callable, backend, device):
    """The system of a target: a folder of PNGs, a checkpoint, or a callable.

    Raises ValueError, FileNotFoundError.
    """
    if Path(target).is_dir():
        return from_folder(Path(target))
    if target.endswith(".h5"):
        return from_model(weights.load_model(target, backend, device), held)
    if ":" not in target:
        raise FileNotFoundError(f"{target}: no such folder; check the path")
    return from_callable(load_callable(target), target)


def from_folder(folder):
    """A system of images FOLDER/000000.png ..., numbered as by `export`."""

    def read(first, x_i, *_):
        found = [np.asarray(open_rgb(folder / f"{first + n:06d}.png")) for n in range(len(x_i))]
        for n, picture in enumerate(found):
            check(picture, x_i[0].shape, folder / f"{first + n:06d}.png")
        return np.stack(found)

    return read


def from_model(model, held):
    """A system of a network of this package."""
    return lambda _first, x_i, y_i, y_j, mask_i: held_out.dress(model, held, x_i, y_i, y_j, mask_i).x_ij


def from_callable(function, name):
    """A system of function(x_i, y_i, y_j) -> x_ij, all uint8 [n, H, W, 3]."""

    def call(_first, x_i, y_i, y_j, _mask):
        x_ij = np.asarray(function(x_i.copy(), y_i.copy(), y_j.copy()))
        check(x_ij, x_i.shape, name)
        if x_ij.dtype != np.uint8:
            raise ValueError(f"{name}: returns {x_ij.dtype}; must return uint8 RGB")
        return x_ij

    return call


def check(picture, shape, name):
    """Raise ValueError unless an image or a batch has this shape."""
    if picture.shape != shape:
        raise ValueError(
            f"{name}: has shape {picture.shape}, not {shape}; give the images at "
            "the size of the exported ones"
        )


def export(held, swaps, folder):
    """Write the inputs of each swap: FOLDER/x_i/000000.png, y_i/, y_j/.

    Raises ValueError for a folder that is not empty, OSError.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder}: exists and is not empty; name another folder")
    for first, part in parts(swaps):
        read = measures.read(held, swaps, part)
        for name in ("x_i", "y_i", "y_j"):
            (folder / name).mkdir(parents=True, exist_ok=True)
            for n, picture in enumerate(read[name]):
                write_atomically(folder / name / f"{first + n:06d}.png", png(picture))


def parts(swaps):
    """The swaps in parts that fit into memory: (index of the first, indices)."""
    count = len(swaps.i)
    every = np.array_split(np.arange(count), max(1, round(count / measures.PART)))
    return [(part[0], part) for part in tqdm(every, desc="swaps", unit="part", leave=False)]


def compare(systems, held, swaps, examples=()):
    """Run and measure systems on swaps.

    systems: name -> system.  examples: indices of swaps whose images are kept for the figure.  Returns
    (columns, kept): name -> columns of `measures.measure_triple`, baselines included, {} without true
    swaps; name -> {index: image}, inputs and truth included.
    """
    rows, kept = {}, {}
    for first, part in parts(swaps):
        pictures = measures.read(held, swaps, part)
        inputs = [pictures[name] for name in ("x_i", "y_i", "y_j", "mask_i")]
        made = {name: system(first, *inputs) for name, system in systems.items()}
        made |= baselines(pictures)
        for name, x_ij in made.items():
            rows.setdefault(name, []).extend(measured(x_ij[n], pictures, n) for n in range(len(part)))
        keep(kept, {**pictures, **made}, first, part, examples)
    return {name: stacked(values, held, swaps) for name, values in rows.items()}, kept


def keep(kept, pictures, first, part, examples):
    """Add a part's images of the swaps in `examples` to `kept`."""
    for name, values in pictures.items():
        for number in set(examples) & set(part.tolist()) if values is not None else ():
            kept.setdefault(name, {})[number] = values[number - first]


def baselines(pictures):
    """The unchanged image and the flat fill; {} without true swaps."""
    if pictures["truth"] is None:
        return {}
    flat = [
        np.rint(255 * metrics.flat_fill(x_i / 255.0, y_j / 255.0, mask)).astype(np.uint8)
        for x_i, y_j, mask in zip(pictures["x_i"], pictures["y_j"], pictures["mask_ij"])
    ]
    return dict(zip(BASELINES, (pictures["x_i"], np.stack(flat))))


def measured(x_ij, pictures, n):
    """The columns of one image against the truth; {} without true swaps."""
    if pictures["truth"] is None:
        return {}
    x_i = pictures["x_i"][n] / 255.0
    columns = measures.measure_triple(
        x_i,
        x_ij / 255.0,
        pictures["truth"][n] / 255.0,
        np.zeros(x_i.shape[:2]),
        pictures["mask_i"][n],
        pictures["mask_ij"][n],
        x_i,
    )
    return {
        name: value for name, value in columns.items() if name not in ALPHA and not name.startswith("flat_")
    }


def stacked(rows, held, swaps):
    """Rows as columns, with the groups for resampling."""
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return columns | {"person": held.photos.person[swaps.i], "article": held.photos.garment[swaps.j]}


def summarize(columns, seed=0):
    """Each system's measures and their paired differences from ours.

    Returns name -> measure -> {value, low, high, above_ours: {value, low, high}}; {} without true swaps.
    """
    if "error_inside" not in columns[OURS]:
        return {}
    weights = interval.bootstrap_weights(columns[OURS], seed)
    chosen = [m for m in measures.known(columns[OURS]) if m.name in WITHOUT_ALPHA]
    return {
        name: {
            m.name: interval.estimate(m.of, own, weights)
            | {"above_ours": interval.estimate(interval.difference(m.of, columns[OURS]), own, weights)}
            for m in chosen
        }
        for name, own in columns.items()
    }


def table(summary, count):
    """The summary as lines of text; a star: the interval of the difference from ours excludes 0."""
    if not summary:
        return "These images have no true swaps: nothing is measured."
    names = list(summary)
    lines = [
        f"{count} swaps; value [{interval.PERCENT} interval]; *: paired difference from {OURS} excludes 0",
        "",
        f"{'measure':<20}" + "".join(f"{name:>24}" for name in names),
    ]
    lines += [
        f"{measure:<20}" + "".join(f"{cell(summary[name][measure]):>24}" for name in names)
        for measure in summary[OURS]
    ]
    meanings = {m.name: m.meaning for m in measures.WITH_TRUTH}
    return "\n".join([*lines, "", *(f"{name}: {meanings[name]}" for name in summary[OURS])])


def cell(entry):
    """A value with its interval, starred if it differs from ours."""
    if entry["value"] is None:
        return "-"
    if entry["low"] is None:
        return f"{entry['value']:.3f}"
    low, high = (entry["above_ours"][key] for key in ("low", "high"))
    star = "*" if low is not None and low * high > 0 else " "
    return f"{entry['value']:.3f} [{entry['low']:.3f}, {entry['high']:.3f}]{star}"


def choose(held, swaps, rows, seed):
    """Indices of sampled swaps, with distinct people and garments as long as there are enough."""
    photos = held.photos
    order = np.random.default_rng(seed).permutation(len(swaps.i))
    labels = [photos.person[swaps.i], photos.garment[swaps.i], photos.garment[swaps.j]]
    return np.concatenate(held_out.split_distinct(order, labels))[:rows].tolist()


def draw(kept, numbers, names, note):
    """The figure: one row for each swap; y_i, x_i, y_j, the truth if available, every system."""
    truth = ["truth"] if "truth" in kept else []
    columns = ["y_i", "x_i", "y_j", *truth, *names]
    rows = [[kept[column][number] for column in columns] for number in numbers]
    labels = [*LABELS, *["true swap"] * bool(truth), *names]
    caption = "The same swaps by each system; humans and articles sampled at random."
    return sheet.grid(rows, labels, caption, note, sheet.scale_for(rows[0][0], PANEL_HEIGHT))
