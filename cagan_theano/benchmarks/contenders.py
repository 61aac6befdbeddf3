"""The contenders of `cagan benchmark`: each network in its own process, controlled over stdin.

    python -m cagan_theano.benchmarks.contenders KIND JSON

KIND: ours, torch or onnx, with settings after a colon: ours:precision=bfloat16, ours:reference=1,
ours:devices=2, torch:compiled=default,channels_last=1.  JSON: checkpoint, height, width, batch, task
("step" or "swap") and device.  The process
answers "run N" with the seconds of N runs, "numbers N" with the outputs of N runs, "memory" with its peak
in bytes; each answer is a line of JSON.
"""

import dataclasses
import json
import resource
import sys
import time
from typing import Any

import numpy as np

from cagan_theano.checkpoint import load_checkpoint
from cagan_theano.io.color import empty_pictures
from cagan_theano.method.swap import images_to_network


class Inputs:
    """The checkpoint, photos and rows that all contenders share, at the case's size."""

    def __init__(self, case: dict):
        checkpoint = load_checkpoint(case["checkpoint"])
        self.checkpoint = dataclasses.replace(checkpoint, G=checkpoint.swapping_G())
        size, n = {"height": case["height"], "width": case["width"]}, case["batch"]
        plain = {"color": "rgb", "mask": "none", "augmentation": "none", "mismatch": "same"}
        self.config = checkpoint.config.without_ours().replace(**size, batch_size=n, **plain)
        self.device, rng = case["device"], np.random.default_rng(0)
        shape = (2 * n, case["height"], case["width"], 3)
        self.x, self.y = empty_pictures(shape), empty_pictures(shape)
        for pictures in (self.x, self.y):
            pictures[:] = rng.integers(0, 256, shape, dtype=np.uint8)
        self.i = np.arange(n, dtype=np.int32)
        self.j = self.i + np.int32(n)

    def pictures(self) -> list:
        """x_i, y_i, y_j [N, 3, H, W] float32 in [-1, 1]."""
        return [images_to_network(images) for images in (self.x[self.i], self.y[self.i], self.y[self.j])]


def ours(inputs: Inputs, task: str, settings: dict):
    """A function without arguments that performs the task with this package and returns its outputs."""
    from cagan_theano.backends import choose_backend
    from cagan_theano.method.minibatch import Indices, PhotoArrays
    from cagan_theano.method.updates import compile_swap
    from cagan_theano.model import load_generator
    from cagan_theano.training.engine import Engine

    name = settings.pop("backend", "jax")
    settings = {key: int(v) if v.isdecimal() else v for key, v in settings.items()}
    backend = choose_backend(name, inputs.device, **settings)
    if task == "swap":
        function: Any = compile_swap(load_generator(inputs.checkpoint, backend), inputs.config, backend)
        pictures = inputs.pictures()
        if name == "jax" and inputs.device == "gpu":  # images that are on the GPU; results stay there
            import jax

            cells = [cell.storage[0] for cell in function.input_storage[3:]]
            placed = [jax.device_put(picture) for picture in pictures]
            return lambda: jax.block_until_ready(function.vm.jit_fn(*placed, *cells)[2])
        return lambda: np.asarray(function(*pictures)[2])
    photos = PhotoArrays(inputs.x, inputs.y, None, garment=np.arange(len(inputs.x), dtype=np.int32))
    trainer = Engine(inputs.config, photos, backend)
    trainer.load(inputs.checkpoint.G, inputs.checkpoint.D)
    zeros = np.zeros_like(inputs.i)
    rows: Any = Indices(inputs.i, inputs.j, inputs.j, zeros, zeros, zeros)
    return lambda: np.array(list(trainer.functions.update(rows).values()))


def torch(inputs: Inputs, task: str, settings: dict):
    """The same with PyTorch; settings: compiled (a mode), channels_last, precision."""
    import torch

    from cagan_theano.interop import pytorch_network as reference

    device = "cuda" if inputs.device == "gpu" else "cpu"
    precision, channels_last = settings.get("precision", "float32"), settings.get("channels_last", "0") != "0"
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision != "float32"
    networks = reference.build_networks(inputs.config)
    reference.set_weights(networks.G, inputs.checkpoint.G)
    reference.set_weights(networks.D, inputs.checkpoint.D)
    how = {"channels_last": channels_last, "compiled": settings.get("compiled")}
    trainer = reference.Trainer(networks, device, **how)
    autocast = torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16")
    like = next(networks.G.parameters())
    x, y = (torch.from_numpy(array).to(device) for array in (inputs.x, inputs.y))
    i, j = (torch.from_numpy(rows).long().to(device) for rows in (inputs.i, inputs.j))

    def minibatch():
        pictures = [reference.images(part, like) for part in (x[i], y[i], y[j])]
        return pictures if channels_last else [picture.contiguous() for picture in pictures]

    def step():
        with autocast:
            losses = trainer.step(*minibatch())
        return np.array(torch.stack([loss.float() for loss in losses.values()]).tolist())

    pictures = minibatch()

    def swap():
        with torch.inference_mode(), autocast:
            x_ij = trainer.generate(*pictures).x_ij
        if device == "cuda":
            torch.cuda.synchronize()
            return x_ij
        return x_ij.float().numpy()

    return step if task == "step" else swap


def onnx(inputs: Inputs, task: str, settings: dict):
    """The swap with ONNX Runtime, of the G written by `cagan convert`."""
    import onnxruntime

    from cagan_theano.interop.onnx_network import generator_model

    if task != "swap":
        raise ValueError("onnx: does not support training")
    wanted = "CUDAExecutionProvider" if inputs.device == "gpu" else "CPUExecutionProvider"
    if wanted not in onnxruntime.get_available_providers():
        raise ValueError(f"onnx: this onnxruntime has no {wanted}")
    model = generator_model(inputs.checkpoint).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=[wanted])
    given = dict(zip(("x_i", "y_i", "y_j"), inputs.pictures()))
    return lambda: session.run(["x_ij"], given)[0]


KINDS = {"ours": ours, "torch": torch, "onnx": onnx}


def timed(function) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def memory(kind: str, device: str) -> int:
    """Peak memory of this process so far in bytes: GPU memory if it runs on a GPU."""
    if device == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if kind == "torch":
        import torch

        return torch.cuda.max_memory_allocated()
    if kind == "ours":
        import jax

        return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0)
    return 0


def main(kind: str, text: str) -> int:
    """Build the contender, report the time of the first run, answer each line; returns the exit code."""
    out = sys.stdout
    sys.stdout = sys.stderr  # only answers may go to the parent process

    def say(answer):
        print(json.dumps(answer), file=out, flush=True)

    start, case = time.perf_counter(), json.loads(text)
    try:
        name, _, rest = kind.partition(":")
        if name not in KINDS:
            raise ValueError(f"{kind}: choose from {', '.join(KINDS)}")
        settings = dict(part.partition("=")[::2] for part in rest.split(",") if part)
        run = KINDS[name](Inputs(case), case["task"], settings)
        first = np.asarray(run().tolist() if case["device"] == "gpu" else run(), np.float64)
    except Exception as error:  # noqa: BLE001 (any exception of a framework is reported)
        say({"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"})
        return 1
    say({"first": time.perf_counter() - start, "numbers": first.ravel()[:200_000].tolist()})
    answers = {
        "run": lambda n: [timed(run) for _ in range(n)],
        "numbers": lambda n: [np.asarray(run(), np.float64).ravel()[:4096].tolist() for _ in range(n)],
        "memory": lambda n: memory(name, case["device"]),
    }
    for line in sys.stdin:
        command, count = (*line.split(), "1")[:2]
        say(answers[command](int(count)))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
