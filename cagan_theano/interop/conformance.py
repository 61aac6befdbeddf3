"""Golden vectors, and the comparison of a reimplementation with them, layer by layer.

A file of golden vectors holds inputs, weights and all values computed from them; `docs/evaluation.md`
describes each array and the protocol.  Only NumPy, h5py and click are needed: no Aesara, no JAX.
"""

import dataclasses
import json
import re
from typing import Any, NamedTuple

import h5py
import numpy as np

from cagan_theano import weights
from cagan_theano.config import Config
from cagan_theano.io.command import call_user
from cagan_theano.io.files import naming, write_atomically
from cagan_theano.io.hdf5 import DAMAGED, attribute, open_file, read_arrays

FORMAT = "cagan_theano golden vectors"
VERSION = 1
SHIPPED = weights.folder("golden", "tests/golden") / "cagan_32x16.h5"

CURE = "make the vectors again with cagan golden"

NAME = re.compile(
    r"(weights|inputs|layers|losses|gradients|updates|after[1-9]\d{0,3})(/[A-Za-z0-9_.]{1,99}){0,2}"
)
MAX_BYTES = 4 << 30  # a file of full-size networks has about 1.5 GB

TOLERANCE = 1e-4
"""Largest error relative to an array's largest value, which float32 satisfies and mistakes exceed."""

ROOM = 100
"""Factor of the tolerance for parameters, per update.  Their error is relative to the distance they
moved (both root mean squares); it is larger because Adam follows the sign of small gradients, which
float32 rounds."""

JUDGED = 2
"""At a tolerance above `FINE`, parameters are judged only up to this number of updates.  After ten,
float32 rounding alone moved correct implementations by 1e-4 to 0.1 of the distance (median of PyTorch 2.13
with one, two and four threads, channels first and last): the deepest layers of small images have two
positions, whose norm is nearly a sign function, and the two networks react to each other."""

FINE = 1e-6

ADAM = "after2 (median)"
ADAM_ROOM = 0.1
"""Factor of the tolerance for the median, over the parameters, of the median error of their elements after
two updates, relative to the distance moved.  Right implementations in float32 had 4.1e-6 to 4.3e-6 (as
above); epsilon 1e-7 1.5e-5, Theano's epsilon 2.9e-5, AdamW's decay of 1e-3 7.9e-5, beta2 0.99 4.9e-4."""

UNSEEN = """Float32 does not show AMSGrad (4.8e-6, and Adam 4.3e-6), nor small changes of epsilon or decay;
they need float64 and --tolerance 1e-9."""

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
    ADAM: "Adam's beta1, beta2, epsilon and its place, bias corrections, no decay; errors of single elements "
    "average out here",
    "after": "Adam with both bias corrections, epsilon added to the corrected square root; D first, then "
    "G with the new D; moments kept between updates",
}


# --- the file ----------------------------------------------------------------


class Vectors(NamedTuple):
    """Golden vectors in memory.

    config: of the networks.  arrays: full name, such as "weights/G/encoder1.W", -> float64 array,
    in order of computation.  about: provenance (JSON values).
    """

    config: Config
    arrays: dict[str, np.ndarray]
    about: dict[str, Any]

    def below(self, prefix: str) -> dict[str, np.ndarray]:
        """Copies of the arrays whose name starts with `prefix` and "/", by the rest of their name."""
        start = prefix + "/"
        return {
            name.removeprefix(start): array.copy()
            for name, array in self.arrays.items()
            if name.startswith(start)
        }


def write_vectors(path, vectors: Vectors) -> None:
    """Write golden vectors to `path` atomically.  Raises OSError."""
    with h5py.File("golden", "w", driver="core", backing_store=False) as file:
        file.attrs.update(
            format=FORMAT,
            version=VERSION,
            config=vectors.config.to_json(),
            about=json.dumps(vectors.about, sort_keys=True),
            order=json.dumps(list(vectors.arrays)),
        )
        for name, array in vectors.arrays.items():
            filters = {"compression": "gzip", "shuffle": True} if array.ndim else {}
            file.create_dataset(name, data=array, **filters)
        file.flush()
        image = file.id.get_file_image()
    write_atomically(path, image)


def read_vectors(path) -> Vectors:
    """Read golden vectors; links in the file are not followed.

    Raises FileNotFoundError or ValueError with a message of one line: the file, the problem, the cure.
    """
    file = open_file(path, CURE)
    with naming(path):
        try:
            with file:
                if attribute(file, "format") != FORMAT or attribute(file, "version") != VERSION:
                    raise ValueError(f"not a file of {FORMAT}, version {VERSION}; {CURE}")
                texts = [str(attribute(file, name)) for name in ("config", "about", "order")]
                arrays = read_arrays(file, NAME, ("float64",), MAX_BYTES, CURE)
            config, about, order = Config.from_json(texts[0]), json.loads(texts[1]), json.loads(texts[2])
        except (OSError, RuntimeError, KeyError, TypeError, RecursionError, json.JSONDecodeError) as error:
            raise ValueError(f"{DAMAGED}; {CURE}") from error
        if (
            not isinstance(about, dict)
            or not isinstance(order, list)
            or sorted(map(str, order)) != sorted(arrays)
        ):
            raise ValueError(f"its history or order has the wrong form; {CURE}")
        shapes = {name: array.shape for name, array in arrays.items()}
        for name, channels in inputs_of(config).items():
            wanted = config.batch_size, channels, config.height, config.width
            if shapes.get(f"inputs/{name}") != wanted:
                raise ValueError(f"inputs/{name} of shape {wanted} is missing; {CURE}")
        for name, shape in shapes.items():
            if name.startswith("after") and shape != shapes.get(initial(name)):
                raise ValueError(f"{name} has no initial weights of its shape; {CURE}")
    return Vectors(config, {name: arrays[name] for name in order}, about)


def initial(name: str) -> str:
    """The name of the initial weights of "after10/G/encoder1.W"."""
    return "weights/" + name.partition("/")[2]


def inputs_of(config: Config) -> dict[str, int]:
    """Name -> channels of the input images of a configuration."""
    return {
        "x_i": 3,
        "y_i": 3,
        "y_j": 3,
        **({"y_k": 3} if config.mismatch == "apart" else {}),
        **({"m_i": 1} if config.takes_mask else {}),
    }


# --- the comparison ----------------------------------------------------------


class Row(NamedTuple):
    """The comparison of an array that the implementation gave.

    error is nan if it cannot be measured; tolerance is infinite if the array is listed but not judged;
    fault is "" if the array agrees.
    """

    name: str
    error: float
    tolerance: float
    fault: str

    def __str__(self) -> str:
        error = "-" if np.isnan(self.error) else f"{self.error:.1e}"
        limit = f"{self.tolerance:.0e}" if np.isfinite(self.tolerance) else "no limit"
        return f"{self.name:<34}{error:>10}  {limit:>9}  {self.fault}".rstrip()


def compare(factory, vectors: Vectors, tolerance: float = TOLERANCE) -> list[Row]:
    """Compare a reimplementation with golden vectors: a `Row` for each array that it gives, in their order.

    factory: function of a configuration (dict) and weights (dict) that returns the implementation.
    Raises ValueError if it raises anything, or returns an unknown name or anything but a dict of arrays,
    and for vectors that cannot be compared (`check_sizes`).
    """
    check_sizes(vectors.config)
    found, names = answers(factory, vectors), expected(vectors)
    if unknown := sorted(set(found) - set(names)):
        raise ValueError(
            f"the implementation returns {unknown[0]!r}, which is not in the golden vectors; "
            "docs/evaluation.md lists the names"
        )
    rows = [compare_array(name, found[name], vectors, tolerance) for name in names if name in found]
    twice = {name for name in found if name.startswith("after2/")}
    if twice and not any(row.fault for row in rows if row.name in twice):
        errors = {name: np.median(np.abs(found[name] - vectors.arrays[name])) for name in twice}
        error = float(np.median([errors[name] / distance_of(name, vectors) for name in twice]))
        limit = tolerance * ADAM_ROOM
        rows.append(Row(ADAM, error, limit, "deviates" if error > limit else ""))
    return rows


def expected(vectors: Vectors) -> list[str]:
    """The names of the arrays that an implementation may give."""
    return [name for name in vectors.arrays if name.split("/")[0] not in ("weights", "inputs", "updates")]


def check_sizes(config: Config) -> None:
    """Raise ValueError if a norm has a single pixel.

    It would then divide rounding errors, and a correct implementation would deviate.
    """
    layers = max(len(config.g_widths), len(config.d_widths))
    if config.height * config.width == 4**layers:
        raise ValueError(
            f"images at {config.height}x{config.width}: the deepest norm has one pixel, where "
            "only rounding remains; make vectors of larger images with cagan golden"
        )


def answers(factory, vectors: Vectors) -> dict[str, np.ndarray]:
    """All arrays that an implementation returns, by their names in the vectors.

    Arrays are copied on the way in and out: an implementation may overwrite them in its next update.
    """
    settings = dataclasses.asdict(vectors.config)
    implementation = call_user(factory, "factory", settings, vectors.below("weights"))
    found: dict[str, np.ndarray] = {}

    def ask(method, group, names, optional):
        given = vectors.below("inputs")
        extra = {name: given[name] for name in optional if name in given}
        images = [given[name] for name in names]
        answer = call_user(getattr(implementation, method), f"function {method}", *images, **extra)
        if not isinstance(answer, dict):
            raise ValueError(f"{method}: returns {type(answer).__name__}, not a dict of name -> array")
        what = f"function {method}, whose {{}} is no array,"
        return {
            f"{group}/{name}": call_user(np.array, what.format(name), value) for name, value in answer.items()
        }

    images, extra = ("x_i", "y_i", "y_j"), ("y_k", "m_i")
    for method, group, names, optional in (
        ("generate", "layers/G", images, ("m_i",)),
        ("discriminate", "layers/D", ("x_i", "y_i"), ()),
        ("losses", "losses", images, extra),
        ("gradients", "gradients", images, extra),
    ):
        if hasattr(implementation, method):
            found |= ask(method, group, names, optional)
    if hasattr(implementation, "update"):
        kept = {updates_in(name) for name in vectors.arrays if name.startswith("after")}
        for n in range(1, max(kept, default=0) + 1):
            answer = ask("update", f"after{n}", images, extra)
            found |= answer if n in kept else {}
    return found


def updates_in(name: str) -> int:
    """The number of updates in a name such as "after10/G/encoder1.W"."""
    return int(name.split("/")[0].removeprefix("after"))


def distance_of(name: str, vectors: Vectors) -> float:
    """How far a parameter moved from its initial weights: the root mean square over its elements."""
    moved = vectors.arrays[name] - vectors.arrays[initial(name)]
    return max(float(np.sqrt(np.mean(np.square(moved)))), 1e-12)


def compare_array(name: str, value, vectors: Vectors, tolerance: float) -> Row:
    """Compare one array; the error of a parameter after updates is relative to the distance it moved."""
    wanted = vectors.arrays[name]
    if value.shape != wanted.shape:
        return Row(name, np.nan, tolerance, f"has shape {value.shape}, not {wanted.shape}")
    if value.dtype.kind not in "fiu" or not np.isfinite(value).all():
        return Row(name, np.nan, tolerance, "contains values that are not finite numbers")
    if name.startswith("after"):
        n, error = updates_in(name), np.sqrt(np.mean(np.square(value - wanted))) / distance_of(name, vectors)
        tolerance = tolerance * ROOM * n if n <= JUDGED or tolerance <= FINE else np.inf
    else:
        error = np.abs(value - wanted).max() / max(np.abs(wanted).max(), 1e-12)
    return Row(name, float(error), tolerance, "deviates" if error > tolerance else "")


def first_deviation(rows: list[Row]) -> Row | None:
    """The first array, in order of computation, that deviates."""
    return next((row for row in rows if row.fault), None)


def hint(name: str) -> str:
    """How the array with this name is computed, in words."""
    group, last = name.split("/")[0].rstrip("0123456789"), name.split("/")[-1].split(".")[-1]
    return HINTS.get(group if group in HINTS else last, "docs/evaluation.md describes it")


def report(rows: list[Row], vectors: Vectors, every: bool = False) -> str:
    """The comparison as text: every layer and loss, and the worst array of each other group.

    every: list every gradient and parameter, too.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        parts = row.name.split("/")
        many = len(parts) > 1 and (parts[0] == "gradients" or parts[0].startswith("after"))
        groups.setdefault("/".join(parts[:2]) if many and not every else row.name, []).append(row)
    listed = [
        max(group, key=lambda row: (bool(row.fault), np.nan_to_num(row.error))) for group in groups.values()
    ]
    title = f"{'array':<34}{'error':>10}  {'tolerance':>9}"
    return "\n".join([title, *map(str, listed), "", verdict(rows, vectors)])


def verdict(rows: list[Row], vectors: Vectors) -> str:
    """One paragraph: all arrays agree, or which deviates first and where to look."""
    arrays = [row for row in rows if row.name != ADAM]
    judged = [row for row in arrays if row.fault or np.isfinite(row.tolerance)]
    first = first_deviation(rows)
    if not rows:
        return "Nothing was compared: the implementation has none of the methods in docs/evaluation.md."
    if first is None:
        missing, listed = len(expected(vectors)) - len(arrays), len(arrays) - len(judged)
        rest = f"; {missing} were not given" if missing else ""
        rest += f"; {listed} were not judged, because rounding alone changes them" if listed else ""
        unseen = f"\n{UNSEEN}" if len(rows) > len(arrays) and rows[0].tolerance > FINE else ""
        return f"All {len(judged)} arrays agree{rest}.{unseen}"
    before = judged[: judged.index(first)] if first in judged else judged
    last = f"{before[-1].name}, before it, agrees" if before else "nothing before it was compared"
    error = "" if np.isnan(first.error) else f", error {first.error:.1e}"
    return f"First deviation: {first.name} ({first.fault}{error}); {last}.\nDefinition: {hint(first.name)}."
