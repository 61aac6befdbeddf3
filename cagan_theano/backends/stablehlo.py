"""Export of a compiled Aesara function as portable StableHLO, which runs without Aesara."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from cagan_theano.backends.jax import Target, lowered

if TYPE_CHECKING:
    import jax.export

PLATFORMS = ("cpu", "cuda")


class Value(NamedTuple):
    """An argument or a result: name, shape (None for a variable number of rows) and dtype."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


class Program(NamedTuple):
    """A function lowered for one platform.

    stablehlo: a portable artifact, compatible with later versions for years (the files of jax.export
    only for months).  kept: indices of the inputs that it takes; the others have no effect.
    convention: jax.export's calling convention version.
    """

    stablehlo: bytes
    kept: list[int]
    convention: int


class Exported(NamedTuple):
    """A pure function of arrays.

    inputs, outputs: its arguments and results.  replaces: name of an output -> name of the input
    whose new value it is.  programs: platform -> `Program`.
    """

    inputs: list[Value]
    outputs: list[Value]
    replaces: dict[str, str]
    programs: dict[str, Program]


def export(
    function: Any,
    names: dict[Any, str],
    results: list[str],
    precision: str = "float32",
    platforms: tuple[str, ...] = PLATFORMS,
) -> Exported:
    """Lower an Aesara function for each platform, with shared variables as explicit inputs.

    names: shared variable -> its name; explicit inputs keep theirs.  results: names of the function's
    return values; the new values of shared variables follow, as "new NAME".
    The platforms' devices need not be present.
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


def program(made: jax.export.Exported) -> Program:
    """The `Program` of jax.export's `Exported`."""
    return Program(
        bytes(made.mlir_module_serialized),
        list(made.module_kept_var_idx),
        made.calling_convention_version,
    )


def sized(value: Value, cell: Any) -> Value:
    """The value with the shape of the stored array; the rows of the photos stay variable."""
    if cell.storage[0] is None:
        return value
    shape: tuple[int, ...] = tuple(cell.storage[0].shape)
    return value._replace(shape=(None, *shape[1:]) if value.name.startswith("photos/") else shape)


def lower(fgraph: Any, inputs: list[Value], target: Target) -> jax.export.Exported:
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
def without_places(jax: ModuleType) -> Iterator[None]:
    """Lower without source locations, which would reveal folders of this machine."""
    before = jax.config.jax_traceback_in_locations_limit
    jax.config.update("jax_traceback_in_locations_limit", 0)
    try:
        yield
    finally:
        jax.config.update("jax_traceback_in_locations_limit", before)
