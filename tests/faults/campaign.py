"""The fault campaign: a tiny training killed, starved and disturbed; each time it must go on to the bit.

    python tests/faults/campaign.py --kills 200          (or: make faults)

Every fault is followed by a resume, and the run's last parameters, moments, random state and log
are compared with those of a training that nothing ever happened to.  docs/reliability.md says what
is promised and what this campaign counted.
"""

import contextlib
import datetime
import errno
import hashlib
import json
import os
import platform
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).parent)]

import click  # noqa: E402
import lives  # noqa: E402
import mounts  # noqa: E402
import numpy as np  # noqa: E402
from tqdm import tqdm  # noqa: E402

from cagan_theano.checkpoint import contents_sha256, load_checkpoint  # noqa: E402
from cagan_theano.io.files import is_temporary  # noqa: E402
from cagan_theano.training.run_folder import NAMES, RunFolder  # noqa: E402

KEEP = 3  # the training command's default
DAY = 86400


class Fault(Exception):
    """A promise that did not hold."""


def holds(condition, what) -> None:
    """Raise Fault unless the condition is true."""
    if not condition:
        raise Fault(what)


class Campaign:
    """One folder of scratch, one photo file, one run that nothing happened to, and the counts."""

    def __init__(self, scratch, steps: int, seed: int):
        # tqdm's own lock is shared by forks: one that is killed would keep it for ever
        tqdm.set_lock(threading.RLock())
        tqdm.monitor_interval = 0
        self.scratch, self.steps = Path(scratch), steps
        self.rng = np.random.default_rng(seed)
        self.counts, self.faults, self.number = {}, [], 0
        self.data = lives.write_photos(self.scratch / "photos.h5")
        self.kinds = {"light": lives.Light().start, "cold": lives.cold}
        self.expected = {}
        self.use("light")

    def use(self, kind: str) -> None:
        """Start lives of this kind from now on: "light", "forked" or "cold"."""
        if kind == "forked" and kind not in self.kinds:
            self.kinds[kind] = lives.Forked(self.data).start
        self.kind = kind
        self.first_step = 0.3 if kind == "light" else 10.0  # seconds to it, corrected on the way

    def count(self, what: str, n: int = 1) -> None:
        """Add to a count of the report."""
        self.counts[what] = self.counts.get(what, 0) + n

    def new_folder(self) -> RunFolder:
        """The folder of a run that does not exist yet."""
        self.number += 1
        return RunFolder(self.scratch / f"run{self.number}")

    def start(self, folder, before=None, resume=None, data=None):
        """A life of the run: begun, or resumed where there is something to resume."""
        resume = folder.begun() if resume is None else resume
        arguments = ["--data", str(data or self.data), "--run", str(folder.path), "--steps",
                     str(self.steps), *lives.OPTIONS, *["--resume"] * resume]  # fmt: skip
        self.number += 1
        log = self.scratch / f"{folder.path.name}.{self.number}.log"
        return self.kinds[self.kind](arguments, log, before)

    def finish(self, folder, **options) -> None:
        """Let the run go on to its end, undisturbed, and compare."""
        life = self.start(folder, **options)
        holds(life.wait() == 0, f"{folder.path.name}: ended with {life.code}: {life.errors()}")
        self.compare(folder)

    def compare(self, folder) -> None:
        """Raise Fault unless the run ended as the undisturbed one did, and forget it."""
        self.same(folder)
        self.count("runs that ended with the same bits as the undisturbed run")
        shutil.rmtree(folder.path)

    def same(self, folder) -> None:
        """Raise Fault unless the run ended as the undisturbed one of its arithmetic did."""
        expected = self.expected["light" if self.kind == "light" else "cold"]
        holds(result_of(folder, self.steps) == expected, f"{folder.path}: ended otherwise")

    def check_state(self, folder) -> None:
        """Raise Fault unless what a fault left behind is readable."""
        if not folder.begun():
            folder.check_new()
            return
        folder.read_config()
        steps = folder.steps()
        holds(0 < len(steps) <= KEEP + 1, f"{folder.path}: has the checkpoints {steps}")
        for step in steps:
            load_checkpoint(folder.checkpoint_path(step))
            self.count("checkpoints read whole after a fault")

    def wait_for_step(self, life, folder, step=1, limit=900) -> None:
        """Wait until a life has written a checkpoint of that step or a later one, or has ended."""
        end = time.monotonic() + limit
        while life.alive() and max(folder.steps(), default=0) < step:
            holds(time.monotonic() < end, f"{folder.path}: no step {step} in {limit} s")
            time.sleep(0.01)


def result_of(folder, steps: int) -> tuple:
    """(digest of parameters, moments and random state after the last step; the log's lines)."""
    last = load_checkpoint(folder.checkpoint_path(steps))
    arrays = {f"{group}/{name}": array for group in ("G", "D", "optimizer")
              for name, array in getattr(last, group).items()}  # fmt: skip
    return contents_sha256({"sampler": last.sampler}, last.step, arrays), folder.read_log()


def tree(path) -> dict:
    """name -> digest of every file below a folder."""
    return {str(p.relative_to(path)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in Path(path).rglob("*") if p.is_file()}  # fmt: skip


def refused(life, words: str) -> None:
    """Raise Fault unless a life ended with exit code 1 and one line that has these words."""
    code, errors = life.wait(), life.errors()
    holds(code == 1 and len(errors) == 1 and words in errors[0], f"{code}: {errors}, not {words}")


# --- killed


def undisturbed(campaign, kind: str) -> None:
    """A run of the kind that nothing happens to: what all others must equal."""
    campaign.use(kind)
    folder = campaign.new_folder()
    life = campaign.start(folder)
    holds(life.wait() == 0, f"the undisturbed run: {life.errors()}")
    campaign.expected[kind] = result_of(folder, campaign.steps)
    holds([line["step"] for line in folder.read_log()] == list(range(1, campaign.steps + 1)),
          "the undisturbed run's log lacks steps")  # fmt: skip


def kills(campaign, kind: str, count: int, minutes: float = 1e9) -> None:
    """SIGKILL at random moments, every life but the last of each run; then compare."""
    campaign.use(kind)
    name, end = f"SIGKILL, {kind} life", time.monotonic() + 60 * minutes
    with tqdm(total=count, desc=name) as bar:
        while bar.n < count and time.monotonic() < end:
            folder, ended = campaign.new_folder(), False
            while not ended:
                life = campaign.start(folder)
                if bar.n < count and time.monotonic() < end:
                    kill(campaign, life, folder)
                ended = life.wait() == 0
                if not ended:
                    holds(life.code == -signal.SIGKILL, f"{folder.path}: {life.errors()}")
                    bar.update()
                    campaign.count(name)
                    note_where(campaign, folder, name)
                    campaign.check_state(folder)
            campaign.compare(folder)


def kill(campaign, life, folder) -> None:
    """SIGKILL a life: a third at a random time, the others as one of its files is being written."""
    start = time.monotonic()
    if campaign.rng.random() < 1 / 3:
        time.sleep(campaign.rng.uniform(0, 1.3 * campaign.first_step))
    else:
        wait_for_writing(life, folder, campaign.rng.integers(0, 8))
        if life.alive():
            campaign.first_step += 0.2 * (time.monotonic() - start - campaign.first_step)
        time.sleep(campaign.rng.exponential(0.001))
    life.send(signal.SIGKILL)


def wait_for_writing(life, folder, skip: int) -> None:
    """Wait until a life is writing a file, the one after `skip` others."""
    seen = set()
    while life.alive():
        seen |= half_written(folder)
        if len(seen) > skip:
            return
        time.sleep(0.0003)


def half_written(folder) -> set:
    """The files of a run that are being written, or were when it was killed."""
    found = set()
    for place in (folder.path, folder.checkpoints):
        with contextlib.suppress(FileNotFoundError):
            found |= {name for name in os.listdir(place) if is_temporary(name)}
    return found


def note_where(campaign, folder, kill_name) -> None:
    """Count what a kill interrupted."""
    names = half_written(folder)
    if any(name.startswith(".step_") for name in names):
        campaign.count(f"{kill_name}, while a checkpoint was being written")
    elif names:
        campaign.count(f"{kill_name}, while another file was being written")
    elif not folder.begun():
        campaign.count(f"{kill_name}, before the run had begun")


def stops(campaign, count: int) -> None:
    """SIGTERM and Ctrl-C at random moments: a one-line farewell, the documented exit code."""
    done, codes = 0, {signal.SIGTERM: 143, signal.SIGINT: 130}
    while done < count:
        folder, ended = campaign.new_folder(), False
        while not ended:
            life = campaign.start(folder)
            number = signal.SIGTERM if done % 2 else signal.SIGINT
            if done < count:
                if folder.begun():
                    campaign.wait_for_step(life, folder, folder.steps()[-1] + 1)
                time.sleep(campaign.rng.uniform(0, 1 if folder.begun() else campaign.first_step))
                life.send(number)
            ended = life.wait() == 0
            if not ended:
                holds(life.code in (codes[number], -number), f"{life.code} {life.errors()}")
                holds(not life.errors(), life.errors())
                holds(not half_written(folder), f"{folder.path}: half-written files stayed")
                done += 1
                campaign.count({signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C"}[number])
                campaign.check_state(folder)
        campaign.compare(folder)


# --- starved


def file_size_limits(campaign, count: int) -> None:
    """A disk that takes no more: every file of a life is limited to a random size."""
    for _ in range(count):
        folder = campaign.new_folder()
        # from what the terminal's output needs, which is a file here, to a little less than a
        # checkpoint's 138 592 bytes
        limit = int(campaign.rng.integers(6_000, 130_000))

        def before(limit=limit):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        if campaign.rng.random() < 0.5:  # or from the first file on
            life = campaign.start(folder)
            campaign.wait_for_step(life, folder, 3)
            life.send(signal.SIGTERM)
            life.wait()
        refused(campaign.start(folder, before=before), "cannot be written")
        holds(not half_written(folder), f"{folder.path}: half-written files stayed")
        campaign.check_state(folder)
        campaign.count("full disk: a limit on the size of files")
        campaign.finish(folder)


def small_disks(campaign, count: int) -> None:
    """A file system that fills up, then has room again."""
    for n in range(count):
        folder = campaign.new_folder()
        folder.path.mkdir()

        def full(folder=folder, size=350 + 50 * (n % 4)):
            mounts.tmpfs(folder.path, f"size={size}k")
            refused(campaign.start(folder, resume=False), "cannot be written")
            holds(not half_written(folder), "half-written files stayed")
            campaign.check_state(folder)
            mounts.tmpfs(folder.path, "remount,size=8m")
            life = campaign.start(folder)
            holds(life.wait() == 0, f"{folder.path.name}: {life.code}: {life.errors()}")
            campaign.same(folder)

        private(campaign, "full disk: a small file system", full)


def read_only(campaign) -> None:
    """A run folder that may only be read, at the start and at a resume."""
    folder = campaign.new_folder()
    life = campaign.start(folder)
    campaign.wait_for_step(life, folder, 3)
    life.send(signal.SIGTERM)
    life.wait()

    def locked():
        before = tree(folder.path)
        mounts.read_only(folder.path)
        refused(campaign.start(folder), "cannot be written")
        refused(campaign.start(RunFolder(folder.path / "new")), "cannot be written")
        holds(tree(folder.path) == before, "a read-only folder changed")

    if private(campaign, "read-only folder", locked):
        campaign.finish(folder)


def private(campaign, name: str, work) -> bool:
    """Do work where mounts are this campaign's own; whether that was permitted."""
    outcome = mounts.privately(work)
    if outcome is None:
        campaign.count(f"{name}: not tried, mounts are not permitted here")
        return False
    holds(outcome == "", outcome)
    campaign.count(name)
    return True


# --- disturbed


def lost_data(campaign) -> None:
    """The photo file goes, or is cut, while a training runs, and before a resume."""
    whole = campaign.data.read_bytes()
    for name, damage in {
        "data file removed": lambda path: path.unlink(),
        "data file truncated": lambda path: os.truncate(path, len(whole) // 2),
    }.items():
        data = campaign.scratch / "lost.h5"
        data.write_bytes(whole)
        folder, stopped = campaign.new_folder(), campaign.new_folder()
        first = campaign.start(stopped, data=data)
        campaign.wait_for_step(first, stopped, 2)
        first.send(signal.SIGTERM)
        first.wait()
        life = campaign.start(folder, data=data)
        campaign.wait_for_step(life, folder, 2)
        damage(data)
        holds(life.wait() == 0, f"{name}: {life.errors()}")
        campaign.compare(folder)
        campaign.count(f"{name} during a run")
        before = tree(stopped.path)
        refused(campaign.start(stopped, data=data), str(data))
        holds(tree(stopped.path) == before, f"{name}: the run folder changed")
        data.write_bytes(whole)
        campaign.finish(stopped, data=data)
        campaign.count(f"{name} before a resume")


def stopped_run(campaign, data=None):
    """The folder of a run that was stopped after a few steps."""
    folder = campaign.new_folder()
    life = campaign.start(folder, data=data)
    campaign.wait_for_step(life, folder, 2)
    life.send(signal.SIGTERM)
    life.wait()
    return folder


def other_pixels(campaign, count: int) -> None:
    """Before a resume, one picture of the photo file changes; all that describes the file stays."""
    for _ in range(count):
        data = lives.write_photos(campaign.scratch / "other.h5", change=campaign.rng)
        folder = stopped_run(campaign)
        before = tree(folder.path)
        refused(campaign.start(folder, data=data), "has other pixels")
        holds(tree(folder.path) == before, "the run folder changed")
        campaign.finish(folder)
        campaign.count("one picture of the data changed before a resume")


def links(campaign) -> None:
    """A file or folder of a run becomes a link to another run's."""
    for name in NAMES:
        folder, victim = stopped_run(campaign), stopped_run(campaign)
        before, place = tree(victim.path), folder.path / name
        aside = folder.path.with_name(f"{folder.path.name}.{name}")
        if place.exists():  # there are no curves without steps that are sampled
            place.rename(aside)
        place.symlink_to(victim.path / name)
        refused(campaign.start(folder, resume=True), "is a link")
        holds(tree(victim.path) == before, f"{name}: what it leads to changed")
        place.unlink()
        if aside.exists():
            aside.rename(place)
        campaign.finish(folder)
        campaign.finish(victim)
        campaign.count("a file or folder of a run that is a link")


def poor_file_systems(campaign, count: int) -> None:
    """A file system that knows no permissions and cannot flush folders: trainings go on as ever."""
    for n in range(count):
        number = (errno.EPERM, errno.ENOTSUP, errno.EINVAL)[n % 3]
        folder = campaign.new_folder()
        life = campaign.start(folder, before=lambda number=number: deny(number))
        campaign.wait_for_step(life, folder, int(campaign.rng.integers(1, campaign.steps)))
        life.send(signal.SIGKILL)
        life.wait()
        campaign.finish(folder, before=lambda number=number: deny(number))
        campaign.count("a file system without permissions and flushing of folders")


def deny(number: int) -> None:
    """Have the system refuse chmod, and fsync of folders."""
    fsync = os.fsync

    def chmod(*_):
        raise OSError(number, os.strerror(number))

    def of_files(handle):
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            chmod()
        fsync(handle)

    os.chmod, os.fsync = chmod, of_files


def two_trainings(campaign, count: int) -> None:
    """Two at once on one folder: both new, or one resumed; one is refused, the other unharmed."""
    for _ in range(count):
        folder = campaign.new_folder()
        pair = [campaign.start(folder, resume=False) for _ in range(2)]
        codes = sorted(life.wait() for life in pair)
        holds(codes == [0, 1], f"two new trainings at once: {codes}")
        campaign.compare(folder)
        campaign.count("two trainings begun at once on one folder")
        folder = campaign.new_folder()
        life = campaign.start(folder)
        campaign.wait_for_step(life, folder, 1)
        refused(campaign.start(folder, resume=True), "another training is running here")
        refused(campaign.start(folder, resume=False), "exists already")
        holds(life.wait() == 0, f"the first of two: {life.errors()}")
        campaign.compare(folder)
        campaign.count("a second training on the folder of a running one")


def jumping_clock(campaign, count: int) -> None:
    """A clock that jumps by up to a year, back and forth, whenever it is read; file times likewise."""
    for n in range(count):
        folder = campaign.new_folder()
        life = campaign.start(folder, before=lambda n=n: break_clock(n))
        campaign.wait_for_step(life, folder, int(campaign.rng.integers(1, campaign.steps)))
        life.send(signal.SIGKILL)
        life.wait()
        for path in folder.path.rglob("*.h5"):
            os.utime(path, (campaign.rng.uniform(0, 4e9),) * 2)
        campaign.finish(folder, before=lambda n=n: break_clock(-1 - n))
        campaign.count("a clock that jumps")


def break_clock(seed: int) -> None:
    """Let Python's clocks of the day jump whenever they are read; the monotonic one cannot."""
    import tqdm.std

    rng, real = np.random.default_rng(abs(seed)), time.time

    def jumping():
        return real() + rng.uniform(-365, 365) * DAY

    time.time = tqdm.std.time = jumping
    time.time_ns = lambda: int(jumping() * 1e9)


# --- the command


def versions() -> dict:
    """What the campaign ran on."""
    from cagan_theano.compat import versions as found

    return {**found(), "system": platform.platform(), "cpus": os.cpu_count()}


@click.command(context_settings={"show_default": True})
@click.option("--kills", "forked_kills", default=200, help="SIGKILLs of forked lives, 4 s each.")
@click.option("--light-kills", default=1000, help="SIGKILLs of light lives, 0.1 s each.")
@click.option("--cold-kills", default=2, help="SIGKILLs of whole commands, 30 s each.")
@click.option("--minutes", default=60.0, help="Kill forked lives no longer than this.")
@click.option("--stops", "stop_count", default=100, help="SIGTERMs and Ctrl-Cs.")
@click.option("--limits", default=50, help="Limits on the size of files.")
@click.option("--repeats", default=10, help="Small disks, pairs of trainings, broken clocks: of each.")
@click.option("--steps", default=30, help="Steps of a run.")
@click.option("--seed", default=0, help="Of the random moments.")
@click.option("--out", type=click.Path(dir_okay=False), help="Write the counts there, as JSON.")
def main(forked_kills, light_kills, cold_kills, minutes, stop_count, limits, repeats, steps, seed, out):
    """Kill, starve and disturb a tiny training; exit code 1 if a promise does not hold."""
    with tempfile.TemporaryDirectory(prefix="cagan_faults_") as scratch:
        os.environ["CAGAN_THEANO_CACHE"] = str(Path(scratch) / "compiled")
        began = time.monotonic()
        campaign = Campaign(scratch, steps, seed)
        parts = [
            (undisturbed, "light"), (lost_data,), (two_trainings, repeats),
            (other_pixels, repeats), (links,), (poor_file_systems, repeats),
            (jumping_clock, repeats), (read_only,), (small_disks, repeats),
            (file_size_limits, limits), (stops, stop_count), (kills, "light", light_kills),
        ]  # fmt: skip
        if cold_kills + forked_kills:
            parts += [(undisturbed, "cold"), (kills, "cold", cold_kills),
                      (kills, "forked", forked_kills, minutes)]  # fmt: skip
        for work, *arguments in parts:
            attempt(campaign, work, arguments)
            report(campaign, began, out)
    sys.exit(1 if campaign.faults else 0)


def attempt(campaign, work, arguments) -> None:
    """Do one part of the campaign; a promise that does not hold is noted and ends the part."""
    try:
        work(campaign, *arguments)
    except (Fault, OSError, ValueError) as error:
        campaign.faults.append(f"{work.__name__} {arguments}: {error}")
        tqdm.write(f"FAULT {campaign.faults[-1]}")


def report(campaign, began, out) -> None:
    """Print the counts so far; write them to a file where one is asked for."""
    result = {"date": datetime.date.today().isoformat(), "versions": versions(),
              "minutes": round((time.monotonic() - began) / 60, 1), "counts": campaign.counts,
              "faults": campaign.faults}  # fmt: skip
    tqdm.write(json.dumps(result, indent=1))
    if out:
        Path(out).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
