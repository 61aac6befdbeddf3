"""Which pairs are kept, in which split, and why the others are not."""

import math
from typing import NamedTuple

import numpy as np

from data_prep.near_duplicates import Groups, near_repeats, neighbours

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
    were found; suspects: pairs that are kept although a check doubts their garment."""

    kept: list
    dropped: list
    triples: list
    lost: int
    repeats: int
    suspects: list


class Planner:
    """Sifts pairs step by step; each step moves some from `pairs` to `dropped`.

    pairs: `records.Pair`s; facts: (role, photo) -> `Developed` without pictures.  near: photo ->
    its near repeats, where a photo is (role, digest): byte-identical files are one photo.
    """

    def __init__(self, pairs, facts):
        self.pairs, self.facts, self.dropped = list(dict.fromkeys(pairs)), facts, []
        self.near = {}

    def filter_pairs(self, why):
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
        self.filter_pairs(lambda pair: next((f.fault for f in self.of(pair) if f.fault), None))
        if masks:
            wanted = {
                "parse": any(p.parse for p in self.pairs),
                "garment_mask": any(p.garment_mask for p in self.pairs),
            }
            self.filter_pairs(lambda pair: self.mask_fault(pair, wanted))
        if drop_doubts:
            self.filter_pairs(lambda pair: self.of(pair)[1].doubt)

    def mask_fault(self, pair, wanted):
        """Why a pair has not the masks that the others have, else None."""
        for name, facts in zip(wanted, self.of(pair)):
            if wanted[name] and facts.mask_fault:
                return facts.mask_fault
            if wanted[name] and getattr(pair, name) is None:
                return "mask: there is none, though other pairs have one"
        return None

    def photos(self, pair):
        """The two photos of a pair, each (role, digest)."""
        x, y = self.of(pair)
        return ("x", x.digest), ("y", y.digest)

    def things(self, pair):
        """Everything that two pairs may share."""
        return (*self.photos(pair), ("person", pair.person_id), ("product", pair.product))

    def find_repeats(self):
        """Find near repeats among all photos in use; returns how many."""
        facts = {photo: fact for pair in self.pairs for photo, fact in zip(self.photos(pair), self.of(pair))}
        photos = list(facts)
        if not photos:
            return 0
        found = near_repeats(
            [fact.phash for fact in facts.values()],
            np.stack([np.frombuffer(fact.colors, np.uint8) for fact in facts.values()]),
            [digest for _, digest in photos],
        )
        self.near = {
            photos[a]: [photos[b] for b in sorted(others)] for a, others in neighbours(found).items()
        }
        return len(found)

    def sift_person_garments(self):
        """Drop pairs whose garment photo is also a photo of a person, in another pair or this."""
        people = {photo: pair.person for pair in reversed(self.pairs) for photo in self.photos(pair)[:1]}

        def why(pair):
            near = self.near.get(self.photos(pair)[1], ())
            twin = next((photo for photo in near if photo[0] == "x"), None)
            return twin and f"person: the garment's photo is that of a person, {people[twin]}"

        self.filter_pairs(why)

    def sift_repeats(self):
        """Drop pairs that show the same as an earlier one; those of the test split come first."""
        groups, seen = self.photo_groups(), {}
        order = sorted(self.pairs, key=lambda pair: pair.split != "test")
        for pair in order:
            seen.setdefault(tuple(groups.find(photo) for photo in self.photos(pair)), pair)
        first = set(seen.values())

        def why(pair):
            if pair in first:
                return None
            other = seen[tuple(groups.find(photo) for photo in self.photos(pair))]
            return f"repeat: of {other.person} with {other.garment}"

        self.filter_pairs(why)

    def photo_groups(self):
        """`Groups` of the photos in use, near repeats together."""
        groups, used = Groups(), {photo for pair in self.pairs for photo in self.photos(pair)}
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
            crossing = [thing for thing in self.things(pair) if thing in taken]
            if pair.split == "test" or not crossing:
                return None
            other = taken[crossing[0]]
            return (
                f"crossing: {WORDS[crossing[0][0]]} is in the test split, too "
                f"({other.person} with {other.garment})"
            )

        self.filter_pairs(why)

    def things_near(self, pair):
        """What no train pair may share with a test pair: all of it, and its near repeats."""
        yield from self.things(pair)
        for photo in self.photos(pair):
            yield from (other for other in self.near.get(photo, ()) if other[0] == photo[0])

    def numbers(self):
        """(person, garment) groups: `Groups` of people and products, near repeats joined."""
        groups = self.photo_groups()
        for pair in self.pairs:
            person, garment = self.photos(pair)
            groups.join(("person", pair.person_id), person)
            groups.join(("product", pair.product), garment)
        return groups


WORDS = {
    "x": "the person's photo",
    "y": "the garment's photo",
    "person": "the person",
    "product": "the product",
}


def make_plan(pairs, unpaired, facts, *, split="given", share=0.1, seed=0, masks=True, drop_doubts=True):
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
    splits = choose_splits(planner, groups, split, share, seed)
    kept = number_pairs(planner, groups, splits)
    triples = match_triples(kept, unpaired)
    suspects = [
        Drop(k.pair, facts["y", k.pair.garment].doubt) for k in kept if facts["y", k.pair.garment].doubt
    ]
    return Plan(kept, planner.dropped, triples, len(unpaired) - len(triples), repeats, suspects)


def choose_splits(planner, groups, split, share, seed):
    """The split of each pair: its own, one for all, or one for all that belongs together."""
    pairs = planner.pairs
    if split in ("train", "test"):
        return [split] * len(pairs)
    if any(pair.split for pair in pairs):
        return [pair.split or "train" for pair in pairs]
    whole, members = Groups(), {}
    for pair in pairs:
        whole.join(*(groups.find(photo) for photo in planner.photos(pair)))
    for row, pair in enumerate(pairs):
        members.setdefault(whole.find(groups.find(planner.photos(pair)[0])), []).append(row)
    chosen, blocks = ["train"] * len(pairs), list(members.values())
    wanted = math.ceil(share * len(pairs))
    for place in np.random.default_rng(seed).permutation(len(blocks)):
        if len(blocks[place]) <= wanted:
            wanted -= len(blocks[place])
            for row in blocks[place]:
                chosen[row] = "test"
    return chosen


def number_pairs(planner, groups, splits):
    """`Kept` pairs, train before test, people and garments numbered as they come."""
    people, garments, kept = {}, {}, []
    for split in ("train", "test"):
        for pair, own in zip(planner.pairs, splits):
            if own == split:
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
    """(i, j) rows of the test split for each unpaired row of which both photos are there."""
    tests = [k for k in kept if k.split == "test"]
    of_person, of_garment = {}, {}
    for row, k in enumerate(tests):
        of_person.setdefault(k.pair.person, row)
        of_garment.setdefault(k.pair.garment, row)
    rows = [(of_person.get(u.person), of_garment.get(u.garment)) for u in unpaired]
    return [(i, j) for i, j in rows if None not in (i, j) and tests[i].garment != tests[j].garment]
