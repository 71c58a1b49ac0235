"""What a worker may do with a case; run by the workers of a test's cluster."""

import os
import signal
import time
from pathlib import Path


def run(job: str, folder: Path) -> str:
    """Answer, or end the process: "poison" always, "unlucky" where it has not died yet."""
    times = len(list(folder.glob(f"{job}.*")))
    (folder / f"{job}.{times}").touch()
    if job.startswith("poison"):
        os._exit(3)
    if job.startswith("unlucky") and not times:
        os.kill(os.getpid(), signal.SIGKILL)
    if job.startswith("error"):
        message = f"{job} failed"
        raise ValueError(message)
    time.sleep(0.01)
    return job.upper()
