"""Which devices of jax run a function, and how its arrays lie on them: jax's own sharding.

Several devices share each minibatch: every device holds all photos, parameters and moments, and
computes its part of the pictures.  Over several processes ("hosts"), `join_cluster` comes first.
"""

import functools

import numpy as np

ALL = "all"
# XLA's CPU compiler orders the work by default for the most that could run at a time, which needs
# a fifth more temporary memory; what takes long here uses all cores by itself
ORDER = {"xla_cpu_enable_concurrency_optimized_scheduler": False}


class Placement:
    """The devices that share a minibatch, as a mesh of one axis, and where arrays go.

    devices: those of all processes.  local: those of this one.
    """

    def __init__(self, devices: list):
        import jax
        from jax.sharding import Mesh, NamedSharding, PartitionSpec

        self.devices, self.several = devices, jax.process_count() > 1
        self.local = [d for d in devices if d.process_index == jax.process_index()]
        mesh = Mesh(np.array(devices), ("minibatch",))
        self.whole = NamedSharding(mesh, PartitionSpec())
        self.parts = NamedSharding(mesh, PartitionSpec("minibatch"))

    def replicate(self, array):
        """An array, whole on every device."""
        import jax

        if len(self.devices) == 1:
            return jax.device_put(array)  # on jax's default device
        if isinstance(array, jax.Array) and array.sharding == self.whole:
            return array
        return self._put(np.asarray(array), self.whole)

    def divide(self, array):
        """The array of a minibatch [N, ...], shared among the devices where they divide N."""
        import jax

        if isinstance(array, jax.Array):  # a parameter or the photos, which are there already
            return array
        even = np.ndim(array) > 0 and len(array) % len(self.devices) == 0
        return self._put(np.asarray(array), self.parts if even else self.whole)

    def _put(self, array, sharding):
        """A jax array; every process has the whole and gives its own devices their parts."""
        import jax

        return jax.make_array_from_callback(array.shape, sharding, lambda part: array[part])

    def compiled(self, function, replaced: tuple):
        """A function of arrays, compiled for the devices.

        replaced: the inputs that it computes anew, whose memory it may take.  Of several
        processes, each runs a function that replaces nothing for itself, on one of its devices.
        """
        import jax

        options = ORDER if self.local[0].platform == "cpu" else None
        jit = functools.partial(jax.jit, function, compiler_options=options)
        if self.several and not replaced:
            alone = jit()
            return lambda *arrays: alone(*map(own, arrays))
        if len(self.devices) == 1:
            return jit(donate_argnums=replaced)
        shared = jit(donate_argnums=replaced, out_shardings=self.whole)
        return lambda *arrays: shared(*map(self.divide, arrays))


def own(array):
    """This process's copy of an array that every device holds."""
    import jax

    return array.addressable_data(0) if isinstance(array, jax.Array) else array


def choose(jax, kind: str | None, count: int | str) -> list:
    """`count` devices ("all": every one) of a kind, None being the best kind there is.

    Raises ValueError, with the cure, where there are fewer.
    """
    try:
        found = jax.devices(kind)
    except RuntimeError as error:
        cure = "install jax[cuda12] on a machine with an NVIDIA GPU, or use --device cpu"
        raise ValueError(f"no {kind} is visible to jax; {cure}") from error
    wanted = len(found) if count == ALL else count
    if not 1 <= wanted <= len(found):
        raise ValueError(
            f"--devices {count}: jax sees {len(found)} of kind {found[0].platform}; "
            f"use a number up to that, or {ALL}"
        )
    if jax.process_count() > 1 and wanted < len(found):
        raise ValueError(
            f"--devices {count}: several processes use all their {len(found)} devices; use --devices {ALL}"
        )
    return found[:wanted]


def join_cluster(jax, cluster: str) -> None:
    """Meet the other processes of a training; before anything else is asked of jax.

    cluster: "HOST:PORT,PROCESSES,INDEX", the address of process 0 among them, or "auto" where a
    batch system such as SLURM tells jax.  A second call does nothing.
    Raises ValueError for another text, and where the processes do not meet.
    """
    if jax.distributed.is_initialized():
        return
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    arguments = {} if cluster == "auto" else parse_cluster(cluster)
    from jax.experimental import multihost_utils

    try:
        jax.distributed.initialize(**arguments)
        # the processes must meet within 30 s; after compiling, they may be further apart
        multihost_utils.sync_global_devices("cagan_theano")
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"--cluster {cluster}: {str(error).splitlines()[0]}; check the address "
            "and that every process was started"
        ) from error


def parse_cluster(text: str) -> dict:
    """The arguments of jax.distributed.initialize from "HOST:PORT,PROCESSES,INDEX"."""
    address, *numbers = text.split(",")
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and len(numbers) == 2
            and all(number.strip().isdecimal() for number in numbers)):  # fmt: skip
        raise ValueError(
            f"--cluster {text}: is neither auto nor HOST:PORT,PROCESSES,INDEX, such as node0:9876,2,0"
        )
    processes, index = map(int, numbers)
    if not index < processes:
        raise ValueError(f"--cluster {text}: the index counts from 0 to {processes - 1}")
    return dict(coordinator_address=address, num_processes=processes, process_id=index)
