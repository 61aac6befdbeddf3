"""Rays, light, materials and backdrops; the photos of sitters and of articles."""
