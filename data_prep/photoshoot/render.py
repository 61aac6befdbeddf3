"""Rendering: a sitter wearing a garment, and a garment's product photo.

Everything that does not belong to the garment depends on the sitter alone, so the same sitter in
another garment is the true answer to the swap.
"""

import io
from dataclasses import replace

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from data_prep.photoshoot import background, materials, scene
from data_prep.photoshoot.cloth import normals
from data_prep.photoshoot.fabric import Fabric
from data_prep.photoshoot.figure import Figure, Part
from data_prep.photoshoot.hair import tube
from data_prep.photoshoot.product import sample_view
from data_prep.store import check_size

SUPERSAMPLE = 2  # rays along each side of a pixel
GARMENT = ("top", "top collar")


def linear(color):
    """sRGB in 0..1 as linear light."""
    return np.clip(color, 0, 1) ** 2.2


def coded(light):
    """Linear light as sRGB in 0..1, with a soft shoulder above .8."""
    value = np.clip(light, 0, None)
    value = np.where(value > 0.75, 0.75 + 0.30 * np.tanh((value - 0.75) / 0.30), value)
    return np.clip(value, 0, 1) ** (1 / 2.2)


def paint(parts, view, light, shaders):
    """(rgb [h,w,3] linear, alpha [h,w], cloth [h,w]) of a scene; alpha and cloth are 0 or 1."""
    outs = [normals(part.points, part.faces) for part in parts]
    seen = scene.look(parts, view, light, outs)
    k = len(seen.pixel)
    color, relief, gloss, wrap = (
        np.zeros((k, 3), np.float32),
        np.zeros(k, np.float32),
        np.zeros(k, np.float32),
        np.zeros(k, np.float32),
    )
    for n, part in enumerate(parts):
        rows, corners, shares = seen.of(n)
        if len(rows):
            c = {name: scene.blended(value, corners, shares) for name, value in part.coords.items()}
            for name in ("round_torso", "round_arm", "turn", "side"):  # angles: no mean across the seam
                if name in c:
                    c[name] = _angle(part.coords[name][corners], shares)
            color[rows], relief[rows], gloss[rows] = shaders[part.material](c, seen.inside[rows])
            wrap[rows] = 1.0 if part.material == "skin" else 0.55
    normal = scene.bumped(seen, relief, view)
    ambient, key = scene.irradiance(seen, normal, light, wrap)
    dark = scene.hollows(seen, relief, view)
    skin = np.array([n for n, part in enumerate(parts) if part.material in ("skin",)])
    rgb = linear(color) * ((ambient + key) * dark)[:, None]
    bleed = np.isin(seen.part, skin)
    rgb[bleed] = linear(color[bleed]) * ((ambient + key)[bleed, None] ** np.array([0.85, 1.04, 1.12]))
    half = light["key"] - view.rays[seen.pixel]
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    spark = np.maximum((normal * half).sum(1), 0) ** 18 * seen.key * light["strength"]
    rim = (1 - np.abs((normal * view.rays[seen.pixel]).sum(1))) ** 3 * ambient * 0.10
    rgb += ((gloss * 0.45 * spark) + gloss * rim)[:, None]
    rgb *= light["tint"] / scene.reference(light)
    picture = np.zeros((view.shape[0] * view.shape[1], 3), np.float32)
    alpha, garment = np.zeros(len(picture), np.float32), np.zeros(len(picture), np.float32)
    picture[seen.pixel], alpha[seen.pixel] = rgb, 1
    names = np.array([part.material in GARMENT for part in parts])
    garment[seen.pixel] = names[seen.part]
    return (array.reshape(*view.shape, *array.shape[1:]) for array in (picture, alpha, garment))


def _angle(corners, shares):
    """Mean angle [k] of three, the short way around."""
    first = corners[:, :1]
    off = (corners - first + np.pi) % (2 * np.pi) - np.pi
    mean = first[:, 0] + (off * shares).sum(1)
    return (mean + np.pi) % (2 * np.pi) - np.pi


def reduced(array):
    """Means of SUPERSAMPLE x SUPERSAMPLE blocks."""
    s = SUPERSAMPLE
    h, w = array.shape[0] // s, array.shape[1] // s
    return array.reshape(h, s, w, s, *array.shape[2:]).mean((1, 3))


def garment_shader(fabric):
    """Shaders of a garment's cloth and collar, by material."""
    g = fabric.garment

    def body(c, inside):
        color, relief, gloss = fabric.paint(c)
        lining = 0.8 * g.color("lining")
        color = np.where(inside[:, None], lining, color)
        return color, np.where(inside, 0, relief), np.where(inside, 0, gloss)

    def collar(c, inside):
        n = len(c["turn"])
        rib = g.neckline in ("turtleneck", "stand")
        color = np.where(inside[:, None], 0.85 * g.color("lining"), g.color("collar")) * np.ones((n, 1))
        relief = 0.0007 * np.cos(c["turn"] * 60) * rib + 0.0016 * np.sin(c["turn"] * 7 + 5 * c["along"]) * (
            g.neckline == "hood"
        )
        return color, relief, np.full(n, 0.05)

    return {"top": body, "top collar": collar}


def shaders_of(sitter, fabric, inner):
    """material -> shader of everything in a portrait."""
    plain = {"skin": materials.skin, "eyes": materials.eyes, "hair": materials.hair, "below": materials.below}
    found = {name: (lambda c, inside, f=function: f(c, sitter)) for name, function in plain.items()}
    found |= garment_shader(fabric)
    if inner:
        found |= {f"inner{name[3:]}": shader for name, shader in garment_shader(inner).items()}
    return found


def is_open(garment, unzipped):
    """Whether a garment shows what is worn below it."""
    return (
        garment.front == "open"
        or garment.front in ("zip", "half-zip", "buttons", "placket")
        and unzipped > 0.1
    )


def render_worn(sitter, garment, size):
    """Photo of ``sitter`` wearing ``garment``.

    size: (height, width) [pixels].  Returns (photo [H,W,3] uint8, mask [H,W] uint8: the visible share of
    the garment, 0..255).
    """
    check_size(*size)
    figure = Figure(sitter.person.build, sitter.pose, sitter.smile)
    rng = np.random.default_rng([sitter.seed, 3])
    unzipped = sitter.unzipped
    parts = figure.top(garment, unzipped, "top", np.random.default_rng([garment.seed, 8]))
    tops, inner = [(garment, unzipped)], None
    if is_open(garment, unzipped):
        parts += figure.top(sitter.inner, 0, "inner", rng)
        tops.append((sitter.inner, 0))
        inner = Fabric(sitter.inner, np.random.default_rng([sitter.seed, 9]))
    parts += figure.trousers(sitter) + figure.skin(tops, sitter) + figure.locks(sitter)
    fabric = Fabric(garment, np.random.default_rng([sitter.seed, 6]), figure.bends())
    view = portrait(figure, sitter.camera, (size[0] * SUPERSAMPLE, size[1] * SUPERSAMPLE))
    rgb, alpha, cloth = paint(parts, view, sitter.light, shaders_of(sitter, fabric, inner))
    return developed(rgb, alpha, cloth, sitter.photo, sitter.seed, size, sitter.clutter)


def render_article(garment, size):
    """The product photo [H,W,3] uint8 of ``garment``: worn by an invisible body, flat, or on a hanger."""
    check_size(*size)
    view = sample_view(np.random.default_rng([garment.seed, 11]))
    figure = Figure(view.build, view.pose)
    parts = figure.top(garment, view.unzipped, "top", np.random.default_rng([garment.seed, 8]))
    if view.way == "flat":
        parts = [flattened(part) for part in parts]
    if view.way == "hanger":
        parts.append(hanger(figure))
    fabric = Fabric(garment, np.random.default_rng([garment.seed, 12]), figure.bends())
    shaders = garment_shader(fabric) | {
        "hanger": lambda c, inside: (
            np.full((len(inside), 3), 0.3),
            np.zeros(len(inside)),
            np.full(len(inside), 0.3),
        )
    }
    seen = fitted(np.concatenate([part.points for part in parts]), view, size)
    rgb, alpha, cloth = paint(parts, seen, view.light, shaders)
    return developed(rgb, alpha, cloth, view.photo, garment.seed, size)[0]


def fitted(points, view, size):
    """A camera that shows points [n,3] as large as a `ProductView` says."""
    low, high = points.min(0), points.max(0)
    fill = view.fill
    span = max((high[2] - low[2]) / fill, (high[0] - low[0]) / fill * size[0] / size[1])
    center = (low + high) / 2 + np.array([view.off[0] * span, 0, view.off[1] * span])
    return scene.camera((size[0] * SUPERSAMPLE, size[1] * SUPERSAMPLE), span, center, 4.0, 0.0, view.roll)


def flattened(part):
    """A part laid flat: its depth is taken out, but for a trace that keeps the layers apart."""
    points = part.points.copy()
    points[:, 1] *= 0.10
    return replace(part, points=points)


def hanger(figure):
    """A clothes hanger's hook above the neck."""
    neck = figure.joint("neck01") + np.array([0, 0.0, 0.02])
    path = neck + np.array(
        [
            [-0.08, 0, -0.045],
            [-0.02, 0, 0.0],
            [0, 0, 0.03],
            [0.0, 0, 0.07],
            [0.02, 0, 0.10],
            [0.045, 0, 0.09],
            [0.045, 0, 0.065],
        ]
    )
    points, faces, coords = tube(path, np.full(len(path), 0.004), 8, 3)
    return Part("hanger", points.astype(np.float32), faces, coords)


def portrait(figure, camera, size):
    """The camera's view of a figure, head at the top."""
    body = figure.points["body"]
    head = body[:, 2].max() + 0.012
    deepest = head - figure.points["body"][:, 2].min() - 0.06  # the mesh ends above the ankles
    span = min(camera["span"], deepest / max(1 - camera["top"], 0.5))
    middle = 0.65 * figure.joint("spine01")[0] + 0.35 * figure.joint("head")[0]
    center = np.array(
        [middle + camera["aside"] * span, figure.joint("spine02")[1], head + camera["top"] * span - span / 2]
    )
    return scene.camera(size, span, center, camera["distance"], camera["rise"] * 0.3, camera["roll"])


def developed(rgb, alpha, cloth, photo, seed, size, clutter=False):
    """The finished photo and mask, uint8: backdrop (or a street), tone, lens, border, JPEG."""
    rgb, alpha, cloth = reduced(rgb), reduced(alpha), reduced(cloth)
    ground = background.street(size, seed) if clutter else backdrop(size, photo, alpha)
    picture = coded(rgb * photo["exposure"] / np.maximum(alpha, 1e-3)[..., None])
    picture = alpha[..., None] * picture + (1 - alpha[..., None]) * ground
    picture = graded(picture, photo)
    border = photo["border"]
    if border is not None:
        picture, cloth = framed(picture, border, 1.0), framed(cloth, border, 0.0)
    picture = lens(picture, photo, seed)
    return jpeg(picture, photo["quality"]), np.round(cloth * 255).astype(np.uint8)


def backdrop(size, photo, alpha):
    """[h,w,3] the ground: a level, a soft falloff, a soft shadow of the sitter."""
    height, width = size
    y, x = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    far = (x[None] - photo["center"][0]) ** 2 + (y[:, None] - photo["center"][1]) ** 2
    level = photo["level"] * (1 - photo["falloff"] * far)
    if photo["wall"]:
        shadow = gaussian_filter(np.roll(alpha, (height // 40, width // 16), (0, 1)), height / 16)
        level = level * (1 - photo["wall"] * shadow)
    tone = np.array(photo["tone"]) * (photo["level"] < 0.995)
    return np.clip(level[..., None] * (1 + tone), 0, 1)


def graded(picture, photo):
    """Contrast and saturation; white stays white."""
    gray = picture.mean(-1, keepdims=True)
    picture = gray + photo["saturation"] * (picture - gray)
    curve = picture + photo["contrast"] * (picture - 0.5) * 4 * picture * (1 - picture)
    return np.clip(curve, 0, 1)


def framed(picture, border, level):
    """A picture shrunk into its frame, with a border of a level: left, top, right, bottom shares."""
    height, width = picture.shape[:2]
    left, top = int(border[0] * width), int(border[1] * height)
    inner_w, inner_h = width - left - int(border[2] * width), height - top - int(border[3] * height)
    scale = min(inner_w / width, inner_h / height)
    w, h = max(int(width * scale), 8), max(int(height * scale), 8)
    channels = np.moveaxis(np.atleast_3d(picture), -1, 0).astype(np.float32)
    small = np.stack([np.asarray(Image.fromarray(c).resize((w, h), Image.BOX)) for c in channels], -1)
    out = np.full((height, width, small.shape[-1]), level, np.float32)
    x, y = left + (inner_w - w) // 2, top + (inner_h - h) // 2
    out[y : y + h, x : x + w] = small
    return out if picture.ndim == 3 else out[..., 0]


def lens(picture, photo, seed):
    """Blur, the shop's sharpening, and the sensor's noise."""
    scale = picture.shape[0] / 128
    soft = gaussian_filter(picture, (photo["blur"] * scale * 0.8, photo["blur"] * scale * 0.8, 0))
    if photo["sharpen"]:
        soft = soft + photo["sharpen"] * (soft - gaussian_filter(soft, (0.9 * scale, 0.9 * scale, 0)))
    grain = np.random.default_rng([seed, 4]).standard_normal(picture.shape, np.float32)
    dark = np.clip(1.05 - picture, 0, 1) ** 0.5
    return np.clip(soft + photo["noise"] * grain * dark, 0, 1)


def jpeg(picture, quality):
    """[h,w,3] uint8 of a picture in 0..1 that was stored as a JPEG."""
    pixels = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=quality, subsampling=0)
    return np.asarray(Image.open(file).convert("RGB"))
