"""Held-out images: opening, rendering if missing, random choice, and swaps."""

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cagan_theano import weights
from cagan_theano.backends import cache

HELD_OUT = 24
"""Held-out pairs rendered for the figures if none are shipped at the required size."""


@dataclass(frozen=True)
class Choice:
    """Randomly chosen swaps: rows i and j [n] of the split, and rows of its triples or None."""

    i: np.ndarray
    j: np.ndarray
    triple: np.ndarray | None


@dataclass(frozen=True)
class HeldOutSplit:
    """The test split of a data file, unseen in training, with its path and provenance."""

    path: str
    photos: object
    provenance: dict


@contextmanager
def open_split(data, model, count=HELD_OUT):
    """Open the test split of a photo file, or of the held-out photoshoot if data is None.

    Yields a `HeldOutSplit`.  Raises FileNotFoundError, or ValueError for a file that is not a photo
    file or has no test split.
    """
    from data_prep.store import PhotoFile

    path = data or shipped(model, count) or rendered(model, count)
    with PhotoFile.open(path) as file:
        yield HeldOutSplit(str(path), file.split("test"), file.provenance)


def shipped(model, count=HELD_OUT):
    """Path of the shipped held-out photoshoot at a model's size, which saves rendering, or None.

    None if the size is not shipped, if the count differs from ``HELD_OUT``, or if the model was
    trained in the street.
    """
    path = weights.held_out(model.config.height, model.config.width)
    wanted = count == HELD_OUT and not shoot_setting(model).clutter
    return path if wanted and path.exists() else None


def rendered(model, count=HELD_OUT):
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
        shoot.shoot(path, 0, size, setting.seed, count, setting.clutter, wardrobe=setting.wardrobe)
    return path


def renderings():
    """The folder of rendered test images: in the user's cache, or ``photos/`` if the cache is off."""
    cached = cache.user_folder()
    return Path("photos") if cached is None or not cached.is_absolute() else cached / "photos"


def shoot_setting(model):
    """The photoshoot's `Setting` of a model's training data, at the model's size.

    For data of another program: seed 0 in the studio.  Without a wardrobe in the provenance:
    "paper", then the only one.
    """
    from data_prep.photoshoot.shoot import Setting

    size, origin = (model.config.height, model.config.width), origin_of(model)
    if origin.get("program") != "data_prep photoshoot":
        return Setting(0, size)
    given = origin["arguments"]
    return Setting(origin["seed"], size, given["clutter"], given.get("wardrobe", "paper"))


def origin_of(model):
    """The provenance of a model's training data, {} if unknown."""
    return (model.metadata.get("data") or {}).get("provenance") or {}


def is_made(path, provenance):
    """Whether a photo file exists, is complete, and has this provenance."""
    from data_prep.store import PhotoFile

    try:
        with PhotoFile.open(path) as file:
            return file.provenance == provenance
    except (OSError, ValueError):
        return False


def choose_swaps(held, count, seed):
    """Sample swaps, with distinct people and garments as long as there are enough.

    If the file has true swaps, only those are sampled, so that the truth is available.
    Returns a `Choice`.  Raises ValueError if the file has too few images.
    """
    rng, photos = np.random.default_rng(seed), held.photos
    i, j, triple = candidates(photos, rng)
    order = rng.permutation(len(i))
    kept = np.concatenate(split_distinct(order, [photos.person[i], photos.garment[i], photos.garment[j]]))[
        :count
    ]
    need(held, len(kept) == count, f"has only {len(kept)} held-out swaps, {count} are required")
    return Choice(i[kept], j[kept], None if triple is None else triple[kept])


def candidates(photos, rng):
    """The file's swaps (i, j, rows of the true swaps or None), or a random article for each human."""
    if photos.triples is not None:
        known = None if photos.triples.x_ij is None else np.arange(len(photos.triples.i))
        return photos.triples.i, photos.triples.j, known
    i = swappable(photos)
    return i, random_articles(photos, i, rng), None


def swappable(photos):
    """The rows [n] for which another garment has the same category (if stored)."""
    category = categories(photos)
    several = [one for one in np.unique(category) if len(np.unique(photos.garment[category == one])) > 1]
    return np.flatnonzero(np.isin(category, several))


def random_articles(photos, rows, rng):
    """For each of some `swappable` rows, a random row with another garment of its category: an int array."""
    garment, category = photos.garment, categories(photos)
    others = ((garment != garment[row]) & (category == category[row]) for row in rows)
    return np.array([rng.choice(np.flatnonzero(other)) for other in others], dtype=int)


def categories(photos):
    """The codes of the articles' categories [n]; all 0 if not stored."""
    return photos.attributes.get("category", np.zeros(len(photos.garment), np.uint8))


def choose_matrix(held, humans, articles, seed):
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


def split_distinct(order, columns):
    """Split rows into those that share no label with an earlier row of this part, and the rest.

    Parameters: order, int array of rows; columns, arrays of labels by row.  Returns two int
    arrays, each in the given order.
    """
    seen, first, later = [set() for _ in columns], [], []
    for row in order:
        labels = [column[row] for column in columns]
        new = all(label not in known for label, known in zip(labels, seen))
        (first if new else later).append(row)
        if new:
            for label, known in zip(labels, seen):
                known.add(label)
    return np.array(first, dtype=int), np.array(later, dtype=int)


def need(held, condition, fault):
    """Raise ValueError with the data file's path unless a condition holds."""
    if not condition:
        raise ValueError(f"{held.path}: {fault}; give another --data, or omit it for the held-out photoshoot")


def pictures(rows, chosen):
    """The chosen rows of a stored array, in the given order, as one array [n, ...]."""
    return np.stack([rows[int(row)] for row in chosen])


def truth(held, chosen):
    """The true swaps of a `Choice` [n, H, W, 3] uint8.  Raises ValueError without true swaps."""
    need(held, chosen.triple is not None, "has no true swaps, which --truth requires")
    return pictures(held.photos.triples.x_ij, chosen.triple)


def swap(model, held, i, j):
    """Dress humans i in articles j: the result of `Model.swap` on rows of the held-out split.

    Raises ValueError if the network requires masks and the file has none.
    """
    photos = held.photos
    return dress(
        model,
        held,
        pictures(photos.x, i),
        pictures(photos.y, i),
        pictures(photos.y, j),
        rows_or_none(photos.mask, i),
    )


def dress(model, held, x_i, y_i, y_j, mask):
    """`Model.swap`, with the stored masks if the network uses masks (section 4)."""
    if not model.config.takes_mask:
        return model.swap(x_i, y_i, y_j)
    need(held, mask is not None, "has no masks, which this checkpoint requires")
    return model.swap(x_i, y_i, y_j, mask=mask)


def rows_or_none(rows, chosen):
    """`pictures`, or None if nothing is stored."""
    return None if rows is None else pictures(rows, chosen)
