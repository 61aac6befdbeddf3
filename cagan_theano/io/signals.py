"""Ctrl-C and SIGTERM as a request to finish the step, save and exit."""

import signal
import sys


class Stopped(BaseException):
    """Raised by a signal that stops immediately: before the first step, or a second signal."""

    def __init__(self, number: int):
        super().__init__(number)
        self.exit_code = 128 + number


class Signals:
    """Context manager that catches SIGINT and SIGTERM.

    While ``patient`` is false, a signal raises Stopped.  While it is true, the first signal only sets
    ``exit_code`` (130 or 143), which the loop checks; the second raises Stopped.
    """

    def __init__(self) -> None:
        self.patient, self.exit_code = False, 0
        self._before = {}

    def __enter__(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number, frame):
        if self.exit_code or not self.patient:
            raise Stopped(number)
        self.exit_code = 128 + number
        print("\nstopping after this step (again: stop immediately)", file=sys.stderr, flush=True)
