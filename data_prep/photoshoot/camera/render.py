"""Render a sitter wearing a garment, and the product photo of a garment.

Everything except the garment depends on the sitter alone, so rendering the same sitter in another
garment gives the ground truth of the swap.
"""

import io
from dataclasses import replace

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from data_prep.photoshoot.body.hair import hair_parts, tube
from data_prep.photoshoot.body.surface import normals
from data_prep.photoshoot.camera import background, materials, scene
from data_prep.photoshoot.camera.product import sample_view
from data_prep.photoshoot.camera.studio import show_article
from data_prep.photoshoot.clothes.fabric import Fabric
from data_prep.photoshoot.clothes.figure import Figure, Part
from data_prep.photoshoot.clothes.trousers import TrousersFabric
from data_prep.store import check_size

SUPERSAMPLE = 2  # rays per side of a pixel
SKIN_EXPOSURE = 0.78  # of that of cloth, in which skin would look overexposed
SKIN, GARMENT = ("skin",), ("article", "article collar")
ANGLES = {"round_torso", "round_arm", "turn", "side"}  # coordinates that wrap around at a seam


def srgb_to_linear(color):
    """Convert sRGB in 0..1 to linear light."""
    return np.clip(color, 0, 1) ** 2.2


def linear_to_srgb(light):
    """Convert linear light to sRGB in 0..1, with a soft shoulder for highlights."""
    value = np.clip(light, 0, None)
    value = np.where(value > 0.75, 0.75 + 0.30 * np.tanh((value - 0.75) / 0.30), value)
    return np.clip(value, 0, 1) ** (1 / 2.2)


def shade(parts, view, light, shaders):
    """Trace and shade a scene: (rgb [h,w,3] linear, alpha [h,w], cloth [h,w]), the latter two 0 or 1."""
    hits = scene.trace(parts, view, light, [normals(part.points, part.faces) for part in parts])
    color, (relief, gloss) = shade_hits(parts, hits, shaders)
    skin, garment = (np.array([p.material in names for p in parts])[hits.part] for names in (SKIN, GARMENT))
    normal = scene.bump_normals(hits, relief, view)
    ambient, key = scene.irradiance(hits, normal, light, np.where(skin, np.float32(1.0), np.float32(0.55)))
    cavity = scene.cavity_shading(hits, relief, view)
    rgb = srgb_to_linear(color) * ((ambient + key) * cavity)[:, None]
    reddened = (ambient + key)[skin, None] ** np.array([0.85, 1.04, 1.12])  # subsurface scattering
    rgb[skin] = SKIN_EXPOSURE * srgb_to_linear(color[skin]) * reddened
    half = light["key"] - view.rays[hits.pixel]
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    specular = np.maximum((normal * half).sum(1), 0) ** 18 * hits.key * light["strength"]
    rim = (1 - np.abs((normal * view.rays[hits.pixel]).sum(1))) ** 3 * ambient * 0.10
    rgb += ((gloss * 0.45 * specular) + gloss * rim)[:, None]
    rgb *= np.array(light["tint"]) / scene.exposure_reference(light)
    image = np.zeros((*view.shape, 5), np.float32)
    image.reshape(-1, 5)[hits.pixel] = np.column_stack([rgb, np.ones(len(rgb)), garment])
    return image[..., :3], image[..., 3], image[..., 4]


def shade_hits(parts, hits, shaders):
    """(color [k,3], (relief, gloss) [2,k]) of all hits by the shaders of their parts' materials."""
    color, rest = np.zeros((len(hits.pixel), 3), np.float32), np.zeros((2, len(hits.pixel)), np.float32)
    for n, part in enumerate(parts):
        rows, corners, weights = hits.of_part(n)
        if not len(rows):
            continue
        level = [name for name in part.coords if name not in ANGLES]
        values = scene.interpolate(np.stack([part.coords[name] for name in level], 1), corners, weights)
        c = dict(zip(level, np.ascontiguousarray(values.T)))
        for name in ANGLES & part.coords.keys():
            c[name] = _mean_angle(part.coords[name][corners], weights)
        color[rows], rest[0, rows], rest[1, rows] = shaders[part.material](c, hits.inside[rows])
    return color, rest


def _mean_angle(corners, weights):
    """Weighted mean [k] of three angles [k,3], along the shorter arcs."""
    first = corners[:, :1]
    off = (corners - first + np.pi) % (2 * np.pi) - np.pi
    mean = first[:, 0] + (off * weights).sum(1)
    return (mean + np.pi) % (2 * np.pi) - np.pi


def downsample(array):
    """Average blocks of SUPERSAMPLE x SUPERSAMPLE pixels."""
    s = SUPERSAMPLE
    h, w = array.shape[0] // s, array.shape[1] // s
    return array.reshape(h, s, w, s, *array.shape[2:]).mean((1, 3))


def garment_shader(fabric):
    """Shaders of a garment: material -> shader of its cloth and its collar."""
    g = fabric.garment

    def body(c, inside):
        color, relief, gloss = fabric.evaluate(c)
        lining = 0.8 * g.color("lining")
        color = np.where(inside[:, None], lining, color)
        return color, np.where(inside, 0, relief), np.where(inside, 0, gloss)

    def collar(c, inside):
        n = len(c["turn"])
        rib = g.neckline in ("turtleneck", "stand")
        color = np.where(inside[:, None], 0.85 * g.color("lining"), g.color("collar")) * np.ones((n, 1))
        waves = 0.0016 * np.sin(c["turn"] * 7 + 5 * c["along"]) * (g.neckline == "hood")
        return color, 0.0007 * np.cos(c["turn"] * 60) * rib + waves, np.full(n, 0.05)

    return {"article": body, "article collar": collar}


def fabric_of(garment, rng, figure):
    """The fabric of a garment worn by a `Figure`; rng: of its folds."""
    trousers = garment.category == "trousers"
    return TrousersFabric(garment, rng) if trousers else Fabric(garment, rng, figure.bends())


def other_garment(sitter, garment):
    """The sitter's own garment beside an article: the shirt below an open front, the top with trousers."""
    if garment.category in ("trousers", "skirt"):
        return sitter.top or sitter.inner
    unzipped = garment.front not in ("open", "closed") and sitter.unzipped > 0.1
    return sitter.inner if garment.category == "upper" and (garment.front == "open" or unzipped) else None


def render_worn(sitter, garment, size):
    """Render ``sitter`` wearing ``garment``.

    size: (height, width) [pixels].  Returns (photo [H,W,3] uint8, mask [H,W] uint8, the garment's
    visible share of each pixel in 0..255).
    """
    check_size(*size)
    figure = Figure(sitter.person.build, sitter.pose, sitter.smile)
    plain = {"skin": materials.skin, "eyes": materials.eyes, "hair": materials.hair, "below": materials.below}
    shaders = {name: (lambda c, inside, f=function: f(c, sitter)) for name, function in plain.items()}
    layers = [(garment, sitter.unzipped)]
    parts = figure.wear(*layers[0], "article", np.random.default_rng([garment.seed, 8]))
    if other := other_garment(sitter, garment):
        layers.append((other, 0))
        parts += figure.wear(*layers[1], "inner", np.random.default_rng([sitter.seed, 3]))
        inner = garment_shader(Fabric(other, np.random.default_rng([sitter.seed, 9])))
        shaders |= {name.replace("article", "inner"): shader for name, shader in inner.items()}
    own_trousers = garment.category == "upper"
    parts += figure.trousers(sitter) if own_trousers else []
    parts += figure.skin(layers, sitter, own_trousers)
    parts += [Part("hair", *mesh) for mesh in hair_parts(figure, sitter)]
    parts += [] if own_trousers else figure.shins(garment)
    shaders |= garment_shader(fabric_of(garment, np.random.default_rng([sitter.seed, 6]), figure))
    highest = max(part.points[:, 2].max() for part in parts)
    view = portrait_camera(figure, sitter.camera, (size[0] * SUPERSAMPLE, size[1] * SUPERSAMPLE), highest)
    image = shade(parts, view, sitter.light, shaders)
    return finish_photo(*image, sitter.photo, sitter.seed, size, sitter.clutter)


def render_article(garment, size, house=None):
    """Render the product photo [H,W,3] uint8 of ``garment``: on an invisible body, flat, or on a hanger.

    house: the `studio.House` whose style it has; by default a style of its own.
    """
    check_size(*size)
    view = show_article(garment, house) if house else sample_view(np.random.default_rng([garment.seed, 11]))
    figure = Figure(view.build, view.pose)
    parts = figure.wear(garment, view.unzipped, "article", np.random.default_rng([garment.seed, 8]))
    if view.way == "flat":  # a tenth of its depth keeps the layers apart
        parts = [replace(part, points=part.points * np.float32([1, 0.10, 1])) for part in parts]
    if view.way == "hanger":
        parts.append(hanger(figure) if garment.neckline != "none" else clips(parts[0]))
    fabric = fabric_of(garment, np.random.default_rng([garment.seed, 12]), figure)
    shaders = garment_shader(fabric) | {"hanger": lambda c, inside: (0.3, 0.0, 0.3)}
    camera = article_camera(np.concatenate([part.points for part in parts]), view, size)
    return finish_photo(*shade(parts, camera, view.light, shaders), view.photo, garment.seed, size)[0]


def article_camera(points, view, size):
    """A camera that frames points [n,3] as a `ProductView` specifies."""
    low, high = points.min(0), points.max(0)
    fill = view.fill
    span = max((high[2] - low[2]) / fill, (high[0] - low[0]) / fill * size[0] / size[1])
    center = (low + high) / 2 + np.array([view.off[0] * span, 0, view.off[1] * span])
    return scene.camera((size[0] * SUPERSAMPLE, size[1] * SUPERSAMPLE), span, center, 4.0, 0.0, view.roll)


def hanger(figure):
    """The hook of a clothes hanger above the neck."""
    hook = [(-0.08, -0.045), (-0.02, 0), (0, 0.03), (0, 0.07), (0.02, 0.10), (0.045, 0.09), (0.045, 0.065)]
    return wires([hook], figure.joint("neck01") + np.array([0, 0.0, 0.02]), 0.004)


def clips(part):
    """A hanger with a clip at either end of the waist of trousers or a skirt."""
    points = part.points
    top = points[:, 2].max()
    waist = points[points[:, 2] > top - 0.02]
    middle, half, front = waist[:, 0].mean(), 0.85 * np.ptp(waist[:, 0]) / 2, waist[:, 1].min()
    ends = [[(x, -0.03), (x, 0.035)] for x in (-half, half)]
    bar, hook = [(-half, 0.035), (half, 0.035)], [(0, 0.035), (0, 0.10), (0.02, 0.13), (0.045, 0.12)]
    return wires([*ends, bar, hook], (middle, front, top), 0.006)


def wires(paths, start, radius):
    """A part of wires along paths of (x, z) [m] from a start [3]."""
    lines = [[(start[0] + x, start[1], start[2] + z) for x, z in path] for path in paths]
    tubes = [tube(line, np.full(len(line), radius), 8, 3) for line in lines]
    points, faces, coords = zip(*tubes)
    starts = np.cumsum([0, *map(len, points)])
    joined = {name: np.concatenate([each[name] for each in coords]) for name in coords[0]}
    faces = np.concatenate([each + first for first, each in zip(starts, faces)])
    return Part("hanger", np.concatenate(points).astype(np.float32), faces, joined)


def portrait_camera(figure, camera, size, highest):
    """The camera's view of a figure, with the head at the top; highest: the top of the hair [m]."""
    body = figure.points["body"]
    head = highest if "below" in camera else body[:, 2].max() + 0.012
    if "reach" in camera:  # a whole figure
        deepest = camera["reach"] * (head - max(figure.joint(f"foot.{letter}")[2] for letter in "LR"))
    elif "below" in camera:  # the frame ends this far below the hip joints
        deepest = head - figure.joint("upperleg01.L")[2] + camera["below"]
    else:
        deepest = head - body[:, 2].min() - 0.06  # the mesh ends above the ankles
    span = min(camera.get("span", 9.0), deepest / max(1 - camera["top"], 0.5))
    middle = 0.65 * figure.joint("spine01")[0] + 0.35 * figure.joint("head")[0]
    x, z = middle + camera["aside"] * span, head + camera["top"] * span - span / 2
    center = np.array([x, figure.joint("spine02")[1], z])
    return scene.camera(size, span, center, camera["distance"], camera["rise"] * 0.3, camera["roll"])


def finish_photo(rgb, alpha, cloth, photo, seed, size, clutter=False):
    """The final photo and mask, uint8: adds backdrop or street, tone, border, lens and JPEG artifacts."""
    rgb, alpha, cloth = downsample(rgb), downsample(alpha), downsample(cloth)
    behind = background.street(size, seed) if clutter else backdrop(size, photo, alpha)
    image = linear_to_srgb(rgb * photo["exposure"] / np.maximum(alpha, 1e-3)[..., None])
    image = grade(alpha[..., None] * image + (1 - alpha[..., None]) * behind, photo)
    if border := photo["border"]:
        image, cloth = add_border(image, border, 1.0), add_border(cloth, border, 0.0)
    image = apply_lens(image, photo, seed)
    photo = compress_jpeg(image, photo["quality"]) if photo["quality"] else round_levels(image)
    return photo, round_levels(cloth)


def backdrop(size, photo, alpha):
    """The studio backdrop [h,w,3]: a level with a soft falloff and a soft shadow of the sitter."""
    height, width = size
    y, x = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    far = (x[None] - photo["center"][0]) ** 2 + (y[:, None] - photo["center"][1]) ** 2
    level = photo["level"] * (1 - photo["falloff"] * far)
    if photo["wall"]:
        down, aside = height // 40, width // 16
        behind = np.pad(alpha, ((down, 0), (aside, 0)), "edge")[:height, :width]
        shadow = gaussian_filter(behind, height / 16)
        level = level * (1 - photo["wall"] * shadow)
    tone = np.array(photo["tone"]) * (photo["level"] < 0.995)
    return np.clip(level[..., None] * (1 + tone), 0, 1)


def grade(image, photo):
    """Adjust contrast and saturation; white stays white."""
    gray = image.mean(-1, keepdims=True)
    image = gray + photo["saturation"] * (image - gray)
    curve = image + photo["contrast"] * (image - 0.5) * 4 * image * (1 - image)
    return np.clip(curve, 0, 1)


def add_border(image, border, level):
    """Shrink an image and add a border of a level; border: shares (left, top, right, bottom)."""
    height, width = image.shape[:2]
    left, top = int(border[0] * width), int(border[1] * height)
    inner_w, inner_h = width - left - int(border[2] * width), height - top - int(border[3] * height)
    scale = min(inner_w / width, inner_h / height)
    w, h = max(int(width * scale), 8), max(int(height * scale), 8)
    channels = np.moveaxis(np.atleast_3d(image), -1, 0).astype(np.float32)
    small = np.stack([np.asarray(Image.fromarray(c).resize((w, h), Image.BOX)) for c in channels], -1)
    out = np.full((height, width, small.shape[-1]), level, np.float32)
    x, y = left + (inner_w - w) // 2, top + (inner_h - h) // 2
    out[y : y + h, x : x + w] = small
    return out if image.ndim == 3 else out[..., 0]


def apply_lens(image, photo, seed):
    """Add lens blur, the shop's sharpening and sensor noise."""
    scale = image.shape[0] / 128
    soft = gaussian_filter(image, photo["blur"] * scale * 0.8, axes=(0, 1))
    if photo["sharpen"]:
        soft = soft + photo["sharpen"] * (soft - gaussian_filter(soft, 0.9 * scale, axes=(0, 1)))
    channels = 1 if photo.get("gray_noise") else 3
    noise = np.random.default_rng([seed, 4]).standard_normal((*image.shape[:2], channels), np.float32)
    darkness = np.clip(1.05 - image, 0, 1) ** 0.5
    return np.clip(soft + photo["noise"] * noise * darkness, 0, 1)


def round_levels(image):
    """Levels of an image in 0..1: uint8."""
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)


def compress_jpeg(image, quality):
    """Compress an image in 0..1 as JPEG and decode it again: uint8 [h,w,3]."""
    file = io.BytesIO()
    Image.fromarray(round_levels(image)).save(file, "JPEG", quality=quality, subsampling=0)
    return np.asarray(Image.open(file).convert("RGB"))
