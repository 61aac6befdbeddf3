"""A kernel distance between real and generated images on features of a user-supplied network.

No pretrained network ships with this package and none is downloaded.  The user gives an ONNX file
(any image network: a graph and weights, no code), and the result carries the name of that file.
"""

import hashlib
from pathlib import Path

import numpy as np

from cagan_theano.evaluation import metrics
from cagan_theano.evaluation.interval import CONFIDENCE, number

MAX_BYTES = 2**31
"""Larger network files are refused."""

BATCH = 16
"""Images at a time, for networks that take any number."""

SPLITS = 100
"""Number of random halves of the people."""

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of RGB in [0, 1], the usual input normalization of image classifiers."""


def load_network(path):
    """(name, features) of an ONNX image network; features: uint8 [n, H, W, 3] -> float [n, d].

    The images are resized to the network's input size (bicubic; 224x224 if it is dynamic),
    normalized as for ImageNet, and passed in batches of its input's number, or ``BATCH``.  A
    feature map is averaged over its positions; the first of several outputs is used.  Raises
    FileNotFoundError, or ValueError for a file that is too large or not an image network, or if
    onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ValueError(
            f"{path}: reading ONNX requires onnxruntime; python -m pip install onnxruntime"
        ) from error
    content = read_bounded(path)
    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        taken = session.get_inputs()[0]
        order, size = layout(taken.shape)
        batch = taken.shape[0] if isinstance(taken.shape[0], int) else BATCH

        def one_batch(pictures):
            rows = [*pictures, *[pictures[-1]] * (batch - len(pictures))]
            found = session.run(None, {taken.name: prepared(rows, order, size)})[0]
            return flat(found, order)[: len(pictures)]

        tried = one_batch(np.full((1, *size, 3), 255, np.uint8))  # now rather than after the swaps
        if tried.ndim != 2 or len(tried) != 1 or not np.isfinite(tried.astype(float)).all():
            raise ValueError(f"gives features {tried.shape}")
    except Exception as error:  # onnxruntime has no public base class for its errors
        raise ValueError(
            f"{path}: is not an ONNX network of RGB images; export one with a single "
            "float32 input [N, 3, H, W] or [N, H, W, 3] and features [N, ...]"
        ) from error

    def features(pictures):
        return np.concatenate([one_batch(pictures[at : at + batch]) for at in range(0, len(pictures), batch)])

    return f"{Path(path).name} (sha256 {hashlib.sha256(content).hexdigest()[:12]})", features


def read_bounded(path):
    """The bytes of a file.  Raises ValueError for more than ``MAX_BYTES``."""
    if Path(path).stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: is larger than {MAX_BYTES >> 30} GiB; use a smaller network")
    return Path(path).read_bytes()


def layout(shape):
    """("NCHW" or "NHWC", (height, width)) of an input's shape.  Raises ValueError for any other."""
    if len(shape) == 4:
        for order, channels, sides in (("NCHW", 1, (2, 3)), ("NHWC", 3, (1, 2))):
            if shape[channels] == 3:
                return order, tuple(shape[s] if isinstance(shape[s], int) else 224 for s in sides)
    raise ValueError(f"has input shape {shape}")


def prepared(pictures, order, size):
    """Images [n, H, W, 3] uint8 as the network's float32 input."""
    from PIL import Image

    scaled = [np.asarray(Image.fromarray(p).resize(size[::-1], Image.Resampling.BICUBIC)) for p in pictures]
    mean, deviation = (np.array(v, np.float32) for v in IMAGENET)
    batch = (np.stack(scaled).astype(np.float32) / 255 - mean) / deviation
    return np.ascontiguousarray(np.moveaxis(batch, -1, 1)) if order == "NCHW" else batch


def flat(outputs, order):
    """Features [n, d]: the mean over the positions of a map; other outputs flattened."""
    if outputs.ndim == 4:
        return outputs.mean(axis=(2, 3) if order == "NCHW" else (1, 2))
    return outputs.reshape(len(outputs), -1)


def check_people(person):
    """Raise ValueError for fewer than 4 people; person [n]: labels."""
    if len(np.unique(person)) < 4:
        raise ValueError("--features: at least 4 people are needed for two halves; give more photos")


def kernel_report(name, features, real, fake, person, seed=0):
    """The kernel distance from generated to real images, and from real to real ones for reference.

    In each of ``SPLITS`` random splits, half of the people give the generated images (for the
    reference: their real ones), the other half the real images.  Parameters: features, as from
    `load_network`; real, fake [n, H, W, 3] uint8 of the same people; person [n] labels.
    Returns {features, fake_to_real, real_to_real, splits}; both distances are {value, low, high},
    the mean and the central 95 % of the splits.  Raises ValueError for fewer than 4 people.
    """
    check_people(person)
    people = np.unique(person)
    rng, a, b = np.random.default_rng(seed), features(real), features(fake)
    found = {"fake_to_real": [], "real_to_real": []}
    for _ in range(SPLITS):
        one = np.isin(person, rng.permutation(people)[: len(people) // 2])
        found["fake_to_real"].append(metrics.kernel_distance(b[one], a[~one]))
        found["real_to_real"].append(metrics.kernel_distance(a[one], a[~one]))
    return {"features": name, "splits": SPLITS} | {k: middle(v) for k, v in found.items()}


def middle(values):
    """Mean and central 95 % of repeated values: {value, low, high}."""
    edge = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(values, (edge, 100 - edge))
    return {"value": number(np.mean(values)), "low": number(low), "high": number(high)}
