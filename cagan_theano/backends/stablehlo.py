"""A compiled Aesara function as portable StableHLO, for machines that have no Aesara."""

import contextlib
from typing import NamedTuple

from cagan_theano.backends.jax import Target, lowered

PLATFORMS = ("cpu", "cuda")


class Value(NamedTuple):
    """An argument or a result: its name, its shape (None: a free number of rows) and its dtype."""

    name: str
    shape: tuple
    dtype: str


class Program(NamedTuple):
    """A function for one platform.

    stablehlo: a portable artifact, which later versions read for years (jax.export's own file is
    refused after months).  kept: the inputs that it takes, by number; the others have no effect.
    convention: jax.export's calling convention.
    """

    stablehlo: bytes
    kept: list
    convention: int


class Exported(NamedTuple):
    """A function of arrays that changes nothing.

    inputs, outputs: `Value`s.  replaces: name of an output -> name of the input whose new value it
    is.  programs: platform -> `Program`.
    """

    inputs: list
    outputs: list
    replaces: dict
    programs: dict


def export(
    function, names: dict, results: list[str], precision: str = "float32", platforms=PLATFORMS
) -> Exported:
    """Lower an Aesara function, with all that it reads as explicit inputs, for each platform.

    names: shared variable -> its name; explicit inputs keep theirs.  results: names of what the
    function returns; new values of shared variables follow, under the variable's name.
    No device of a platform is needed.
    """
    fgraph, cells = function.maker.fgraph, function.input_storage
    stored = {id(variable.container.storage): name for variable, name in names.items()}
    inputs = [
        sized(Value(stored.get(id(cell.storage), v.name), v.type.shape, v.dtype), cell)
        for cell, v in zip(cells, fgraph.inputs)
    ]
    replaced = {n: inputs[m].name for n, m in fgraph.update_mapping.items()}
    programs = {name: lower(fgraph, inputs, Target(name, precision)) for name in platforms}
    made = next(iter(programs.values())).out_avals
    outputs = [
        Value(f"new {replaced[n]}" if n in replaced else results[n], a.shape, str(a.dtype))
        for n, a in enumerate(made)
    ]
    return Exported(
        inputs,
        outputs,
        {f"new {name}": name for name in replaced.values()},
        {name: program(made) for name, made in programs.items()},
    )


def program(made) -> Program:
    """What is kept of jax.export's `Exported`."""
    return Program(
        bytes(made.mlir_module_serialized),
        list(made.module_kept_var_idx),
        made.calling_convention_version,
    )


def sized(value: Value, cell) -> Value:
    """The value with its whole shape: that of what is stored, but for the rows of the photos."""
    if cell.storage[0] is None:
        return value
    shape = tuple(cell.storage[0].shape)
    return value._replace(shape=(None, *shape[1:]) if value.name.startswith("photos/") else shape)


def lower(fgraph, inputs: list, target: Target):
    """jax.export's `Exported` of a function graph for a target."""
    import jax
    from jax import export

    (rows,) = export.symbolic_shape("rows")
    arguments = [
        jax.ShapeDtypeStruct([rows if side is None else side for side in value.shape], value.dtype)
        for value in inputs
    ]
    function = jax.jit(lowered(fgraph, target))
    with without_places(jax):
        return export.export(function, platforms=[target.platform])(*arguments)


@contextlib.contextmanager
def without_places(jax):
    """Lower without the places in the source, which would tell folders of the machine at hand."""
    before = jax.config.jax_traceback_in_locations_limit
    jax.config.update("jax_traceback_in_locations_limit", 0)
    try:
        yield
    finally:
        jax.config.update("jax_traceback_in_locations_limit", before)
