"""The public API: load a checkpoint, swap garments on arrays, and dress people in photos."""

import threading

from cagan_theano import weights
from cagan_theano.backends import Backend, choose_backend
from cagan_theano.backends.devices import check_process
from cagan_theano.checkpoint import Checkpoint, load_checkpoint, weights_metadata
from cagan_theano.config import Config, check_image_size
from cagan_theano.dressing.dress import dress
from cagan_theano.io.color import check_images
from cagan_theano.io.files import naming
from cagan_theano.io.text import PREPARING, explained
from cagan_theano.method.swap import Swap, swap_in_batches
from cagan_theano.method.updates import compile_swap, set_values
from cagan_theano.network.generator import Generator
from cagan_theano.network.networks import build_networks, check_weights


def load(path, backend: str = "auto", device: str | None = None, **machine) -> "Model":
    """Load a checkpoint as a `Model`.

    path: a file, or the name of shipped weights such as "dress" or "cagan_256x192" (see
    `cagan_theano.weights.find`).
    backend: "auto", "jax" or "c".  device: "cpu", "gpu" or None for the best available.
    machine: precision and devices, see `cagan_theano.backends.choose_backend`.
    Raises FileNotFoundError or ValueError, with the cure.
    """
    path = weights.find(path)
    checkpoint = load_checkpoint(path)
    chosen = choose_backend(backend, device, **machine)
    with naming(path):
        G = load_generator(checkpoint, chosen)
    return Model(checkpoint.config, G, chosen, checkpoint, str(path))


def load_generator(checkpoint: Checkpoint, backend: Backend) -> Generator:
    """The G of a checkpoint to swap with: the moving average of its weights if there is one.

    Raises ValueError, before it makes any weights, if they do not fit the configuration.
    """
    values = checkpoint.swapping_G()
    check_weights(checkpoint.config, G=values)
    G = build_networks(checkpoint.config).G
    set_values(G.params, values, backend)
    return G


class Model:
    """A generator G with its configuration and history.

    config, step (completed training steps), metadata (dict) and sha256 are those of the `Checkpoint` stored;
    name is its path, for messages.
    """

    def __init__(self, config: Config, G: Generator, backend: Backend, stored=None, name=""):
        self.config, self.G, self.backend, self.name = config, G, backend, name or "the network"
        stored = stored or Checkpoint(config, 0, {}, {})
        self.step, self.metadata, self.sha256 = stored.step, stored.metadata, stored.sha256
        self._functions, self._swapped, self._lock = {}, set(), threading.Lock()

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
        check_process()
        if mask is None and self.config.takes_mask:
            raise ValueError(f"this model (mask={self.config.mask!r}) needs the mask of the garment in x_i")
        if mask is not None and not self.config.takes_mask:
            raise ValueError("this model was trained without masks; omit mask")
        given = {"x_i": x_i, "y_i": y_i, "y_j": y_j}
        arrays = {name: check_images(array, name, "N", "H", "W", 3) for name, array in given.items()}
        if mask is not None:
            arrays["mask"] = check_images(mask, "mask", "N", "H", "W")
        n, height, width = arrays["x_i"].shape[:3]
        for name, array in arrays.items():
            if array.shape[:3] != (n, height, width):
                shapes = f"{name} has shape {array.shape}, x_i {arrays['x_i'].shape}"
                raise ValueError(f"{shapes}; give the same number and size of images")
        check_image_size(height, width)
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size}: must be at least 1")
        # Each batch size is compiled separately: small N are rounded up to a power of two.
        rows = min(batch_size, 1 << max(0, n - 1).bit_length())
        masks = arrays.pop("mask", None)
        with naming(self.name), self._lock:  # an Aesara function is not safe to share
            size, seen = (height, width), (height, width, rows) in self._swapped
            with explained("" if seen else PREPARING.format("the swap", *size)):
                if size not in self._functions:
                    self._functions[size] = compile_swap(self.G, self.config.for_swaps(*size), self.backend)
                self._swapped.add((*size, rows))
                images = list(arrays.values())
                return swap_in_batches(self._functions[size], images, masks, rows, self.config.color)

    dress = dress

    def provenance(self) -> dict[str, str]:
        """Which weights these are, for an image's metadata: str -> str, without time or folder."""
        return weights_metadata(self.name, self.sha256, self.step)
