"""Held-out images: opening, rendering if missing, choice of swaps, and swaps."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
Model = Any
"""A `cagan_theano.Model`, or what has its swap, config, metadata, sha256 and step."""


class Swaps(NamedTuple):
    """Swaps of a split: rows i and j [n], and rows of its triples with the true swaps or None."""

    i: RowNumbers
    j: RowNumbers
    triple: RowNumbers | None

    def take(self, chosen: Any) -> "Swaps":
        """Some of the swaps, by an index for arrays."""
        return Swaps(self.i[chosen], self.j[chosen], None if self.triple is None else self.triple[chosen])


@dataclass(frozen=True)
class HeldOutSplit:
    """The test split of a data file, unseen in training, with its path and provenance."""

    path: str
    photos: Any
    provenance: dict[str, Any]


@contextmanager
def open_split(data: str | Path | None, model: Model, count: int = HELD_OUT) -> Iterator[HeldOutSplit]:
    """Open the test split of a photo file, or of `count` pairs of the photoshoot if data is None.

    Raises FileNotFoundError, or ValueError for a file that is not a photo file or has no test split.
    """
    from data_prep.store import PhotoFile

    path = data or shipped(model, count) or rendered(model, count)
    with PhotoFile(path) as file:
        yield HeldOutSplit(str(path), file.split("test"), file.provenance)


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
    setting = shoot_setting(model)
    size, ending = setting.size, "" if count == HELD_OUT else f"_{count}"
    path = renderings() / f"heldout_{size[0]}x{size[1]}{ending}.h5"
    from data_prep.photoshoot import shoot

    if not is_made(path, shoot.provenance(setting, 0, count)):
        path.parent.mkdir(parents=True, exist_ok=True)
        style = {name: getattr(setting, name) for name in ("clutter", "wardrobe", "studio")}
        shoot.shoot(path, 0, size, setting.seed, count, **style)
    return path


def renderings() -> Path:
    """The folder of rendered test images: in the user's cache, or ``photos/`` if the cache is off."""
    cached = cache.user_folder()
    return Path("photos") if cached is None or not cached.is_absolute() else cached / "photos"


def shoot_setting(model: Model) -> Any:
    """The photoshoot's `Setting` of a model's training data, at the model's size.

    For data of another program: seed 0, in one studio.  Without a wardrobe or a studio in the
    provenance: "paper" and "many", then the only ones.
    """
    from data_prep.photoshoot.shoot import Setting

    size, origin = (model.config.height, model.config.width), origin_of(model)
    if origin.get("program") != SHOT:
        return Setting(0, size, studio="one")
    given = origin["arguments"]
    wardrobe, studio = given.get("wardrobe", "paper"), given.get("studio", "many")
    return Setting(origin["seed"], size, given["clutter"], wardrobe, studio)


def origin_of(model: Model) -> dict[str, Any]:
    """The provenance of a model's training data, {} if unknown."""
    return (model.metadata.get("data") or {}).get("provenance") or {}


def is_made(path: Path, provenance: dict[str, Any]) -> bool:
    """Whether a photo file exists, is complete, and has this provenance."""
    from data_prep.store import PhotoFile

    try:
        with PhotoFile(path) as file:
            return bool(file.provenance == provenance)
    except (OSError, ValueError):
        return False


# --- choice of swaps


def all_swaps(held: HeldOutSplit, limit: int | None = None, seed: int = 0) -> Swaps:
    """The swaps of a split: all true swaps, or one random article for each human without them.

    limit: maximum number: the first true swaps, or random humans.  Raises ValueError for a split
    with only one garment.
    """
    rng = np.random.default_rng(seed)
    swaps = candidates(held.photos, rng)
    need(held, len(swaps.i) > 0, "has only one garment, so nothing can be swapped")
    order = np.arange(len(swaps.i)) if swaps.triple is not None else rng.permutation(len(swaps.i))
    return swaps.take(order[:limit])


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
    return Swaps(i, np.array([rng.choice(np.flatnonzero(other)) for other in others], dtype=int), None)


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
    need(
        held,
        len(i) == humans and len(j) == articles,
        f"has too few held-out people or garments for {humans} humans and {articles} articles",
    )
    return i, j


def split_distinct(order: RowNumbers, columns: Sequence[RowNumbers]) -> tuple[RowNumbers, RowNumbers]:
    """Split rows into those that share no label with an earlier row of this part, and the rest.

    Parameters: order, int array of rows; columns, arrays of labels by row.  Returns two int
    arrays, each in the given order.
    """
    seen: set[tuple[int, Any]] = set()
    first: list[int] = []
    later: list[int] = []
    for row in order:
        labels = {(n, column[row]) for n, column in enumerate(columns)}
        if labels & seen:
            later.append(row)
        else:
            first.append(row)
            seen |= labels
    return np.array(first, dtype=int), np.array(later, dtype=int)


def need(held: HeldOutSplit, condition: bool, fault: str) -> None:
    """Raise ValueError with the data file's path unless a condition holds."""
    if not condition:
        raise ValueError(f"{held.path}: {fault}; give another --data, or omit it for the held-out photoshoot")


# --- images and swaps


def pictures(rows: Any, chosen: Any) -> Any:
    """The chosen rows of a stored array, in the given order, as one array [n, ...]; None of None."""
    return None if rows is None else np.stack([rows[int(row)] for row in chosen])


def truth(held: HeldOutSplit, chosen: Swaps) -> Pixels:
    """The true swaps [n, H, W, 3] uint8.  Raises ValueError without true swaps."""
    if chosen.triple is None:
        need(held, False, "has no true swaps, which --truth requires")
    return pictures(held.photos.triples.x_ij, chosen.triple)  # type: ignore[no-any-return]


def swap(model: Model, held: HeldOutSplit, i: Any, j: Any) -> Swap:
    """Dress humans i in articles j: the result of `Model.swap` on rows of the held-out split.

    Raises ValueError if the network requires masks and the file has none.
    """
    photos = held.photos
    images = pictures(photos.x, i), pictures(photos.y, i), pictures(photos.y, j)
    return dress(model, held, *images, pictures(photos.mask, i))


def dress(
    model: Model, held: HeldOutSplit, x_i: Pixels, y_i: Pixels, y_j: Pixels, mask: Pixels | None
) -> Swap:
    """`Model.swap`, with the stored masks if the network uses masks (section 4)."""
    if not model.config.takes_mask:
        return model.swap(x_i, y_i, y_j)  # type: ignore[no-any-return]
    need(held, mask is not None, "has no masks, which this checkpoint requires")
    return model.swap(x_i, y_i, y_j, mask=mask)  # type: ignore[no-any-return]
