"""A cluster for all tests here."""

from collections.abc import Iterator

import pytest
from medseg_workflows.cluster import ClusterPlan


@pytest.fixture(scope="session")
def cluster_plan() -> Iterator[ClusterPlan]:
    """A running Dask cluster whose one worker is a thread of this process, so that torch is loaded once."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        memory_limit=0,
    ) as cluster:
        yield ClusterPlan(scheduler=cluster.scheduler_address)
