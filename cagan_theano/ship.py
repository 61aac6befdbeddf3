"""Make a small checkpoint to ship: python -m cagan_theano.ship RUN_CHECKPOINT OUT.h5"""

import dataclasses

import click

from cagan_theano.checkpoint import load_checkpoint, save_checkpoint
from cagan_theano.command import main


@click.command()
@click.argument("source", metavar="RUN_CHECKPOINT")
@click.argument("target", metavar="OUT.h5")
@click.option("--note", help="A remark that replaces the run's own.")
def ship(source, target, note):
    """Write the weights of RUN_CHECKPOINT to OUT.h5 as float16, without Adam's moments.

    The file serves the library, the figures and --init; it cannot be resumed.
    """
    digest = save_checkpoint(target, shipped(load_checkpoint(source), note), dtype="float16")
    click.echo(f"{target}: sha256 {digest}")


def shipped(checkpoint, note: str | None = None):
    """The checkpoint less what only a resumed training needs.

    metadata.finished says whether all steps that its configuration asks for were done.
    """
    metadata = {**checkpoint.metadata, "finished": checkpoint.step >= checkpoint.config.steps}
    if note is not None:
        metadata["note"] = note
    return dataclasses.replace(checkpoint, optimizer=None, sampler=None, metadata=metadata)


if __name__ == "__main__":
    main(ship)
