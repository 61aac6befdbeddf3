"""The command line: ``cagan COMMAND``, or ``python -m cagan_theano COMMAND``.

A command's module is imported when the command runs, so that ``cagan --help`` is fast.
"""

from importlib import import_module

import click

from cagan_theano import __version__
from cagan_theano.io.command import Group, main

SECTIONS = {
    "Figures": {
        "figure2": ("figures.figure2:command", "Figure 2: the cycle, x_i to x_ij and back."),
        "figure3": ("figures.figure3:command", "Figure 3: the architecture, plotted from the graph."),
        "figure4": ("figures.figure4:command", "Figure 4: swaps at 128x96."),
        "figure5": ("figures.figure5:command", "Figure 5: swaps and their masks at 256x192."),
        "figure6": ("figures.figure6:command", "Figure 6 (c), (d): many articles, many humans."),
    },
    "Dress photos": {
        "swap": ("dressing.swap:command", "Dress the person in one photo."),
        "swap-folder": ("dressing.swap_folder:command", "Dress every person in a folder."),
        "demo": ("dressing.demo:command", "Open a local page that dresses photos."),
        "samples": ("dressing.samples:command", "Write sample images to try these commands."),
    },
    "Train": {
        "data": ("data_prep.__main__:cli", "Render a photoshoot, read photos, inspect data files."),
        "train": ("training.command:train", "Train G and D, or resume a run."),
    },
    "Evaluate": {
        "evaluate": ("evaluation.evaluate:command", "Evaluate a checkpoint on held-out images."),
        "claims": ("studies.claims:command", "Test the paper's claims and write docs/claims.md."),
        "ablations": ("studies.ablations:command", "Run a study: training runs that differ in one setting."),
        "report": ("figures.report:command", "Write a page about a checkpoint and its swaps."),
    },
    "Other programs": {
        "compare": ("interop.compare:command", "Compare another implementation with this one."),
        "golden": ("interop.golden:command", "Write golden vectors of a small network."),
        "convert": ("interop.convert:command", "Convert weights: HDF5, safetensors, ONNX."),
    },
    "Speed": {
        "benchmark": ("benchmarks.benchmark:command", "Time this package, PyTorch and ONNX Runtime."),
        "check-gpu": ("benchmarks.check_gpu:command", "Compare the GPU with the CPU over a few steps."),
    },
}
"""Section -> command -> (module:attribute, one line of help)."""

COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class Lazy(Group):
    """A group that imports a command on first use."""

    def list_commands(self, ctx):
        return list(COMMANDS)

    def get_command(self, ctx, name):
        return find(name) if name in COMMANDS else None

    def format_commands(self, ctx, formatter):
        for section, commands in SECTIONS.items():
            lines = [(name, text) for name, (_, text) in commands.items()]
            if section == "Figures":
                lines = [(f"{lines[0][0]} ... {lines[-1][0]}", "Figures 2 to 6 of the paper.")]
            with formatter.section(section):
                formatter.write_dl(lines)


def find(name: str) -> click.Command:
    """The click command with a name in ``COMMANDS``; imports its module."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    package = "" if module.startswith("data_prep") else "cagan_theano."
    command = getattr(import_module(package + module), attribute)
    command.name = name  # the name in errors and in the documentation
    return command


@click.command(cls=Lazy, context_settings={"max_content_width": 100})
@click.version_option(__version__, message="cagan_theano %(version)s")
def cagan():
    """CAGAN: swap fashion articles on photos of people, and replicate the paper.

    `cagan COMMAND --help` lists the options of a command.
    """


def run(name: str | None = None) -> None:
    """Run the named command, or the one named on the command line, on this process's arguments."""
    main(find(name) if name else cagan)
