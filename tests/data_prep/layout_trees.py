"""Small trees in the layouts of public data sets, filled with drawings of people and garments."""

import functools
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cagan_theano.io.command import main
from data_prep.__main__ import cli

SIZE = (128, 96)
COUNT = 10


def run(*words):
    """Run a command of data_prep that succeeds; returns its output."""
    done = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def error(capsys, *words):
    """Run a command of data_prep that fails; returns its one line on stderr."""
    with pytest.raises(SystemExit) as left:
        main(cli, [str(word) for word in words])
    said = capsys.readouterr().err
    lines = [line for line in said.splitlines() if line.startswith("Error: ")]
    assert left.value.code not in (0, None) and len(lines) == 1 and "Traceback" not in said
    return lines[0]


@functools.cache
def shot(number):
    """(x, y, mask) of a person, a garment of their own and where it is in x: uint8 arrays."""
    rng = np.random.default_rng(number)
    pattern = np.kron(rng.integers(0, 200, (4, 3, 3)), np.ones((14, 14, 1))).astype(np.uint8)
    x = np.full((*SIZE, 3), rng.integers(225, 245), np.uint8)
    x[96:, 28:68] = rng.integers(0, 150, 3)  # trousers, cut off by the lower edge
    x[12:42, 36:58] = rng.integers(90, 220, 3)  # head
    x[50:80, 12:26] = rng.integers(90, 220, 3)  # an arm
    x[42:98, 26:68] = pattern
    mask = np.zeros(SIZE, np.uint8)
    mask[42:98, 26:68] = 255
    y = np.full((*SIZE, 3), 246, np.uint8)
    y[36:92, 27:69] = pattern
    y[36:64, 12:27] = y[36:64, 69:84] = pattern[0, 0]  # sleeves
    return x, y, mask


def save(path, picture):
    """Write an array or image, whatever folders it needs."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    image.save(path, quality=95)


def save_labels(path, mask, label):
    """A label map with a palette: `label` where the garment is, 13 (a face) in a corner."""
    labels = np.where(mask > 127, label, 0).astype(np.uint8)
    labels[:6, :6] = 13
    image = Image.fromarray(labels)
    image.putpalette([value * 7 % 256 for value in range(768)])
    save(path, image)


def article_mask(y):
    """255 where an article's photo is not ground."""
    return np.where(np.abs(y.astype(int) - y[0, 0]).max(-1) > 12, 255, 0).astype(np.uint8)


def overlap(a, b):
    """Intersection over union of two regions."""
    return (a & b).sum() / (a | b).sum()


def write_list(path, rows, separator=" ", newline="\n", last=True):
    """A list of pairs; last: whether the last line ends in a newline."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    text = newline.join(separator.join(row) for row in rows) + (newline if last else "")
    Path(path).write_bytes(text.encode())


def save_pairs(root, numbers, person, garment, parse=None, garment_mask=None, label=5):
    """Write the files of these shots; their paths have {} for the number."""
    for n in numbers:
        x, y, mask = shot(n)
        save(f"{root}/{person}".format(n), x)
        save(f"{root}/{garment}".format(n), y)
        if parse:
            save_labels(f"{root}/{parse}".format(n), mask, label)
        if garment_mask:
            save(f"{root}/{garment_mask}".format(n), article_mask(y))


def rotated(names):
    """Pairs of names, each with the next one."""
    return list(zip(names, names[1:] + names[:1]))


def viton_hd(root, parse="image-parse-v3", masks="cloth-mask", label=5, ending=".jpg"):
    """7 pairs to train on and 3 to test; lists whose second column is another garment."""
    image, cloth, y_mask = (f"{inner}/{{:05d}}_00{ending}" for inner in ("image", "cloth", masks))
    for split, numbers in (("train", range(7)), ("test", range(7, 10))):
        save_pairs(f"{root}/{split}", numbers, image, cloth, parse + "/{:05d}_00.png", y_mask, label)
        write_list(f"{root}/{split}_pairs.txt", rotated([f"{n:05d}_00{ending}" for n in numbers]))


def gp_vton(root):
    """The same as GP-VTON packs it: PNG, other folders, labels and lists, one folder further in."""
    base = f"{root}/VITON-HD-512"
    viton_hd(base, "parse-bytedance", "cloth_mask-bytedance", 21, ".png")
    for split, numbers, kind in (("train", range(7), ""), ("test", range(7, 10), "_paired")):
        names = [f"{n:05d}_00.png" for n in numbers]
        Path(f"{base}/{split}_pairs.txt").unlink()
        write_list(f"{base}/{split}_pairs{kind}_1018.txt", [(n, n, "Upper-clothes") for n in names])
    write_list(f"{base}/test_pairs_unpaired_1018.txt", [(*pair, "Upper-clothes") for pair in rotated(names)])


def cp_vton(root):
    """The same as CP-VTON packs it: true train list, shuffled test list, Windows separators."""
    ends = {"image": "0.jpg", "cloth": "1.jpg", "image-parse": "0.png", "cloth-mask": "1.jpg"}
    paths = [f"{inner}/{{:06d}}_{end}" for inner, end in ends.items()]
    save_pairs(f"{root}/train", range(7), *paths, label=6)
    save_pairs(f"{root}/test", range(7, 10), *paths, label=6)
    rows = [(f"image\\{n:06d}_0.jpg", f"cloth\\{n:06d}_1.jpg") for n in range(7)]
    write_list(f"{root}/train_pairs.txt", rows, newline="\r\n", last=False)
    swaps = [(f"{a:06d}_0.jpg", f"{b:06d}_1.jpg") for a, b in ((7, 9), (8, 7), (9, 8))]
    write_list(f"{root}/test_pairs.txt", swaps)


def dresscode(root):
    """Two categories with lists of any white space, in folders of which one begins with a capital."""
    for category, label, numbers in (("upper_body", 4, range(7)), ("Dresses", 7, range(7, 10))):
        inner = f"{root}/{category}"
        paths = "images/{:06d}_0.jpg", "images/{:06d}_1.jpg", "label_maps/{:06d}_4.png"
        save_pairs(inner, numbers, *paths, label=label)
        names = [(f"{n:06d}_0.jpg", f"{n:06d}_1.jpg") for n in numbers]
        write_list(f"{inner}/train_pairs.txt", names[2:], "\t", last=False)
        write_list(f"{inner}/test_pairs_paired.txt", names[:2], "   ")
        unpaired = [(names[0][0], names[1][1]), (names[1][0], names[0][1])]
        write_list(f"{inner}/test_pairs_unpaired.txt", unpaired)


def mpv(root):
    """Two poses of each person; the second is another's photo, mirrored."""
    rows = []
    for n in range(8):
        x, y, mask = shot(n)
        base = f"RE{n:03d}D05M/RE{n:03d}D05M-Q11"
        poses = [f"{base}@8=person_{view}" for view in ("half_front", "whole_front", "half_back")]
        photos = (x, mask), (x[:, ::-1], mask[:, ::-1]), (shot((n + 1) % 8)[0], mask)
        for pose, (photo, seen) in zip(poses, photos):
            save(f"{root}/MPV_192_256/all/{pose}.jpg", photo)
            save_labels(f"{root}/MPV_192_256/all_parsing/{pose}.png", seen, 5)
        save(f"{root}/MPV_192_256/all/{base}@9=cloth_front.jpg", y)
        save(f"{root}/MPV_192_256/all/{base}@9=cloth_front_mask.jpg", article_mask(y))
        split, other = "train" if n < 6 else "test", f"RE{6 + (n + 1) % 2:03d}D05M"
        swaps = [(0, 1, f"{other}/{other}-Q11")] if split == "test" else []
        for a, b, worn in [(0, 1, base), (0, 2, base), *swaps]:
            row = f"{poses[a]}.jpg", f"{poses[b]}.jpg", f"{worn}@9=cloth_front.jpg"
            rows.append((*(path.replace("/", "\\") for path in row), split))
    write_list(f"{root}/MPV_192_256/all_poseA_poseB_clothes_0607.txt", rows, "\t")


def mpv3d(root):
    """One folder of each kind and two lists with many spaces."""
    rows = []
    for n in range(8):
        person = f"RE{n:03d}D05M-Q11@{6 + n % 4}=person_whole_front"
        garment = f"RE{n:03d}D05M-Q11@{10 + n % 3}=cloth_front"
        rows.append((f"{person}.png", f"{garment}.jpg"))
        save_pairs(root, [n], f"image/{person}.png", f"cloth/{garment}.jpg",
                   f"image-parse/{person}_label.png", f"cloth-mask/{garment}_mask.jpg")  # fmt: skip
    write_list(f"{root}/train_pairs.txt", rows[:6], "      ")
    write_list(f"{root}/test_pairs.txt", [rows[6], (rows[6][0], rows[7][1]), rows[7]], "   ")


def lookbook(root):
    """Two photos of persons for every product."""
    for n in range(8):
        x, y, _ = shot(n)
        for kind, photo in enumerate((y, x, np.ascontiguousarray(x[:, ::-1]))):
            save(f"{root}/PID{n:06d}_CLEAN{int(kind == 0)}_IID{n * 3 + kind:06d}.jpg", photo)


def deepfashion(root):
    """Items of which one has two colors, with views that are not used."""
    lines = ["16", "image_name item_id evaluation_status"]
    for n in range(8):
        x, y, _ = shot(n)
        item = f"id_{max(n, 1):08d}"  # items 0 and 1 are one item in two colors
        for view, photo in (("1_front", x), ("3_back", x[:, ::-1]), ("6_flat", y)):
            name = f"img/WOMEN/Sweaters/{item}/{n + 1:02d}_{view}.jpg"
            save(f"{root}/{name}", np.ascontiguousarray(photo))
            lines.append(f"{name}    {item}    {'train' if n < 6 else ('query', 'gallery')[n % 2]}")
    Path(f"{root}/list_eval_partition.txt").write_text("\n".join(lines))


def keras_cagan(root):
    """imgs/1 and imgs/5."""
    save_pairs(root, range(8), "imgs/1/{}_1.jpg", "imgs/5/{}_5.jpg")


def two_folders(root):
    """Two folders and, beside them, a list; names with spaces and beyond ASCII."""
    rows = []
    for n in range(8):
        name = ("Größe {}", "shirt no {}", "上着{}")[n % 3].format(n)
        rows.append((f"my people/{name}.jpg", f"clothes/{name}.png"))
        save_pairs(root, [n], *rows[-1], f"parse/{name}.png", label=7)
    write_list(f"{root}/pairs.txt", rows)
