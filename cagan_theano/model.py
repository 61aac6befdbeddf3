"""The public API: load a checkpoint and swap garments on arrays or image files."""

import contextlib
import threading

import numpy as np
from PIL import Image

from cagan_theano.backends import Backend, choose_backend
from cagan_theano.checkpoint import load_checkpoint, weights_metadata
from cagan_theano.config import Config, check_image_size
from cagan_theano.dressing.advice import advice
from cagan_theano.dressing.photo import Dressed, cut_out, fitted, open_photo, paste
from cagan_theano.io.color import as_bytes, check_images
from cagan_theano.io.waiting import COMPILING, explained
from cagan_theano.learning.functions import build_networks, compile_swap
from cagan_theano.learning.swaps import Swap, swap_in_batches
from cagan_theano.learning.trainer import check_weights, set_values
from cagan_theano.learning.training import naming
from cagan_theano.network.generator import Generator
from data_prep.picture import read_picture


def load(path, backend: str = "auto", device: str | None = None, **machine) -> "Model":
    """Load a checkpoint as a `Model`, with the averaged weights if it has any.

    path: a file, or the name of shipped weights such as "dress_128x96" or "128x96" (see
    `cagan_theano.weights.find`).
    backend: "auto", "jax" or "c".  device: "cpu", "gpu" or None for the best available.
    machine: precision and devices, see `cagan_theano.backends.choose_backend`.
    Raises FileNotFoundError or ValueError, with the cure, for a checkpoint that cannot be used or a
    back end or device that is not available.
    """
    checkpoint = load_checkpoint(path)
    chosen = choose_backend(backend, device, **machine)
    with naming(path):
        check_weights(checkpoint.config, G=checkpoint.swapping_G())
    G = build_networks(checkpoint.config).G
    set_values(G.params, checkpoint.swapping_G(), chosen)
    return Model(
        checkpoint.config, G, chosen, checkpoint.step, checkpoint.metadata, checkpoint.sha256, str(path)
    )


class Model:
    """A generator G with its configuration and history.

    config, step (completed training steps), metadata (dict) and sha256 are those of the checkpoint;
    name is its path, for messages.
    """

    def __init__(
        self,
        config: Config,
        G: Generator,
        backend: Backend,
        step: int = 0,
        metadata: dict | None = None,
        sha256: str = "",
        name: str = "the network",
    ):
        self.config, self.G, self.backend, self.name = config, G, backend, name
        self.step, self.metadata, self.sha256 = step, metadata or {}, sha256
        self._compiled, self._swapped, self._lock = {}, set(), threading.Lock()

    def __repr__(self):
        size = f"{self.config.height}x{self.config.width}"
        return f"Model({self.name!r}, {size}, step {self.step}, sha256 {self.sha256[:12] or 'unknown'})"

    def swap(self, x_i, y_i, y_j, mask=None, batch_size: int = 16) -> Swap:
        """Paint the humans x_i, who wear y_i, in the articles y_j.

        x_i, y_i, y_j: [N, H, W, 3] RGB, uint8 or float in [0, 1], any N; H and W must be multiples of
        16 and may differ from the checkpoint's (G is fully convolutional).
        mask: [N, H, W] uint8 or float in [0, 1], 1 where x_i shows the worn garment; required by
        models trained with a mask, rejected by all others.
        batch_size: images per forward pass; affects memory, and the results by rounding only.
        Raises ValueError for other shapes, types or ranges, and if the outputs are NaN or infinite.
        """
        given = {"x_i": x_i, "y_i": y_i, "y_j": y_j}
        arrays = {name: check_images(array, name, "N", "H", "W", 3) for name, array in given.items()}
        masks = check_images(mask, "mask", "N", "H", "W") if self._takes(mask) else None
        shapes = {name: array.shape for name, array in arrays.items()}
        if masks is not None:
            shapes["mask"] = masks.shape
        for name, shape in shapes.items():
            if shape[:3] != shapes["x_i"][:3]:
                raise ValueError(
                    f"{name} has shape {shape}, x_i {shapes['x_i']}; give the same number and size of images"
                )
        check_image_size(*arrays["x_i"].shape[1:3])
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size}: must be at least 1")
        return self._swap(list(arrays.values()), masks, batch_size)

    def swap_files(self, human, wearing, article) -> Swap:
        """Paint one human in another article, from three image files; N is 1.

        human: the photo x_i; wearing: its article y_i; article: y_j.  Images of any format and mode are
        rotated by their EXIF orientation and resized to the checkpoint's size with padding, without
        cropping or distortion (see `data_prep.picture.read_picture`).
        Raises FileNotFoundError or ValueError with the file's name.
        """
        size = self.config.height, self.config.width
        return self.swap(*(read_picture(path, *size)[None] for path in (human, wearing, article)))

    def dress(self, human, article, wearing=None, batch_size: int = 16):
        """Put another garment on a person in a photo of any size; returns a `Dressed`.

        human: the photo x_i; article: y_j, the garment to put on.  Each a path, a PIL image, or an
        array [H, W, 3], uint8 or float in [0, 1].
        wearing: y_i, a photo of the garment worn; without one, it is cut out of the human's photo
        by a first pass.
        Any of them may be a list: then a list of `Dressed`, of lists of one length; what is no list
        serves for all.  Safe to call from several threads.
        Raises FileNotFoundError or ValueError naming the photo, and ValueError for a model that
        needs a mask.
        """
        self._takes(None)
        given = {"human": human, "wearing": wearing, "article": article}
        lists = {name: value for name, value in given.items() if isinstance(value, list | tuple)}
        n = len(next(iter(lists.values()), [None]))
        if any(len(value) != n for value in lists.values()) or n == 0:
            counts = ", ".join(f"{len(value)} for {name}" for name, value in lists.items())
            raise ValueError(f"lists of photos of one length are needed, not {counts}")
        photos = {name: opened(value, name) for name, value in given.items() if value is not None}
        images = {name: self._images(group, n) for name, group in photos.items()}
        x_i, y_j = images["human"], images["article"]
        y_i = self.worn(x_i, y_j, batch_size) if wearing is None else images["wearing"]
        swap = self.swap(x_i, y_i, y_j, batch_size=batch_size)
        made = []
        for k in range(n):
            shown = {name: (group[k % len(group)], images[name][k]) for name, group in photos.items()}
            made.append(self._dressed(shown, swap.alpha[k], swap.x_tilde_ij[k]))
        return made if lists else made[0]

    def worn(self, x_i, y_j, batch_size: int = 16) -> np.ndarray:
        """Article photos y_i of what the humans wear, cut out of their photos by a first pass.

        x_i, y_j: [N, H, W, 3] uint8; y_j: what will be put on.  Returns uint8 [N, H, W, 3].
        The pass is given a blank y_i.  Ours; the paper always has y_i.
        """
        alpha = self.swap(x_i, np.full_like(x_i, 255), y_j, batch_size=batch_size).alpha
        return np.stack([cut_out(*row) for row in zip(x_i, alpha)])

    def provenance(self) -> dict[str, str]:
        """Which weights these are, for an image's metadata: str -> str, without time or path."""
        return weights_metadata(self.name, self.sha256, self.step)

    def _images(self, photos, n: int) -> np.ndarray:
        """One photo for each of n, or one for all, as the network sees them."""
        size = self.config.height, self.config.width
        images = [fitted(photo, *size) for photo in photos]
        return np.stack(images * (n // len(images)))

    def _dressed(self, shown: dict, alpha, x_tilde_ij) -> Dressed:
        """shown: "human", "article" and perhaps "wearing" -> (photo, image as the network sees it)."""
        x_ij, weight = paste(shown["human"][0], alpha, x_tilde_ij)
        mask = Image.fromarray(as_bytes(weight))
        notes = advice({name: (photo.size, image) for name, (photo, image) in shown.items()}, alpha)
        return Dressed(Image.fromarray(x_ij), mask, alpha, notes, self.provenance())

    def _takes(self, mask) -> bool:
        """Whether a mask is used; ValueError if it is missing or superfluous."""
        if (mask is not None) != self.config.takes_mask:
            raise ValueError(
                "this model was trained without masks; omit mask"
                if mask is not None
                else f"this model (mask={self.config.mask!r}) needs the mask of the garment that x_i shows"
            )
        return mask is not None

    def _swap(self, images, masks, batch_size) -> Swap:
        n, size = len(images[0]), images[0].shape[1:3]
        # Each batch size is compiled separately: round small N up to a power of two, split large N
        # into full batches.
        rows = min(batch_size, 1 << max(0, n - 1).bit_length())
        # an Aesara function is not safe to share
        with naming(self.name), self._lock, self._explained(size, rows):
            return swap_in_batches(self._function(size), images, masks, rows, self.config.color)

    def _explained(self, size, rows: int):
        """Explains the wait for the first swap of a size and number of rows, which compiles."""
        if (size, rows) in self._swapped:
            return contextlib.nullcontext()
        self._swapped.add((size, rows))
        return explained(COMPILING.format("the swap", *size))

    def _function(self, size):
        """The compiled swap for images at (height, width)."""
        if size not in self._compiled:
            config = self.config.for_swaps(*size)
            self._compiled[size] = compile_swap(self.G, config, self.backend)
        return self._compiled[size]


def opened(source, name: str) -> list:
    """A photo, or each of a list of photos, as PIL images."""
    if not isinstance(source, list | tuple):
        return [open_photo(source, name)]
    return [open_photo(photo, f"{name} {number}") for number, photo in enumerate(source, 1)]
