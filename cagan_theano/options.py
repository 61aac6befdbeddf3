"""Command-line options that several commands share, and those made from `Config`."""

import dataclasses
import os

import click

from cagan_theano import weights
from cagan_theano.backends import PRECISIONS, cache
from cagan_theano.config import Config


def switch_cache_off(context, option, off: bool) -> None:
    """Compile anew in this process and those that it starts."""
    if off:
        os.environ[cache.VARIABLE] = "off"


no_cache_option = click.option(
    "--no-cache", is_flag=True, expose_value=False, callback=switch_cache_off,
    help="Compile anew; use no compiled functions of earlier starts and keep none.",
)  # fmt: skip

precision_option = click.option(
    "--precision", type=click.Choice(PRECISIONS), default="float32", show_default=True,
    help="Rounding of what convolutions are given: tf32 keeps 10 bits of mantissa, bfloat16 7, in "
         "their results too.  Faster on a GPU; a CPU only imitates it.",
)  # fmt: skip


class Count(click.ParamType):
    """A whole number from 1 on, or the word "all"."""

    name = "N|all"

    def convert(self, value, param, ctx):
        if value == "all" or isinstance(value, int):
            return value
        if not (value.isdecimal() and int(value)):
            self.fail(f"{value!r} is neither a whole number from 1 on nor all", param, ctx)
        return int(value)


devices_option = click.option(
    "--devices", type=Count(), default=1, show_default=True, help="Devices that share each minibatch."
)


class Widths(click.ParamType):
    """A comma-separated list of channel numbers, such as 64,128,256,512."""

    name = "a,b,c,d"

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is no list of whole numbers such as 64,128,256,512", param, ctx)


def config_options(exclude: tuple[str, ...] = ()):
    """Decorator: one option for each field of `Config`, its help, choices and default included.

    exclude: fields that the command settles in another way.
    """

    def decorate(function):
        for spec in reversed(dataclasses.fields(Config)):
            if spec.name not in exclude:
                function = config_option(spec)(function)
        return function

    return decorate


def config_option(spec: dataclasses.Field):
    """The click option of one field of `Config`: --g-kernel for g_kernel, --x/--no-x for a truth."""
    flag = "--" + spec.name.replace("_", "-")
    text = f"{spec.metadata['help']}  ({spec.metadata['source']})"
    if spec.type is bool:
        return click.option(
            f"{flag}/--no-{flag[2:]}", spec.name, default=spec.default, show_default=True, help=text
        )
    return click.option(
        flag,
        spec.name,
        default=spec.default,
        type=option_type(spec),
        show_default=",".join(map(str, spec.default)) if spec.type is tuple else True,
        help=text,
    )


def option_type(spec: dataclasses.Field):
    """The click type of a field: its choices where it has any."""
    if spec.type is tuple:
        return Widths()
    if spec.metadata["choices"]:
        choices = [str(choice) for choice in spec.metadata["choices"]]
        return NumberChoice(choices) if spec.type is int else click.Choice(choices)
    return spec.type


class NumberChoice(click.Choice):
    """A choice among whole numbers; the value is an int."""

    def convert(self, value, param, ctx):
        return int(super().convert(str(value), param, ctx))


def checkpoint_option(size, family="cagan"):
    """Decorator: --checkpoint, and --weights, which names a shipped one.

    size: of the shipped checkpoint, such as "128x96"; family: the default of ``weights.FAMILIES``.
    """

    def chosen(ctx, _, path):
        wanted = ctx.params.pop("weights")  # which the command itself does not take
        return weights.find(path) if path else weights.shipped(wanted, size)

    meanings = "; ".join(f"{name}, {what}" for name, what in weights.FAMILIES.items())
    by_family = click.option(
        "--weights",
        type=click.Choice(list(weights.FAMILIES)),
        default=family,
        is_eager=True,
        show_default=True,
        help=f"Shipped weights: {meanings}.",
    )
    by_path = click.option(
        "--checkpoint",
        type=click.Path(),
        callback=chosen,
        help="Trained weights of your own, in the place of --weights.",
    )
    return lambda command: by_family(by_path(command))


out_option = click.option(
    "--out",
    type=click.Path(),
    default="figures",
    show_default="figures/",
    help="Folder of the PNG and the PDF.",
)


def backend_option(command):
    """Decorator: --backend, and --no-cache, which asks for nothing from the command itself."""
    choice = click.option(
        "--backend",
        type=click.Choice(["auto", "jax", "c"]),
        default="auto",
        show_default=True,
        help="What compiles the graph.",
    )
    return choice(no_cache_option(command))


device_option = click.option(
    "--device",
    type=click.Choice(["cpu", "gpu"]),
    default=None,
    help="Where it runs.  [default: a GPU where there is one]",
)


data_option = click.option(
    "--data",
    type=click.Path(),
    default=None,
    help="Photo file whose test split is shown.  [default: the shipped "
    "held-out photoshoot, or one rendered once and cached]",
)


seed_option = click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seed of the random choice of humans and articles.",
)


def figure_options(size):
    """Decorator: the options that every figure of pictures has, in one order."""

    def decorate(command):
        for option in (
            seed_option,
            out_option,
            data_option,
            device_option,
            backend_option,
            checkpoint_option(size),
        ):
            command = option(command)
        return command

    return decorate
