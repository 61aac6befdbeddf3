"""Lives of one tiny training: started, killed, stopped, resumed; whole processes or forks.

A *cold* life is the command as a user starts it.  Most of its time goes into Aesara's rewriting of
the graph, so that hundreds of them take hours.  A *forked* life is a fork of a process that has done
that rewriting and nothing else: jax finds its devices, traces and compiles after the fork, and all
that reads and writes files, resumes and trains is the command's own code.  A *light* life is a fork
as well, whose updates are a few lines of numpy in the place of the compiled ones; the rest is again
the command's own: thousands of them can be killed.
"""

import contextlib
import dataclasses
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from cagan_theano.io.command import main

ROOT = Path(__file__).resolve().parents[2]
WIDTHS = "8,8,8,8"
OPTIONS = ["--g-widths", WIDTHS, "--d-widths", WIDTHS, "--g-kernel", "3", "--batch-size", "2",
           "--backend", "jax", "--device", "cpu", "--checkpoint-every", "1", "--keep", "3"]  # fmt: skip


def write_photos(path, pairs=12, side=32, change=None):
    """A photo file of flat garments on a gray wall, without test photos: no samples are drawn.

    change: a random generator that changes one value of one picture.
    """
    from data_prep.store import PhotoWriter

    rng = np.random.default_rng(0)
    odd = change.integers(pairs) if change else None
    with PhotoWriter(path, side, side, {"program": "tests/faults"}) as writer:
        for n in range(pairs):
            x, y = np.full((2, side, side, 3), 220, np.uint8)
            x[9:24, 7:25] = y[6:26, 6:26] = rng.integers(0, 256, 3)
            if n == odd:
                (x if change.random() < 0.5 else y)[tuple(change.integers(side, size=2))] ^= 1
            writer.add("train", x, y, n, n)
    return path


class Life:
    """One process of the training command: pid, what it printed, how it ended."""

    def __init__(self, pid, log):
        self.pid, self.log, self.code = pid, Path(log), None

    def alive(self) -> bool:
        """Whether the process is still running."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is None

    def send(self, number) -> None:
        """Send a signal, if there is someone to take it."""
        if self.alive():
            os.kill(self.pid, number)

    def wait(self, limit=900) -> int:
        """The exit code (negative: the signal that ended it); TimeoutError after `limit` seconds."""
        end = time.monotonic() + limit
        while self.alive():
            if time.monotonic() > end:
                raise TimeoutError(f"{self.log}: still running after {limit} s")
            time.sleep(0.02)
        return self.code

    def errors(self) -> list[str]:
        """The lines that begin with "Error: ", and those of a traceback."""
        if not self.log.exists():  # it ended before it had anything to say
            return []
        lines = self.log.read_text(errors="replace").replace("\r", "\n").splitlines()
        return [line for line in lines if line.startswith(("Error: ", "Traceback"))]


def cold(arguments, log, before=None) -> Life:
    """The command in a new process.  before: called in it before the command is."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "cagan_theano", "train", *arguments],
            stdout=out,
            stderr=out,
            env=environment,
            preexec_fn=before,
        )
    return Life(process.pid, log)


class Forks:
    """Starts the training command in forks of this process, without importing anything again."""

    def __init__(self):
        from cagan_theano.training import command

        self.command = command

    def prepare(self):
        """In the fork, before the command: put what takes too long in the place of what it calls."""

    def start(self, arguments, log, before=None) -> Life:
        """The command in a fork of this process.  before: called in it before the command is."""
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            return Life(pid, log)
        code = 99
        try:
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            # whoever forked may have put something else in their place, as pytest does
            sys.stdout, sys.stderr = (open(n, "w", buffering=1, closefd=False) for n in (1, 2))
            if before:
                before()
            self.prepare()
            main(self.command.train, list(arguments))
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


class Forked(Forks):
    """Forks in which Aesara has rewritten the update already."""

    def __init__(self, data):
        from cagan_theano.backends import Backend, native
        from cagan_theano.backends import jax as back_end
        from cagan_theano.compat import aesara
        from cagan_theano.training.engine import Engine
        from data_prep.store import PhotoFile

        super().__init__()
        with PhotoFile(data) as file:
            photos = file.split("train")
            self.photos = dataclasses.replace(photos, x=photos.x.load(), y=photos.y.load())
        back_end.register()
        back_end.silence()
        mode = back_end.mode(back_end.Target(compiled=native.available()), Unplaced())
        backend = Backend("jax", "CPU", mode, lambda _: None)
        self.trainer = Engine(tiny_config(data), self.photos, backend)
        maker = aesara.compile.function.types.FunctionMaker
        self.create, maker.create = maker.create, self._keeper()
        with contextlib.suppress(Prepared):
            self.trainer.functions.update.compile()
        maker.create = self.create

    def _keeper(self):
        """In the place of Aesara's last stage, which would wake jax: remember how to do it."""

        def keep(maker, *arguments, **options):
            self.finish = lambda: self.create(maker, *arguments, **options)
            raise Prepared

        return keep

    def prepare(self):
        """The prepared trainer in the place of a new one."""
        self.command.Engine = self.trained

    def trained(self, config, photos, backend):
        """In a fork, in the place of `Engine`: the prepared one, on the back end of this process."""
        assert np.array_equal(photos.x, self.photos.x) and np.array_equal(photos.y, self.photos.y)
        trainer = self.trainer
        assert config.replace(steps=1) == trainer.config.replace(steps=1)
        trainer.config, trainer.backend = config, backend
        trainer.functions.update.function = self.finish()
        networks = trainer.networks
        for variables in (networks.G.params, networks.D.params, trainer._moments()):
            for variable in variables.values():
                backend.resident(variable)
        return trainer


class Light(Forks):
    """Forks whose updates are a few lines of numpy."""

    def prepare(self):
        """No jax, and no compiled functions."""
        from cagan_theano.backends import Backend
        from cagan_theano.training import loop

        # one figure for each run would be most of the work
        loop.loss_curves = lambda *_: b"no curves"
        self.command.choose_backend = lambda *_, **__: Backend("none", "CPU", None, lambda _: None)
        self.command.Engine = arithmetic_trainer()


def arithmetic_trainer():
    """An `Engine` whose update is arithmetic: state, resume and random state are the real ones."""
    from cagan_theano.method.adam import Adam
    from cagan_theano.network.networks import build_networks
    from cagan_theano.training.engine import Engine
    from cagan_theano.training.sampler import Sampler

    class Arithmetic(Engine):
        def __init__(self, config, photos, backend):
            self.config, self.backend, self.photos = config, backend, photos
            self.sampler, self.step = Sampler(config, photos.garment), 0
            self.networks = build_networks(config)
            made = {name: Adam(net.params, config) for name, net in self.networks._asdict().items()}
            self.functions = SimpleNamespace(optimizers=made, average=None)

        def update(self, indices):
            pull = np.float32(self.photos.x[indices.i].mean() / 255 - self.photos.y[indices.j].mean())
            for variable in self._moments().values():
                value = variable.get_value()
                variable.set_value((value * 0.9 + pull).astype(value.dtype))
            for network in self.networks:
                for variable in network.params.values():
                    value = variable.get_value()
                    variable.set_value(np.sin(value + pull).astype(value.dtype))
            return {"loss_D": float(pull), "loss_G": float(value.sum())}

    return Arithmetic


class Prepared(Exception):
    """The graph is rewritten."""


class Unplaced:
    """In the place of the devices, which a process finds after the fork."""

    def compiled(self, function, replaced):
        """The function, to be compiled where it is first called."""
        import jax

        return jax.jit(function)


def tiny_config(data):
    """The configuration that OPTIONS describe."""
    from cagan_theano.config import Config
    from data_prep.store import PhotoFile

    widths = tuple(map(int, WIDTHS.split(",")))
    with PhotoFile(data) as file:
        return Config(
            height=file.height, width=file.width, g_widths=widths, d_widths=widths, g_kernel=3, batch_size=2
        )
