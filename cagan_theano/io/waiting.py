"""A line on standard error about work that takes long and shows no progress of its own."""

import contextlib
import sys
import threading

PREPARING = "preparing {} for {}x{} images (up to a minute, unless an earlier run left it in the cache)"
PATIENCE = 2.0  # seconds of silence that need no explanation


@contextlib.contextmanager
def explained(text: str, patience: float = PATIENCE):
    """Print a line of text, if there is any, once the block takes longer than `patience` seconds."""
    timer = threading.Timer(patience, print, (text,), {"file": sys.stderr, "flush": True})
    timer.daemon = True
    if text:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
