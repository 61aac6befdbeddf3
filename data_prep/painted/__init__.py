"""A procedural photoshoot: people in pullovers and hoodies, and the garments' own photos."""
