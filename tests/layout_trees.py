"""Small trees in the layouts of public data sets, filled with pictures of the photoshoot."""

import functools
from pathlib import Path

import numpy as np
from PIL import Image

from data_prep.photoshoot import render, shoot

SIZE = (128, 96)
COUNT = 10


@functools.cache
def shots(count=COUNT):
    """(x, y, mask) of some people, each in a garment of their own: uint8 arrays."""

    def one(n):
        garment = shoot.garment_of(7, "train", n)
        x, mask = render.render_worn(shoot.sitter_of(7, "train", n), garment, SIZE)
        return x, render.render_article(garment, SIZE), mask

    rows, garments = [], set()
    for n in range(3 * count):
        if len(rows) < count and shoot.casting(n)[1] not in garments:
            garments.add(shoot.casting(n)[1])
            rows.append(one(n))
    return rows


def save(path, array, **options):
    """Write a picture, whatever folders it needs."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    quality = {"quality": 95} if path.suffix == ".jpg" else {}
    Image.fromarray(array).save(path, **quality, **options)


def save_labels(path, mask, label, other=13):
    """A label map with a palette: `label` where the garment is, `other` (a face) in a corner."""
    labels = np.where(mask > 127, label, 0).astype(np.uint8)
    labels[:6, :6] = other
    image = Image.fromarray(labels)
    image.putpalette([value * 7 % 256 for value in range(768)])
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def article_mask(y):
    """255 where an article's photo is not ground."""
    return np.where(np.abs(y.astype(int) - y[0, 0]).max(-1) > 12, 255, 0).astype(np.uint8)


def write_list(path, rows, separator=" ", newline="\n", last=True):
    """A list of pairs; last: whether the last line ends in a newline."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    text = newline.join(separator.join(row) for row in rows) + (newline if last else "")
    Path(path).write_bytes(text.encode())


def viton_hd(root, parse="image-parse-v3", masks="cloth-mask", label=5, ending=".jpg"):
    """7 pairs to train on and 3 to test; lists whose second column is another garment."""
    for split, numbers in (("train", range(7)), ("test", range(7, 10))):
        names = [f"{n:05d}_00" for n in numbers]
        for n, name in zip(numbers, names):
            x, y, mask = shots()[n]
            save(f"{root}/{split}/image/{name}{ending}", x)
            save(f"{root}/{split}/cloth/{name}{ending}", y)
            save(f"{root}/{split}/{masks}/{name}{ending}", article_mask(y))
            save_labels(f"{root}/{split}/{parse}/{name}.png", mask, label)
        write_list(
            f"{root}/{split}_pairs.txt",
            [(f"{a}{ending}", f"{b}{ending}") for a, b in zip(names, names[1:] + names[:1])],
        )


def gp_vton(root):
    """The same as GP-VTON packs it: PNG, other folders, labels and lists, one folder further in."""
    base = f"{root}/VITON-HD-512"
    viton_hd(base, "parse-bytedance", "cloth_mask-bytedance", 21, ".png")
    for split, numbers in (("train", range(7)), ("test", range(7, 10))):
        names = [f"{n:05d}_00.png" for n in numbers]
        Path(f"{base}/{split}_pairs.txt").unlink()
        kind = "" if split == "train" else "_paired"
        write_list(f"{base}/{split}_pairs{kind}_1018.txt", [(n, n, "Upper-clothes") for n in names])
    write_list(
        f"{base}/test_pairs_unpaired_1018.txt",
        [(a, b, "Upper-clothes") for a, b in zip(names, names[1:] + names[:1])],
    )


def cp_vton(root):
    """The same as CP-VTON packs it: true train list, shuffled test list, Windows separators."""
    for split, numbers in (("train", range(7)), ("test", range(7, 10))):
        for n in numbers:
            x, y, mask = shots()[n]
            save(f"{root}/{split}/image/{n:06d}_0.jpg", x)
            save(f"{root}/{split}/cloth/{n:06d}_1.jpg", y)
            save(f"{root}/{split}/cloth-mask/{n:06d}_1.jpg", article_mask(y))
            save_labels(f"{root}/{split}/image-parse/{n:06d}_0.png", mask, 6)
    write_list(
        f"{root}/train_pairs.txt",
        [(f"image\\{n:06d}_0.jpg", f"cloth\\{n:06d}_1.jpg") for n in range(7)],
        newline="\r\n",
        last=False,
    )
    write_list(
        f"{root}/test_pairs.txt", [(f"{a:06d}_0.jpg", f"{b:06d}_1.jpg") for a, b in ((7, 9), (8, 7), (9, 8))]
    )


def dresscode(root):
    """Two categories with lists of any white space."""
    for category, label, numbers in (("upper_body", 4, range(7)), ("dresses", 7, range(7, 10))):
        folder = f"{root}/{category}"
        for n in numbers:
            x, y, mask = shots()[n]
            save(f"{folder}/images/{n:06d}_0.jpg", x)
            save(f"{folder}/images/{n:06d}_1.jpg", y)
            save_labels(f"{folder}/label_maps/{n:06d}_4.png", mask, label)
        names = [(f"{n:06d}_0.jpg", f"{n:06d}_1.jpg") for n in numbers]
        write_list(f"{folder}/train_pairs.txt", names[2:], "\t", last=False)
        write_list(f"{folder}/test_pairs_paired.txt", names[:2], "   ")
        write_list(
            f"{folder}/test_pairs_unpaired.txt", [(names[0][0], names[1][1]), (names[1][0], names[0][1])]
        )


def mpv(root):
    """Two poses of each person; the second is another's photo, mirrored."""
    rows = []
    for n in range(8):
        x, y, mask = shots()[n]
        name = f"RE{n:03d}D05M-Q11"
        folder = f"{root}/MPV_192_256/all/RE{n:03d}D05M"
        for view, photo, seen in (
            ("half_front", x, mask),
            ("whole_front", x[:, ::-1], mask[:, ::-1]),
            ("half_back", shots()[(n + 1) % 8][0], mask),
        ):
            save(f"{folder}/{name}@8=person_{view}.jpg", photo)
            parsing = folder.replace("/all/", "/all_parsing/")
            save_labels(f"{parsing}/{name}@8=person_{view}.png", seen, 5)
        save(f"{folder}/{name}@9=cloth_front.jpg", y)
        save(f"{folder}/{name}@9=cloth_front_mask.jpg", article_mask(y))
        base = f"RE{n:03d}D05M\\{name}"
        other = f"RE{6 + (n + 1) % 2:03d}D05M\\RE{6 + (n + 1) % 2:03d}D05M-Q11"
        views = [f"{base}@8=person_{view}.jpg" for view in ("half_front", "whole_front", "half_back")]
        split = "train" if n < 6 else "test"
        rows.append((views[0], views[1], f"{base}@9=cloth_front.jpg", split))
        rows.append((views[0], views[2], f"{base}@9=cloth_front.jpg", split))
        if split == "test":
            rows.append((views[0], views[1], f"{other}@9=cloth_front.jpg", split))
    write_list(f"{root}/MPV_192_256/all_poseA_poseB_clothes_0607.txt", rows, "\t")


def mpv3d(root):
    """One folder of each kind and two lists with many spaces."""
    names = [(f"RE{n:03d}D05M-Q11@{6 + n % 4}=", f"RE{n:03d}D05M-Q11@{10 + n % 3}=") for n in range(8)]
    for n, (person, garment) in enumerate(names):
        x, y, mask = shots()[n]
        save(f"{root}/image/{person}person_whole_front.png", x)
        save(f"{root}/cloth/{garment}cloth_front.jpg", y)
        save(f"{root}/cloth-mask/{garment}cloth_front_mask.jpg", article_mask(y))
        save_labels(f"{root}/image-parse/{person}person_whole_front_label.png", mask, 5)
    rows = [(f"{person}person_whole_front.png", f"{garment}cloth_front.jpg") for person, garment in names]
    write_list(f"{root}/train_pairs.txt", rows[:6], "      ")
    write_list(f"{root}/test_pairs.txt", [rows[6], (rows[6][0], rows[7][1]), rows[7]], "   ")


def lookbook(root):
    """Two photos of persons for every product."""
    for n in range(8):
        x, y, _ = shots()[n]
        save(f"{root}/PID{n:06d}_CLEAN1_IID{n * 3:06d}.jpg", y)
        save(f"{root}/PID{n:06d}_CLEAN0_IID{n * 3 + 1:06d}.jpg", x)
        save(f"{root}/PID{n:06d}_CLEAN0_IID{n * 3 + 2:06d}.jpg", np.ascontiguousarray(x[:, ::-1]))


def deepfashion(root):
    """Items of which one has two colors, with views that are not used."""
    lines = ["16", "image_name item_id evaluation_status"]
    for n in range(8):
        x, y, _ = shots()[n]
        item = f"id_{max(n, 1):08d}"  # items 0 and 1 are one item in two colors
        for view, photo in (("1_front", x), ("3_back", x[:, ::-1]), ("6_flat", y)):
            name = f"img/WOMEN/Sweaters/{item}/{n + 1:02d}_{view}.jpg"
            save(f"{root}/{name}", np.ascontiguousarray(photo))
            lines.append(f"{name}    {item}    {'train' if n < 6 else ('query', 'gallery')[n % 2]}")
    Path(f"{root}/list_eval_partition.txt").write_text("\n".join(lines))


def keras_cagan(root):
    """imgs/1 and imgs/5."""
    for n in range(8):
        x, y, _ = shots()[n]
        save(f"{root}/imgs/1/{n}_1.jpg", x)
        save(f"{root}/imgs/5/{n}_5.jpg", y)


def two_folders(root):
    """Two folders and, beside them, a list; names with spaces and beyond ASCII."""
    rows = []
    for n in range(8):
        x, y, mask = shots()[n]
        name = ("Größe {}", "shirt no {}", "上着{}")[n % 3].format(n)
        save(f"{root}/my people/{name}.jpg", x)
        save(f"{root}/clothes/{name}.png", y)
        save_labels(f"{root}/parse/{name}.png", mask, 7)
        rows.append((f"my people/{name}.jpg", f"clothes/{name}.png"))
    write_list(f"{root}/pairs.txt", rows)
