"""Fuzzing of all that comes from outside: files and texts that are broken, absurd or hostile.

    python tests/faults/fuzz.py --cases 100000          (or: make fuzz)

Every case must end in success or in one error of the documented kinds (ValueError or OSError, one
line), within bounds of time and memory, and must write nothing, start nothing and unpickle nothing.
What is read without an error from damaged bytes must be what the whole file holds.  A case is known
by its kind, the seed and its number; the cases run in processes of their own, since a fault of the
HDF5 or image libraries ends a process.
"""

import datetime
import json
import mmap
import os
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).parent)]

import click  # noqa: E402
import numpy as np  # noqa: E402
from fuzz_kinds import KINDS  # noqa: E402
from tqdm import tqdm  # noqa: E402

from cagan_theano.io.text import one_line  # noqa: E402

MEMORY = 2 << 30  # bytes of address space of a worker
SECONDS = 5  # of processor time for one case
PATIENCE = 300  # seconds of waiting for one case, where the processor is busy elsewhere
FORBIDDEN = ("pickle.find_class", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn",
             "os.fork", "socket.connect", "os.remove", "os.rename", "os.mkdir", "shutil.rmtree",
             "os.truncate", "os.link", "os.symlink", "os.chmod")  # fmt: skip
# shares of the cases
WEIGHTS = {"checkpoint bytes": 14, "checkpoint contents": 6, "photo file bytes": 8,
           "photo file contents": 5, "picture": 20, "pair list": 7, "configuration": 25,
           "random state": 9, "run folder": 6, "golden bytes": 5, "golden contents": 3, "metadata": 5,
           "safetensors": 5, "plan": 3, "stored log": 3, "manifest": 5, "cached library": 3,
           "drawn name": 1}  # fmt: skip


def one_case(kind, seed: int, number: int, folder: Path) -> str:
    """Run a case; returns "read" or "refused", raises AssertionError for a promise broken."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind), number])
    make, read = KINDS[kind]
    given = make(rng, folder)
    Watch.on = True
    try:
        read(given, folder)
        return "read"
    except (ValueError, OSError) as error:
        check_message(error)
        return "refused"
    finally:
        Watch.on = False
        assert not Watch.seen, f"did {Watch.seen}"


def check_message(error) -> None:
    """Raise AssertionError unless an error is a line that can be printed as it is, of bearable length."""
    text = str(error)
    assert text and text == one_line(text), f"its message is {text[:3000]!r}"


class Watch:
    """An audit hook that notes what no reader has to do."""

    on, seen = False, []

    @classmethod
    def hook(cls, event, arguments):
        """Note a forbidden event, or a file that is opened for writing."""
        if not cls.on:
            return
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (
            os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)  # fmt: skip
        if event.startswith(FORBIDDEN) or writes:
            cls.seen.append(f"{event} {arguments[:2]}")


# --- workers


def work(kind, seed, first, last, folder, progress) -> None:
    """Run cases first..last-1 of a kind; the state is in shared memory, findings go to a file."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.addaudithook(Watch.hook)
    with open(progress, "r+b") as file:
        state = mmap.mmap(file.fileno(), 32)
    counts = [0, 0]
    for number in range(first, last):
        state[:32] = struct.pack("<qqqd", number, *counts, time.process_time())
        cpu = time.process_time()
        resource.setrlimit(resource.RLIMIT_CPU, (int(cpu) + SECONDS + 1, resource.RLIM_INFINITY))
        try:
            outcome = one_case(kind, seed, number, folder)
            assert time.process_time() - cpu < SECONDS, "took too long"
            counts[outcome == "refused"] += 1
        except BaseException as error:
            Watch.on, Watch.seen = False, []
            note(folder, kind, number, error)
    state[:32] = struct.pack("<qqqd", last, *counts, time.process_time())


def note(folder, kind, number, error) -> None:
    """Append a finding to the worker's file."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    finding = {"kind": kind, "number": number, "what": f"{type(error).__name__}: {error}"[:500],
               "where": f"{Path(where.filename).name}:{where.lineno} {where.name}"}  # fmt: skip
    with open(folder.parent / "findings", "a") as file:
        file.write(json.dumps(finding) + "\n")


def run(kind, seed, first, last, scratch, bar) -> tuple:
    """Run cases in worker processes, a new one after each that dies; (read, refused, findings)."""
    read = refused = 0
    findings, progress = [], scratch / "progress"
    while first < last:
        folder = scratch / "cases"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        progress.write_bytes(struct.pack("<qqqd", first, 0, 0, 0.0))
        code = watched(kind, seed, first, last, folder, progress, bar)
        number, more_read, more_refused, _ = struct.unpack("<qqqd", progress.read_bytes())
        read, refused = read + more_read, refused + more_refused
        if number < last:  # it died in this case
            findings.append({"kind": kind, "number": number, "what": f"the process ended: {code}"})
        first = number + 1
    noted = scratch / "findings"
    if noted.exists():
        findings += [json.loads(line) for line in noted.read_text().splitlines()]
        noted.unlink()
    return read, refused, findings


def watched(kind, seed, first, last, folder, progress, bar):
    """One worker to its end, or to the end of patience; how it ended."""
    command = [sys.executable, __file__, "--worker", kind, str(seed), str(first), str(last),
               str(folder), str(progress)]  # fmt: skip
    with open(folder.parent / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    place, since = first, time.monotonic()
    while process.poll() is None:
        time.sleep(0.5)
        number = struct.unpack("<q", progress.read_bytes()[:8])[0]
        if number > place:
            bar.update(number - place)
            place, since = number, time.monotonic()
        if time.monotonic() - since > PATIENCE:
            process.kill()
            process.wait()
            return f"no end in {PATIENCE} s"
    number = struct.unpack("<q", progress.read_bytes()[:8])[0]
    bar.update(min(number + 1, last) - place)
    tail = (folder.parent / "log").read_text(errors="replace").strip()[-200:]
    return f"exit code {process.returncode} {tail}"


# --- the command


@click.command(context_settings={"show_default": True})
@click.option("--cases", default=100_000, help="Cases in all, shared among the kinds.")
@click.option("--seed", default=0, help="Of the cases.")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(list(KINDS)), help="Only these kinds.  [default: all]"
)
@click.option("--case", default=None, type=int, help="Only this case of --kind, traceback and all.")
@click.option("--out", type=click.Path(dir_okay=False), help="Write the counts there, as JSON.")
def main(cases, seed, kinds, case, out):
    """Read damaged, absurd and hostile files; exit code 1 if a promise does not hold."""
    kinds = kinds or tuple(KINDS)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a disk is ten times slower
    with tempfile.TemporaryDirectory(prefix="cagan_fuzz_", dir=memory) as scratch:
        if case is not None:
            sys.addaudithook(Watch.hook)
            folder = Path(scratch) / "cases"
            folder.mkdir()
            click.echo(one_case(kinds[0], seed, case, folder))
            return
        result = fuzz(cases, seed, kinds, Path(scratch), out)
    click.echo(json.dumps(result, indent=1))
    sys.exit(1 if result["findings"] else 0)


def fuzz(cases, seed, kinds, scratch, out) -> dict:
    """Run all kinds; what was counted and found, written to `out` after each kind."""
    began, counts, findings = time.monotonic(), {}, []
    total = sum(WEIGHTS[kind] for kind in kinds)
    with tqdm(total=cases, unit="case", smoothing=0.02) as bar:
        for kind in kinds:
            bar.set_postfix_str(kind)
            share = -(-cases * WEIGHTS[kind] // total)
            read, refused, found = run(kind, seed, 0, share, scratch, bar)
            counts[kind] = {"cases": share, "read": read, "refused": refused, "findings": len(found)}
            findings += found
            result = {"date": datetime.date.today().isoformat(), "seed": seed, "counts": counts,
                      "cases": sum(row["cases"] for row in counts.values()), "findings": findings,
                      "minutes": round((time.monotonic() - began) / 60, 1)}  # fmt: skip
            if out:
                Path(out).write_text(json.dumps(result, indent=1) + "\n")
    return result


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        kind, seed, first, last, folder, progress = sys.argv[2:]
        work(kind, int(seed), int(first), int(last), Path(folder), progress)
    else:
        main()
