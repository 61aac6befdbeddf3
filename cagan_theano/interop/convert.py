"""Convert checkpoints to and from safetensors, or G to ONNX, or keep only the weights.

No format can contain code.  Into .onnx and from .h5 into .h5 go the weights that `cagan_theano.load` swaps
with: of a run with --average, the moving average of G.
"""

import dataclasses
import json
import re
from pathlib import Path

import click
import numpy as np
import safetensors
import safetensors.numpy

from cagan_theano import weights
from cagan_theano.backends import is_installed
from cagan_theano.checkpoint import (
    GROUPS,
    MAX_BYTES,
    NAME,
    Checkpoint,
    check_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from cagan_theano.config import Config
from cagan_theano.io.color import CODINGS
from cagan_theano.io.command import Command, Output, overwrite_option
from cagan_theano.io.files import write_atomically
from cagan_theano.io.hdf5 import quoted
from cagan_theano.io.text import one_line

FORMAT = "cagan_theano"
LAYOUT = (
    "G: encoder1 ..., decoder1 ..., output; D: layer1 ..., head; W: kernels [out, in, k, k], of decoders and "
    "output [in, out, k, k]; b: bias; gain, shift: of instance norm; optimizer: moments, averages of G"
)
OURS, THEIRS = "MIT", "unknown: that of whoever trained these weights, subject to the terms of the photos"
CHECKED = (2, 32, 48)  # N, H, W of the images on which an ONNX model is compared with ours


def to_safetensors(checkpoint: Checkpoint, about: dict[str, str] | None = None) -> bytes:
    """A checkpoint as safetensors: arrays under their names, everything else as text metadata.

    about: further metadata, such as name and licence.
    """
    groups = {"G": checkpoint.G, "D": checkpoint.D, "optimizer": checkpoint.optimizer or {}}
    arrays = {
        f"{group}/{name}": np.array(value, order="C")
        for group, values in groups.items()
        for name, value in values.items()
    }
    texts = {
        "format": FORMAT,
        "config": checkpoint.config.to_json(),
        "step": str(checkpoint.step),
        "metadata": json.dumps(checkpoint.metadata, sort_keys=True),
        "sampler": checkpoint.sampler,
        "coding": CODINGS[checkpoint.config.color],
        "layout": LAYOUT,
        **(about or {}),
    }
    return safetensors.numpy.save(arrays, {k: v for k, v in texts.items() if v is not None})


def from_safetensors(path) -> Checkpoint:
    """Read a checkpoint from a file written by `to_safetensors`.

    Raises FileNotFoundError or ValueError with a message of one line: the file, the problem, the cure.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; check the path")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: is larger than {MAX_BYTES} bytes, the limit for a checkpoint")
    try:
        with safetensors.safe_open(path, "numpy") as file:
            texts, names = file.metadata() or {}, list(file.keys())
            if texts.get("format") != FORMAT:
                raise ValueError(
                    f"it was not written by {FORMAT}: its format is {quoted(texts.get('format'))}"
                )
            if unexpected := [name for name in names if not NAME.fullmatch(name)]:
                raise ValueError(f"it has unexpected arrays, such as {quoted(unexpected[0])}")
            groups: dict[str, dict] = {group: {} for group in GROUPS}
            for name in names:
                group, _, rest = name.partition("/")
                groups[group][rest] = file.get_tensor(name)
        if not re.fullmatch(r"\d{1,19}", texts["step"]):
            raise ValueError(f"step is {quoted(texts['step'])}, not an integer")
        checkpoint = Checkpoint(
            Config.from_json(texts["config"]),
            int(texts["step"]),
            groups["G"],
            groups["D"],
            groups["optimizer"] or None,
            texts.get("sampler"),
            json.loads(texts["metadata"]),
        )
        check_checkpoint(checkpoint)
        return checkpoint
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{path}: not a checkpoint in safetensors ({one_line(error)}); convert it from the .h5 again"
        ) from error


def weights_only(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint without what only resuming needs, and with the G that swaps.

    metadata.finished: whether all configured steps were done.  metadata.averaged: present and true if
    G is the moving average of the run's G.
    """
    metadata = {**checkpoint.metadata, "finished": checkpoint.step >= checkpoint.config.steps}
    G = checkpoint.swapping_G()
    if G is not checkpoint.G:
        metadata["averaged"] = True
    return dataclasses.replace(checkpoint, G=G, optimizer=None, sampler=None, metadata=metadata)


def to_onnx(checkpoint: Checkpoint, about: dict[str, str] | None = None) -> bytes:
    """The G that swaps as ONNX bytes, compared with this package's G if onnxruntime is installed.

    Raises ValueError if onnx is missing or the outputs disagree.
    """
    from cagan_theano.interop import onnx_network

    model = onnx_network.generator_model(checkpoint, about)
    if not is_installed("onnxruntime"):
        click.echo("not compared with this package's G: onnxruntime is not installed")
        return model.SerializeToString()
    error = difference(checkpoint, model)
    click.echo(f"onnxruntime and this package: largest difference of outputs {error:.1e}")
    if not error < 1e-3:
        raise ValueError(f"the ONNX model differs from this package's G by {error:.1e}; nothing was written")
    return model.SerializeToString()


def difference(checkpoint, model) -> float:
    """The largest difference between the outputs of an ONNX model and of our swap, all in [-1, 1]."""
    from cagan_theano.backends import choose_backend
    from cagan_theano.interop import onnx_network
    from cagan_theano.method.updates import compile_swap
    from cagan_theano.model import load_generator
    from cagan_theano.network.generator import Generated

    n, height, width = CHECKED
    rng = np.random.default_rng(0)
    names = ["x_i", "y_i", "y_j"] + ["m_i"] * checkpoint.config.takes_mask
    inputs = {name: rng.uniform(-1, 1, (n, 3, height, width)).astype("float32") for name in names}
    if "m_i" in inputs:
        inputs["m_i"] = (inputs["m_i"][:, :1] + 1) / 2
    config, backend = checkpoint.config.replace(height=height, width=width), choose_backend()
    swap = compile_swap(load_generator(checkpoint, backend), config, backend)
    ours = Generated(*swap(*inputs.values()))
    found = onnx_network.run(model, inputs)
    return max(float(np.abs(found[name] - getattr(ours, name)).max()) for name in found)


PICKLE = (
    "it is a pickle, which can contain code; write .safetensors and read it with safetensors.torch.load_file"
)
WRITERS = {".safetensors": to_safetensors, ".onnx": to_onnx}
READERS = {".h5": load_checkpoint, ".safetensors": from_safetensors}


def suffix_of(path, known, cure=""):
    """The suffix of a path; ValueError unless it is a known one."""
    suffix = Path(path).suffix.lower()
    if suffix not in known:
        raise ValueError(f"{path}: unknown suffix {suffix!r}; " + (cure or f"use {' or '.join(known)}"))
    return suffix


@click.command(cls=Command)
@click.argument("source", type=click.Path(dir_okay=False), metavar="CHECKPOINT",
                callback=lambda _context, _param, name: weights.find(name))  # fmt: skip
@click.argument("out", type=Output(data=True))
@overwrite_option
def command(source, out):
    """Convert CHECKPOINT (.h5 or .safetensors) to OUT (.safetensors, .onnx or .h5).

    .safetensors and back to .h5 keep everything.  .onnx holds only G.  From .h5 to .h5, only the weights
    are written, as float16: for distribution, --init and figures, but not to be resumed.
    Weights that swap are G's moving average if the run kept one (--average).
    """
    read = READERS[suffix_of(source, READERS)]
    target = suffix_of(out, [".h5", *WRITERS], PICKLE if Path(out).suffix in (".pt", ".pth") else "")
    checkpoint = read(source)
    if target != ".h5":
        shipped = Path(source).resolve().parent == weights.folder().resolve()
        about = {"name": Path(source).stem, "licence": OURS if shipped else THEIRS}
        write_atomically(out, WRITERS[target](checkpoint, about))
    elif read is load_checkpoint:
        save_checkpoint(out, weights_only(checkpoint), dtype="float16")
    else:
        save_checkpoint(out, checkpoint)
    click.echo(f"wrote {out} ({Path(out).stat().st_size / 1e6:.1f} MB)")
