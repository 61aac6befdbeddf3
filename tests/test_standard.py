"""KID, FID and LPIPS on random networks, against their formulas in NumPy; the doors of weights files."""

import io
import json
import os
import zipfile
from importlib.util import find_spec

import numpy as np
import pytest
from figure_toys import ToyModel, write_photos
from PIL import Image

from cagan_theano import weights
from cagan_theano.evaluation import evaluate, standard
from cagan_theano.io.command import main

needs_packages = pytest.mark.skipif(
    not all(map(find_spec, ("torch", "torch_fidelity", "lpips"))),
    reason="torch, torch-fidelity and lpips are not installed (the extra: metrics)",
)
COUNT, HEIGHT, WIDTH = 12, 48, 40
BUILT = "torch_fidelity.feature_extractor_inceptionv3.FeatureExtractorInceptionV3"


def run(capsys, *words):
    """(exit code, standard output, standard error) of cagan metrics."""
    with pytest.raises(SystemExit) as left:
        main(standard.command, [str(word) for word in words])
    return left.value.code, *capsys.readouterr()


def noise(seed, coarse):
    """Images [COUNT, HEIGHT, WIDTH, 3] uint8, each of coarse x coarse patches."""
    small = np.random.default_rng(seed).integers(0, 256, (COUNT, HEIGHT // coarse, WIDTH // coarse, 3))
    return small.repeat(coarse, 1).repeat(coarse, 2).astype(np.uint8)


PICTURES = {"real": noise(0, 8), "fake": noise(1, 4), "truth": noise(2, 8)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """PICTURES as cagan evaluate --save-images would write them."""
    path = tmp_path_factory.mktemp("swaps")
    for name, pictures in PICTURES.items():
        (path / name).mkdir()
        for n, picture in enumerate(pictures):
            Image.fromarray(picture).save(path / name / f"{n:06d}.png")
    return path


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory):
    """Weights of a random Inception whose features are of the order of 1."""
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    torch.manual_seed(0)
    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BUILT + ".load_state_dict", lambda *_: None)
        network = FeatureExtractorInceptionV3("random", ["2048"], feature_extractor_weights_path=nothing)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def alexnet_file(tmp_path_factory):
    """Weights of a random AlexNet, without its classifier."""
    import torch
    from torchvision.models import alexnet

    torch.manual_seed(1)
    state = alexnet(weights=None).state_dict()
    path = tmp_path_factory.mktemp("weights") / "alexnet.pth"
    torch.save({name: value for name, value in state.items() if name.startswith("features.")}, path)
    return path


@pytest.fixture(scope="module")
def features(inception_file):
    """PICTURES' features by torch-fidelity's own network, which reads the file itself."""
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path=str(inception_file))
    with torch.no_grad():
        return {
            name: network(torch.tensor(pictures).permute(0, 3, 1, 2))[0].numpy().astype(float)
            for name, pictures in PICTURES.items()
        }


def frechet(a, b):
    """|m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)); the last trace is that of the singular values
    of A B^T, where S = A^T A."""
    difference = a.mean(0) - b.mean(0)
    a, b = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (a, b))
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return difference @ difference + (a**2).sum() + (b**2).sum() - 2 * root


def kernel(x, y):
    return (np.dot(x, y) / len(x) + 1) ** 3


def mmd(a, b):
    """The unbiased squared MMD with the cubic kernel, as plain loops."""
    n = len(a)
    pairs = [(i, j) for i in range(n) for j in range(n)]
    within = sum(kernel(a[i], a[j]) + kernel(b[i], b[j]) for i, j in pairs if i != j) / (n * (n - 1))
    return within - 2 * sum(kernel(a[i], b[j]) for i, j in pairs) / n**2


@needs_packages
@pytest.mark.slow
def test_kid_and_fid_are_their_formulas(folder, inception_file, features):
    network = standard.inception(inception_file)
    assert network[0].startswith("Inception, layer 2048, inception.pth (sha256 ")
    found = standard.distances(standard.in_folder(folder), network, subset=COUNT)
    trace = sum(features["real"].var(0)) + sum(features["fake"].var(0))
    assert trace > 0.1  # the random network tells the images apart
    fid, kid = found["fid"], found["kid"]
    # torch-fidelity takes roots of 2048 eigenvalues, most of them rounding errors
    tolerance = 1e-4 * trace
    assert fid["value"] == pytest.approx(frechet(features["fake"], features["real"]), abs=tolerance)
    assert fid["reference"] == pytest.approx(frechet(features["truth"], features["real"]), abs=tolerance)
    assert abs(fid["value"] - fid["reference"]) > 100 * tolerance
    # a subset of all images is every image; the kernels are float32
    largest = max(kernel(x, x) for x in (*features["real"], *features["fake"]))
    assert kid["value"] == pytest.approx(mmd(features["real"], features["fake"]), abs=1e-5 * largest)
    assert kid["reference"] == pytest.approx(mmd(features["real"], features["truth"]), abs=1e-5 * largest)
    assert kid["std"] < 1e-5 * largest < abs(kid["value"])
    assert (kid["subset_size"], kid["subsets"], kid["images"], fid["images"]) == (COUNT, 100, COUNT, COUNT)


@needs_packages
def test_kids_subsets_and_their_deviation(folder, monkeypatch):
    network = "colors", lambda pictures: pictures.mean(axis=(1, 2), dtype=np.float32) / 64
    found = standard.distances(standard.in_folder(folder), network, seed=5)["kid"]
    assert (found["subsets"], found["subset_size"]) == (100, 6)
    rng = np.random.RandomState(5)
    a, b = (PICTURES[name].mean(axis=(1, 2)) / 64 for name in ("real", "fake"))
    picked = [(rng.choice(COUNT, 6, False), rng.choice(COUNT, 6, False)) for _ in range(100)]
    values = [mmd(a[i], b[j]) for i, j in picked]
    assert found["value"] == pytest.approx(np.mean(values), rel=1e-3)
    assert found["std"] == pytest.approx(np.std(values), rel=1e-3)
    with pytest.raises(ValueError, match="--kid-subset-size 13: must be from 2 to the number of images, 12"):
        standard.distances(standard.in_folder(folder), network, subset=13)


def lpips_by_hand(state, a, b):
    """LPIPS [n] by convolutions with the weights of two files, without the lpips package's network."""
    import lpips
    import torch
    from torch.nn import functional

    folder = os.path.dirname(lpips.__file__)
    linear = torch.load(os.path.join(folder, "weights/v0.1/alex.pth"), "cpu", weights_only=True)
    shift, scale = np.array([-0.030, -0.088, -0.188]), np.array([0.458, 0.448, 0.450])

    def layers(pictures):
        x = torch.tensor(((pictures / 127.5 - 1) - shift) / scale).permute(0, 3, 1, 2).float()
        for index, stride, pad in ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1)):
            if index in (3, 6):
                x = functional.max_pool2d(x, 3, 2)
            weight, bias = (state[f"features.{index}.{part}"] for part in ("weight", "bias"))
            x = functional.conv2d(x, weight, bias, stride, pad).relu()
            yield (x / (x.pow(2).sum(1, keepdim=True).sqrt() + 1e-10)).double().numpy()

    total = 0
    for n, (one, other) in enumerate(zip(layers(a), layers(b))):
        weight = linear[f"lin{n}.model.1.weight"].numpy().reshape(1, -1, 1, 1)
        total = total + ((one - other) ** 2 * weight).sum(axis=1).mean(axis=(1, 2))
    return total


@needs_packages
def test_lpips_is_its_formula(folder, alexnet_file):
    import torch

    state = torch.load(alexnet_file, weights_only=True)
    network = standard.perceptual(alexnet_file)
    assert network[0].startswith("LPIPS 0.1, AlexNet, alexnet.pth (sha256 ")
    found = standard.perceptual_distances(standard.in_folder(folder), network)["lpips"]
    expected = lpips_by_hand(state, PICTURES["fake"], PICTURES["truth"])
    assert found["value"] == pytest.approx(expected.mean(), rel=1e-4)
    assert found["std"] == pytest.approx(expected.std(), rel=1e-3)
    unchanged = lpips_by_hand(state, PICTURES["real"], PICTURES["truth"]).mean()
    assert found["reference"] == pytest.approx(unchanged, rel=1e-4)
    assert abs(expected.mean() - unchanged) > 1e-3 * unchanged and found["images"] == COUNT


@needs_packages
def test_each_format_gives_the_same(alexnet_file, tmp_path):
    import torch
    from safetensors.torch import save_file

    state = torch.load(alexnet_file, weights_only=True)
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    a, b = PICTURES["fake"], PICTURES["truth"]
    expected = standard.perceptual(alexnet_file)[1](a, b)
    for path in tmp_path.iterdir():
        np.testing.assert_array_equal(standard.perceptual(path)[1](a, b), expected)


# --- weights files of others


class Code:
    """An object whose pickle runs a command."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@needs_packages
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("read", [standard.inception, standard.perceptual])
def test_no_code_of_a_weights_file_runs(read, zipped, tmp_path):
    import torch

    path, made = tmp_path / "weights.pth", tmp_path / "made"
    torch.save({"fc.weight": Code(made)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        ValueError, match="weights.pth: does not contain weights that can be read safely"
    ) as e:
        read(path)
    assert not made.exists() and "\n" not in str(e.value)
    torch.load(path, weights_only=False)
    assert made.exists()  # so it would have run


@needs_packages
def test_damaged_and_other_weights_are_one_line(tmp_path, monkeypatch, alexnet_file):
    import torch

    path = tmp_path / "a.pth"
    with pytest.raises(FileNotFoundError):
        standard.load_state(path, "--inception-weights")
    state = torch.load(alexnet_file, weights_only=True)
    short = {**state, "features.0.weight": torch.zeros(1)}
    for value in (short, {}, [1], {"a": 1}, {1: torch.ones(1)}):
        torch.save(value, path)
        for read in (standard.inception, standard.perceptual):
            with pytest.raises(ValueError, match="a.pth: does not contain ") as caught:
                read(path)
            assert "\n" not in str(caught.value) and len(str(caught.value)) < 490
    for content in (b"", b"text", b"PK\3\4" + bytes(200), alexnet_file.read_bytes()[:5000]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="a.pth: does not contain weights"):
            standard.load_state(path, "--inception-weights")
    bad = {name: torch.full_like(value, torch.nan) for name, value in state.items()}
    torch.save(bad, path)
    with pytest.raises(ValueError, match="a.pth: gives distances that are not finite"):
        standard.perceptual(path)[1](PICTURES["fake"], PICTURES["truth"])


@needs_packages
def test_a_small_file_that_unpacks_to_much_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(1 << 20))
    monkeypatch.setattr(standard, "MAX_BYTES", 1 << 19)
    assert path.stat().st_size < 1 << 12
    with pytest.raises(ValueError, match="a.pth: unpacks to more than"):
        standard.load_state(path, "--inception-weights")


@needs_packages
def test_a_pytorch_that_is_not_safe_reads_nothing(alexnet_file, monkeypatch):
    monkeypatch.setattr("torch.__version__", "2.5.1+cpu")
    with pytest.raises(ValueError, match=r"is not read by PyTorch 2.5.1\+cpu.*install 2.6 or later"):
        standard.load_state(alexnet_file, "--lpips-backbone")


# --- the command


@pytest.mark.parametrize("missing, option", [("torch", "--inception-weights"), ("torch", "--lpips-backbone"),
                                             ("torch_fidelity", "--inception-weights"),
                                             ("lpips", "--lpips-backbone")])  # fmt: skip
def test_a_missing_package_is_one_line(capsys, folder, monkeypatch, missing, option):
    if missing != "torch":
        pytest.importorskip("torch", reason="PyTorch is not installed (the extra: metrics)")
        monkeypatch.setattr(standard, "load_state", lambda *_: ("a.pth", {}))
    for module in (missing, f"{missing}.feature_extractor_inceptionv3"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    code, _, text = run(capsys, folder, option, "a.pth")
    assert code == 1 and len(text.splitlines()) == 1
    assert text.startswith(f"Error: {option}: ") and "pip install '.[metrics]' in the clone" in text


@pytest.fixture
def colors(monkeypatch):
    """Networks that see only the mean color."""
    import torch  # noqa: F401  (as the true ones need it)

    mean = lambda pictures: pictures.mean(axis=(1, 2), dtype=np.float32) / 64  # noqa: E731
    monkeypatch.setattr(standard, "inception", lambda path: (f"colors of {path}", mean))
    between = lambda a, b: np.abs(mean(a) - mean(b)).mean(axis=1)  # noqa: E731
    monkeypatch.setattr(standard, "perceptual", lambda path, net: (f"{net} of {path}", between))


@needs_packages
def test_a_folder_and_its_checkpoint_give_the_same(capsys, tmp_path, monkeypatch, colors):
    monkeypatch.setattr(weights, "load_model", lambda *_: ToyModel(share=0.5))
    photos = write_photos(tmp_path / "toys.h5")
    with pytest.raises(SystemExit):
        main(evaluate.command, ["--data", str(photos), "--save-images", str(tmp_path / "swaps")])
    given = ["--inception-weights", "i.pth", "--lpips-backbone", "l.pth", "--lpips-net", "vgg"]
    capsys.readouterr()
    code, text, warning = run(capsys, tmp_path / "swaps", *given, "--out", tmp_path / "a.json")
    assert code == 0 and "Warning: the FID of 12 images is biased" in warning
    assert "100 subsets of 6 of 12 images; colors of i.pth" in text and "vgg of l.pth" in text
    assert run(capsys, "--data", photos, *given, "--out", tmp_path / "b.json")[0] == 0
    one, other = (json.loads((tmp_path / name).read_text()) for name in ("a.json", "b.json"))
    assert one["about"] == {"Folder": "swaps"} and other["about"]["Data"] == "toys.h5"
    assert {**one, "about": 0} == {**other, "about": 0}
    assert (one["n"], one["height"], one["width"]) == (12, 32, 32)
    lpips = one["measures"]["lpips"]
    assert lpips["value"] == pytest.approx(lpips["reference"] / 2, rel=0.05)  # half of the change is made
    assert list(standard.read_results([("x", tmp_path / "a.json"), ("y", tmp_path / "b.json")])) == ["x", "y"]


@needs_packages
def test_another_systems_images(capsys, folder, tmp_path, colors):
    code, _, text = run(
        capsys, folder, "--fake", folder / "truth", "--lpips-backbone", "l", "--out", tmp_path / "a.json"
    )
    found = json.loads((tmp_path / "a.json").read_text())
    assert code == 0 and found["measures"]["lpips"]["value"] == 0 and found["measures"].keys() == {"lpips"}
    assert found["about"] == {"Folder": folder.name, "Fake": "truth"} and "FID" not in text


@pytest.mark.parametrize("change, fault", [
    ("no folder", "none/real: no such folder; cagan evaluate --save-images writes it"),
    ("missing", "fake: lacks 000003.png"),
    ("more", "real: lacks 9.png"),
    ("size", "000001.png: is (20, 30), not (40, 48); all images must have one size"),
    ("damaged", "000002.png: "),
    ("few", "real: contains 0 PNGs; at least 4 are needed"),
    ("no truth", "there are none; omit the option"),
])  # fmt: skip
def test_folders_that_do_not_match_are_one_line(change, fault, folder, tmp_path):
    copy = tmp_path / "swaps"
    for name, pictures in PICTURES.items():
        (copy / name).mkdir(parents=True)
        for n in range(0 if change == "few" else len(pictures)):
            (copy / name / f"{n:06d}.png").write_bytes((folder / name / f"{n:06d}.png").read_bytes())
    if change == "missing":
        (copy / "fake" / "000003.png").unlink()
    elif change == "more":
        (copy / "truth" / "9.png").write_bytes(b"")
    elif change == "size":
        Image.new("RGB", (20, 30)).save(copy / "fake" / "000001.png")
    elif change == "damaged":
        (copy / "truth" / "000002.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    elif change == "no truth":
        (copy / "truth").rename(copy / "other")
    between = lambda a, b: np.zeros(len(a))  # noqa: E731
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        images = standard.in_folder(tmp_path / "none" if change == "no folder" else copy)
        standard.perceptual_distances(images, ("zero", between))
    assert fault in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("options, fault", [
    ([], "nothing to measure; give --inception-weights FILE"),
    (["--lpips-backbone", "l", "--weights", "dress"], "--weights: the swaps in"),
    (["--lpips-backbone", "l", "--swaps", "3"], "--swaps: the swaps in"),
    (["--lpips-backbone", "l", "--data", "x.h5"], "--data: the swaps in"),
])  # fmt: skip
def test_options_that_contradict_are_errors(capsys, folder, options, fault):
    code, _, text = run(capsys, folder, *options)
    assert code != 0 and fault in text and len(text.splitlines()) == 1
