"""A TensorBoard event file: the scalars and the sample sheets of a training, by step.

The records are written by the tensorboard package into a file that this module opens, one by one and
without a thread, so that a full disk is an error at that step.
"""

import struct
import time
from pathlib import Path

from cagan_theano.training.scores import log_lines

SAMPLES = "samples"  # tag of the sample sheets; scalars have the names that they have in the log
PNG = b"\x89PNG\r\n\x1a\n"


class EventFile:
    """Appends events to a new file; each is passed to the operating system immediately.

    Raises FileExistsError, OSError.
    """

    def __init__(self, path: str | Path) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        self._writer = RecordWriter(open(path, "xb"))  # x: neither another file nor a link's target
        self._write(file_version="brain.Event:2")
        # a TensorBoard that already shows the run discards what it has read of steps from 0
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._write(step=0, session_log=start)

    def scalars(self, line: dict[str, float]) -> None:
        """Write the numbers of one line of the log; a line without a valid step is ignored."""
        for numbers in log_lines([line]):
            step = numbers.pop("step")
            values = [self._summary.Value(tag=tag, simple_value=value) for tag, value in numbers.items()]
            self._write(step=step, summary=self._summary(value=values))

    def image(self, step: int, content: bytes) -> None:
        """Write a sample sheet, the bytes of a PNG file; a damaged one is ignored."""
        if not content.startswith(PNG) or len(content) < 24:
            return
        width, height = struct.unpack(">2I", content[16:24])  # of the header, the first chunk
        if max(width, height) < 1 << 31:
            size = dict(width=width, height=height, colorspace=3)
            image = self._summary.Image(**size, encoded_image_string=content)
            value = self._summary.Value(tag=SAMPLES, image=image)
            self._write(step=step, summary=self._summary(value=[value]))

    def _write(self, **fields: object) -> None:
        self._writer.write(self._event(wall_time=time.time(), **fields).SerializeToString())
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
