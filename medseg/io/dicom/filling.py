"""Slices between slices, where a person allowed them to be made up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def interpolated(volume: NDArray, places: Sequence[float]) -> NDArray:
    """(i, j, len(places)) slices at `places`, each the linear mixture of its two neighbours.

    Whole numbers stay whole: they are rounded to the nearest.

    Args:
        volume: (i, j, k) values.
        places: positions along k, from 0 to the last.
    """
    filled = np.empty((*volume.shape[:2], len(places)), dtype=volume.dtype, order="F")
    for number, place in enumerate(places):
        below = min(int(np.floor(place)), volume.shape[2] - 1)
        share = place - below
        if share == 0:
            filled[:, :, number] = volume[:, :, below]
            continue
        mixture = (1.0 - share) * volume[:, :, below] + share * volume[:, :, below + 1]
        filled[:, :, number] = mixture if volume.dtype.kind == "f" else np.rint(mixture)
    return filled
