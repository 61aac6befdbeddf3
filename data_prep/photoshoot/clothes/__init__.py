"""Garments: their kinds, patterns and folds; cut from surfaces of the body and draped on it."""
