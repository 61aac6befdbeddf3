"""Shared click classes and error handling: user errors are one line on stderr and exit code 1."""

import difflib
import os
import signal
import sys
import sysconfig
import traceback
import warnings

import click

from cagan_theano.io.files import check_absent, check_apart, check_folder, check_kind
from cagan_theano.io.signals import Stopped
from cagan_theano.io.text import one_line

OVERWRITE = "data_prep overwrite"  # key in a context's meta
INTERRUPTED = 130  # the shell's convention for a process ended by Ctrl-C


class Output(click.Path):
    """The path of a file that a command writes.

    kind: the file's kind as returned by `cagan_theano.io.files.kind_of`, or None for any.
    data: whether the file is expensive to make: an existing one is kept unless the command is given
    --overwrite (`overwrite_option`).  makes_folder: whether the command makes the folder of the file.
    """

    def __init__(self, kind=None, data=False, makes_folder=False):
        super().__init__(dir_okay=False)
        self.kind, self.data, self.makes_folder = kind, data, makes_folder

    def convert(self, value, param, ctx):
        path = super().convert(value, param, ctx)
        if not self.makes_folder:
            check_folder(path)  # now rather than after hours of work
        check_kind(path, self.kind)
        if self.data:
            check_absent(path, ctx.meta.get(OVERWRITE))
        return path


class Command(click.Command):
    """A command that never overwrites its inputs: no `Output` may equal another of its paths."""

    def invoke(self, ctx):
        outputs, inputs = {}, {}
        for param in self.get_params(ctx):
            if isinstance(param.type, click.Choice):
                continue  # a choice is not a path, even if a file has its name
            values = ctx.params.get(param.name)
            name = param.opts[-1] if param.opts[-1].startswith("-") else param.human_readable_name
            for value in values if isinstance(values, (tuple, list)) else [values]:
                if isinstance(value, (str, os.PathLike)):
                    (outputs if isinstance(param.type, Output) else inputs)[name] = value
        check_apart(outputs, inputs)
        return super().invoke(ctx)


class Group(click.Group):
    """A group of `Command`, which suggests a command for an unknown name."""

    command_class = Command

    def resolve_command(self, ctx, args):
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            name = args[0].replace("_", "-")
            close = difflib.get_close_matches(name, self.list_commands(ctx), 1)
            if not close:
                raise
            text = f"No such command {args[0]!r}. Did you mean {close[0]}?"
            raise click.UsageError(text, ctx) from error


overwrite_option = click.option(
    "--overwrite", is_flag=True, expose_value=False, is_eager=True, show_default=False,
    callback=lambda ctx, _, given: ctx.meta.__setitem__(OVERWRITE, given),
    help="Overwrite an existing file.")  # fmt: skip


def call_user(function, what, *arguments, **named):
    """Call a user's code; an exception or an exit becomes a ValueError of one line, with its place there.

    what: "function NAME" or "module NAME", for the message.
    """
    try:
        return function(*arguments, **named)
    except (Exception, SystemExit) as error:  # a script that parses its arguments on import exits
        library = "<", sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")
        frames = traceback.extract_tb(error.__traceback__)[1:]
        own = [frame for frame in frames if not frame.filename.startswith(library)]
        place = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
        raise ValueError(f"your {what} raised {type(error).__name__}: {error}{place}") from error


def fail(message, code=1):
    """Print ``Error: message`` as one line on stderr and exit with ``code``."""
    click.echo(f"Error: {one_line(message) or 'unknown error'}", err=True)
    sys.exit(code)


def main(command, args=None):
    """Run a click ``command``; report errors as one line instead of a traceback.

    args: command-line arguments; None: those of the process.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # closed (2>&-): the next file that is opened would get its number
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "w" if number else "r"))
    if hasattr(sys.stdout, "reconfigure"):  # file names need not be valid Unicode
        sys.stdout.reconfigure(errors="backslashreplace")
    # Jupyter's processes inherit a backend that matplotlib may not find here; commands need none
    os.environ.pop("MPLBACKEND", None)
    if any(option.startswith("error") for option in sys.warnoptions):  # PYTHONWARNINGS, of libraries, too
        warnings.simplefilter("ignore")
    try:
        code = command.main(args=args, standalone_mode=False, help_option_names=["-h", "--help"]) or 0
        if args is None:  # the work is done: Ctrl-C would only interrupt the exit handlers of libraries
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.exit(code)
    except (Stopped, click.exceptions.Exit) as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            click.echo(error.ctx.get_help())
            sys.exit(0)
        fail(error.format_message().replace("\n\t", " "))  # click lists choices on separate lines
    except (click.Abort, KeyboardInterrupt) as stop:  # click wraps KeyboardInterrupt in Abort
        fail(str(stop.__cause__ or stop) or "interrupted; no partially written file was left", INTERRUPTED)
    except OSError as error:
        if error.errno is None:  # raised by this package, with the file and the cure
            fail(error)
        name = "a file or the terminal" if error.filename is None else os.fsdecode(error.filename)
        fail(f"{name}: cannot be used ({error.strerror}); check the path, its permissions and the disk")
    except ValueError as error:
        fail(error)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):  # jax, of a device
            raise
        fail("out of memory; give a smaller --batch-size, smaller images, or fewer photos")
