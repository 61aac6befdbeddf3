"""A re-implementation against golden vectors, layer by layer; `docs/compare.md` is its protocol."""

from typing import NamedTuple

import numpy as np

from cagan_theano.interop.vectors import Vectors

TOLERANCE = 1e-4
"""Largest error, as a part of an array's largest value; float32 keeps it, the mistakes do not."""

ROOM = 100
"""How many times the tolerance the parameters may err after one update, and so much more after
each other one.  Their error is a part of the way that they went (both root mean squares); Adam goes
by the sign of small gradients, which float32 rounds."""

JUDGED = 2
"""At a tolerance above `FINE`, parameters are judged after so many updates; the rest is shown.
After ten, float32's rounding alone has moved right implementations by 0.004 to 0.4 of the way
(PyTorch 2.13, one and two threads, channels first and last): the deepest layers of small pictures
have two places, whose norm is nearly a sign, and the two networks answer each other."""

FINE = 1e-6

HINTS = {
    "convolution": "cross-correlation (the kernel is not flipped), (kernel - 1) // 2 zeros around, "
    "stride 2, inputs joined in the order x_i, y_i, y_j or x, y, a bias in layer 1",
    "deconvolution": "the transpose of a stride-2 convolution of 2H x 2W pictures, kernel not "
    "flipped, weights [channels in, channels out, kernel, kernel], no bias",
    "norm": "over H and W of each picture and channel, variance divided by H W, epsilon inside the "
    "root, then gain and shift",
    "box": "activation, then the average-pooled copies (or, in the decoder, the skip) behind it",
    "output": "the deconvolution to 4 channels with a bias, order alpha, R, G, B",
    "head": "the stride-1 convolution to one logit, with a bias and no norm",
    "alpha": "sigmoid of channel 0; with a mask, section 4",
    "x_tilde_ij": "tanh of channels 1 to 3",
    "x_ij": "alpha x_tilde_ij + (1 - alpha) x_i",
    "adv_D_real": "-log D(x_i, y_i), mean over places and minibatch",
    "adv_D_fake": "-log(1 - D(x_ij, y_j)), x_ij taken as a constant; the copies in D's layers are of "
    "x_ij and y_j, not of x_i and y_i",
    "adv_D_mismatch": "-log(1 - D(x_i, y_j))",
    "loss_D": "the sum of its three terms, each of weight 1",
    "adv_G": "-log D(x_ij, y_j), with the D of the weights, not yet updated",
    "L_id": "mean of alpha, of the first pass alone",
    "L_cyc": "mean |x_i - G(x_ij, y_j, y_i)|; the copies in G's layers are then of x_ij and y_j",
    "loss_G": "adv_G + gamma_i L_id + gamma_c L_cyc",
    "gradients": "D's are of loss_D, G's of loss_G",
    "after": "Adam with both bias corrections, epsilon beside the corrected root; D first, then G "
    "with the new D; moments kept from one update to the next",
}


class Row(NamedTuple):
    """One array compared: its full name, its error, the tolerance, and what is wrong in words.

    error is nan where there is nothing to measure, tolerance infinite where the array is shown
    and not judged; fault is "" unless the array departs, and
    "not given" where the implementation does not give it.
    """

    name: str
    error: float
    tolerance: float
    fault: str

    @property
    def given(self):
        """Whether the implementation gave the array."""
        return self.fault != "not given"

    @property
    def judged(self):
        """Whether it gave the array, and rounding leaves a way to say whether it is right."""
        return self.given and np.isfinite(self.tolerance)

    @property
    def departs(self):
        """Whether it gave another one."""
        return self.given and bool(self.fault)


def compare(factory, vectors: Vectors, tolerance: float = TOLERANCE) -> list[Row]:
    """Hold a re-implementation against golden vectors: a `Row` for each array, in their order.

    Raises ValueError when it gives a name that is not in the vectors, or not a dict of arrays, and
    for vectors that can tell nothing (`check_sizes`).
    """
    check_sizes(vectors.config)
    found = answers(factory, vectors)
    expected = {
        name: array
        for name, array in vectors.arrays.items()
        if name.split("/")[0] not in ("weights", "inputs", "updates")
    }
    unknown = sorted(set(found) - set(expected))
    if unknown:
        raise ValueError(
            f"the implementation gives {unknown[0]!r}, which is not among the golden "
            "vectors; docs/compare.md has the names"
        )
    return [row(name, found, array, vectors, tolerance) for name, array in expected.items()]


def check_sizes(config):
    """Raise ValueError where a norm sees one pixel.

    What it then divides is rounding alone: a right implementation would be told that it departs.
    """
    layers = max(len(config.g_widths), len(config.d_widths))
    if config.height * config.width == 4**layers:
        raise ValueError(
            f"pictures of {config.height}x{config.width}: the deepest norm sees one pixel, "
            "rounding beside rounding; make vectors of larger ones with replicate/golden.py"
        )


def copied(arrays):
    """Copies, so that neither side sees what the other does to its arrays."""
    return {name: np.array(array) for name, array in arrays.items()}


def answers(factory, vectors):
    """All that an implementation gives, by the names of the vectors."""
    inputs, found = vectors.below("inputs"), {}
    reference = factory(config_of(vectors), copied(vectors.below("weights")))
    x_i, y_i, y_j = (inputs[name] for name in ("x_i", "y_i", "y_j"))
    extra = {name: inputs[name] for name in ("m_i", "y_k") if name in inputs}
    mask = {name: extra[name] for name in extra if name == "m_i"}
    asked = {
        "generate": ("layers/G", (x_i, y_i, y_j), mask),
        "discriminate": ("layers/D", (x_i, y_i), {}),
        "losses": ("losses", (x_i, y_i, y_j), extra),
        "gradients": ("gradients", (x_i, y_i, y_j), extra),
    }
    for method, (group, arguments, keywords) in asked.items():
        if hasattr(reference, method):
            answer = getattr(reference, method)(*map(np.copy, arguments), **copied(keywords))
            found |= named(answer, group, method)
    if hasattr(reference, "update"):
        kept = {updates_of(name) for name in vectors.arrays if name.startswith("after")}
        for n in range(1, max(kept, default=0) + 1):
            answer = reference.update(*map(np.copy, (x_i, y_i, y_j)), **copied(extra))
            found |= named(answer, f"after{n}", "update") if n in kept else {}
    return found


def updates_of(name):
    """How many updates are behind the parameter "after10/G/encoder1.W"."""
    return int(name.split("/")[0].removeprefix("after"))


def config_of(vectors):
    """The configuration as a dict."""
    import dataclasses

    return dataclasses.asdict(vectors.config)


def named(answer, group, method):
    """Copies of an answer's arrays under their full names; ValueError unless it is a dict.

    Copies, since an implementation may hand over the very memory that its next update writes to.
    """
    if not isinstance(answer, dict):
        raise ValueError(f"{method}: returns {type(answer).__name__}, not a dict of name -> array")
    return {f"{group}/{name}": np.array(value) for name, value in answer.items()}


def row(name, found, expected, vectors, tolerance):
    """Compare one array."""
    if name not in found:
        return Row(name, np.nan, tolerance, "not given")
    value = found[name]
    if value.shape != expected.shape:
        return Row(name, np.nan, tolerance, f"has shape {value.shape}, not {expected.shape}")
    if value.dtype.kind not in "fiu" or not np.isfinite(value).all():
        return Row(name, np.nan, tolerance, "holds values that are no finite numbers")
    if name.startswith("after"):
        error, n = error_of_way(name, value, expected, vectors), updates_of(name)
        tolerance = tolerance * ROOM * n if n <= JUDGED or tolerance <= FINE else np.inf
    else:
        error = np.abs(value - expected).max() / max(np.abs(expected).max(), 1e-12)
    return Row(name, float(error), tolerance, "departs" if error > tolerance else "")


def error_of_way(name, value, expected, vectors):
    """The error of a parameter after updates as a part of the way that it went."""
    start = vectors.arrays["weights/" + name.split("/", 1)[1]]
    way = np.sqrt(np.mean(np.square(expected - start)))
    return np.sqrt(np.mean(np.square(value - expected))) / max(way, 1e-12)


def first_departure(rows) -> Row | None:
    """The first array, in the order of computation, that departs."""
    return next((row for row in rows if row.departs), None)


def hint(name) -> str:
    """What the array with this name is made of, in words."""
    group, last = name.split("/")[0], name.split("/")[-1].split(".")[-1]
    group = "after" if group.startswith("after") else group
    return HINTS.get(group if group in HINTS else last, "docs/golden.md describes it")


def report(rows, every: bool = False) -> str:
    """The comparison as lines of text: each layer and loss, the worst of each group of the rest."""
    shown = rows if every else summary(rows)
    lines = [f"{'array':<34}{'error':>10}  {'tolerance':>9}"]
    lines += [
        f"{row.name:<34}{error_text(row):>10}  {tolerance_text(row):>9}  {row.fault}".rstrip()
        for row in shown
    ]
    return "\n".join([*lines, "", verdict(rows)])


def error_text(row):
    """An error to two digits, or "-"."""
    return "-" if np.isnan(row.error) else f"{row.error:.1e}"


def tolerance_text(row):
    """A tolerance to one digit, or that the array is not judged."""
    return f"{row.tolerance:.0e}" if np.isfinite(row.tolerance) else "no limit"


def summary(rows):
    """Layers and losses as they are; of gradients and parameters the worst of each network."""
    groups = {}
    for row in rows:
        parts = row.name.split("/")
        long = parts[0] == "gradients" or parts[0].startswith("after")
        groups.setdefault("/".join(parts[:2]) if long else row.name, []).append(row)
    return [max(group, key=lambda row: (row.departs, np.nan_to_num(row.error))) for group in groups.values()]


def verdict(rows) -> str:
    """One paragraph: all agree, or what departs first and where to look."""
    judged = [row for row in rows if row.judged or row.departs]
    first = first_departure(rows)
    if not judged:
        return "Nothing was compared: no method of docs/compare.md is there."
    if first is None:
        missing, shown = sum(not row.given for row in rows), sum(row.given for row in rows) - len(judged)
        rest = f"; {missing} were not given" if missing else ""
        rest += f"; {shown} are shown and not judged, since rounding alone moves them" if shown else ""
        return f"All {len(judged)} arrays agree{rest}."
    before = judged[: judged.index(first)]
    behind = f"{before[-1].name}, before it, agrees" if before else "nothing before it was compared"
    return (
        f"First to depart: {first.name} ({first.fault}, error {error_text(first)}); {behind}.\n"
        f"There: {hint(first.name)}."
    )
