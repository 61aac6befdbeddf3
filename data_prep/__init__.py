"""Data preparation: builds the HDF5 photo files that CAGAN is trained on."""
