"""From photos to a dressed photo: fit the photos to the network, swap, and paste into the photo."""

from __future__ import annotations

import functools
import io
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from PIL import Image

from cagan_theano.dressing import advice
from cagan_theano.dressing.paste import cut_out, paste
from cagan_theano.io.color import as_bytes, check_images
from cagan_theano.io.files import write_atomically
from cagan_theano.io.image import encode_image
from data_prep.image_bytes import read_bytes
from data_prep.picture import ROOM, check_file, decode, fit, upright_rgb


class FittedPhoto(NamedTuple):
    """A photo as the network sees it.

    image: uint8 [h, w, 3], fitted to the network's size.  size: (W, H) of the photo as it was decoded, at
    least twice the network's if the photo is larger.  open: returns the photo in its own size.
    """

    image: np.ndarray
    size: tuple[int, int]
    open: Callable[[], Image.Image]


def fit_photo(source, height: int, width: int, name: str = "the photo", read=None) -> FittedPhoto:
    """Fit a photo to the network's size, padded with the color of its border.

    source: path, PIL image of any mode, array [H, W, 3], uint8 or float in [0, 1], or a `FittedPhoto`,
    which is returned.  read: of a path, returns the file's bytes.
    Raises FileNotFoundError or ValueError, "NAME: problem; cure".
    """
    if isinstance(source, FittedPhoto):
        return source
    if isinstance(source, str | os.PathLike):
        if read is None:
            check_file(source)
        seen = set()

        def open_photo(size=None):
            data = read(source) if read else read_bytes(source, source)
            seen.add(zlib.crc32(data))
            if len(seen) > 1:
                raise ValueError(f"{source}: has changed since it was first read; run the command again")
            return decode(io.BytesIO(data), source, size)

        with ROOM.shared():
            photo = open_photo((height, width))
            image = np.asarray(fit(photo, height, width))
        return FittedPhoto(image, photo.size, open_photo)
    if isinstance(source, np.ndarray):
        photo = Image.fromarray(as_bytes(check_images(source, name, "H", "W", 3)))
    elif isinstance(source, Image.Image) and 0 not in source.size:
        photo = upright_rgb(source, name)
    else:
        raise ValueError(f"{name} is {source!r:.60}; give a path, a PIL image, or an array [H, W, 3]")
    return FittedPhoto(np.asarray(fit(photo, height, width)), photo.size, lambda: photo)


@dataclass(frozen=True, eq=False)
class Dressed:
    """A photo with another garment painted in; Jupyter displays it.

    image: PIL image (RGB) in the photo's own size, x_ij = alpha x_tilde_ij + (1 - alpha) x_i.
    mask: alpha as a PIL image (L) of the same size, white where painted.
    Both are made when first asked for.
    alpha: [h, w] float32 in [0, 1]; y_i, x_tilde_ij, x_ij: uint8 [h, w, 3], at the network's size.
    photos: "human", "article" and, if given, "wearing" -> `FittedPhoto`.
    provenance: str -> str, which weights painted it.
    """

    photos: dict[str, FittedPhoto] = field(repr=False)
    y_i: np.ndarray = field(repr=False)
    alpha: np.ndarray = field(repr=False)
    x_tilde_ij: np.ndarray = field(repr=False)
    x_ij: np.ndarray = field(repr=False)
    provenance: dict[str, str] = field(repr=False)

    def render(self) -> tuple[Image.Image, Image.Image]:
        """(image, mask), made anew and not kept."""
        with ROOM.shared():
            return paste(self.photos["human"].open(), self.alpha, self.x_tilde_ij)

    @functools.cached_property
    def _kept(self) -> tuple[Image.Image, Image.Image]:
        return self.render()

    @property
    def image(self) -> Image.Image:
        return self._kept[0]

    @property
    def mask(self) -> Image.Image:
        return self._kept[1]

    def note(self, name: str) -> str | None:
        """What is unlike the training data in one of `photos`, and what to do; None for nothing."""
        photo = self.photos[name]
        return advice.advise(name, photo.size, photo.image, self.alpha if name == "human" else None)

    @functools.cached_property
    def advice(self) -> list[str]:
        """Lines on how the photos are unlike the training data and what to do; [] for none."""
        notes = ((advice.SUBJECTS[name], self.note(name)) for name in self.photos)
        return [f"{subject} {note}" for subject, note in notes if note]

    def save(self, path) -> None:
        """Write the image whole or not at all; a PNG carries the provenance in its text chunks.

        Raises ValueError for a name that does not end in one of `cagan_theano.io.image.WRITES`, OSError.
        """
        write_atomically(path, encode_image(self.image, path, self.provenance))

    def _repr_png_(self) -> bytes:
        return encode_image(self.image, about=self.provenance)


def dress(model, human, article, wearing=None, batch_size: int = 16):
    """Put another garment on a person in a photo of any size.

    human: the photo x_i; article: y_j, the garment to put on.  Each a path, a PIL image, or an
    array [H, W, 3], uint8 or float in [0, 1].
    wearing: y_i, a photo of the garment worn; without one, it is cut out of the human's photo
    by a first pass.
    Any of them may be a list, all lists of one length; what is no list serves for all.  Safe to
    call from several threads.  Returns a `Dressed`, or for lists a list of them.
    Raises FileNotFoundError or ValueError naming the photo, and ValueError for a model that needs a mask.
    """
    if model.config.takes_mask:
        raise ValueError(f"mask={model.config.mask!r}: the model needs masks, which photos lack; use another")
    given = {"human": human, "article": article} | ({} if wearing is None else {"wearing": wearing})
    lists = {name: photos for name, photos in given.items() if isinstance(photos, list | tuple)}
    n = len(next(iter(lists.values()), [None]))
    if any(len(photos) != n for photos in lists.values()) or n == 0:
        counts = ", ".join(f"{len(photos)} for {name}" for name, photos in lists.items())
        raise ValueError(f"lists of photos of one length are needed, not {counts}")
    size = model.config.height, model.config.width
    fitted = {}
    for name, photos in given.items():
        if name in lists:
            fitted[name] = [fit_photo(photo, *size, f"{name} {k}") for k, photo in enumerate(photos, 1)]
        else:
            fitted[name] = [fit_photo(photos, *size, name)] * n
    images = {name: np.stack([photo.image for photo in photos]) for name, photos in fitted.items()}
    x_i, y_j = images["human"], images["article"]
    y_i = images["wearing"] if wearing is not None else cut_out_worn(model, x_i, y_j, batch_size)
    swap, about = model.swap(x_i, y_i, y_j, batch_size=batch_size), model.provenance()
    dressed = [
        Dressed({name: photos[k] for name, photos in fitted.items()}, *row, about)
        for k, row in enumerate(zip(y_i, swap.alpha, swap.x_tilde_ij, swap.x_ij))
    ]
    return dressed if lists else dressed[0]


def cut_out_worn(model, x_i, y_j, batch_size: int = 16) -> np.ndarray:
    """Article photos y_i of what the humans wear, cut out of their photos by a first pass.

    x_i: [N, H, W, 3] uint8; y_j: the same, what will be put on.  Returns uint8 [N, H, W, 3].
    The pass is given a blank y_i.  Ours; the paper always has y_i.
    """
    alpha = model.swap(x_i, np.full_like(x_i, 255), y_j, batch_size=batch_size).alpha
    return np.stack([cut_out(*row) for row in zip(x_i, alpha)])
