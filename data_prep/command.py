"""Shared click plumbing: every user error is one line on stderr and exit code 1."""
import sys

import click

INTERRUPTED = 130  # the shell's convention for a process ended by Ctrl-C


def fail(message, code=1):
    """Print ``Error: message`` (first line only) on stderr and exit with ``code``."""
    lines = str(message).strip().splitlines() or ["unknown fault"]
    click.echo(f"Error: {lines[0]}", err=True)
    sys.exit(code)


def main(command, args=None):
    """Run a click ``command``; turn errors into one line instead of a traceback."""
    try:
        sys.exit(command.main(args=args, standalone_mode=False) or 0)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        fail(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        fail("interrupted; nothing half-written was left behind", INTERRUPTED)
    except (ValueError, OSError) as error:
        fail(error)
