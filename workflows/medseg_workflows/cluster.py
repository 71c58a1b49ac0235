"""Where the cases run: processes of this machine by default, a Dask cluster where one is named."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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

    # A case that kills its process (out of memory, a codec that crashes) is tried once more and then given up: the
    # others must not wait for it.
    settings = {"distributed.scheduler.allowed-failures": 1, "distributed.worker.daemon": False}
    with (
        tempfile.TemporaryDirectory(prefix="medseg-batch-") as scratch,
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=plan.workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            local_directory=scratch,
            memory_limit=0,
            silence_logs=logging.ERROR,
            env={"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // plan.workers))},
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@contextmanager
def _connect_to(address: str, distributed) -> Iterator[Client]:  # noqa: ANN001 - an optional package
    try:
        client = distributed.Client(address, timeout=SECONDS_TO_CONNECT)
    except (OSError, ValueError) as error:
        message = f"--scheduler {address}: no Dask scheduler answers there. Start one, or leave the option out."
        raise InputError(message) from error
    with client:
        yield client
