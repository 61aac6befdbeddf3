"""Train and swap with the functions that `cagan export-functions` wrote, without Aesara.

    python replicate/run_exported.py train --functions exported --data train.h5 --out trained.h5
    python replicate/run_exported.py swap --functions exported --state trained.h5 --data train.h5 \
        --out swaps.npz

Requires this clone and the packages jax (on a GPU: jax[cuda12]), numpy, h5py, click and tqdm.
Checkpoints and minibatches are those of `cagan train`.

A folder of exported functions is code: use only folders from sources whose programs you would run.
Checked are the form of the manifest, the digests of the files, and that the programs only compute
(no custom calls except `KNOWN_CALLS`, nothing sent or received).
"""

import contextlib
import dataclasses
import hashlib
import json
import re
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np

from cagan_theano.checkpoint import KIND, Checkpoint, load_checkpoint
from cagan_theano.evaluation.held_out import random_articles, swappable
from cagan_theano.io.color import to_bytes
from cagan_theano.io.command import Group
from cagan_theano.io.files import atomic_file, check_absent, check_apart, check_folder, check_kind
from cagan_theano.io.signals import Signals
from cagan_theano.learning.loop import FileLoop
from cagan_theano.learning.photos import check_photos
from cagan_theano.learning.samples import rows
from cagan_theano.learning.swaps import Swap, swap_in_batches
from cagan_theano.learning.training import Training, naming
from data_prep.store import PhotoFile

FORMAT, VERSION = "cagan_theano exported functions", 1
MAX_MANIFEST = 4 << 20  # bytes; ours have about 100 kB
KNOWN_CALLS = {"shape_assertion"}  # emitted by jax for a variable number of photos
DTYPES = {"bool", "uint8", "int32", "int64", "float32"}
NAMES = re.compile(r"update(_[DG])?|swap_[1-9]\d{0,5}")
PLATFORM = {"cpu": "cpu", "gpu": "cuda", "cuda": "cuda"}  # jax's platform -> the program's


class Functions:
    """The exported functions in a folder, and the arrays that they read and replace.

    state: name in the manifest -> array.
    Raises FileNotFoundError or ValueError, with the cure, for a folder that cannot be used.
    """

    def __init__(self, folder, device=None):
        self.folder, self.compiled, self.state = Path(folder), {}, {}
        self.manifest = self.read_manifest()
        self.device = find_device(device)
        self.platform = PLATFORM[self.device.platform]

    def read_manifest(self) -> dict:
        """Read and check the manifest."""
        path = self.folder / "manifest.json"
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: no such file; give a folder written by `python -m "
                "cagan_theano.interop.export_functions`"
            )
        try:
            if path.stat().st_size > MAX_MANIFEST:
                raise ValueError("too large")
            manifest = json.loads(path.read_text())
            check_manifest(manifest)
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"{path}: not a manifest of exported functions that this program can read "
                f"({str(error)[:200]}); export them again"
            ) from error
        return manifest

    def names(self) -> list[str]:
        """Names of the functions."""
        return list(self.manifest["functions"])

    def program(self, name: str) -> tuple[bytes, dict]:
        """The StableHLO of a function for this device, verified by its digest, and its manifest entry."""
        about = self.manifest["functions"][name]["programs"].get(self.platform)
        if about is None:
            raise ValueError(f"{self.folder}: has no {name} for {self.platform}; export it again")
        path = self.folder / about["file"]
        data = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(data).hexdigest() != self.manifest["files"].get(about["file"]):
            raise ValueError(f"{path}: is missing or damaged; copy the folder again")
        return data, about

    def exported(self, name: str):
        """The function as a `jax.export.Exported`.

        jax rejects its serialized `Exported` after some months, but not StableHLO.  So a function with
        the same signature is exported here and its program replaced.
        """
        import jax
        from jax import export

        if name not in self.manifest["functions"]:
            raise ValueError(f"{self.folder}: has no {name}, only {', '.join(self.names())}; export it too")
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
        with self.one_line_errors(name):
            check_program(made.mlir_module())
        return made

    @contextlib.contextmanager
    def one_line_errors(self, name: str):
        """Report errors of jax while reading, compiling or running a program as one line."""
        try:
            yield
        except Exception as error:  # jax, MLIR and XLA raise many types
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise ValueError(
                f"{self.folder}: {name} cannot be run ({lines[0][:200]}); export it again"
            ) from error

    def compile(self, name: str):
        """The named function as a jax function of its inputs, in the manifest's order."""
        if name not in self.compiled:
            import jax

            program, about = self.exported(name), self.manifest["functions"][name]
            replaced = set(about["replaces"].values())
            donated = [n for n, v in enumerate(about["inputs"]) if v["name"] in replaced]
            self.compiled[name] = jax.jit(program.call, donate_argnums=donated)
        return self.compiled[name]

    def __call__(self, name: str, given: dict) -> dict:
        """Run a function; returns its results by name and stores replaced arrays in `state`."""
        function = self.compile(name)
        about = self.manifest["functions"][name]
        known = self.state | given
        missing = [v["name"] for v in about["inputs"] if v["name"] not in known]
        if missing:
            raise ValueError(
                f"{self.folder}: {name} reads {missing[0][:99]!r}, which neither the checkpoint nor the "
                "photos have; give --state the checkpoint that was exported with it, or export again"
            )
        arrays = [known[v["name"]] for v in about["inputs"]]
        with self.one_line_errors(name):
            made = function(*arrays)
        results = dict(zip((v["name"] for v in about["outputs"]), made))
        for new, old in about["replaces"].items():
            self.state[old] = results.pop(new)
        return results

    def put(self, arrays: dict) -> None:
        """Store arrays by name in the state, on the device."""
        import jax

        self.state |= {name: jax.device_put(array, self.device) for name, array in arrays.items()}


def check_manifest(manifest) -> None:
    """Raise ValueError unless a manifest has all required entries, with the right types."""
    require(isinstance(manifest, dict), "the manifest")
    known = [manifest.get("format"), manifest.get("version")]
    require(known == [FORMAT, VERSION] and not isinstance(known[1], bool), "its format or version")
    files = manifest.get("files")
    require(isinstance(files, dict), "its files")
    require(all(is_file_name(name) and isinstance(d, str) for name, d in files.items()), "its files")
    functions = manifest.get("functions")
    require(isinstance(functions, dict) and functions, "its functions")
    for name, function in functions.items():
        require(NAMES.fullmatch(name) and isinstance(function, dict), "the name of a function")
        check_function(name, function)


def check_function(name: str, function: dict) -> None:
    """Raise ValueError unless the manifest entry of a function is complete."""
    for part, sides in (("inputs", (int, type(None))), ("outputs", (int,))):
        values = function.get(part)
        require(isinstance(values, list) and values, f"{part} of {name}")
        require(all(is_value(value, sides) for value in values), f"{part} of {name}")
        require(len({value["name"] for value in values}) == len(values), f"{part} of {name}")
    inputs, outputs = ({v["name"] for v in function[part]} for part in ("inputs", "outputs"))
    replaces = function.get("replaces")
    require(isinstance(replaces, dict), f"what {name} replaces")
    require(all(new in outputs and isinstance(old, str) and old in inputs
             for new, old in replaces.items()), f"what {name} replaces")  # fmt: skip
    returns = {"losses"} if name.startswith("update") else {"alpha", "x_tilde_ij", "x_ij"}
    require(returns == outputs - set(replaces), f"what {name} returns")
    if name.startswith("update"):
        losses = function.get("losses")
        require(isinstance(losses, list) and all(isinstance(x, str) for x in losses), f"losses of {name}")
    programs = function.get("programs")
    require(isinstance(programs, dict), f"programs of {name}")
    require(all(is_program(program, len(function["inputs"])) for program in programs.values()),
         f"programs of {name}")  # fmt: skip


def require(condition, what: str) -> None:
    """Raise ValueError, naming what is wrong, unless a condition holds."""
    if not condition:
        raise ValueError(f"{what}: missing, or not as expected")


def is_file_name(name) -> bool:
    """Whether a value is the name of a file in the folder itself."""
    return isinstance(name, str) and Path(name).name == name


def is_index(number) -> bool:
    """Whether a value is an integer from 0 to 2^31 - 1, not a bool."""
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 1 << 31


def is_value(value, sides: tuple) -> bool:
    """Whether a value describes an argument or a result: name, shape and dtype."""
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return False
    shape, dtype = value.get("shape"), value.get("dtype")
    return (isinstance(dtype, str) and dtype in DTYPES and isinstance(shape, list) and len(shape) <= 8
            and all(isinstance(n, sides) and (n is None or is_index(n)) for n in shape))  # fmt: skip


def is_program(program, inputs: int) -> bool:
    """Whether a value describes a program with this number of inputs."""
    if not isinstance(program, dict) or not is_file_name(program.get("file")):
        return False
    kept = program.get("kept")
    return (is_index(program.get("convention")) and isinstance(kept, list)
            and all(is_index(n) and n < inputs for n in kept)
            and kept == sorted(set(kept)))  # fmt: skip


def check_program(text: str) -> None:
    """Raise ValueError unless a program, as MLIR text, only computes.

    A custom call runs machine code by name in this process, and a Python callback takes its address
    from the program; send and receive exchange data with the host.
    """
    calls = re.findall(r'custom_call\s+@("[^"]*"|[\w.$-]+)', text)
    unknown = [call for call in calls if call not in KNOWN_CALLS]
    if unknown or len(calls) != text.count("custom_call"):
        raise ValueError(f"it calls {', '.join(unknown)[:99] or 'an unnamed function'}, which is not allowed")
    moved = re.search(r"\b(send|recv|infeed|outfeed)\b", text)
    if moved:
        raise ValueError(f"it exchanges data with the host ({moved[0]})")


def find_device(kind):
    """The first device of a kind, "cpu" or "gpu"; None: jax's default."""
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


class ExportedTraining(Training):
    """`Training` with exported functions."""

    def __init__(self, functions: Functions, checkpoint: Checkpoint, photos):
        super().__init__(checkpoint.config, photos.garment)
        self.functions = functions
        functions.put(arrays_of(photos, self.config))
        self.restore(checkpoint)

    def update(self, name: str, indices) -> dict[str, float]:
        values = np.asarray(self.functions(name, indices._asdict())["losses"]).tolist()
        return dict(zip(self.functions.manifest["functions"][name]["losses"], values))

    def arrays(self) -> dict:
        groups = {"G": {}, "D": {}, "optimizer": {}}
        for name, array in self.functions.state.items():
            group, _, rest = name.partition("/")
            if group in groups:
                groups[group][rest] = np.array(array)
        return groups

    def load(self, G, D, optimizer=None) -> None:
        groups = {"G": G, "D": D, "optimizer": optimizer or {}}
        self.functions.put(
            {f"{group}/{name}": array for group, part in groups.items() for name, array in part.items()}
        )

    def attributes(self) -> dict:
        return {"backend": "exported", "device": getattr(self.functions.device, "device_kind", "")}


def arrays_of(photos, config) -> dict:
    """The photos to keep on the device, in the color space of config.color."""
    arrays = {
        "photos/x": to_bytes(photos.x.load(), config.color),
        "photos/y": to_bytes(photos.y.load(), config.color),
    }
    if config.takes_mask:
        arrays["photos/mask"] = photos.mask.load()[..., None]
    return arrays


def train(args) -> int:
    """Train, log each step, save regularly and at the end; returns the exit code."""
    log = args.log or f"{args.out}.jsonl"
    check_paths(args, log=log)
    functions = Functions(args.functions, args.device)
    state = args.state or functions.folder / "state.h5"
    checkpoint = load_checkpoint(state)
    with PhotoFile(args.data) as file:
        photos = file.split("train")
        check_photos(file, photos, checkpoint.config)
        with naming(state):
            training = ExportedTraining(functions, checkpoint, photos)
    last = checkpoint.config.steps if args.steps is None else training.step + args.steps
    if training.step >= last:
        raise ValueError(
            f"{state}: its {training.step} steps are done; give --steps, the number of further steps"
        )
    with Signals() as signals, open(log, "a") as lines:
        loop = FileLoop(training, args.out, lines, last, args.checkpoint_every, checkpoint.metadata, signals)
        return loop.run()


def check_paths(args, log=None) -> None:
    """Raise ValueError if an input or a file of another kind would be overwritten."""
    state = args.state or Path(args.functions) / "state.h5"
    outputs = {"--out": args.out} | ({"--log": log} if log else {})
    check_apart(outputs, {"--data": args.data, "--state": state})
    for path in outputs.values():
        check_folder(path)
    if log:
        check_kind(args.out, KIND)
        check_absent(args.out, args.overwrite)
        check_kind(log, "JSON")  # lines are appended
    else:
        check_kind(args.out, "an archive")


def swap(args) -> int:
    """Swap the garments of people in a split for random others, and write the results as .npz."""
    check_paths(args)
    functions = Functions(args.functions, args.device)
    checkpoint = load_checkpoint(args.state or functions.folder / "state.h5")
    functions.put({f"G/{name}": array for name, array in checkpoint.G.items()})
    with PhotoFile(args.data) as file:
        photos = file.split(args.split)
        check_photos(file, photos, checkpoint.config)
        i, j = choose(photos, args.count, args.seed)
        images = {"x_i": rows(photos.x, i), "y_i": rows(photos.y, i), "y_j": rows(photos.y, j)}
        masks = rows(photos.mask, i) if checkpoint.config.takes_mask else None
    made = swap_with(functions, list(images.values()), masks, checkpoint.config.color)
    given = images if masks is None else {**images, "m_i": masks}
    with atomic_file(args.out) as temporary, open(temporary, "wb") as target:
        np.savez_compressed(target, i=i, j=j, **given, **made._asdict())
    click.echo(f"wrote {args.out}")
    return 0


def choose(photos, count: int, seed: int):
    """Rows i of people, in order, and for each a random row j with another garment of its category."""
    rng, i = np.random.default_rng(seed), swappable(photos)[:count]
    if not len(i):
        raise ValueError("all photos show one garment; swapping needs at least two")
    return i, random_articles(photos, i, rng)


def swap_with(functions: Functions, images, masks, color: str) -> Swap:
    """Swap with the exported function of the smallest sufficient batch size, or of the largest."""
    sizes = sorted(int(name[5:]) for name in functions.names() if name.startswith("swap_"))
    if not sizes:
        raise ValueError(f"{functions.folder}: has no swap function; export it too")
    size = next((size for size in sizes if size >= len(images[0])), sizes[-1])
    names = ("x_i", "y_i", "y_j", "m_i")

    def function(*arrays):
        made = functions(f"swap_{size}", dict(zip(names, arrays)))
        return [made[name] for name in Swap._fields]

    with naming(functions.folder):
        return swap_in_batches(function, images, masks, size, color)


def functions_options(command):
    """Decorator: the options of both commands."""
    for option in (
        click.option("--device", type=click.Choice(["cpu", "gpu"]), help="[default: gpu if available]"),
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
    """Train or swap with exported functions, without Aesara."""


@command.command("train")
@functions_options
@click.option("--out", type=click.Path(), required=True, help="Checkpoint to write.")
@click.option("--steps", type=click.IntRange(1), help="Further steps.  [default: all remaining]")
@click.option(
    "--checkpoint-every", type=click.IntRange(1), default=250, show_default=True, help="Steps between saves."
)
@click.option("--overwrite", is_flag=True, help="Overwrite an existing checkpoint.")
@click.option("--log", type=click.Path(), help="Log file of the losses.  [default: OUT.jsonl]")
def train_command(**settings):
    """Continue training, log each step, and save regularly and at the end."""
    return train(SimpleNamespace(**settings))


@command.command("swap")
@functions_options
@click.option("--out", type=click.Path(), required=True, help="Archive of arrays (.npz) to write.")
@click.option(
    "--split",
    type=click.Choice(["test", "train"]),
    default="test",
    show_default=True,
    help="Split of the photos.",
)
@click.option("--count", type=click.IntRange(1), default=16, show_default=True, help="Number of swaps.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed for choosing the articles."
)
def swap_command(**settings):
    """Swap the garments of people for random others, and write the results."""
    return swap(SimpleNamespace(**settings))
