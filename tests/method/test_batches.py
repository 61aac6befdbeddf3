"""Minibatches and the photos in memory, on images that all differ and that no mirror leaves as they are."""

import hashlib

import numpy as np
import pytest
from network_toys import at, evaluate, small_config
from test_updates import Case
from tqdm import tqdm

from cagan_theano.compat import aesara
from cagan_theano.method import minibatch
from cagan_theano.method.losses import losses_of_D, losses_of_G
from cagan_theano.method.minibatch import Batch, Indices
from cagan_theano.method.ours import texture_loss
from cagan_theano.network.generator import Generated
from cagan_theano.network.networks import Networks
from cagan_theano.training.data import read_rows

PHOTOS, SWAPS, N = 5, 3, 2
ROWS = dict(i=[3, 0], j=[1, 4], k=[2, 1], mirror=[1, 0], dy=[2, -1], dx=[-3, 0])
CONFIGS = {
    "photos": dict(augmentation="mirror+crop", mismatch="apart", mask="prior"),
    "true swaps": dict(augmentation="mirror+crop+tone", gamma_truth=1.0, gamma_region=1.0, mask="prior"),
}  # fmt: skip


def draw(config):
    """Arrays of Indices; with true swaps, the images of people are those and the photos."""
    rows = {name: np.int32(values) for name, values in ROWS.items()}
    if config.needs_truth:
        rows |= {"person": np.int32([0, 6]), "truth": np.int32([7, 2])}
        rows["tone_x"] = np.float32([[1.05, 0.95, 1, 1.2, 0.03], [1, 1, 1, 1, 0]])
        rows["tone_y"] = np.float32([[0.9, 1, 1.1, 0.8, -0.05], [1, 1.02, 1, 1, 0]])
    return rows


def arrays(seed=0):
    """x of people, y of articles, masks; noise, so that no two rows and no mirror image are alike."""
    rng = np.random.default_rng(seed)
    x, mask = (rng.integers(0, 256, (PHOTOS + SWAPS, 32, 32, c), np.uint8) for c in (3, 1))
    return x, rng.integers(0, 256, (PHOTOS, 32, 32, 3), np.uint8), mask


def augmented(picture, flip, n, draw):
    """One picture [H, W, C], moved and flipped a pixel at a time."""
    made = np.empty_like(picture)
    height, width = picture.shape[:2]
    for r in range(height):
        for c in range(width):
            u = min(max(r + draw.dy[n], 0), height - 1)
            v = min(max(c + draw.dx[n], 0), width - 1)
            made[r, c] = picture[u, width - 1 - v if flip else v]
    return made


@pytest.mark.parametrize("name", CONFIGS)
def test_a_minibatch_is_its_rows_moved_one_pixel_at_a_time(name):
    config = small_config(batch_size=N, **CONFIGS[name])
    rows, (x, y, mask) = draw(config), arrays()

    def build(x, y, mask, *indices):
        named = dict(zip(rows, indices))
        batch = minibatch.symbolic_batch(x, y, mask, Indices(**named), config)
        return [part for part in batch if part is not None]

    found = evaluate(build, x, y, mask, *rows.values())
    shifts = type("Draw", (), {key: rows[key] if "crop" in config.augmentation else np.zeros(N, int)
                               for key in ("dy", "dx")})  # fmt: skip

    def moved(source, numbers):
        images = [augmented(source[row], rows["mirror"][n], n, shifts) for n, row in enumerate(numbers)]
        return np.stack(images).transpose(0, 3, 1, 2).astype(float)

    def toned(source, numbers, tone):
        """Levels 0 to 255 under their tones, in [-1, 1]."""
        levels = moved(source, numbers) / 255
        for n, (*gain, gamma, brightness) in enumerate(rows.get(tone, [])):
            levels[n] = np.clip(np.array(gain)[:, None, None] * levels[n] ** gamma + brightness, 0, 1)
        return 2 * levels - 1

    person = rows.get("person", rows["i"])
    expected = [toned(x, person, "tone_x"), *(toned(y, rows[name], "tone_y") for name in "ijk")]
    if config.takes_mask:
        expected.append(moved(mask, person) / 255)
    if config.needs_truth:
        expected.append(toned(x, rows["truth"], "tone_x"))
    if config.gamma_region:
        both = moved(mask, person) > 127, moved(mask, rows["truth"]) > 127
        expected.append(both[0] | both[1])
    assert len(found) == len(expected)
    for one, value in zip(found, expected):
        np.testing.assert_allclose(one, value, atol=2e-6)


def test_every_photo_is_read_in_its_place():
    """More photos than are read at once, from two columns."""
    rng = np.random.default_rng(1)
    columns = [rng.integers(0, 256, (n, 4, 4, 3), np.uint8) for n in (10, 7)]
    digest = hashlib.sha256()
    with tqdm(total=17, disable=True) as bar:
        found = read_rows(columns, "rgb", bar, digest, chunk=4)
    np.testing.assert_array_equal(found, np.concatenate(columns))


class Fixed:
    """A G with given results, that keeps what it is given."""

    def __init__(self, alpha, x_tilde_ij, x_ij, output):
        self.made, self.output = Generated(alpha, x_tilde_ij, x_ij), output

    def channels(self, *_):
        return self.output

    def blend(self, *_):
        return self.made


def test_the_texture_of_y_j_and_the_region_of_alpha_with_its_prior(jax_backend):
    """The terms as `losses_of_G` composes them, each against its own definition."""
    config = small_config(batch_size=N, gamma_adv=0.0, gamma_c=0.0, gamma_texture=1.0, gamma_region=1.0,
                          mask="prior")  # fmt: skip
    rng = np.random.default_rng(2)
    images = [rng.uniform(-1, 1, (N, 3, 32, 32)).astype("float32") for _ in range(5)]
    x_i, y_i, y_j, x_tilde, x_ij = images
    output = rng.normal(0, 1, (N, 4, 32, 32)).astype("float32")
    alpha, m_i, region = (rng.uniform(0, 1, (N, 1, 32, 32)).astype("float32") for _ in range(3))
    region = (region > 0.5).astype("float32")
    alpha[:, :, 4:28, 4:28] = 0.8  # the texture's filters fit in
    y_j *= np.float32(0.3)

    def build(x_i, y_i, y_j, x_tilde, x_ij, output, alpha, m_i, region):
        networks = Networks(Fixed(alpha, x_tilde, x_ij, output), None)
        batch = Batch(x_i, y_i, y_j, y_j, m_i, x_ij, region, None)
        named = losses_of_G(networks, batch, config)
        shape = (3, config.height, config.width)
        of_y_j = texture_loss(x_ij, alpha, y_j, shape)
        return [named["L_texture"], named["L_region"], named["L_id"], of_y_j]

    given = x_i, y_i, y_j, x_tilde, x_ij, output, alpha, m_i, region
    found = evaluate(build, *given, mode=jax_backend.mode)
    texture_term, region_term, identity, of_y_j = map(float, found)
    assert of_y_j > 0.01
    assert texture_term == pytest.approx(of_y_j, rel=1e-5)
    odds = config.mask_prior / (1 - config.mask_prior)
    z = output[:, :1].astype(float) + np.log(odds) * (2 * m_i - 1)
    expected = (np.logaddexp(0, z) - region * z).mean()
    assert region_term == pytest.approx(expected, rel=1e-4)
    assert identity == pytest.approx(alpha.mean(), rel=1e-5)


# readings in company: compiled updates on resident photos against minibatches made by loops

COMPANIES = {
    "likely": dict(copies_mode="append", g_kernel=4, phases="start", d_head_stride=2,
                   mismatch="apart", dropout=0.3, weight_decay=1e-4, augmentation="mirror+crop", mask="prior",
                   adversarial="literal", field="sum", alpha_norm="tv", cycle_norm="l2", adam="theano"),
    "section 4": dict(article_code=8, gamma_texture=1.0, texture_input=True, copies_g="none", copies_d=False,
                      activation="leaky", norm_affine=False, phases="tied", d_kernel=5, d_widths=(8,) * 3,
                      mask="overwrite"),
}  # fmt: skip


def loop_batch(photos, draw):
    """The minibatch as float32 arrays [N, C, H, W]: pictures in [-1, 1], masks in [0, 1]."""

    def images(source, rows):
        stack = np.stack([augmented(source[row], draw.mirror[n], n, draw) for n, row in enumerate(rows)])
        return (stack.transpose(0, 3, 1, 2) / 255).astype(np.float32)

    pairs = (photos.x, draw.i), (photos.y, draw.i), (photos.y, draw.j), (photos.y, draw.k)
    m_i = images(photos.mask[:][..., None], draw.i)
    return Batch(*(2 * images(*pair) - 1 for pair in pairs), m_i, seeds=draw.seeds)


def losses_of(case, arrays, backend):
    """The losses of case's networks, as they stand, on a minibatch of arrays."""
    batch = Batch(*(None if a is None else at.TensorType(str(a.dtype), a.shape)() for a in arrays))
    named = {}
    for losses in (losses_of_D, losses_of_G):
        named |= losses(case.networks, batch, case.config)
    inputs = [v for v in batch if v is not None]
    function = aesara.function(inputs, list(named.values()), mode=backend.mode,
                               on_unused_input="ignore")  # fmt: skip
    return dict(zip(named, map(float, function(*(a for a in arrays if a is not None)))))


@pytest.mark.slow
@pytest.mark.parametrize("company", COMPANIES)
def test_compiled_updates_of_every_reading(company, tiny_photos, jax_backend):
    case = Case(tiny_photos, jax_backend, **COMPANIES[company])
    draw = case.sampler.draw()
    expected = losses_of(case, loop_batch(tiny_photos, draw), jax_backend)
    found = case.functions.update_G(draw)
    moved = case.values()
    case.reset()
    found |= case.functions.update_D(draw)
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert value == pytest.approx(expected[name], rel=1e-4, abs=1e-6), name
    for name, value in case.values().items():
        after = moved[name] if name.startswith("G/") else value
        assert np.isfinite(after).all()
        assert (after != case.start[name]).any(), name
