"""Child processes that end with this one, however it ends."""

import os
import signal
import subprocess
import sys
from typing import Any

from cagan_theano.io.signals import Signals, Stopped

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
