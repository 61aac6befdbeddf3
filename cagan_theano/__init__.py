"""CAGAN: swap the upper-body garment of a person in a photo, in Aesara (Theano).

>>> import cagan_theano
>>> model = cagan_theano.load("dress")
>>> model.dress("me.jpg", "shirt.jpg").save("dressed.png")
>>> alpha, x_tilde_ij, x_ij = model.swap(x_i, y_i, y_j)  # [N, H, W, 3] uint8 each

Public names are imported on first use, so that importing the package is cheap.
"""

import importlib

_HOME = {
    "Config": "config",
    "Model": "model",
    "Swap": "model",
    "load": "model",
    "load_checkpoint": "checkpoint",
    "save_checkpoint": "checkpoint",
}

__version__ = "1.0.0"
__all__ = [*_HOME, "__version__"]


def __getattr__(name):
    """Import the module that defines a public name on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(set(globals()) | set(__all__))
