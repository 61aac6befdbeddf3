"""Write a data file as photos in the layout of another program, with lists of the pairs."""

import collections
import os

import numpy as np
from tqdm import tqdm

from cagan_theano.io.files import atomic_folder
from cagan_theano.io.image import encode_image
from data_prep.photo_folder import file_name
from data_prep.store import PhotoFile, Photos

LAYOUTS = {
    "keras-cagan": ("imgs/1/{n}_1.png", "imgs/5/{n}_5.png"),
    "viton-hd": ("{split}/image/{n}_00.png", "{split}/cloth/{n}_00.png"),
    "cp-vton": ("{split}/image/{n}_0.png", "{split}/cloth/{n}_1.png"),
    "lookbook": ("PID{n}_CLEAN0_IID{n}.png", "PID{n}_CLEAN1_IID{n}.png"),
    "deepfashion": (
        "img/WOMEN/Tops/id_{person:08d}/{n}_1_front.png",
        "img/WOMEN/Tops/id_{person:08d}/{n}_6_flat.png",
    ),
    "folders": ("persons/{n}.png", "garments/{n}.png"),
    "triplets": ("{split}_x/{n}.png", "{split}_yi/{n}.png", "{split}_yj/{n}.png"),
}
"""Layout -> paths of the photos x_i, y_i and, in triplets, y_j; n: number of the pair, over both splits."""


def export(
    source: str | os.PathLike[str], out: str | os.PathLike[str], layout: str, split: str | None = None
) -> int:
    """Write the pairs of a data file as PNGs to the folder OUT, which must be missing or empty.

    layout: a key of `LAYOUTS`; split: "train" or "test", None for all.  pairs.csv lists all photos with
    their identities; layouts with lists of their own have those, too.  Masks and true swaps are not
    written.  Returns the number of pairs.  Raises ValueError or OSError, naming the file and the cure.
    """
    roles = ("person", "garment", "other")[: len(LAYOUTS[layout])]
    lists = collections.defaultdict(list, {"pairs.csv": [",".join((*roles, "split,person_id,garment_id"))]})
    with PhotoFile(source) as file, atomic_folder(out) as folder:
        parts = {name: file.split(name) for name in ([split] if split else file.splits)}
        count = sum(map(len, parts.values()))
        if layout == "deepfashion":
            lists["list_eval_partition.txt"] += [str(2 * count), "image_name item_id evaluation_status"]
        with tqdm(total=count, unit="pair", desc="writing") as bar:
            for name, photos in parts.items():
                first = bar.n
                for i, j in enumerate(choose_articles(photos, everyone=layout == "triplets")):
                    person = int(photos.person[i])
                    own, swapped = (
                        [
                            path.format(n=f"{first + row:06d}", split=name, person=person)
                            for path in LAYOUTS[layout]
                        ]
                        for row in (i, j)
                    )
                    for path, (images, row) in zip(own, ((photos.x, i), (photos.y, i), (photos.y, j))):
                        (folder / path).parent.mkdir(parents=True, exist_ok=True)
                        (folder / path).write_bytes(encode_image(images[row]))
                    lists["pairs.csv"].append(f"{','.join(own)},{name},{person},{photos.garment[i]}")
                    if layout in ("viton-hd", "cp-vton"):
                        garment = swapped[1] if name == "test" else own[1]
                        lists[f"{name}_pairs.txt"].append(f"{file_name(own[0])} {file_name(garment)}")
                    elif layout == "deepfashion":
                        ending = f"id_{person:08d} {'query' if name == 'test' else 'train'}"
                        lists["list_eval_partition.txt"] += [f"{path} {ending}" for path in own]
                    bar.update()
        for path, lines in lists.items():
            (folder / path).write_text("\n".join(lines) + "\n")
    return count


def choose_articles(photos: Photos, everyone: bool) -> list[int]:
    """For each person's row the row of the article to put on: of the file's first swap of that person.

    Without one: a random article of another garment and the same category (everyone), or the own one.
    """
    swaps = photos.triples
    given = dict(zip(swaps.i[::-1].tolist(), swaps.j[::-1].tolist())) if swaps else {}
    if not everyone:
        return [given.get(row, row) for row in range(len(photos))]
    rng = np.random.default_rng(0)
    garment, category = photos.garment, photos.attributes.get("category", np.zeros(len(photos), np.uint8))
    chosen = []
    for row in range(len(photos)):
        others = np.flatnonzero((garment != garment[row]) & (category == category[row]))
        chosen.append(given[row] if row in given else int(rng.choice(others)) if len(others) else row)
    return chosen
