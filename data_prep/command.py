"""Shared click plumbing: every user error is one line on stderr and exit code 1."""
import signal
import sys

import click

from data_prep.files import told

INTERRUPTED = 130  # the shell's convention for a process ended by Ctrl-C


def fail(message, code=1):
    """Print ``Error: message`` (first line only) on stderr and exit with ``code``."""
    lines = str(message).strip().splitlines() or ["unknown fault"]
    click.echo(f"Error: {printable(lines[0])}", err=True)
    sys.exit(code)


def printable(text):
    """A text that can be printed though it holds a file's name that is no proper text."""
    return text.encode("utf-8", "backslashreplace").decode()


def literal(text):
    """A text with names in it as matplotlib shall draw it: none of it is markup, all can be drawn."""
    shown = (c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
    return "".join(shown).replace("$", r"\$")


def main(command, args=None):
    """Run a click ``command``; turn errors into one line instead of a traceback.

    args: the command line's words in the place of the process's own.
    """
    if hasattr(sys.stdout, "reconfigure"):  # names of files may be no proper text
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = command.main(args=args, standalone_mode=False) or 0
        if args is None:  # all is done: Ctrl-C would only interrupt what libraries do at the exit
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.exit(code)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        fail(error.format_message())
    except (click.Abort, KeyboardInterrupt) as stop:  # click hides the one in the other
        fail(str(stop.__cause__ or stop) or "interrupted; nothing half-written was left behind",
             INTERRUPTED)
    except (ValueError, OSError) as error:
        fail(told(error))
