"""The package as a wheel: the commands work in any folder, weights included, and write only there."""

import os
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds nothing but what the wheel installs."""
    folder = tmp_path_factory.mktemp("wheel")
    words = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([sys.executable, *words, "--wheel-dir", folder, ROOT],
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed, place, *words):
    """What Python prints with the installed package, started in a folder."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
    environment |= {"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, *map(str, words)], cwd=place, env=environment,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_installed(installed):
    assert {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")} == {
        "cagan_theano", "data_prep"}  # fmt: skip
    (points,) = installed.glob("*.dist-info/entry_points.txt")
    assert "cagan = cagan_theano.cli:run" in points.read_text()
    names = {path.name for path in (installed / "cagan_theano" / "checkpoints").iterdir()}
    assert {"cagan_128x96.h5", "dress_128x96.h5", "heldout_128x96.h5", "README.md"} <= names


def test_help_imports_no_network(installed, tmp_path):
    code = (
        "import sys\nfrom cagan_theano.cli import cagan\n"
        "cagan.main(['--help'], standalone_mode=False)\n"
        "print(*{'jax', 'aesara', 'scipy', 'matplotlib'} & set(sys.modules))"
    )
    said = run(installed, tmp_path, "-c", code)
    assert "figure2 ... figure6" in said and said.splitlines()[-1] == ""


def test_figure_and_swap_in_an_empty_folder(installed, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in installed.rglob("*")}
    cagan = partial(run, installed, tmp_path, "-m", "cagan_theano")
    cagan("figure4", "--weights", "dress", "--device", "cpu")
    assert Image.open(tmp_path / "figures" / "figure4_dress_128x96.png").size[0] > 500
    photo = tmp_path / "photo.png"
    Image.new("RGB", (96, 128), (200, 30, 30)).save(photo)
    cagan("swap", "--human", photo, "--wearing", photo, "--article", photo,
          "--checkpoint", "dress_128x96", "--out", "swapped.jpg", "--device", "cpu")  # fmt: skip
    swapped = Image.open(tmp_path / "swapped.jpg")
    assert swapped.size == (96, 128) and swapped.format == "JPEG"
    assert {path.name for path in tmp_path.iterdir()} == {"figures", "photo.png", "swapped.jpg"}
    assert {path: path.stat().st_mtime_ns for path in installed.rglob("*")} == before


def test_plans_and_vectors_are_installed(installed, tmp_path):
    run(installed, tmp_path, "-m", "cagan_theano", "ablations", "readings", "--list")
    code = "from cagan_theano.interop.conformance import SHIPPED; print(SHIPPED.is_file(), SHIPPED)"
    assert run(installed, tmp_path, "-c", code).startswith(f"True {installed}")
