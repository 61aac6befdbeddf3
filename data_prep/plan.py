"""Which pairs are kept, in which split, and why the others are not."""

import math
from typing import NamedTuple

import numpy as np

from data_prep.repeats import Groups, near_repeats, neighbours

SPLITS = ("given", "product", "train", "test")


class Drop(NamedTuple):
    """A pair that is left out; why: "KIND: what exactly"."""

    pair: object
    why: str


class Kept(NamedTuple):
    """A pair that is kept, with its split and the numbers of its person and its garment."""

    pair: object
    split: str
    person: int
    garment: int


class Plan(NamedTuple):
    """kept: `Kept`, those to train on first; dropped: `Drop`; triples: (i, j) rows of the test
    split; lost: how many unpaired rows could not become triples; repeats: how many near repeats
    were found; doubts: pairs that are kept although a check doubts their garment."""

    kept: list
    dropped: list
    triples: list
    lost: int
    repeats: int
    doubts: list


class Planner:
    """Sifts pairs step by step; each step moves some from `pairs` to `dropped`.

    pairs: `records.Pair`s; facts: (role, photo) -> `Developed` without pictures.
    """

    def __init__(self, pairs, facts):
        self.pairs, self.facts, self.dropped = list(dict.fromkeys(pairs)), facts, []
        self.photos, self.near = [], {}

    def sift(self, why):
        """Drop each pair for which why(pair) is a text."""
        kept = []
        for pair in self.pairs:
            reason = why(pair)
            if reason:
                self.dropped.append(Drop(pair, reason))
            else:
                kept.append(pair)
        self.pairs = kept

    def of(self, pair):
        """The facts of a pair's two photos."""
        return self.facts["x", pair.person], self.facts["y", pair.garment]

    def sift_photos(self, masks, drop_doubts):
        """Drop pairs of which a photo or a wanted mask cannot be used."""
        self.sift(lambda pair: next((f.fault for f in self.of(pair) if f.fault), None))
        if masks:
            wanted = {"parse": any(p.parse for p in self.pairs),
                      "garment_mask": any(p.garment_mask for p in self.pairs)}
            self.sift(lambda pair: self.mask_fault(pair, wanted))
        if drop_doubts:
            self.sift(lambda pair: self.of(pair)[1].doubt)

    def mask_fault(self, pair, wanted):
        """Why a pair has not the masks that the others have, else None."""
        for name, facts in zip(wanted, self.of(pair)):
            if wanted[name] and facts.mask_fault:
                return facts.mask_fault
            if wanted[name] and getattr(pair, name) is None:
                return "mask: there is none, though other pairs have one"
        return None

    def find_repeats(self):
        """Find near repeats among all photos in use; returns how many."""
        self.photos = list(dict.fromkeys(photo for pair in self.pairs for photo in photos_of(pair)))
        facts = [self.facts[photo] for photo in self.photos]
        if not facts:
            return 0
        found = near_repeats([f.phash for f in facts],
                             np.stack([np.frombuffer(f.colors, np.uint8) for f in facts]),
                             [f.digest for f in facts])
        self.near = {self.photos[a]: [self.photos[b] for b in sorted(others)]
                     for a, others in neighbours(found).items()}
        return len(found)

    def sift_person_garments(self):
        """Drop pairs whose garment photo is also a photo of a person, in another pair or this."""
        def why(pair):
            twin = next((p for role, p in self.near.get(("y", pair.garment), ()) if role == "x"), None)
            return twin and f"person: the garment's photo is that of a person, {twin}"
        self.sift(why)

    def sift_repeats(self):
        """Drop pairs that show the same as an earlier one; those of the test split come first."""
        groups, seen = self.photo_groups(), {}
        order = sorted(self.pairs, key=lambda pair: pair.split != "test")
        for pair in order:
            seen.setdefault(tuple(groups.find(photo) for photo in photos_of(pair)), pair)
        first = set(seen.values())

        def why(pair):
            if pair in first:
                return None
            other = seen[tuple(groups.find(photo) for photo in photos_of(pair))]
            return f"repeat: of {other.person} with {other.garment}"
        self.sift(why)

    def photo_groups(self):
        """`Groups` of the photos in use, near repeats together."""
        groups, used = Groups(), {photo for pair in self.pairs for photo in photos_of(pair)}
        for photo, others in self.near.items():
            for other in others:
                if photo in used and other in used and photo[0] == other[0]:
                    groups.join(photo, other)
        return groups

    def sift_crossing(self):
        """Drop pairs of the train split that share a product, a person or a photo with test."""
        taken = {}
        for pair in self.pairs:
            if pair.split == "test":
                for thing in self.things_near(pair):
                    taken.setdefault(thing, pair)

        def why(pair):
            crossing = [thing for thing in things_of(pair) if thing in taken]
            if pair.split == "test" or not crossing:
                return None
            other = taken[crossing[0]]
            return (f"crossing: {WORDS[crossing[0][0]]} is in the test split, too "
                    f"({other.person} with {other.garment})")
        self.sift(why)

    def things_near(self, pair):
        """What no train pair may share with a test pair: its things and the photos' near repeats."""
        yield from things_of(pair)
        for photo in photos_of(pair):
            yield from (other for other in self.near.get(photo, ()) if other[0] == photo[0])

    def numbers(self):
        """(person, garment) groups: `Groups` of people and products, near repeats joined."""
        groups = self.photo_groups()
        for pair in self.pairs:
            person, garment = photos_of(pair)
            groups.join(("person", pair.person_id), person)
            groups.join(("product", pair.product), garment)
        return groups


WORDS = {"x": "the person's photo", "y": "the garment's photo", "person": "the person",
         "product": "the product"}


def photos_of(pair):
    """The two photos of a pair, each with its role."""
    return ("x", pair.person), ("y", pair.garment)


def things_of(pair):
    """Everything that two pairs may share."""
    return (*photos_of(pair), ("person", pair.person_id), ("product", pair.product))


def make_plan(pairs, unpaired, facts, *, split="given", share=.1, seed=0, masks=True,
              drop_doubts=True):
    """Decide on every pair: a `Plan`.

    split: "given" by the data set where it has one, else by "product"; or all "train" or "test".
    share: of the pairs that a split by product holds out, at most; seed: of its choice.
    """
    planner = Planner(pairs, facts)
    planner.sift_photos(masks, drop_doubts)
    repeats = planner.find_repeats()
    planner.sift_person_garments()
    if split != "given":
        planner.pairs = [pair._replace(split="") for pair in planner.pairs]
    planner.sift_repeats()
    planner.sift_crossing()
    groups = planner.numbers()
    splits = choose_splits(planner.pairs, groups, split, share, seed)
    kept = number_pairs(planner.pairs, groups, splits)
    triples = match_triples(kept, unpaired)
    doubts = [Drop(k.pair, facts["y", k.pair.garment].doubt) for k in kept
              if facts["y", k.pair.garment].doubt]
    return Plan(kept, planner.dropped, triples, len(unpaired) - len(triples), repeats, doubts)


def choose_splits(pairs, groups, split, share, seed):
    """The split of each pair: its own, one for all, or one for all that belongs together."""
    if split in ("train", "test"):
        return [split] * len(pairs)
    if any(pair.split for pair in pairs):
        return [pair.split or "train" for pair in pairs]
    whole, members = Groups(), {}
    for pair in pairs:
        whole.join(*(groups.find(photo) for photo in photos_of(pair)))
    for row, pair in enumerate(pairs):
        members.setdefault(whole.find(groups.find(("x", pair.person))), []).append(row)
    chosen, blocks = ["train"] * len(pairs), list(members.values())
    wanted = math.ceil(share * len(pairs))
    for place in np.random.default_rng(seed).permutation(len(blocks)):
        if len(blocks[place]) <= wanted:
            wanted -= len(blocks[place])
            for row in blocks[place]:
                chosen[row] = "test"
    return chosen


def number_pairs(pairs, groups, splits):
    """`Kept` pairs, train before test, people and garments numbered as they come."""
    people, garments, kept = {}, {}, []
    for split in ("train", "test"):
        for pair, own in zip(pairs, splits):
            if own == split:
                person, garment = (groups.find(photo) for photo in photos_of(pair))
                kept.append(Kept(pair, split, people.setdefault(person, len(people)),
                                 garments.setdefault(garment, len(garments))))
    return kept


def match_triples(kept, unpaired):
    """(i, j) rows of the test split for each unpaired row of which both photos are there."""
    tests = [k for k in kept if k.split == "test"]
    of_person, of_garment = {}, {}
    for row, k in enumerate(tests):
        of_person.setdefault(k.pair.person, row)
        of_garment.setdefault(k.pair.garment, row)
    rows = [(of_person.get(u.person), of_garment.get(u.garment)) for u in unpaired]
    return [(i, j) for i, j in rows if None not in (i, j) and tests[i].garment != tests[j].garment]
