"""Training on several hosts by `jax.distributed`: every process holds all data and trains on its devices."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def join(jax: ModuleType, cluster: str) -> None:
    """Initialize distributed training; call before any other use of jax.  A second call does nothing.

    cluster: "HOST:PORT,PROCESSES,INDEX" with the address of process 0, or "auto" if jax gets them from
    a batch system such as SLURM.
    Raises ValueError for any other text, and if the processes do not connect.
    """
    if jax.distributed.is_initialized():
        return
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    arguments = {} if cluster == "auto" else parse(cluster)
    from jax.experimental import multihost_utils

    try:
        jax.distributed.initialize(**arguments)
        # the processes must connect within 30 s: do it now, since their compile times may differ by more
        multihost_utils.sync_global_devices("cagan_theano")
    except (RuntimeError, ValueError) as error:
        cure = "check the address and that every process was started"
        raise ValueError(f"--cluster {cluster}: {str(error).splitlines()[0]}; {cure}") from error


def parse(text: str) -> dict[str, Any]:
    """The arguments of jax.distributed.initialize from "HOST:PORT,PROCESSES,INDEX"; raises ValueError."""
    address, *numbers = text.split(",")
    host, _, port = address.rpartition(":")
    valid = host and port.isdecimal() and len(numbers) == 2 and all(n.strip().isdecimal() for n in numbers)
    if not valid:
        raise ValueError(f"--cluster {text}: must be auto or HOST:PORT,PROCESSES,INDEX, like node0:9876,2,0")
    processes, index = map(int, numbers)
    if not index < processes:
        raise ValueError(f"--cluster {text}: the index must be in 0..{processes - 1}")
    return dict(coordinator_address=address, num_processes=processes, process_id=index)
