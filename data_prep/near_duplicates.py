"""Find repeated photos: identical files, and files of nearly the same image."""

import functools
import itertools
from collections import defaultdict

import numpy as np
from tqdm import tqdm

DISTANCE = 8  # largest Hamming distance between the 64-bit perceptual hashes of near repeats
COLOR = 12  # largest difference [levels] between their 8x8 mean colors
MANY = 5000  # photos from which comparing takes long enough for a progress bar
AT_ONCE = 1 << 16  # pairs compared at once, at some 200 bytes each or more: about 40 MB


def near_repeats(hashes, colors, digests):
    """All pairs of near repeats: an int array [P, 2] of rows a < b.

    hashes: [N] uint64; colors: [N, C] uint8; digests: N bytes objects.  Byte-identical photos are
    repeats of each other and of every near repeat of the first of them.
    """
    copies = defaultdict(list)
    for row, digest in enumerate(digests):
        copies[digest].append(row)
    copies = list(copies.values())
    first = [rows[0] for rows in copies]
    pairs = [pair for rows in copies for pair in itertools.combinations(rows, 2)]
    for a, b in similar(np.asarray(hashes, np.uint64)[first], np.asarray(colors)[first]):
        pairs += [tuple(sorted(pair)) for pair in itertools.product(copies[a], copies[b])]
    return np.array(sorted(pairs), int).reshape(-1, 2)


def similar(hashes, colors):
    """Pairs (a, b) of rows within DISTANCE and COLOR.

    Hashes that differ in at most DISTANCE bits agree in at least one of DISTANCE + 1 bands of bits, so
    only rows that share a band are compared.
    """
    found = set()
    edges = np.linspace(0, 64, DISTANCE + 2).astype(int)
    bands = list(zip(edges, edges[1:]))
    for low, high in tqdm(bands, desc="comparing", unit="band", disable=len(hashes) < MANY):
        values = (hashes >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        for rows in buckets(values):
            found.update(similar_within(rows, hashes, colors))
    return sorted(found)


def buckets(values):
    """Arrays of the rows that share a value, for values that occur at least twice."""
    order = np.argsort(values, kind="stable")
    cuts = np.flatnonzero(np.diff(values[order])) + 1
    return [rows for rows in np.split(order, cuts) if len(rows) > 1]


def similar_within(rows, hashes, colors):
    """Yield the similar pairs among some rows, comparing one block of rows with all at a time."""
    size = max(1, AT_ONCE // len(rows))
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        near = bit_count(hashes[block, None] ^ hashes[rows]) <= DISTANCE
        at_a, at_b = near.nonzero()
        a, b = block[at_a], rows[at_b]
        a, b = a[a < b], b[a < b]
        difference = np.abs(colors[a].astype(np.int16) - colors[b]).max(axis=1)
        yield from zip(a[difference <= COLOR].tolist(), b[difference <= COLOR].tolist())


def bit_count(words):
    """The number of set bits in each element of a uint64 array."""
    return ones_of_16_bits()[words[..., None].view(np.uint16)].sum(axis=-1, dtype=np.uint8)


@functools.cache
def ones_of_16_bits():
    """The number of set bits in each 16-bit number: uint8 [65536]."""
    words = np.arange(1 << 16, dtype=np.uint16)[:, None].view(np.uint8)
    return np.unpackbits(words, axis=1).sum(axis=1, dtype=np.uint8)


class Groups:
    """Disjoint groups of hashable items (union-find)."""

    def __init__(self):
        self._parent = {}

    def find(self, item):
        """The representative of an item's group; a new item forms a group of its own."""
        path = []
        while (parent := self._parent.setdefault(item, item)) != item:
            path.append(item)
            item = parent
        for passed in path:
            self._parent[passed] = item
        return item

    def join(self, a, b):
        """Merge two groups; the representative of a's group represents both."""
        self._parent[self.find(b)] = self.find(a)


def neighbours(pairs):
    """Turn pairs of rows into a dict: row -> set of its near repeats."""
    table = defaultdict(set)
    for a, b in pairs:
        table[int(a)].add(int(b))
        table[int(b)].add(int(a))
    return table
