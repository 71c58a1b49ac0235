"""Cases over workers, one each at a time; a case that kills its worker harms no other."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from distributed import Client, Future

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_each(
    client: Client, function: Callable[..., Result], jobs: Iterable[Job], *arguments: object
) -> Iterator[tuple[Job, Result | BaseException]]:
    """Yield each job with what `function(job, *arguments)` returned or raised, as they finish.

    A job whose worker died may be innocent: another one may have been waiting on that worker, or the system ended it
    for want of memory that others used. So it runs once more at the end, with nothing beside it; if its worker dies
    again, that is its own doing, and the error is Dask's `KilledWorker`.

    Args:
        client: of the cluster.
        function: importable by the workers.
        jobs: what to do, in this order.
        arguments: the same for all jobs.
    """
    workers = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
    suspects: list[Job] = []
    for job, outcome in _as_they_finish(client, function, jobs, *arguments, at_once=workers):
        if is_worker_death(outcome):
            suspects.append(job)
        else:
            yield job, outcome
    yield from _as_they_finish(client, function, suspects, *arguments, at_once=1)


def is_worker_death(outcome: object) -> bool:
    """Whether a job ended with its worker process."""
    return type(outcome).__name__ == "KilledWorker"


def _as_they_finish(
    client: Client, function: Callable[..., Result], jobs: Iterable[Job], *arguments: object, at_once: int
) -> Iterator[tuple[Job, Result | BaseException]]:
    from distributed import as_completed

    waiting = iter(jobs)
    running: dict[Future, Job] = {}

    def submit(job: Job) -> Future:
        # Two jobs with equal content are still two jobs: pure=False keeps Dask from merging them.
        future = client.submit(function, job, *arguments, pure=False)
        running[future] = job
        return future

    # No more than there are workers: a job that waits on one would be suspected with the job that kills it.
    finished = as_completed([submit(job) for job in itertools.islice(waiting, at_once)])
    for future in finished:
        try:
            outcome: Result | BaseException = future.result()
        except Exception as error:  # noqa: BLE001 - whatever a job fails of, the others go on
            outcome = error
        yield running.pop(future), outcome
        for job in waiting:
            finished.add(submit(job))
            break
