"""Shared click plumbing: every user error is one line on stderr and exit code 1."""
import sys

import click

from data_prep.text import one_line

INTERRUPTED = 130  # the shell's convention for a process ended by Ctrl-C


def fail(message, code=1):
    """Print ``Error: message`` as one line on stderr and exit with ``code``."""
    click.echo(f"Error: {one_line(message) or 'unknown fault'}", err=True)
    sys.exit(code)


def main(command, args=None):
    """Run a click ``command``; turn errors into one line instead of a traceback."""
    try:
        sys.exit(command.main(args=args, standalone_mode=False) or 0)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        fail(error.format_message().replace("\n\t", " "))  # click lists choices so
    except (click.Abort, KeyboardInterrupt) as stop:  # click hides the one in the other
        fail(str(stop.__cause__ or stop) or "interrupted; nothing half-written was left behind",
             INTERRUPTED)
    except (ValueError, OSError) as error:
        fail(error)
