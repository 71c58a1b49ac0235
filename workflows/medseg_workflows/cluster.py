"""Where the cases run: processes of this machine by default, a Dask cluster where one is named."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

from medseg.errors import InputError
from medseg.optional_imports import require

if TYPE_CHECKING:
    from distributed import Client

SECONDS_TO_CONNECT = 20
"""How long a named scheduler may take to answer."""


@dataclass(frozen=True)
class ClusterPlan:
    """How many processes, or which cluster.

    Attributes:
        workers: processes on this machine.
        scheduler: address of a running Dask scheduler, "tcp://host:8786"; then `workers` does not matter.
    """

    workers: int = 1
    scheduler: str | None = None


@contextmanager
def connect(plan: ClusterPlan) -> Iterator[Client]:
    """Yield a client of the planned cluster; processes started here end with the block.

    Raises:
        DependencyError: Dask is not installed.
        InputError: no scheduler answers at the address.
    """
    distributed = require("distributed", extra="cluster")
    if plan.scheduler is not None:
        with _connect_to(plan.scheduler, distributed) as client:
            yield client
        return
    import dask

    # Dask itself tries no case again whose worker died: `run_each` does, alone.
    settings = {"distributed.scheduler.allowed-failures": 0, "distributed.worker.daemon": False}
    with tempfile.TemporaryDirectory(prefix="medseg-batch-") as scratch, dask.config.set(settings):
        with _not_for_ctrl_c():
            cluster = distributed.LocalCluster(
                n_workers=plan.workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                local_directory=scratch,
                memory_limit=0,
                silence_logs=logging.CRITICAL,
                env={"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // plan.workers))},
            )
        with cluster, distributed.Client(cluster) as client:
            yield client


@contextmanager
def _not_for_ctrl_c() -> Iterator[None]:
    """Keep Ctrl-C from the processes that the threads of this block start, now or later.

    A terminal sends it to every process of a command. Only the command itself is to act on it: it ends the workers,
    which would each print a traceback otherwise. A thread, and the processes that it starts, inherit what is blocked.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # which takes the block away from the thread that starts it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _connect_to(address: str, distributed) -> Iterator[Client]:  # noqa: ANN001 - an optional package
    try:
        client = distributed.Client(address, timeout=SECONDS_TO_CONNECT)
    except (OSError, ValueError) as error:
        message = f"--scheduler {address}: no Dask scheduler answers there. Start one, or leave the option out."
        raise InputError(message) from error
    with client:
        yield client
