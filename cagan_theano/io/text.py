"""Texts for people: one line, of bearable length, that any terminal can print."""

LONGEST = 490  # characters of a message; with what stands before it, at most 500
HEAD = 200  # characters that a long message keeps of its beginning, where the file is named


def printable(text):
    """A text that can be printed though it holds a file's name that is no proper text."""
    return text.encode("utf-8", "backslashreplace").decode()


def literal(text):
    """A text with names in it as matplotlib shall draw it: none of it is markup, all can be drawn."""
    shown = (c if c.isprintable() or c == "\n" else escaped(c) for c in text)
    return "".join(shown).replace("$", r"\$")


def one_line(text):
    """A text as one line: what cannot be seen is escaped, of a long one the middle is left out.

    The beginning names a file and the end its cure; a newline in a name must not hide them.
    """
    line = "".join(c if c.isprintable() else escaped(c) for c in printable(str(text).strip()))
    if len(line) <= LONGEST:
        return line
    gap = " ... "
    return line[:HEAD] + gap + line[HEAD + len(gap) - LONGEST :]


def escaped(character):
    """A character as Python writes it."""
    return character.encode("unicode_escape").decode()
