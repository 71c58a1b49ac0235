"""NaN and infinity among voxel values: a few are replaced and flagged, many are refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.verdicts import Outcome, Verdict

NOT_FINITE = "not-finite"
_CHUNK = 2**16
_LARGEST_SHARE = 0.01
"""Share of voxels without a number above which an image is refused."""


def replace_not_finite(flat: NDArray, *, path: Path) -> list[Verdict]:
    """Write the smallest finite value in place of NaN and infinities, and say so.

    Args:
        flat: (n,) values, changed in place. Worked through in chunks: a mask of the whole would be a quarter more
            memory.
        path: the file, for the verdict.

    Returns:
        Nothing, a flag, or a refusal where more than 1 % (or all) are not finite.
    """
    if flat.dtype.kind != "f":
        return []
    count = sum(chunk.size - int(np.count_nonzero(np.isfinite(chunk))) for chunk in _chunks(flat))
    if count == 0:
        return []
    smallest = min(_smallest_finite(chunk) for chunk in _chunks(flat))
    share = count / flat.size
    shown = f"{count} of {flat.size} voxels are NaN or infinite"
    if not np.isfinite(smallest):
        return [Verdict(Outcome.REFUSE, NOT_FINITE, path, shown, "Export the image again")]
    for chunk in _chunks(flat):
        chunk[~np.isfinite(chunk)] = smallest
    cause = f"{shown}; they were set to the smallest value, {float(smallest):g}"
    if share > _LARGEST_SHARE:
        remedy = "Export the image again, or put numbers in their place"
        return [Verdict(Outcome.REFUSE, NOT_FINITE, path, shown, remedy, may_be_allowed=True)]
    return [Verdict(Outcome.FLAG, NOT_FINITE, path, cause)]


def _smallest_finite(chunk: NDArray) -> float:
    finite = chunk[np.isfinite(chunk)]
    return float(finite.min()) if finite.size else np.inf


def _chunks(flat: NDArray) -> Iterator[NDArray]:
    for begin in range(0, flat.size, _CHUNK):
        yield flat[begin : begin + _CHUNK]
