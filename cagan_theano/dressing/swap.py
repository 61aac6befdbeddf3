"""Put another upper-body garment on a person in a photo.

    python replicate/swap.py --human photo.jpg --article article_j.jpg --out swapped.png \
        [--wearing article_i.jpg] [--keep-size] [--alpha-out alpha.png] [--grid grid.png]
"""

import click
import numpy as np

from cagan_theano import options, weights
from cagan_theano.dressing import advice
from cagan_theano.dressing.photo import fitted, image_bytes, open_photo, paste
from cagan_theano.evaluation import provenance
from cagan_theano.io import sheet
from cagan_theano.io.color import as_bytes
from cagan_theano.io.command import Command, Output
from cagan_theano.io.files import write_atomically

LABELS = ("$y_i$", "$x_i$", r"$\alpha_i^j$", "$x_i^j$ (generated)", "$y_j$")
PANEL_HEIGHT = 512
FILE = click.Path(dir_okay=False)


def draw(y_i, x_i, alpha, x_ij, y_j, note=""):
    """The inputs, the mask and the result side by side, as a matplotlib Figure.

    Parameters: images [H, W, 3] uint8; alpha [H, W] in [0, 1]; note, text under the images.
    """
    return sheet.grid([[y_i, x_i, alpha, x_ij, y_j]], LABELS, "", note, sheet.scale_for(x_i, PANEL_HEIGHT))


def check_names(*paths):
    """Raise ValueError early for outputs with an unsupported format."""
    for path in paths:
        if path is not None:
            image_bytes(np.zeros((1, 1), np.uint8), path)


@click.command(cls=Command)
@click.option("--human", type=FILE, required=True, help="Photo x_i of the person.")
@click.option(
    "--wearing",
    type=FILE,
    help="Photo y_i of the article that the person wears, by itself.  "
    "[default: cut out of --human by a first pass]",
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
@options.checkpoint_option("256x192", "dress")
@options.backend_option
@options.device_option
def command(human, wearing, article, out, alpha_out, grid, keep_size, checkpoint, backend, device):
    """Dress the person in --human, who wears --wearing, in --article."""
    check_names(out, alpha_out, grid)
    photo = open_photo(human)
    model = weights.load_model(checkpoint, backend, device)
    size = model.config.height, model.config.width
    photos = {"human": photo, "article": open_photo(article)}
    if wearing:
        photos["wearing"] = open_photo(wearing)
    images = {name: fitted(image, *size) for name, image in photos.items()}
    x_i, y_j = images["human"][None], images["article"][None]
    y_i = images["wearing"][None] if wearing else model.worn(x_i, y_j)
    swap = model.swap(x_i, y_i, y_j)
    alpha, x_ij = swap.alpha[0], swap.x_ij[0]
    paths = {"human": human, "wearing": wearing, "article": article}
    for name, image in images.items():
        if line := advice.on_photo(name, photos[name].size, image, alpha):
            click.echo(f"Note: {paths[name]} {line}", err=True)
    about = provenance.of_weights(checkpoint, model)
    if grid:
        figure = draw(y_i[0], x_i[0], alpha, x_ij, y_j[0], provenance.note(checkpoint, model))
        write(grid, sheet.rendered(figure), about)
    if keep_size:
        x_ij, alpha = paste(photo, alpha, swap.x_tilde_ij[0])
    write(out, x_ij, about)
    if alpha_out:
        write(alpha_out, as_bytes(alpha), about)


def write(path, picture, about):
    """Write an image atomically and print its path."""
    write_atomically(path, image_bytes(picture, path, about))
    click.echo(f"wrote {path}")
