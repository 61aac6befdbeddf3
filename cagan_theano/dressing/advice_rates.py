"""How often advice is given, to good photos (false alarms) and to the same photos with faults made (hits).

    python replicate/advice_rates.py --people FOLDER|DATA.h5 [--articles FOLDER|DATA.h5]

The faults are made from the photos themselves, which have to be good: one upright person each, from the
head to the hips, on a plain background.
"""

import collections
import itertools
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from PIL import Image

from cagan_theano import options, weights
from cagan_theano.dressing import advice
from cagan_theano.dressing.photo import fitted, open_photo, without_padding
from cagan_theano.evaluation import provenance
from cagan_theano.io.command import Command
from cagan_theano.learning.samples import spaced
from data_prep.photoshoot.background import street
from data_prep.source import Source
from data_prep.store import PhotoFile

TALLEST = 256
"""Pixels of height to which larger photos are reduced."""

SHRUNK = 60
"""Pixels of width of the photos that are too small."""

OVERLAP = 0.15
"""Share of the narrower of two people's photos that lies under the other."""

LEFT, RIGHT, OVER = (getattr(Image.Transpose, f"ROTATE_{degrees}") for degrees in (90, 270, 180))


class Subject(NamedTuple):
    """A good photo of a person, and what faults are made with.

    shown: [H, W] bool, where it shows something.  worn: (top, bottom, middle) of the garment that G
    finds, as shares of the height, the height and the width, or None.  other: another good photo;
    article: one of an article.
    """

    photo: Image.Image
    shown: np.ndarray
    worn: tuple | None
    other: Image.Image
    article: Image.Image
    number: int


def shown_in(photo: Image.Image) -> np.ndarray:
    """Where a photo shows something [H, W], at its own resolution, holes filled."""
    from scipy.ndimage import binary_fill_holes

    return binary_fill_holes(advice.View(photo.size, np.asarray(photo)).shown)


def worn_at(photo: Image.Image, alpha) -> tuple | None:
    """(top, bottom, middle) of the garment that alpha [h, w] paints, see `Subject`."""
    within = alpha[without_padding(photo.size, *alpha.shape)] > 0.5
    rows, columns = (np.flatnonzero(within.mean(axis) > 0.03) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return None
    return rows[0] / len(within), (rows[-1] + 1) / len(within), columns.mean() / within.shape[1]


# ---------------------------------------------------------------- faults: Subject -> photo or None


def turned(how):
    """The photo turned by a multiple of 90 degrees."""
    return lambda subject: subject.photo.transpose(how)


def square(subject):
    """The photo turned by 90 degrees, and extended by its background to a square."""
    photo = subject.photo.transpose(RIGHT if subject.number % 2 else LEFT)
    side = max(photo.size)
    canvas = blank(photo, (side, side))
    canvas.paste(photo, ((side - photo.width) // 2, (side - photo.height) // 2))
    return canvas


def blank(photo: Image.Image, size) -> Image.Image:
    """A photo of a size (W, H) of another one's background color."""
    color = advice.View(photo.size, np.asarray(photo)).background
    return Image.new("RGB", size, tuple(int(level) for level in color))


def shrunk(photo: Image.Image) -> Image.Image:
    """The photo at a width of SHRUNK pixels."""
    return photo.resize((SHRUNK, max(1, round(SHRUNK * photo.height / photo.width))))


def far(subject):
    """The person at a third of the size, at the lower edge."""
    photo = subject.photo
    canvas = blank(photo, (3 * photo.width, 3 * photo.height))
    canvas.paste(photo, (photo.width, 2 * photo.height))
    return canvas


def part(edges):
    """A part of the photo in 3:4, enlarged to the photo's height.

    edges: (top, bottom) of the garment -> (top, bottom) of the part, shares of the photo's height.
    None if that is less than a twelfth of it.
    """

    def fault(subject):
        if subject.worn is None:
            return None
        top, bottom = (float(np.clip(edge, 0, 1)) for edge in edges(*subject.worn[:2]))
        if bottom - top < 1 / 12:
            return None
        width, height = subject.photo.size
        half, middle = (bottom - top) * height * 3 / 8, subject.worn[2] * width
        box = max(0, middle - half), top * height, min(width, middle + half), bottom * height
        size = max(1, round((box[2] - box[0]) / (bottom - top))), height
        return subject.photo.resize(size, Image.Resampling.BICUBIC, box)

    return fault


def side_by_side(subject):
    """Two people at the lower edge of a photo of 3:4 or higher, one partly in front of the other."""
    a, b = (columns_shown(photo) for photo in (subject.photo, subject.other))
    b = b.resize((max(1, round(b.width * a.height / b.height)), a.height))
    left = a.width - round(OVERLAP * min(a.width, b.width))
    canvas = blank(subject.photo, (left + b.width, max(a.height, round((left + b.width) * 4 / 3))))
    canvas.paste(a, (0, canvas.height - a.height))
    canvas.paste(b, (left, canvas.height - a.height), Image.fromarray(shown_in(b)))
    return canvas


def columns_shown(photo: Image.Image) -> Image.Image:
    """The photo's columns from the first to the last that show something."""
    columns = np.flatnonzero(shown_in(photo).any(axis=0))
    return photo.crop((columns[0], 0, columns[-1] + 1, photo.height)) if len(columns) else photo


def onto(photo, shown, background, number: int) -> Image.Image:
    """What a photo shows, cut out onto a background: (height, width), number -> [H, W, 3] in 0..255."""
    from scipy.ndimage import gaussian_filter

    weight = gaussian_filter(shown.astype(float), 1)[..., None]
    return Image.fromarray((weight * photo + (1 - weight) * background(shown.shape, number)).astype(np.uint8))


def on(background):
    """The person on another background."""
    return lambda subject: onto(subject.photo, subject.shown, background, subject.number)


def article_on(background):
    """The article on another background."""
    return lambda subject: onto(subject.article, shown_in(subject.article), background, subject.number)


def alone(background):
    """A background without a person."""
    return lambda subject: Image.fromarray(background((400, 300), subject.number).astype(np.uint8))


def street_behind(size, number):
    """The photoshoot's street, out of focus."""
    return street(size, number) * 255


def noise(size, number):
    """Independent pixels."""
    return np.random.default_rng(number).uniform(0, 256, (*size, 3))


def texture(size, number):
    """Spots of about a fiftieth of the height."""
    from scipy.ndimage import gaussian_filter

    spots = gaussian_filter(noise(size, number), (size[0] / 50, size[0] / 50, 0))
    return np.clip(128 + 60 * (spots - spots.mean()) / spots.std(), 0, 255)


def wall(size, number):
    """A plain background with a gradient and a little noise."""
    rng = np.random.default_rng(number)
    levels = np.linspace(rng.uniform(180, 255), rng.uniform(150, 220), size[0])
    return np.clip(levels[:, None, None] + rng.normal(0, 3, (*size, 3)), 0, 255)


PART = "close", "doubt", "background"

PERSON_FAULTS = {
    "turned left": (("wide",), turned(LEFT)),
    "turned right": (("wide",), turned(RIGHT)),
    "turned, in a square": (("sideways",), square),
    "upside down": (("upside down",), turned(OVER)),
    f"{SHRUNK} pixels wide": (("small",), lambda subject: shrunk(subject.photo)),
    "face": (PART, part(lambda top, bottom: (0, top + 0.12 * (bottom - top)))),
    "chest": (PART, part(lambda top, bottom: (0.9 * top + 0.1 * bottom, 0.25 * top + 0.75 * bottom))),
    "legs": (PART, part(lambda top, bottom: (bottom - 0.03, 1))),
    "two people": (("several",), side_by_side),
    "on a street": (("background",), on(street_behind)),
    "on noise": (("background",), on(noise)),
    "on a texture": (("background",), on(texture)),
    "a third of the size": (("far",), far),
    "article, no person": (("garment",), lambda subject: subject.article),
    "wall, no person": (("far", "doubt"), alone(wall)),
    "street, no person": (PART, alone(street_behind)),
}
"""Fault -> (rules of `advice.PERSON` that are right about it, how it is made)."""

ARTICLE_FAULTS = {
    "person as article": (("cut off",), lambda subject: subject.photo),
    "legs as article": (("cut off", "background"), PERSON_FAULTS["legs"][1]),
    "chest as article": (("cut off", "background"), PERSON_FAULTS["chest"][1]),
    f"article {SHRUNK} pixels wide": (("small",), lambda subject: shrunk(subject.article)),
    "article on a street": (("background",), article_on(street_behind)),
    "article on noise": (("background",), article_on(noise)),
    "article on a texture": (("background",), article_on(texture)),
}
"""As `PERSON_FAULTS`, for the rules of `advice.ARTICLE`."""

GOOD = "as they are"


class Row(NamedTuple):
    """How photos were judged: their fault, the rules that are right about it, and the first rule for each."""

    fault: str
    right: tuple
    said: list

    def share(self, names) -> float:
        """The share of the photos for which one of some rules applied first."""
        return sum(name in names for name in self.said) / len(self.said)


def rates(model, people: list, articles: list, count: int, seed: int = 0) -> list[Row]:
    """Judge good photos, and up to `count` of them, evenly spaced, with each fault.

    people, articles: PIL images; an article is drawn at random for each person.
    """
    rng = np.random.default_rng(seed)
    drawn = [articles[k] for k in rng.integers(0, len(articles), len(people))]
    others = [people[k] for k in rng.permutation(len(people))]
    alphas = swapped(model, people, drawn)
    subjects = [
        Subject(people[k], shown_in(people[k]), worn_at(people[k], alphas[k]), others[k], drawn[k], int(k))
        for k in spaced(len(people), count)
    ]
    found = [Row(GOOD, (), judged(advice.PERSON, model, people, alphas))]
    for fault, (right, make) in PERSON_FAULTS.items():
        made = [(photo, subject.article) for subject in subjects if (photo := make(subject)) is not None]
        if made:
            photos, offered = zip(*made)
            alphas = swapped(model, photos, offered)
            found.append(Row(fault, right, judged(advice.PERSON, model, photos, alphas)))
    found.append(Row(f"articles {GOOD}", (), judged(advice.ARTICLE, model, articles)))
    for fault, (right, make) in ARTICLE_FAULTS.items():
        if shown := [photo for photo in map(make, subjects) if photo is not None]:
            found.append(Row(fault, right, judged(advice.ARTICLE, model, shown)))
    return found


def images_of(model, photos) -> np.ndarray:
    """Photos as the network sees them, [N, H, W, 3] uint8."""
    return np.stack([fitted(photo, model.config.height, model.config.width) for photo in photos])


def swapped(model, people, articles) -> np.ndarray:
    """Alpha [N, H, W] of people dressed in articles, as `Model.dress` does it."""
    x_i, y_j = images_of(model, people), images_of(model, articles)
    return model.swap(x_i, model.worn(x_i, y_j), y_j).alpha


def judged(rules, model, photos, alphas=None) -> list:
    """The name of the first rule for each photo, or None."""
    rows = zip(photos, images_of(model, photos), itertools.repeat(None) if alphas is None else alphas)
    found = (advice.first(rules, photo.size, image, alpha) for photo, image, alpha in rows)
    return [rule and rule.name for rule in found]


def table(rows: list[Row]) -> str:
    """A Markdown table of the rows: photos, advice of any kind, the right one, and what was said."""
    lines = ["| photos | number | any advice | the right one | what was said |", "|---|---|---|---|---|"]
    for row in rows:
        counts = collections.Counter(name for name in row.said if name).most_common()
        right = f"{row.share(row.right):.1%}" if row.right else "-"
        any_advice = sum(count for _, count in counts) / len(row.said)
        said = ", ".join(f"{name} {count}" for name, count in counts) or "-"
        lines.append(f"| {row.fault} | {len(row.said)} | {any_advice:.1%} | {right} | {said} |")
    return "\n".join(lines)


def read_photos(path: str, kind: str) -> list:
    """All photos of a folder, or of the test split of a data file.

    kind: "x" for people, "y" for articles.  Raises ValueError or OSError.
    """
    if not Path(path).is_dir():
        with PhotoFile(weights.find_images(path)) as file:
            return [Image.fromarray(image) for image in getattr(file.split("test"), kind).load()]
    source = Source(path)
    names = list(source.walk())
    if not names:
        raise ValueError(f"{path}: contains no photos; give another folder")
    return [small_photo(source, name) for name in names]


def small_photo(source: Source, name: str) -> Image.Image:
    """A photo of a folder, reduced at once: hundreds of large ones would not fit in memory."""
    photo = open_photo(source.locate(name), name)
    photo.thumbnail((TALLEST, TALLEST))
    return photo


@click.command(cls=Command)
@click.option("--people", required=True, type=click.Path(), help="Folder or data file of good photos.")
@click.option(
    "--articles",
    type=click.Path(),
    help="Folder or data file of good product photos.  [default: those of the data file of people, or "
    "cut out of the photos of people by a first pass]",
)
@click.option(
    "--count",
    type=click.IntRange(1),
    default=60,
    show_default=True,
    help="Photos that each fault is made from.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Which article for whom.")
@options.checkpoint_option("128x96", "dress")
@options.backend_option
@options.device_option
def command(people, articles, count, seed, checkpoint, backend, device):
    """Measure how often advice is given, rightly and wrongly.

    Faults are made from good photos: one upright person each, head to hips, on a plain background.
    """
    shown = read_photos(people, "x")
    model = weights.load_model(checkpoint, backend, device)
    if articles or not Path(people).is_dir():
        offered = read_photos(articles or people, "y")
    else:
        x_i = images_of(model, shown)
        offered = [Image.fromarray(image) for image in model.worn(x_i, np.full_like(x_i, 255))]
    click.echo(table(rates(model, shown, offered, count, seed)))
    click.echo(f"\n{provenance.note(checkpoint, model)}")
