"""Photos that a shop recolored: from one photo in several colors to swaps whose true answer is known."""
