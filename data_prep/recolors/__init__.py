"""Photos that a shop recolored: one photo in several colors gives swaps with known ground truth."""
