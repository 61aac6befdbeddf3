"""A figure: a posed body with garments and hair, as the meshes of a scene."""

import functools
from dataclasses import dataclass, replace

import numpy as np

from data_prep.photoshoot.body.anatomy import anatomy, apply_skinning, triangles
from data_prep.photoshoot.body.pose import turns_of
from data_prep.photoshoot.body.surface import FAR, cut, normals, part_surface, suit, template
from data_prep.photoshoot.clothes import tailor
from data_prep.photoshoot.clothes.lower import cut_waisted, drape_trousers, drape_waist, hang_skirt, shins
from data_prep.photoshoot.numeric import smoothstep

UNDER_HEM = 0.08  # height above the hem up to which skin under trousers and skirts may be visible [m]
NARROW = 0.07  # below this half-width of trouser legs, less is visible [m]


@dataclass(frozen=True)
class Part:
    """A mesh of one material: points [n,3], faces [m,3], coords: name -> [n]."""

    material: str
    points: np.ndarray
    faces: np.ndarray
    coords: dict


class Figure:
    """A build in a pose.  points: part of the anatomy -> posed points [n,3]; marks: landmarks at rest."""

    def __init__(self, build, pose, smile=0.0):
        body = anatomy()
        if smile:
            local = dict(build.local, smile=smile * 0.8, open=max(0, smile - 0.5) * 0.3)
            build = replace(build, local=local)
        self.rest, self.heads, _ = body.shape_build(build)
        self.marks = landmarks(self.rest, self.heads)
        self.turns = turns_of(pose, self.heads, body.bones, self.marks)
        self.transforms = body.transforms(self.heads, self.turns)
        posed = apply_skinning(self.rest, body.weights, self.transforms).astype(np.float32)
        self.points = {part: posed[rows] for part, rows in body.rows.items()}
        self.pose = pose

    def joint(self, bone):
        """The posed head of a bone [3]."""
        row = anatomy().bones.index(bone)
        return self.transforms[row, :, :3] @ self.heads[row] + self.transforms[row, :, 3]

    def bends(self):
        """The angles of the elbows (left, right) [rad]."""
        angles = []
        for side in "LR":
            S, E, W = (self.joint(f"{bone}.{side}") for bone in ("upperarm01", "lowerarm01", "wrist"))
            cosine = (E - S) @ (W - E) / np.linalg.norm(E - S) / np.linalg.norm(W - E)
            angles.append(float(np.arccos(np.clip(cosine, -1, 1))))
        return tuple(angles)

    def wear(self, garment, unzipped, name, rng):
        """The parts of a worn garment: its cloth and, if any, its collar or hood."""
        rows = anatomy().rows["suit"]
        if garment.category in ("trousers", "skirt"):
            cut_garment, rest = cut_waisted(garment), self.rest[rows]
            axis = (anatomy().leg_axis(self.heads),) if garment.category == "trousers" else ()
            points = (drape_trousers if axis else drape_waist)(cut_garment, rest, *axis)
        else:
            opens = garment.front not in ("closed", "open")  # others are cut once for all sittings
            cut_garment = tailor.cut_top(garment, unzipped if opens else 0)
            points = tailor.drape(cut_garment, self.rest[rows], self.marks)
        points = tailor.pose_cloth(cut_garment, points, anatomy().weights[rows], self.transforms)
        neck = self.joint("head") - self.joint("neck01")
        collar_mesh = tailor.collar(cut_garment, points, neck / np.linalg.norm(neck), unzipped, rng)
        mesh = points, cut_garment.surface.faces, cut_garment.surface.coords
        if garment.category in ("skirt", "dress"):
            (_, knee, hip), marks = anatomy().leg_axis(self.heads)[:, 2], template()[1]
            scale = float((hip - knee) / (marks.hip - marks.knee))
            mesh = hang_skirt(cut_garment, points, self.points["body"], scale)
        parts = [Part(name, *mesh)]
        if collar_mesh:
            parts.append(Part(name + " collar", *collar_mesh))
        return parts

    def move(self, points, surface, part):
        """Points [n,3] of a `Surface` over a part of the anatomy, at rest, posed by its skin weights."""
        weights = surface.map @ anatomy().weights[anatomy().rows[part]]
        return apply_skinning(points, weights, self.transforms).astype(np.float32)

    def trousers(self, sitter):
        """The parts of the trousers, shorts, leggings or skirt."""
        rows, marks = anatomy().rows, template()[1]
        if sitter.below == "skirt":
            surface = part_surface("skirt")
            points = self.move(surface.map @ self.rest[rows["skirt"]], surface, "skirt")
            return [Part("below", points, surface.faces, surface.coords)]
        surface = below_surface(round(sitter.waist, 2), sitter.below == "shorts")
        rest = (surface.map @ self.rest[rows["suit"]]).astype(np.float32)
        wide = {"leggings": 0.0015, "jeans": 0.004, "trousers": 0.007, "shorts": 0.012}[sitter.below]
        drop = smoothstep(0, 0.3, marks.hip - surface.coords["z"])
        points = rest + (0.002 + wide * (0.1 + drop))[:, None] * normals(rest, surface.faces)
        return [Part("below", self.move(points, surface, "suit"), surface.faces, surface.coords)]

    def skin(self, tops, sitter, trousers=True):
        """The parts of the body that ``tops`` (garment, unzipped) do not cover, and the eyes.

        trousers: whether the sitter's own trousers, shorts or leggings are worn.
        """
        body, marks = part_surface("body"), template()[1]
        c = body.coords
        hidden = np.zeros(len(body), bool)
        for garment, unzipped in tops:
            hidden |= is_covered(c, garment, unzipped)
        for sign, (name, _) in zip((1, -1), sitter.pose.arms):
            if name == "pocket":
                hidden |= (c["hand"] > 0.35) & (c["x"] * sign > 0)
        if trousers and sitter.below != "skirt":
            end = marks.crotch - 0.10 if sitter.below == "shorts" else -FAR
            hidden |= (c["z"] < marks.hip + sitter.waist - 0.03) & (c["arm"] < 0.3) & (c["z"] > end + 0.03)
        faces = anatomy().faces["body"]
        skin = Part("skin", self.points["body"], triangles(faces[~hidden[faces].all(1)]), c)
        eyes = self.points["eyes"], triangles(anatomy().faces["eyes"]), eye_coordinates()
        return [skin, Part("eyes", *eyes)]

    def shins(self, garment):
        """The legs below the calves, where the body's mesh ends, as far as a garment leaves them bare."""
        surface = shins()
        points = self.move(surface.map @ self.rest[anatomy().rows["body"]], surface, "body")
        hidden = is_covered(surface.coords, garment, 0)
        faces = surface.faces[~hidden[surface.faces].all(1)]
        return [Part("skin", points, faces, surface.coords)] if len(faces) else []


def landmarks(rest, heads):
    """Landmarks of a body at rest [m]: the torso at hip, waist and chest, and the chin."""
    body = anatomy()
    at = {bone: heads[row, 2] for row, bone in enumerate(body.bones)}
    marks = {"chin": at["head"]}
    points, weights = rest[body.rows["suit"]], body.weights[body.rows["suit"]]
    arm = weights[:, [n for n, bone in enumerate(body.bones) if "arm" in bone or "wrist" in bone]].sum(1)
    for name, bone in (("hip", "upperleg01.L"), ("waist", "spine03"), ("chest", "spine01")):
        ring = points[(np.abs(points[:, 2] - at[bone]) < 0.025) & (arm < 0.3)]
        marks |= {f"{name} x": np.abs(ring[:, 0]).max(), f"{name} z": at[bone]}
        marks |= {f"{name} front": ring[:, 1].min(), f"{name} back": ring[:, 1].max()}
    return marks


@functools.cache
def eye_coordinates():
    """x, y, z of the eyes' points relative to the center of each eye, on the template."""
    points = template()[0][anatomy().rows["eyes"]].astype(float)
    left = points[:, 0] > 0
    middle = np.where(left[:, None], points[left].mean(0), points[~left].mean(0))
    return dict(zip("xyz", (points - middle).astype(np.float32).T))


def is_covered(c, garment, unzipped):
    """Whether points [n] lie well under a garment's cloth."""
    marks, margin = template()[1], 0.03
    if garment.category in ("trousers", "skirt"):
        inside = (c["arm"] < 0.3) & (c["z"] < tailor.waist_height(garment) - margin)
        under = margin if 0 < garment.opening < NARROW else UNDER_HEM
        return inside & (c["z"] > tailor.hem_height(garment) + under) & (c["hand"] < 0.5)
    on_arm = c["arm"] > 0.5
    above = UNDER_HEM if garment.category == "dress" else margin
    inside = on_arm | (c["z"] > tailor.hem_height(garment) + above)
    if garment.sleeve == "sleeveless":
        inside &= tailor.armhole_field(c) > margin
    else:
        inside &= np.where(c["arm"] > 0.1, (garment.end - c["t"]) * marks.reach > margin, True)
    inside &= tailor.neck_field(c, garment) > margin
    inside &= tailor.opening_field(c, garment, unzipped) > margin
    return inside & (c["head"] < 0.1) & (c["hand"] < 0.5)


@functools.lru_cache(64)
def below_surface(waist, shorts):
    """The suit from the waist down, for shorts to the thighs."""
    marks, surface = template()[1], suit()
    above = marks.hip + waist - surface.coords["z"]
    surface = cut(surface, np.where(surface.coords["arm"] > 0.5, -FAR, above))
    return cut(surface, surface.coords["z"] - (marks.crotch - 0.10)) if shorts else surface
