"""Hold another implementation, or other systems' pictures, against this one.

    python replicate/compare.py --golden package.module:factory [--vectors H5]
    python replicate/compare.py --against NAME=FOLDER --against NAME=package.module:swap ...

The protocols: docs/compare.md.
"""

import sys
from pathlib import Path

if not __package__:  # run as a file: the clone's root takes the place of this folder on the path
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import importlib

import click

from cagan_theano.command import main
from replicate import conformance, vectors


def load_callable(text):
    """The callable that "package.module:name" names; the working folder is searched too.

    Raises ValueError, with the cure, where there is none.
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


@click.command()
@click.option("--golden", metavar="MODULE:FACTORY",
              help="Re-implementation to compare layer by layer.")
@click.option("--vectors", "path", type=click.Path(), default=vectors.SHIPPED,
              show_default="tests/golden/cagan_32x16.h5", help="Golden vectors (golden.py).")
@click.option("--tolerance", type=click.FloatRange(0, 1), default=conformance.TOLERANCE,
              show_default=True, help="Largest error, of an array's largest value; of parameters "
                                      "after n updates 100 n times as much, of their way.")
@click.option("--every", is_flag=True, help="List every gradient and parameter.")
@click.pass_context
def command(context, golden, path, tolerance, every):
    """Compare with another implementation; exit code 1 when it departs."""
    rows = conformance.compare(load_callable(golden), vectors.read_vectors(path), tolerance)
    click.echo(conformance.report(rows, every))
    context.exit(int(conformance.first_departure(rows) is not None))


if __name__ == "__main__":
    main(command)
