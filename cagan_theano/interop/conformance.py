"""Compare a reimplementation with golden vectors layer by layer; docs/evaluation.md has the protocol."""

from typing import NamedTuple

import numpy as np

from cagan_theano.interop.vectors import Vectors

TOLERANCE = 1e-4
"""Largest error relative to an array's largest value, which float32 satisfies and mistakes exceed."""

ROOM = 100
"""Factor of the tolerance for parameters, per update.  Their error is relative to the distance they
moved (both root mean squares); it is larger because Adam follows the sign of small gradients, which
float32 rounds."""

JUDGED = 2
"""At a tolerance above `FINE`, parameters are judged only up to this number of updates; later ones are
listed.  After ten updates, float32 rounding alone moved correct implementations by 0.004 to 0.4 of
the distance (PyTorch 2.13, one and two threads, channels first and last): the deepest layers of small images
have two positions, whose norm is nearly a sign function, and the two networks react to each other."""

FINE = 1e-6

HINTS = {
    "convolution": "cross-correlation (the kernel is not flipped), (kernel - 1) // 2 zeros around, "
    "stride 2, inputs concatenated in the order x_i, y_i, y_j or x, y, a bias in layer 1",
    "deconvolution": "the transpose of a stride-2 convolution of 2H x 2W images, kernel not "
    "flipped, weights [channels in, channels out, kernel, kernel], no bias",
    "norm": "over H and W of each image and channel, variance divided by H W, epsilon inside the "
    "square root, then gain and shift",
    "box": "activation, followed by the average-pooled copies (in the decoder, by the skip)",
    "output": "the deconvolution to 4 channels with a bias, order alpha, R, G, B",
    "head": "the stride-1 convolution to one logit, with a bias and no norm",
    "alpha": "sigmoid of channel 0; with a mask, section 4",
    "x_tilde_ij": "tanh of channels 1 to 3",
    "x_ij": "alpha x_tilde_ij + (1 - alpha) x_i",
    "adv_D_real": "-log D(x_i, y_i), mean over positions and minibatch",
    "adv_D_fake": "-log(1 - D(x_ij, y_j)), x_ij as a constant; the copies in D's layers are of "
    "x_ij and y_j, not of x_i and y_i",
    "adv_D_mismatch": "-log(1 - D(x_i, y_j))",
    "loss_D": "the sum of its three terms, each of weight 1",
    "adv_G": "-log D(x_ij, y_j), with D before its update",
    "L_id": "mean of alpha, of the first pass only",
    "L_cyc": "mean |x_i - G(x_ij, y_j, y_i)|; the copies in G's layers are then of x_ij and y_j",
    "loss_G": "adv_G + gamma_i L_id + gamma_c L_cyc",
    "gradients": "D's are of loss_D, G's of loss_G",
    "after": "Adam with both bias corrections, epsilon added to the corrected square root; D first, then "
    "G with the new D; moments kept between updates",
}


class Row(NamedTuple):
    """The comparison of one array: its full name, error, tolerance and fault in words.

    error is nan if it cannot be measured; tolerance is infinite if the array is listed but not judged;
    fault is "" if the array agrees and "not given" if the implementation does not return it.
    """

    name: str
    error: float
    tolerance: float
    fault: str

    @property
    def given(self):
        """Whether the implementation returned the array."""
        return self.fault != "not given"

    @property
    def judged(self):
        """Whether the array was returned and has a finite tolerance."""
        return self.given and np.isfinite(self.tolerance)

    @property
    def deviates(self):
        """Whether the array was returned and deviates."""
        return self.given and bool(self.fault)


def compare(factory, vectors: Vectors, tolerance: float = TOLERANCE) -> list[Row]:
    """Compare a reimplementation with golden vectors: one `Row` per array, in their order.

    Raises ValueError if it returns an unknown name or anything but a dict of arrays, and for vectors
    that cannot be compared (`check_sizes`).
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
            f"the implementation returns {unknown[0]!r}, which is not in the golden vectors; "
            "docs/evaluation.md lists the names"
        )
    return [row(name, found, array, vectors, tolerance) for name, array in expected.items()]


def check_sizes(config):
    """Raise ValueError if a norm has a single pixel.

    It would then divide rounding errors, and a correct implementation would deviate.
    """
    layers = max(len(config.g_widths), len(config.d_widths))
    if config.height * config.width == 4**layers:
        raise ValueError(
            f"images at {config.height}x{config.width}: the deepest norm has one pixel, where "
            "only rounding remains; make vectors of larger images with cagan golden"
        )


def copied(arrays):
    """Copies of arrays by name, so that neither side can modify the other's."""
    return {name: np.array(array) for name, array in arrays.items()}


def answers(factory, vectors):
    """All arrays that an implementation returns, by their names in the vectors."""
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
    """The number of updates in a name such as "after10/G/encoder1.W"."""
    return int(name.split("/")[0].removeprefix("after"))


def config_of(vectors):
    """The configuration as a dict."""
    import dataclasses

    return dataclasses.asdict(vectors.config)


def named(answer, group, method):
    """Copies of an answer's arrays under their full names; ValueError unless it is a dict.

    They are copied because an implementation may overwrite the returned memory in its next update.
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
        return Row(name, np.nan, tolerance, "contains values that are not finite numbers")
    if name.startswith("after"):
        error, n = error_of_distance(name, value, expected, vectors), updates_of(name)
        tolerance = tolerance * ROOM * n if n <= JUDGED or tolerance <= FINE else np.inf
    else:
        error = np.abs(value - expected).max() / max(np.abs(expected).max(), 1e-12)
    return Row(name, float(error), tolerance, "deviates" if error > tolerance else "")


def error_of_distance(name, value, expected, vectors):
    """The error of a parameter after updates, relative to the distance it moved."""
    start = vectors.arrays["weights/" + name.split("/", 1)[1]]
    distance = np.sqrt(np.mean(np.square(expected - start)))
    return np.sqrt(np.mean(np.square(value - expected))) / max(distance, 1e-12)


def first_deviation(rows) -> Row | None:
    """The first array, in order of computation, that deviates."""
    return next((row for row in rows if row.deviates), None)


def hint(name) -> str:
    """How the array with this name is computed, in words."""
    group, last = name.split("/")[0], name.split("/")[-1].split(".")[-1]
    group = "after" if group.startswith("after") else group
    return HINTS.get(group if group in HINTS else last, "docs/evaluation.md describes it")


def report(rows, every: bool = False) -> str:
    """The comparison as text: every layer and loss, and the worst array of each other group."""
    listed = rows if every else summary(rows)
    lines = [f"{'array':<34}{'error':>10}  {'tolerance':>9}"]
    lines += [
        f"{row.name:<34}{error_text(row):>10}  {tolerance_text(row):>9}  {row.fault}".rstrip()
        for row in listed
    ]
    return "\n".join([*lines, "", verdict(rows)])


def error_text(row):
    """An error with two digits, or "-"."""
    return "-" if np.isnan(row.error) else f"{row.error:.1e}"


def tolerance_text(row):
    """A tolerance with one digit, or "no limit"."""
    return f"{row.tolerance:.0e}" if np.isfinite(row.tolerance) else "no limit"


def summary(rows):
    """All layers and losses, and the worst gradient and parameter of each network."""
    groups = {}
    for row in rows:
        parts = row.name.split("/")
        long = parts[0] == "gradients" or parts[0].startswith("after")
        groups.setdefault("/".join(parts[:2]) if long else row.name, []).append(row)
    return [max(group, key=lambda row: (row.deviates, np.nan_to_num(row.error))) for group in groups.values()]


def verdict(rows) -> str:
    """One paragraph: all arrays agree, or which deviates first and where to look."""
    judged = [row for row in rows if row.judged or row.deviates]
    first = first_deviation(rows)
    if not judged:
        return "Nothing was compared: the implementation has none of the methods in docs/evaluation.md."
    if first is None:
        missing, listed = sum(not row.given for row in rows), sum(row.given for row in rows) - len(judged)
        rest = f"; {missing} were not given" if missing else ""
        rest += f"; {listed} were not judged, because rounding alone changes them" if listed else ""
        return f"All {len(judged)} arrays agree{rest}."
    before = judged[: judged.index(first)]
    last = f"{before[-1].name}, before it, agrees" if before else "nothing before it was compared"
    return (
        f"First deviation: {first.name} ({first.fault}, error {error_text(first)}); {last}.\n"
        f"Definition: {hint(first.name)}."
    )
