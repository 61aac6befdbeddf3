"""Data preparation: makes the HDF5 photo files that CAGAN is trained on."""
