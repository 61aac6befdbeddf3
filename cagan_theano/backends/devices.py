"""The jax devices that run a function, and the sharding of its arrays (data parallelism).

Every device holds all photos, parameters and moments and computes its part of each minibatch.  With
several hosts, call `cagan_theano.backends.cluster.join` first.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from cagan_theano.backends import cache

if TYPE_CHECKING:
    import jax

ALL = "all"
STARTED: set[int] = set()
"""The process in which jax has started, and those that it was forked from."""
# By default XLA's CPU compiler schedules for concurrency, which takes a fifth more temporary memory; the
# expensive operations here use all cores anyway
ORDER = {"xla_cpu_enable_concurrency_optimized_scheduler": False}


class Placement:
    """The devices that share a minibatch, as a mesh with one axis, and the placement of arrays.

    devices: those of all processes.  local: those of this process.
    """

    def __init__(self, devices: list[jax.Device]) -> None:
        import jax
        from jax.sharding import Mesh, NamedSharding, PartitionSpec

        self.devices = devices
        self.local = [d for d in devices if d.process_index == jax.process_index()]
        mesh = Mesh(np.array(devices), ("minibatch",))
        self.whole = NamedSharding(mesh, PartitionSpec())
        self.parts = NamedSharding(mesh, PartitionSpec("minibatch"))

    def place(self, array: Any, divided: bool = False) -> jax.Array:
        """The array, which every process holds whole, on the devices; one that is there is returned.

        divided: the array of a minibatch [N, ...], split along N if the number of devices divides N.
        """
        import jax

        if len(self.devices) == 1:
            placed: jax.Array = jax.device_put(array, self.local[0])  # not jax's default, which may change
            return placed
        if isinstance(array, jax.Array) and (divided or array.sharding == self.whole):
            return array
        values = np.asarray(array)
        even = divided and values.ndim > 0 and len(values) % len(self.devices) == 0
        sharding = self.parts if even else self.whole
        return jax.make_array_from_callback(values.shape, sharding, lambda part: values[part])

    def compile(self, function: Callable[..., Any], replaced: tuple[int, ...]) -> Callable[..., Any]:
        """A function of arrays, jit-compiled for the devices.

        replaced: indices of the inputs that the function updates; their buffers are donated.  With several
        processes, a function that updates nothing runs in each process on its own, on one device.
        """
        import jax

        options = ORDER if self.local[0].platform == "cpu" else None
        jit = functools.partial(jax.jit, function, compiler_options=options)
        if jax.process_count() > 1 and not replaced:
            own, alone = lambda a: a.addressable_data(0) if isinstance(a, jax.Array) else a, jit()
            return lambda *arrays: alone(*map(own, arrays))  # on this process's copy of each array
        if len(self.devices) == 1:
            return jit(donate_argnums=replaced)
        shared = jit(donate_argnums=replaced, out_shardings=self.whole)
        return lambda *arrays: shared(*(self.place(array, divided=True) for array in arrays))


def check_process() -> None:
    """Raise ValueError in a process in which jax would wait for ever."""
    if STARTED - {os.getpid()}:
        raise ValueError(
            "this process was forked from one that has used the network, and jax cannot work in it; "
            'start processes by multiprocessing.get_context("spawn")'
        )


def choose(jax: ModuleType, kind: str | None, count: int | str) -> list[jax.Device]:
    """`count` devices ("all" for every one) of a kind; None selects the best kind available.

    JAX_PLATFORMS and JAX_PLATFORM_NAME are heeded if they say cpu: with another platform, which may be
    missing here, jax would refuse the CPU as well.  Raises ValueError, with a remedy, if there are fewer.
    """
    check_process()
    named = {name: jax.config.values.get(name) for name in ("jax_platforms", "jax_platform_name")}
    named = {name: platform for name, platform in named.items() if platform and platform.lower() != "cpu"}
    for name in named:
        jax.config.update(name, "")
    try:
        found: list[Any] = jax.devices(kind)
    except RuntimeError as error:
        cure = "install jax[cuda12] on a machine with an NVIDIA GPU, or use --device cpu"
        raise ValueError(f"no {kind or 'device'} is visible to jax; {cure}") from error
    STARTED.add(os.getpid())
    if named and kind is None and found[0].platform == "cpu":
        given = ", ".join(f"{name.upper()}={platform}" for name, platform in named.items())
        cache.tell(f"{given}: jax sees no such device here; the CPU is used")
    wanted = len(found) if count == ALL else int(count)
    if not 1 <= wanted <= len(found):
        sees = f"jax sees {len(found)} of kind {found[0].platform}"
        raise ValueError(f"--devices {count}: {sees}; use at most that many, or {ALL}")
    if jax.process_count() > 1 and wanted < len(found):
        raise ValueError(f"--devices {count}: several processes use all devices; use --devices {ALL}")
    return found[:wanted]
