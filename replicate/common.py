"""What the scripts share: options, held-out pictures, random choice, and where a figure is from."""

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from cagan_theano.command import no_cache_option
from data_prep.text import printable

ROOT = Path(__file__).resolve().parents[1]
HELD_OUT = 24
"""Held-out pairs rendered for the figures where none are shipped in the wanted size."""


@dataclass(frozen=True)
class Choice:
    """Randomly chosen swaps: rows i and j [n] of the split, and rows of its triples or None."""

    i: np.ndarray
    j: np.ndarray
    triple: np.ndarray | None


@dataclass(frozen=True)
class Held:
    """Pictures that no network saw: the test split of a data file, and where it comes from."""

    path: str
    photos: object
    provenance: dict


WEIGHTS = {"cagan": "the paper's method", "dress": "ours: told true swaps in training, for photos"}
"""Families of shipped weights and what they are; a file is checkpoints/FAMILY_HxW.h5."""


def checkpoint_option(size, family="cagan"):
    """Decorator: --checkpoint, and --weights, which names a shipped one.

    size: of the shipped checkpoint, such as "128x96"; family: the default of ``WEIGHTS``.
    """
    def chosen(ctx, _, path):
        weights = ctx.params.pop("weights")  # which the command itself does not take
        return path or ROOT / "checkpoints" / f"{weights}_{size}.h5"

    weights = click.option("--weights", type=click.Choice(list(WEIGHTS)), default=family, is_eager=True,
                           show_default=True, help="Shipped weights: " + "; ".join(
                               f"{name}, {what}" for name, what in WEIGHTS.items()) + ".")
    checkpoint = click.option("--checkpoint", type=click.Path(), callback=chosen,
                              help="Trained weights of your own, in the place of --weights.")
    return lambda command: weights(checkpoint(command))


out_option = click.option("--out", type=click.Path(), default=ROOT / "figures",
                          show_default="figures/", help="Folder of the PNG and the PDF.")


def backend_option(command):
    """Decorator: --backend, and --no-cache, which asks for nothing from the command itself."""
    choice = click.option("--backend", type=click.Choice(["auto", "jax", "c"]), default="auto",
                          show_default=True, help="What compiles the graph.")
    return choice(no_cache_option(command))


device_option = click.option("--device", type=click.Choice(["cpu", "gpu"]), default=None,
                             help="Where it runs.  [default: a GPU where there is one]")
data_option = click.option("--data", type=click.Path(), default=None,
                           help="Photo file whose test split is shown.  [default: the shipped "
                                "held-out photoshoot, or one rendered once into photos/]")
seed_option = click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
                           help="Seed of the random choice of humans and articles.")


def figure_options(size):
    """Decorator: the options that every figure of pictures has, in one order."""
    def decorate(command):
        for option in (seed_option, out_option, data_option, device_option, backend_option,
                       checkpoint_option(size)):
            command = option(command)
        return command
    return decorate


def load_model(checkpoint, backend="auto", device=None):
    """Load a checkpoint; the network code is imported only now.

    Raises ValueError, FileNotFoundError: see `cagan_theano.load`.
    """
    import cagan_theano
    return cagan_theano.load(str(checkpoint), backend=backend, device=device)


@contextmanager
def held_out(data, model, count=HELD_OUT):
    """Open the test split of a photo file, or of the held-out photoshoot when data is None.

    Yields a `Held`.  Raises FileNotFoundError, ValueError: no such file, not a photo file,
    or one without a test split.
    """
    from data_prep.store import PhotoFile
    path = data or shipped_held_out(model, count) or held_out_photoshoot(model, count)
    with PhotoFile.open(path) as file:
        yield Held(str(path), file.split("test"), file.provenance)


def shipped_held_out(model, count=HELD_OUT):
    """Path of the shipped held-out photoshoot in a model's size, so that a figure renders nothing.

    None where there is none, where more pictures are wanted than a figure shows, or where the model
    was trained in the street.
    """
    path = ROOT / "checkpoints" / f"heldout_{model.config.height}x{model.config.width}.h5"
    wanted = count == HELD_OUT and not shoot_setting(model).clutter
    return path if wanted and path.exists() else None


def held_out_photoshoot(model, count=HELD_OUT):
    """Path of a small file of people and garments apart from all training; made where missing.

    It is the beginning of the test split that belongs to the checkpoint's training data: same seed,
    size and wardrobe, other people and other garments; rendered as the photoshoot does it today,
    whichever version the training pictures are of.  Raises OSError.
    """
    setting = shoot_setting(model)
    size, ending = setting.size, "" if count == HELD_OUT else f"_{count}"
    path = ROOT / "photos" / f"heldout_{size[0]}x{size[1]}{ending}.h5"
    from data_prep.photoshoot import shoot
    if not is_made(path, shoot.provenance(setting, 0, count)):
        path.parent.mkdir(parents=True, exist_ok=True)
        shoot.shoot(path, 0, size, setting.seed, count, setting.clutter, wardrobe=setting.wardrobe)
    return path


def shoot_setting(model):
    """The photoshoot's `Setting` that belongs to a model's training data, in the model's size.

    Data of another program: seed 0, a studio.  Data that name no wardrobe: "paper", as there was
    no other.
    """
    from data_prep.photoshoot.shoot import Setting
    size, origin = (model.config.height, model.config.width), origin_of(model)
    if origin.get("program") != "data_prep photoshoot":
        return Setting(0, size)
    given = origin["arguments"]
    return Setting(origin["seed"], size, given["clutter"], given.get("wardrobe", "paper"))


def origin_of(model):
    """The provenance of a model's training data, {} where it is not known."""
    return (model.metadata.get("data") or {}).get("provenance") or {}


def is_made(path, provenance):
    """Whether a photo file is there, whole, and made as wanted."""
    from data_prep.store import PhotoFile
    try:
        with PhotoFile.open(path) as file:
            return file.provenance == provenance
    except (OSError, ValueError):
        return False


def choose_swaps(held, count, seed):
    """Draw swaps at random, other people and other garments in each row where there are enough.

    Where the true swaps are known they are drawn from, so that the truth can be shown.
    Returns a `Choice`.  Raises ValueError when the file has too few pictures.
    """
    rng, photos = np.random.default_rng(seed), held.photos
    i, j, triple = candidates(photos, rng)
    order = rng.permutation(len(i))
    kept = np.concatenate(
        spread(order, [photos.person[i], photos.garment[i], photos.garment[j]]))[:count]
    need(held, len(kept) == count, f"has only {len(kept)} held-out swaps, {count} are wanted")
    return Choice(i[kept], j[kept], None if triple is None else triple[kept])


def candidates(photos, rng):
    """The file's swaps (i, j, row or None without truths), or a random article for each human."""
    if photos.triples is not None:
        known = None if photos.triples.x_ij is None else np.arange(len(photos.triples.i))
        return photos.triples.i, photos.triples.j, known
    i = np.array([row for row in range(len(photos)) if
                  (photos.garment != photos.garment[row]).any()], dtype=int)
    j = np.array([rng.choice(np.flatnonzero(photos.garment != photos.garment[row]))
                  for row in i], dtype=int)
    return i, j, None


def choose_matrix(held, humans, articles, seed):
    """Draw rows of humans and of articles, all of other people and other garments.

    No article is worn by one of the humans.  Returns two int arrays.  Raises ValueError when
    the file has too few.
    """
    rng, photos = np.random.default_rng(seed), held.photos
    order = rng.permutation(len(photos))
    i = spread(order, [photos.person, photos.garment])[0][:humans]
    free = order[~np.isin(photos.garment[order], photos.garment[i])]
    j = spread(free, [photos.garment])[0][:articles]
    need(held, len(i) == humans and len(j) == articles,
         f"has too few held-out people or garments for {humans} humans and {articles} articles")
    return i, j


def spread(order, columns):
    """Part the rows of an order: those that share no label with a row kept before, and the rest.

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
    """Raise ValueError on a data file unless a condition holds."""
    if not condition:
        raise ValueError(f"{held.path}: {fault}; give another --data, or leave it out for the "
                         "held-out photoshoot")


def pictures(rows, chosen):
    """The chosen rows of a stored array, in the order of choice, as one array [n, ...]."""
    return np.stack([rows[int(row)] for row in chosen])


def truth(held, chosen):
    """The true swaps of a `Choice` [n, H, W, 3] uint8.  Raises ValueError where none are known."""
    need(held, chosen.triple is not None, "knows no true swaps, which --truth shows")
    return pictures(held.photos.triples.x_ij, chosen.triple)


def swap(model, held, i, j):
    """Dress humans i in articles j: the result of `Model.swap` on rows of the held-out split.

    Raises ValueError when the network needs masks and the file has none.
    """
    photos = held.photos
    return dress(model, held, pictures(photos.x, i), pictures(photos.y, i), pictures(photos.y, j),
                 rows_or_none(photos.mask, i))


def dress(model, held, x_i, y_i, y_j, mask):
    """`Model.swap` with the stored masks where the network uses any (section 4), else without."""
    if model.config.mask == "none":
        return model.swap(x_i, y_i, y_j)
    need(held, mask is not None, "has no masks, which this checkpoint needs")
    return model.swap(x_i, y_i, y_j, mask=mask)


def rows_or_none(rows, chosen):
    """`pictures`, or None where nothing is stored."""
    return None if rows is None else pictures(rows, chosen)


def facts(title, checkpoint, model, held, seed, rows):
    """Where a figure is from, for its metadata: a dict of str -> str without time or path.

    rows: a dict that names the chosen rows of the test split.
    """
    return {
        "Title": title,
        "Software": "cagan_theano",
        "Checkpoint": printable(Path(checkpoint).name),
        "Checkpoint-SHA256": model.sha256,
        "Checkpoint-Metadata": json.dumps(model.metadata, sort_keys=True),
        "Step": str(model.step),
        "Seed": str(seed),
        "Data": printable(Path(held.path).name),
        "Data-Provenance": json.dumps(held.provenance, sort_keys=True),
        "Rows": json.dumps({name: [int(row) for row in value] for name, value in rows.items()}),
    }


def method(model):
    """How weights were trained: by the paper's method alone, or with terms of ours."""
    ours = [name for name in model.config.ours() if name.startswith("gamma_")]
    return WEIGHTS["dress"] if ours else WEIGHTS["cagan"]


def note(checkpoint, model, seed=None):
    """The small print under a figure: which weights, how trained, and which seed chose the pictures."""
    weights = f"{Path(checkpoint).name} ({method(model)}), sha256 {model.sha256[:12]}, step {model.step}"
    return weights if seed is None else f"{weights}; choice of pictures: seed {seed}"


def finish(figure, out, name, about):
    """Save a figure as OUT/NAME.png and .pdf and say so."""
    from replicate import sheet
    for path in sheet.save(figure, Path(out) / name, about):
        click.echo(f"wrote {path}")
