"""Make a small checkpoint to ship: cagan export-weights RUN_CHECKPOINT OUT.h5"""

import dataclasses

import click

from cagan_theano.checkpoint import KIND, load_checkpoint, save_checkpoint
from cagan_theano.io.command import Command, Output, overwrite_option


@click.command(cls=Command)
@click.argument("source", metavar="RUN_CHECKPOINT")
@click.argument("target", metavar="OUT.h5", type=Output(KIND, data=True))
@overwrite_option
@click.option("--note", help="A remark that replaces the run's own.")
@click.option(
    "--raw", is_flag=True, help="G's weights of the last step, also where there are moving averages of them."
)
def export_weights(source, target, note, raw):
    """Write the weights of RUN_CHECKPOINT to OUT.h5 as float16, without Adam's moments.

    Where the run keeps moving averages of G's weights (--average), those are G's.
    The file serves the library, the figures and --init; it cannot be resumed.
    """
    made = shipped(load_checkpoint(source), note, raw)
    digest = save_checkpoint(target, made, dtype="float16")
    click.echo(f"{target}: sha256 {digest}")


def shipped(checkpoint, note: str | None = None, raw: bool = False):
    """The checkpoint less what only a resumed training needs.

    metadata.finished says whether all steps that its configuration asks for were done;
    metadata.averaged, where there are moving averages, whether G's weights are those.
    raw: G's weights of the last step in any case.
    """
    metadata = {**checkpoint.metadata, "finished": checkpoint.step >= checkpoint.config.steps}
    if note is not None:
        metadata["note"] = note
    G = checkpoint.G if raw else checkpoint.swapping_G()
    if checkpoint.swapping_G() is not checkpoint.G:
        metadata["averaged"] = not raw
    return dataclasses.replace(checkpoint, G=G, optimizer=None, sampler=None, metadata=metadata)
