"""Interleaved process times: every candidate in turn, several rounds, the smallest time of each counts."""

import time
from collections.abc import Callable


def smallest_times(candidates: dict[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Name -> smallest process time in seconds; the rounds are interleaved, so that a slow minute hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            started = time.process_time()
            run()
            times[name].append(time.process_time() - started)
    return {name: min(values) for name, values in times.items()}


def print_ratios(title: str, times: dict[str, float], *, against: str) -> None:
    print(title)
    for name, seconds in times.items():
        print(f"  {name:30s} {seconds * 1000:9.1f} ms   x {seconds / times[against]:.2f}")
