"""Scripts that redraw the paper's figures, swap garments on photos, and measure.

Each script runs from a clone without installing (``python replicate/figure4.py``): two
lines at its head put the repository's root in the place of the script's own folder on the
path.  Nothing here works at import.
"""
