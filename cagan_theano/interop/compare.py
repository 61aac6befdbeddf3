"""Compare another implementation, or other systems' images, with this one.

    cagan compare --golden package.module:factory [--vectors H5]
    cagan compare --against NAME=FOLDER --against NAME=package.module:swap ...

The protocols: docs/evaluation.md.
"""

import importlib
import json
import sys
from pathlib import Path

import click

from cagan_theano import options, weights
from cagan_theano.evaluation import held_out, provenance
from cagan_theano.interop import conformance, vectors
from cagan_theano.io.command import Command
from cagan_theano.io.files import write_atomically

SWAPS = 200
"""Held-out swaps rendered if no data file is given, as in evaluate.py."""


def load_callable(text):
    """Import the callable "package.module:name"; the working directory is searched too.

    Raises ValueError, with the cure, if it does not exist.
    """
    module, _, name = text.partition(":")
    if not (module and name):
        raise ValueError(f"{text}: is not of the form package.module:name")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise ValueError(f"{text}: cannot be imported ({error})") from error
    if not callable(getattr(found, name, None)):
        raise ValueError(f"{text}: module {module} has no callable {name}")
    return getattr(found, name)


def compare_golden(factory, path, tolerance, every):
    """Run a reimplementation on golden vectors and print the comparison; returns whether all agree."""
    rows = conformance.compare(load_callable(factory), vectors.read_vectors(path), tolerance)
    click.echo(conformance.report(rows, every))
    return conformance.first_deviation(rows) is None


def compare_pictures(against, inputs, checkpoint, data, settings):
    """Write the held-out images for other systems, and compare the given systems on them."""
    from cagan_theano.evaluation import systems  # needs more packages than golden vectors do

    named = [systems.parse(text) for text in against]
    model = weights.load_model(checkpoint, settings["backend"], settings["device"])
    with held_out.open_split(data, model, max(settings["count"], held_out.HELD_OUT)) as held:
        if inputs:
            chosen = systems.all_swaps(held, settings["count"], settings["seed"])
            systems.export(held, chosen, inputs)
            click.echo(f"wrote {inputs}")
        if named:
            compare_systems(named, held, model, checkpoint, settings)


def compare_systems(named, held, model, checkpoint, settings):
    """Measure and plot systems together with our checkpoint.

    named: (name, target) pairs; settings: the command's other options by name.
    """
    from cagan_theano.evaluation import systems

    swaps = systems.all_swaps(held, settings["count"], settings["seed"])
    opened = {systems.OURS: systems.from_model(model, held)}
    for name, target in named:
        opened[name] = systems.open_system(
            target, held, load_callable, settings["backend"], settings["device"]
        )
    plotted = systems.choose(held, swaps, settings["rows"], settings["seed"])
    columns, kept = systems.compare(opened, held, swaps, plotted)
    summary = systems.summarize(columns, settings["seed"])
    click.echo(systems.table(summary, len(swaps.i)))
    small = provenance.note(checkpoint, model, settings["seed"])
    about = provenance.attributes(
        "Comparison",
        checkpoint,
        model,
        held,
        settings["seed"],
        {"i": swaps.i[plotted], "j": swaps.j[plotted]},
    )
    provenance.finish(
        systems.draw(kept, plotted, list(opened), f"{systems.OURS}: {small}"),
        settings["out"],
        "compare",
        about,
    )
    write_json(
        Path(settings["out"]) / "compare.json",
        summary,
        named,
        systems.OURS,
        about,
        len(swaps.i),
    )


def write_json(path, summary, named, ours, about, count):
    """Write all results with their provenance as JSON."""
    result = {
        "n": count,
        "systems": [name for name, _ in named],
        "measures": summary,
        "about": about,
        "ours": ours,
    }
    write_atomically(path, json.dumps(result, indent=1, sort_keys=True, allow_nan=False) + "\n")
    click.echo(f"wrote {path}")


@click.command(cls=Command)
@click.option(
    "--golden",
    metavar="MODULE:FACTORY",
    help="Reimplementation to compare layer by layer with golden vectors.",
)
@click.option(
    "--vectors",
    "path",
    type=click.Path(),
    default=vectors.SHIPPED,
    show_default="tests/golden/cagan_32x16.h5",
    help="Golden vectors (golden.py).",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 1),
    default=conformance.TOLERANCE,
    show_default=True,
    help="Largest error relative to an array's largest value; for parameters after n updates, 100 n "
    "times this value relative to the distance moved.",
)
@click.option("--every", is_flag=True, help="List every gradient and parameter.")
@click.option(
    "--against",
    multiple=True,
    metavar="NAME=SYSTEM",
    help="System whose swaps are measured together with ours: a folder of PNGs, MODULE:CALLABLE "
    "or a checkpoint .h5.  May be repeated.",
)
@click.option(
    "--inputs",
    type=click.Path(),
    metavar="FOLDER",
    help="Write x_i, y_i, y_j of the swaps as PNGs, as input for another system.",
)
@click.option(
    "--swaps",
    "count",
    type=click.IntRange(1),
    default=SWAPS,
    show_default=True,
    help="Maximum number of swaps.",
)
@click.option("--rows", type=click.IntRange(1, 20), default=4, show_default=True, help="Swaps in the figure.")
@options.figure_options("128x96")
@click.pass_context
def command(context, golden, path, tolerance, every, against, inputs, checkpoint, data, **settings):
    """Compare with another implementation; with --golden, exit code 1 if it deviates."""
    if not (golden or against or inputs):
        raise click.UsageError("nothing to compare; give --golden, --against or --inputs")
    agrees = compare_golden(golden, path, tolerance, every) if golden else True
    if against or inputs:
        compare_pictures(against, inputs, checkpoint, data, settings)
    context.exit(int(not agrees))
