"""Ctrl-C, SIGTERM and a closed terminal as a request to finish the step, save and exit."""

import contextlib
import signal
import sys


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
