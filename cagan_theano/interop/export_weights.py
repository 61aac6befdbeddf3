"""Export a small checkpoint for distribution: cagan export-weights RUN_CHECKPOINT OUT.h5"""

import dataclasses

import click

from cagan_theano.checkpoint import KIND, load_checkpoint, save_checkpoint
from cagan_theano.io.command import Command, Output, overwrite_option


@click.command(cls=Command)
@click.argument("source", metavar="RUN_CHECKPOINT")
@click.argument("target", metavar="OUT.h5", type=Output(KIND, data=True))
@overwrite_option
@click.option("--note", help="Remark that replaces the run's.")
@click.option(
    "--raw", is_flag=True, help="Use G's weights of the last step, even if there is a moving average of them."
)
def export_weights(source, target, note, raw):
    """Write the weights of RUN_CHECKPOINT to OUT.h5 as float16, without Adam's moments.

    If the run has a moving average of G's weights (--average), it is written as G.
    The file works with the library, the figures and --init, but cannot be resumed.
    """
    checkpoint = shipped(load_checkpoint(source), note, raw)
    digest = save_checkpoint(target, checkpoint, dtype="float16")
    click.echo(f"{target}: sha256 {digest}")


def shipped(checkpoint, note: str | None = None, raw: bool = False):
    """The checkpoint without the state needed only for resuming.

    metadata.finished: whether all configured steps were done.  metadata.averaged, if there is a
    moving average: whether G has its weights.  raw: use G's weights of the last step in any case.
    """
    metadata = {**checkpoint.metadata, "finished": checkpoint.step >= checkpoint.config.steps}
    if note is not None:
        metadata["note"] = note
    G = checkpoint.G if raw else checkpoint.swapping_G()
    if checkpoint.swapping_G() is not checkpoint.G:
        metadata["averaged"] = not raw
    return dataclasses.replace(checkpoint, G=G, optimizer=None, sampler=None, metadata=metadata)
