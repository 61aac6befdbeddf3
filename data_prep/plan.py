"""Select the pairs to keep, assign them to splits, and record why the others are dropped."""

import math
from typing import NamedTuple

import numpy as np

from data_prep.near_duplicates import Groups, near_repeats, neighbours

SPLITS = ("given", "product", "train", "test")


class Drop(NamedTuple):
    """A dropped pair; why: "KIND: detail"."""

    pair: object
    why: str


class Kept(NamedTuple):
    """A kept pair with its split and the integer ids of its person and garment."""

    pair: object
    split: str
    person: int
    garment: int


class Plan(NamedTuple):
    """kept: `Kept`, train before test; dropped: `Drop`; triples: (i, j) rows of the test split;
    unmatched: number of unpaired rows that gave no triple; repeats: number of near repeats; suspects:
    pairs kept although their garment's photo appears to show a person."""

    kept: list
    dropped: list
    triples: list
    unmatched: int
    repeats: int
    suspects: list


class Planner:
    """Filters pairs step by step; each step moves some from `pairs` to `dropped`.

    pairs: `records.Pair`s; metadata: (role, path) -> `Developed` without images; near: photo ->
    its near repeats.  A photo is identified by (role, digest), so byte-identical files are one photo.
    """

    def __init__(self, pairs, metadata):
        self.pairs, self.metadata, self.dropped = list(dict.fromkeys(pairs)), metadata, []
        self.near = {}

    def filter_pairs(self, why):
        """Drop each pair for which why(pair) returns a reason."""
        kept = []
        for pair in self.pairs:
            reason = why(pair)
            if reason:
                self.dropped.append(Drop(pair, reason))
            else:
                kept.append(pair)
        self.pairs = kept

    def metadata_of(self, pair):
        """The `Developed` of a pair's two photos."""
        return self.metadata["x", pair.person], self.metadata["y", pair.garment]

    def drop_unusable(self, masks, drop_doubts):
        """Drop pairs with an unusable photo or required mask."""
        self.filter_pairs(lambda pair: next((m.fault for m in self.metadata_of(pair) if m.fault), None))
        if masks:
            required = {
                "parse": any(p.parse for p in self.pairs),
                "garment_mask": any(p.garment_mask for p in self.pairs),
            }
            self.filter_pairs(lambda pair: self.mask_fault(pair, required))
        if drop_doubts:
            self.filter_pairs(lambda pair: self.metadata_of(pair)[1].doubt)

    def mask_fault(self, pair, required):
        """Why a pair lacks a required mask, or None; required: name of a mask -> bool."""
        for name, metadata in zip(required, self.metadata_of(pair)):
            if required[name] and metadata.mask_fault:
                return metadata.mask_fault
            if required[name] and getattr(pair, name) is None:
                return "mask: missing, although other pairs have one"
        return None

    def photos(self, pair):
        """The two photos of a pair, each as (role, digest)."""
        x, y = self.metadata_of(pair)
        return ("x", x.digest), ("y", y.digest)

    def keys(self, pair):
        """Keys of everything that two pairs can share: photos, person and product."""
        return (*self.photos(pair), ("person", pair.person_id), ("product", pair.product))

    def find_repeats(self):
        """Find near repeats among the photos of all remaining pairs; returns their number."""
        metadata = {
            photo: developed
            for pair in self.pairs
            for photo, developed in zip(self.photos(pair), self.metadata_of(pair))
        }
        photos = list(metadata)
        if not photos:
            return 0
        found = near_repeats(
            [developed.phash for developed in metadata.values()],
            np.stack([np.frombuffer(developed.colors, np.uint8) for developed in metadata.values()]),
            [digest for _, digest in photos],
        )
        self.near = {
            photos[a]: [photos[b] for b in sorted(others)] for a, others in neighbours(found).items()
        }
        return len(found)

    def drop_person_garments(self):
        """Drop pairs whose garment photo is also the person's photo of this or another pair."""
        people = {photo: pair.person for pair in reversed(self.pairs) for photo in self.photos(pair)[:1]}

        def why(pair):
            near = self.near.get(self.photos(pair)[1], ())
            person = next((photo for photo in near if photo[0] == "x"), None)
            return person and f"person: the garment's photo is also the person's photo {people[person]}"

        self.filter_pairs(why)

    def drop_repeats(self):
        """Drop pairs that repeat an earlier one; pairs of the test split take precedence."""
        groups, seen = self.photo_groups(), {}
        order = sorted(self.pairs, key=lambda pair: pair.split != "test")
        for pair in order:
            seen.setdefault(tuple(groups.find(photo) for photo in self.photos(pair)), pair)
        first = set(seen.values())

        def why(pair):
            if pair in first:
                return None
            other = seen[tuple(groups.find(photo) for photo in self.photos(pair))]
            return f"repeat: same as {other.person} with {other.garment}"

        self.filter_pairs(why)

    def photo_groups(self):
        """`Groups` of the photos of all remaining pairs, near repeats joined."""
        groups, used = Groups(), {photo for pair in self.pairs for photo in self.photos(pair)}
        for photo, others in self.near.items():
            for other in others:
                if photo in used and other in used and photo[0] == other[0]:
                    groups.join(photo, other)
        return groups

    def drop_crossing(self):
        """Drop training pairs that share a product, a person or a photo with the test split."""
        test_keys = {}
        for pair in self.pairs:
            if pair.split == "test":
                for key in self.keys_near(pair):
                    test_keys.setdefault(key, pair)

        def why(pair):
            crossing = [key for key in self.keys(pair) if key in test_keys]
            if pair.split == "test" or not crossing:
                return None
            other = test_keys[crossing[0]]
            return (
                f"crossing: {KEY_NAMES[crossing[0][0]]} is also in the test split "
                f"({other.person} with {other.garment})"
            )

        self.filter_pairs(why)

    def keys_near(self, pair):
        """Yield the keys of a test pair and of its near repeats, which no training pair may share."""
        yield from self.keys(pair)
        for photo in self.photos(pair):
            yield from (other for other in self.near.get(photo, ()) if other[0] == photo[0])

    def identity_groups(self):
        """`Groups` of photos, people and products: one group per identity, near repeats joined."""
        groups = self.photo_groups()
        for pair in self.pairs:
            person, garment = self.photos(pair)
            groups.join(("person", pair.person_id), person)
            groups.join(("product", pair.product), garment)
        return groups


KEY_NAMES = {
    "x": "the person's photo",
    "y": "the garment's photo",
    "person": "the person",
    "product": "the product",
}


def make_plan(pairs, unpaired, metadata, *, split="given", share=0.1, seed=0, masks=True, drop_doubts=True):
    """Select pairs and assign them to splits: a `Plan`.

    metadata: (role, path) -> `Developed`.  split: "given" (the dataset's own, or by product if it has
    none), "product", or "train" or "test" for everything.  share: largest share of the pairs that a
    split by product holds out; seed: of the held-out choice.
    """
    planner = Planner(pairs, metadata)
    planner.drop_unusable(masks, drop_doubts)
    repeats = planner.find_repeats()
    planner.drop_person_garments()
    if split != "given":
        planner.pairs = [pair._replace(split="") for pair in planner.pairs]
    planner.drop_repeats()
    planner.drop_crossing()
    groups = planner.identity_groups()
    splits = choose_splits(planner, groups, split, share, seed)
    kept = number_pairs(planner, groups, splits)
    triples = match_triples(kept, unpaired)
    doubts = [(k.pair, metadata["y", k.pair.garment].doubt) for k in kept]
    suspects = [Drop(pair, doubt) for pair, doubt in doubts if doubt]
    return Plan(kept, planner.dropped, triples, len(unpaired) - len(triples), repeats, suspects)


def choose_splits(planner, groups, split, share, seed):
    """The split of each pair: given, the same for all, or by groups of connected people and products."""
    pairs = planner.pairs
    if split in ("train", "test"):
        return [split] * len(pairs)
    if any(pair.split for pair in pairs):
        return [pair.split or "train" for pair in pairs]
    connected, members = Groups(), {}
    for pair in pairs:
        connected.join(*(groups.find(photo) for photo in planner.photos(pair)))
    for row, pair in enumerate(pairs):
        members.setdefault(connected.find(groups.find(planner.photos(pair)[0])), []).append(row)
    chosen, blocks = ["train"] * len(pairs), list(members.values())
    remaining = math.ceil(share * len(pairs))
    for index in np.random.default_rng(seed).permutation(len(blocks)):
        if len(blocks[index]) <= remaining:
            remaining -= len(blocks[index])
            for row in blocks[index]:
                chosen[row] = "test"
    return chosen


def number_pairs(planner, groups, splits):
    """`Kept` pairs, train before test, with people and garments numbered in order of appearance."""
    people, garments, kept = {}, {}, []
    for split in ("train", "test"):
        for pair, pair_split in zip(planner.pairs, splits):
            if pair_split == split:
                person, garment = (groups.find(photo) for photo in planner.photos(pair))
                kept.append(
                    Kept(
                        pair,
                        split,
                        people.setdefault(person, len(people)),
                        garments.setdefault(garment, len(garments)),
                    )
                )
    return kept


def match_triples(kept, unpaired):
    """(i, j) rows of the test split for each unpaired row whose two photos are both in it."""
    tests = [k for k in kept if k.split == "test"]
    of_person, of_garment = {}, {}
    for row, k in enumerate(tests):
        of_person.setdefault(k.pair.person, row)
        of_garment.setdefault(k.pair.garment, row)
    rows = [(of_person.get(u.person), of_garment.get(u.garment)) for u in unpaired]
    return [(i, j) for i, j in rows if None not in (i, j) and tests[i].garment != tests[j].garment]
