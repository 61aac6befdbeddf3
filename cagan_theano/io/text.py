"""Messages as one line of limited length that any terminal can print."""

import contextlib
import sys
import threading

LONGEST = 490  # characters of a message; at most 500 with its prefix
HEAD = 200  # leading characters kept of a long message, which contain the file name
PREPARING = "preparing {} for {}x{} images (up to a minute, unless an earlier run left it in the cache)"
PATIENCE = 2.0  # seconds of silence that need no explanation


def printable(text):
    """Escape what cannot be encoded, such as a file name that is not valid Unicode."""
    return text.encode("utf-8", "backslashreplace").decode()


def literal(text):
    """Escape text for matplotlib: no part is markup and every character is printable."""
    return escape(text, keep="\n").replace("$", r"\$")


def one_line(text):
    """Text as one line, with unprintable characters escaped and the middle of a long text omitted.

    The beginning has the file name and the end the cure; a newline in a file name must not hide them.
    """
    line = escape(str(text).strip())
    if len(line) <= LONGEST:
        return line
    gap = " ... "
    return line[:HEAD] + gap + line[HEAD + len(gap) - LONGEST :]


def escape(text, keep=""):
    """Text with each unprintable character, unless in `keep`, as a Python escape sequence.

    For a terminal: what a file's name holds can neither control it nor begin another line.
    """
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


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
