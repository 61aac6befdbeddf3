"""Select the pairs to keep, assign them to splits, and record why the others are dropped."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from scipy.cluster.hierarchy import DisjointSet

from data_prep.examine import Examined
from data_prep.layouts.records import Pair, Unpaired
from data_prep.near_repeats import near_repeats

FEWEST = 2  # pairs of a split: a swap needs another garment
NAMES = dict(x="the person's photo", y="the garment's photo", person="the person", product="the product")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of an import.

    size: (height, width) [pixels]; fit: "pad" or "crop"; split: "given" (the dataset's own, or by product
    if it has none), "product", or "train" or "test" for everything; share: largest share of the pairs that
    a split by product holds out; seed: of the held-out choice; masks: store masks, and drop pairs without
    them; drop_doubts: drop garments whose photo appears to show a person; jobs: photos examined in parallel.
    """

    size: tuple[int, int] = (128, 96)
    fit: str = "pad"
    split: str = "given"
    share: float = 0.1
    seed: int = 0
    masks: bool = True
    drop_doubts: bool = True
    jobs: int = 2


Photo: TypeAlias = tuple[str, str]  # (role, digest): byte-identical files are one photo
Photos: TypeAlias = Mapping[tuple[str, str], Examined]  # by (role, path)


class Candidate(NamedTuple):
    """A pair and its two examined photos."""

    pair: Pair
    x: Examined
    y: Examined

    @property
    def photos(self) -> tuple[Photo, Photo]:
        """The person's and the garment's photo."""
        return ("x", self.x.digest), ("y", self.y.digest)


Reasons: TypeAlias = Iterable[str | None]  # why to drop each pair, "KIND: detail" or None
Near: TypeAlias = Mapping[Photo, Sequence[Photo]]  # photo -> its near repeats


class Drop(NamedTuple):
    """A dropped pair; why: "KIND: detail"."""

    pair: Pair
    why: str

    @property
    def kind(self) -> str:
        """The kind of the reason."""
        return self.why.partition(":")[0]


class Kept(NamedTuple):
    """A kept pair with its split and the integer ids of its person and garment."""

    pair: Pair
    split: str
    person: int
    garment: int


class Selection(NamedTuple):
    """kept: train before test; triples: (i, j) rows of the test split; unmatched: number of unpaired rows
    that gave no triple; repeats: number of near repeats; suspects: kept pairs whose garment's photo
    appears to show a person."""

    kept: list[Kept]
    dropped: list[Drop]
    triples: list[tuple[int, int]]
    unmatched: int
    repeats: int
    suspects: list[Drop]


def select(
    pairs: Sequence[Pair], unpaired: Sequence[Unpaired], photos: Photos, settings: Settings
) -> Selection:
    """Select pairs and assign them to splits."""
    unique = dict.fromkeys(pairs)
    left = [Candidate(pair, photos["x", pair.person], photos["y", pair.garment]) for pair in unique]
    dropped: list[Drop] = []

    def drop(reasons: Reasons) -> list[Candidate]:
        """Drop the pairs for which there is a reason; returns the others."""
        rows = list(zip(left, reasons))
        dropped.extend(Drop(one.pair, reason) for one, reason in rows if reason)
        return [one for one, reason in rows if not reason]

    left = drop(one.x.fault or one.y.fault for one in left)
    if settings.masks:
        left = drop(mask_faults(left))
    if settings.drop_doubts:
        left = drop(one.y.doubt for one in left)
    near, repeats = find_repeats(left)
    left = drop(person_garments(left, near))
    if settings.split != "given":
        left = [one._replace(pair=one.pair._replace(split="")) for one in left]
    left = drop(repeated_pairs(left, near))
    left = drop(crossing_pairs(left, near))
    groups = group_photos(left, near)
    for one in left:
        for key, photo in zip((("person", one.pair.person_id), ("product", one.pair.product)), one.photos):
            groups.add(key)
            groups.merge(key, photo)
    identities = [[groups[photo] for photo in one.photos] for one in left]
    chosen = [one.pair for one in left]
    splits = choose_splits(chosen, identities, settings)
    kept = number_pairs(chosen, identities, splits)
    triples = match_triples(kept, unpaired)
    doubts = [(k.pair, photos["y", k.pair.garment].doubt) for k in kept]
    suspects = [Drop(pair, doubt) for pair, doubt in doubts if doubt]
    return Selection(kept, dropped, triples, len(unpaired) - len(triples), repeats, suspects)


def mask_faults(left: Sequence[Candidate]) -> Reasons:
    """Why a mask cannot be used; one that other pairs have must not be missing."""
    parses, masks = any(one.pair.parse for one in left), any(one.pair.garment_mask for one in left)
    for pair, x, y in left:
        missing = parses and pair.parse is None or masks and pair.garment_mask is None
        other = "mask: missing, although other pairs have one" if missing else None
        yield parses and x.mask_fault or masks and y.mask_fault or other


def find_repeats(left: Sequence[Candidate]) -> tuple[Near, int]:
    """(the near repeats of each photo, their number)."""
    examined = {photo: file for one in left for photo, file in zip(one.photos, (one.x, one.y))}
    photos, files = list(examined), examined.values()
    found = near_repeats([file.phash for file in files], [file.colors for file in files])
    near: dict[Photo, list[Photo]] = {}
    for a, b in found:
        near.setdefault(photos[a], []).append(photos[b])
        near.setdefault(photos[b], []).append(photos[a])
    return near, len(found)


def person_garments(left: Sequence[Candidate], near: Near) -> Reasons:
    """Whether a garment's photo is also the person's photo of this or another pair."""
    people = {one.photos[0]: one.pair.person for one in reversed(left)}
    for one in left:
        person = next((photo for photo in near.get(one.photos[1], ()) if photo[0] == "x"), None)
        yield person and f"person: the garment's photo is also the person's photo {people[person]}"


def group_photos(left: Sequence[Candidate], near: Near) -> DisjointSet:
    """The photos of the pairs, near repeats of a role joined."""
    groups = DisjointSet(photo for one in left for photo in one.photos)
    for photo, others in near.items():
        for other in others:
            if photo in groups and other in groups and photo[0] == other[0]:
                groups.merge(photo, other)
    return groups


def repeated_pairs(left: Sequence[Candidate], near: Near) -> Reasons:
    """Whether a pair repeats an earlier one; pairs of the test split take precedence."""
    groups = group_photos(left, near)
    keys = {one.pair: tuple(groups[photo] for photo in one.photos) for one in left}
    first: dict[tuple[object, ...], Pair] = {}
    for pair in sorted(keys, key=lambda pair: pair.split != "test"):
        first.setdefault(keys[pair], pair)
    for one in left:
        other = first[keys[one.pair]]
        yield None if other == one.pair else f"repeat: same as {other.person} with {other.garment}"


def crossing_pairs(left: Sequence[Candidate], near: Near) -> Reasons:
    """Whether a training pair shares a product, a person or a photo with the test split."""
    keys = [(*one.photos, ("person", one.pair.person_id), ("product", one.pair.product)) for one in left]
    taken: dict[tuple[str, str], Pair] = {}
    for one, its_keys in zip(left, keys):
        for key in its_keys if one.pair.split == "test" else ():
            for other in (key, *near.get(key, ())):
                if other[0] == key[0]:
                    taken.setdefault(other, one.pair)
    for one, its_keys in zip(left, keys):
        crossing = next((key for key in its_keys if key in taken), None)
        if one.pair.split == "test" or crossing is None:
            yield None
        else:
            where = f"in the test split ({taken[crossing].person} with {taken[crossing].garment})"
            yield f"crossing: {NAMES[crossing[0]]} is also {where}"


def choose_splits(
    pairs: Sequence[Pair], identities: Sequence[Sequence[object]], settings: Settings
) -> list[str]:
    """The split of each pair: given, the same for all, or by groups of connected people and products.

    identities: of each pair's person and garment.
    """
    if settings.split in ("train", "test"):
        return [settings.split] * len(pairs)
    if any(pair.split for pair in pairs):
        return [pair.split or "train" for pair in pairs]
    connected = DisjointSet(one for pair in identities for one in pair)
    for person, garment in identities:
        connected.merge(person, garment)
    members: dict[object, list[int]] = {}
    for row, (person, _) in enumerate(identities):
        members.setdefault(connected[person], []).append(row)
    blocks, left = list(members.values()), math.ceil(settings.share * len(pairs))
    held_out: set[int] = set()
    for index in np.random.default_rng(settings.seed).permutation(len(blocks)):
        if len(blocks[index]) <= left:
            left -= len(blocks[index])
            held_out.update(blocks[index])
    if min(len(held_out), len(pairs) - len(held_out)) < FEWEST:
        held_out.clear()
    return ["test" if row in held_out else "train" for row in range(len(pairs))]


def number_pairs(
    pairs: Sequence[Pair], identities: Sequence[Sequence[object]], splits: Sequence[str]
) -> list[Kept]:
    """`Kept` pairs, train before test, with people and garments numbered in order of appearance."""
    numbers: tuple[dict[object, int], dict[object, int]] = ({}, {})
    rows = sorted(zip(splits, pairs, identities), key=lambda row: row[0] == "test")
    return [
        Kept(pair, split, *(known.setdefault(one, len(known)) for known, one in zip(numbers, identity)))
        for split, pair, identity in rows
    ]


def match_triples(kept: Sequence[Kept], unpaired: Sequence[Unpaired]) -> list[tuple[int, int]]:
    """(i, j) rows of the test split for each unpaired row whose two photos are both in it."""
    tests = [k for k in kept if k.split == "test"]
    of_person, of_garment = {}, {}
    for row, k in reversed(list(enumerate(tests))):
        of_person[k.pair.person] = of_garment[k.pair.garment] = row
    both = (u for u in unpaired if u.person in of_person and u.garment in of_garment)
    rows = [(of_person[u.person], of_garment[u.garment]) for u in both]
    return [(i, j) for i, j in rows if tests[i].garment != tests[j].garment]
