"""Command-line options shared by several commands, and options generated from `Config`."""

import dataclasses
import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from cagan_theano import weights
from cagan_theano.backends import PRECISIONS, cache
from cagan_theano.config import OURS, Config
from cagan_theano.io.command import Command

Function = TypeVar("Function", bound=Callable[..., Any])


no_cache_option = click.option(
    "--no-cache", is_flag=True, expose_value=False,
    callback=lambda ctx, _, off: os.environ.update({cache.VARIABLE: "off"} if off else {}),
    help="Compile again: neither read nor write JAX's compile cache (--backend c keeps Aesara's).",
)  # fmt: skip

precision_option = click.option(
    "--precision", type=click.Choice(PRECISIONS), default="float32", show_default=True,
    help="Rounding of convolution inputs: tf32 has 10 mantissa bits; bfloat16 has 7 and also rounds "
         "the results.  Faster on a GPU; a CPU only emulates it.",
)  # fmt: skip


class Parsed(click.ParamType):
    """What `parse` makes of a text; where that is a ValueError, the text is not `wanted`."""

    def __init__(self, name: str, parse: Callable[[str], Any], wanted: str) -> None:
        self.name, self.parse, self.wanted = name, parse, wanted

    def convert(self, value, param, ctx):
        try:
            return self.parse(value) if isinstance(value, str) else value
        except ValueError:
            self.fail(f"{value!r} is not {self.wanted}", param, ctx)


COUNT = Parsed("N|all", lambda text: text if text == "all" else int(text), "a number or all")
WIDTHS = Parsed("a,b,c,d", lambda text: tuple(map(int, text.split(","))),
                "a list of integers such as 64,128,256,512")  # fmt: skip

devices_option = click.option(
    "--devices", type=COUNT, default=1, show_default=True, help="Devices to split each minibatch over."
)


SECTIONS = "The paper", "Ours, not the paper's"


class Field(click.Option):
    """The option of a field of `Config`: --g-kernel for g_kernel, --x/--no-x for a bool."""

    def __init__(self, spec: dataclasses.Field[Any]) -> None:
        self.section = SECTIONS[spec.metadata["source"].startswith(OURS)]
        flag, choices = spec.name.replace("_", "-"), spec.metadata["choices"]
        kind = WIDTHS if spec.type is tuple else click.Choice(choices) if choices else spec.type
        super().__init__(
            [f"--{flag}/--no-{flag}" if spec.type is bool else f"--{flag}", spec.name],
            default=spec.default,
            type=kind,
            show_default=",".join(map(str, spec.default)) if spec.type is tuple else True,
            help=f"{spec.metadata['help']}  ({spec.metadata['source'].removeprefix(OURS)})",
        )


class ConfigCommand(Command):
    """A command with an option for each field of `Config`; in its help, the paper's options precede ours."""

    def __init__(self, name: str | None, params: list[click.Parameter], **settings: Any) -> None:
        fields = [Field(spec) for spec in dataclasses.fields(Config)]
        super().__init__(name, params=[*params, *fields], **settings)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {title: [] for title in ("Options", *SECTIONS)}
        for param in self.get_params(ctx):
            if record := param.get_help_record(ctx):
                sections[getattr(param, "section", "Options")].append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def checkpoint_option(size: str, family: str = "cagan") -> Callable[[Function], Function]:
    """Decorator: --checkpoint, and --weights for a shipped checkpoint.

    size: of the shipped checkpoint, such as "128x96"; family: default key of ``weights.FAMILIES``.
    """

    def choose(ctx, _, path):
        wanted = ctx.params.pop("weights")  # not a parameter of the command itself
        return weights.find(path, size) if path else weights.shipped(wanted, size)

    meanings = "; ".join(f"{name}, {what}" for name, what in weights.FAMILIES.items())
    by_family = click.option(
        "--weights", type=click.Choice(list(weights.FAMILIES)), default=family, is_eager=True,
        show_default=True, help=f"Shipped weights: {meanings}.",
    )  # fmt: skip
    by_path = click.option(
        "--checkpoint", type=click.Path(), callback=choose,
        help="Checkpoint, by path or by a name of shipped weights, instead of --weights.",
    )  # fmt: skip
    return lambda command: by_family(by_path(command))


out_option = click.option(
    "--out", type=click.Path(), default="figures", show_default="figures/",
    help="Folder for the PNG and the PDF.",
)  # fmt: skip

device_option = click.option(
    "--device", type=click.Choice(["cpu", "gpu"]), help="Device to run on.  [default: gpu if available]"
)

size_option = click.option(
    "--size", type=click.Choice(["photo", "network"]), default="photo", show_default=True,
    help="Size of the result: the photo's own, or the checkpoint's.",
)  # fmt: skip

data_option = click.option(
    "--data", type=click.Path(), callback=lambda ctx, _, path: path and str(weights.find(path)),
    help="Photo file whose test split is used; heldout_128x96, heldout_256x192: shipped ones.  [default: "
         "held-out renderings, shipped or rendered once and cached]",
)  # fmt: skip

seed_option = click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True,
    help="Seed for choosing humans and articles.",
)  # fmt: skip


def backend_option(command: Function) -> Function:
    """Decorator: --backend, and --no-cache, which is not passed to the command."""
    choice = click.option(
        "--backend", type=click.Choice(["auto", "jax", "c"]), default="auto", show_default=True,
        help="Back end that compiles the graph.",
    )  # fmt: skip
    return choice(no_cache_option(command))


def figure_options(size):
    """Decorator: the options of every figure with images, in a fixed order."""
    given = seed_option, out_option, data_option, device_option, backend_option, checkpoint_option(size)
    return lambda command: functools.reduce(lambda inner, option: option(inner), given, command)


def swap_figure_options(size, rows):
    """Decorator: the options of Figures 4 and 5; rows: default number of humans."""
    humans = click.option(
        "--rows", type=click.IntRange(1, 100), default=rows, show_default=True,
        help="Number of humans, one per row.",
    )  # fmt: skip
    truth = click.option("--truth", is_flag=True, help="Add a column with the true swap if available.")
    return lambda command: figure_options(size)(humans(truth(command)))
