"""Other systems on the same swaps as ours: opening them, and a figure.

A user supplies a folder of images, a callable, or a checkpoint (`docs/evaluation.md`); each becomes a
`measures.System`.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from cagan_theano import weights
from cagan_theano.evaluation import held_out
from cagan_theano.evaluation.held_out import HeldOutSplit, Images, Model
from cagan_theano.evaluation.measures import BASELINES, OURS, System
from cagan_theano.io import sheet
from cagan_theano.io.command import call_user
from data_prep.picture import open_rgb

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,15}")
PANEL_HEIGHT = 512


def parse(text: str) -> tuple[str, str]:
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


def open_system(
    target: str, held: HeldOutSplit, load_callable: Callable[[str], Any], backend: str, device: str | None
) -> System:
    """The system of a target: a folder of PNGs, a checkpoint, or a callable.

    Raises ValueError, FileNotFoundError.
    """
    if Path(target).is_dir():
        return of_folder(Path(target))
    if target.endswith(".h5") or weights.find(target).is_file():
        return of_model(weights.load_model(target, backend, device), held)
    if ":" not in target:
        raise FileNotFoundError(f"{target}: no such folder; check the path")
    return of_callable(load_callable(target), target)


def of_folder(folder: Path) -> System:
    """A system of images FOLDER/000000.png ..., numbered as `--inputs` does, or of x_ij/ and alpha/ in it."""

    def read(inner: Path, shape: tuple[int, ...], numbers: Any) -> Any:
        paths = [inner / f"{number:06d}.png" for number in numbers]
        return np.stack([check(np.asarray(open_rgb(path)), shape, path) for path in paths])

    def answer(images: Images, numbers: Any) -> Any:
        shape, (x_ij, alpha) = images["x_i"][0].shape, (folder / "x_ij", folder / "alpha")
        return (
            read(x_ij if x_ij.is_dir() else folder, shape, numbers),
            read(alpha, shape, numbers)[..., 0] / 255 if alpha.is_dir() else None,
        )

    return answer


def of_model(model: Model, held: HeldOutSplit) -> System:
    """A system of a network of this package."""

    def answer(images: Images, _numbers: Any) -> Any:
        swap = held_out.swap(model, held, images)
        return swap.x_ij, swap.alpha

    return answer


def of_callable(function: Callable[..., Any], name: str) -> System:
    """A system of function(x_i, y_i, y_j) -> x_ij or (x_ij, alpha).

    Images: uint8 [n, H, W, 3]; alpha: [n, H, W] in [0, 1], also with an axis of one channel.
    """

    def answer(images: Images, _numbers: Any) -> Any:
        given = [images[key].copy() for key in ("x_i", "y_i", "y_j")]
        found = call_user(function, f"function {name}", *given)
        x_ij, alpha = found if isinstance(found, (tuple, list)) and len(found) == 2 else (found, None)
        what = f"function {name}, whose result is no array,"  # such as a tensor on a GPU
        x_ij = check(call_user(np.asarray, what, x_ij), images["x_i"].shape, name)
        if alpha is not None:
            alpha, shape = call_user(np.asarray, what, alpha, dtype=float), x_ij.shape[:3]
            if alpha.size != x_ij[..., 0].size or not ((alpha >= 0) & (alpha <= 1)).all():
                raise ValueError(f"{name}: alpha must be {list(shape)} in [0, 1], not {list(alpha.shape)}")
            alpha = alpha.reshape(shape)
        return x_ij, alpha

    return answer


def check(images: Any, shape: tuple[int, ...], name: str | Path) -> Any:
    """The images of a system.  Raises ValueError unless they are uint8 and have this shape."""
    if images.shape != shape:
        raise ValueError(
            f"{name}: has shape {images.shape}, not {shape}; give the images at the size of the exported ones"
        )
    if images.dtype != np.uint8:
        raise ValueError(f"{name}: returns {images.dtype}; must return uint8 RGB")
    return images


def draw(kept: dict[str, dict[int, Any]], numbers: Sequence[int], names: Sequence[str], note: str) -> Figure:
    """The figure: one row for each swap; y_i, x_i, y_j, the truth if available, every system.

    kept: name -> number of the swap -> image; names: of the systems.
    """
    truth = ["truth"] if "truth" in kept else []
    rows = [[kept[key][number] for key in ("y_i", "x_i", "y_j", *truth, *names)] for number in numbers]
    labels = ["$y_i$", "$x_i$", "$y_j$", *["true swap"] * bool(truth), *names]
    caption = "The same swaps by each system; humans and articles sampled at random."
    figure: Figure = sheet.grid(rows, labels, caption, note, sheet.scale_for(rows[0][0], PANEL_HEIGHT))
    return figure
