"""Put another upper-body garment on a person in a photo.

cagan swap --human photo.jpg --article article_j.jpg --out swapped.png
"""

import click
import numpy as np

from cagan_theano import options, weights
from cagan_theano.evaluation import provenance
from cagan_theano.io import sheet
from cagan_theano.io.command import Command, Output
from cagan_theano.io.files import write_atomically
from cagan_theano.io.image import check_ending, encode_image
from cagan_theano.io.text import escape
from data_prep.picture import check_file

LABELS = ("$y_i$", "$x_i$", r"$\alpha_i^j$", "$x_i^j$ (generated)", "$y_j$")
PANEL_HEIGHT = 512
FILE = click.Path(dir_okay=False)


@click.command(cls=Command)
@click.option("--human", type=FILE, required=True, help="Photo x_i of the person.")
@click.option("--wearing", type=FILE, help="Photo y_i of the worn article.  [default: cut out of --human]")
@click.option("--article", type=FILE, required=True, help="Photo y_j of the article to put on.")
@click.option("--out", type=Output(), required=True, help="Result x_i^j (PNG, JPEG, ...).")
@click.option("--alpha-out", type=Output(), help="Also write the mask alpha, white where painted.")
@click.option("--grid", type=Output(), help="Also write inputs, mask and result side by side.")
@options.size_option
@options.checkpoint_option("256x192", "dress")
@options.backend_option
@options.device_option
def command(human, wearing, article, out, alpha_out, grid, size, checkpoint, backend, device):
    """Dress the person in --human, who wears --wearing, in --article."""
    paths = {"human": human, "wearing": wearing, "article": article}
    for path in filter(None, (out, alpha_out, grid)):
        check_ending(path)
    for path in filter(None, paths.values()):  # now rather than after the model is loaded
        check_file(path)
    model = weights.load_model(checkpoint, backend, device)
    dressed = model.dress(human, article, wearing)
    for name in dressed.photos:
        if note := dressed.note(name):
            click.echo(escape(f"Note: {paths[name]} {note}"), err=True)
    results = {out: dressed.image if size == "photo" else dressed.x_ij}
    if alpha_out:
        alpha = np.rint(255 * dressed.alpha).astype(np.uint8)
        results[alpha_out] = dressed.mask if size == "photo" else alpha
    if grid:
        x_i, y_j = (dressed.photos[name].image for name in ("human", "article"))
        row, scale = [dressed.y_i, x_i, dressed.alpha, dressed.x_ij, y_j], sheet.scale_for(x_i, PANEL_HEIGHT)
        figure = sheet.grid([row], LABELS, "", provenance.note(checkpoint, model), scale)
        results[grid] = sheet.render(figure)
    for path, image in results.items():
        write_atomically(path, encode_image(image, path, dressed.provenance))
        click.echo(escape(f"wrote {path}"))
