"""Train and swap with the functions that `cagan export-functions` wrote, without Aesara.

    python replicate/run_exported.py train --functions exported --data train.h5 --out trained.h5
    python replicate/run_exported.py swap --functions exported --state trained.h5 --data train.h5 \
        --out swaps.npz

Needs this clone and the packages jax (on a GPU: jax[cuda12]), numpy, h5py and click.  The checkpoints are
those of the rest of the package, and the minibatches those of its training.

A folder of exported functions is code: take it from no one whose programs you would not run.  What
can be checked is: the manifest's form, the files' digests, and that the programs do nothing but
arithmetic (no calls out of StableHLO but `KNOWN_CALLS`, nothing sent or received).
"""

import contextlib
import dataclasses
import hashlib
import json
import re
import time
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np

from cagan_theano.checkpoint import KIND, Checkpoint, load_checkpoint, save_checkpoint
from cagan_theano.io.color import decode, encode, to_bytes
from cagan_theano.io.command import Group
from cagan_theano.io.files import atomic_file, check_absent, check_apart, check_kind, writing
from cagan_theano.io.signals import Signals
from cagan_theano.learning.sampling import Sampler
from data_prep.store import PhotoFile

FORMAT, VERSION = "cagan_theano exported functions", 1
MAX_MANIFEST = 4 << 20  # bytes; ours have some 100 kB
KNOWN_CALLS = {"shape_assertion"}  # jax's own, where the number of photos is free
DTYPES = {"bool", "uint8", "int32", "int64", "float32"}
NAMES = re.compile(r"update(_[DG])?|swap_[1-9]\d{0,5}")
PLATFORM = {"cpu": "cpu", "gpu": "cuda", "cuda": "cuda"}  # jax's name of a device -> the program's


class Functions:
    """The exported functions of a folder, and the arrays that they read and replace.

    config: `Config` of the networks.  state: name -> array, as the manifest names them.
    Raises FileNotFoundError or ValueError, with the cure, for a folder that cannot be used.
    """

    def __init__(self, folder, device=None):
        self.folder, self.compiled, self.state = Path(folder), {}, {}
        self.manifest = self.read_manifest()
        self.device = find_device(device)
        self.platform = PLATFORM[self.device.platform]

    def read_manifest(self) -> dict:
        """The manifest, checked as far as this program relies on it."""
        path = self.folder / "manifest.json"
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: there is no such file; give a folder that `python -m "
                "cagan_theano.interop.export_functions` wrote"
            )
        try:
            if path.stat().st_size > MAX_MANIFEST:
                raise ValueError("too large")
            manifest = json.loads(path.read_text())
            check_manifest(manifest)
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"{path}: is no manifest of exported functions that this program reads "
                f"({str(error)[:200]}); export them anew"
            ) from error
        return manifest

    def names(self) -> list[str]:
        """The functions by name."""
        return list(self.manifest["functions"])

    def program(self, name: str) -> tuple[bytes, dict]:
        """The StableHLO of a function for this device, whole as its digest says, and its facts."""
        about = self.manifest["functions"][name]["programs"].get(self.platform)
        if about is None:
            raise ValueError(f"{self.folder}: has no {name} for {self.platform}; export it anew")
        path = self.folder / about["file"]
        data = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(data).hexdigest() != self.manifest["files"].get(about["file"]):
            raise ValueError(f"{path}: is missing or damaged; copy the folder again")
        return data, about

    def exported(self, name: str):
        """The function as jax.export's `Exported`.

        jax refuses to read its own files after some months, though not StableHLO: so a function of
        the same arguments and results is exported here, and its program replaced.
        """
        import jax
        from jax import export

        if name not in self.manifest["functions"]:
            raise ValueError(f"{self.folder}: holds no {name}, only {', '.join(self.names())}; export it too")
        data, about = self.program(name)
        function = self.manifest["functions"][name]
        (rows,) = export.symbolic_shape("rows")
        arguments = [
            jax.ShapeDtypeStruct([rows if side is None else side for side in v["shape"]], v["dtype"])
            for v in function["inputs"]
        ]
        results = [jax.ShapeDtypeStruct(v["shape"], v["dtype"]) for v in function["outputs"]]
        like = jax.jit(lambda *_: tuple(jax.numpy.zeros(r.shape, r.dtype) for r in results))
        template = export.export(like, platforms=[self.platform])(*arguments)
        made = dataclasses.replace(
            template,
            mlir_module_serialized=data,
            module_kept_var_idx=tuple(about["kept"]),
            calling_convention_version=about["convention"],
        )
        with self.trouble(name):
            check_program(made.mlir_module())
        return made

    @contextlib.contextmanager
    def trouble(self, name: str):
        """Make one line of what jax says of a program that it cannot read, compile or run."""
        try:
            yield
        except Exception as error:  # jax, MLIR and XLA have many kinds
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise ValueError(
                f"{self.folder}: {name} cannot be run ({lines[0][:200]}); export it anew"
            ) from error

    def compile(self, name: str):
        """The function of this name: a jax function of its inputs in the manifest's order."""
        if name not in self.compiled:
            import jax

            program, about = self.exported(name), self.manifest["functions"][name]
            replaced = set(about["replaces"].values())
            donated = [n for n, v in enumerate(about["inputs"]) if v["name"] in replaced]
            self.compiled[name] = jax.jit(program.call, donate_argnums=donated)
        return self.compiled[name]

    def __call__(self, name: str, given: dict) -> dict:
        """Results by name; what the function replaces goes into `state` instead."""
        function = self.compile(name)
        about = self.manifest["functions"][name]
        known = self.state | given
        missing = [v["name"] for v in about["inputs"] if v["name"] not in known]
        if missing:
            raise ValueError(
                f"{self.folder}: {name} reads {missing[0][:99]!r}, which the checkpoint and the photos do "
                "not have; give --state the checkpoint that was exported with it, or export anew"
            )
        arrays = [known[v["name"]] for v in about["inputs"]]
        with self.trouble(name):
            made = function(*arrays)
        results = dict(zip((v["name"] for v in about["outputs"]), made))
        for new, old in about["replaces"].items():
            self.state[old] = results.pop(new)
        return results

    def put(self, arrays: dict) -> None:
        """Put arrays by name into the state, on the device."""
        import jax

        self.state |= {name: jax.device_put(array, self.device) for name, array in arrays.items()}


def check_manifest(manifest) -> None:
    """Raise ValueError unless a manifest has all that this program relies on, of the right types."""
    need(isinstance(manifest, dict), "it is no object")
    known = [manifest.get("format"), manifest.get("version")]
    need(known == [FORMAT, VERSION] and not isinstance(known[1], bool), "its format or version")
    files = manifest.get("files")
    need(isinstance(files, dict), "its files")
    need(all(plain(name) and isinstance(d, str) for name, d in files.items()), "its files")
    functions = manifest.get("functions")
    need(isinstance(functions, dict) and functions, "its functions")
    for name, function in functions.items():
        need(NAMES.fullmatch(name) and isinstance(function, dict), "the name of a function")
        check_function(name, function)


def check_function(name: str, function: dict) -> None:
    """Raise ValueError unless the manifest's entry of a function is whole."""
    for part, sides in (("inputs", (int, type(None))), ("outputs", (int,))):
        values = function.get(part)
        need(isinstance(values, list) and values, f"{part} of {name}")
        need(all(is_value(value, sides) for value in values), f"{part} of {name}")
        need(len({value["name"] for value in values}) == len(values), f"{part} of {name}")
    inputs, outputs = ({v["name"] for v in function[part]} for part in ("inputs", "outputs"))
    replaces = function.get("replaces")
    need(isinstance(replaces, dict), f"what {name} replaces")
    need(all(new in outputs and isinstance(old, str) and old in inputs
             for new, old in replaces.items()), f"what {name} replaces")  # fmt: skip
    returns = {"losses"} if name.startswith("update") else {"alpha", "x_tilde_ij", "x_ij"}
    need(returns == outputs - set(replaces), f"what {name} returns")
    if name.startswith("update"):
        losses = function.get("losses")
        need(isinstance(losses, list) and all(isinstance(x, str) for x in losses), f"losses of {name}")
    programs = function.get("programs")
    need(isinstance(programs, dict), f"programs of {name}")
    need(all(is_program(program, len(function["inputs"])) for program in programs.values()),
         f"programs of {name}")  # fmt: skip


def need(condition, what: str) -> None:
    """Raise ValueError that says what is amiss unless a condition holds."""
    if not condition:
        raise ValueError(f"{what}: missing, or not as expected")


def plain(name) -> bool:
    """Whether something is a name of a file in the folder itself."""
    return isinstance(name, str) and Path(name).name == name


def whole(number) -> bool:
    """Whether something is a whole number of bearable size; true and false are none."""
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 1 << 31


def is_value(value, sides: tuple) -> bool:
    """Whether something describes an argument or a result: its name, shape and dtype."""
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return False
    shape, dtype = value.get("shape"), value.get("dtype")
    return (isinstance(dtype, str) and dtype in DTYPES and isinstance(shape, list) and len(shape) <= 8
            and all(isinstance(side, sides) and (side is None or whole(side)) for side in shape))  # fmt: skip


def is_program(program, inputs: int) -> bool:
    """Whether something describes a program of a function of so many inputs."""
    if not isinstance(program, dict) or not plain(program.get("file")):
        return False
    kept = program.get("kept")
    return (whole(program.get("convention")) and isinstance(kept, list)
            and all(whole(n) and n < inputs for n in kept)
            and kept == sorted(set(kept)))  # fmt: skip


def check_program(text: str) -> None:
    """Raise ValueError unless a program, in MLIR's own words, only computes.

    A custom call runs machine code of its name in this process, and one of a Python callback reads
    its address from the program; what is sent or received goes to the host.
    """
    calls = re.findall(r'custom_call\s+@("[^"]*"|[\w.$-]+)', text)
    strange = [call for call in calls if call not in KNOWN_CALLS]
    if strange or len(calls) != text.count("custom_call"):
        raise ValueError(f"it calls {', '.join(strange)[:99] or 'what has no name'}, which is not known")
    moved = re.search(r"\b(send|recv|infeed|outfeed)\b", text)
    if moved:
        raise ValueError(f"it exchanges data with the host ({moved[0]})")


def find_device(kind):
    """The first device of a kind ("cpu", "gpu"), None being jax's choice."""
    try:
        import jax
    except ModuleNotFoundError as error:
        raise ValueError(f"{error}; install it with: pip install jax") from error
    try:
        device = jax.devices(kind)[0]
    except RuntimeError as error:
        raise ValueError(f"no {kind} is visible to jax; use --device cpu") from error
    if device.platform not in PLATFORM:
        raise ValueError(f"jax runs on {device.platform} here; use --device cpu")
    jax.config.update("jax_default_device", device)
    return device


class Training:
    """A training by exported functions: what `cagan_theano.learning.trainer.Trainer` is with Aesara."""

    def __init__(self, functions: Functions, checkpoint: Checkpoint, photos):
        self.functions, self.checkpoint, self.config = functions, checkpoint, checkpoint.config
        self.step, self.sampler = checkpoint.step, Sampler(self.config, photos.garment)
        if checkpoint.sampler:
            self.sampler.restore(checkpoint.sampler)
        functions.put(state_of(checkpoint) | arrays_of(photos, self.config))
        self.start = time.monotonic()

    def advance(self) -> dict[str, float]:
        """One step on the next minibatch; the losses by name."""
        indices = self.sampler.draw()._asdict()
        name = self.update()
        values = np.asarray(self.functions(name, indices)["losses"]).tolist()
        self.step += 1
        return dict(zip(self.functions.manifest["functions"][name]["losses"], values))

    def update(self) -> str:
        """The function of the coming step."""
        if self.config.schedule == "both":
            return "update"
        return "update_G" if self.step % 2 else "update_D"

    def save(self, path) -> None:
        """Write a checkpoint that the rest of the package reads, too."""
        groups = {"G": {}, "D": {}, "optimizer": {}}
        for name, array in self.functions.state.items():
            group, _, rest = name.partition("/")
            if group in groups:
                groups[group][rest] = np.array(array)
        device = getattr(self.functions.device, "device_kind", "")
        seconds = self.checkpoint.metadata.get("seconds", 0) + time.monotonic() - self.start
        metadata = {
            **self.checkpoint.metadata,
            "seconds": round(seconds, 1),
            "device": device,
            "finished": self.step >= self.config.steps,
            "backend": "exported",
        }
        save_checkpoint(
            path,
            Checkpoint(
                config=self.config,
                step=self.step,
                metadata=metadata,
                sampler=self.sampler.state(),
                **groups,
            ),
        )


def state_of(checkpoint: Checkpoint) -> dict:
    """The arrays of a checkpoint by the manifest's names; ValueError without moments."""
    if checkpoint.optimizer is None:
        raise ValueError(
            "the checkpoint holds weights only, no moments; export it, and train on "
            "from the exported state.h5"
        )
    groups = {"G": checkpoint.G, "D": checkpoint.D, "optimizer": checkpoint.optimizer}
    return {f"{group}/{name}": array for group, part in groups.items() for name, array in part.items()}


def arrays_of(photos, config) -> dict:
    """The photos that stay on the device, in the coding of config.color."""
    arrays = {
        "photos/x": to_bytes(photos.x.load(), config.color),
        "photos/y": to_bytes(photos.y.load(), config.color),
    }
    if config.mask != "none":
        arrays["photos/mask"] = photos.mask.load()[..., None]
    return arrays


def check_photos(file: PhotoFile, photos, config) -> None:
    """Raise ValueError for photos that these functions cannot take."""
    if (file.height, file.width) != (config.height, config.width):
        raise ValueError(
            f"{file.path}: has photos of {file.height}x{file.width}; the functions "
            f"are for {config.height}x{config.width}; export others, or give other photos"
        )
    if config.mask != "none" and photos.mask is None:
        raise ValueError(f"{file.path}: has no masks, which mask={config.mask} needs; give photos with masks")


def train(args) -> int:
    """Train, log each step, save now and then and at the end; returns the exit code."""
    check_paths(args, log=args.log or f"{args.out}.jsonl")
    functions = Functions(args.functions, args.device)
    checkpoint = load_checkpoint(args.state or functions.folder / "state.h5")
    with PhotoFile(args.data) as file:
        photos = file.split("train")
        check_photos(file, photos, checkpoint.config)
        training = Training(functions, checkpoint, photos)
    last = checkpoint.config.steps if args.steps is None else checkpoint.step + args.steps
    times = []
    with Signals() as signals, open(args.log or f"{args.out}.jsonl", "a") as log:
        signals.patient = True
        while training.step < last and not signals.exit_code:
            before = time.perf_counter()
            losses = training.advance()
            times.append(time.perf_counter() - before)
            with writing(log.name):
                log.write(json.dumps({"step": training.step, **losses}) + "\n")
            check_finite(losses, training.step)
            if training.step % args.checkpoint_every == 0:
                log.flush()
                training.save(args.out)
                report(training, losses, times)
        training.save(args.out)
    report(training, losses if times else {}, times)
    print(f"wrote {args.out}")
    return signals.exit_code


def check_paths(args, log=None) -> None:
    """Raise ValueError where something that is read, or of another kind, would be written over."""
    state = args.state or Path(args.functions) / "state.h5"
    outputs = {"--out": args.out} | ({"--log": log} if log else {})
    check_apart(outputs, {"--data": args.data, "--state": state})
    if log:
        check_kind(args.out, KIND)
        check_absent(args.out, args.overwrite)
        check_kind(log, "JSON")  # its lines are added to
    else:
        check_kind(args.out, "an archive")


def check_finite(losses: dict, step: int) -> None:
    """Raise ValueError when training has diverged."""
    broken = [name for name, value in losses.items() if not np.isfinite(value)]
    if broken:
        raise ValueError(
            f"step {step}: {', '.join(broken)} is not finite: training diverged; the "
            "last checkpoint written is the last good one"
        )


def report(training: Training, losses: dict, times: list) -> None:
    """Say how far training is, and how long a step takes once all is compiled."""
    shown = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
    took = f"{1000 * np.median(times[1:]):.1f} ms a step (median)" if len(times) > 1 else ""
    print(f"step {training.step} {shown} {took}", flush=True)


def swap(args) -> int:
    """Dress random test people in other garments, and write what G makes of them as .npz."""
    check_paths(args)
    functions = Functions(args.functions, args.device)
    checkpoint = load_checkpoint(args.state or functions.folder / "state.h5")
    functions.put({f"G/{name}": array for name, array in checkpoint.G.items()})
    with PhotoFile(args.data) as file:
        photos = file.split(args.split)
        check_photos(file, photos, checkpoint.config)
        i, j = choose(photos, args.count, args.seed)
        arrays = {"x_i": photos.x, "y_i": photos.y, "y_j": photos.y}
        rows = {"x_i": i, "y_i": i, "y_j": j}
        given = {name: np.stack([array[int(row)] for row in rows[name]]) for name, array in arrays.items()}
        if checkpoint.config.mask != "none":
            given["m_i"] = np.stack([photos.mask[int(row)] for row in i])
    alpha, x_tilde_ij, x_ij = paint(functions, given, checkpoint.config.color)
    with atomic_file(args.out) as temporary, open(temporary, "wb") as target:
        np.savez_compressed(target, i=i, j=j, **given, alpha=alpha, x_tilde_ij=x_tilde_ij, x_ij=x_ij)
    print(f"wrote {args.out}")
    return 0


def choose(photos, count: int, seed: int):
    """Rows i of people, in order, and for each a random row j with another garment."""
    rng, n = np.random.default_rng(seed), min(count, len(photos))
    others = [np.flatnonzero(photos.garment != photos.garment[row]) for row in range(n)]
    if not all(map(len, others)):
        raise ValueError("all these photos show one garment; swapping needs at least two")
    return np.arange(n), np.array([rng.choice(rows) for rows in others])


def paint(functions: Functions, given: dict, color: str) -> tuple:
    """alpha [N, H, W] in [0, 1], x_tilde_ij and x_ij [N, H, W, 3] uint8 for pictures by name."""
    sizes = sorted(int(name[5:]) for name in functions.names() if name.startswith("swap_"))
    if not sizes:
        raise ValueError(f"{functions.folder}: holds no swap; export it too")
    n = len(given["x_i"])
    size = next((size for size in sizes if size >= n), sizes[-1])
    parts = []
    for start in range(0, n, size):
        rows = np.minimum(np.arange(start, start + size), n - 1)  # the last is repeated
        made = functions(
            f"swap_{size}", {name: coded(array[rows], name, color) for name, array in given.items()}
        )
        parts.append([np.asarray(made[name]) for name in ("alpha", "x_tilde_ij", "x_ij")])
    alpha, *pictures = (np.concatenate(part)[:n] for part in zip(*parts))
    return alpha[:, 0], *(decode(np.moveaxis(array, 1, -1), color) for array in pictures)


def coded(array, name: str, color: str):
    """What G takes: pictures [N, 3, H, W] in [-1, 1], masks [N, 1, H, W] in [0, 1]."""
    if name == "m_i":
        return (encode(array)[:, None] + 1) / 2
    return np.ascontiguousarray(np.moveaxis(encode(array, color), -1, 1))


def functions_options(command):
    """Decorator: the options that both commands have."""
    for option in (
        click.option("--device", type=click.Choice(["cpu", "gpu"]), help="[default: the best there is]"),
        click.option(
            "--state", type=click.Path(), help="Checkpoint to start from.  [default: the exported one]"
        ),
        click.option("--data", type=click.Path(), required=True, help="Photo file (HDF5)."),
        click.option("--functions", type=click.Path(), required=True, help="Folder of exported functions."),
    ):
        command = option(command)
    return command


@click.group(cls=Group)
def command():
    """Train or swap with exported functions; Aesara need not be installed."""


@command.command("train")
@functions_options
@click.option("--out", type=click.Path(), required=True, help="Checkpoint to write.")
@click.option("--steps", type=click.IntRange(1), help="Steps to do now.  [default: all that are left]")
@click.option(
    "--checkpoint-every", type=click.IntRange(1), default=250, show_default=True, help="Steps between saves."
)
@click.option("--overwrite", is_flag=True, help="Write over a checkpoint that is there.")
@click.option("--log", type=click.Path(), help="File of the losses.  [default: OUT.jsonl]")
def train_command(**settings):
    """Train on, log each step, and save now and then and at the end."""
    return train(SimpleNamespace(**settings))


@command.command("swap")
@functions_options
@click.option("--out", type=click.Path(), required=True, help="Archive of arrays (.npz) to write.")
@click.option(
    "--split", type=click.Choice(["test", "train"]), default="test", show_default=True, help="Whose photos."
)
@click.option("--count", type=click.IntRange(1), default=16, show_default=True, help="Swaps to make.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the choice of articles."
)
def swap_command(**settings):
    """Dress people in other garments, and write what G makes of them."""
    return swap(SimpleNamespace(**settings))
