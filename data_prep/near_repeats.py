"""Find repeated photos: files of the same or nearly the same image."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

DISTANCE = 8  # largest Hamming distance between the 64-bit perceptual hashes of near repeats
COLOR = 12  # largest difference [levels] between their 8x8 mean colors
MANY = 5000  # photos from which comparing takes long enough for a progress bar
AT_ONCE = 1 << 16  # pairs compared at once, at some 200 bytes each or more: about 40 MB


def near_repeats(hashes: Sequence[int], colors: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """All pairs a < b of photos within DISTANCE and COLOR, sorted.

    hashes: N of 64 bits; colors: N of C levels.  Hashes that differ in at most DISTANCE bits agree in at
    least one of DISTANCE + 1 bands of bits, so only photos that share a band are compared.
    """
    bits, levels = np.array(hashes, np.uint64), np.array(colors, np.uint8)
    found: set[tuple[int, int]] = set()
    edges = np.linspace(0, 64, DISTANCE + 2).astype(int).tolist()
    bands = list(zip(edges, edges[1:]))
    for low, high in tqdm(bands, desc="comparing", unit="band", disable=len(hashes) < MANY):
        values = bits >> np.uint64(low) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(values, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(values[order])) + 1):
            found.update(similar_within(rows, bits, levels))
    return sorted(found)


def similar_within(
    rows: NDArray[np.int64], bits: NDArray[np.uint64], levels: NDArray[np.uint8]
) -> Iterator[tuple[int, int]]:
    """Yield the similar pairs among some rows, comparing one block of rows with all at a time."""
    size = max(1, AT_ONCE // max(1, len(rows)))
    for start in range(0, len(rows) - 1, size):
        block = rows[start : start + size]
        differing = (bits[block, None] ^ bits[rows])[..., None].view(np.uint8)
        at_a, at_b = (np.unpackbits(differing, axis=-1).sum(axis=-1) <= DISTANCE).nonzero()
        a, b = block[at_a], rows[at_b]
        a, b = a[a < b], b[a < b]
        near = np.abs(levels[a].astype(np.int16) - levels[b]).max(axis=1, initial=0) <= COLOR
        yield from zip(a[near].tolist(), b[near].tolist())
