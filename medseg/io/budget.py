"""How much memory an image may take, asked of its header before anything is allocated.

A header of a few bytes can ask for terabytes, and a packed file of some hundred kilobytes can hold gigabytes of zeros.
Both are refused here, by arithmetic alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from medseg.errors import ConfigError
from medseg.verdicts import Outcome, RefusedImageError, Verdict, settled

MAX_BYTES_VARIABLE = "MEDSEG_MAX_IMAGE_BYTES"
"""Environment variable with the budget in bytes; it takes the place of the measured memory."""
OVER_BUDGET = "over-budget"
COMPRESSION_BOMB = "compression-bomb"

_SHARE_OF_MEMORY = 0.8
"""Of the memory that is free; the rest is left for decoding tables and for other programs."""
_WITHOUT_MEASURE = 4 * 2**30
"""Budget where the system does not say how much memory it has."""
_LARGEST_EXPANSION = 250
"""Unpacked bytes a packed one. Scans reach 2 to 10, deflate ends at 1032; between lie only images of one value."""
_HARMLESS_BYTES = 64 * 2**20
"""Unpacked size below which no expansion is suspicious: a small empty mask is no attack."""

_GROUPS = Path("/sys/fs/cgroup")
_CONTAINER_FILES = (
    (_GROUPS / "memory.max", _GROUPS / "memory.current"),
    (_GROUPS / "memory" / "memory.limit_in_bytes", _GROUPS / "memory" / "memory.usage_in_bytes"),
)
"""Limit and use of a container's memory, in the two versions of Linux control groups."""


@dataclass(frozen=True)
class Budget:
    """Bytes that one image may take while it is read, all copies together."""

    max_bytes: int


_CHOSEN: ContextVar[Budget | None] = ContextVar("medseg_budget", default=None)


@contextmanager
def within_budget(budget: Budget) -> Iterator[None]:
    """Read under `budget` in this block, whatever the environment says."""
    token = _CHOSEN.set(budget)
    try:
        yield
    finally:
        _CHOSEN.reset(token)


def current_budget() -> Budget:
    """The budget of the enclosing `within_budget`, else of MEDSEG_MAX_IMAGE_BYTES, else 0.8 of the free memory.

    Raises:
        ConfigError: the environment variable is no positive whole number.
    """
    chosen = _CHOSEN.get()
    if chosen is not None:
        return chosen
    stated = os.environ.get(MAX_BYTES_VARIABLE)
    if stated is None:
        return Budget(int(_SHARE_OF_MEMORY * _free_memory()))
    if not stated.isdecimal() or int(stated) == 0:
        message = f"{MAX_BYTES_VARIABLE}: expected a positive whole number of bytes, got {stated!r}. Correct it."
        raise ConfigError(message)
    return Budget(int(stated))


def check_budget(path: Path, *, expected_bytes: int, copies: float = 1.0) -> None:
    """Pass when an image fits into the memory it may take; call it before the first allocation.

    Args:
        path: the file or folder, for the message.
        expected_bytes: voxels times bytes a voxel, as the header says. Python's integers: numpy's may overflow.
        copies: how often the reader holds them at its peak.

    Raises:
        RefusedImageError: it does not fit ("over-budget"), or the size is negative.
    """
    budget = current_budget().max_bytes
    needed = int(expected_bytes * copies)
    if 0 <= needed <= budget:
        return
    cause = f"its header asks for {_readable(needed)} of memory, and {_readable(budget)} may be used"
    remedy = f"If the size is right, use a machine with more memory or set {MAX_BYTES_VARIABLE}; else copy it again"
    raise RefusedImageError([Verdict(Outcome.REFUSE, OVER_BUDGET, path, cause, remedy)])


class _Request(Protocol):
    @property
    def as_labels(self) -> bool: ...

    @property
    def allow(self) -> frozenset[str]: ...


def check_expansion(
    path: Path, *, expected_bytes: int, stored_bytes: int, request: _Request | None = None
) -> tuple[Verdict, ...]:
    """The flags after asking whether a packed file unpacks to a plausible size.

    Label maps are let through: one that is empty packs a thousandfold. `check_budget` still holds for them.

    Args:
        path: the file, for the message.
        expected_bytes: size when unpacked.
        stored_bytes: size of the file.
        request: how it is read.

    Raises:
        RefusedImageError: more than 64 MiB at more than 250 bytes a stored one ("compression-bomb"), and the request
            does not allow it.
    """
    plausible = expected_bytes <= max(_HARMLESS_BYTES, _LARGEST_EXPANSION * stored_bytes)
    if plausible or (request is not None and request.as_labels):
        return ()
    cause = f"{_readable(stored_bytes)} on disk would become {_readable(expected_bytes)}, as no scan does"
    remedy = "It is empty, or made to fill the memory"
    verdict = Verdict(Outcome.REFUSE, COMPRESSION_BOMB, path, cause, remedy, may_be_allowed=True)
    return settled([verdict], allow=frozenset() if request is None else request.allow)


def most_inflated(stored_bytes: int) -> int:
    """Bytes to which a packed stream of `stored_bytes` may grow before it is a bomb."""
    return min(max(_HARMLESS_BYTES, _LARGEST_EXPANSION * stored_bytes), current_budget().max_bytes)


def _free_memory() -> int:
    """Bytes this process may still take: the least of what system, container and process limit leave."""
    found = [size for size in (_available_in_system(), _left_in_container(), _left_in_process()) if size is not None]
    return min(found, default=_WITHOUT_MEASURE)


def _available_in_system() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:  # not Linux: half of what is built in
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, OSError, ValueError):
        return None


def _left_in_container() -> int | None:
    for limit_file, used_file in _CONTAINER_FILES:
        try:
            limit = int(limit_file.read_text(encoding="ascii"))
            return max(limit - int(used_file.read_text(encoding="ascii")), 0)
        except (OSError, ValueError):  # not this version of control groups, or "max": no limit
            continue
    return None


def _left_in_process() -> int | None:
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return None
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        return max(limit - pages * resource.getpagesize(), 0)
    except (ImportError, OSError, ValueError):
        return None


def _readable(size: int) -> str:
    for unit, bytes_each in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if abs(size) >= bytes_each:
            return f"{size / bytes_each:.3g} {unit}"
    return f"{size} bytes"
