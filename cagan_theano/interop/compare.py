"""Compare another implementation, or other systems' images, with this one.

    cagan compare --golden package.module:factory [--vectors H5]
    cagan compare --against NAME=FOLDER --against NAME=package.module:swap ...
    cagan compare --template torch

The protocols: docs/evaluation.md.
"""

import importlib
import sys
from pathlib import Path

import click
import numpy as np

from cagan_theano import options, weights
from cagan_theano.interop import conformance
from cagan_theano.interop.templates import TEMPLATES
from cagan_theano.io.command import Command, call_user
from cagan_theano.io.files import atomic_folder

SWAPS = 200
"""Held-out swaps rendered if no data file is given, as in `cagan evaluate`."""


def load_callable(text):
    """Import the callable "package.module:name"; the working directory is searched too.

    Raises ValueError, with the cure, if it does not exist.
    """
    module, _, name = text.partition(":")
    if not (module and name):
        raise ValueError(f"{text}: is not of the form package.module:name")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    found = call_user(importlib.import_module, f"module {module}", module)
    if not callable(getattr(found, name, None)):
        raise ValueError(f"{text}: module {module} has no callable {name}")
    return getattr(found, name)


def compare_images(against, inputs, checkpoint, data, count, rows, out, seed, backend, device):
    """Write the held-out images for other systems, and compare the given systems on them."""
    from cagan_theano.evaluation import evaluate, held_out, measures, systems  # --golden needs fewer packages

    named = [systems.parse(text) for text in against]
    if len(dict(named)) < len(named):
        raise ValueError("--against: two systems have the same name; give each its own")
    model = weights.load_model(checkpoint, backend, device)
    with held_out.open_split(data, model, max(count, held_out.HELD_OUT)) as held:
        swaps = held_out.all_swaps(held, count, seed)
        if inputs:
            with atomic_folder(inputs) as folder:
                for part, images in measures.read_parts(held, swaps):
                    evaluate.save_images(folder, part, images, {key: key for key in ("x_i", "y_i", "y_j")})
            click.echo(f"wrote {inputs}")
        opened = {
            name: systems.open_system(target, held, load_callable, backend, device) for name, target in named
        }
        if opened:
            compare_systems(opened, held, swaps, model, checkpoint, rows, Path(out), seed)


def compare_systems(opened, held, swaps, model, checkpoint, rows, out, seed):
    """Measure and plot systems together with our checkpoint.  opened: name -> `measures.System`."""
    from cagan_theano.evaluation import evaluate, held_out, measures, provenance, systems

    order, kept = held_out.distinct_first(held, swaps, np.random.default_rng(seed)), {}
    plotted = order[:rows].tolist()

    def keep(numbers, images):
        for name, values in images.items():
            for number, value in zip(numbers, () if values is None else values):
                if number in plotted:
                    kept.setdefault(name, {})[int(number)] = value

    found = measures.compare(
        measures.measure(model, held, swaps, systems=opened, keep=keep, cycle=False, seed=seed)
    )
    if "unchanged" in found:
        click.echo(f"{len(swaps.i)} swaps\n\n{evaluate.table(found)}")
    else:
        found = {}
        click.echo("These images have no true swaps: nothing is measured.")
    about = provenance.attributes(
        "Comparison", checkpoint, model, held, seed, {"i": swaps.i[plotted], "j": swaps.j[plotted]}
    )
    note = f"{measures.OURS}: {provenance.note(checkpoint, model, seed)}"
    figure = systems.draw(kept, plotted, [measures.OURS, *opened], note)
    provenance.finish(figure, out, "compare", about)
    result = {"n": len(swaps.i), "systems": list(opened), "measures": found, "about": about}
    evaluate.write_json(out / "compare.json", result | {"ours": measures.OURS})


# fmt: off
@click.command(cls=Command)
@click.option("--golden", metavar="MODULE:FACTORY",
              help="Reimplementation to compare layer by layer with golden vectors.")
@click.option("--vectors", "path", type=click.Path(), default=conformance.SHIPPED,
              show_default="tests/golden/cagan_32x16.h5", help="Golden vectors (`cagan golden`).")
@click.option("--tolerance", type=click.FloatRange(0, 1), default=conformance.TOLERANCE, show_default=True,
              help="Largest error relative to an array's largest value; for parameters after n updates, "
                   "100 n times this value relative to the distance moved.")
@click.option("--every", is_flag=True, help="List every gradient and parameter.")
@click.option("--against", multiple=True, metavar="NAME=SYSTEM",
              help="System whose swaps are measured together with ours: a folder of PNGs, or of "
                   "x_ij/ and alpha/, MODULE:CALLABLE or a checkpoint .h5.  May be repeated.")
@click.option("--inputs", type=click.Path(), metavar="FOLDER",
              help="Write x_i, y_i, y_j of the swaps as PNGs, as input for another system.")
@click.option("--swaps", "count", type=click.IntRange(1), default=SWAPS, show_default=True,
              help="Maximum number of swaps.")
@click.option("--rows", type=click.IntRange(1, 20), default=4, show_default=True, help="Swaps in the figure.")
# fmt: on
@click.option("--template", type=click.Choice(list(TEMPLATES)), help="Print an adapter for --against.")
@options.figure_options("128x96")
@click.pass_context
def command(context, golden, path, tolerance, every, against, inputs, template, checkpoint, data, **settings):
    """Compare with another implementation; with --golden, exit code 1 if it deviates."""
    if not (golden or against or inputs or template):
        raise click.UsageError("nothing to compare; give --golden, --against, --inputs or --template")
    agrees = True
    if template:
        click.echo(TEMPLATES[template], nl=False)
    if golden:
        vectors = conformance.read_vectors(path)
        rows = conformance.compare(load_callable(golden), vectors, tolerance)
        click.echo(conformance.report(rows, vectors, every))
        agrees = conformance.first_deviation(rows) is None
    if against or inputs:
        compare_images(against, inputs, checkpoint, data, **settings)
    context.exit(int(not agrees))
