"""Held-out images: opening, rendering if missing, choice of swaps, and swaps."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from cagan_theano import weights
from cagan_theano.backends import cache
from cagan_theano.io.color import Pixels
from cagan_theano.io.metadata import SHOT
from cagan_theano.method.swap import Swap

HELD_OUT = 24
"""Held-out pairs rendered for the figures if none are shipped at the required size."""

RowNumbers = NDArray[np.integer[Any]]
Images = dict[str, Any]
"""Name -> array [n, ...] of n swaps, or None for what is not known."""
Model = Any
"""A `cagan_theano.Model`, or what has its swap, config, metadata, sha256 and step."""


class Swaps(NamedTuple):
    """Swaps of a split: rows i and j [n], and rows of its triples with the true swaps or None."""

    i: RowNumbers
    j: RowNumbers
    triple: RowNumbers | None = None

    def take(self, chosen: Any) -> "Swaps":
        """Some of the swaps, by an index for arrays."""
        return Swaps(self.i[chosen], self.j[chosen], None if self.triple is None else self.triple[chosen])


class HeldOutSplit(NamedTuple):
    """A split of a data file, unseen in training unless said otherwise, with its path and provenance."""

    path: str
    photos: Any
    provenance: dict[str, Any]


@contextmanager
def open_split(
    data: str | Path | None, model: Model, count: int = HELD_OUT, split: str = "test"
) -> Iterator[HeldOutSplit]:
    """Open a split of a photo file, or that of `count` pairs of the photoshoot if data is None.

    Raises FileNotFoundError, or ValueError for a file that is not a photo file or lacks the split.
    """
    from data_prep.store import PhotoFile

    path = data or shipped(model, count) or rendered(model, count)
    with PhotoFile(path) as file:
        yield HeldOutSplit(str(path), file.split(split), file.provenance)


def shipped(model: Model, count: int = HELD_OUT) -> Path | None:
    """Path of the shipped held-out photoshoot at a model's size, which saves rendering, or None.

    None if the size is not shipped, if the model was trained in the street, or if more pairs than
    ``HELD_OUT`` are wanted and can be rendered.
    """
    from data_prep.photoshoot import shoot

    path = weights.held_out(model.config.height, model.config.width)
    if shoot_setting(model).clutter or not path.exists():
        return None
    if count > HELD_OUT:
        try:
            shoot.check_renderer()
            return None
        except ValueError as error:
            click.echo(f"{path.name}: used instead of {count} new renderings, since {error}", err=True)
    return path


def rendered(model: Model, count: int = HELD_OUT) -> Path:
    """Path of a small file of people and garments that are in no training set; rendered if missing.

    It is the start of the test split of the checkpoint's training data: same seed, size and
    wardrobe, different people and garments; rendered by the current version of the photoshoot,
    whichever version rendered the training images.  Raises OSError.
    """
    setting, ending = shoot_setting(model), "" if count == HELD_OUT else f"_{count}"
    return photoshoot(rendering("heldout", setting, ending), setting, 0, count).made()


class Source(NamedTuple):
    """A photo file that may have to be made: path, provenance, what writes it (None: it is there)."""

    path: Path
    provenance: dict[str, Any]
    write: Callable[[], Any] | None

    def made(self) -> Path:
        """The path, after writing what is missing, damaged or of another provenance.  Raises OSError."""
        from data_prep.store import PhotoFile

        if self.write:
            try:
                with PhotoFile(self.path) as file:
                    found = file.provenance
            except (OSError, ValueError):
                found = None
            if found != self.provenance:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.write()
        return self.path


def photoshoot(path: Path, setting: Any, pairs: int, held_out: int, true_swaps: int = 0) -> Source:
    """The `Source` of a photoshoot with a `Setting`; the counts are those of `shoot.shoot`."""
    from data_prep.photoshoot import shoot

    counts = {"pairs": pairs, "held_out": held_out, "true_swaps": true_swaps}
    write = partial(shoot.shoot, path, **counts, **dataclasses.asdict(setting))
    return Source(path, shoot.provenance(setting, **counts), write)


def rendering(name: str, setting: Any, ending: str) -> Path:
    """Path of rendered images: in the user's cache, or in ``photos/`` if the cache is off."""
    cached = cache.user_folder()
    folder = Path("photos") if cached is None or not cached.is_absolute() else cached / "photos"
    return folder / f"{name}_{setting.size[0]}x{setting.size[1]}{ending}.h5"


def shoot_setting(model: Model) -> Any:
    """The photoshoot's `Setting` of a model's training data, at the model's size.

    For data of another program: seed 0, in one studio.
    """
    from data_prep.photoshoot.shoot import Setting

    size = model.config.height, model.config.width
    return setting_of(origin_of(model), size) or Setting(0, size, studio="one")


def setting_of(origin: dict[str, Any], size: tuple[int, int]) -> Any:
    """The photoshoot's `Setting` that a provenance states, at some size; None for another program.

    Without a wardrobe or a studio: "paper" and "many", then the only ones.
    """
    from data_prep.photoshoot.shoot import Setting

    if origin.get("program") != SHOT:
        return None
    given = origin["arguments"]
    wardrobe, studio = given.get("wardrobe", "paper"), given.get("studio", "many")
    return Setting(origin["seed"], size, given["clutter"], wardrobe, studio)


def origin_of(model: Model) -> dict[str, Any]:
    """The provenance of a model's training data, {} if unknown."""
    return (model.metadata.get("data") or {}).get("provenance") or {}


# --- choice of swaps


def all_swaps(held: HeldOutSplit, limit: int | None = None, seed: int = 0) -> Swaps:
    """The swaps of a split: all true swaps, or one random article for each human without them.

    limit: maximum number: the first true swaps, or random humans.  Raises ValueError for a split
    with only one garment.
    """
    rng = np.random.default_rng(seed)
    swaps = candidates(held.photos, rng)
    count = len(swaps.i)
    need(held, count > 0, "has only one garment, so nothing can be swapped")
    return swaps.take((np.arange(count) if swaps.triple is not None else rng.permutation(count))[:limit])


def choose_swaps(held: HeldOutSplit, count: int, seed: int) -> Swaps:
    """Sample swaps, with distinct people and garments as long as there are enough.

    If the file has true swaps, only those are sampled, so that the truth is available.
    Raises ValueError if the file has too few images.
    """
    rng = np.random.default_rng(seed)
    swaps = candidates(held.photos, rng)
    chosen = distinct_first(held, swaps, rng)[:count]
    need(held, len(chosen) == count, f"has only {len(chosen)} held-out swaps, {count} are required")
    return swaps.take(chosen)


def distinct_first(held: HeldOutSplit, swaps: Swaps, rng: np.random.Generator) -> RowNumbers:
    """The numbers of the swaps in random order, those of new people and new garments first."""
    photos = held.photos
    labels = [photos.person[swaps.i], photos.garment[swaps.i], photos.garment[swaps.j]]
    return np.concatenate(split_distinct(rng.permutation(len(swaps.i)), labels))


def candidates(photos: Any, rng: np.random.Generator) -> Swaps:
    """The file's swaps, or for each human a random article of another garment of the same category."""
    if photos.triples is not None:
        known = None if photos.triples.x_ij is None else np.arange(len(photos.triples.i))
        return Swaps(photos.triples.i, photos.triples.j, known)
    garment = photos.garment
    category = photos.attributes.get("category", np.zeros(len(garment), np.uint8))
    several = [one for one in np.unique(category) if len(np.unique(garment[category == one])) > 1]
    i = np.flatnonzero(np.isin(category, several))
    others = ((garment != garment[row]) & (category == category[row]) for row in i)
    return Swaps(i, np.array([rng.choice(np.flatnonzero(other)) for other in others], dtype=int))


def choose_matrix(held: HeldOutSplit, humans: int, articles: int, seed: int) -> tuple[RowNumbers, RowNumbers]:
    """Sample rows of humans and of articles, all with distinct people and garments.

    No article is worn by one of the humans.  Returns two int arrays.  Raises ValueError if the file
    has too few.
    """
    rng, photos = np.random.default_rng(seed), held.photos
    order = rng.permutation(len(photos))
    i = split_distinct(order, [photos.person, photos.garment])[0][:humans]
    free = order[~np.isin(photos.garment[order], photos.garment[i])]
    j = split_distinct(free, [photos.garment])[0][:articles]
    fault = f"has too few held-out people or garments for {humans} humans and {articles} articles"
    need(held, len(i) == humans and len(j) == articles, fault)
    return i, j


def split_distinct(order: RowNumbers, columns: Sequence[RowNumbers]) -> tuple[RowNumbers, RowNumbers]:
    """Split rows into those that share no label with an earlier row of this part, and the rest, in order.

    columns: arrays of labels by row.
    """
    seen: set[tuple[int, Any]] = set()
    is_new = []
    for row in order:
        labels = {(n, column[row]) for n, column in enumerate(columns)}
        is_new.append(not labels & seen)
        if is_new[-1]:
            seen |= labels
    new = np.array(is_new, dtype=bool)
    return order[new], order[~new]


def need(held: HeldOutSplit, condition: bool, fault: str) -> None:
    """Raise ValueError with the data file's path unless a condition holds."""
    if not condition:
        raise ValueError(f"{held.path}: {fault}; give another --data, or omit it for the held-out photoshoot")


# --- images and swaps


def read(held: HeldOutSplit, swaps: Swaps) -> Images:
    """The stored images of some swaps: x_i, y_i, y_j [n, H, W, 3], mask_i [n, H, W], truth, mask_ij; uint8.

    None for those that the file does not contain.
    """
    photos, triples = held.photos, held.photos.triples if swaps.triple is not None else None
    columns: dict[str, tuple[Any, Any]] = {
        "x_i": (photos.x, swaps.i),
        "y_i": (photos.y, swaps.i),
        "y_j": (photos.y, swaps.j),
        "mask_i": (photos.mask, swaps.i),
        "truth": (triples and triples.x_ij, swaps.triple),
        "mask_ij": (triples and triples.mask, swaps.triple),
    }
    return {
        name: None if stored is None else np.stack([stored[int(row)] for row in rows])
        for name, (stored, rows) in columns.items()
    }


def swap(model: Model, held: HeldOutSplit, images: Images) -> Swap:
    """`Model.swap` of the images of `read`, with the masks if the network uses masks (section 4).

    Raises ValueError if the network requires masks and the file has none.
    """
    masks = {"mask": images["mask_i"]} if model.config.takes_mask else {}
    known = images["mask_i"] is not None or not masks
    need(held, known, "has no masks, which this checkpoint requires")
    return model.swap(images["x_i"], images["y_i"], images["y_j"], **masks)  # type: ignore[no-any-return]


def swap_back(model: Model, held: HeldOutSplit, images: Images, x_ij: Pixels) -> Pixels:
    """The way back of the cycle, G(x_ij, y_j, y_i) [n, H, W, 3] uint8, from swapped images."""
    back = {"x_i": x_ij, "y_i": images["y_j"], "y_j": images["y_i"]}
    return swap(model, held, images | back).x_ij
