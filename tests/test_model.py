"""The public interface: swaps of arrays, and dressed photos."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import tiny_config
from PIL import Image

import cagan_theano
from cagan_theano.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cagan_theano.config import AVERAGE
from cagan_theano.dressing.dress import fit_photo
from cagan_theano.dressing.paste import cut_out, paste
from cagan_theano.network.networks import build_networks, values_of

CONFIG = tiny_config(height=16, width=16, g_widths=(8, 8, 10, 10), d_widths=(8, 8, 10, 10))


def weights(networks):
    """G and D as a checkpoint holds them, G scaled up so that alpha is not one gray."""
    G = {n: a * (8 if n.endswith(".W") else 1) for n, a in values_of(networks.G.params).items()}
    return {"G": G, "D": values_of(networks.D.params)}


def checkpoint_file(folder, config, step=3):
    """Path of a checkpoint with random weights."""
    path = folder / "tiny.h5"
    made = Checkpoint(config, step, **weights(build_networks(config)), metadata={"note": "tiny"})
    save_checkpoint(path, made)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return checkpoint_file(tmp_path_factory.mktemp("checkpoint"), CONFIG)


@pytest.fixture(scope="module")
def model(path):
    return cagan_theano.load(path, backend="jax", device="cpu")


def pictures(n, height=16, width=16, seed=0):
    """x_i, y_i, y_j: random uint8 [n, height, width, 3]."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (n, height, width, 3), dtype=np.uint8) for _ in range(3)]


def test_load_tells_what_was_loaded(model):
    assert (model.config, model.step, model.metadata) == (CONFIG, 3, {"note": "tiny"})
    assert len(model.sha256) == 64
    text = repr(model)
    assert "tiny.h5" in text and "16x16" in text and "step 3" in text and model.sha256[:12] in text


@pytest.mark.both_environments
def test_shapes_types_and_the_composition(model):
    x_i, y_i, y_j = pictures(3)
    swap = model.swap(x_i, y_i, y_j)
    assert swap.alpha.shape == (3, 16, 16) and swap.alpha.dtype == np.float32
    assert swap.x_ij.shape == swap.x_tilde_ij.shape == x_i.shape
    assert swap.x_ij.dtype == swap.x_tilde_ij.dtype == np.uint8
    assert 0 <= swap.alpha.min() and swap.alpha.max() <= 1 and np.ptp(swap.alpha) > 0.1
    alpha = swap.alpha[..., None].astype(np.float64)
    expected = alpha * swap.x_tilde_ij + (1 - alpha) * x_i  # x_tilde_ij is rounded, so up to 1 off
    assert np.abs(swap.x_ij - expected).max() <= 1.01


def test_any_number_of_bytes_equals_floats_one_by_one(model):
    arrays = pictures(5)
    whole = model.swap(*arrays, batch_size=2)
    assert len(whole.alpha) == 5
    for n in range(5):
        one = model.swap(*(np.float64(a[n : n + 1]) / 255 for a in arrays))
        np.testing.assert_allclose(one.alpha[0], whole.alpha[n], atol=2e-5)
        assert np.abs(one.x_ij[0].astype(int) - whole.x_ij[n]).max() <= 1


@pytest.mark.parametrize("n, height, width", [(1, 32, 16), (0, 16, 16)])
def test_another_size_and_no_images(model, n, height, width):
    swap = model.swap(*pictures(n, height, width))
    assert swap.x_ij.shape == (n, height, width, 3) and swap.alpha.shape == (n, height, width)


def with_logit(path, logit):
    """A model whose logits of alpha are near this one."""
    model = cagan_theano.load(path, backend="jax", device="cpu")
    bias = model.G.params["output.b"]
    bias.set_value(np.float32([logit, 0, 0, 0]))
    model.backend.resident(bias)
    return model


def test_alpha_of_zero_gives_back_the_photo_and_of_one_what_is_painted(path):
    x_i, y_i, y_j = pictures(2)
    swap = with_logit(path, -200).swap(x_i, y_i, y_j)  # the sigmoid of -200 is 0 in float32
    assert not swap.alpha.any() and (swap.x_ij == x_i).all() and (swap.x_tilde_ij != x_i).any()
    swap = with_logit(path, 200).swap(x_i, y_i, y_j)
    assert (swap.alpha == 1).all() and (swap.x_ij == swap.x_tilde_ij).all()


@pytest.mark.parametrize("fault, change", [
    ("expected", lambda a: [a[0][0], a[1], a[2]]),
    ("the same number and size of images", lambda a: [a[0], a[1][:1], a[2]]),
    ("multiple of 16", lambda a: [p[:, :15] for p in a]),
    ("has dtype int64", lambda a: [a[0].astype(np.int64), a[1], a[2]]),
    (r"values outside \[0, 1\]", lambda a: [a[0].astype(float), a[1], a[2]]),
    (r"values outside \[0, 1\]", lambda a: [np.full(a[0].shape, np.nan), a[1], a[2]]),
])  # fmt: skip
def test_wrong_arrays_are_refused(model, fault, change):
    with pytest.raises(ValueError, match=fault):
        model.swap(*change(pictures(2)))


def test_mask_is_required_if_it_overwrites_alpha(tmp_path, model):
    without = model
    path = checkpoint_file(tmp_path, CONFIG.replace(mask="overwrite"))
    model = cagan_theano.load(path, "jax", "cpu")
    arrays, mask = pictures(1), np.zeros((1, 16, 16), np.uint8)
    mask[:, 4:9] = 255
    np.testing.assert_array_equal(model.swap(*arrays, mask=mask).alpha, mask / np.float32(255))
    with pytest.raises(ValueError, match="needs the mask"):
        model.swap(*arrays)
    with pytest.raises(ValueError, match="without masks"):
        without.swap(*arrays, mask=mask)


def test_weights_of_another_architecture(tmp_path):
    wide = weights(build_networks(CONFIG.replace(g_widths=(9, 9, 9, 9))))
    save_checkpoint(tmp_path / "odd.h5", Checkpoint(CONFIG, 0, **wide))
    with pytest.raises(ValueError, match=r"odd.h5: parameter .* has shape"):
        cagan_theano.load(tmp_path / "odd.h5", "jax", "cpu")


# --- photos of any size


def photo(height, width, seed):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_dressed_photo_is_the_swap_of_what_was_given(model):
    x_i, y_i, y_j = pictures(1, seed=3)
    made = model.dress(x_i[0], y_j[0], y_i[0])
    swap = model.swap(x_i, y_i, y_j)
    np.testing.assert_array_equal(made.alpha, swap.alpha[0])
    np.testing.assert_array_equal(np.asarray(made.image), paste(Image.fromarray(x_i[0]), swap.alpha[0],
                                                                swap.x_tilde_ij[0])[0])  # fmt: skip
    assert made.mask.mode == "L" and made.mask.size == made.image.size == (16, 16)
    assert [line.split(" is less than 96 pixels")[0] for line in made.advice] == [
        "the photo of the person", "the photo of the article", "the photo of the worn article"]  # fmt: skip


def test_dressed_photos_keep_their_size_and_come_in_lists(model, tmp_path):
    people = [photo(40, 30, 0), Image.fromarray(photo(90, 70, 1))]
    Image.fromarray(photo(20, 20, 2)).save(tmp_path / "shirt.png")
    made = model.dress(people, tmp_path / "shirt.png", [photo(9, 9, 3), photo(9, 9, 4)])
    assert [m.image.size for m in made] == [(30, 40), (70, 90)]
    for one, human, seed in zip(made, people, (3, 4)):
        alone = model.dress(human, tmp_path / "shirt.png", photo(9, 9, seed))
        np.testing.assert_allclose(alone.alpha, one.alpha, atol=1e-6)
    several = model.dress(people[0], [photo(9, 9, seed) for seed in range(3)])
    assert len(several) == 3 and {m.image.size for m in several} == {(30, 40)}


def test_without_the_worn_garment_it_is_cut_out_of_a_first_pass(model):
    x_i, _, y_j = pictures(1, seed=5)
    first = model.swap(x_i, np.full_like(x_i, 255), y_j)
    expected = model.swap(x_i, cut_out(x_i[0], first.alpha[0])[None], y_j)
    np.testing.assert_array_equal(model.dress(x_i[0], y_j[0]).alpha, expected.alpha[0])


def test_what_cannot_be_dressed_is_one_line(model, tmp_path):
    with pytest.raises(ValueError, match="not 2 for human, 3 for article"):
        model.dress([photo(9, 9, 0)] * 2, [photo(9, 9, 0)] * 3)
    with pytest.raises(ValueError, match="lists of photos"):
        model.dress([], photo(9, 9, 0))
    with pytest.raises(FileNotFoundError, match="no such file"):
        model.dress(tmp_path / "none.jpg", photo(9, 9, 0))
    with pytest.raises(ValueError, match="human 2 has shape"):
        model.dress([photo(9, 9, 0), photo(9, 9, 0)[..., :2]], photo(9, 9, 0))


def test_threads_may_share_a_model(model):
    people = [photo(20, 16, seed) for seed in range(8)]
    expected = [model.dress(human, people[0], people[1]) for human in people]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda human: model.dress(human, people[0], people[1]), people * 3))
    for one, other in zip(expected * 3, found):
        np.testing.assert_array_equal(np.asarray(one.image), np.asarray(other.image))


def test_photos_come_as_paths_images_and_arrays(tmp_path):
    rng = np.random.default_rng(2)
    array = rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)
    Image.fromarray(array).save(tmp_path / "a.png")
    for source in (tmp_path / "a.png", str(tmp_path / "a.png"), array, array / 255, Image.fromarray(array),
                   Image.fromarray(array).convert("RGBA")):  # fmt: skip
        np.testing.assert_array_equal(np.asarray(fit_photo(source, 40, 30).open()), array)
    inked = Image.new("CMYK", (30, 40), (0, 255, 255, 0))  # red, and PNG cannot hold it
    red, green, _ = fit_photo(inked, 40, 30).open().getpixel((3, 3))
    assert red > 200 > green
    turned = Image.fromarray(array)
    turned.getexif()[0x0112] = 6
    assert fit_photo(turned, 40, 30).open().size == (40, 30)


@pytest.mark.parametrize("source, fault", [
    (np.zeros((3, 40, 30), np.uint8), "me has shape (3, 40, 30)"),
    (np.zeros((0, 30, 3), np.uint8), "me has shape (0, 30, 3)"),
    (np.full((4, 4, 3), 2.0), "outside [0, 1]"), (np.full((4, 4, 3), np.nan), "outside [0, 1]"),
    (np.zeros((4, 4, 3), np.int64), "dtype int64"), (None, "me is None; give a path"),
    (b"\x89PNG", "me is b"), (Image.new("RGB", (0, 5)), "0x5"),
])  # fmt: skip
def test_no_photo_is_one_line(source, fault):
    with pytest.raises(ValueError) as left:
        fit_photo(source, 40, 30, "me")
    assert fault in str(left.value) and "\n" not in str(left.value)


def test_a_dressed_photo_says_which_weights_painted_it(model, tmp_path):
    dressed = model.dress(photo(40, 30, 0), photo(9, 9, 1))
    dressed.save(tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as back:
        assert back.text == model.provenance() and back.size == (30, 40)
        assert back.text["Checkpoint"] == "tiny.h5" and back.text["Step"] == "3"
    assert dressed._repr_png_() == (tmp_path / "out.png").read_bytes()
    with pytest.raises(ValueError, match="not an image format"):
        dressed.save(tmp_path / "out.h5")


def test_a_checkpoint_with_an_average_swaps_with_it(model, path, tmp_path):
    """The same G wherever it is loaded, whether its weights stand under G or under the average."""
    plain = load_checkpoint(path)
    average = {f"{AVERAGE}/{name}": value for name, value in plain.G.items()}
    raw = {name: 0.5 * value for name, value in plain.G.items()}
    save_checkpoint(tmp_path / "a.h5", dataclasses.replace(plain, G=raw, optimizer=average, sampler="{}"))
    averaged = cagan_theano.load(tmp_path / "a.h5", backend="jax", device="cpu")
    np.testing.assert_array_equal(averaged.swap(*pictures(1)).x_ij, model.swap(*pictures(1)).x_ij)
