"""Between photos of any size and the network: garments cut out, swaps pasted in along edges."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from cagan_theano import weights
from cagan_theano.dressing import paste
from cagan_theano.weights import child_environment
from data_prep import picture
from data_prep.picture import fit
from data_prep.store import PhotoFile


def find_alpha(alpha, small, photo):
    return np.concatenate([weight for *_, weight in paste.along_edges(alpha, small, photo)])


@pytest.fixture(scope="module")
def held_out():
    """Some shipped renderings at 256x192: photos, and where the garment is, in [0, 1]."""
    with PhotoFile(weights.held_out(256, 192)) as file:
        split = file.split("test")
        rows = range(len(split))
        return [split.x[row] for row in rows], [split.mask[row] / np.float32(255) for row in rows]


def test_alpha_follows_the_photos_edges_better_than_plain_resizing(held_out):
    """From masks shrunk to 64x48, at the edges of the true ones."""
    errors = []
    for x, mask in zip(*held_out):
        image = Image.fromarray(x)
        small = np.asarray(fit(image, 64, 48))
        alpha = np.asarray(Image.fromarray(mask).resize((48, 64), Image.Resampling.BOX))
        blurred = gaussian_filter(mask, 4)
        edge = (blurred > 0.05) & (blurred < 0.95)
        made = find_alpha(alpha, small, image), np.clip(paste.enlarged(alpha, image.size), 0, 1)
        errors.append([np.abs(weight - mask)[edge].mean() for weight in made])
    guided, plain = np.array(errors).T
    assert guided.mean() < 0.75 * plain.mean(), (guided.mean(), plain.mean())
    assert (guided < plain).mean() > 0.8, guided / plain  # the rest: garments of their ground's color


def test_the_fit_along_edges_is_that_of_loops():
    rng = np.random.default_rng(0)
    color, alpha = rng.random((14, 12, 3)), rng.random((14, 12))
    r = paste.RADIUS
    rows, columns = (np.clip(np.arange(-r, n + r), 0, n - 1) for n in alpha.shape)

    def window(array, y, x):  # edges repeat
        return array[np.ix_(rows[y : y + 2 * r + 1], columns[x : x + 2 * r + 1])]

    def each(function):
        return np.array([[function(row, column) for column in range(12)] for row in range(14)])

    def fit_window(row, column):
        """Ridge regression of alpha on color, as one least-squares problem."""
        colors, values = window(color, row, column).reshape(-1, 3), window(alpha, row, column).ravel()
        n = len(values)
        system = np.block([[colors, np.ones((n, 1))],
                           [np.sqrt(n * paste.EPSILON) * np.eye(3), np.zeros((3, 1))]])  # fmt: skip
        slope = np.linalg.lstsq(system, np.r_[values, 0, 0, 0], rcond=None)[0]
        joint = np.cov(np.c_[colors, values].T, bias=True)[3, :3]
        return *slope, slope[:3] @ joint / (values.var() + 1e-6)

    fits = each(fit_window)
    expected = each(lambda row, column: window(fits, row, column).reshape(-1, 5).mean(0))
    slope, offset, explained = paste.color_fit(alpha, color)
    np.testing.assert_allclose(np.dstack([slope, offset, explained]), expected, atol=1e-9)


def test_alpha_of_a_photo_of_the_network_s_size_is_the_formula():
    """Nothing is enlarged: the fit, as far as it explains alpha, within alpha's range two pixels around."""
    rng = np.random.default_rng(3)
    small = rng.integers(0, 256, (20, 16, 3), dtype=np.uint8)
    alpha = np.clip(small[..., 0] / 255 + rng.normal(0, 0.1, (20, 16)), 0, 1)  # explained in part by red
    slope, offset, explained = paste.color_fit(alpha, small / 255)
    assert 0.3 < explained.mean() < 0.98
    expected = np.empty_like(alpha)
    for y, x in np.ndindex(alpha.shape):
        line = offset[y, x] + slope[y, x] @ (small[y, x] / 255)
        mixed = explained[y, x] * line + (1 - explained[y, x]) * alpha[y, x]
        near = alpha[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
        expected[y, x] = min(max(mixed, near.min()), near.max())
    found = find_alpha(alpha.astype(np.float32), small, Image.fromarray(small))
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("size", [(96, 128), (300, 200), (77, 401), (20, 20)])
def test_where_nothing_is_painted_the_photo_stays(size):
    rng = np.random.default_rng(1)
    image = Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8))
    colors = rng.integers(0, 256, (128, 96, 3), dtype=np.uint8)
    x_ij, alpha = paste.paste(image, np.zeros((128, 96), np.float32), colors)
    np.testing.assert_array_equal(x_ij, image)
    assert alpha.size == size and alpha.getextrema() == (0, 0)
    x_ij, alpha = paste.paste(image, np.ones((128, 96), np.float32), np.full_like(colors, 77))
    assert np.abs(np.asarray(x_ij).astype(int) - 77).max() <= 1 and alpha.getextrema()[0] >= 253


def test_bands_have_no_seams(held_out, monkeypatch):
    """A photo in bands is the photo at once; its bands begin between the network's rows."""
    photo, alpha = Image.fromarray(held_out[0][0]), held_out[1][0][::4, ::4]
    x_tilde_ij = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    whole = paste.paste(photo, alpha, x_tilde_ij)
    monkeypatch.setattr(picture, "BAND", 7 * photo.width)
    for image, expected in zip(paste.paste(photo, alpha, x_tilde_ij), whole):
        assert np.abs(np.asarray(image).astype(int) - np.asarray(expected)).max() <= 1


def test_a_cut_out_article_is_the_garment_on_white():
    x_i = np.full((128, 96, 3), 90, np.uint8)
    x_i[40:80, 30:60] = (200, 30, 40)
    alpha = np.zeros((128, 96), np.float32)
    alpha[40:80, 30:60] = 0.9
    y_i = paste.cut_out(x_i, alpha)
    garment = (y_i == (200, 30, 40)).all(-1)
    rows, columns = np.flatnonzero(garment.any(1)), np.flatnonzero(garment.any(0))
    assert len(rows) == pytest.approx(40 * paste.FILLED * 128 / 40, abs=3)
    assert len(columns) == pytest.approx(30 * paste.FILLED * 128 / 40, abs=3)
    assert (y_i[:4] == 255).all() and (y_i[:, :2] == 255).all()
    assert garment[rows[0] : rows[-1], columns[0] : columns[-1]].all()
    middle = paste.cut_out(np.full_like(x_i, 90), 0 * alpha)  # where there is no garment
    assert (middle == 90).any() and (middle == 255).any()


@pytest.mark.parametrize("size", [(64, 64), (40, 100), (100, 41), (333, 77)])
def test_an_enlarged_image_lies_where_the_photo_was_padded(size):
    """Reducing a photo and enlarging it again brings its smooth brightness back to its place."""
    width, height = size
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    photo = np.repeat((60 + 60 * across + 80 * down)[..., None], 3, axis=-1).astype(np.uint8)
    small = np.asarray(fit(Image.fromarray(photo), 128, 96), np.float32)[..., 0]
    large = paste.enlarged(small, size)
    assert large.shape == (height, width)
    edge_h, edge_w = height // 6 + 4, width // 6 + 4  # where the padding's color bleeds in
    inner = (slice(edge_h, -edge_h), slice(edge_w, -edge_w))
    assert np.abs(large[inner] - photo[inner][..., 0]).max() < 4


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_bounded_by_the_pixels_in_work():
    """Four threads dress photos of 6 megapixels, with room for 8: at most 16 bytes for each of these."""
    code = """if True:
        import io, threading
        import numpy as np
        from PIL import Image
        from cagan_theano.dressing.dress import Dressed, fit_photo
        from cagan_theano.io.image import encode_image
        from data_prep import picture
        picture.ROOM.free = 8_000_000
        file = io.BytesIO()
        Image.new("RGBA", (3000, 2000), (9, 8, 7, 99)).save(file, "PNG")
        alpha, colors = np.eye(64, 48, dtype=np.float32), np.zeros((64, 48, 3), np.uint8)
        def dress():
            human = fit_photo("a.png", 64, 48, read=lambda _: file.getvalue())
            with picture.ROOM.shared():
                encode_image(Dressed({"human": human}, None, alpha, colors, None, {}).image)
        import scipy.ndimage
        def measure(field):
            lines = open("/proc/self/status").read().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith(field))
        before = measure("VmRSS")
        threads = [threading.Thread(target=dress) for _ in range(4)]
        [thread.start() for thread in threads], [thread.join() for thread in threads]
        print(measure("VmHWM") - before, picture.ROOM.free)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env=child_environment() | {"MALLOC_TRIM_THRESHOLD_": "131072"})  # fmt: skip
    kilobytes, free = map(int, done.stdout.split())
    assert 20_000 < kilobytes < 16 * 8_000_000 / 1024 and free == 8_000_000
