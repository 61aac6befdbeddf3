"""KID, FID and LPIPS of swaps, by torch-fidelity and lpips, on weights files that the user supplies.

    python replicate/metrics.py [FOLDER] --inception-weights FILE --lpips-backbone FILE [--out JSON]

FOLDER is what `cagan evaluate --save-images` writes; without it, a checkpoint's swaps are measured.
Nothing is downloaded.  docs/evaluation.md defines the metrics.
"""

import contextlib
import hashlib
import io
import json
import tempfile
import warnings
import zipfile
from pathlib import Path

import click
import numpy as np

from cagan_theano import options, weights
from cagan_theano.evaluation import held_out, provenance
from cagan_theano.evaluation.evaluate import TRIPLES, ImageFolders, formatted, limit
from cagan_theano.evaluation.features import BATCH, MAX_BYTES, read_bounded
from cagan_theano.evaluation.measures import all_swaps, measure
from cagan_theano.io import metadata
from cagan_theano.io.command import Command, Output
from cagan_theano.io.files import write_atomically
from cagan_theano.io.text import one_line
from data_prep.picture import open_rgb

LAYER = "2048"
"""Inception's features for KID and FID: the last average pooling, as in the papers that define them."""

SUBSETS, SUBSET_SIZE = 100, 1000
"""Number and largest size of KID's random subsets."""

ENOUGH = 10_000
"""FIDs of fewer images are reported with a warning."""

NETWORKS = {"alex": "AlexNet", "vgg": "VGG16"}
"""Backbones of LPIPS."""

SAFE = (2, 6)
"""PyTorch before this version can run code from a file in spite of weights_only (CVE-2025-32434)."""

MEANINGS = {
    "kid": "kernel inception distance to the real photos; reference: of the true swaps",
    "fid": "Frechet inception distance to the real photos; reference: of the true swaps",
    "lpips": "perceptual distance from the true swap; reference: of the unchanged photo",
}
SAME = {
    "kid": ("features", "images", "subsets", "subset_size"),
    "fid": ("features", "images"),
    "lpips": ("network", "images"),
}
"""What must agree between two results for a metric to be comparable."""

FORM = {"real_sha256": str, "measures": {name: {} for name in MEANINGS}}


# --- weights


@contextlib.contextmanager
def importing(option):
    """Raise ValueError, with the cure, if a package of the extra is missing or does not load."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ImportError, OSError, RuntimeError) as error:  # RuntimeError: torchvision of another torch
        raise ValueError(
            f"{option}: {one_line(error)}; install its packages with: pip install '.[metrics]' in the clone"
        ) from error


def load_state(path, option):
    """(name of the file with its hash, arrays by name) of a weights file: PyTorch's, or safetensors.

    The file is untrusted: only tensors are read from it, and no more than ``MAX_BYTES`` in total.
    Raises FileNotFoundError or ValueError.
    """
    with importing(option):
        import safetensors.torch
        import torch
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < SAFE:
        raise ValueError(
            f"{path}: is not read by PyTorch {torch.__version__}, since a weights file could run code "
            "there; install 2.6 or later"
        )
    content = read_bounded(path)
    file = io.BytesIO(content)
    if zipfile.is_zipfile(file):
        with refusing(path), zipfile.ZipFile(file) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > MAX_BYTES:
            raise ValueError(f"{path}: unpacks to more than {MAX_BYTES >> 30} GiB; use the original file")
    file.seek(0)
    with refusing(path):
        if Path(path).suffix == ".safetensors":
            state = safetensors.torch.load(content)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
        if not (isinstance(state, dict) and all(map(torch.is_tensor, state.values()))):
            raise ValueError("does not contain tensors by name")
    return f"{Path(path).name} (sha256 {hashlib.sha256(content).hexdigest()[:12]})", state


@contextlib.contextmanager
def refusing(path, what="weights that can be read safely; give a state_dict (.pth) or a .safetensors file"):
    """Raise ValueError of one line for any problem with the contents of a weights file."""
    try:
        yield
    except Exception as error:  # torch raises errors of many classes on damaged files
        raise ValueError(f"{path}: does not contain {what} ({one_line(error)[:120]})") from error


def inception(path):
    """(name, features) of torch-fidelity's Inception; features: uint8 [n, H, W, 3] -> float32 [n, 2048].

    torch-fidelity would unpickle the file without restrictions; it is given the tensors that
    `load_state` has read instead.
    """
    option = "--inception-weights"
    name, state = load_state(path, option)
    with importing(option):
        import torch
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    with refusing(path, "the weights of torch-fidelity's Inception; docs/evaluation.md names the file"):
        saved = io.BytesIO()
        torch.save(state, saved)
        saved.seek(0)
        network = FeatureExtractorInceptionV3(
            "inception-v3-compat", [LAYER], feature_extractor_weights_path=saved
        )

    def features(pictures):
        with torch.inference_mode():
            found = network(torch.from_numpy(np.moveaxis(pictures, -1, 1).copy()))[0].numpy()
        if not np.isfinite(found).all():
            raise ValueError(f"{path}: gives features that are not finite; use the original weights")
        return found

    return f"Inception, layer {LAYER}, {name}", features


def perceptual(path, net="alex"):
    """(name, distance) of LPIPS with a backbone of torchvision; distance: two uint8 [n, H, W, 3] -> [n].

    The linear layers are those of the lpips package (version 0.1 of the metric).
    """
    option = "--lpips-backbone"
    name, state = load_state(path, option)
    with importing(option):
        import lpips
        import torch

        network = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    with refusing(path, f"the weights of torchvision's {NETWORKS[net]}; docs/evaluation.md names the file"):
        own = [key.split(".") for key in network.net.state_dict()]  # slice, index, weight or bias
        network.net.load_state_dict({".".join(key): state[".".join(["features", *key[1:]])] for key in own})

    def distance(a, b):
        with torch.inference_mode():
            a, b = (torch.from_numpy(np.moveaxis(p / np.float32(127.5) - 1, -1, 1).copy()) for p in (a, b))
            found = network(a, b).numpy().reshape(-1)
        if not np.isfinite(found).all():
            raise ValueError(f"{path}: gives distances that are not finite; use the original weights")
        return found

    return f"LPIPS 0.1, {NETWORKS[net]}, {name}", distance


# --- images


class Images:
    """The PNGs of a set of swaps: real, fake and, if known, truth, numbered alike and of one size.

    folders: name -> folder.  Raises FileNotFoundError, or ValueError for folders that do not match.
    """

    def __init__(self, folders):
        self.folders = {name: Path(folder) for name, folder in folders.items()}
        for folder in self.folders.values():
            if not folder.is_dir():
                raise FileNotFoundError(f"{folder}: no such folder; cagan evaluate --save-images writes it")
        listed = {name: {path.name for path in f.glob("*.png")} for name, f in self.folders.items()}
        self.names = sorted(listed["real"])
        for name, found in listed.items():
            if odd := sorted(found ^ listed["real"]):
                without = self.folders[name if odd[0] in listed["real"] else "real"]
                raise ValueError(f"{without}: lacks {odd[0]}; the folders must contain the same names")
        if len(self.names) < 4:
            raise ValueError(
                f"{self.folders['real']}: contains {len(self.names)} PNGs; at least 4 are needed"
            )
        self.size = open_rgb(self.folders["real"] / self.names[0]).size

    def __contains__(self, name):
        return name in self.folders

    def __len__(self):
        return len(self.names)

    def batches(self, *names):
        """Yield, in parts, one array uint8 [n, H, W, 3] for each of the named sets."""
        for first in range(0, len(self), BATCH):
            part = self.names[first : first + BATCH]
            yield tuple(np.stack([self.read(self.folders[name] / file) for file in part]) for name in names)

    def read(self, path):
        """One image [H, W, 3]; ValueError if it has another size than the first."""
        image = open_rgb(path)
        if image.size != self.size:
            raise ValueError(f"{path}: is {image.size}, not {self.size}; all images must have one size")
        return np.asarray(image)

    def digest(self):
        """SHA-256 of the pixels of the real images, in order."""
        digest = hashlib.sha256()
        for (pictures,) in self.batches("real"):
            digest.update(pictures)
        return digest.hexdigest()


def in_folder(folder, fake=None):
    """The `Images` of FOLDER/real, fake (or another folder of them) and, if it exists, truth."""
    folder = Path(folder)
    folders = {"real": folder / "real", "fake": Path(fake) if fake else folder / "fake"}
    return Images(folders | ({"truth": folder / "truth"} if (folder / "truth").exists() else {}))


# --- metrics


def distances(images, network, subset=None, seed=0):
    """KID and FID of the fake images, and of the true ones for reference: {"kid": ..., "fid": ...}.

    network: (name, features) as from `inception`; subset: size of KID's subsets, by default
    ``SUBSET_SIZE``, or half of the images if there are no more than that.
    """
    from torch_fidelity import KEY_METRIC_FID, KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric

    name, features = network
    count = len(images)
    size = subset or (SUBSET_SIZE if count > SUBSET_SIZE else count // 2)
    if not 2 <= size <= count:
        raise ValueError(f"--kid-subset-size {size}: must be from 2 to the number of images, {count}")
    sets, kid, fid = {}, {}, {}
    for one in (one for one in ("real", "fake", "truth") if one in images):
        sets[one] = as_tensor(np.concatenate([features(part) for (part,) in images.batches(one)]))
    real = fid_features_to_statistics(sets["real"])
    for one in sets.keys() - {"real"}:
        kid[one] = kid_features_to_metric(
            sets["real"], sets[one], kid_subsets=SUBSETS, kid_subset_size=size, rng_seed=seed, verbose=False
        )
        fid[one] = fid_statistics_to_metric(real, fid_features_to_statistics(sets[one]), False)
    about = {"features": name, "images": count}
    return {
        "kid": {
            "value": kid["fake"][KEY_METRIC_KID_MEAN],
            "std": kid["fake"][KEY_METRIC_KID_STD],
            "reference": kid["truth"][KEY_METRIC_KID_MEAN] if kid.get("truth") else None,
            "subsets": SUBSETS,
            "subset_size": size,
            **about,
        },
        "fid": {
            "value": fid["fake"][KEY_METRIC_FID],
            "std": None,
            "reference": fid["truth"][KEY_METRIC_FID] if fid.get("truth") else None,
            **about,
        },
    }


def as_tensor(features):
    """An array as torch-fidelity wants it."""
    import torch

    return torch.from_numpy(features)


def perceptual_distances(images, network):
    """LPIPS between fake and true images, and between real and true ones: {"lpips": ...}.

    network: (name, distance) as from `perceptual`.  Raises ValueError without true swaps.
    """
    if "truth" not in images:
        raise ValueError(
            "--lpips-backbone: LPIPS compares with true swaps, and there are none; omit the option"
        )
    name, distance = network
    parts = [(distance(f, t), distance(r, t)) for r, f, t in images.batches("real", "fake", "truth")]
    made, unchanged = (np.concatenate(values).astype(float) for values in zip(*parts))
    return {
        "lpips": {
            "value": float(made.mean()),
            "std": float(made.std()),
            "reference": float(unchanged.mean()),
            "network": name,
            "images": len(images),
        }
    }


def table(result):
    """The metrics as lines of text."""
    lines = [f"{'metric':<8}{'value':>10}{'std':>10}{'reference':>11}"]
    for name, entry in result["measures"].items():
        value, std, reference = (formatted(entry[key]) for key in ("value", "std", "reference"))
        used = f"{entry['images']} images; {entry.get('features') or entry['network']}"
        if name == "kid":
            used = f"{entry['subsets']} subsets of {entry['subset_size']} of {used}"
        lines.append(f"{name:<8}{value:>10}{std:>10}{reference:>11}   {MEANINGS[name]}; {used}")
    return "\n".join(lines)


def warn_of_bias(result):
    """Report on stderr if there are too few images for an unbiased FID."""
    if "fid" in result["measures"] and result["n"] < ENOUGH:
        click.echo(
            f"Warning: the FID of {result['n']} images is biased upwards; compare it only with FIDs of as "
            "many images of the same people, or use KID",
            err=True,
        )


# --- results of several systems


def read_results(named):
    """name -> metric -> entry of files that ``--out`` wrote; named: (name, path) pairs.

    Raises ValueError for another file, and for metrics that were measured with other images or weights.
    """
    found, first = {}, None
    for name, path in named:
        result = read_result(path)
        found[name] = {key: result["measures"][key] for key in MEANINGS if key in result["measures"]}
        first = first or (path, result)
        check_comparable(path, result, *first)
    return found


def read_result(path):
    """The contents of one file; ValueError unless ``--out`` wrote it."""
    try:
        result = metadata.read_file(path, FORM)
        _, measures = result["real_sha256"], result["measures"]
        names = [name for name in MEANINGS if name in measures]
        if not names:
            raise ValueError(f"has none of {', '.join(MEANINGS)}")
        for name in names:
            metadata.check_form(measures[name]["value"], metadata.NUMBER, f"{name}.value")
            _ = [measures[name][key] for key in SAME[name]]
    except (KeyError, ValueError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{path}: was not written by cagan metrics --out ({reason})") from error
    return result


def check_comparable(path, result, other_path, other):
    """Raise ValueError unless the common metrics of two results can be compared."""
    if result["real_sha256"] != other["real_sha256"]:
        raise ValueError(f"{path}: was measured on other photos than {other_path}; measure both on the same")
    for name in result["measures"].keys() & other["measures"].keys() & MEANINGS.keys():
        for key in SAME[name]:
            a, b = (one["measures"][name][key] for one in (result, other))
            if a != b:
                raise ValueError(
                    f"{path}: {name} has {key} {one_line(a)}, not {one_line(b)} as in {other_path}; "
                    "measure both alike"
                )


# --- the command


@contextlib.contextmanager
def swapped(checkpoint, data, count, seed, backend, device):
    """The `Images` of a checkpoint's held-out swaps in a temporary folder, and their provenance."""
    model = weights.load_model(checkpoint, backend, device)
    with tempfile.TemporaryDirectory() as folder, held_out.open_split(data, model, TRIPLES) as held:
        measure(model, held, all_swaps(held, limit(held, count), seed), ImageFolders(folder), cycle=False)
        yield in_folder(folder), provenance.attributes("Metrics", checkpoint, model, held, seed, {})


@contextlib.contextmanager
def found_in(folder, fake):
    """The `Images` of a folder, and their provenance."""
    names = {"Folder": Path(folder).resolve().name} | ({"Fake": Path(fake).resolve().name} if fake else {})
    yield in_folder(folder, fake), names


def check_source(ctx, folder, fake):
    """Raise UsageError if options for a checkpoint are given together with a folder, or --fake without."""
    if not folder and fake:
        raise click.UsageError("--fake: needs FOLDER, whose real/ and truth/ it is compared with")
    for name in ("weights", "checkpoint", "data", "count") if folder else ():
        if ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            option = "swaps" if name == "count" else name
            raise click.UsageError(f"--{option}: the swaps in {folder} exist already; omit one of the two")


@click.command(cls=Command)
@click.argument("folder", type=click.Path(file_okay=False), required=False)
@click.option("--fake", type=click.Path(file_okay=False), help="Other images instead of FOLDER/fake.")
@click.option(
    "--inception-weights",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Weights of torch-fidelity's Inception, for KID and FID.",
)
@click.option(
    "--lpips-backbone",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="ImageNet weights of torchvision's AlexNet (or VGG16), for LPIPS.",
)
@click.option(
    "--lpips-net",
    type=click.Choice(list(NETWORKS)),
    default="alex",
    show_default=True,
    help="Network in --lpips-backbone.",
)
@click.option(
    "--kid-subset-size",
    "subset",
    type=click.IntRange(2),
    help=f"Images in each of KID's {SUBSETS} subsets.  [default: {SUBSET_SIZE}, or half of fewer]",
)
@click.option("--out", type=Output("JSON"), help="Also write the results as JSON.")
@options.checkpoint_option("128x96")
@options.data_option
@click.option("--swaps", "count", type=click.IntRange(1), help="Maximum number of swaps of a checkpoint.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Seed of KID's subsets, and of the sampled swaps without true swaps.",
)
@options.backend_option
@options.device_option
@click.pass_context
def command(
    ctx, folder, fake, inception_weights, lpips_backbone, lpips_net, subset, out, checkpoint, data, count,
    seed, backend, device,
):  # fmt: skip
    """KID, FID and LPIPS of the swaps in FOLDER, or of a checkpoint's held-out swaps.

    FOLDER contains real/, fake/ and, for LPIPS, truth/, as cagan evaluate --save-images writes it.
    """
    if not (inception_weights or lpips_backbone):
        raise click.UsageError(
            "nothing to measure; give --inception-weights FILE (for KID and FID), --lpips-backbone FILE "
            "(for LPIPS) or both"
        )
    check_source(ctx, folder, fake)
    seen = inception(inception_weights) if inception_weights else None
    compared = perceptual(lpips_backbone, lpips_net) if lpips_backbone else None
    source = found_in(folder, fake) if folder else swapped(checkpoint, data, count, seed, backend, device)
    with source as (images, about):
        found = perceptual_distances(images, compared) if compared else {}
        found = (distances(images, seen, subset, seed) if seen else {}) | found
        result = {
            "n": len(images),
            "height": images.size[1],
            "width": images.size[0],
            "real_sha256": images.digest(),
            "about": about,
            "seed": seed,
            "measures": found,
        }
    click.echo(table(result))
    warn_of_bias(result)
    if out:
        write_atomically(out, json.dumps(result, indent=1, sort_keys=True, allow_nan=False) + "\n")
        click.echo(f"wrote {out}")
