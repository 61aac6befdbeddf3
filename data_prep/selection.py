"""Select the pairs to keep, assign them to splits, and record why the others are dropped."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from data_prep.examine import Examined
from data_prep.layouts.records import Pair, Unpaired
from data_prep.near_duplicates import Groups, near_repeats

FEWEST = 2  # pairs of a split: a swap needs another garment
KEY_NAMES = {
    "x": "the person's photo",
    "y": "the garment's photo",
    "person": "the person",
    "product": "the product",
}

Photo: TypeAlias = tuple[str, str]  # (role, digest): byte-identical files are one photo
Photos: TypeAlias = Mapping[tuple[str, str], Examined]  # by (role, path)


class Drop(NamedTuple):
    """A dropped pair; why: "KIND: detail"."""

    pair: Pair
    why: str


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
    pairs: Sequence[Pair],
    unpaired: Sequence[Unpaired],
    photos: Photos,
    *,
    split: str = "given",
    share: float = 0.1,
    seed: int = 0,
    masks: bool = True,
    drop_doubts: bool = True,
) -> Selection:
    """Select pairs and assign them to splits.

    split: "given" (the dataset's own, or by product if it has none), "product", or "train" or "test"
    for everything.  share: largest share of the pairs that a split by product holds out; seed: of the
    held-out choice.
    """
    sieve = Sieve(pairs, photos)
    sieve.drop_unusable(masks, drop_doubts)
    sieve.find_repeats()
    sieve.drop_person_garments()
    if split != "given":
        sieve.pairs = [pair._replace(split="") for pair in sieve.pairs]
    sieve.drop_repeats()
    sieve.drop_crossing()
    groups = sieve.group_photos()
    for pair in sieve.pairs:
        person, garment = sieve.photos_of(pair)
        groups.join(("person", pair.person_id), person)
        groups.join(("product", pair.product), garment)
    identities = [[groups.find(photo) for photo in sieve.photos_of(pair)] for pair in sieve.pairs]
    splits = choose_splits(sieve.pairs, identities, split, share, seed)
    kept = number_pairs(sieve.pairs, identities, splits)
    triples = match_triples(kept, unpaired)
    doubts = [(k.pair, photos["y", k.pair.garment].doubt) for k in kept]
    suspects = [Drop(pair, doubt) for pair, doubt in doubts if doubt]
    return Selection(kept, sieve.dropped, triples, len(unpaired) - len(triples), sieve.repeats, suspects)


class Sieve:
    """Filters pairs step by step; each step moves some from `pairs` to `dropped`.

    near: photo -> its near repeats.
    """

    def __init__(self, pairs: Sequence[Pair], photos: Photos) -> None:
        self.pairs, self.photos = list(dict.fromkeys(pairs)), photos
        self.dropped: list[Drop] = []
        self.near: dict[Photo, list[Photo]] = {}
        self.repeats = 0

    def drop(self, why: Callable[[Pair], str | None]) -> None:
        """Drop each pair for which why(pair) returns a reason."""
        reasons = [(pair, why(pair)) for pair in self.pairs]
        self.dropped += [Drop(pair, reason) for pair, reason in reasons if reason]
        self.pairs = [pair for pair, reason in reasons if not reason]

    def examined(self, pair: Pair) -> tuple[Examined, Examined]:
        """The person's and the garment's examined photo."""
        return self.photos["x", pair.person], self.photos["y", pair.garment]

    def photos_of(self, pair: Pair) -> tuple[Photo, Photo]:
        """The person's and the garment's photo."""
        x, y = self.examined(pair)
        return ("x", x.digest), ("y", y.digest)

    def drop_unusable(self, masks: bool, drop_doubts: bool) -> None:
        """Drop pairs with an unusable photo or required mask."""
        self.drop(lambda pair: next((photo.fault for photo in self.examined(pair) if photo.fault), None))
        required = [
            name for name in ("parse", "garment_mask") if masks and any(getattr(p, name) for p in self.pairs)
        ]

        def mask_fault(pair: Pair) -> str | None:
            for name, photo in zip(("parse", "garment_mask"), self.examined(pair)):
                if name in required and (photo.mask_fault or getattr(pair, name) is None):
                    return photo.mask_fault or "mask: missing, although other pairs have one"
            return None

        self.drop(mask_fault)
        if drop_doubts:
            self.drop(lambda pair: self.examined(pair)[1].doubt)

    def find_repeats(self) -> None:
        """Find near repeats among the photos of all remaining pairs."""
        examined = {
            photo: one for pair in self.pairs for photo, one in zip(self.photos_of(pair), self.examined(pair))
        }
        photos = list(examined)
        found = near_repeats(
            [one.phash for one in examined.values()],
            [one.colors for one in examined.values()],
        )
        self.repeats = len(found)
        for a, b in found:
            self.near.setdefault(photos[a], []).append(photos[b])
            self.near.setdefault(photos[b], []).append(photos[a])

    def drop_person_garments(self) -> None:
        """Drop pairs whose garment photo is also the person's photo of this or another pair."""
        people = {self.photos_of(pair)[0]: pair.person for pair in reversed(self.pairs)}

        def why(pair: Pair) -> str | None:
            near = self.near.get(self.photos_of(pair)[1], ())
            person = next((photo for photo in near if photo[0] == "x"), None)
            return person and f"person: the garment's photo is also the person's photo {people[person]}"

        self.drop(why)

    def drop_repeats(self) -> None:
        """Drop pairs that repeat an earlier one; pairs of the test split take precedence."""
        groups = self.group_photos()
        keys = {pair: tuple(groups.find(photo) for photo in self.photos_of(pair)) for pair in self.pairs}
        first: dict[tuple[object, ...], Pair] = {}
        for pair in sorted(self.pairs, key=lambda pair: pair.split != "test"):
            first.setdefault(keys[pair], pair)

        def why(pair: Pair) -> str | None:
            other = first[keys[pair]]
            return None if other == pair else f"repeat: same as {other.person} with {other.garment}"

        self.drop(why)

    def group_photos(self) -> Groups:
        """The photos of all remaining pairs, near repeats of a role joined."""
        groups, used = Groups(), {photo for pair in self.pairs for photo in self.photos_of(pair)}
        for photo, others in self.near.items():
            for other in others:
                if photo in used and other in used and photo[0] == other[0]:
                    groups.join(photo, other)
        return groups

    def drop_crossing(self) -> None:
        """Drop training pairs that share a product, a person or a photo with the test split."""

        def keys(pair: Pair) -> Iterator[tuple[str, str]]:
            yield from self.photos_of(pair)
            yield from (("person", pair.person_id), ("product", pair.product))

        taken: dict[tuple[str, str], Pair] = {}
        for pair in self.pairs:
            if pair.split == "test":
                for key in keys(pair):
                    for near in (key, *self.near.get(key, ())):
                        if near[0] == key[0]:
                            taken.setdefault(near, pair)

        def why(pair: Pair) -> str | None:
            key = next((key for key in keys(pair) if key in taken), None)
            if pair.split == "test" or key is None:
                return None
            other = taken[key]
            what = f"{KEY_NAMES[key[0]]} is also in the test split"
            return f"crossing: {what} ({other.person} with {other.garment})"

        self.drop(why)


def choose_splits(
    pairs: Sequence[Pair], identities: Sequence[Sequence[object]], split: str, share: float, seed: int
) -> list[str]:
    """The split of each pair: given, the same for all, or by groups of connected people and products.

    identities: of each pair's person and garment.
    """
    if split in ("train", "test"):
        return [split] * len(pairs)
    if any(pair.split for pair in pairs):
        return [pair.split or "train" for pair in pairs]
    connected = Groups()
    for person, garment in identities:
        connected.join(person, garment)
    members: dict[object, list[int]] = {}
    for row, (person, _) in enumerate(identities):
        members.setdefault(connected.find(person), []).append(row)
    blocks, left = list(members.values()), math.ceil(share * len(pairs))
    held_out: set[int] = set()
    for index in np.random.default_rng(seed).permutation(len(blocks)):
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
    people: dict[object, int] = {}
    garments: dict[object, int] = {}
    rows = sorted(zip(splits, pairs, identities), key=lambda row: row[0] == "test")
    return [
        Kept(pair, split, people.setdefault(person, len(people)), garments.setdefault(garment, len(garments)))
        for split, pair, (person, garment) in rows
    ]


def match_triples(kept: Sequence[Kept], unpaired: Sequence[Unpaired]) -> list[tuple[int, int]]:
    """(i, j) rows of the test split for each unpaired row whose two photos are both in it."""
    tests = [k for k in kept if k.split == "test"]
    of_person, of_garment = {}, {}
    for row, k in reversed(list(enumerate(tests))):
        of_person[k.pair.person] = of_garment[k.pair.garment] = row
    rows = [(of_person.get(u.person), of_garment.get(u.garment)) for u in unpaired]
    return [
        (i, j) for i, j in rows if i is not None and j is not None and tests[i].garment != tests[j].garment
    ]
