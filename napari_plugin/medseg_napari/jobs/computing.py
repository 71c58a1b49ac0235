"""A slow part of an edit in a process of its own.

Distance maps, connected components and watersheds hold Python's lock for tenths of a second of a large object, and the
window waits with them, in whatever thread they run. The process ends with the answer: a model that runs meanwhile has
its own, and edits that need one are seldom.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.errors import OutOfMemoryError
from medseg_napari.jobs.worker_process import WorkerProcess
from medseg_napari.review.edits.compute import Compute


def in_own_process(cancelled: Callable[[], bool]) -> Compute:
    """What computes in a process of its own, and ends it when `cancelled` says so.

    The answer blocks; ask for it beside the window. It raises what the function raises, `Cancelled`, and
    `OutOfMemoryError` where the process was killed.
    """

    def compute(function: Callable[..., NDArray[Any]], *arguments: Any) -> NDArray[Any]:
        worker = WorkerProcess()
        try:
            answer = worker.call(f"{function.__module__}:{function.__name__}", *arguments, cancelled=cancelled)
            return np.array(answer)  # a copy: the file behind it goes with the process
        except OutOfMemoryError as error:
            message = "The edit was ended by the system, most likely for want of memory. Nothing was changed."
            raise OutOfMemoryError(message) from error
        finally:
            worker.close()

    return compute
