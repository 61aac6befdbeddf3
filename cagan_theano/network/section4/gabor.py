"""A bank of fixed Gabor filters, for texture descriptors without a pretrained network; needs numpy only.

Not in the paper, whose section 4 plans to "test whether using texture descriptors" helps.
"""

import numpy as np
from numpy.typing import NDArray

SIDE, WAVELENGTH, SPREAD = 7, 4.0, 1.75  # of a filter, its wave and its envelope's deviation, in pixels
ORIENTATIONS, OCTAVES = 4, 2
DESCRIPTORS = ORIENTATIONS * OCTAVES
FLOOR = 1e-4  # added to energies, because their root has no gradient at 0


def gabor_filters() -> NDArray[np.float64]:
    """An even and an odd filter for each orientation, [4, 2, 7, 7], of mean 0 and sum of squares 1."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    envelope = np.exp(-(x**2 + y**2) / (2 * SPREAD**2))
    bank = []
    for angle in np.pi * np.arange(ORIENTATIONS) / ORIENTATIONS:
        phase = 2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / WAVELENGTH
        even, odd = envelope * np.cos(phase), envelope * np.sin(phase)
        bank.append([even - envelope * even.sum() / envelope.sum(), odd])
    filters = np.array(bank)
    normed: NDArray[np.float64] = filters / np.sqrt((filters**2).sum(axis=(2, 3), keepdims=True))
    return normed
