"""Ctrl-C, SIGTERM and a closed terminal as a request to finish, save and exit; child processes."""

import contextlib
import os
import signal
import subprocess
import sys
from typing import Any

# Linux sends the child SIGTERM when its parent ends, even by SIGKILL (prctl PR_SET_PDEATHSIG, kept by exec).
LAUNCH = """
import ctypes, os, signal, sys
try:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
except (OSError, AttributeError):
    pass
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""


class Stopped(BaseException):
    """Raised by a signal that stops immediately: before the first step, or a second signal."""

    def __init__(self, number: int):
        super().__init__(number)
        self.exit_code = 128 + number


class Signals:
    """Context manager that catches SIGINT, SIGTERM and, unless it is ignored (nohup), SIGHUP.

    While ``patient`` is false, a signal raises Stopped.  While it is true, the first signal only sets
    ``exit_code`` (130, 143 or 129), which the loop checks; the second raises Stopped, unless it is a
    SIGHUP, which both a terminal and its shell may send.
    last: whether the process ends after this; cleaning up is then not interrupted by further signals.
    """

    def __init__(self, last: bool = False) -> None:
        self.patient, self.exit_code, self.last = False, 0, last
        self._before = {}

    def __enter__(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_):
        for number, handler in () if self.last else self._before.items():
            signal.signal(number, handler)

    def _receive(self, number, frame):
        if self.exit_code and number == signal.SIGHUP:
            return
        if self.exit_code or not self.patient:
            for each in self._before if self.last else ():
                signal.signal(each, signal.SIG_IGN)
            raise Stopped(number)
        self.exit_code = 128 + number
        print("\nstopping after this step (again: stop immediately)", file=Unfailing(sys.stderr), flush=True)


class Unfailing:
    """A text stream whose failures are ignored: its reader may have ended, but the work goes on."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self):
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name):
        return getattr(self._stream, name)


def tie(words: list[str]) -> list[str]:
    """The command line that runs another one as a child of this process, which ends when this one does.

    Start it from a thread that waits for it: Linux counts the end of that thread.  Elsewhere it only runs.
    """
    return [sys.executable, "-I", "-S", "-c", LAUNCH, str(os.getpid()), *words]


class Children(Signals):
    """Context manager that passes signals on to the processes of `run`, which may save before they end."""

    def __init__(self) -> None:
        super().__init__()
        self.patient = True
        self.running: set[subprocess.Popen[bytes]] = set()

    def run(self, words: list[str], **options: Any) -> int:
        """Run a command as a child; returns its exit code.  Raises Stopped if a signal was received."""
        if not self.exit_code:
            with subprocess.Popen(tie(words), **options) as process:
                self.running.add(process)
                try:
                    if self.exit_code:  # received before it was added
                        process.terminate()
                    process.wait()
                except BaseException:  # a second signal
                    process.kill()
                    raise
                finally:
                    self.running.remove(process)
        if self.exit_code:
            raise Stopped(self.exit_code - 128)
        return process.returncode

    def _receive(self, number, frame):
        for process in list(self.running):
            # a terminal sends its signals to the child too, for which a second SIGHUP is no second request
            process.send_signal(signal.SIGTERM if number == signal.SIGTERM else signal.SIGHUP)
        super()._receive(number, frame)
