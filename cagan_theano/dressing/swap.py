"""Put another upper-body garment on a person in a photo.

    python replicate/swap.py --human photo.jpg --wearing article_i.jpg --article article_j.jpg \
        --out swapped.png [--checkpoint H5] [--alpha-out alpha.png] [--grid grid.png] [--keep-size]
"""

import io
from pathlib import Path

import click
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cagan_theano import options, weights
from cagan_theano.dressing import advice
from cagan_theano.evaluation import provenance
from cagan_theano.io import sheet
from cagan_theano.io.command import Command, Output
from cagan_theano.io.files import write_atomically
from data_prep.picture import open_rgb, read_picture

LABELS = ("$y_i$", "$x_i$", r"$\alpha_i^j$", "$x_i^j$ (generated)", "$y_j$")
PANEL_HEIGHT = 512
FILE = click.Path(dir_okay=False)
WRITES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
PNG_LEVEL = 4  # as small as zlib's higher levels (measured on swaps), in half the time


def paste(original, alpha, x_tilde_ij):
    """Composite at the photo's own resolution: x_ij = alpha x_tilde_ij + (1 - alpha) x_i.

    alpha and x_tilde_ij are scaled up to the padded photo and cropped to it, so the photo keeps its
    detail wherever alpha is 0.  Parameters: original, a PIL image of any size; alpha
    [h, w] in [0, 1]; x_tilde_ij [h, w, 3] uint8, of a photo padded as `read_picture` pads it.
    Returns uint8 [H, W, 3].
    """
    photo = np.asarray(original, np.float32)
    weight = scaled_up(alpha, original.size)[..., None]
    paint = np.stack(
        [scaled_up(channel.astype(np.float32), original.size) for channel in np.moveaxis(x_tilde_ij, -1, 0)],
        axis=-1,
    )
    weight = np.clip(weight, 0, 1)
    return np.rint(np.clip(weight * paint + (1 - weight) * photo, 0, 255)).astype(np.uint8)


def scaled_up(channel, size):
    """A channel [h, w] scaled up to a photo of size (W, H), padding cropped: [H, W]."""
    (h, w), (width, height) = channel.shape, size
    whole = max(width, round(height * w / h)), max(height, round(width * h / w))
    left, top = (whole[0] - width) // 2, (whole[1] - height) // 2
    image = Image.fromarray(np.ascontiguousarray(channel, np.float32))
    large = image.resize(whole, Image.Resampling.BICUBIC)
    return np.asarray(large)[top : top + height, left : left + width]


def draw(y_i, x_i, alpha, x_ij, y_j, note=""):
    """The inputs, the mask and the result side by side, as a matplotlib Figure.

    Parameters: images [H, W, 3] uint8; alpha [H, W] in [0, 1]; note, text under the images.
    """
    return sheet.grid([[y_i, x_i, alpha, x_ij, y_j]], LABELS, "", note, sheet.scale_for(x_i, PANEL_HEIGHT))


def image_bytes(picture, path, about=None):
    """An image, uint8 [H, W, 3] or [H, W], encoded in the format of a file name.

    about: a dict of str -> str for the text chunks of a PNG; ignored for other formats.
    Raises ValueError for an extension that is not in ``WRITES``.
    """
    ending = Path(path).suffix.lower()
    if ending not in WRITES:
        raise ValueError(f"{path}: unsupported image format; use one of the extensions " + ", ".join(WRITES))
    content = io.BytesIO()
    chunks = PngInfo()
    for name, text in (about or {}).items():
        chunks.add_text(name, text)
    settings = {"quality": 95, "compress_level": PNG_LEVEL}
    Image.fromarray(picture).save(content, WRITES[ending], pnginfo=chunks, **settings)
    return content.getvalue()


def check_names(*paths):
    """Raise ValueError early for outputs with an unsupported format or without a folder."""
    for path in paths:
        if path is not None:
            image_bytes(np.zeros((1, 1), np.uint8), path)
            if not Path(path).absolute().parent.is_dir():
                raise ValueError(f"{path}: its folder does not exist; create it first")


@click.command(cls=Command)
@click.option("--human", type=FILE, required=True, help="Photo x_i of the person.")
@click.option(
    "--wearing", type=FILE, required=True, help="Photo y_i of the article that the person wears, by itself."
)
@click.option("--article", type=FILE, required=True, help="Photo y_j of the article to put on.")
@click.option("--out", type=Output(), required=True, help="Result x_i^j (PNG, JPEG, ...).")
@click.option("--alpha-out", type=Output(), help="Also write the mask alpha, white where painted.")
@click.option("--grid", type=Output(), help="Also write inputs, mask and result side by side.")
@click.option(
    "--keep-size",
    is_flag=True,
    help="Composite into the photo at its own resolution.  [default: the checkpoint's size]",
)
@options.checkpoint_option("128x96", "dress")
@options.backend_option
@options.device_option
def command(human, wearing, article, out, alpha_out, grid, keep_size, checkpoint, backend, device):
    """Dress the person in --human, who wears --wearing, in --article."""
    check_names(out, alpha_out, grid)
    originals = [open_rgb(path) for path in (human, wearing, article)]
    model = weights.load_model(checkpoint, backend, device)
    swap = model.swap_files(human, wearing, article)
    alpha, x_ij = swap.alpha[0], swap.x_ij[0]
    for line in advice.advice(np.asarray(originals[0]), alpha):
        click.echo(f"Note: {human}: {line}", err=True)
    about = provenance.of_weights(checkpoint, model)
    if grid:
        size = model.config.height, model.config.width
        x_i, y_i, y_j = (read_picture(path, *size) for path in (human, wearing, article))
        figure = draw(y_i, x_i, alpha, x_ij, y_j, provenance.note(checkpoint, model))
        write(grid, sheet.rendered(figure), about)
    if keep_size:
        x_ij = paste(originals[0], alpha, swap.x_tilde_ij[0])
        alpha = np.clip(scaled_up(alpha, originals[0].size), 0, 1)
    write(out, x_ij, about)
    if alpha_out:
        write(alpha_out, sheet.as_bytes(alpha), about)


def write(path, picture, about):
    """Write an image atomically and print its path."""
    write_atomically(path, image_bytes(picture, path, about))
    click.echo(f"wrote {path}")
