"""Which grey values are drawn: the windows of CT reading, and percentiles for all else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOWS: dict[str, tuple[float, float]] = {
    "Soft tissue": (-160.0, 240.0),
    "Lung": (-1350.0, 150.0),
    "Bone": (-450.0, 1050.0),
    "Brain": (0.0, 80.0),
    "Liver": (-45.0, 105.0),
}
"""Name -> lowest and highest Hounsfield unit drawn: level -/+ half the width, 40/400, -600/1500, 300/1500, 40/80 and
30/150, the settings in common use."""

_PERCENTILES = (1.0, 99.8)
_MOST_VALUES = 200_000


def window_action(name: str) -> str:
    """What a window is called among the actions of `medseg_napari.keys`."""
    return f"window_{name.lower().replace(' ', '_')}"


def percentile_window(values: NDArray) -> tuple[float, float]:
    """The 1st and 99.8th percentile of the finite values, from an even sample of at most about 200,000 of them.

    Equal percentiles, of an image of one value for example, are pulled apart by 1.
    """
    step = max(1, int(np.ceil((values.size / _MOST_VALUES) ** (1 / max(1, values.ndim)))))
    sample = np.asarray(values[(slice(None, None, step),) * values.ndim], dtype=np.float64)
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(sample, _PERCENTILES))
    return (low, high) if high > low else (low, low + 1.0)


def level_and_width(limits: tuple[float, float]) -> tuple[float, float]:
    """Level and width of the lowest and highest value drawn, as they are given in radiology."""
    low, high = limits
    return (low + high) / 2, high - low


def limits_of(level: float, width: float) -> tuple[float, float]:
    """Lowest and highest value drawn."""
    return level - width / 2, level + width / 2
